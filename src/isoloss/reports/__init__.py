"""Results become charts, one offline HTML page and a summary for the terminal.

Everything is drawn from one plain dictionary, the `study.json` of a study, so that a page can
be made again from that file alone.
"""

from isoloss.reports.charts import figure_svg, figures
from isoloss.reports.page import build_page, write_report
from isoloss.reports.sample_page import build_sample_page, write_sample_page
from isoloss.reports.summary import summary_text
from isoloss.reports.task_document import read_task_document

__all__ = [
    "build_page",
    "build_sample_page",
    "figure_svg",
    "figures",
    "read_task_document",
    "summary_text",
    "write_report",
    "write_sample_page",
]

"""Results become charts, one offline HTML page and a summary for the terminal.

Everything is drawn from one plain dictionary, the `study.json` of a study, so that a page can
be made again from that file alone.
"""

from isoloss.reports.charts import figure_svg, figures
from isoloss.reports.page import build_page, write_report
from isoloss.reports.summary import summary_text

__all__ = ["build_page", "figure_svg", "figures", "summary_text", "write_report"]

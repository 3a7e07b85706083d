"""Importers: runs from tables, logs and other programs' stores."""

from isoloss.runs.importers.formats import FORMATS, Format
from isoloss.runs.importers.history import RunHistory, Series
from isoloss.runs.importers.imported import Imported, Source
from isoloss.runs.importers.importing import import_runs
from isoloss.runs.importers.mapping import Mapped

__all__ = [
    "FORMATS",
    "Format",
    "Imported",
    "Mapped",
    "RunHistory",
    "Series",
    "Source",
    "import_runs",
]

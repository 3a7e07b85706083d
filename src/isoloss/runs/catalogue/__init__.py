"""Public run tables: where each lies, what it holds, and its runs, fetched on first use.

`published` is the door; `published_tables` says what there is. Every entry is a file of
`tables/`, with the checksums of its files in `files.csv`; `forms` reads what lies at the sources.
"""

from isoloss.runs.catalogue.entries import (
    PublishedFile,
    PublishedFit,
    PublishedTable,
    published_table,
    published_tables,
)
from isoloss.runs.catalogue.opening import published

__all__ = [
    "PublishedFile",
    "PublishedFit",
    "PublishedTable",
    "published",
    "published_table",
    "published_tables",
]

"""Sources → documents and rows, streamed."""

from isoloss.corpus.reading.documents import (
    STANDARD_LIBRARY,
    Document,
    read_documents,
    read_rows,
    standard_library_documents,
)

__all__ = [
    "STANDARD_LIBRARY",
    "Document",
    "read_documents",
    "read_rows",
    "standard_library_documents",
]

"""Texts on disk → clean texts that train or validate, without duplicates between them."""

from isoloss.corpus.selection.cleaning import Cleaner, Cleaning, cleaning_from
from isoloss.corpus.selection.near_duplicates import near_duplicates, threshold_from
from isoloss.corpus.selection.selecting import Removed, Selection, Split, select, split_documents
from isoloss.corpus.selection.spool import Spool

__all__ = [
    "Cleaner",
    "Cleaning",
    "Removed",
    "Selection",
    "Split",
    "Spool",
    "cleaning_from",
    "near_duplicates",
    "select",
    "split_documents",
    "threshold_from",
]

"""Runs: the table of trained models that laws are fitted to, its store and its ledger."""

from isoloss.runs.example import example_runs
from isoloss.runs.predictions import Ledger, LedgerEntry, ledger
from isoloss.runs.store import RunStore, record
from isoloss.runs.table import Runs

__all__ = [
    "Ledger",
    "LedgerEntry",
    "RunStore",
    "Runs",
    "example_runs",
    "ledger",
    "record",
]

"""Runs: the table of trained models that laws are fitted to, its store and its ledger."""

from isoloss.runs._cells import usable
from isoloss.runs.audit import Audit, Finding, check_runs
from isoloss.runs.callbacks import huggingface_callback, lightning_callback
from isoloss.runs.catalogue import PublishedTable, published, published_table, published_tables
from isoloss.runs.example import example_runs
from isoloss.runs.exporting import export_runs
from isoloss.runs.importers import Imported, import_runs
from isoloss.runs.predictions import Ledger, LedgerEntry, ledger
from isoloss.runs.recording import append_row, record, record_all
from isoloss.runs.schema import RUN_TABLE_VERSION, Problem, run_table_schema, validate_rows
from isoloss.runs.store import RunStore
from isoloss.runs.table import Runs

__all__ = [
    "RUN_TABLE_VERSION",
    "Audit",
    "Finding",
    "Imported",
    "Ledger",
    "LedgerEntry",
    "Problem",
    "PublishedTable",
    "RunStore",
    "Runs",
    "append_row",
    "check_runs",
    "example_runs",
    "export_runs",
    "huggingface_callback",
    "import_runs",
    "ledger",
    "lightning_callback",
    "published",
    "published_table",
    "published_tables",
    "record",
    "record_all",
    "run_table_schema",
    "usable",
    "validate_rows",
]

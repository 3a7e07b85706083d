"""Tables of a store, and the triggers that keep its rows and events as they were written."""

from __future__ import annotations

SCHEMA_VERSION = "1"

MARK = "isoloss_store"
"""The table whose presence says that a database is a store; it holds the schema's version."""

TABLES = (
    f"CREATE TABLE {MARK} (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE isoloss_runs (position BIGINT PRIMARY KEY, run_id TEXT NOT NULL UNIQUE,"
    ' "row" TEXT NOT NULL)',
    "CREATE TABLE isoloss_events (id BIGINT PRIMARY KEY, kind TEXT NOT NULL, at TEXT NOT NULL,"
    " payload TEXT NOT NULL, hash TEXT NOT NULL)",
)

_SQLITE_TRIGGERS = (
    "CREATE TRIGGER isoloss_runs_no_update BEFORE UPDATE ON isoloss_runs"
    " BEGIN SELECT RAISE(ABORT, 'runs cannot be changed'); END",
    "CREATE TRIGGER isoloss_runs_no_delete BEFORE DELETE ON isoloss_runs"
    " BEGIN SELECT RAISE(ABORT, 'runs cannot be deleted'); END",
    "CREATE TRIGGER isoloss_runs_no_replace BEFORE INSERT ON isoloss_runs"
    " WHEN EXISTS (SELECT 1 FROM isoloss_runs WHERE run_id = NEW.run_id"
    " OR position = NEW.position)"
    " BEGIN SELECT RAISE(ABORT, 'runs cannot be replaced'); END",
    "CREATE TRIGGER isoloss_no_update BEFORE UPDATE ON isoloss_events"
    " BEGIN SELECT RAISE(ABORT, 'events cannot be changed'); END",
    "CREATE TRIGGER isoloss_no_delete BEFORE DELETE ON isoloss_events"
    " BEGIN SELECT RAISE(ABORT, 'events cannot be deleted'); END",
    # INSERT OR REPLACE deletes without asking the trigger above.
    "CREATE TRIGGER isoloss_no_replace BEFORE INSERT ON isoloss_events"
    " WHEN NEW.id <= (SELECT MAX(id) FROM isoloss_events)"
    " BEGIN SELECT RAISE(ABORT, 'events cannot be replaced'); END",
)

_POSTGRESQL_TRIGGERS = (
    "CREATE FUNCTION isoloss_refuse() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN RAISE EXCEPTION 'runs and events cannot be changed or deleted'; END $$",
    "CREATE TRIGGER isoloss_runs_no_change BEFORE UPDATE OR DELETE ON isoloss_runs"
    " FOR EACH ROW EXECUTE FUNCTION isoloss_refuse()",
    "CREATE TRIGGER isoloss_runs_no_truncate BEFORE TRUNCATE ON isoloss_runs"
    " FOR EACH STATEMENT EXECUTE FUNCTION isoloss_refuse()",
    "CREATE TRIGGER isoloss_no_change BEFORE UPDATE OR DELETE ON isoloss_events"
    " FOR EACH ROW EXECUTE FUNCTION isoloss_refuse()",
    "CREATE TRIGGER isoloss_no_truncate BEFORE TRUNCATE ON isoloss_events"
    " FOR EACH STATEMENT EXECUTE FUNCTION isoloss_refuse()",
)

TRIGGERS = {"sqlite": _SQLITE_TRIGGERS, "postgresql": _POSTGRESQL_TRIGGERS}

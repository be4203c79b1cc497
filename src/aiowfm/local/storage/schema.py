"""The tables, and how a file of an older release becomes one of this release."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

APPLICATION_ID = 0x61776664  # "awfd": tells our files from other SQLite files

_TABLES = """
CREATE TABLE documents (
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (kind, key)
) WITHOUT ROWID;
CREATE TABLE executions (
    number INTEGER PRIMARY KEY,
    arn TEXT NOT NULL,
    machine INTEGER NOT NULL,
    status TEXT NOT NULL,
    started_at REAL NOT NULL,
    stopped_at REAL,
    map_run TEXT,
    facts TEXT NOT NULL,
    input TEXT NOT NULL,
    output TEXT
);
CREATE INDEX executions_by_machine ON executions (machine, number) WHERE map_run IS NULL;
CREATE INDEX executions_by_map_run ON executions (map_run, number) WHERE map_run IS NOT NULL;
CREATE INDEX executions_running ON executions (number) WHERE status = 'RUNNING';
CREATE INDEX executions_by_end ON executions (stopped_at) WHERE stopped_at IS NOT NULL;
CREATE TABLE history (
    execution INTEGER NOT NULL,
    first INTEGER NOT NULL,
    events TEXT NOT NULL,
    PRIMARY KEY (execution, first)
) WITHOUT ROWID;
CREATE TABLE map_runs (
    arn TEXT PRIMARY KEY,
    execution INTEGER NOT NULL,
    status TEXT NOT NULL,
    document TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX map_runs_by_execution ON map_runs (execution);
"""

_CALLBACKS = """
CREATE TABLE waits (
    name TEXT NOT NULL,
    task_key TEXT NOT NULL,
    status TEXT NOT NULL,
    entered TEXT NOT NULL,
    due_at REAL,
    expires_at REAL NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (name, task_key)
) WITHOUT ROWID;
CREATE INDEX waits_pending ON waits (name, entered, task_key) WHERE status = 'WAITING';
CREATE INDEX waits_due ON waits (name, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX waits_by_expiry ON waits (expires_at);
CREATE TABLE results (
    name TEXT NOT NULL,
    task_key TEXT NOT NULL,
    result TEXT NOT NULL,
    PRIMARY KEY (name, task_key)
) WITHOUT ROWID;
"""

# Those that run have an index already, and those that succeed are most of all: these cost
# nothing until something fails.
UNUSUAL = "map_run IS NULL AND status NOT IN ('RUNNING', 'SUCCEEDED')"
_SEARCHES = f"""
CREATE INDEX executions_by_status ON executions (machine, status, number) WHERE {UNUSUAL};
CREATE INDEX executions_by_error ON executions (facts ->> 'error', number) WHERE {UNUSUAL};
"""

# The one at place n makes a file of version n + 1 out of one of version n.
# Those that were released never change.
MIGRATIONS: Sequence[str] = (_TABLES, _CALLBACKS, _SEARCHES)
VERSION = len(MIGRATIONS)


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Bring a file of *version* up to `VERSION`, each step in a transaction."""
    for number, script in enumerate(MIGRATIONS[version:], version + 1):
        connection.executescript(
            f"BEGIN IMMEDIATE; {script}; PRAGMA user_version = {number};"
            f" PRAGMA application_id = {APPLICATION_ID}; COMMIT;"
        )

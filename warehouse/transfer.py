"""From DuckDB to PostgreSQL: one transaction, streamed with COPY, first loads without index upkeep."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Self

import duckdb
import psycopg
import pyarrow as pa
import sqlalchemy as sa
from pyarrow import csv
from sqlalchemy.dialects import postgresql

from warehouse.seals import NONE, Seals
from warehouse.tables import default_of

BATCH = 50_000
"""Rows formatted at a time, to bound memory."""

CSV = csv.WriteOptions(include_header=False, quoting_style="all_valid")
"""Every value quoted, NULL empty: PostgreSQL's CSV tells the two apart."""

DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]

Work = Callable[[pa.RecordBatch], pa.RecordBatch]
"""What is done to rows on their way: sealing them."""


class Transfer:
    """One PostgreSQL transaction; use as a context manager, commits when the block ends without error.

    Args:
        dsn: the master.
        con: the DuckDB connection whose relations are sent.
        run_id: the run that writes.
        at: when the run's changes begin to hold; PostgreSQL's time of the transaction when not given.
        dry_run: everything is written and taken back: a rehearsal.
        seals: what numbers and sensitive values are encrypted with.
    """

    def __init__(
        self,
        dsn: str,
        con: duckdb.DuckDBPyConnection,
        run_id: str,
        at: datetime | None = None,
        *,
        dry_run: bool = False,
        seals: Seals = NONE,
    ) -> None:
        self._pg, self._seals = psycopg.connect(dsn), seals
        self._con, self._run, self._dry_run = con, run_id, dry_run
        self._at = "now()" if at is None else f"TIMESTAMPTZ '{at.astimezone().isoformat()}'"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            if kind is None and not self._dry_run:
                self._pg.commit()
            else:
                self._pg.rollback()
        finally:
            self._pg.close()

    def _execute(self, sql: str) -> int:
        return max(self._pg.execute(sql.encode()).rowcount, 0)

    def _copy(self, table: str, query: str, work: Work | None = None) -> int:
        """Stream the result of a DuckDB query into a PostgreSQL table (COPY as CSV, cast by the table); return the rows."""
        reader = self._con.sql(query).to_arrow_reader(BATCH)
        columns = ", ".join(f'"{name}"' for name in reader.schema.names)
        rows = 0
        with self._pg.cursor().copy(f"COPY {table} ({columns}) FROM STDIN (FORMAT csv)".encode()) as copy:
            for batch in reader:
                sink = pa.BufferOutputStream()
                csv.write_csv(batch if work is None else work(batch), sink, CSV)
                copy.write(memoryview(sink.getvalue()))
                rows += batch.num_rows
        return rows

    def _send(self, name: str, like: str, query: str, work: Work | None = None) -> int:
        """Copy the result of a DuckDB query into the new temporary table `name` with columns `like`; return the rows."""
        self._execute(f"CREATE TEMP TABLE {name} ({like}) ON COMMIT DROP")
        rows = self._copy(name, query, work)
        if rows:
            # Nobody else tells the planner that a few rows meet a large table; it would read all of that.
            self._execute(f"ANALYZE {name}")
        return rows

    def _fill(self, table: str, query: str, work: Work | None = None) -> int:
        """Load an empty table at once: emptied in this transaction it needs no write-ahead log."""
        self._execute(f"TRUNCATE {table}")
        return self._copy(table, query, work)

    def _fill_all(self, table: sa.Table, query: str, same: Mapping[str, str]) -> int:
        """Load an empty table, then build its indexes: once is twice as fast as keeping them up row by row.

        Args:
            table: the table; its primary key is named as PostgreSQL names it.
            query: DuckDB query of the columns that differ from row to row.
            same: column -> SQL of the value that all rows share; it travels as a default, not with every row.
        """
        key = ", ".join(c.name for c in table.primary_key.columns)
        with self._unindexed(table):
            self._execute(f"ALTER TABLE {table.name} DROP CONSTRAINT {table.name}_pkey")
            self._defaults(table, same)
            rows = self._fill(table.name, query)
            self._defaults(table, dict.fromkeys(same))
            self._execute(f"ALTER TABLE {table.name} ADD PRIMARY KEY ({key})")
        return rows

    @contextmanager
    def _unindexed(self, table: sa.Table) -> Iterator[None]:
        """Take an empty table's indexes away while it is filled."""
        indexes = sorted(table.indexes, key=lambda i: str(i.name))
        for index in indexes:
            self._execute(f"DROP INDEX {index.name}")
        yield
        for index in indexes:
            self._execute(str(sa.schema.CreateIndex(index).compile(dialect=DIALECT)))
        self._execute(f"ANALYZE {table.name}")

    def _defaults(self, table: sa.Table, values: Mapping[str, str | None]) -> None:
        """Set the defaults of columns; None = as the table declares it."""
        for name, value in values.items():
            self._execute(
                f"ALTER TABLE {table.name} ALTER COLUMN {name} SET DEFAULT {value or default_of(table.c[name])}"
            )

    def _empty(self, table: str) -> bool:
        row = self._pg.execute(f"SELECT NOT EXISTS (SELECT 1 FROM {table})".encode()).fetchone()
        return bool(row and row[0])


def matches(columns: Sequence[str], left: str, right: str) -> str:
    """Return the SQL that two rows have the same values in these columns."""
    return " AND ".join(f"{left}.{c} = {right}.{c}" for c in columns)

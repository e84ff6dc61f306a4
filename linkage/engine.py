"""What the linkage pipeline asks of an engine: run SQL into a table, hand a result to Arrow, take an Arrow table back.

The pipeline is written once; DuckDB runs it on one machine, Spark (`linkage.spark`) on many. The SQL is DuckDB's in the
part that sqlglot carries to Spark.
"""

from __future__ import annotations

from typing import Protocol

import duckdb
import pyarrow as pa


class Engine(Protocol):
    """Tables by name, made by SQL or from Arrow."""

    def table(self, name: str, sql: str) -> None:
        """Make (or replace) the temporary table `name` from a query."""
        ...

    def arrow(self, sql: str) -> pa.Table:
        """Return the result of a query."""
        ...

    def put(self, name: str, table: pa.Table) -> None:
        """Make (or replace) the temporary table `name` from an Arrow table."""
        ...

    def drop(self, *names: str) -> None:
        """Forget temporary tables."""
        ...


class DuckEngine:
    """The pipeline on DuckDB; tables are temporary tables of the connection."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self.con = con

    def table(self, name: str, sql: str) -> None:
        """Make (or replace) the temporary table `name` from a query."""
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {sql}")

    def arrow(self, sql: str) -> pa.Table:
        """Return the result of a query."""
        return self.con.sql(sql).to_arrow_table()

    def put(self, name: str, table: pa.Table) -> None:
        """Make (or replace) the temporary table `name` from an Arrow table."""
        self.con.register("_put", table)
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM _put")
        self.con.unregister("_put")

    def drop(self, *names: str) -> None:
        """Forget temporary tables."""
        for name in names:
            self.con.execute(f"DROP TABLE IF EXISTS temp.{name}")

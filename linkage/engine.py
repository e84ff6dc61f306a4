"""What the linkage pipeline asks of an engine: run SQL into a table, work on its rows in Arrow, read and write Parquet.

The pipeline is written once; DuckDB runs it on one machine, Spark (`linkage.spark`) on many. The SQL is DuckDB's in the
part that sqlglot carries to Spark (`linkage.spark.sql`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import duckdb
import pyarrow as pa

from linkage.graph import solve
from linkage.model import Model

Work = Callable[[pa.Table], pa.Table]
"""Works on rows, each for itself: what comes out for some rows does not depend on which others are there."""


class Engine(Protocol):
    """Tables by name, made by SQL, by functions on Arrow tables, or from files."""

    def table(self, name: str, sql: str) -> None:
        """Make (or replace) the temporary table `name` from a query, which may read the table that it replaces."""
        ...

    def apply(self, name: str, sql: str, work: Work, schema: pa.Schema) -> None:
        """Make (or replace) the temporary table `name` from what `work` makes of the rows of a query."""
        ...

    def clusters(self, model: Model) -> None:
        """Make `node_cluster` and `stopped` from `node` and `node_edge`, as `linkage.graph.solve` says."""
        ...

    def arrow(self, sql: str) -> pa.Table:
        """Return the result of a query; for small ones."""
        ...

    def put(self, name: str, table: pa.Table) -> None:
        """Make (or replace) the temporary table `name` from an Arrow table."""
        ...

    def read(self, name: str, path: Path) -> None:
        """Make `name` stand for a Parquet file or a folder of such."""
        ...

    def write(self, sql: str, path: Path) -> None:
        """Write the result of a query as Parquet, one file or a folder of parts."""
        ...

    def drop(self, *names: str) -> None:
        """Forget temporary tables; unknown names are passed over."""
        ...


class DuckEngine:
    """The pipeline on DuckDB; tables are temporary tables of the connection."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self.con = con

    def table(self, name: str, sql: str) -> None:
        """Make (or replace) the temporary table `name` from a query."""
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {sql}")

    def apply(self, name: str, sql: str, work: Work, schema: pa.Schema) -> None:
        """Make (or replace) the temporary table `name` from what `work` makes of the rows of a query."""
        self.put(name, work(self.arrow(sql)).cast(schema))

    def clusters(self, model: Model) -> None:
        """Find the clusters of the whole graph at once."""
        named, stopped = solve(model, self.arrow("SELECT * FROM node"), self.arrow("SELECT * FROM node_edge"))
        self.put("node_cluster", named)
        self.put("stopped", stopped)

    def arrow(self, sql: str) -> pa.Table:
        """Return the result of a query."""
        return self.con.sql(sql).to_arrow_table()

    def put(self, name: str, table: pa.Table) -> None:
        """Make (or replace) the temporary table `name` from an Arrow table."""
        self.con.register("_put", table)
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM _put")
        self.con.unregister("_put")

    def read(self, name: str, path: Path) -> None:
        """Make `name` stand for a Parquet file or a folder of such."""
        self.con.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT * FROM read_parquet({_parquet(path)})")

    def write(self, sql: str, path: Path) -> None:
        """Write the result of a query as one Parquet file."""
        self.con.execute(f"COPY ({sql}) TO {_quoted(str(path))} (FORMAT parquet, COMPRESSION zstd)")

    def drop(self, *names: str) -> None:
        """Forget temporary tables."""
        for name in names:
            self.con.execute(f"DROP TABLE IF EXISTS temp.{name}")


def _parquet(path: Path) -> str:
    return _quoted(str(path / "*.parquet" if path.is_dir() else path))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"

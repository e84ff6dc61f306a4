"""What the linkage pipeline asks of an engine: run SQL into a table, work on rows in Arrow, cluster a graph.

The pipeline is written once; DuckDB runs it on one machine, Spark (`linkage.spark`) on many. The SQL is DuckDB's in the
part that sqlglot carries to Spark.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import duckdb
import pyarrow as pa

from linkage.graph import cluster_here
from linkage.model import Model

Work = Callable[[pa.Table], pa.Table]
"""Works on rows, each for itself: what comes of some rows does not depend on which others are there."""


class Engine(Protocol):
    """Tables by name, made by SQL or from Arrow."""

    def table(self, name: str, sql: str) -> None:
        """Make (or replace) the temporary table `name` from a query, which may read the table that it replaces."""
        ...

    def apply(self, name: str, sql: str, work: Work, schema: pa.Schema) -> None:
        """Make (or replace) the temporary table `name` from what `work` makes of the rows of a query."""
        ...

    def clusters(self, model: Model, *, judged: bool) -> None:
        """Make `node_cluster` and `stopped` (`linkage.graph.solve`) from `node`, `node_edge` and, if judged, `node_judged`."""
        ...

    def arrow(self, sql: str) -> pa.Table:
        """Return the result of a query."""
        ...

    def put(self, name: str, table: pa.Table) -> None:
        """Make (or replace) the temporary table `name` from an Arrow table."""
        ...

    def read(self, name: str, path: str) -> None:
        """Let `name` stand for a Parquet file or a folder of such."""
        ...

    def write(self, sql: str, path: str) -> None:
        """Write the result of a query as Parquet: one file, or a folder of parts where many write."""
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

    def apply(self, name: str, sql: str, work: Work, schema: pa.Schema) -> None:
        """Make (or replace) the temporary table `name` from what `work` makes of the rows of a query."""
        self.put(name, work(self.arrow(sql)).cast(schema))

    def clusters(self, model: Model, *, judged: bool) -> None:
        """Cluster the whole graph at once."""
        cluster_here(self, model, judged=judged)

    def arrow(self, sql: str) -> pa.Table:
        """Return the result of a query."""
        return self.con.sql(sql).to_arrow_table()

    def put(self, name: str, table: pa.Table) -> None:
        """Make (or replace) the temporary table `name` from an Arrow table."""
        self.con.register("_put", table)
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM _put")
        self.con.unregister("_put")

    def read(self, name: str, path: str) -> None:
        """Let `name` stand for a Parquet file or a folder of such."""
        files = str(Path(path) / "*.parquet") if Path(path).is_dir() else path
        self.con.read_parquet(files).create_view(name)

    def write(self, sql: str, path: str) -> None:
        """Write the result of a query as one Parquet file."""
        self.con.sql(sql).write_parquet(path, compression="zstd")

    def drop(self, *names: str) -> None:
        """Forget temporary tables."""
        for name in names:
            self.con.execute(f"DROP TABLE IF EXISTS temp.{name}")

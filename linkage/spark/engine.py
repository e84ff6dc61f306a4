"""The engine on Spark: each table is computed once, where its rows are, and cut off from how it came about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from linkage.components import find_components
from linkage.engine import Work
from linkage.graph import contested_sql, solve
from linkage.model import Model
from linkage.spark.sql import spark_sql

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

CODE: Final = pa.int64()
"""A hash code on Spark, which has no unsigned integers."""

SOLVED: Final = pa.schema(
    [
        ("node", CODE), ("cluster", CODE), ("l", CODE), ("r", CODE), ("weight", pa.float64()), ("reason", pa.string()),
    ]
)  # fmt: skip
"""Clusters (node, cluster) and stopped edges (l, r, weight, reason) in one table; the columns of the other are NULL."""

SHARE: Final = 50_000
"""Nodes of contested components that are solved in one call: enough for whole columns, few enough for any worker."""


class SparkEngine:
    """The pipeline on Spark; tables are temporary views of the session over checkpointed rows.

    A table that would be computed anew for every use, or that carried along the plans of all tables before it, would make
    the pipeline grow with the square of its steps and worse. So each is computed when it is made and its plan cut off
    there: on the executors, or in the context's checkpoint folder where one is set, which survives lost executors.
    """

    def __init__(self, session: SparkSession) -> None:
        self.session = session
        self._durable = session.sparkContext.getCheckpointDir() is not None

    def table(self, name: str, sql: str) -> None:
        """Make (or replace) the temporary table `name` from a query."""
        self._keep(name, self._frame(sql))

    def apply(self, name: str, sql: str, work: Work, schema: pa.Schema) -> None:
        """Make (or replace) the temporary table `name`: `work` runs on the workers, batch by batch."""
        batches = partial(_worked, work=work, schema=schema)
        self._keep(name, self._frame(sql).mapInArrow(batches, _spark_schema(schema)))

    def clusters(self, model: Model) -> None:
        """Find the clusters: components in SQL, and constraints only in those where something could stand against them."""
        find_components(self, edges="node_edge", into="node_component")
        self.table(
            "component",
            "SELECT k.component, min_by(n.node, n.first) AS cluster, count(*) AS nodes, "
            f"{contested_sql(model)} AS contested FROM node n JOIN node_component k ON k.node = n.node GROUP BY k.component",
        )
        self._solve(model)
        self.table(
            "node_cluster",
            "SELECT k.node, c.cluster FROM node_component k JOIN component c ON c.component = k.component "
            "WHERE NOT c.contested UNION ALL SELECT node, cluster FROM solved WHERE node IS NOT NULL",
        )
        self.table("stopped", "SELECT l, r, weight, reason FROM solved WHERE l IS NOT NULL")
        self.drop("node_component", "component", "solved")

    def _solve(self, model: Model) -> None:
        """Make `solved` from the contested components, each whole within one of so many shares."""
        count = self.arrow("SELECT sum(nodes) AS nodes FROM component WHERE contested")["nodes"][0].as_py() or 0
        share = f"abs(c.component % {1 + count // SHARE})"
        contested = "JOIN component c ON c.component = k.component WHERE c.contested"
        nodes = self._frame(
            f"SELECT n.*, {share} AS share FROM node n JOIN node_component k ON k.node = n.node {contested}"
        )
        edges = self._frame(
            f"SELECT e.*, {share} AS share FROM node_edge e JOIN node_component k ON k.node = e.l {contested}"
        )
        together = nodes.groupBy("share").cogroup(edges.groupBy("share"))
        self._keep("solved", together.applyInArrow(partial(_solved, model), _spark_schema(SOLVED)))

    def arrow(self, sql: str) -> pa.Table:
        """Return the result of a query."""
        found: pa.Table = self._frame(sql).toArrow()
        return found

    def put(self, name: str, table: pa.Table) -> None:
        """Make (or replace) the temporary table `name` from an Arrow table."""
        self._keep(name, self.session.createDataFrame(table))

    def read(self, name: str, path: Path) -> None:
        """Make `name` stand for a Parquet file or a folder of such."""
        self.session.read.parquet(str(path)).createOrReplaceTempView(name)

    def write(self, sql: str, path: Path) -> None:
        """Write the result of a query as a folder of Parquet files, each by the worker that holds its rows."""
        self._frame(sql).write.mode("overwrite").parquet(str(path), compression="zstd")

    def drop(self, *names: str) -> None:
        """Forget temporary tables; Spark frees their rows once nothing refers to them."""
        for name in names:
            self.session.catalog.dropTempView(name)

    def _frame(self, sql: str) -> DataFrame:
        return self.session.sql(spark_sql(sql))

    def _keep(self, name: str, frame: DataFrame) -> None:
        kept = frame.checkpoint() if self._durable else frame.localCheckpoint()
        kept.createOrReplaceTempView(name)


def _spark_schema(schema: pa.Schema) -> object:
    from pyspark.sql.pandas.types import from_arrow_schema

    return from_arrow_schema(schema)


def _worked(batches: Iterable[pa.RecordBatch], *, work: Work, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Run on a worker: what `work` makes of each batch, one batch out for one in."""
    for batch in batches:
        yield from work(pa.Table.from_batches([batch])).cast(schema).combine_chunks().to_batches()


def _solved(model: Model, nodes: pa.Table, edges: pa.Table) -> pa.Table:
    """Run on a worker: the clusters and stopped edges of a share of the components, in one table."""
    named, stopped = solve(model, nodes, edges)
    parts = []
    for part in (named, stopped):
        given = set(part.column_names)
        parts.append(
            pa.table([part[f.name].cast(f.type) if f.name in given else pa.nulls(len(part), f.type) for f in SOLVED], SOLVED)
        )
    return pa.concat_tables(parts)

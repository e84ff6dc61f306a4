"""The engine on Spark: each table is computed once, where its rows are, and kept as Parquet."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from linkage.components import find_components
from linkage.engine import Work
from linkage.graph import cluster_here, contested_sql, solve
from linkage.model import Model
from linkage.spark.sql import spark_sql

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

CODE: Final = pa.int64()
"""A hash code on Spark, which has no unsigned integers."""

SOLVED: Final = pa.schema(
    [
        *((name, CODE) for name in ("node", "component", "cluster")),
        ("joined", pa.bool_()),
        ("l", CODE),
        ("r", CODE),
        ("weight", pa.float64()),
        ("reason", pa.string()),
    ]
)
"""The two results of `linkage.graph.solve` in one table; the columns of the other are NULL."""

SHARE: Final = 50_000
"""Nodes of contested components that are solved in one call: enough for whole columns, few enough for any worker."""


class SparkEngine:
    """The pipeline on Spark; tables are temporary views of the session over Parquet in a folder.

    A table that was computed anew for every use, or that carried along the plans of all tables before it, would make the
    pipeline grow with the square of its steps. So each is computed when it is made and read from there on. Parquet and not
    Spark's own checkpoints: these keep the column ids and constraints of the plan that they cut off, and where a table meets
    a descendant of itself in an outer join (as in `linkage.foreign`) Spark (4.3) takes one column for the other and
    drops rows.
    """

    def __init__(self, session: SparkSession, folder: str) -> None:
        """Take a session and a folder (a path or the address of a file system) that all its workers reach."""
        self.session, self.folder = session, folder
        self._numbers = count(1)
        self._kept: dict[str, str] = {}

    def table(self, name: str, sql: str) -> None:
        """Make (or replace) the temporary table `name` from a query, which may read the table that it replaces."""
        self._keep(name, self._frame(sql))

    def apply(self, name: str, sql: str, work: Work, schema: pa.Schema) -> None:
        """Make (or replace) the temporary table `name`: `work` runs on the workers, batch by batch."""
        self._keep(name, self._frame(sql).mapInArrow(partial(_worked, work=work, schema=schema), _spark_schema(schema)))

    def clusters(self, model: Model, *, judged: bool) -> None:
        """Cluster without gathering the graph: components in SQL, constraints only where something could stand against.

        Judgements are the working copy's, which no cluster of machines holds; a graph with some is clustered on the driver.
        """
        if judged:
            cluster_here(self, model, judged=judged)
            return
        find_components(self, edges="node_edge", into="node_group")
        self.table(
            "node_component",
            f"SELECT g.component AS number, min_by(n.node, n.first) AS component, count(*) AS nodes, {contested_sql(model)} "
            "AS contested FROM node n JOIN node_group g ON g.node = n.node GROUP BY g.component",
        )
        self._solve(model)
        self.table(
            "node_cluster",
            "SELECT g.node, c.component, c.component AS cluster, true AS joined FROM node_group g "
            "JOIN node_component c ON c.number = g.component WHERE NOT c.contested "
            "UNION ALL SELECT node, component, cluster, joined FROM solved WHERE node IS NOT NULL",
        )
        self.table("stopped", "SELECT l, r, weight, reason FROM solved WHERE l IS NOT NULL")
        self.drop("node_group", "node_component", "solved")

    def _solve(self, model: Model) -> None:
        """Make `solved` from the contested components, each of them whole within one of so many shares."""
        nodes = self.arrow("SELECT sum(nodes) AS nodes FROM node_component WHERE contested")["nodes"][0].as_py() or 0
        share = f"abs(c.number % {1 + nodes // SHARE}) AS share"
        contested = "JOIN node_component c ON c.number = g.component WHERE c.contested"
        sides = (
            self._frame(f"SELECT s.*, {share} FROM {table} s JOIN node_group g ON g.node = s.{end} {contested}")
            for table, end in (("node", "node"), ("node_edge", "l"))
        )
        one, other = (side.groupBy("share") for side in sides)
        self._keep("solved", one.cogroup(other).applyInArrow(partial(_solved, model), _spark_schema(SOLVED)))

    def arrow(self, sql: str) -> pa.Table:
        """Return the result of a query."""
        found: pa.Table = self._frame(sql).toArrow()
        return found

    def put(self, name: str, table: pa.Table) -> None:
        """Make (or replace) the temporary table `name` from an Arrow table."""
        # PySpark loses rows of a table that has an empty chunk among others, and says nothing.
        self._keep(name, self.session.createDataFrame(table.combine_chunks()))

    def read(self, name: str, path: str) -> None:
        """Let `name` stand for a Parquet file or a folder of such, read by the workers."""
        self.session.read.parquet(path).createOrReplaceTempView(name)

    def write(self, sql: str, path: str) -> None:
        """Write the result of a query as a folder of Parquet files, each by the worker that holds its rows."""
        self._frame(sql).write.mode("overwrite").parquet(path, compression="zstd")

    def drop(self, *names: str) -> None:
        """Forget temporary tables and delete their files, if these are on this machine."""
        for name in names:
            self.session.catalog.dropTempView(name)
            if place := self._kept.pop(name, None):
                shutil.rmtree(place, ignore_errors=True)

    def _frame(self, sql: str) -> DataFrame:
        return self.session.sql(spark_sql(sql))

    def _keep(self, name: str, frame: DataFrame) -> None:
        place = f"{self.folder}/{next(self._numbers)}-{name}"
        frame.write.parquet(place)
        self.drop(name)  # only now: the query may have read it
        self._kept[name] = place
        self.session.read.schema(frame.schema).parquet(place).createOrReplaceTempView(name)


def _spark_schema(schema: pa.Schema) -> StructType:
    from pyspark.sql.pandas.types import from_arrow_schema

    return from_arrow_schema(schema)


def _worked(batches: Iterable[pa.RecordBatch], *, work: Work, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Run on a worker: what `work` makes of each batch."""
    for batch in batches:
        yield from work(pa.Table.from_batches([batch])).cast(schema).combine_chunks().to_batches()


def _solved(model: Model, nodes: pa.Table, edges: pa.Table) -> pa.Table:
    """Run on a worker: clusters and stopped edges of a share of the components, in one table."""
    named, stopped = solve(model, nodes, edges)
    return pa.concat_tables([_widened(named), _widened(stopped)])


def _widened(part: pa.Table) -> pa.Table:
    given = set(part.column_names)
    columns = [part[f.name].cast(f.type) if f.name in given else pa.nulls(len(part), f.type) for f in SOLVED]
    return pa.table(columns, schema=SOLVED)

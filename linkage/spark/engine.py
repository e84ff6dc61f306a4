"""The engine on Spark: each table is computed once, where its rows are, and cut off from how it came about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from linkage.spark.sql import spark_sql

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


class SparkEngine:
    """The pipeline on Spark; tables are temporary views of the session over checkpointed rows.

    A table that would be computed anew for every use, or that carried along the plans of all tables before it, would make
    the pipeline grow with the square of its steps. So each is computed when it is made and its plan cut off there. Records
    are read, blocked, compared and weighed on the executors; the edges that reach the link threshold, few beside the
    records, are clustered on the driver by the same function as on one machine.
    """

    def __init__(self, session: SparkSession) -> None:
        self.session = session

    def table(self, name: str, sql: str) -> None:
        """Make (or replace) the temporary table `name` from a query."""
        self._keep(name, self.session.sql(spark_sql(sql)))

    def arrow(self, sql: str) -> pa.Table:
        """Return the result of a query."""
        found: pa.Table = self.session.sql(spark_sql(sql)).toArrow()
        return found

    def put(self, name: str, table: pa.Table) -> None:
        """Make (or replace) the temporary table `name` from an Arrow table."""
        # PySpark loses rows of a table that has an empty chunk among others, and says nothing.
        self._keep(name, self.session.createDataFrame(table.combine_chunks()))

    def drop(self, *names: str) -> None:
        """Forget temporary tables; Spark frees their rows once nothing refers to them."""
        for name in names:
            self.session.catalog.dropTempView(name)

    def _keep(self, name: str, frame: DataFrame) -> None:
        frame.localCheckpoint().createOrReplaceTempView(name)

"""Runs of the foils with what each stage took (计时)."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from benchmarks.foils.models import linker, linker_between

THREADS = 2
PROBABILITY = 0.99
"""Pairs at least so probable become edges, and their components clusters: the best F1 of 0.9, 0.99 and 0.999 in training."""


@dataclass
class Watch:
    """Wall and processor seconds by stage, and the highest memory of the process so far (MB)."""

    stages: dict[str, tuple[float, float]] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what is done inside."""
        wall, processor = time.perf_counter(), time.process_time()
        yield
        self.stages[name] = (time.perf_counter() - wall, time.process_time() - processor)

    @property
    def seconds(self) -> tuple[float, float]:
        """Wall and processor seconds of all stages."""
        walls, processors = zip(*self.stages.values(), strict=True)
        return sum(walls), sum(processors)

    @staticmethod
    def peak() -> float:
        """Highest memory of this process (MB)."""
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def connect() -> duckdb.DuckDBPyConnection:
    """Return an empty database in memory with the threads that all parties get."""
    con = duckdb.connect()
    con.execute(f"SET threads = {THREADS}")
    return con


def load(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Read a prepared Parquet file into the table `prepared`."""
    con.execute(f"CREATE TABLE prepared AS SELECT * FROM read_parquet('{path}')")


def exact(con: duckdb.DuckDBPyConnection, table: str, watch: Watch) -> tuple[pa.Table, int]:
    """Return links (record, master) by equal valid numbers, and how many pairs were compared (none).

    Args:
        con: where `table` is seen.
        table: relation with `record` and `id_number` (NULL where missing or invalid).
        watch: takes the time.
    """
    with watch.stage("group"):
        links = con.sql(
            f"SELECT record, coalesce(min(record) OVER (PARTITION BY id_number), record) AS master FROM {table} WHERE id_number IS NOT NULL "
            f"UNION ALL SELECT record, record FROM {table} WHERE id_number IS NULL"
        ).to_arrow_table()
    return links, 0


def splink(
    con: duckdb.DuckDBPyConnection,
    table: str,
    model: dict[str, Any] | Path,
    watch: Watch,
    probability: float = PROBABILITY,
) -> tuple[pa.Table, int]:
    """Return links (record, master) by a trained Splink model, and how many pairs lay at or above the threshold."""
    with watch.stage("init"):
        link = linker(con, table, model)
    with watch.stage("predict"):
        pairs = link.inference.predict(threshold_match_probability=probability)
    with watch.stage("cluster"):
        clusters = link.clustering.cluster_pairwise_predictions_at_threshold(
            pairs, threshold_match_probability=probability
        )
    links = con.sql(f"SELECT unique_id AS record, cluster_id AS master FROM {clusters.physical_name}").to_arrow_table()
    edges = con.execute(f"SELECT count(*) FROM {pairs.physical_name}").fetchall()[0][0]
    return links, int(edges)


def between(
    con: duckdb.DuckDBPyConnection, model: dict[str, Any], new: int, watch: Watch, probability: float = PROBABILITY
) -> int:
    """Score the last `new` records of `prepared` against the others; return how many edges there are.

    Edges are all that Splink gives for new records: no clusters, no ids, no golden rows. Loading, term frequencies and
    what else can be done before the new records arrive is timed apart (`before`).
    """
    with watch.stage("before"):
        con.execute("CREATE TABLE numbered AS SELECT *, row_number() OVER (ORDER BY unique_id) AS n FROM prepared")
        (count,) = con.execute("SELECT count(*) FROM numbered").fetchall()[0]
        con.execute(f"CREATE TABLE existing AS SELECT * EXCLUDE (n) FROM numbered WHERE n <= {count - new}")
        con.execute(f"CREATE TABLE fresh AS SELECT * EXCLUDE (n) FROM numbered WHERE n > {count - new}")
        link, existing, fresh = linker_between(con, "existing", "fresh", model)
    with watch.stage("between"):
        pairs = link.inference.predict_between(existing, fresh, threshold_match_probability=probability)
    return int(con.execute(f"SELECT count(*) FROM {pairs.physical_name}").fetchall()[0][0])

"""Spark links as DuckDB does: the same pipeline, the same SQL carried over, the same links.

Run by `make test-spark`; the default tests do without PySpark and Java.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("pyspark", reason="the extra 'spark' is not installed: make test-spark")

from connectors.manifest import load_all
from linkage.comparable import SPECS
from linkage.engine import DuckEngine, Engine
from linkage.model import shipped
from linkage.pipeline import link
from linkage.prepare import prepare
from linkage.spark.session import spark_engine
from onefact.home import Home
from onefact.link import run
from sandbox.standardised import Seen, standardised
from sandbox.town import make_town

SYSTEMS = Path(__file__).parents[2] / "connectors" / "systems"
PEOPLE, SEED = 1500, 5


@pytest.fixture
def spark(tmp_path: Path) -> Iterator[Engine]:
    with spark_engine("local[2]", tmp_path) as engine:
        yield engine


@pytest.fixture(scope="module")
def seen() -> Seen:
    return standardised(make_town(PEOPLE, SEED), load_all(SYSTEMS), SEED)


@pytest.fixture(scope="module")
def records(seen: Seen) -> pa.Table:
    persons = seen.tables["person"]
    spec = SPECS["person"]
    return persons.select(["system_id", "record_key", "role", *spec.fields])


def partition(engine: Engine, records: pa.Table, hints: pa.Table) -> set[frozenset[str]]:
    model, spec = shipped("person"), SPECS["person"]
    engine.put("std_person", records)
    engine.put("std_hint", hints)
    link(engine, spec, model, prepare(engine, spec, model, records="std_person", hints="std_hint"))
    rows = engine.arrow(
        "SELECT c.cluster, k.system_id, k.record_key, k.role FROM clustered c JOIN comparable k ON k.rid = c.rid"
    ).to_pylist()
    groups: dict[int, set[str]] = {}
    for row in rows:
        groups.setdefault(row["cluster"], set()).add("/".join((row["system_id"], row["record_key"], row["role"])))
    return {frozenset(g) for g in groups.values()}


def test_a_table_in_pieces_arrives_whole(spark: Engine) -> None:
    piece = pa.table({"a": ["x", "y"]})
    spark.put("pieces", pa.concat_tables([piece, piece.slice(0, 0), piece]))
    assert spark.arrow("SELECT count(*) AS n FROM pieces").to_pylist() == [{"n": 4}]


def test_the_same_links_on_the_synthetic_town(spark: Engine, seen: Seen, records: pa.Table) -> None:
    with duckdb.connect() as con:
        expected = partition(DuckEngine(con), records, seen.hints)
    assert records.num_rows > 5000
    assert len(expected) < records.num_rows / 2, "the town must have something to link"
    assert partition(spark, records, seen.hints) == expected


def test_the_command_writes_the_same_clusters_on_both_engines(records: pa.Table, tmp_path: Path) -> None:
    home = Home(path=tmp_path / "home")
    pq.write_table(records, tmp_path / "records.parquet")
    found = {}
    for engine in ("duckdb", "spark"):
        done = run(home, engine, tmp_path / engine, records=tmp_path / "records.parquet")
        clusters: dict[int, set[tuple[str, ...]]] = {}
        for row in pq.read_table(done.file).to_pylist():
            clusters.setdefault(row["cluster"], set()).add((row["system_id"], row["record_key"], row["role"]))
        found[engine] = {frozenset(c) for c in clusters.values()}
        assert done.clusters == len(clusters)
    assert found["duckdb"] == found["spark"]

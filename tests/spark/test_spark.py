"""Spark links as DuckDB does: the same pipeline, the same SQL carried over, the same links.

Run by `make test-spark`; the default tests do without PySpark and Java.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("pyspark", reason="the extra 'spark' is not installed: make test-spark")

from connectors.manifest import load_all
from connectors.mapping.cross import cross_check
from linkage.comparable import RECORD, SPECS
from linkage.engine import DuckEngine, Engine
from linkage.model import shipped
from linkage.pipeline import NAME, link
from linkage.prepare import prepare
from linkage.spark.session import SparkMissing, java, spark_engine
from onefact.home import Home
from onefact.link import RecordsUnusable, run
from sandbox.standardised import Seen, standardised
from sandbox.town import make_town

ROOT = Path(__file__).parents[2]
PEOPLE, SEED = 2500, 5
SPEC = SPECS["person"]


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with spark_engine("local[2]", tmp_path_factory.mktemp("spark")) as engine:
        yield engine


@pytest.fixture(scope="module")
def seen() -> Seen:
    return standardised(make_town(PEOPLE, SEED), load_all(ROOT / "connectors" / "systems"), SEED)


@pytest.fixture(scope="module")
def town(seen: Seen) -> pa.Table:
    return seen.tables["person"].select([*RECORD, *SPEC.fields])


@pytest.fixture(scope="module")
def hard(town: pa.Table) -> pa.Table:
    """The town where half of the records have lost their number, and a third of these what the number said."""
    with duckdb.connect() as con:
        con.register("town", town)
        lost, more = "substr(md5(system_id || record_key), 1, 1) < '8'", "substr(md5(record_key), 2, 1) < '5'"
        gone = ", ".join(
            f"CASE WHEN {lost} AND {more} THEN NULL ELSE {field} END AS {field}" for field in ("birth_date", "sex")
        )
        return con.sql(
            f"SELECT * REPLACE (CASE WHEN {lost} THEN NULL ELSE id_number END AS id_number, {gone}) FROM town"
        ).to_arrow_table()


def test_a_table_in_pieces_arrives_whole(spark: Engine) -> None:
    piece = pa.table({"a": ["x", "y"]})
    spark.put("pieces", pa.concat_tables([piece, piece.slice(0, 0), piece]))
    assert spark.arrow("SELECT count(*) AS n FROM pieces").to_pylist() == [{"n": 4}]


def cases() -> pa.Table:
    """The cases of tests/fixtures/linkage/people.csv, all together."""
    rows = list(csv.DictReader((ROOT / "tests/fixtures/linkage/people.csv").open(encoding="utf-8")))
    titles = {"residence_address": "residence"}
    columns = {f: pa.array([r.get(titles.get(f, f)) or None for r in rows], pa.string()) for f in SPEC.fields}
    checked = {**columns, **cross_check(columns).columns}
    names = {"system_id": ["case"] * len(rows), "record_key": [f"{r['case']}/{r['record']}" for r in rows]}
    return pa.table({**names, "role": ["person"] * len(rows), **{f: checked[f] for f in SPEC.fields}})


def linked(engine: Engine, records: pa.Table, hints: pa.Table | None) -> dict[str, list[tuple[object, ...]]]:
    """What linking comes to, in names of records, so that it does not depend on an engine's codes."""
    model = shipped("person")
    engine.put("std_person", records)
    if hints is not None:
        engine.put("std_hint", hints)
    told = None if hints is None else "std_hint"
    link(engine, SPEC, model, prepare(engine, SPEC, model, records="std_person", hints=told))
    queries = {
        "clusters": f"SELECT c.rule, {named('k')} AS record, min({named('k')}) OVER (PARTITION BY c.cluster) AS cluster "
        "FROM clustered c JOIN comparable k ON k.rid = c.rid",
        "others' numbers": f"SELECT {named('k')} AS record FROM foreign_rid f JOIN comparable k ON k.rid = f.rid",
        "pairs": f"SELECT least({named('a')}, {named('b')}) AS one, greatest({named('a')}, {named('b')}) AS other, "
        "round(s.weight, 6) AS weight FROM scored s JOIN comparable a ON a.rid = s.l JOIN comparable b ON b.rid = s.r",
        "stopped": "SELECT reason, round(weight, 6) AS weight FROM stopped",
    }
    return {what: sorted(tuple(r.values()) for r in engine.arrow(sql).to_pylist()) for what, sql in queries.items()}


def named(alias: str) -> str:
    return " || ".join(part if part == "'/'" else f"{alias}.{part}" for part in NAME.split(" || "))


@pytest.mark.parametrize("records", ["town", "hard", "cases"])
def test_spark_links_as_duckdb_does(spark: Engine, seen: Seen, records: str, request: pytest.FixtureRequest) -> None:
    table = cases() if records == "cases" else request.getfixturevalue(records)
    hints = None if records == "cases" else seen.hints
    with duckdb.connect() as con:
        expected = linked(DuckEngine(con), table, hints)
    found = linked(spark, table, hints)
    for what, rows in expected.items():
        assert found[what] == rows, what
    assert len({cluster for *_, cluster in expected["clusters"]}) < table.num_rows
    if records == "hard":  # or the comparison would say little
        assert expected["stopped"]
        assert expected["others' numbers"]


def test_the_command_writes_the_same_rows_on_both_engines(hard: pa.Table, tmp_path: Path) -> None:
    home = Home(path=tmp_path / "home")
    pq.write_table(hard.drop_columns(["household_no"]), tmp_path / "records.parquet")
    found = {}
    for engine in ("duckdb", "spark"):
        done = run(home, engine, tmp_path / engine, records=tmp_path / "records.parquet")  # type: ignore[arg-type]
        rows = sorted(tuple(r.values()) for r in pq.read_table(done.file).to_pylist())
        assert (done.records, done.clusters) == (hard.num_rows, len({r[3] for r in rows}))
        found[engine] = rows
    assert found["duckdb"] == found["spark"]


def test_a_file_without_records_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"name": ["王伟"]}), tmp_path / "no.parquet")
    with pytest.raises(RecordsUnusable, match="system_id, record_key, role"):
        run(Home(path=tmp_path), "duckdb", tmp_path, records=tmp_path / "no.parquet")
    (tmp_path / "text.parquet").write_text("no Parquet", encoding="utf-8")
    with pytest.raises(RecordsUnusable, match="no Parquet file"):
        run(Home(path=tmp_path), "duckdb", tmp_path, records=tmp_path / "text.parquet")


def test_what_is_missing_is_named_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SparkMissing, match="--shared"), spark_engine("spark://cluster:7077", tmp_path):
        pass
    old = tmp_path / "bin" / "java"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n", encoding="utf-8")
    old.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(SparkMissing, match=r"17 or newer, and .* is 11.*apt-get install openjdk-17-jre-headless"):
        java()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nowhere"))
    with pytest.raises(SparkMissing, match="none was found in JAVA_HOME"):
        java()

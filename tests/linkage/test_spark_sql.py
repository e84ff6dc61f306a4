"""The SQL of linking persons as each engine gets it: one text, carried over; and what must mean the same in both."""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import pyarrow as pa
import pytest
import sqlglot

from linkage.comparable import SPECS
from linkage.engine import DuckEngine
from linkage.model import Blocking, Comparison, GuardRule, Level, Model, TermFrequency, Thresholds
from linkage.pipeline import link
from linkage.prepare import prepare
from linkage.spark.sql import spark_sql

MODEL = Model(
    entity="person",
    version="snapshot",
    prior=-17.0,
    thresholds=Thresholds(review=3.0, link=9.5, certain=20.0, margin=5.0),
    blocking=(Blocking("name_birth", ("name_folded", "birth"), 200), Blocking("phone", ("phone",), 60)),
    comparisons=(
        Comparison(
            "name",
            "name",
            (Level("exact", 0.9, 0.00005, 14.0), Level("one_character", None, None, 2.0, -4.0), Level("different", None, None, -9.0)),
            frequency=TermFrequency(("exact",), 0.00001, 2.0),
        ),
        Comparison("birth", "date", (Level("exact", None, None, 14.0), Level("different", None, None, -8.0))),
        Comparison("phone", "phone", (Level("exact", None, None, 17.5), Level("different", None, None, -1.5)), group="home"),
    ),
    guards=(GuardRule(("birth_y", "birth_m", "birth_d"), 2),),
    discount=0.5,
)  # fmt: skip


class Recorder(DuckEngine):
    """DuckDB, with a note of every query."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        super().__init__(con)
        self.queries: list[tuple[str, str]] = []

    def table(self, name: str, sql: str) -> None:
        self.queries.append((name, sql))
        super().table(name, sql)

    def arrow(self, sql: str) -> pa.Table:
        self.queries.append(("(result)", sql))
        return super().arrow(sql)


@pytest.fixture(scope="module")
def queries() -> list[tuple[str, str]]:
    spec = SPECS["person"]
    with duckdb.connect() as con:
        engine = Recorder(con)
        empty = pa.table({c: pa.array([], pa.string()) for c in ("system_id", "record_key", "role", *spec.fields)})
        engine.put("std_person", empty)
        link(engine, spec, MODEL, prepare(engine, spec, MODEL, records="std_person"))
        return engine.queries


def test_the_sql_of_linking_persons_in_both_dialects(
    queries: list[tuple[str, str]], snapshot: Callable[[str, str], None]
) -> None:
    for dialect in ("duckdb", "spark"):
        texts = []
        for name, sql in queries:
            carried = spark_sql(sql) if dialect == "spark" else sql
            texts.append(f"-- {name}\n{sqlglot.transpile(carried, read=dialect, write=dialect, pretty=True)[0]};\n")
        snapshot(f"linkage_person.{dialect}.sql", "\n".join(texts))


@pytest.mark.parametrize(
    ("duckdb_sql", "expected"),
    [
        ("SELECT hash(a, b) AS x FROM t", "SELECT XXHASH64(a, b) AS x FROM t"),
        ("SELECT 14.5e0 + least(a, 0) FROM t", "SELECT 14.5e0 + LEAST(a, 0) FROM t"),
        ("SELECT min_by(a, b) FROM t", "SELECT MIN_BY(a, b) FROM t"),
        ("SELECT a FROM t ORDER BY b", "SELECT a FROM t ORDER BY b NULLS LAST"),
    ],
)
def test_what_differs_is_translated(duckdb_sql: str, expected: str) -> None:
    assert spark_sql(duckdb_sql) == expected

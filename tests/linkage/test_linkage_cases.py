"""Who is one: cases that anybody can read (tests/fixtures/linkage/*.csv), each with the group expected."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from connectors.mapping.cross import cross_check
from linkage import names, organisations
from linkage.address.occupants import settle
from linkage.address.places import resolve_new
from linkage.comparable import SPECS
from linkage.homes.rules import RULES as HOMES
from linkage.model import shipped
from onefact.linking import Models, begin_telling, link_entity, load_rarity
from schemas.entities import ENTITIES
from schemas.model import EntityType
from schemas.values import hints, normalise
from warehouse.addresses import parse_new
from warehouse.duck import RECORD_ID, SOURCE_ID, open_warehouse
from warehouse.names import standardise_new, standardise_organisations_new

FIXTURES = Path(__file__).parents[1] / "fixtures" / "linkage"
FILES: dict[str, EntityType] = {"people": "person", "houses": "house", "organisations": "organisation"}
TITLES = {"residence": "residence_address", "certificate": "property_certificate_no"}
CASES = {
    (file, row["case"]): [r for r in rows if r["case"] == row["case"]]
    for file in FILES
    for rows in [list(csv.DictReader((FIXTURES / f"{file}.csv").open(encoding="utf-8")))]
    for row in rows
}


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    con = open_warehouse(tmp_path_factory.mktemp("linkage") / "warehouse.duckdb", threads=1, memory="300MB")
    yield con
    con.close()


def link(con: duckdb.DuckDBPyConnection, entity_type: EntityType) -> None:
    """Link as the consolidation does, but from nothing."""
    con.execute("DROP TABLE IF EXISTS link_state")
    key = "system_id VARCHAR, record_key VARCHAR, entity_type VARCHAR, role VARCHAR"
    sides = ", ".join(f"{s}_{c} VARCHAR" for s in ("left", "right") for c in ("system", "key", "role"))
    con.execute(f"CREATE OR REPLACE TEMP TABLE decision_now ({key}, master_id UUID)")
    con.execute(f"CREATE OR REPLACE TEMP TABLE former_now ({key}, master_id UUID)")
    con.execute(f"CREATE OR REPLACE TEMP TABLE judgement_now (entity_type VARCHAR, {sides}, judgement VARCHAR)")
    begin_telling(con)
    load_rarity(con, Models.shipped())
    link_entity(con, entity_type, shipped(entity_type) if entity_type in SPECS else None)


def put_hints(con: duckdb.DuckDBPyConnection, rows: list[dict[str, str]], raw: pa.StringArray, read: pa.Table) -> None:
    """Leave what refused numbers still say, as decoding does."""
    found = hints("id_number", raw, {n: read[n].combine_chunks() for n in ("value", "issue", "warning")})
    con.execute("DELETE FROM std_hint")
    con.executemany(
        "INSERT INTO std_hint VALUES ('test', ?, 'person', 'person', 'id_number', ?, ?)",
        [[rows[h["at"]]["record"], h["kind"], h["value"]] for h in found.to_pylist()] or [["none", "masked", ""]],
    )


def groups(con: duckdb.DuckDBPyConnection, entity_type: EntityType, rows: list[dict[str, str]]) -> set[frozenset[str]]:
    fields = [n for n in ENTITIES[entity_type].names if any(n == TITLES.get(c, c) for c in rows[0])]
    column = {TITLES.get(c, c): c for c in rows[0]}
    table = pa.table({
        "system_id": ["test"] * len(rows), "record_key": [r["record"] for r in rows], "role": [entity_type] * len(rows),
        **{n: pa.array([r[column[n]] or None for r in rows], pa.string()) for n in fields},
    })  # fmt: skip
    if entity_type == "person":  # decoding fills in what a citizen number says
        columns = {n: table[n].combine_chunks() for n in fields}
        read = normalise("id_number", columns["id_number"])
        put_hints(con, rows, columns["id_number"], read)
        columns["id_number"] = read["value"].combine_chunks()
        table = pa.table({**dict(zip(table.column_names, table.columns, strict=True)), **cross_check(columns).columns})
    con.execute(f"DELETE FROM std_{entity_type}")
    con.register("_rows", table)
    con.execute(f"INSERT INTO std_{entity_type} BY NAME SELECT *, {RECORD_ID} AS rid, {SOURCE_ID} AS sid FROM _rows")
    con.execute("INSERT INTO touched_record SELECT system_id, record_key, sid FROM (SELECT *, "
                f"{SOURCE_ID} AS sid FROM _rows)")  # fmt: skip
    con.unregister("_rows")
    parse_new(con)
    standardise_new(con, names.standardise)
    standardise_organisations_new(con, organisations.standardise)
    resolve_new(con)
    settle(con)
    link(con, entity_type)
    found: dict[object, set[str]] = {}
    linked = entity_type in SPECS or entity_type in HOMES
    group, table_of = ("master_id", f"linked_{entity_type}") if linked else ("label", f"grouped_{entity_type}")
    for label, record in con.execute(f"SELECT {group}, record_key FROM {table_of}").fetchall():
        found.setdefault(label, set()).add(record)
    return {frozenset(g) for g in found.values()}


@pytest.mark.parametrize(("file", "case"), CASES, ids=[f"{f}: {c}" for f, c in CASES])
def test_records_are_grouped_as_the_case_says(con: duckdb.DuckDBPyConnection, file: str, case: str) -> None:
    rows = CASES[file, case]
    expected: dict[str, set[str]] = {}
    for row in rows:
        expected.setdefault(row["group"], set()).add(row["record"])
    assert groups(con, FILES[file], rows) == {frozenset(g) for g in expected.values()}


@pytest.mark.parametrize("file", FILES)
def test_all_cases_of_a_file_together_do_not_disturb_one_another(con: duckdb.DuckDBPyConnection, file: str) -> None:
    rows = [{**r, "record": f"{case}/{r['record']}", "group": f"{case}/{r['group']}"}
            for (f, case), case_rows in CASES.items() if f == file for r in case_rows]  # fmt: skip
    expected: dict[str, set[str]] = {}
    for row in rows:
        expected.setdefault(row["group"], set()).add(row["record"])
    assert groups(con, FILES[file], rows) == {frozenset(g) for g in expected.values()}


def test_what_a_foreign_number_carries_is_marked(con: duckdb.DuckDBPyConnection) -> None:
    groups(con, "person", CASES["people", "spouse's number"])
    marked = con.execute("SELECT record_key, fields FROM foreign_person").fetchall()
    assert marked == [("4", ["id_type", "id_number", "birth_date", "sex"])]

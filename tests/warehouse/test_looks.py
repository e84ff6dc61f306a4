"""A fresh golden record is published if it says anything else than before; what it said is remembered as one number."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from schemas.entities import ENTITIES
from warehouse.duck import open_warehouse
from warehouse.working_copy import apply_fresh

FIRST, SECOND = (f.name for f in ENTITIES["house"].fields[:2])
BEFORE = {FIRST: "a", SECOND: None, "provenance": '{"x":"y"}'}

FRESH = [
    # what is said now, and whether that is something else
    ({}, False),
    ({FIRST: "b"}, True),
    ({FIRST: None}, True),
    ({FIRST: None, SECOND: "a"}, True),
    ({SECOND: ""}, True),
    ({"provenance": '{"x":"z"}'}, True),
]


@pytest.fixture
def con(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse with one golden house, as a file from before has it: nobody noted what it looks like."""
    con = open_warehouse(tmp_path / "warehouse.duckdb", threads=1, memory="200MB")
    con.execute(
        f'INSERT INTO golden_house (master_id, "{FIRST}", provenance) VALUES (uuidv7(), ?, ?)',
        [BEFORE[FIRST], BEFORE["provenance"]],
    )
    con.execute("CREATE TEMP TABLE touched_house AS SELECT master_id FROM golden_house")
    yield con
    con.close()


@pytest.mark.parametrize(("said", "changed"), FRESH)
def test_what_says_something_else_is_changed(
    con: duckdb.DuckDBPyConnection, said: dict[str, str | None], changed: bool
) -> None:
    now = {**BEFORE, **said}
    columns = ", ".join(f'? AS "{name}"' for name in now)
    con.execute(f"CREATE TEMP TABLE fresh_house AS SELECT * REPLACE ({columns}) FROM golden_house", [*now.values()])
    apply_fresh(con, "house")
    assert len(con.execute("SELECT * FROM changed_house").fetchall()) == changed


def test_a_new_record_is_changed(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE TEMP TABLE fresh_house AS SELECT * REPLACE (uuidv7() AS master_id) FROM golden_house")
    con.execute("INSERT INTO touched_house SELECT master_id FROM fresh_house")
    apply_fresh(con, "house")
    assert con.execute("SELECT count(*) FROM changed_house").fetchall() == [(1,)]

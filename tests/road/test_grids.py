"""Which grid an entity is in: worked out for what a run touches, and the same as when everything is worked out anew."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import psycopg
import pytest

from onefact.consolidate import consolidate
from onefact.enter import enter
from onefact.home import Home
from onefact.pull import pull
from warehouse import grids, tables

FIXTURES = Path(__file__).parents[1] / "fixtures" / "portal"
ONE, TWO = "420106001001001", "420106001001002"
MakeHome = Callable[[Path, Mapping[str, str]], Home]


@pytest.fixture
def home(make_home: MakeHome, tmp_path: Path) -> Home:
    made = make_home(tmp_path, {"doors": (FIXTURES / "doors.yaml").read_text(encoding="utf-8")})
    shutil.copytree(FIXTURES / "doors", made.systems / "doors")
    run(made)
    return made


def run(home: Home) -> None:
    pull(home)
    consolidate(home)


def held(home: Home) -> dict[tuple[str, str, str], str]:
    """(entity, name or text, field) -> grid."""
    query = b"""
        SELECT e.entity_type, coalesce(p.name, o.name, h.address, a.full_text), e.field, e.grid FROM entity_grid e
        LEFT JOIN person p USING (master_id) LEFT JOIN organisation o USING (master_id) LEFT JOIN house h USING (master_id)
        LEFT JOIN address a USING (master_id)
    """
    with psycopg.connect(home.database.dsn()) as connection:
        return {(e, name, field): grid for e, name, field, grid in connection.execute(query)}


def anew(home: Home) -> dict[tuple[str, str, str], str]:
    """The same, worked out from nothing; the transaction is undone."""
    with psycopg.connect(home.database.dsn()) as connection:
        connection.execute(f"CREATE TEMP TABLE grid_moved AS SELECT {grids.KEY} FROM address_point".encode())
        connection.execute(b"DELETE FROM entity_grid")
        for statement in (*grids.BEFORE, *grids.AFTER):
            connection.execute(statement.encode())
        connection.commit()
    return held(home)


def agrees(home: Home) -> bool:
    """Whether every search key bears the grids that its record is in, and a record in none has keys without."""
    query = b"""
        SELECT count(*) FILTER (WHERE k.grids IS DISTINCT FROM g.grids), count(*) FROM
        (SELECT master_id, kind, key, array_agg(grid ORDER BY grid) FILTER (WHERE grid IS NOT NULL) AS grids, count(*) AS rows
         FROM search_key GROUP BY master_id, kind, key) k
        LEFT JOIN (SELECT master_id, array_agg(DISTINCT grid ORDER BY grid) AS grids FROM entity_grid GROUP BY master_id) g USING (master_id)
    """
    with psycopg.connect(home.database.dsn()) as connection:
        differing, keys = connection.execute(query).fetchone() or (1, 0)
    return differing == 0 and keys > 0


def edit(home: Home, file: str, key: str, **values: str) -> None:
    path = home.systems / "doors" / file
    with path.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    for row in rows:
        if row["id"] == key:
            row.update(values)
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def test_everybody_is_in_the_grid_of_the_door(home: Home) -> None:
    now = held(home)
    assert now["person", "陈建国", "residence_address"] == ONE
    assert now["person", "赵敏", "residence_address"] == TWO
    assert now["organisation", "武汉市武昌区民主路文具店", "address"] == TWO
    assert {k[0] for k in now} == {"person", "house", "organisation", "address"}
    assert agrees(home)
    assert anew(home) == now


def test_a_person_who_moves_is_in_the_other_grid(home: Home) -> None:
    enter(home, "陈建国", "residence_address", "武昌区中南路街道民主路77号5栋1单元301室")
    consolidate(home)
    now = held(home)
    assert now["person", "陈建国", "residence_address"] == TWO
    assert agrees(home)
    assert anew(home) == now


def test_a_door_that_nobody_has_listed_is_of_the_grid_of_its_building(home: Home) -> None:
    enter(home, "陈建国", "residence_address", "武昌区中南路街道民主路77号5栋2单元909室")
    consolidate(home)
    now = held(home)
    assert now["person", "陈建国", "residence_address"] == TWO
    assert agrees(home)
    assert anew(home) == now


def test_a_road_alone_is_in_no_grid(home: Home) -> None:
    edit(home, "people.csv", "P1", address="武昌区中南路街道武珞路")
    run(home)
    now = held(home)
    assert ("person", "陈建国", "residence_address") not in now
    assert agrees(home)
    assert anew(home) == now


def test_a_door_given_to_another_grid_takes_its_people_along(home: Home) -> None:
    edit(home, "addresses.csv", "A1", grid=TWO)
    edit(home, "addresses.csv", "A2", grid=TWO)
    run(home)
    now = held(home)
    assert now["person", "陈建国", "residence_address"] == TWO
    assert set(now.values()) == {TWO}
    assert agrees(home)
    assert anew(home) == now


def test_a_building_shared_by_two_grids_is_told_apart_door_by_door(home: Home) -> None:
    edit(home, "addresses.csv", "A2", grid=TWO)
    run(home)
    now = held(home)
    assert now["person", "陈建国", "residence_address"] == ONE
    assert now["person", "李秀英", "residence_address"] == TWO
    assert agrees(home)
    assert anew(home) == now


OLDER = b"""
CREATE TABLE older AS SELECT DISTINCT entity_type, master_id, kind, key FROM search_key; DROP TABLE search_key;
ALTER TABLE older RENAME TO search_key; CREATE INDEX search_key_key ON search_key (key, entity_type);
"""


def test_search_keys_of_an_older_onefact_get_their_grids(home: Home) -> None:
    with psycopg.connect(home.database.dsn()) as connection:
        connection.execute(OLDER)
    tables.create_all(home.engine)
    assert agrees(home)
    with psycopg.connect(home.database.dsn()) as connection:
        query = b"SELECT indexname FROM pg_indexes WHERE tablename = 'search_key'"
        assert {row[0] for row in connection.execute(query)} == {
            "search_key_begin",
            "search_key_grid",
            "search_key_master",
        }

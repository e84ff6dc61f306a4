"""What each address text says about its place (地址要素键): the parse reduced to what places are compared by.

A pure function of each text, kept in the table `place_key`; what the neighbours of a text say comes later
(`linkage.address.places`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import duckdb
import pyarrow as pa

from linkage.address.names import read_name
from linkage.address.roads import former_names
from linkage.address.settings import words
from schemas.address import COLUMNS, complete
from schemas.address.numerals import name_digits

CHUNK: Final = 200_000
"""Texts read at a time, to bound memory."""

CONTEXT: Final = ("city", "district", "street", "community")
"""Upper elements that may tell namesakes apart, from the largest down."""

_GROUP: Final = "(组|社|队)$"
_PLATE: Final = "replace(regexp_replace(t.road_no, '(号院|号)$', ''), '号附', '-')"
"""A door plate without its word: 68号附1号 and 68-1号 are one plate."""

_READ: Final = f"""
WITH formed AS (
    SELECT t.text, t.city, t.district, t.street, coalesce(m.form, t.community) AS community, coalesce(r.form, t.road) AS road,
           t.road LIKE '%组' OR regexp_matches(t.road, '{_GROUP}') AS of_village, {_PLATE} AS plate,
           coalesce(n.form, t.compound) AS name, n.fold,
           regexp_replace(t.building, '(号楼|栋|号)$', '') AS building, regexp_replace(t.unit, '单元$', '') AS unit,
           regexp_replace(t.floor, '层$', '') AS floor, regexp_replace(t.room, '(室|号)$', '') AS room
    FROM _said t
    LEFT JOIN _name_form n ON n.said = t.compound
    LEFT JOIN _road_form r ON r.said = t.road AND r.city IS NOT DISTINCT FROM t.city
    LEFT JOIN _plain_form m ON m.said = t.community
), placed AS (
    SELECT * REPLACE (
        CASE WHEN of_village THEN concat(community, road) ELSE road END AS road,
        -- A plate without a road numbers the houses of an estate or village.
        CASE WHEN plate IS NOT NULL AND road IS NULL THEN concat(plate, '号', building) ELSE building END AS building,
        CASE WHEN name IS NULL AND community IS NOT NULL AND (road IS NULL OR plate IS NULL)
                  AND (plate IS NOT NULL OR building IS NOT NULL) THEN concat(community, CASE WHEN of_village THEN road END)
             ELSE name END AS name,
        -- The floor of a room of three digits is said twice.
        CASE WHEN room IS NULL OR NOT regexp_matches(room, '[0-9]{{3}}') THEN floor END AS floor
    ) FROM formed
)
SELECT text, city, district, street, community, road, CASE WHEN road IS NOT NULL THEN plate END AS plate, name,
       nullif(building, '') AS building, unit, floor, room,
       CASE WHEN road IS NOT NULL AND plate IS NOT NULL THEN hash('door', road, plate) END AS door,
       CASE WHEN name IS NOT NULL THEN hash('name', name) END AS name_code,
       CASE WHEN name IS NOT NULL THEN hash('fold', coalesce(fold, name)) END AS fold_code,
       hash(coalesce(city, ''), coalesce(district, ''), coalesce(street, ''), coalesce(community, ''), coalesce(name, ''))
           AS combo
FROM placed
"""


def read_new(con: duckdb.DuckDBPyConnection, addresses: str) -> int:
    """Add to `place_key` what every text of `addresses` says that it does not hold yet; return how many.

    Args:
        con: the warehouse.
        addresses: relation with the parse of address texts (text and `schemas.address.COLUMNS`).
    """
    columns = ", ".join(f"a.{name}" for name in ("text", *COLUMNS))
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE place_new AS SELECT {columns} FROM {addresses} a ANTI JOIN place_key k USING (text)"
    )
    done = 0
    cursor = con.cursor()
    for batch in con.sql("SELECT * FROM place_new").to_arrow_reader(CHUNK):
        done += _read(cursor, complete(pa.table(batch)))
    con.execute("DROP TABLE place_new")
    return done


def _read(con: duckdb.DuckDBPyConnection, said: pa.Table) -> int:
    con.register("_said", said)
    con.register("_name_form", _names(said))
    con.register("_road_form", _roads(said))
    communities = [v for v in said["community"].unique().to_pylist() if v]
    con.register("_plain_form", _table(("said", "form"), [(v, name_digits(v)) for v in communities]))
    con.execute(f"INSERT INTO place_key BY NAME {_READ}")
    for name in ("_said", "_name_form", "_road_form", "_plain_form"):
        con.unregister(name)
    return int(said.num_rows)


def _names(said: pa.Table) -> pa.Table:
    """Each name with its numerals as digits, and its core folded so that 小区, 花园 and homophones of one name meet."""
    rows = []
    for text in said["compound"].unique().to_pylist():
        if text:
            name = read_name(text)
            rows.append((text, name.full, name.core.translate(words().alike)))
    return _table(("said", "form", "fold"), rows)


def _roads(said: pa.Table) -> pa.Table:
    """Each road of a city with its numerals as digits and under today's name."""
    today = former_names()
    rows = []
    for row in said.select(["road", "city"]).group_by(["road", "city"]).aggregate([]).to_pylist():
        if row["road"]:
            city = row["city"] or ""
            name = today.get((row["road"], city), row["road"])
            rows.append((row["road"], row["city"], name_digits(name)))
    return _table(("said", "city", "form"), rows)


def _table(names: tuple[str, ...], rows: Sequence[tuple[str | None, ...]]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else ((),) * len(names)
    return pa.table({name: pa.array(column, pa.string()) for name, column in zip(names, columns, strict=True)})

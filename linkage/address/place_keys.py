"""What each address text says about its place (地址要素键): the parse reduced to what places are compared by.

A pure function of each text. Texts that say the same in other words (3幢2单元502室, 3-2-502) are one saying, kept once in
`place_key`; `place_said` tells which text is which saying. What the neighbours say comes later (`linkage.address.places`).
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
_PLATE: Final = "regexp_replace(regexp_replace(t.road_no, '(号院|号)$', ''), '号附|号-', '-')"
"""A door plate without its word: 68号附1号 and 68-1号 are one plate."""

_MENDED: Final = """
WITH asked AS (
    SELECT t.*, split_part(coalesce(t.note, ''), ' ', 1) AS after, split_part(coalesce(t.note, ''), ' ', 2) AS behind,
           coalesce(n.bare, false) AS bare,
           CASE WHEN NOT n.plain THEN NULL WHEN regexp_matches(t.building, '号(-[0-9]+)?$') THEN t.building
                WHEN t.building IS NULL AND regexp_matches(t.room, '^[0-9]+号附[0-9]+室$') THEN replace(t.room, '室', '号') END AS number,
           regexp_extract(t.district, '^(.+)[市县旗]$', 1) AS short
    FROM _parsed t LEFT JOIN _kind n ON n.said = t.compound
), known AS (
    SELECT *,
        CASE WHEN road IS NOT NULL OR compound IS NULL THEN NULL
             WHEN road_no IS NOT NULL THEN list_max(list_filter(range(2, length(compound) + 1),
                                                    lambda n: contains(text, left(compound, n) || road_no)))
             WHEN number IS NOT NULL AND unit IS NULL AND (room IS NULL OR building IS NULL) THEN length(compound)
             WHEN number IS NOT NULL AND after <> '' AND contains(text, compound || building || after) THEN length(compound) END AS head,
        road IS NULL AND road_no IS NULL AS no_plate,
        regexp_extract(room, '^[0-9]+-[0-9]+-[0-9]+') AS numbers,
        bare AND community IS NOT NULL AND contains(text, community || compound) AS joined,
        after <> '' AND contains(text, compound || note) AND NOT ends_with(text, note) AS cut,
        coalesce(short <> '' AND province IS NULL AND city IS NULL AND NOT contains(text, district) AND contains(text, short || compound), false) AS part
    FROM asked
)
SELECT * EXCLUDE (after, behind, bare, number, short, head, no_plate, numbers, joined, cut, part) REPLACE (
    CASE WHEN NOT part THEN district END AS district,
    CASE WHEN head IS NOT NULL THEN left(compound, head) ELSE road END AS road,
    CASE WHEN head IS NOT NULL AND no_plate THEN number ELSE road_no END AS road_no,
    CASE WHEN head IS NULL OR NOT no_plate THEN building WHEN behind LIKE '%栋' THEN behind
         WHEN numbers <> '' THEN split_part(numbers, '-', 1) END AS building,
    CASE WHEN head IS NOT NULL AND no_plate AND numbers <> '' THEN split_part(numbers, '-', 2) ELSE unit END AS unit,
    CASE WHEN head IS NOT NULL AND no_plate AND numbers <> '' THEN split_part(numbers, '-', 3)
         WHEN head IS NULL OR NOT no_plate OR building IS NOT NULL THEN room END AS room,
    CASE WHEN head IS NOT NULL THEN nullif(if(no_plate, after, substr(compound, head + 1)), '')
         WHEN joined THEN community || compound WHEN part THEN short || compound WHEN cut THEN compound || note
         ELSE compound END AS compound,
    CASE WHEN NOT joined THEN community END AS community
) FROM known
"""
"""What the parse of one text cannot know, seen from what names are like.

A street need not say that it is one (昙华林141号): what stands right before a plate is a road. A kind of estate is no name by
itself: 水生村雅居 is not the 雅居 of a village. A name may hold a word for a kind in its middle (西厂口苑), which cut it in two,
and may begin like a county far away (新民主路宿舍 is not in 新民市).
"""

_COLUMNS: Final = (
    "province", *CONTEXT, "road", "plate", "name", "building", "unit", "floor", "room", "door", "name_code", "fold_code", "combo",
)  # fmt: skip
_WHOLE: Final = ", ".join(f"'{name}:' || {name}" for name in _COLUMNS[:-4])

_READ: Final = f"""
WITH formed AS (
    SELECT t.text, t.province, t.city, t.district, t.street, coalesce(m.form, t.community) AS community, coalesce(r.form, t.road) AS road,
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
SELECT text, province, city, district, street, community, road, CASE WHEN road IS NOT NULL THEN plate END AS plate, name,
       nullif(building, '') AS building, unit, floor, room,
       CASE WHEN road IS NOT NULL AND plate IS NOT NULL THEN hash('door', road, plate) END AS door,
       CASE WHEN name IS NOT NULL THEN hash('name', name) END AS name_code,
       CASE WHEN name IS NOT NULL THEN hash('fold', coalesce(fold, name)) END AS fold_code,
       hash(coalesce(city, ''), coalesce(district, ''), coalesce(street, ''), coalesce(community, ''), coalesce(name, ''))
           AS combo,
       -- What says nowhere is the saying of nobody else. By MD5: DuckDB's own hash of long texts that differ in two digits
       -- is the same for one pair in some thousands (9栋1单元301 and 6栋1单元302 of one door), which are then one flat.
       hash(md5_number_lower(concat_ws('|', {_WHOLE})), fold_code,
            CASE WHEN coalesce(road, name, community, street, district, city) IS NULL THEN text END) AS saying
FROM placed
"""


def read_new(con: duckdb.DuckDBPyConnection, addresses: str) -> int:
    """Add to `place_said` and `place_key` what every text of `addresses` says that is not there yet; return how many.

    Leaves what was read in the temporary table `place_read` (saying).

    Args:
        con: the warehouse.
        addresses: relation with the parse of address texts (text and `schemas.address.COLUMNS`).
    """
    columns = ", ".join(f"a.{name}" for name in ("text", *COLUMNS))
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE place_new AS SELECT {columns}, row_number() OVER () // {CHUNK} AS chunk "
        # The texts in question may be few, those that are known are many.
        f"FROM {addresses} a WHERE text NOT IN (SELECT text FROM place_said WHERE text IN (SELECT text FROM {addresses}))"
    )
    con.execute("CREATE OR REPLACE TEMP TABLE place_read (saying UBIGINT)")
    done = 0
    # On this connection, chunk by chunk: what is read belongs to the transaction of the caller.
    for (chunk,) in con.execute("SELECT DISTINCT chunk FROM place_new ORDER BY chunk").fetchall():
        done += _read(con, con.sql(f"SELECT * EXCLUDE (chunk) FROM place_new WHERE chunk = {chunk}").to_arrow_table())
    con.execute("DROP TABLE place_new")
    return done


def _read(con: duckdb.DuckDBPyConnection, said: pa.Table) -> int:
    con.register("_parsed", said)
    con.register("_kind", _kinds(said))
    said = complete(con.sql(_MENDED).to_arrow_table())
    con.register("_said", said)
    con.register("_name_form", _names(said))
    con.register("_road_form", _roads(said))
    communities = [v for v in said["community"].unique().to_pylist() if v]
    con.register("_plain_form", _table(("said", "form"), [(v, name_digits(v)) for v in communities]))
    con.register("_read", con.sql(_READ).to_arrow_table())
    con.execute("INSERT INTO place_said SELECT text, saying FROM _read")
    con.execute("INSERT INTO place_read SELECT DISTINCT saying FROM _read")
    con.execute(
        f"INSERT INTO place_key BY NAME SELECT DISTINCT saying, {', '.join(_COLUMNS)} FROM _read r "
        "WHERE saying NOT IN (SELECT saying FROM place_key WHERE saying IN (SELECT saying FROM _read))"
    )
    con.unregister("_read")
    for name in ("_parsed", "_kind", "_said", "_name_form", "_road_form", "_plain_form"):
        con.unregister(name)
    return int(said.num_rows)


def _kinds(said: pa.Table) -> pa.Table:
    """Of each name whether it is a word for a kind and nothing else (bare), and whether it says no kind at all (plain)."""
    names = [name for name in said["compound"].unique().to_pylist() if name]
    kinds = words().kinds
    return pa.table({
        "said": pa.array(names, pa.string()),
        "bare": pa.array([name in kinds for name in names], pa.bool_()),
        "plain": pa.array([not read_name(name).kind and name not in kinds for name in names], pa.bool_()),
    })  # fmt: skip


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

"""A master of a million synthetic persons for `benchmarks.portal`: a small town published for real, then multiplied in SQL.

Every row has the shape that the road gave it: forty stand-ins, one run of pull, consolidate and push, one quality check. The
copies get ids, names, numbers, phones, roads and grids of their own. Tables that no measured page reads (`UNCOPIED`) are left
as they are. The tables are unlogged while the benchmark lasts, which spares the disk and changes nothing for readers.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pyarrow as pa
import sqlalchemy as sa

from linkage import names
from onefact import road
from onefact.delivery import guards
from onefact.home import Home
from onefact.quality.check import check
from sandbox import supervisor
from sandbox.town import make_town
from warehouse.seals.rewrite import rewrite
from warehouse.seals.ring import CIPHER_VARIABLE
from warehouse.tables import METADATA

TEMPLATE: Final = 300
"""People of the town that is published for real."""

COPIES_PER_GRID: Final = 12
"""Copies of the town that share its grids: a grid then has up to some 1,200 persons, as real ones have."""

POOL: Final = 20_000
"""Persons whose names are drawn; namesakes are as common as in a town of so many."""

TABLES: Final = (
    "person", "house", "organisation", "address", "address_node", "address_point", "entity_grid", "person_house", "person_organisation",
    "candidate", "crosswalk", "outbox", "work_order", "review", "search_key",
)  # fmt: skip

UNCOPIED: Final = ("edge", "decision", "pushed", "redirect")

_FUNCTIONS: Final = (
    "CREATE FUNCTION bench_id(id uuid, k int) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$ SELECT md5(id::text || k)::uuid $$",
    # Roads, estates and communities of a copy bear its number.
    r"""CREATE FUNCTION bench_place(t text, k int) RETURNS text IMMUTABLE LANGUAGE sql AS
    $$ SELECT regexp_replace(t, '(社区|大道|路|街|巷)(?!道|街道)', k || '\1', 'g') $$""",
    f"""CREATE FUNCTION bench_grid(g text, k int) RETURNS text IMMUTABLE LANGUAGE sql AS
    $$ SELECT '42' || lpad((k / {COPIES_PER_GRID})::text, 4, '0') || substr(g, 7) $$""",
    """CREATE FUNCTION bench_phone(p text, k int) RETURNS text IMMUTABLE LANGUAGE sql AS
    $$ SELECT CASE WHEN p IS NULL THEN NULL ELSE '1' || lpad(((hashtextextended(p, k) & 9223372036854775807) % 10000000000)::text, 10, '0') END $$""",
    """CREATE FUNCTION bench_number(n text, born date, k int) RETURNS text IMMUTABLE LANGUAGE sql AS
    $$ SELECT CASE WHEN n IS NULL THEN NULL WHEN length(n) <> 18 OR born IS NULL THEN left(n, 1) || lpad(k::text, 8, '0')
       ELSE body || substr('10X98765432', 1 + (SELECT sum(substr(body, i, 1)::int * (ARRAY[7,9,10,5,8,4,2,1,6,3,7,9,10,5,8,4,2])[i])
         FROM generate_series(1, 17) i)::int % 11, 1) END
       FROM (SELECT '420199' || to_char(born + (k / 1000) % 28, 'YYYYMMDD') || lpad((k % 1000)::text, 3, '0') AS body) b $$""",
)

_COPY: Final = "t.{0}"

CHANGED: Final[Mapping[str, str]] = {
    "grid": "bench_grid({0}, k)", "grid_code": "bench_grid({0}, k)", "phone": "bench_phone({0}, k)",
    "residence_address": "bench_place({0}, k)", "registered_address": "bench_place({0}, k)", "address": "bench_place({0}, k)",
    "full_text": "bench_place({0}, k)", "record_key": "{0} || '~' || k", "idempotency_key": "{0} || '~' || k",
    "uscc": "left({0}, 8) || lpad(k::text, 10, '0')", "house_code": "left({0}, 8) || lpad(k::text, 12, '0')",
    "left_key": "{0} || '~' || k", "right_key": "{0} || '~' || k",
}  # fmt: skip
"""Column -> the SQL of its value in copy k; ids of entities and nodes are changed by their type."""

OF_TABLE: Final[Mapping[tuple[str, str], str]] = {
    ("person", "name"): "n.name", ("person", "id_number"): "bench_number({0}, t.birth_date, k)",
    ("address_node", "name"): "bench_place({0}, k)",
    ("organisation", "name"): "'第' || k || {0}", ("organisation", "sign_name"): "'第' || k || {0}",
    ("search_key", "key"): (
        "CASE WHEN t.kind = 'address' THEN upper(bench_place({0}, k)) WHEN t.kind = 'phone' THEN bench_phone({0}, k) "
        "WHEN t.kind = 'code' THEN left({0}, 8) || lpad(k::text, 10, '0') ELSE {0} END"
    ),
}  # fmt: skip

_WHERE: Final[Mapping[str, str]] = {
    "address_node": "WHERE t.level !~ '^[12]'", "search_key": "WHERE t.entity_type <> 'person'",
}  # fmt: skip

PERSON_KEYS: Final = """
INSERT INTO search_key (entity_type, master_id, kind, key, grid)
SELECT 'person', p.master_id, v.kind, v.key, g.grid FROM person p JOIN (SELECT DISTINCT name, pinyin, initials FROM bench_name) n ON n.name = p.name
CROSS JOIN LATERAL (VALUES ('name', upper(p.name)), ('pinyin', n.pinyin), ('initials', n.initials), ('id', p.id_number),
  ('id', CASE WHEN length(p.id_number) > 6 THEN right(p.id_number, 6) END), ('phone', p.phone),
  ('phone', CASE WHEN length(p.phone) > 4 THEN right(p.phone, 4) END)) v(kind, key)
LEFT JOIN (SELECT DISTINCT master_id, grid FROM entity_grid WHERE entity_type = 'person') g ON g.master_id = p.master_id
WHERE v.key <> '' AND p.run_id = 'bench'
"""


DONE: Final = "multiplied"
"""File in the home that says that the master is there."""


def make(path: Path, persons: int) -> None:
    """Make the master of a home, unless it is there: published and multiplied in clear, then sealed as a master is that lay in clear."""
    if (path / DONE).exists():
        return
    before = os.environ.get(CIPHER_VARIABLE)
    os.environ[CIPHER_VARIABLE] = "off"  # for the stand-ins too
    try:
        home = Home(path)
        publish(home)
        multiply(home, persons)
        home.close()
    finally:
        if before is None:
            del os.environ[CIPHER_VARIABLE]
        else:
            os.environ[CIPHER_VARIABLE] = before
    home, began = Home(path), time.perf_counter()
    done = rewrite(home.database.dsn(), home.seals)
    print(f"  sealed {sum(done.values()):,} values{time.perf_counter() - began:10.1f} s", flush=True)
    with home.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")
    home.close()
    (path / DONE).touch()


def publish(home: Home, people: int = TEMPLATE) -> None:
    """Run the road once over the forty stand-ins, and the quality rules after it; the stand-ins are stopped again."""
    supervisor.start(home.path, people)
    try:
        guards.let_first_through(home)
        road.run(home)
        check(home)
    finally:
        supervisor.stop(home.path)


def multiply(home: Home, persons: int) -> int:
    """Make copies of the town until there are so many persons; return how many there are."""
    with home.engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL maintenance_work_mem = '1GB'")
        for statement in _FUNCTIONS:
            connection.exec_driver_sql(statement.replace("%", "%%"))
        _pool(connection)
        there = int(connection.exec_driver_sql("SELECT count(*) FROM person").scalar_one())
        copies = max(0, round(persons / there) - 1)
        for name in TABLES:
            began = time.perf_counter()
            _copied(connection, name, copies)
            print(f"  {name:<20}{time.perf_counter() - began:7.1f} s", flush=True)
    return there * (copies + 1)


def _pool(connection: sa.Connection) -> None:
    """Draw names and how they are spelled."""
    town = make_town(POOL, 7)
    drawn = [n for n in town.tables["person"]["name"].to_pylist() if n]
    forms = names.standardise(pa.array(drawn)).to_pylist()
    connection.exec_driver_sql(
        "CREATE TEMP TABLE bench_name (i int PRIMARY KEY, name text, pinyin text, initials text)"
    )
    rows = [
        {"i": i, "name": n, "p": (f["pinyin"] or "").replace(" ", "").upper(), "s": "".join(w[0] for w in (f["pinyin"] or "").split()).upper()}
        for i, (n, f) in enumerate(zip(drawn, forms, strict=True))
    ]  # fmt: skip
    connection.execute(sa.text("INSERT INTO bench_name VALUES (:i, :name, :p, :s)"), rows)
    connection.exec_driver_sql("ANALYZE bench_name")


def _copied(connection: sa.Connection, name: str, copies: int) -> None:
    table = METADATA.tables[name]
    columns = [c for c in table.columns if c.identity is None]
    indexes = _without_indexes(connection, name)
    connection.exec_driver_sql(f'ALTER TABLE "{name}" SET UNLOGGED')
    values = ", ".join(_value(name, c) for c in columns)
    named = ""
    if name == "person":
        size = connection.exec_driver_sql("SELECT count(*) FROM bench_name").scalar_one()
        named = f"JOIN bench_name n ON n.i = (hashtextextended(t.master_id::text, k) & 9223372036854775807) % {size}"
    connection.exec_driver_sql(
        f'CREATE TEMP TABLE bench_template ON COMMIT DROP AS SELECT * FROM "{name}"; ANALYZE bench_template'
    )
    listed = ", ".join(f'"{c.name}"' for c in columns)
    statement = (
        f'INSERT INTO "{name}" ({listed}) SELECT {values} FROM generate_series(1, {copies}) k CROSS JOIN bench_template t {named} '
        f"{_WHERE.get(name, '')}"
    )
    connection.exec_driver_sql(statement.replace("%", "%%"))
    if name == "search_key":
        connection.exec_driver_sql(PERSON_KEYS)
    connection.exec_driver_sql("DROP TABLE bench_template")
    for index in indexes:
        connection.exec_driver_sql(index)


def _value(table: str, column: sa.Column[object]) -> str:
    quoted = f't."{column.name}"'
    if column.name == "run_id":
        return "'bench'"
    if changed := OF_TABLE.get((table, column.name)) or CHANGED.get(column.name):
        return changed.format(quoted)
    if isinstance(column.type, sa.UUID):
        return _node(quoted) if column.name in {"node_id", "parent_id"} else f"bench_id({quoted}, k)"
    return quoted


def _node(quoted: str) -> str:
    """A point at a province, city, district or street stays there: those are not copied."""
    return f"CASE WHEN {quoted} IN (SELECT node_id FROM address_node WHERE level ~ '^[12]') THEN {quoted} ELSE bench_id({quoted}, k) END"


def _without_indexes(connection: sa.Connection, name: str) -> list[str]:
    """Drop indexes and keys of a table; return the statements that make them again."""
    keys = connection.execute(
        sa.text("SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = CAST(:t AS regclass) AND contype IN ('p', 'u')"),
        {"t": name},
    ).all()  # fmt: skip
    again = [f'ALTER TABLE "{name}" ADD CONSTRAINT "{key}" {definition}' for key, definition in keys]
    for key, _ in keys:
        connection.exec_driver_sql(f'ALTER TABLE "{name}" DROP CONSTRAINT "{key}"')
    indexes = connection.execute(
        sa.text("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema() AND tablename = :t"), {"t": name}
    ).all()  # fmt: skip
    for index, _ in indexes:
        connection.exec_driver_sql(f'DROP INDEX "{index}"')
    return [*again, *(definition for _, definition in indexes)]

"""The DuckDB warehouse file: the pipeline's working copy, which `onefact rebuild` can make again.

One writer at a time: the file is DuckDB's own lock. Everything here is text in canonical form (`schemas.records`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from schemas.entities import ENTITIES
from schemas.model import EntityType
from schemas.records import HINT_SCHEMA, REJECT_SCHEMA, standardised_schema

RECORD_ID = "hash(system_id, record_key, role)"
"""SQL of `rid`, the number of a record within its entity: a function of its name alone (`linkage.comparable.record_id`)."""

SOURCE_ID = "hash(system_id, record_key)"
"""SQL of `sid`, the number of a source record, of which several entities' records may be read."""

RECORD_KEY = "system_id, record_key, role"
"""What identifies a standardised record of one entity type."""


JUDGEMENT = (
    "entity_type VARCHAR, left_system VARCHAR, left_key VARCHAR, left_role VARCHAR, right_system VARCHAR, right_key VARCHAR, "
    "right_role VARCHAR, judgement VARCHAR"
)
"""Columns of a person's judgement on a pair of records."""


class WarehouseBusy(Exception):
    """Another onefact command holds the warehouse file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(
            f"The warehouse {path.name} is in use by another onefact command. Wait until it ends, or stop it."
        )


def standardised_table(entity_type: EntityType) -> str:
    """Return the name of the table with an entity's standardised records."""
    return f"std_{entity_type}"


PLAIN_TEXT = "VARCHAR USING COMPRESSION uncompressed"
"""Type of a column of texts that are nearly all different.

DuckDB's compression unpacks the texts of a hundred thousand rows to read one of them, and a run reads a few rows of all
parts of a table; of such texts it saves little room.
"""

_PLAIN_KINDS = frozenset({"name", "id_number", "phone", "address"})


def _columns(entity_type: EntityType) -> str:
    kinds = {"string": "VARCHAR", "bool": "BOOLEAN"}
    plain = {f.name for f in ENTITIES[entity_type].fields if f.kind in _PLAIN_KINDS}
    return ", ".join(
        f'"{f.name}" {PLAIN_TEXT if f.name in plain else kinds[str(f.type)]}' for f in standardised_schema(entity_type)
    )


_OWN_COLUMNS = "batch_id VARCHAR, content_hash UBIGINT, rid UBIGINT, sid UBIGINT"
"""What the warehouse adds to a standardised record."""


PLACE_TABLES = (
    f"CREATE TABLE IF NOT EXISTS place_said (text {PLAIN_TEXT}, saying UBIGINT)",
    (
        "CREATE TABLE IF NOT EXISTS place_key (saying UBIGINT, province VARCHAR, city VARCHAR, district VARCHAR, street VARCHAR, "
        "community VARCHAR, road VARCHAR, plate VARCHAR, name VARCHAR, building VARCHAR, unit VARCHAR, floor VARCHAR, "
        "room VARCHAR, door UBIGINT, name_code UBIGINT, fold_code UBIGINT, combo UBIGINT)"
    ),
    (
        "CREATE TABLE IF NOT EXISTS place_resolved (saying UBIGINT, neighbourhood UBIGINT, door UBIGINT, site UBIGINT, "
        "building UBIGINT, flat UBIGINT, node UBIGINT, depth VARCHAR, complete BOOLEAN, building_no VARCHAR, "
        "unit_no VARCHAR, floor_no VARCHAR, room_no VARCHAR)"
    ),
    (
        "CREATE TABLE IF NOT EXISTS place_site (neighbourhood UBIGINT, site UBIGINT, province VARCHAR, city VARCHAR, "
        "district VARCHAR, street VARCHAR, community VARCHAR, road VARCHAR, plate VARCHAR, name VARCHAR, sure BOOLEAN)"
    ),
    # Files from before; unknown is not sure.
    "ALTER TABLE place_site ADD COLUMN IF NOT EXISTS sure BOOLEAN",
    "CREATE TABLE IF NOT EXISTS place_option (neighbourhood UBIGINT, saying UBIGINT, flat UBIGINT)",
    (
        "CREATE TABLE IF NOT EXISTS place_alias (neighbourhood UBIGINT, door UBIGINT, name VARCHAR, alias VARCHAR, "
        "shared_flats BIGINT, name_flats BIGINT, alias_flats BIGINT, one BOOLEAN)"
    ),
    "CREATE VIEW IF NOT EXISTS place AS SELECT t.text, p.* EXCLUDE (saying) FROM place_said t JOIN place_resolved p USING (saying)",
    "CREATE VIEW IF NOT EXISTS place_candidate AS SELECT t.text, o.flat FROM place_said t JOIN place_option o USING (saying)",
)
"""What address texts say, the places they mean, the names of the places, and what was left undecided or learned.

Filled by `linkage.address.places`; see there for what the columns mean.
"""


def _schema() -> list[str]:
    statements = []
    for entity_type in ENTITIES:
        table = standardised_table(entity_type)
        statements += [
            f"CREATE TABLE IF NOT EXISTS {table} ({_columns(entity_type)}, {_OWN_COLUMNS})",
            f"CREATE TABLE IF NOT EXISTS golden_{entity_type} (master_id UUID, "
            + ", ".join(f'"{f.name}" VARCHAR' for f in ENTITIES[entity_type].fields)
            + ", provenance VARCHAR)",
            f"CREATE TABLE IF NOT EXISTS look_{entity_type} (master_id UUID, look UBIGINT)",
        ]
    rejects = ", ".join(f'"{name}" VARCHAR' for name in REJECT_SCHEMA.names)
    hints = ", ".join(f'"{name}" VARCHAR' for name in HINT_SCHEMA.names)
    return [
        *statements,
        f"CREATE TABLE IF NOT EXISTS std_hint ({hints})",
        (
            "CREATE TABLE IF NOT EXISTS std_link (system_id VARCHAR, record_key VARCHAR, link VARCHAR, left_role VARCHAR, "
            "right_role VARCHAR, relation VARCHAR)"
        ),
        f"CREATE TABLE IF NOT EXISTS reject ({rejects}, batch_id VARCHAR)",
        (
            "CREATE TABLE IF NOT EXISTS crosswalk (system_id VARCHAR, record_key VARCHAR, entity_type VARCHAR, role VARCHAR, "
            "master_id UUID, rule VARCHAR, rid UBIGINT, sid UBIGINT)"
        ),
        "CREATE TABLE IF NOT EXISTS touched_record (system_id VARCHAR, record_key VARCHAR, sid UBIGINT)",
        f"CREATE TABLE IF NOT EXISTS judgement_applied ({JUDGEMENT})",
        (
            f"CREATE TABLE IF NOT EXISTS address_text (text {PLAIN_TEXT}, province VARCHAR, city VARCHAR, district VARCHAR, "
            "street VARCHAR, community VARCHAR, road VARCHAR, road_no VARCHAR, compound VARCHAR, building VARCHAR, "
            f"unit VARCHAR, floor VARCHAR, room VARCHAR, note VARCHAR, normal_key {PLAIN_TEXT})"
        ),
        "CREATE TABLE IF NOT EXISTS address_use (sid UBIGINT, code UBIGINT)",
        *PLACE_TABLES,
        (
            "CREATE TABLE IF NOT EXISTS address_node (node_id UUID, parent_id UUID, level VARCHAR, name VARCHAR, "
            "full_text VARCHAR, master_id UUID)"
        ),
        (
            "CREATE TABLE IF NOT EXISTS address_point (entity_type VARCHAR, master_id UUID, field VARCHAR, node_id UUID, "
            f"exact BOOLEAN, text {PLAIN_TEXT})"
        ),
        (
            f"CREATE TABLE IF NOT EXISTS name_form (text {PLAIN_TEXT}, folded {PLAIN_TEXT}, surname VARCHAR, pinyin {PLAIN_TEXT}, "
            f"pinyin_fuzzy {PLAIN_TEXT})"
        ),
        (
            f"CREATE TABLE IF NOT EXISTS org_form (text {PLAIN_TEXT}, name VARCHAR, plain VARCHAR, folded VARCHAR, place VARCHAR, "
            "family VARCHAR, branch VARCHAR, pinyin VARCHAR)"
        ),
        "CREATE TABLE IF NOT EXISTS meta (name VARCHAR PRIMARY KEY, value VARCHAR)",
    ]


def open_warehouse(path: Path, *, threads: int = 2, memory: str = "1500MB") -> duckdb.DuckDBPyConnection:
    """Open (or create) the warehouse file; raises `WarehouseBusy` when another process holds it.

    Memory is bounded so that a million records fit beside PostgreSQL on a small machine; larger joins spill to disk.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        con = duckdb.connect(str(path))
    except duckdb.IOException as error:
        if "lock" in str(error).lower():
            raise WarehouseBusy(path) from error
        raise
    con.execute(f"SET threads = {threads}")
    con.execute(f"SET memory_limit = '{memory}'")
    con.execute("SET preserve_insertion_order = false")
    spill = str(path.parent / "spill").replace("'", "''")
    con.execute(f"SET temp_directory = '{spill}'")
    con.execute("SET autoinstall_known_extensions = false")
    con.execute("SET autoload_known_extensions = false")
    for statement in _schema():
        con.execute(statement)
    return con


def first(con: duckdb.DuckDBPyConnection, sql: str, parameters: list[object] | None = None) -> tuple[Any, ...] | None:
    """Return the first row of a query, or None.

    Everything is fetched, because a connection with an unread result refuses other work (DuckDB 2.0).
    """
    rows = con.execute(sql, parameters or []).fetchall()
    return rows[0] if rows else None


def count(con: duckdb.DuckDBPyConnection, sql: str) -> int:
    """Return the single number that a query gives."""
    row = first(con, sql)
    return int(row[0] or 0) if row else 0

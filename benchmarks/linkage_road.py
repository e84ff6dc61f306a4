"""Standardised records put straight into a working copy and consolidated there, without servers and without the master."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb
import pyarrow as pa

from linkage.score import Score, pairwise
from schemas.model import EntityType
from warehouse import golden
from warehouse.duck import RECORD_ID, SOURCE_ID, open_warehouse


def inputs(con: duckdb.DuckDBPyConnection) -> None:
    """Make the relations that a consolidation reads from the master, empty."""
    golden.load_authority(con, [])
    key = "system_id VARCHAR, record_key VARCHAR, entity_type VARCHAR, role VARCHAR"
    sides = ", ".join(f"{s}_{c} VARCHAR" for s in ("left", "right") for c in ("system", "key", "role"))
    for name, columns in {
        "decision_now": f"{key}, master_id UUID",
        "former_now": f"{key}, master_id UUID",
        "pushed_now": f"{key}, field VARCHAR, value VARCHAR",
        "judgement_now": f"entity_type VARCHAR, {sides}, judgement VARCHAR",
    }.items():
        con.execute(f"CREATE OR REPLACE TEMP TABLE {name} ({columns})")


def add(con: duckdb.DuckDBPyConnection, records: Path, where: str) -> None:
    """Add persons of a Parquet file to the standardised records."""
    con.execute(
        f"CREATE OR REPLACE TEMP VIEW added AS SELECT * EXCLUDE (id_number_hint) FROM read_parquet('{records}') WHERE {where}"
    )
    _insert(con, "person")


def _insert(con: duckdb.DuckDBPyConnection, entity_type: EntityType) -> None:
    numbers = f"{RECORD_ID} AS rid, {SOURCE_ID} AS sid"
    con.execute(f"INSERT INTO std_{entity_type} BY NAME SELECT *, {numbers} FROM added")
    con.execute(f"INSERT INTO touched_record SELECT DISTINCT system_id, record_key, {SOURCE_ID} FROM added")


def consolidated(path: Path, tables: Mapping[EntityType, pa.Table]) -> duckdb.DuckDBPyConnection:
    """Return a working copy in which standardised records of all entities have been consolidated as on the road."""
    from onefact.consolidate import derive
    from warehouse import working_copy

    for old in path.parent.glob(f"{path.name}*"):
        old.unlink()  # of a run before: the records would be there twice
    con = open_warehouse(path)
    for entity_type, table in tables.items():
        known = {row[0] for row in con.execute(f"DESCRIBE std_{entity_type}").fetchall()}
        con.register("added", table.select([c for c in table.column_names if c in known]))
        _insert(con, entity_type)
        con.unregister("added")
    inputs(con)
    derive(con)
    working_copy.commit(con, "benchmark")
    return con


def score(con: duckdb.DuckDBPyConnection, entity_type: EntityType, truth: pa.Table) -> Score:
    """Score the links of an entity against (record, truth); names of records as `sandbox.standardised.record_of`."""
    links = con.sql(
        "SELECT system_id || '\x1f' || record_key || '\x1f' || role AS record, master_id::VARCHAR AS master FROM crosswalk "
        f"WHERE entity_type = '{entity_type}'"
    ).to_arrow_table()
    return pairwise(links, truth)

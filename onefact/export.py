"""Export (导出): links and golden records as Parquet files that anyone may read."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from onefact.home import Home
from onefact.policy import ENTRY
from schemas.entities import ENTITIES
from warehouse.publish import as_text
from warehouse.reading import fetch


def counts(home: Home, what: str) -> dict[str, int]:
    """Return how many records of each entity type an export of `links` or `golden` will hold."""
    per = dict.fromkeys(ENTITIES, "SELECT count(*) FROM crosswalk WHERE entity_type = :entity")
    if what == "golden":
        per = {e: f"SELECT count(*) FROM {e} WHERE :entity <> ''" for e in ENTITIES}
    with home.engine.connect() as connection:
        return {e: int(connection.execute(sa.text(q), {"entity": e}).scalar_one()) for e, q in per.items()}


def export_links(home: Home, out: Path) -> list[tuple[Path, int]]:
    """Write `links.parquet`: system_id, record_key, entity_type, master_id, a row per record and entity it describes."""
    query = (
        "SELECT DISTINCT system_id, record_key, entity_type, master_id::text AS master_id FROM crosswalk "
        f"WHERE system_id <> '{ENTRY}' ORDER BY 1, 2, 3, 4"
    )
    return [_write(out / "links.parquet", fetch(home.database.dsn(), query, home.seals))]


def export_golden(home: Home, out: Path) -> list[tuple[Path, int]]:
    """Write one Parquet file per entity: `master_id` and the master fields as plain text and GB codes."""
    written = []
    for name, entity in ENTITIES.items():
        columns = ", ".join(f'{as_text(f)} AS "{f.name}"' for f in entity.fields)
        query = f"SELECT master_id::text AS master_id, {columns} FROM {name} ORDER BY master_id"
        written.append(_write(out / f"{name}.parquet", fetch(home.database.dsn(), query, home.seals)))
    return written


def _write(path: Path, table: pa.Table) -> tuple[Path, int]:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="zstd")
    return path, table.num_rows

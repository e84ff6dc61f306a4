"""Landed rows of single records (原始记录): found again in the batches, with the hash of the row and of its batch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from connectors.manifest import Manifest
from connectors.manifest.model import Dataset
from connectors.mapping.rows import record_keys, texts
from onefact.home import Home
from onefact.rebuild import widened
from schemas.records import PLACE
from warehouse import landing
from warehouse.seals import Seals, parquet
from warehouse.tables import BATCH


@dataclass(frozen=True, slots=True)
class Raw:
    """One landed row.

    Attributes:
        place: where it stands in the file or answer it came in.
        sha256: hash of the row as it was received (canonical JSON of its columns).
        batch_id, folder, batch_sha256: its batch, and that one's hash in the register.
        intact: whether the batch's files still have that hash.
    """

    system_id: str
    record_key: str
    dataset: str
    place: str
    sha256: str
    batch_id: str
    folder: str
    batch_sha256: str
    pulled_at: str
    intact: bool


@dataclass(frozen=True, slots=True)
class Found:
    """The rows of the wanted records in one dataset of one batch; `gone`: wanted records that a complete reading no longer had."""

    manifest: Manifest
    dataset: str
    batch: Mapping[str, Any]
    rows: pa.Table
    raws: tuple[Raw, ...]
    gone: tuple[str, ...]


def batches(home: Home, systems: Sequence[str], until: str) -> list[dict[str, Any]]:
    """Return the landed batches of systems up to a moment (local, ISO), oldest first; expired ones have no folder any more."""
    query = (
        sa.select(BATCH)
        .where(
            BATCH.c.system_id.in_(systems),
            sa.or_(BATCH.c.folder.is_not(None), BATCH.c.received > 0),
            BATCH.c.pulled_at <= until,
        )
        .order_by(BATCH.c.pulled_at, BATCH.c.batch_id)
    )
    with home.engine.connect() as connection:
        return [dict(r) for r in connection.execute(query).mappings()]


def search(
    home: Home,
    wanted: Mapping[str, Sequence[str]],
    landed: Sequence[Mapping[str, Any]],
    manifests: Mapping[str, Manifest],
) -> Iterator[Found]:
    """Yield the rows of records (system -> record keys) in batches, in their order.

    Batches whose files are no longer there, and datasets that no manifest describes any more, are left out.
    """
    for batch in landed:
        manifest, folder = manifests.get(batch["system_id"]), folder_of(home, batch)
        if manifest is None or folder is None:
            continue
        keys = pa.array(wanted[manifest.id], pa.string())
        intact: bool | None = None
        for dataset in manifest.datasets:
            path = folder / f"{dataset.name}.parquet"
            rows = _rows(path, manifest, dataset, keys, home.seals) if path.exists() else None
            gone: tuple[str, ...] = ()
            if dataset.deleted.when_absent and dataset.name in batch["snapshots"]:
                seen = set(record_keys(rows, manifest, dataset).to_pylist()) if rows is not None else set()
                gone = tuple(k for k in wanted[manifest.id] if k not in seen and _of(manifest, dataset, k))
            if rows is not None and rows.num_rows:
                intact = landing.digest(folder) == batch["sha256"] if intact is None else intact
                yield Found(manifest, dataset.name, batch, rows, _raws(rows, manifest, dataset, batch, intact), gone)
            elif gone:
                yield Found(manifest, dataset.name, batch, pa.table({}), (), gone)


def folder_of(home: Home, batch: Mapping[str, Any]) -> Path | None:
    """Return where a batch's files are; None when they have been deleted."""
    folder = home.landing / batch["folder"] if batch["folder"] else None
    return folder if folder is not None and folder.is_dir() else None


def _of(manifest: Manifest, dataset: Dataset, key: str) -> bool:
    return not manifest.prefixed or key.startswith(f"{dataset.name}/")


def _rows(path: Path, manifest: Manifest, dataset: Dataset, keys: pa.Array, seals: Seals) -> pa.Table | None:
    """Read the key columns first: most batches hold none of the records."""
    names = parquet.names(path, seals)
    if not set(dataset.key) <= set(names):
        return None
    mask = pc.is_in(record_keys(parquet.read(path, seals, dataset.key), manifest, dataset), value_set=keys)
    if not pc.any(mask).as_py():
        return None
    return widened(parquet.read(path, seals).filter(mask), dataset.columns)


def _raws(
    rows: pa.Table, manifest: Manifest, dataset: Dataset, batch: Mapping[str, Any], intact: bool
) -> tuple[Raw, ...]:
    keys, places = record_keys(rows, manifest, dataset).to_pylist(), texts(rows, PLACE).to_pylist()
    content = rows.drop_columns([PLACE]) if PLACE in rows.column_names else rows
    return tuple(
        Raw(
            manifest.id, key, dataset.name, place or "", row_hash(row), batch["batch_id"], batch["folder"], batch["sha256"],
            batch["pulled_at"], intact,
        )
        for key, place, row in zip(keys, places, content.to_pylist(), strict=True)
    )  # fmt: skip


def row_hash(row: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a row: its filled columns as JSON, sorted, without spaces, UTF-8."""
    filled = {k: v for k, v in row.items() if v is not None}
    return hashlib.sha256(
        json.dumps(filled, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    ).hexdigest()

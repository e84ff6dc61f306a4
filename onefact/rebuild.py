"""Rebuild (重建): the working copy again from landing and crosswalk, with the same ids and the same golden values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from onefact.acting import acted
from onefact.consolidate import Consolidated, consolidate
from onefact.home import Home
from onefact.law import register
from onefact.law.reading import decode_lawful
from warehouse import landing
from warehouse.standardised import Counts, Stage
from warehouse.tables import BATCH


class LandingMissing(Exception):
    """A registered batch is gone from the landing zone, or is no longer what was received."""


class ManifestMissing(Exception):
    """Landed rows cannot be read, since the manifest that says what they mean is gone."""

    def __init__(self, system_id: str, dataset: str | None, folder: Path) -> None:
        self.system_id, self.dataset, self.folder = system_id, dataset, folder
        what = f"the manifest {system_id}.yaml" if dataset is None else f"the dataset {dataset} in {system_id}.yaml"
        super().__init__(f"Landed records of {system_id} need {what}; put it back into {folder}. Nothing was deleted.")


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """How many batches and records were read again, and what the consolidation then changed (nothing, normally)."""

    batches: int
    records: int
    consolidated: Consolidated | None
    """None in a rehearsal."""


def rebuild(home: Home, progress: Callable[[str, int], None] | None = None, *, dry_run: bool = False) -> Rebuilt:
    """Delete the DuckDB file and make it again from the landed batches in their order.

    With `dry_run` it is only looked whether everything is there that this needs.

    Raises:
        LandingMissing: a batch folder is missing or its SHA-256 differs from the register.
        ManifestMissing: a landed dataset has no manifest any more; nothing was deleted.
    """
    query = sa.select(BATCH).where(BATCH.c.folder.is_not(None)).order_by(BATCH.c.pulled_at, BATCH.c.batch_id)
    with home.engine.connect() as connection:
        batches = list(connection.execute(query).mappings())
    for batch in batches:
        folder = home.landing / batch["folder"]
        if not folder.exists():
            raise LandingMissing(f"batch {batch['batch_id']}: its landing folder is missing. Restore it from backup.")
        if landing.digest(folder) != batch["sha256"]:
            raise LandingMissing(f"batch {batch['batch_id']}: its landed files differ from the register (SHA-256).")
    _readable(home, [str(batch["folder"]) for batch in batches])
    if dry_run:
        return Rebuilt(len(batches), sum(batch["received"] for batch in batches), None)
    for leftover in home.path.glob("warehouse.duckdb*"):
        leftover.unlink()
    records, authorised = 0, register.load(home).may("in", home.now().date())
    with home.warehouse() as con:
        for batch in batches:
            manifest = home.manifests[batch["system_id"]]
            folder = home.landing / batch["folder"]
            stage = Stage(con, manifest.id, batch["batch_id"], batch["pulled_at"])
            counts, unread = Counts(), landing.read_rejects(folder, home.seals)
            for dataset, rows in landing.read(folder, home.seals).items():
                known = widened(rows, manifest.dataset(dataset).columns)
                decoded = decode_lawful(manifest, known, dataset, batch["pulled_at"], authorised)
                here = unread.filter(pc.equal(unread["dataset"], dataset))
                rejects = pa.concat_tables([here, decoded.rejects])
                stage.add(decoded.tables, decoded.links, rejects, decoded.hints)
                counts = Counts(counts.received + decoded.counts.rows, counts.taken + decoded.counts.taken)
            complete = {d: manifest.dataset(d).deleted.when_absent for d in batch["snapshots"]}
            stage.merge(counts, complete)
            records += counts.received
            if progress:
                progress(manifest.id, records)
    consolidated = consolidate(home)
    acted(home, "rebuild", "batch", count=len(batches), records=records)
    return Rebuilt(len(batches), records, consolidated)


def widened(rows: pa.Table, columns: Sequence[str]) -> pa.Table:
    """Return landed rows with the columns that a manifest has gained since: what was not read then is unknown."""
    for name in columns:
        if name not in rows.column_names:
            rows = rows.append_column(name, pa.nulls(rows.num_rows, pa.string()))
    return rows


def _readable(home: Home, folders: Sequence[str]) -> None:
    """Raise `ManifestMissing` when a batch holds a system or a dataset that no manifest describes."""
    for folder in folders:
        system_id = Path(folder).parts[0]
        manifest = home.manifests.get(system_id)
        if manifest is None:
            raise ManifestMissing(system_id, None, home.systems)
        known = {dataset.name for dataset in manifest.datasets}
        for dataset in landing.datasets(home.landing / folder):
            if dataset not in known:
                raise ManifestMissing(system_id, dataset, home.systems)

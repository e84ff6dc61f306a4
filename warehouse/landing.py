"""The landing zone (着陆区): one Parquet file per system and batch, rows exactly as they were received.

Where the home has a key ring the files are encrypted (`warehouse.seals.parquet`). A batch is evidence and the source of every replay, so it is written under a temporary name and renamed when whole, and
its SHA-256 stands in the batch register. Columns that a manifest withholds by law never reach it.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.records import REJECT_SCHEMA, Page
from warehouse.seals import NONE, Seals, parquet

REJECTS = "_rejects"
"""File of a batch with what the connector could not read (a broken line): no row tells of it, so it must be kept too."""


@dataclass(frozen=True, slots=True)
class Landed:
    """A finished batch: where its files are, how many rows, and the SHA-256 over their contents."""

    folder: Path
    rows: int
    sha256: str


class LandingWriter:
    """Writes one batch, a Parquet file per dataset; a batch that fails half-way leaves nothing behind."""

    def __init__(self, root: Path, system_id: str, batch_id: str, seals: Seals = NONE) -> None:
        self._seals = seals
        self.folder = root / system_id / batch_id
        self._part = root / system_id / f".{batch_id}.part"
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._rows = 0

    def __enter__(self) -> Self:
        self._part.mkdir(parents=True, exist_ok=True)
        return self

    def write(self, page: Page) -> None:
        """Append the rows of a page, and what could not be read of it."""
        self._append(page.dataset, page.rows)
        self._append(REJECTS, page.rejects)
        self._rows += page.rows.num_rows

    def _append(self, name: str, rows: pa.Table) -> None:
        if rows.num_rows == 0:
            return
        writer = self._writers.get(name)
        if writer is None:
            writer = parquet.writer(self._part / f"{name}.parquet", rows.schema, self._seals)
            self._writers[name] = writer
        writer.write_table(rows.select(writer.schema.names).cast(writer.schema))

    def finish(self) -> Landed | None:
        """Close the files and give the batch its final name; None when nothing was landed."""
        for writer in self._writers.values():
            writer.close()
        if not self._writers:
            shutil.rmtree(self._part, ignore_errors=True)
            return None
        self._part.replace(self.folder)
        return Landed(self.folder, self._rows, digest(self.folder))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._part.exists():
            for writer in self._writers.values():
                writer.close()
            shutil.rmtree(self._part, ignore_errors=True)


def digest(folder: Path) -> str:
    """Return the SHA-256 over the names and contents of a batch's files, the same on every machine."""
    total = hashlib.sha256()
    for path in sorted(folder.glob("*.parquet")):
        total.update(path.name.encode())
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


def datasets(folder: Path) -> list[str]:
    """Return the names of the datasets that a batch has rows of, in order."""
    return sorted(path.stem for path in folder.glob("*.parquet") if path.stem != REJECTS)


def read(folder: Path, seals: Seals = NONE) -> dict[str, pa.Table]:
    """Return the landed rows of a batch by dataset; raises `KeysLost` where they were encrypted with other keys."""
    return {name: parquet.read(folder / f"{name}.parquet", seals) for name in datasets(folder)}


def read_rejects(folder: Path, seals: Seals = NONE) -> pa.Table:
    """Return what could not be read of a batch (`schemas.records.REJECT_SCHEMA`)."""
    path = folder / f"{REJECTS}.parquet"
    return parquet.read(path, seals) if path.exists() else REJECT_SCHEMA.empty_table()

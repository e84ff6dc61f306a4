"""A tray of exports (导出文件夹): which files are to be read, and what they say together.

Two ways in which systems export, told apart by `capabilities.read`: `full` - every file holds everything, so the newest
whole one counts and the others are history; `delta` - every file holds what changed, so all count in their order. A file
that is not whole is named in an error after the others were read, and is tried again at the next pull.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from connectors import raw
from connectors.base import Malformed
from connectors.kinds.readers.chunk import Chunk, in_pages
from connectors.manifest.model import Dataset, Manifest
from schemas.records import Page


@dataclass(frozen=True, slots=True)
class Export:
    """One exported file as listed: name, bytes, and modification time (seconds, the tray's own clock)."""

    name: str
    size: int
    changed: float


class Tray(Protocol):
    """Where exports lie."""

    def exports(self, dataset: Dataset) -> Sequence[Export]:
        """Return the finished files of a dataset."""
        ...

    def fetch(self, dataset: Dataset, export: Export, folder: Path) -> Path:
        """Return a local copy (made in `folder` if need be) of the same name; raises `Malformed` if it is not whole."""
        ...

    def read(self, dataset: Dataset, path: Path) -> Iterator[Chunk]:
        """Yield the rows of a local copy."""
        ...


@dataclass(slots=True)
class _Cursor:
    """Files read so far (name -> size, time, SHA-256) and the content read last."""

    files: dict[str, tuple[int, float, str]] = field(default_factory=dict)
    last: str = ""

    @classmethod
    def load(cls, text: str | None) -> _Cursor:
        data = json.loads(text) if text else {}
        return cls({name: (s, t, h) for name, (s, t, h) in data.get("files", {}).items()}, data.get("last", ""))

    def has(self, export: Export) -> bool:
        return self.files.get(export.name, (-1, 0.0, ""))[:2] == (export.size, export.changed)

    def repeats(self, digest: str, *, full: bool) -> bool:
        """The same batch sent again, under whatever name."""
        return digest == self.last if full else any(digest == seen for _, _, seen in self.files.values())

    def text(self) -> str:
        return json.dumps({"files": self.files, "last": self.last}, ensure_ascii=False, sort_keys=True)


def pull(manifest: Manifest, dataset: Dataset, tray: Tray, cursor: str | None) -> Iterator[Page]:
    """Yield the rows of the exports that the cursor does not know; see the module for what counts.

    The last page of a full export is a snapshot, unless a line was refused: what cannot be read must not look gone.

    Raises:
        Malformed: a file is not whole or not as promised; raised after the pages of all other files.
    """
    full = manifest.capabilities.read == "full"
    seen = _Cursor.load(cursor)
    exports = sorted(tray.exports(dataset), key=lambda e: (e.changed, e.name))
    seen.files = {e.name: seen.files[e.name] for e in exports if e.name in seen.files}
    broken: list[Malformed] = []
    with tempfile.TemporaryDirectory(prefix="onefact-") as folder:
        for export in reversed(exports) if full else exports:
            if seen.has(export):
                if full:
                    break
                continue
            try:
                path = tray.fetch(dataset, export, Path(folder))
                yield from _pages(manifest, dataset, tray, seen, export, path)
            except Malformed as error:
                broken.append(error)
                continue
            if full:
                break
    if broken:
        raise broken[0]


def newest(manifest: Manifest, dataset: Dataset, tray: Tray) -> tuple[pa.Table, float, pa.Table]:
    """Return what the exports say now: (rows, time of the newest export, rejects); no rows and 0.0 without exports."""
    full = manifest.capabilities.read == "full"
    found: list[Chunk] = []
    shown = 0.0
    with tempfile.TemporaryDirectory(prefix="onefact-") as folder:
        for export in sorted(tray.exports(dataset), key=lambda e: (e.changed, e.name), reverse=True):
            try:
                found = [*tray.read(dataset, tray.fetch(dataset, export, Path(folder))), *found]
            except Malformed:
                continue  # `pull` names it; here the next older file is the best that is known
            shown = max(shown, export.changed)
            if full:
                break
    rows = pa.concat_tables([raw.empty(dataset.columns), *(c.rows.select([*dataset.columns, "_place"]) for c in found)])
    return rows, shown, pa.concat_tables([raw.rejects([], manifest.id, dataset.name), *(c.rejects for c in found)])


def _pages(
    manifest: Manifest, dataset: Dataset, tray: Tray, seen: _Cursor, export: Export, path: Path
) -> Iterator[Page]:
    full = manifest.capabilities.read == "full"
    digest = sha256(path)
    before = seen.text()
    repeated = seen.repeats(digest, full=full)
    state = (export.size, export.changed, digest)
    if repeated:
        seen.files[export.name] = state
        yield Page(dataset.name, raw.empty(dataset.columns), seen.text())
        return
    whole = full
    chunks = _filled(in_pages(tray.read(dataset, path)))
    waiting = next(chunks, None)
    while waiting is not None:
        following = next(chunks, None)
        whole = whole and not pc.any(pc.equal(waiting.rejects.column("level"), "record")).as_py()
        if following is None:
            seen.files[export.name], seen.last = state, digest
        rows, duplicates = raw.drop_repeats(waiting.rows)
        last = following is None
        yield Page(dataset.name, rows, seen.text() if last else before, waiting.rejects, whole and last, duplicates)
        waiting = following


def _filled(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Join chunks without rows to the one before them: they only carry rejects."""
    waiting = next(chunks, None)
    for chunk in chunks:
        if waiting is not None and chunk.rows.num_rows == 0:
            waiting = Chunk(waiting.rows, pa.concat_tables([waiting.rejects, chunk.rejects]))
            continue
        if waiting is not None:
            yield waiting
        waiting = chunk
    if waiting is not None:
        yield waiting


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def count_rows(chunks: Callable[[], Iterator[Chunk]]) -> int:
    """Return the number of data rows of a file, refused lines included."""
    return sum(
        chunk.rows.num_rows + int(pc.sum(pc.equal(chunk.rejects.column("level"), "record")).as_py() or 0)
        for chunk in chunks()
    )

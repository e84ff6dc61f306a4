"""What every file reader takes and gives: `FileSpec` in, `Chunk`s of text rows out."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from connectors.base import Malformed
from connectors.manifest.model import Dataset, Manifest
from connectors.manifest.sources import FilesSource
from connectors.mapping.reasons import reason
from schemas.records import PLACE, REJECT_SCHEMA

PAGE_ROWS = 100_000
"""Greatest number of rows of a page: bounded memory, and few enough to repeat after a failure."""

EXACT_KINDS = frozenset({"id_number", "uscc", "phone", "org_code"})
"""Kinds of long numbers, which a spreadsheet cell of type number cannot hold exactly."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows of a file: text columns and `_place`, and what could not be read (`REJECT_SCHEMA`)."""

    rows: pa.Table
    rejects: pa.Table = field(default_factory=REJECT_SCHEMA.empty_table)


@dataclass(frozen=True, slots=True)
class FileSpec:
    """One file and how to read it.

    Attributes:
        system_id, dataset: for messages and rejects.
        path: the file; `place` names it in messages and `_place`.
        wanted: columns to read; `optional`: those of them that may be missing (local columns).
        exact: columns that hold long numbers, and the fields they feed (for Excel's numeric cells).
    """

    system_id: str
    dataset: str
    path: Path
    source: FilesSource
    wanted: tuple[str, ...]
    optional: frozenset[str] = frozenset()
    exact: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """The file's name, as it stands in messages."""
        return self.path.name

    def malformed(self, what: str, remedy: str, at: object = None) -> Malformed:
        """The error for a file that cannot be read, naming the file and the line, sheet or byte."""
        place = self.place if at is None else f"{self.place}!{at}"
        return Malformed(self.system_id, place, what, remedy)

    def rejects(self, rule: str, lines: Sequence[object]) -> pa.Table:
        """Record rejects for these lines."""
        count = len(lines)
        constants = {"system_id": self.system_id, "dataset": self.dataset, "level": "record", "rule": rule}
        constants["reason"] = reason(rule)
        columns = {name: pa.repeat(pa.scalar(text), count) for name, text in constants.items()}
        columns["place"] = pa.array([f"{self.place}!{line}" for line in lines], pa.string())
        nothing = pa.nulls(count, pa.string())
        return pa.table([columns.get(name, nothing) for name in REJECT_SCHEMA.names], schema=REJECT_SCHEMA)


def file_spec(manifest: Manifest, dataset: Dataset, source: FilesSource, path: Path) -> FileSpec:
    """Return the spec of one file of a dataset."""
    mapped: set[str] = {c for e in dataset.entities for f in e.fields.values() if f.readable for c in f.column}
    needed = {*dataset.key, *mapped}
    needed |= {c for c in (dataset.updated_at and dataset.updated_at.column, dataset.deleted.column) if c}
    exact = {
        f.column[0]: (e.type, e.role, name)
        for e in dataset.entities
        for name, f in e.fields.items()
        if len(f.column) == 1 and (f.kind or manifest.master_field(e.type, name).kind) in EXACT_KINDS
    }
    optional = frozenset(dataset.columns) - needed
    return FileSpec(manifest.id, dataset.name, path, source, dataset.columns, optional, exact)


def positions(
    spec: FileSpec, header: Sequence[str], at: object, sample: Sequence[Sequence[str]] = ()
) -> dict[str, int]:
    """Return wanted column -> position in the header.

    Raises:
        Malformed: a needed column is missing (with the nearest names, or the row where the header stands now), or
            stands there twice.
    """
    names = [name.strip().strip("\ufeff") for name in header]
    missing = [c for c in spec.wanted if c not in names and c not in spec.optional]
    if missing:
        raise spec.malformed(f"the columns {', '.join(missing)} are missing", _advice(missing, names, sample), at)
    twice = [c for c in spec.wanted if names.count(c) > 1]
    if twice:
        raise spec.malformed(f"the column {twice[0]} stands there twice", "Give each column its own name.", at)
    return {c: names.index(c) for c in spec.wanted if c in names}


def _advice(missing: Sequence[str], names: Sequence[str], sample: Sequence[Sequence[str]]) -> str:
    for number, row in enumerate(sample, start=1):
        if set(missing) <= {cell.strip() for cell in row}:
            return f"Row {number} holds them: has the header moved? Set `header_row: {number}`."
    near = {m: difflib.get_close_matches(m, names, n=1, cutoff=0.4) for m in missing}
    hints = "; ".join(f"{m} is nearest to {found[0]}" for m, found in near.items() if found)
    return f"{hints or 'The header has: ' + ', '.join(names[:30])}. Correct the manifest if the system renamed them."


def text_table(spec: FileSpec, columns: Mapping[str, pa.Array], places: pa.Array) -> pa.Table:
    """A page's table: all wanted columns in order (NULL where an optional one is missing) and `_place`."""
    count = len(places)
    arrays = [columns.get(name, pa.nulls(count, pa.string())) for name in spec.wanted]
    return pa.table([*arrays, places], names=[*spec.wanted, PLACE])


def in_pages(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Cut chunks so that none has more than `PAGE_ROWS` rows."""
    for chunk in chunks:
        if chunk.rows.num_rows <= PAGE_ROWS:
            yield chunk
            continue
        yield Chunk(chunk.rows.slice(0, PAGE_ROWS), chunk.rejects)
        for start in range(PAGE_ROWS, chunk.rows.num_rows, PAGE_ROWS):
            yield Chunk(chunk.rows.slice(start, PAGE_ROWS))

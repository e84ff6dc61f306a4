"""Rows of a system → standardised records of the master (解码): the manifest says which column is which fact."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from connectors.manifest.model import Dataset, EntityMap, FieldMap, Manifest
from connectors.mapping.cross import cross_check
from connectors.mapping.hints import Hints, hinted, overruled
from connectors.mapping.rejects import Level, Rejects, everywhere, where
from connectors.mapping.rows import Keyed, key_rows, require_columns, texts
from connectors.mapping.values import Reader
from schemas.model import EntityType
from schemas.records import PLACE, standardised_schema

LINK_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("system_id", "record_key", "link", "left_role", "right_role", "relation")]
)
"""A relation between two roles of one source record; the crosswalk turns roles into master ids."""


@dataclass(frozen=True, slots=True)
class Counts:
    """The fate of every row: `rows == taken + rejected + duplicates`, always."""

    rows: int
    taken: int
    rejected: int
    duplicates: int


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a page of rows says in terms of the master.

    Attributes:
        tables: standardised records per entity type (`schemas.records.standardised_schema`).
        links: relations between roles of one record (`LINK_SCHEMA`).
        rejects: values and records not taken, and warnings (`REJECT_SCHEMA`).
        hints: what rejected texts still say, for linkage alone (`HINT_SCHEMA`).
        counts: the fate of the rows.
    """

    tables: dict[EntityType, pa.Table]
    links: pa.Table
    rejects: pa.Table
    hints: pa.Table
    counts: Counts


@dataclass(frozen=True, slots=True)
class _Page:
    """What all entities of a page share."""

    manifest: Manifest
    dataset: Dataset
    reader: Reader
    rejects: Rejects
    hints: Hints
    keys: pa.StringArray
    places: pa.StringArray
    observed: pa.StringArray
    deleted: pa.BooleanArray
    written_too: bool


@dataclass(frozen=True, slots=True)
class _Role:
    """One entity of every row: its columns, and in which rows it exists."""

    entity: EntityMap
    columns: dict[str, pa.StringArray]
    exists: pa.BooleanArray


def decode(rows: pa.Table, manifest: Manifest, dataset: str, pulled_at: str, *, written_too: bool = False) -> Decoded:
    """Return the standardised records, links and rejects of a page of raw rows.

    An invalid value becomes NULL and a reject, the record goes on; a row without key or with nothing in it is
    rejected whole; of several rows with one key the last counts. A row flagged as deleted comes with `deleted`
    true for each of its roles, even where its other columns are empty.

    Args:
        rows: raw text columns as a connector delivers them, with `_place`.
        manifest: the system's manifest.
        dataset: name of the dataset that the rows belong to.
        pulled_at: ISO time of the pull; dates after that day are in the future.
        written_too: read also the fields that are only written (`direction: out`): for comparing a row that was
            read back with what was sent, never for claims.

    Raises:
        MissingColumn: the page lacks a mapped column.
    """
    spec = manifest.dataset(dataset)
    optional = {c for e in spec.entities for f in e.fields.values() if not _reads(f, written_too) for c in f.column}
    needed = (c for c in spec.columns if c not in spec.local and c not in optional)
    require_columns(rows, manifest, spec, tuple(needed))
    keyed = key_rows(rows, manifest, spec)
    page = _open_page(keyed, manifest, spec, pulled_at, written_too=written_too)
    roles = [_read_role(page, entity) for entity in spec.entities]
    taken = pc.or_(page.deleted, _any([role.exists for role in roles], len(page.keys)))
    page.rejects.add(where(pc.invert(taken), "record.empty"), page.keys, page.places, level="record")
    missing = everywhere("record.no_key", len(keyed.without_key))
    page.rejects.add(missing, pa.nulls(len(missing), pa.string()), keyed.without_key, level="record")
    unusable = everywhere("record.bad_key", len(keyed.bad_key))
    page.rejects.add(unusable, pa.nulls(len(unusable), pa.string()), keyed.bad_key, level="record")
    count = int(pc.sum(taken).as_py() or 0)
    return Decoded(
        tables=_tables(page, roles),
        links=_links(page, roles),
        rejects=page.rejects.table(),
        hints=page.hints.table(),
        counts=Counts(rows.num_rows, count, rows.num_rows - count - keyed.duplicates, keyed.duplicates),
    )


def _open_page(keyed: Keyed, manifest: Manifest, spec: Dataset, pulled_at: str, *, written_too: bool) -> _Page:
    rows, count = keyed.rows, len(keyed.keys)
    places = texts(rows, PLACE)
    reader = Reader(manifest, rows, date.fromisoformat(pulled_at[:10]))
    rejects = Rejects(manifest.id, spec.name)
    observed = pa.nulls(count, pa.string())
    if spec.updated_at is not None:
        times = reader.time(spec.updated_at.column, spec.updated_at.formats)
        rejects.add(times.issue, keyed.keys, places, level="value", name="observed_at", column=spec.updated_at.column)
        observed = times.value
    deleted = pa.repeat(pa.scalar(value=False), count)
    if spec.deleted.column is not None:
        flags = pc.utf8_trim_whitespace(texts(rows, spec.deleted.column))
        deleted = pc.is_in(flags, value_set=pa.array(spec.deleted.values, pa.string()), skip_nulls=True)
    hints = Hints(manifest.id, keyed.keys)
    return _Page(manifest, spec, reader, rejects, hints, keyed.keys, places, observed, deleted, written_too)


def _reads(mapped: FieldMap, written_too: bool) -> bool:
    return mapped.readable or (written_too and mapped.writable)


def _read_role(page: _Page, entity: EntityMap) -> _Role:
    columns: dict[str, pa.StringArray] = {}
    filled, told = [], {}
    for name, mapped in entity.fields.items():
        if not _reads(mapped, page.written_too):
            continue
        found = page.reader.field(entity, name, mapped)
        columns[name] = found.value
        _reject(page, entity, name, found.issue, "value")
        _reject(page, entity, name, found.warning, "warning")
        if not page.written_too and hinted(entity, name, found):
            told[name] = page.reader.hints(entity, name, mapped, found)
        if name in entity.required or not (entity.required or mapped.value is not None):
            filled.append(found.filled)
    exists = _any(filled, len(page.keys))
    if entity.type == "person" and _proven(entity):
        said, crossed = columns, cross_check(columns)
        columns = crossed.columns
        for name, rule in crossed.broken.items():
            _reject(page, entity, name, rule, "value")
        told |= overruled(said, crossed, told)
    page.hints.add(entity, told, pc.and_not(exists, page.deleted))
    return _Role(entity, columns, exists)


def _proven(entity: EntityMap) -> bool:
    """True when ID numbers went through the check of their kind (`as: text` lets anything pass)."""
    mapped = entity.fields.get("id_number")
    return mapped is not None and mapped.kind in {None, "id_number"}


def _reject(page: _Page, entity: EntityMap, name: str, rules: pa.StringArray, level: Level) -> None:
    mapped = entity.fields.get(name)
    column = "+".join(mapped.column) if mapped is not None else None
    about = {"entity_type": entity.type, "role": entity.role, "name": name, "column": column}
    page.rejects.add(rules, page.keys, page.places, level=level, **about)


def _any(masks: list[pa.BooleanArray], count: int) -> pa.BooleanArray:
    result = pa.repeat(pa.scalar(value=False), count)
    for mask in masks:
        result = pc.or_(result, mask)
    return result


def _tables(page: _Page, roles: list[_Role]) -> dict[EntityType, pa.Table]:
    parts: dict[EntityType, list[pa.Table]] = {}
    for role in roles:
        parts.setdefault(role.entity.type, []).append(_records(page, role))
    return {entity_type: pa.concat_tables(tables) for entity_type, tables in parts.items()}


def _records(page: _Page, role: _Role) -> pa.Table:
    schema = standardised_schema(role.entity.type)
    count = len(page.keys)
    columns: dict[str, pa.Array] = {
        "system_id": pa.repeat(pa.scalar(page.manifest.id), count),
        "record_key": page.keys,
        "role": pa.repeat(pa.scalar(role.entity.role), count),
        "dataset": pa.repeat(pa.scalar(page.dataset.name), count),
        "observed_at": page.observed,
        "deleted": page.deleted,
        "place": page.places,
        **role.columns,
    }
    table = pa.table([columns.get(f.name, pa.nulls(count, f.type)) for f in schema], schema=schema)
    kept = pc.or_(role.exists, page.deleted)
    return table if pc.all(kept).as_py() else table.filter(kept)


def _links(page: _Page, roles: list[_Role]) -> pa.Table:
    exists = {role.entity.role: role.exists for role in roles}
    parts = []
    for link in page.dataset.links:
        both = pc.and_not(pc.and_(exists[link.left], exists[link.right]), page.deleted)
        keys = page.keys.filter(both)
        constants = (link.link, link.left, link.right, link.relation)
        columns = [pa.repeat(pa.scalar(text), len(keys)) for text in (page.manifest.id, *constants)]
        parts.append(pa.table([columns[0], keys, *columns[1:]], schema=LINK_SCHEMA))
    return pa.concat_tables(parts) if parts else LINK_SCHEMA.empty_table()

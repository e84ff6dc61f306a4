"""Comparing what a system holds now with what was meant to be written (回读核对).

The comparison is made on canonical values after the same `decode` that every pull uses: a target that trims, pads or
re-formats a value is not at fault, one that drops or truncates it is.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from connectors.manifest.model import Manifest
from connectors.told import Records, held_of, records
from schemas.records import Change


def compare(
    manifest: Manifest, dataset: str, role: str, changes: Sequence[Change], rows: pa.Table
) -> dict[str, tuple[bool, list[str]]]:
    """Return change_id -> (all changed fields hold the new value, names of the fields that do not).

    A record that is not among the rows, or has no key yet, gives (False, []). Fields that the system does not take
    (`direction: in`) are not compared, since nothing was written to them.

    Args:
        manifest: the system's manifest.
        dataset: name of the dataset that rows and changes belong to.
        role: role of the entity within the row; changes of other roles are left out.
        changes: what was written; a created record carries the key that the system gave it.
        rows: raw rows as `read_back` returned them.
    """
    return compare_held(manifest, dataset, role, changes, held_of(manifest, dataset, changes, rows))


def compare_held(
    manifest: Manifest, dataset: str, role: str, changes: Sequence[Change], held: Records
) -> dict[str, tuple[bool, list[str]]]:
    """Compare as `compare` does, with rows that are decoded already: decoding a few rows costs more than asking for them."""
    entity = manifest.dataset(dataset).entity(role)
    answer: dict[str, tuple[bool, list[str]]] = {}
    for change in changes:
        if change.role != role:
            continue
        found = held.get((change.record_key, role)) if change.record_key else None
        if found is None:
            answer[change.change_id] = (False, [])
            continue
        wanted = {
            c.field: c.new for c in change.changes if c.field in entity.fields and entity.fields[c.field].writable
        }
        differing = [name for name, value in wanted.items() if found[name] != value]
        answer[change.change_id] = (not differing, differing)
    return answer


def differences(
    manifest: Manifest, dataset: str, sent: pa.Table, held: pa.Table, columns: Sequence[str] | None = None
) -> dict[str, list[str] | None]:
    """Compare rows as they were sent with rows as they are held now, for receipts that come later.

    Args:
        manifest: the system's manifest.
        dataset: name of the dataset that the rows belong to.
        sent: raw rows that were written, with their key columns; columns of the dataset may be missing.
        held: raw rows read back.
        columns: compare only fields of these columns; default: those that `sent` has.

    Returns:
        record_key -> names of the fields that differ ([] = all equal; None = the system does not hold the record).
    """
    spec = manifest.dataset(dataset)
    chosen = set(columns if columns is not None else sent.column_names)
    compared = {
        (entity.role, name)
        for entity in spec.entities
        for name, mapped in entity.fields.items()
        if mapped.writable and mapped.column[0] in chosen
    }
    missing = [c for c in spec.columns if c not in sent.column_names]
    for column in missing:
        sent = sent.append_column(column, pa.nulls(sent.num_rows, pa.string()))
    meant, found = records(manifest, dataset, sent), records(manifest, dataset, held)
    present = {key for key, _ in found}
    answer: dict[str, list[str] | None] = {}
    for (key, role), values in meant.items():
        other = found.get((key, role), {})
        differing = [name for name, value in values.items() if (role, name) in compared and other.get(name) != value]
        answer[key] = [*(answer.get(key) or []), *differing] if key in present else None
    return answer

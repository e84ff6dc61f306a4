"""Targets that re-write what they were given (近似一致): trimmed, padded, upper-cased, re-formatted - equal, yet not the same.

The comparison that counts is canonical (`connectors.readback`). Where only that is equal and the text is another one, the
field is a near miss: nothing is wrong, but whoever looks after the system should know, since the next target that reads
it may be less forgiving.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from connectors.manifest.model import Manifest
from connectors.mapping.rows import record_keys
from schemas.records import Change

Columns = Mapping[str, str | None]


def near_misses(
    manifest: Manifest, dataset: str, sent: Sequence[tuple[Change, Columns]], rows: pa.Table
) -> dict[str, tuple[str, ...]]:
    """Return change_id -> fields whose text at the target is not the text that was sent; only where there are any.

    Args:
        manifest: the target's manifest.
        dataset: dataset of rows and changes.
        sent: changes (a created record with the key that it got) and the columns that were written, in the target's
            spelling.
        rows: raw rows that the target shows now.
    """
    if rows.num_rows == 0:
        return {}
    spec = manifest.dataset(dataset)
    shown = dict(zip(record_keys(rows, manifest, spec).to_pylist(), rows.to_pylist(), strict=True))
    found: dict[str, tuple[str, ...]] = {}
    for change, columns in sent:
        row = shown.get(change.record_key)
        if row is None:
            continue
        writable = {n: f.column[0] for n, f in spec.entity(change.role).fields.items() if f.writable}
        other = tuple(n for n, c in writable.items() if c in columns and differs(columns[c], row.get(c)))
        if other:
            found[change.change_id] = other
    return found


def fields_rewritten(manifest: Manifest, dataset: str, sent: Columns, shown: Columns) -> tuple[str, ...]:
    """Return the fields of a row (of any role) whose text at the target is not the text that was sent."""
    return tuple(
        name
        for entity in manifest.dataset(dataset).entities
        for name, mapped in entity.fields.items()
        if mapped.writable and mapped.column[0] in sent and differs(sent[mapped.column[0]], shown.get(mapped.column[0]))
    )


def differs(sent: str | None, shown: str | None) -> bool:
    """Return whether two texts of a column are not the same; nothing and an empty text are."""
    return (sent or "") != (shown or "")

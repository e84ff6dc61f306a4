"""What a system holds now, seen beside what is to be written: the guard before a write (写前核对).

A channel without versions would overwrite silently what somebody changed there since the last pull. So the fields are
read once more before the write: what is there already needs no write, what is neither the old nor the new value is a
conflict for a person, and only the rest is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import pyarrow as pa

from connectors.manifest.model import Manifest
from connectors.told import held_of, records
from schemas.records import Change, Outcome

Standing = Literal["due", "already", "changed", "absent"]
"""due = to be written; already = all fields hold the new value; changed = somebody else changed a field since it was
last read or written by us; absent = the system shows no such record."""

Held = Mapping[str, str | None]
"""Field -> the canonical value that the system holds."""


def standings(
    manifest: Manifest, dataset: str, changes: Sequence[Change], rows: pa.Table
) -> dict[str, tuple[Standing, Held]]:
    """Return change_id -> (standing, what the system holds in the fields of the change).

    Args:
        manifest: the system's manifest.
        dataset: dataset of rows and changes.
        changes: updates that are about to be written.
        rows: raw rows that the system holds now for their keys.
    """
    held = held_of(manifest, dataset, changes, rows)
    fields = {entity.role: entity.fields for entity in manifest.dataset(dataset).entities}
    answer: dict[str, tuple[Standing, Held]] = {}
    for change in changes:
        now = held.get((change.record_key or "", change.role))
        if now is None:
            answer[change.change_id] = ("absent", {})
            continue
        mapped = fields[change.role]
        written = [c for c in change.changes if c.field in mapped and mapped[c.field].writable]
        differing = [c for c in written if now[c.field] != c.new]
        foreign = any(c.foreign(now[c.field]) for c in differing)
        standing: Standing = "changed" if foreign else "due" if differing or not written else "already"
        answer[change.change_id] = (standing, {c.field: now[c.field] for c in written})
    return answer


def settled(change: Change, standing: tuple[Standing, Held] | None, *, reads: bool = False) -> Outcome | None:
    """Return the outcome of a change that needs no write or must not be written; None where it is due.

    Args:
        change: the change.
        standing: what the system shows of it; None for a new record.
        reads: what the system shows is all it has. A record that it does not show is then not written: nothing would
            guard the write.
    """
    match standing:
        case ("absent", _) if reads and change.operation == "update":
            message = "系统没有显示这条记录，无法核对后写入"
            return Outcome(change.change_id, "rejected", "not_shown", message, record_key=change.record_key)
        case ("already", _):
            return Outcome(change.change_id, "verified", "already", "系统中已是该值", record_key=change.record_key)
        case ("changed", held):
            return changed_there(change, held)
    return None


def changed_there(change: Change, held: Held) -> Outcome:
    """Return the conflict of a change whose record somebody else changed; it carries what the system holds now."""
    fields = "、".join(c.field for c in change.changes if c.field in held and c.foreign(held[c.field]))
    message = f"系统中的值已被他人修改：{fields}"
    return Outcome(
        change.change_id, "conflict", "changed_there", message, record_key=change.record_key, held=dict(held)
    )


def conflicting(manifest: Manifest, change: Change, rows: pa.Table, told: Outcome) -> Outcome:
    """Complete a conflict that the target told of with what it holds now, read again after it was told.

    Where it holds the new value already (our own write whose answer was lost, or somebody entered the same), nothing is
    left to settle: the change is verified.

    Args:
        manifest: the target's manifest.
        change: what was to be written.
        rows: raw rows that the target holds now; without the record the conflict stays as it was told.
        told: the conflict.
    """
    now = records(manifest, change.dataset, rows).get((change.record_key or "", change.role))
    if now is None:
        return replace(told, record_key=change.record_key)
    mapped = manifest.dataset(change.dataset).entity(change.role).fields
    written = [c for c in change.changes if c.field in mapped and mapped[c.field].writable]
    if written and all(now[c.field] == c.new for c in written):
        return replace(told, state="verified", code="already", message="系统中已是该值", record_key=change.record_key)
    held = {c.field: now[c.field] for c in written if mapped[c.field].readable}
    return replace(told, record_key=change.record_key, held=held)


def verdict(
    change_id: str,
    result: tuple[bool, list[str]],
    *,
    shown: bool = True,
    receipt: str | None,
    key: str | None,
    near: Sequence[str] = (),
    raw: bytes | None = None,
    due: str | None = None,
) -> Outcome:
    """Return the outcome of an accepted write from its read-back comparison.

    Args:
        change_id: the change.
        result: (all fields hold the new value, names of those that do not), from `connectors.readback.compare`.
        shown: the system shows a state that is not older than our write; else the comparison is still due.
        receipt: the system's receipt.
        key: record key.
        near: fields that the target re-wrote, from `connectors.near`.
        raw: the system's answer as it came.
        due: when the comparison is expected at the latest.
    """
    equal, fields = result
    if equal:
        return Outcome(change_id, "verified", receipt=receipt, record_key=key, near=near, raw=raw)
    if not shown:
        return Outcome(change_id, "sent", "not_shown_yet", "已受理，新值尚未显示", receipt, key, raw=raw, due=due)
    message = f"已受理，但读回的值不同：{'、'.join(fields) or '记录不存在'}"
    return Outcome(change_id, "rejected", "readback_differs", message, receipt, key, raw=raw)

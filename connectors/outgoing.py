"""Changes on their way out: from canonical values to the target's own columns, before any channel is involved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from connectors.manifest.model import Manifest
from connectors.mapping import Inexpressible, encode
from connectors.mapping.rows import raw_key
from schemas.records import Change, Outcome


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One change in the target's spelling.

    Attributes:
        change: what was asked.
        key: texts of the key columns ("" where the target numbers new records itself).
        columns: key columns and written columns -> raw text; "" clears a column.
    """

    change: Change
    key: tuple[str, ...]
    columns: Mapping[str, str]


def prepare(
    manifest: Manifest, changes: Sequence[Change], *, whole_rows: bool, writable: Callable[[str], bool]
) -> tuple[list[Outgoing], list[Outcome]]:
    """Return the changes that can be written, and an outcome for each that cannot.

    Args:
        manifest: the target's manifest.
        changes: what the outbox asks for.
        whole_rows: write all golden values that the target may hold (files and templates replace whole rows);
            else only the changed fields, so that nothing newer is overwritten. New records are always whole.
        writable: tells whether a dataset has a way in.
    """
    ready: list[Outgoing] = []
    refused: list[Outcome] = []
    for change in changes:
        refusal = _refusal(manifest, change, writable)
        if refusal is not None:
            refused.append(refusal)
            continue
        try:
            ready.append(_outgoing(manifest, change, whole_rows))
        except Inexpressible as error:
            fields = "、".join(problem.field for problem in error.problems)
            refused.append(Outcome(change.change_id, "rejected", "inexpressible", f"目标系统无法表达的字段：{fields}"))
    return ready, refused


def _refusal(manifest: Manifest, change: Change, writable: Callable[[str], bool]) -> Outcome | None:
    if not writable(change.dataset):
        return Outcome(change.change_id, "rejected", "no_write_path", "该系统只出不进，请走纠错工单")
    if change.operation == "update" and not manifest.capabilities.update:
        return Outcome(change.change_id, "rejected", "no_write_path", "该系统不接受修改")
    if change.operation == "create" and not manifest.capabilities.create:
        return Outcome(change.change_id, "rejected", "no_write_path", "该系统不接受新增")
    if change.operation == "delete" and not manifest.capabilities.delete:
        return Outcome(change.change_id, "rejected", "no_write_path", "该系统不接受注销")
    return None


def _outgoing(manifest: Manifest, change: Change, whole_rows: bool) -> Outgoing:
    dataset = manifest.dataset(change.dataset)
    creating = change.operation == "create"
    changed = {c.field: c.new for c in change.changes}
    values = {**change.current, **changed} if whole_rows or creating else changed
    try:
        columns = encode(manifest, change.dataset, change.role, values)
    except Inexpressible as error:
        if any(problem.field in changed for problem in error.problems):
            raise
        columns = dict(error.columns)  # an unchanged value that the target cannot spell is not our errand
    if creating or change.record_key is None:
        defaults = {name: local.default for name, local in dataset.local.items() if local.default is not None}
        columns = {**defaults, **columns}
        key = tuple(columns.get(name, "") for name in dataset.key)
    else:
        key = raw_key(manifest, dataset, change.record_key)
    return Outgoing(change, key, {**columns, **dict(zip(dataset.key, key, strict=True))})


def record_key(manifest: Manifest, dataset: str, key: Sequence[str]) -> str:
    """Return the record key of a row with these key texts."""
    bare = "|".join(key)
    return f"{dataset}/{bare}" if manifest.prefixed else bare


def waves(ready: Sequence[Outgoing], size: int) -> Iterator[list[Outgoing]]:
    """Cut changes into batches of at most `size` in which each record occurs once, keeping the order per record."""
    turns: dict[str, int] = {}
    by_turn: dict[int, list[Outgoing]] = {}
    for one in ready:
        key = one.change.record_key
        turn = turns.get(key, 0) if key else 0
        if key:
            turns[key] = turn + 1
        by_turn.setdefault(turn, []).append(one)
    for turn in sorted(by_turn):
        wave = by_turn[turn]
        yield from (wave[begin : begin + size] for begin in range(0, len(wave), size))

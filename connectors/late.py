"""Receipts that come later (延迟回执): what was sent in a file is remembered until the target has answered and shown it.

A file or a workbook is answered hours later by a receipt, and the value shows in the target's next export. The rows that
were sent are kept below `<home>/sent/<system>/`, so that a later run can compare them without asking anyone; they are
removed after `KEEP_DAYS`, since they repeat personal data.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from connectors.answers import ruling
from connectors.held import settled, standings
from connectors.http import scrub
from connectors.manifest.model import Dataset, Manifest
from connectors.mapping.rows import raw_key, record_keys
from connectors.near import fields_rewritten
from connectors.outgoing import Outgoing
from connectors.readback import differences
from connectors.told import Records, records
from schemas.records import PLACE, Change, Outcome

KEEP_DAYS = 90
Held = Mapping[tuple[str, ...], Mapping[str, str | None]]
"""Key texts -> the target's row as it stands now."""

KEYS = b"changes"
"""Metadata of a kept file: idempotency key -> row number."""

CHANGED = "_changed"
"""Column of a kept row: which columns we changed (joined with `|`); the others only repeat what the target had."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The target's answer to one row: accepted or not, its words, and the key it gave to a new record."""

    accepted: bool
    error: str = ""
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """The target's answer to one file: when it came (target's clock), row number -> answer, and the file as it came."""

    at: float
    rows: Mapping[int, Answer]
    raw: bytes | None = None


def whole_rows(ready: Sequence[Outgoing], held: Held, columns: Sequence[str]) -> tuple[pa.Table, dict[str, int]]:
    """Return the rows to send (`columns` and `_changed`) and change_id -> row number, counted from 1.

    A file replaces whole rows, so what we do not change is repeated exactly as the target wrote it. Several changes of
    one record (of its roles) share a row, or the second would undo the first.

    Args:
        ready: encoded changes.
        held: key texts -> the target's row as it stands now.
        columns: the columns of the file, in order.
    """
    rows: dict[object, dict[str, str | None]] = {}
    changed: dict[object, list[str]] = {}
    order: dict[object, int] = {}
    numbers: dict[str, int] = {}
    for one in ready:
        place: object = one.key if all(one.key) else one.change.change_id  # a new record has no key to share
        row = rows.setdefault(place, {c: v for c, v in held.get(one.key, {}).items() if c in columns})
        row.update(one.columns)
        changed.setdefault(place, []).extend(one.columns)
        numbers[one.change.change_id] = order.setdefault(place, len(order) + 1)
    texts = {c: pa.array([row.get(c) or "" for row in rows.values()], pa.string()) for c in columns}
    marks = pa.array(["|".join(dict.fromkeys(names)) for names in changed.values()], pa.string())
    return pa.table({**texts, CHANGED: marks}), numbers


def due(
    manifest: Manifest, dataset: Dataset, ready: Sequence[Outgoing], export: pa.Table
) -> tuple[list[Outgoing], list[Outcome], Held]:
    """Compare changes with the newest export before anything is written.

    Returns:
        The changes to send, outcomes of those that are there already or conflict, and key texts -> row as it stands.
    """
    keys = record_keys(export, manifest, dataset)
    wanted = pa.array([one.change.record_key for one in ready if one.change.record_key], pa.string())
    hit = pc.is_in(keys, value_set=wanted, skip_nulls=True)
    rows, found = export.filter(hit), keys.filter(hit).to_pylist()
    states = standings(manifest, dataset.name, [one.change for one in ready], rows)
    # A row that no export shows would be replaced by one with holes: what we do not know of it cannot be repeated.
    reads = manifest.capabilities.read != "none"
    outcomes = {
        one.change.change_id: settled(one.change, states.get(one.change.change_id), reads=reads) for one in ready
    }
    held = {raw_key(manifest, dataset, key): row for key, row in zip(found, rows.to_pylist(), strict=True)}
    return (
        [one for one in ready if outcomes[one.change.change_id] is None],
        [outcome for outcome in outcomes.values() if outcome is not None],
        held,
    )


def batch_of(ready: Sequence[Outgoing]) -> str:
    """Return the number of a batch, the same for the same changes: a repeat overwrites the file, it adds none."""
    return hashlib.sha256("\n".join(sorted(one.change.key for one in ready)).encode()).hexdigest()[:16]


def keys_of(ready: Sequence[Outgoing], numbers: Mapping[str, int]) -> dict[str, int]:
    """Return idempotency key -> row number of the changes in a file."""
    return {one.change.key: numbers[one.change.change_id] for one in ready if one.change.change_id in numbers}


@dataclass(frozen=True, slots=True)
class SentFolder:
    """The rows that were sent and not yet answered."""

    folder: Path

    def save(self, dataset: str, file: str, rows: pa.Table, now: datetime, numbers: Mapping[str, int]) -> None:
        """Keep the rows of a file, and idempotency key -> row number, before it is sent; forget files older than `KEEP_DAYS`."""
        place = self.folder / dataset / f"{file}.parquet"
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = place.with_name(f".{file}.{os.getpid()}")
        pq.write_table(rows.replace_schema_metadata({KEYS: json.dumps(dict(numbers))}), part)
        part.replace(place)
        limit = (now - timedelta(days=KEEP_DAYS)).timestamp()
        for old in self.folder.rglob("*.parquet"):
            if old.stat().st_mtime < limit:
                old.unlink(missing_ok=True)

    def holding(self, dataset: str, keys: Collection[str]) -> dict[str, dict[str, int]]:
        """Return file -> idempotency key -> row number, for these keys; the newest file of each."""
        left, found = set(keys), dict[str, dict[str, int]]()
        kept = sorted((self.folder / dataset).glob("*.parquet"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in kept:
            if not left:
                break
            numbers = json.loads((pq.read_metadata(path).metadata or {}).get(KEYS, b"{}"))
            mine = {key: number for key, number in numbers.items() if key in left}
            if mine:
                found[path.name.removesuffix(".parquet")] = mine
                left -= set(mine)
        return found

    def keys(self, dataset: str, file: str) -> set[str]:
        """Return the idempotency keys of all changes in a kept file."""
        metadata = pq.read_metadata(self.folder / dataset / f"{file}.parquet").metadata or {}
        return set(json.loads(metadata.get(KEYS, b"{}")))

    def load(self, file: str) -> tuple[str, pa.Table] | None:
        """Return (dataset, rows) of a file, or None when it is not kept here."""
        found = next(iter(self.folder.glob(f"*/{file}.parquet")), None)
        return (found.parent.name, pq.read_table(found)) if found else None


def resume(
    manifest: Manifest,
    sent: SentFolder,
    changes: Sequence[Change],
    held: Callable[[str], pa.Table],
    again: Callable[[Dataset, str, pa.Table, bool], bool],
    by: str | None = None,
    withheld: Collection[str] = (),
) -> Iterator[Outcome]:
    """Yield `sent` for changes that went out in a file before, or may have: nobody knows when their sender died.

    The export does not show them yet, so a reading says nothing; a new file would be a second write. The same file is
    put there again, whole and under its name, unless it has arrived: a target knows a file by its name.

    Args:
        manifest: the target's manifest.
        sent: where the sent rows are kept.
        changes: what is in doubt.
        held: dataset -> rows of the target's newest export.
        again: tells whether the target has the file or its receipt; where it has not and may get it (last argument), puts
            the rows there again and says yes.
        by: when the answer is expected.
        withheld: keys of changes that may not leave any more; a file with one of them is not put there again.
    """
    for dataset in manifest.datasets:
        by_key = {c.key: c for c in changes if c.dataset == dataset.name}
        files = sent.holding(dataset.name, by_key) if by_key else {}
        if not files:
            continue
        rows = held(dataset.name)
        for file, numbers in files.items():
            mine = [by_key[key] for key in numbers]
            shown = standings(manifest, dataset.name, [c for c in mine if c.record_key], rows)
            due_still = all(shown[c.change_id][0] == "due" for c in mine if c.record_key)
            kept = sent.load(file)
            if not due_still or kept is None:
                continue  # there already, or edited by others: compared and written like any other change
            may = sent.keys(dataset.name, file).isdisjoint(withheld)
            if not again(dataset, file, kept[1].drop_columns([CHANGED]), may):
                continue  # never arrived, and may not any more: what may leave of it goes out anew
            for key, number in numbers.items():
                receipt = f"{file}#{number}"
                words = "文件已送达，等待回执"
                yield Outcome(by_key[key].change_id, "sent", "sent_before", words, receipt, due=by)


def settle(
    manifest: Manifest,
    sent: SentFolder,
    pending: Sequence[tuple[str, str]],
    receipt_of: Callable[[str, str], Receipt | None],
    held: Callable[[str], tuple[pa.Table, float]],
) -> Iterator[Outcome]:
    """Yield one outcome per pending (change_id, receipt) pair; the receipt is `file#row`.

    Args:
        manifest: the target's manifest.
        sent: where the sent rows are kept.
        pending: changes that are `sent`.
        receipt_of: (dataset, file) -> the target's answer, None while there is none.
        held: dataset -> rows of the target's newest export, and its time (target's clock).
    """
    files: dict[str, dict[str, int]] = {}
    for change_id, receipt in pending:
        file, _, row = receipt.rpartition("#")
        files.setdefault(file, {})[change_id] = int(row) if row.isdigit() else 0
    exports: dict[str, tuple[pa.Table, float]] = {}
    for file, numbers in files.items():
        kept = sent.load(file)
        if kept is None:
            for change_id, number in numbers.items():
                yield Outcome(change_id, "no_answer", "receipt_unknown", "本机没有该批次的留底", f"{file}#{number}")
            continue
        dataset, rows = kept
        answered = receipt_of(dataset, file)
        if answered is None:
            for change_id, number in numbers.items():
                yield Outcome(change_id, "sent", "waiting", "回执尚未返回", f"{file}#{number}")
            continue
        if dataset not in exports:
            exports[dataset] = held(dataset)
        yield from _settle_file(manifest, dataset, file, rows, numbers, answered, exports[dataset])


def _settle_file(
    manifest: Manifest, dataset: str, file: str, rows: pa.Table, numbers: Mapping[str, int], receipt: Receipt,
    export: tuple[pa.Table, float],
) -> Iterator[Outcome]:  # fmt: skip
    spec = manifest.dataset(dataset)
    table, shown_at = export
    meant = _with_keys(rows, spec.key, receipt)
    keys = record_keys(meant.append_column(PLACE, pa.nulls(meant.num_rows, pa.string())), manifest, spec).to_pylist()
    results: dict[str, list[str] | None] = {}
    for marks in pc.unique(meant.column(CHANGED)).to_pylist():
        part = meant.filter(pc.equal(meant.column(CHANGED), marks))
        results |= differences(manifest, dataset, part.drop_columns([CHANGED]), table, marks.split("|"))
    held = dict(zip(record_keys(table, manifest, spec).to_pylist(), table.to_pylist(), strict=True))
    canonical = records(manifest, dataset, table)
    for change_id, number in numbers.items():
        name, answer = f"{file}#{number}", receipt.rows.get(number)
        if answer is None:
            yield Outcome(change_id, "no_answer", "row_not_in_receipt", "回执中没有这一行", name, raw=receipt.raw)
            continue
        key, row = keys[number - 1], meant.slice(number - 1, 1).to_pylist()[0]
        if answer.accepted:
            outcome = _shown(change_id, name, key, results.get(key), shown_at >= receipt.at)
            if outcome.state == "verified":
                near = fields_rewritten(manifest, dataset, _changed(row), held.get(key, {}))
                outcome = replace(outcome, near=near)
            yield replace(outcome, raw=receipt.raw)
            continue
        told = ruling("receipt", "error", answer.error, manifest.answers)
        message = f"目标系统退回：{scrub(answer.error, row.values()) or '未说明原因'}"
        outcome = told.outcome(change_id, message, receipt=name, record_key=key, raw=receipt.raw)
        if outcome.state == "conflict" and shown_at >= receipt.at:  # an older export does not show who came before us
            outcome = replace(outcome, held=_held_fields(manifest, dataset, _changed(row), canonical, key))
        yield outcome


def _changed(row: Mapping[str, str | None]) -> dict[str, str | None]:
    """The columns of a kept row that we changed."""
    return {c: row[c] for c in (row[CHANGED] or "").split("|") if c in row}


def _held_fields(
    manifest: Manifest, dataset: str, changed: Mapping[str, str | None], canonical: Records, key: str
) -> dict[str, str | None]:
    """Field -> canonical value that the target holds, of the fields behind the changed columns."""
    return {
        name: values[name]
        for entity in manifest.dataset(dataset).entities
        if (values := canonical.get((key, entity.role))) is not None
        for name, mapped in entity.fields.items()
        if mapped.writable and mapped.readable and mapped.column[0] in changed
    }


def _shown(change_id: str, receipt: str, key: str, fields: Sequence[str] | None, fresh: bool) -> Outcome:
    if fields is not None and not fields:
        return Outcome(change_id, "verified", receipt=receipt, record_key=key)
    if not fresh:
        return Outcome(change_id, "sent", "not_shown_yet", "已受理，等待下一次导出核对", receipt, key)
    what = f"导出的值不同：{'、'.join(fields)}" if fields else "导出中没有这条记录"
    return Outcome(change_id, "rejected", "readback_differs", f"已受理，但{what}", receipt, key)


def _with_keys(rows: pa.Table, key: Sequence[str], receipt: Receipt) -> pa.Table:
    """The sent rows with the keys that the target gave to new records."""
    given = [answer.key if (answer := receipt.rows.get(number)) else None for number in range(1, rows.num_rows + 1)]
    if not any(given):
        return rows
    parts = [value.split("|", len(key) - 1) if value else [None] * len(key) for value in given]
    for i, name in enumerate(key):
        own = rows.column(name).combine_chunks()
        filled = pc.coalesce(
            pc.if_else(pc.equal(own, ""), None, own), pa.array([part[i] for part in parts], pa.string())
        )
        rows = rows.set_column(rows.schema.get_field_index(name), name, filled)
    return rows

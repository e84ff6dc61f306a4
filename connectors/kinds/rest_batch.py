"""Writing batches to a REST system, and deciding what became of each row (批量写入与回读).

Before: the rows are read, so that a change made at the target since we last looked is a `conflict` and not overwritten,
and the target's row version can be sent along. After: the rows are read again in one request; what counts is what the
target now holds. Whenever the answer is missing or unclear the read-back decides, never the hope that it worked.

Reading and decoding cost more than writing where a system takes few rows at a time. So where it keeps row versions, which
refuse a write upon an older reading, one reading before and one after serve as many batches as fit into one request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from connectors.answers import action, ruling, stop
from connectors.base import ConnectorError
from connectors.held import changed_there, conflicting
from connectors.http import Unanswered, dig, scrub
from connectors.kinds.rest_listing import Listing
from connectors.kinds.rest_session import BusinessError, Session
from connectors.manifest.model import Manifest
from connectors.near import near_misses
from connectors.outgoing import Outgoing
from connectors.readback import compare_held
from connectors.told import Records, records
from schemas.records import Change, Outcome


@dataclass(frozen=True, slots=True)
class Claim:
    """What the target said about one row, before the read-back confirms or refutes it.

    Attributes:
        outcome: what holds when the read-back does not find the new values.
        accepted: the target said yes; then other values are its fault (`readback_differs`).
    """

    sent: Outgoing
    outcome: Outcome
    accepted: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """What the target holds: raw rows by the texts of their key, canonical values by (record key, role)."""

    table: pa.Table
    rows: Mapping[tuple[str, ...], Mapping[str, str | None]]
    values: Records


READ_AT_ONCE = 200
"""Rows that one reading serves: as many keys as `RestConnector.read_back` puts into one request."""


def groups(batches: Iterable[Sequence[Outgoing]], rows: int) -> Iterator[list[Sequence[Outgoing]]]:
    """Join batches, in order, to groups of at most so many rows in which each record occurs once; one batch at least."""
    group: list[Sequence[Outgoing]] = []
    seen: set[str | None] = set()
    size = 0
    for batch in batches:
        keys = {one.change.record_key for one in batch} - {None}
        if group and (size + len(batch) > rows or keys & seen):
            yield group
            group, seen, size = [], set(), 0
        group.append(batch)
        seen |= keys
        size += len(batch)
    if group:
        yield group


class BatchWriter:
    """Writes batches of one dataset."""

    def __init__(
        self,
        manifest: Manifest,
        listing: Listing,
        session: Session,
        read_back: Callable[[str, Sequence[str]], pa.Table],
        at: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._at = at
        self._manifest, self._listing, self._session, self._read_back = manifest, listing, session, read_back
        self._dataset, self._source = listing.dataset, listing.source
        self._reads = manifest.capabilities.read != "none"

    def write(self, batches: Iterable[Sequence[Outgoing]]) -> Iterator[Outcome]:
        """Write batches and yield one outcome for each row; what has none when it raises was not sent."""
        together = READ_AT_ONCE if self._source.version_column or not self._reads else 0
        for group in groups(batches, together):
            yield from self._write(group)

    def _write(self, group: Sequence[Sequence[Outgoing]]) -> Iterator[Outcome]:
        held = self._held([one.change.record_key for batch in group for one in batch])
        claims: list[Claim] = []
        for batch in group:
            todo: list[Outgoing] = []
            for one in batch:
                early = self._before(one, held) if one.change.operation == "update" and self._reads else None
                if early is None:
                    todo.append(one)
                else:
                    yield early
            if not todo:
                continue
            try:
                claims += self._send(todo, held)
            except ConnectorError:
                yield from self._decided(claims)
                raise
            if any(action(c.outcome.code, self._manifest.answers) == "stop_target" for c in claims[-len(todo) :]):
                yield from self._decided(claims)
                claims = []
        yield from self._decided(claims)

    def _decided(self, claims: Sequence[Claim]) -> Iterator[Outcome]:
        """Yield what became of rows that were sent; raises when one of them says that nothing more is to be sent."""
        if not claims:
            return
        outcomes: list[Outcome] = []
        for outcome in self._decide(claims):
            outcomes.append(outcome)
            yield outcome
        stop(self._manifest, outcomes, self._source.batch_path or "")

    def _held(self, keys: Sequence[str | None]) -> Held:
        table = self._read_back(self._dataset.name, [key for key in keys if key])
        rows = {tuple(row[name] for name in self._dataset.key): row for row in table.to_pylist()}
        return Held(table, rows, records(self._manifest, self._dataset.name, table))

    def _before(self, one: Outgoing, held: Held) -> Outcome | None:
        """An outcome that needs no write: no such row, nothing left to do, or changed at the target meanwhile."""
        change = one.change
        if one.key not in held.rows:
            return Outcome(change.change_id, "rejected", "not_found", "目标系统没有这条记录")
        now = held.values.get((change.record_key or "", change.role), {})
        fields = self._dataset.entity(change.role).fields
        mine = [c for c in change.changes if c.field in fields and fields[c.field].writable]
        if all(now.get(c.field) == c.new for c in mine):
            return Outcome(change.change_id, "verified", record_key=change.record_key)
        if any(fields[c.field].readable and c.foreign(now.get(c.field)) for c in mine):
            return changed_there(change, {c.field: now.get(c.field) for c in mine if fields[c.field].readable})
        return None

    def _send(self, batch: Sequence[Outgoing], held: Held) -> list[Claim]:
        path = self._source.batch_path or ""
        payload = {self._source.batch_items: [self._payload(one, held) for one in batch]}
        self._at("send")
        try:
            answer = self._session.write(path, payload)
        except Unanswered as error:
            self._at("sent")
            said = Outcome(
                "", "no_answer", "no_answer", f"目标系统没有应答：{error.what}", retry_after=error.retry_after
            )
            return [Claim(one, replace(said, change_id=one.change.change_id)) for one in batch]
        except BusinessError as error:
            self._at("sent")
            told, words = error.ruling, error.said or error.ruling.means
            return [Claim(one, told.outcome(one.change.change_id, words, raw=error.raw)) for one in batch]
        self._at("sent")
        found = dig(answer.body, self._source.batch_results)
        if not isinstance(found, list):  # it was sent: what became of the rows can only be read back
            told, words = ruling("page", "no_results", own=self._manifest.answers), "目标系统的应答中没有逐条结果"
            return [Claim(one, told.outcome(one.change.change_id, words, raw=answer.raw)) for one in batch]
        results = [r for r in found if isinstance(r, dict)]
        by_idem = _once_each((str(r["idempotency_key"]), r) for r in results if r.get("idempotency_key"))
        by_key = _once_each((str(r["key"]), r) for r in results if r.get("key") and not r.get("idempotency_key"))
        return [
            self._claim(one, by_idem.get(one.change.key) or by_key.get("|".join(one.key)), answer.raw) for one in batch
        ]

    def _payload(self, one: Outgoing, held: Held) -> dict[str, Any]:
        keys = dict(zip(self._dataset.key, one.key, strict=True))
        row: dict[str, Any] = {name: text for name, text in one.columns.items() if text or name not in keys}
        row |= {"idempotency_key": one.change.key, "op": one.change.operation}
        column = self._source.version_column
        if column and one.change.operation == "update" and (now := held.rows.get(one.key)) is not None:
            version = now.get(column)
            row["version"] = int(version) if version and version.isdigit() else version
        return row

    def _claim(self, one: Outgoing, result: Mapping[str, Any] | None, raw: bytes) -> Claim:
        change = one.change
        if result is None:
            words = "目标系统的应答中没有这一行"
            return Claim(one, Outcome(change.change_id, "no_answer", "no_row_answer", words, raw=raw))
        code, receipt = str(result.get("code", "missing")), result.get("receipt")
        said = scrub(result.get("message"), one.columns.values())
        if code not in self._session.connection.success_values:
            told = ruling("row", code, str(result.get("message") or ""), self._manifest.answers)
            return Claim(one, told.outcome(change.change_id, said, raw=raw))
        key = change.record_key or self._record_key(result.get("key"))
        sent = replace(one, change=replace(change, record_key=key))
        number = None if receipt is None else str(receipt)
        outcome = Outcome(change.change_id, "sent", receipt=number, record_key=key, raw=raw)
        return Claim(sent, outcome, accepted=True)

    def _decide(self, claims: Sequence[Claim]) -> Iterator[Outcome]:
        """Confirm by reading back; a read-back that fails leaves what the target said."""
        unsure = [c for c in claims if c.sent.change.record_key]
        held: Held | None = None
        if unsure and self._reads:
            self._at("read_back")
            try:
                held = self._held([c.sent.change.record_key for c in unsure])
            except ConnectorError:
                held = None
        equal = self._equal([c.sent for c in unsure if c.outcome.state != "conflict"], held) if held is not None else {}
        sent = [(c.sent.change, c.sent.columns) for c in unsure]
        near = near_misses(self._manifest, self._dataset.name, sent, held.table) if held is not None else {}
        for claim in claims:
            change = claim.sent.change
            same, differing = equal.get(change.change_id, (None, []))
            if claim.outcome.state == "conflict" and held is not None:
                yield conflicting(self._manifest, change, held.table, claim.outcome)
            elif same:
                misses = near.get(change.change_id, ())
                yield replace(
                    claim.outcome, state="verified", code="ok", message="", record_key=change.record_key, near=misses
                )
            elif claim.accepted and same is False:
                words = f"目标系统已受理，但回读不一致：{'、'.join(differing) or '记录未找到'}"
                yield replace(claim.outcome, state="rejected", code="readback_differs", message=words)
            else:
                yield claim.outcome

    def _equal(self, sent: Sequence[Outgoing], held: Held) -> dict[str, tuple[bool, list[str]]]:
        """Change id -> (holds what was sent, fields that differ); the very text that was sent counts as equal.

        That covers codes folded into one that the target has: read back they are not the golden value, yet written.
        """
        equal: dict[str, tuple[bool, list[str]]] = {}
        by_role: dict[str, list[Change]] = {}
        for one in sent:
            by_role.setdefault(one.change.role, []).append(one.change)
        for role, changes in by_role.items():
            equal |= compare_held(self._manifest, self._dataset.name, role, changes, held.values)
        for one in sent:
            now = held.rows.get(self._raw_key(one))
            if now is not None and all((now.get(c) or "") == t for c, t in one.columns.items() if t or c in now):
                equal[one.change.change_id] = (True, [])
        return equal

    def _raw_key(self, one: Outgoing) -> tuple[str, ...]:
        if all(one.key):
            return one.key
        bare = (one.change.record_key or "").removeprefix(f"{self._dataset.name}/" if self._manifest.prefixed else "")
        return tuple(bare.split("|"))

    def _record_key(self, key: object) -> str | None:
        if not key:
            return None
        return f"{self._dataset.name}/{key}" if self._manifest.prefixed else str(key)


def _once_each(pairs: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, Mapping[str, Any]]:
    """Results by their key; a key that was answered twice in different ways has no answer that could be believed."""
    found: dict[str, Mapping[str, Any]] = {}
    torn: set[str] = set()
    for key, result in pairs:
        if key in found and found[key].get("code") != result.get("code"):
            torn.add(key)
        found[key] = result
    return {key: result for key, result in found.items() if key not in torn}

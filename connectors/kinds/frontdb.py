"""Front-end exchange database (前置库): two staging tables beside the system's own database.

The system puts changed rows into its out table (rising sequence number, operation I/U/D, sync flag 0); we read them and
set the flag to 1. We put rows into its in table; its gatekeeper (摆渡程序) takes them over and sets the flag to 1, or to 2
or 9 with an error text. Seen in the field and survived here: rows sent again, rows that become visible after a later
sequence number was read, flags that nobody clears, a reader that dies between reading and flagging.

The SQL is SQLAlchemy Core and names no dialect, since the same shape stands on PostgreSQL, MySQL, Oracle and 达梦.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy import exc

from connectors import raw
from connectors.answers import ruling
from connectors.base import Check, Context
from connectors.held import conflicting, settled, standings, verdict
from connectors.http import scrub
from connectors.kinds.frontdb_check import check_columns
from connectors.kinds.frontdb_tables import FRONT, Refusal, Staging, StagingDatabase
from connectors.manifest.model import Manifest
from connectors.mapping.rows import raw_key, record_keys
from connectors.near import fields_rewritten, near_misses
from connectors.outgoing import Outgoing, prepare, record_key
from connectors.readback import compare, differences
from schemas.records import Change, Outcome, Page

WAITING, DONE = "0", "1"
"""Values of the sync flag: not yet taken over, taken over. Everything else is a refusal (2 = 失败, 9 = 无法匹配)."""

PAGE_ROWS = 20_000
CHUNK = 500
"""Values in one IN list; Oracle takes at most 1,000."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the gatekeeper wrote beside one of our rows."""

    flag: str
    error: str
    key: tuple[str, ...]


GONE = _Answer("", "", ())
"""The row is not in the in table any more."""


class FrontdbConnector:
    """One system behind a front-end database.

    `push` waits up to `wait_seconds` for the gatekeeper; what is not answered by then is `sent`, with the row's GUID as
    receipt, and `follow_up` asks again in a later run.
    """

    def __init__(self, manifest: Manifest, context: Context, *, wait_seconds: float = 5.0, poll: float = 0.05) -> None:
        self.manifest, self.context = manifest, context
        self._wait, self._poll = wait_seconds, poll
        self._db = StagingDatabase(manifest, context)
        self._staging = self._db.staging

    def close(self) -> None:
        """Release connections."""
        self._db.engine.dispose()

    def check(self) -> Check:
        """Try the login and look for each staging table and its columns."""
        lines: list[tuple[str, bool, str]] = []
        try:
            with self._db.engine.connect():
                lines.append(("connect", True, "login accepted"))
            inspector = sa.inspect(self._db.engine)
            for name, staging in self._staging.items():
                lines += check_columns(inspector, self._db.schema, name, staging.source, staging.columns)
        except exc.SQLAlchemyError as error:
            lines.append(("connect", False, self._db.error("connection.url", error).what))
        return Check(tuple(lines))

    # --- reading --------------------------------------------------------------------------------------------------

    def pull(self, dataset: str, cursor: str | None) -> Iterator[Page]:
        """Yield rows behind the sequence number `cursor`, and rows before it that nobody has flagged.

        A page's rows are flagged only when the caller asks for the next page, that is after it has stored this one.
        """
        staging = self._staging[dataset]
        sequence = staging.out.c[staging.source.sequence]
        position = int(cursor) if cursor else None
        if position is not None:
            yield from self._pages(dataset, self._stragglers(staging, position), fixed=cursor)
        while True:
            query = staging.select().order_by(sequence).limit(PAGE_ROWS)
            rows = self._db.fetch(
                staging.source.out_table, query if position is None else query.where(sequence > position)
            )
            if not rows:
                return
            position = int(rows[-1][0])
            yield from self._pages(dataset, rows, fixed=str(position))
            if len(rows) < PAGE_ROWS:
                return

    def read_back(self, dataset: str, record_keys: Sequence[str]) -> pa.Table:
        """Return the newest row of the out table for each of these keys."""
        rows = self._newest(dataset, record_keys)
        return self._page(dataset, rows, None).rows if rows else raw.empty(self._staging[dataset].columns)

    def _newest(self, dataset: str, record_keys: Sequence[str]) -> list[Sequence[Any]]:
        staging, spec = self._staging[dataset], self.manifest.dataset(dataset)
        keys = list(dict.fromkeys(raw_key(self.manifest, spec, key) for key in record_keys))
        newest: dict[tuple[Any, ...], Sequence[Any]] = {}
        width = len(spec.key)
        for begin in range(0, len(keys), CHUNK):
            wanted = _is_one_of([staging.out.c[name] for name in spec.key], keys[begin : begin + CHUNK])
            query = staging.select().where(wanted).order_by(staging.out.c[staging.source.sequence])
            newest |= {
                tuple(row[FRONT : FRONT + width]): row for row in self._db.fetch(staging.source.out_table, query)
            }
        return list(newest.values())

    def _stragglers(self, staging: Staging, position: int) -> list[Sequence[Any]]:
        """Rows up to the cursor that were never read: committed late, or read by a run that died.

        Where a newer row of the same key exists, the older one would bring back an old value: it is only flagged.
        """
        source, out = staging.source, staging.out
        sequence, flag = out.c[source.sequence], out.c[source.sync_flag]
        query = staging.select().where(sequence <= position, flag == WAITING).order_by(sequence)
        rows = self._db.fetch(staging.source.out_table, query)
        if not rows:
            return []
        width = len(staging.key)
        keys = [tuple(row[FRONT : FRONT + width]) for row in rows]
        latest: dict[tuple[Any, ...], int] = {}
        columns = [out.c[name] for name in staging.key]
        for begin in range(0, len(keys), CHUNK):
            found = sa.select(*columns, sa.func.max(sequence)).where(_is_one_of(columns, keys[begin : begin + CHUNK]))
            latest |= {
                tuple(row[:-1]): int(row[-1])
                for row in self._db.fetch(staging.source.out_table, found.group_by(*columns))
            }
        current = [row for row, key in zip(rows, keys, strict=True) if int(row[0]) >= latest.get(key, 0)]
        overtaken = [row[1] for row, key in zip(rows, keys, strict=True) if int(row[0]) < latest.get(key, 0)]
        if not self.context.looks:
            self._flag_each(staging, overtaken)
        return current

    def _pages(self, dataset: str, rows: list[Sequence[Any]], fixed: str | None) -> Iterator[Page]:
        for begin in range(0, len(rows), PAGE_ROWS):
            part = rows[begin : begin + PAGE_ROWS]
            yield self._page(dataset, part, fixed)
            if not self.context.looks:
                self._flag(self._staging[dataset], part)

    def _page(self, dataset: str, rows: Sequence[Sequence[Any]], cursor: str | None) -> Page:
        staging, spec = self._staging[dataset], self.manifest.dataset(dataset)
        values = list(zip(*rows, strict=True))
        sequence, _, operation = (raw.texts(values[i]) for i in range(3))
        columns = {name: raw.texts(values[FRONT + i]) for i, name in enumerate(staging.columns)}
        places = pc.binary_join_element_wise(staging.source.out_table, sequence, "#")
        removed = pc.equal(pc.fill_null(operation, ""), "D")
        rejects = raw.rejects([], self.manifest.id, dataset)
        flag = spec.deleted.column
        if flag is not None and flag != staging.source.operation:
            columns[flag] = pc.if_else(removed, spec.deleted.values[0], columns[flag])
        table = raw.table(columns, places)
        if flag is None and pc.any(removed).as_py():
            reason = "系统删除了该行，但清单没有声明删除标志（deleted）"
            gone = [{"place": place, "level": "record", "rule": "frontdb.delete_unmapped", "reason": reason}
                    for place in places.filter(removed).to_pylist()]  # fmt: skip
            rejects = raw.rejects(gone, self.manifest.id, dataset)
            table = table.filter(pc.invert(removed))
        table, repeated = raw.drop_repeats(table)
        return Page(dataset, table, cursor, rejects, duplicates=repeated)

    def _flag(self, staging: Staging, rows: Sequence[Sequence[Any]]) -> None:
        """Set the sync flag of the rows that were read, and of no other.

        By number range it is one statement, but it would also flag a row that became visible since; so it counts only
        when it touched exactly the rows we saw waiting. Else each row is flagged by its id.
        """
        source, out = staging.source, staging.out
        sequence, flag = out.c[source.sequence], out.c[source.sync_flag]
        waiting = [row[1] for row in rows if row[3] == WAITING]
        within = sequence.between(int(rows[0][0]), int(rows[-1][0])) if rows else sa.false()
        done = sa.update(out).where(within, flag == WAITING).values({source.sync_flag: DONE})
        if waiting and not self._db.write_exactly(source.out_table, done, len(waiting)):
            self._flag_each(staging, waiting)

    def _flag_each(self, staging: Staging, row_ids: Sequence[str]) -> None:
        source, out = staging.source, staging.out
        done = sa.update(out).where(out.c[source.sync_flag] == WAITING).values({source.sync_flag: DONE})
        chunks = [row_ids[begin : begin + CHUNK] for begin in range(0, len(row_ids), CHUNK)]
        mine = [(done.where(out.c[source.row_id].in_(chunk)), None) for chunk in chunks]
        self._db.write(source.out_table, mine)

    # --- writing --------------------------------------------------------------------------------------------------

    def push(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Insert one row per change, wait for the gatekeeper, read back what it took over."""
        ready, refused = prepare(
            self.manifest, changes, whole_rows=False, writable=lambda name: self._staging[name].into is not None
        )
        yield from refused
        for name in dict.fromkeys(one.change.dataset for one in ready):
            yield from self._push(name, [one for one in ready if one.change.dataset == name])

    def follow_up(self, pending: Sequence[tuple[str, str]]) -> Iterator[Outcome]:
        """Ask again about rows that were only `sent`: (change_id, receipt) pairs, the receipt being the row's GUID."""
        left = dict(pending)
        for name, staging in self._staging.items():
            if staging.into is None or not left:
                continue
            answers = self._answers(name, list(left.values()))
            here = {change_id: receipt for change_id, receipt in left.items() if receipt in answers}
            left = {change_id: receipt for change_id, receipt in left.items() if receipt not in answers}
            yield from self._follow(name, here, answers)
        for change_id, receipt in left.items():
            yield Outcome(change_id, "no_answer", "receipt_unknown", "入库表中已没有这一行", receipt)

    def _push(self, name: str, ready: Sequence[Outgoing]) -> Iterator[Outcome]:
        ready, unfit = self._due(name, ready)
        yield from unfit
        if not ready:
            return
        before = self._last_sequence(name)
        guids = {one.change.change_id: guid_of(one.change.key) for one in ready}
        self.context.at("send")
        refused = self._insert(name, ready, guids)
        self.context.at("sent")
        yield from refused.values()
        ready = [one for one in ready if one.change.change_id not in refused]
        guids = {change_id: guid for change_id, guid in guids.items() if change_id not in refused}
        answers = self._awaited(name, list(guids.values()))
        by_role: dict[str, list[tuple[Change, Mapping[str, str]]]] = {}
        conflicts: list[tuple[Change, Outcome]] = []
        for one in ready:
            answer = answers.get(guids[one.change.change_id], GONE)
            settled = self._settled(one.change.change_id, guids[one.change.change_id], answer)
            if settled is not None and settled.state == "conflict":
                conflicts.append((one.change, settled))
            elif settled is not None:
                yield settled
            else:
                key = record_key(self.manifest, name, answer.key)
                by_role.setdefault(one.change.role, []).append((replace(one.change, record_key=key), one.columns))
        self.context.at("read_back")
        for role, accepted in by_role.items():
            yield from self._verify(name, role, accepted, guids, before)
        if conflicts:
            held = self.read_back(name, [change.record_key for change, _ in conflicts if change.record_key])
            yield from (conflicting(self.manifest, change, held, told) for change, told in conflicts)

    def _awaited(self, name: str, guids: Sequence[str]) -> dict[str, _Answer]:
        """Wait for the gatekeeper, at most `wait_seconds`; the last row that waits is asked about until it is answered.

        Asking about each of 500 rows at every look would cost more than the gatekeeper's work on them.
        """
        waited, pause = 0.0, self._poll / 10
        asked = list(guids[-1:])
        while True:
            answers = self._answers(name, asked)
            waiting = [guid for guid, answer in answers.items() if answer.flag == WAITING]
            if not waiting and len(asked) < len(guids):
                asked = list(guids)
                continue
            if not waiting or waited >= self._wait:
                return answers if asked == list(guids) else self._answers(name, guids)
            if len(asked) > 1:
                asked = waiting[-1:]
            self.context.sleep(pause)
            waited += pause
            pause = min(2 * pause, self._poll)

    def _due(self, name: str, ready: Sequence[Outgoing]) -> tuple[list[Outgoing], list[Outcome]]:
        """Compare with what the out table shows: there already, changed by others, or to be written.

        A row that went in before is not judged again: the out table may show its effect, or not yet.
        """
        before = self._answers(name, [guid_of(one.change.key) for one in ready])
        updates = [one.change for one in ready if one.change.record_key and guid_of(one.change.key) not in before]
        if not updates or self.manifest.capabilities.read == "none":
            return list(ready), []
        rows = self.read_back(name, [change.record_key or "" for change in updates])
        states = standings(self.manifest, name, updates, rows)
        found = {c.change_id: settled(c, states[c.change_id]) for c in updates}
        due = [one for one in ready if found.get(one.change.change_id) is None]
        return due, [outcome for outcome in found.values() if outcome is not None]

    def _verify(
        self,
        name: str,
        role: str,
        written: Sequence[tuple[Change, Mapping[str, str]]],
        guids: Mapping[str, str],
        before: int,
    ) -> Iterator[Outcome]:
        accepted = [change for change, _ in written]
        keys = [change.record_key or "" for change in accepted]
        rows = self._newest(name, keys)
        table = self._page(name, rows, None).rows if rows else raw.empty(self._staging[name].columns)
        width = len(self.manifest.dataset(name).key)
        shown = {
            record_key(self.manifest, name, [str(k) for k in row[FRONT : FRONT + width]]): int(row[0]) for row in rows
        }
        result = compare(self.manifest, name, role, accepted, table)
        near = near_misses(self.manifest, name, written, table)
        for change in accepted:
            yield verdict(
                change.change_id, result[change.change_id],
                shown=shown.get(change.record_key or "", 0) > before,
                receipt=guids[change.change_id], key=change.record_key, near=near.get(change.change_id, ()),
                raw=f"{guids[change.change_id]}|{DONE}".encode(), due=self.manifest.due(self.context.now()),
            )  # fmt: skip

    def _follow(self, name: str, here: Mapping[str, str], answers: Mapping[str, _Answer]) -> Iterator[Outcome]:
        accepted: dict[str, str] = {}
        for change_id, receipt in here.items():
            settled = self._settled(change_id, receipt, answers[receipt])
            if settled is None:
                accepted[change_id] = receipt
            else:
                yield settled
        if not accepted:
            return
        keys = {c: record_key(self.manifest, name, answers[r].key) for c, r in accepted.items()}
        held = self.read_back(name, list(keys.values()))
        sent = self._sent_rows(name, list(accepted.values()))
        for change_id, receipt in accepted.items():
            row, written = sent[receipt]
            fields = differences(self.manifest, name, row, held, written).get(keys[change_id])
            shown = _row_of(self.manifest, name, held, keys[change_id])
            meant = {c: row.column(c)[0].as_py() for c in written}
            yield verdict(
                change_id, (fields == [], fields or []), shown=fields is not None, receipt=receipt,
                key=keys[change_id], near=fields_rewritten(self.manifest, name, meant, shown) if shown else (),
                raw=f"{receipt}|{DONE}".encode(), due=self.manifest.due(self.context.now()),
            )  # fmt: skip

    def _settled(self, change_id: str, receipt: str, answer: _Answer) -> Outcome | None:
        """The outcome where the gatekeeper has not accepted the row (yet)."""
        if answer is GONE:
            return Outcome(change_id, "no_answer", "receipt_unknown", "入库表中已没有这一行", receipt)
        if answer.flag == WAITING:
            due = self.manifest.due(self.context.now())
            return Outcome(change_id, "sent", "waiting", "前置库尚未处理", receipt, due=due)
        if answer.flag != DONE:
            message = f"前置库退回（标志{answer.flag}）：{scrub(answer.error) or '未说明原因'}"
            told = ruling("staging", answer.flag, answer.error, self.manifest.answers)
            raw_answer = f"{receipt}|{answer.flag}|{answer.error}".encode()
            return told.outcome(change_id, message, receipt=receipt, raw=raw_answer)
        return None

    def _insert(self, name: str, ready: Sequence[Outgoing], guids: Mapping[str, str]) -> dict[str, Outcome]:
        """Insert the rows that are not there yet: after a crash the same change comes with the same GUID.

        One row that the database refuses must not hold up the others: then each is inserted alone, and change_id ->
        outcome of the refused ones is returned.
        """
        source = self._staging[name].source
        into = self._db.in_table(name)
        present = self._answers(name, list(guids.values()))
        now = self.context.now()
        batch = f"OF{now:%Y%m%d%H%M%S}{guid_of(*guids.values())[:8]}"
        blank = dict.fromkeys(column.name for column in into.columns)
        rows = {
            guids[one.change.change_id]: {
                **blank,
                **{column: value for column, value in one.columns.items() if column in blank},
                source.row_id: guids[one.change.change_id],
                source.operation: "U" if one.change.operation == "update" else "I",
                source.sync_flag: WAITING,
                source.batch: batch,
                source.time: f"{now:%Y-%m-%d %H:%M:%S}",
            }
            for one in ready
        }
        fresh = [row for guid, row in rows.items() if guid not in present]
        if not fresh:
            return {}
        try:
            self._db.write(source.in_table or "", [(sa.insert(into), fresh)])
        except Refusal:
            return self._insert_each(name, {one.change.change_id: rows[guids[one.change.change_id]] for one in ready})
        return {}

    def _insert_each(self, name: str, rows: Mapping[str, Mapping[str, Any]]) -> dict[str, Outcome]:
        source, into = self._staging[name].source, self._db.in_table(name)
        refused: dict[str, Outcome] = {}
        present = self._answers(name, [str(row[source.row_id]) for row in rows.values()])
        for change_id, row in rows.items():
            if row[source.row_id] in present:
                continue
            try:
                self._db.write(source.in_table or "", [(sa.insert(into), [dict(row)])])
            except Refusal as error:
                if not self._answers(name, [str(row[source.row_id])]):  # else another pusher was faster
                    message = f"前置库不接受这一行：{error.told.means}"
                    refused[change_id] = error.told.outcome(change_id, message)
        return refused

    def _answers(self, name: str, receipts: Sequence[str]) -> dict[str, _Answer]:
        staging, into = self._staging[name], self._db.in_table(name)
        source, key = staging.source, self.manifest.dataset(name).key
        columns = [into.c[c] for c in (source.row_id, source.sync_flag, source.error, *key)]
        found: dict[str, _Answer] = {}
        for begin in range(0, len(receipts), CHUNK):
            query = sa.select(*columns).where(into.c[source.row_id].in_(receipts[begin : begin + CHUNK]))
            for guid, flag, error, *values in self._db.fetch(staging.source.in_table or "", query):
                found[guid] = _Answer(str(flag), error or "", tuple(str(v or "") for v in values))
        return found

    def _sent_rows(self, name: str, receipts: Sequence[str]) -> dict[str, tuple[pa.Table, list[str]]]:
        """Our own rows as they stand in the in table, each with the columns that we filled ("" clears, NULL is silent)."""
        staging, into = self._staging[name], self._db.in_table(name)
        found: dict[str, tuple[pa.Table, list[str]]] = {}
        names = [c for c in staging.columns if c in into.c]
        for begin in range(0, len(receipts), CHUNK):
            row_id = into.c[staging.source.row_id]
            query = sa.select(row_id, *(into.c[c] for c in names)).where(row_id.in_(receipts[begin : begin + CHUNK]))
            for guid, *values in self._db.fetch(staging.source.in_table or "", query):
                columns = {c: raw.texts([v]) for c, v in zip(names, values, strict=True)}
                written = [c for c, v in zip(names, values, strict=True) if v is not None]
                found[guid] = (raw.table(columns, pa.array([guid])), written)
        return found

    def _last_sequence(self, name: str) -> int:
        staging = self._staging[name]
        rows = self._db.fetch(staging.source.out_table, sa.select(sa.func.max(staging.out.c[staging.source.sequence])))
        return int(rows[0][0] or 0)


def _row_of(manifest: Manifest, name: str, rows: pa.Table, key: str) -> Mapping[str, str | None] | None:
    keys = record_keys(rows, manifest, manifest.dataset(name)).to_pylist()
    return rows.slice(keys.index(key), 1).to_pylist()[0] if key in keys else None


def guid_of(*keys: str) -> str:
    """Return the GUID of a row for the in table: derived from the idempotency key, so a repeat meets the first row."""
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()[:32]


def _is_one_of(columns: Sequence[sa.ColumnClause[Any]], keys: Sequence[tuple[Any, ...]]) -> sa.ColumnElement[bool]:
    if len(columns) == 1:
        return columns[0].in_([key[0] for key in keys])
    rows = (sa.and_(*(c == v for c, v in zip(columns, key, strict=True))) for key in keys)
    return sa.or_(sa.false(), *rows)

"""Message queue (消息队列): events of a system by NATS JetStream, commands to it, its acknowledgements.

Subjects below the three of the manifest, with `token` = hexadecimal UTF-8 (a key may hold any character):

- `<events>.<token of the row's key>`: so that the newest event of one row can be asked for, which is the read-back;
- `<commands>.<token of the command id>` and `<acks>.<token of the command id>`: so that an answer can be found later.

A command is JSON: `command_id` (our idempotency key, 幂等键, also the broker's message id), `op` (`update`, `create`),
`dataset`, `key`, `if_version` (version of the row as last seen), `row` (columns to write, "" clears one).
An acknowledgement: `command_id`, `status` (`ok`, `error`, `conflict`), `code`, `message`, `key`, `version`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from connectors import raw
from connectors.answers import ruling, stop
from connectors.base import Check, ConnectorError, Context, Malformed, NotAllowed
from connectors.held import conflicting, settled, standings, verdict
from connectors.http import scrub
from connectors.kinds.broker import Broker, Message, Sending, StreamState
from connectors.kinds.events import Event, PageBuilder, Sieve, parse, rows_table
from connectors.manifest.model import Manifest
from connectors.manifest.sources import QueueConnection, QueueSource
from connectors.mapping.rows import raw_key
from connectors.near import fields_rewritten, near_misses
from connectors.outgoing import Outgoing, prepare, record_key, waves
from connectors.readback import compare, differences
from schemas.records import Change, Outcome, Page

FETCH = 1000
"""Messages asked for at once, and greatest number of rows of a page."""

OVERLAP = 1000
"""Messages before the cursor that are read again, only to recognise late and repeated events behind it."""

AT_ONCE = 500
"""Commands that are on their way at the same time."""


@dataclass(frozen=True, slots=True)
class _Ack:
    """The system's answer to one command."""

    status: str
    code: str
    message: str
    key: str | None
    version: int | None
    raw: bytes


@dataclass(frozen=True, slots=True)
class _Accepted:
    """A change (with its record key), the columns of its command, and the acknowledgement that says yes."""

    change: Change
    columns: Mapping[str, str]
    ack: _Ack


class QueueConnector:
    """Reads events and sends commands. The position in the stream is the cursor: ours, not the broker's.

    Args:
        manifest: manifest of kind `queue`.
        context: variables and clock.
        ack_seconds: how long to wait for acknowledgements after the latest sign of life; later ones are followed up.
    """

    def __init__(self, manifest: Manifest, context: Context, ack_seconds: float = 10.0) -> None:
        self.manifest, self.context, self._wait = manifest, context, ack_seconds
        connection = QueueConnection.model_validate(context.variables.resolve(manifest, manifest.connection))
        self._broker = Broker(manifest.id, connection.url, connection.stream, context.quota(manifest))
        self._reads = manifest.capabilities.read != "none"
        self._sources = {
            d.name: QueueSource.model_validate(context.variables.resolve(manifest, d.source)) for d in manifest.datasets
        }

    def check(self) -> Check:
        """Try broker, login and stream, and look at the newest event of each dataset."""
        try:
            state = self._broker.state()
        except ConnectorError as error:
            return Check((("broker", False, f"{error.what}. {error.remedy}"),))
        lines = [("broker", True, f"{self._broker.place}, {state.last} messages so far")]
        for dataset in self.manifest.datasets:
            subject = f"{self._sources[dataset.name].events}.*"
            newest = self._broker.last([subject]).get(subject)
            found = parse(newest.body, dataset) if newest else None
            remark = "no event yet" if found is None else "all columns found"
            if not isinstance(found, Event | None):
                remark = f"the newest event breaks {found.rule} {found.column or ''}".strip()
            lines.append((dataset.name, isinstance(found, Event | None), remark))
        return Check(tuple(lines))

    def close(self) -> None:
        """Close the connection to the broker."""
        self._broker.close()

    # --- reading --------------------------------------------------------------------------------------------------

    def pull(self, dataset: str, cursor: str | None) -> Iterator[Page]:
        """Yield the events after the cursor as rows, each event once, no row behind a newer version of itself.

        A message that is no event becomes a reject (rule `event.poison`, place subject#sequence); the others go on.
        """
        if self.manifest.capabilities.read == "none":
            remedy = "Remove this system from the pull."
            raise NotAllowed(self.manifest.id, dataset, "the manifest allows no reading", remedy)
        state, spec, subject = self._broker.state(), self.manifest.dataset(dataset), self._sources[dataset].events
        done = self._position(cursor, state)
        sieve = Sieve()
        for messages in self._broker.read(f"{subject}.*", max(1, done + 1 - OVERLAP), FETCH):
            builder = PageBuilder(self.manifest, spec, sieve)
            for message in messages:
                event = parse(message.body, spec)
                if message.sequence > done:
                    builder.add(event, f"{subject}#{message.sequence}")
                elif isinstance(event, Event):
                    sieve.remember(event)
            if messages[-1].sequence > done:
                yield builder.page(json.dumps({"stream": state.identity, "sequence": messages[-1].sequence}))

    def read_back(self, dataset: str, record_keys: Sequence[str]) -> pa.Table:
        """Return the rows of the newest events of these keys; a key without event is left out."""
        rows, _ = self._newest(dataset, record_keys)
        return rows

    def _position(self, cursor: str | None, state: StreamState) -> int:
        """Sequence number read so far; 0 when the stream has been made anew since, for its numbers mean other events."""
        if cursor is None:
            return 0
        try:
            match json.loads(cursor):
                case {"stream": str(identity), "sequence": int(sequence)}:
                    return sequence if identity == state.identity and sequence <= state.last else 0
        except ValueError:
            pass
        remedy = "Pull this dataset once without cursor (onefact pull --full)."
        raise Malformed(self.manifest.id, "cursor", "the stored cursor is not one of this connector", remedy)

    def _newest(self, dataset: str, record_keys: Sequence[str]) -> tuple[pa.Table, dict[str, int]]:
        """Newest rows, and the version of each record key."""
        spec, subject = self.manifest.dataset(dataset), self._sources[dataset].events
        wanted = {f"{subject}.{token('|'.join(raw_key(self.manifest, spec, k)))}": k for k in record_keys}
        rows: list[tuple[Event, str]] = []
        versions: dict[str, int] = {}
        for asked, message in self._broker.last(wanted).items():
            event = parse(message.body, spec)
            if isinstance(event, Event):
                rows.append((event, f"{subject}#{message.sequence}"))
                if event.version is not None:
                    versions[wanted[asked]] = event.version
        return rows_table(spec, rows), versions

    # --- writing --------------------------------------------------------------------------------------------------

    def push(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Send commands, wait for their acknowledgements, and compare the events that show the new rows."""
        ready, refused = prepare(self.manifest, changes, whole_rows=False, writable=lambda _: True)
        yield from refused
        for name in dict.fromkeys(one.change.dataset for one in ready):
            of_dataset = [one for one in ready if one.change.dataset == name]
            known: dict[str, int] = {}  # versions that acknowledgements named; the events may come later
            for wave in waves(of_dataset, AT_ONCE):
                yield from self._push(name, wave, known)

    def follow_up(self, pending: Sequence[tuple[str, str]]) -> Iterator[Outcome]:
        """Ask again about commands that were only `sent`: (change_id, receipt), the receipt being the command's token."""
        left = dict(pending)
        for name, source in self._sources.items():
            commands = self._broker.last(f"{source.commands}.{receipt}" for receipt in left.values())
            here = {c: r for c, r in left.items() if f"{source.commands}.{r}" in commands}
            left = {c: r for c, r in left.items() if c not in here}
            answers = self._broker.last(f"{source.acks}.{receipt}" for receipt in here.values())
            for change_id, receipt in here.items():
                answer, command = answers.get(f"{source.acks}.{receipt}"), commands[f"{source.commands}.{receipt}"]
                yield self._followed(name, change_id, receipt, answer, command)
        for change_id, receipt in left.items():
            yield Outcome(change_id, "no_answer", "command_unknown", "消息队列中已没有这条指令", receipt)

    def _push(self, name: str, ready: Sequence[Outgoing], known: dict[str, int]) -> Iterator[Outcome]:
        updates = [one.change for one in ready if one.change.record_key]
        rows, versions = self._newest(name, [c.record_key or "" for c in updates])
        versions |= {key: max(version, versions.get(key, version)) for key, version in known.items()}
        standing = standings(self.manifest, name, updates, rows)
        due: list[Outgoing] = []
        for one in ready:
            outcome = settled(one.change, standing.get(one.change.change_id), reads=self._reads)
            if outcome is None:
                due.append(one)
            else:
                yield outcome
        if not due:
            return
        source = self._sources[name]
        messages = [self._command(source, one, versions) for one in due]
        answers = [f"{source.acks}.{token(one.change.key)}" for one in due]
        self.context.at("send")
        sent = self._broker.send(messages, answers, f"{source.acks}.*", self._wait)
        self.context.at("sent")
        accepted: list[_Accepted] = []
        conflicts: list[tuple[Change, Outcome]] = []
        told: list[Outcome] = []
        for one, subject in zip(due, answers, strict=True):
            ack = _ack(sent.answers.get(subject))
            outcome = self._acknowledged(one, ack, stored=one.change.key in sent.stored)
            if outcome is not None and outcome.state == "conflict":
                conflicts.append((one.change, outcome))
            elif outcome is not None:
                told.append(outcome)
                yield outcome
            elif ack is not None:
                key = record_key(self.manifest, name, [ack.key]) if ack.key else one.change.record_key
                accepted.append(_Accepted(replace(one.change, record_key=key), one.columns, ack))
                if key and ack.version is not None:
                    known[key] = ack.version
        self.context.at("read_back")
        yield from self._verify(name, accepted)
        if conflicts:
            held = self.read_back(name, [change.record_key for change, _ in conflicts if change.record_key])
            yield from (conflicting(self.manifest, change, held, outcome) for change, outcome in conflicts)
        stop(self.manifest, told, source.commands)

    def _command(self, source: QueueSource, one: Outgoing, versions: dict[str, int]) -> Sending:
        change = one.change
        command = {
            "command_id": change.key,
            "op": change.operation,
            "dataset": change.dataset,
            "key": "|".join(one.key) if change.record_key else None,
            "if_version": versions.get(change.record_key or ""),
            "row": dict(one.columns),
        }
        body = json.dumps(command, ensure_ascii=False).encode()
        return Sending(f"{source.commands}.{token(change.key)}", body, change.key)

    def _acknowledged(self, one: Outgoing, ack: _Ack | None, *, stored: bool) -> Outcome | None:
        """The outcome where the system has not accepted the command (yet)."""
        change_id, receipt = one.change.change_id, token(one.change.key)
        if ack is None:
            if stored:
                due = self.manifest.due(self.context.now())
                return Outcome(change_id, "sent", "no_ack_yet", "指令已送达消息队列，系统尚未回执", receipt, due=due)
            told = ruling("broker", "not_stored", own=self.manifest.answers)
            return told.outcome(change_id, "消息队列没有确认收到指令", receipt=receipt)
        return self._refused(change_id, receipt, ack, tuple(one.columns.values()))

    def _verify(self, name: str, accepted: Sequence[_Accepted]) -> Iterator[Outcome]:
        changes = [one.change for one in accepted]
        rows, versions = self._newest(name, [change.record_key or "" for change in changes])
        result: dict[str, tuple[bool, list[str]]] = {}
        for role in dict.fromkeys(change.role for change in changes):
            result |= compare(self.manifest, name, role, changes, rows)
        near = near_misses(self.manifest, name, [(one.change, one.columns) for one in accepted], rows)
        for one in accepted:
            change = one.change
            yield verdict(
                change.change_id, result[change.change_id],
                shown=versions.get(change.record_key or "", -1) >= (one.ack.version or 0),
                receipt=token(change.key), key=change.record_key, near=near.get(change.change_id, ()),
                raw=one.ack.raw, due=self.manifest.due(self.context.now()),
            )  # fmt: skip

    def _followed(self, name: str, change_id: str, receipt: str, answer: Message | None, command: Message) -> Outcome:
        ack = _ack(answer.body if answer else None)
        if ack is None:
            return Outcome(change_id, "sent", "no_ack_yet", "系统尚未回执", receipt)
        asked = json.loads(command.body)
        refused = self._refused(change_id, receipt, ack, tuple(asked["row"].values()))
        if refused is not None:
            return refused
        spec = self.manifest.dataset(name)
        key = ack.key or asked["key"] or ""
        held, versions = self._newest(name, [record := record_key(self.manifest, name, [key])])
        meant = {**asked["row"], **dict(zip(spec.key, key.split("|", len(spec.key) - 1), strict=True))}
        sent = raw.table({c: pa.array([v or None], pa.string()) for c, v in meant.items()}, pa.array([receipt]))
        fields = differences(self.manifest, name, sent, held).get(record)
        shown = versions.get(record, -1) >= (ack.version or 0) and fields is not None
        rewritten = [fields_rewritten(self.manifest, name, meant, row) for row in held.to_pylist()]
        return verdict(
            change_id, (fields == [], fields or []), shown=shown, receipt=receipt, key=record,
            near=next(iter(rewritten), ()), raw=ack.raw, due=self.manifest.due(self.context.now()),
        )  # fmt: skip

    def _refused(self, change_id: str, receipt: str, ack: _Ack, sent: Sequence[str]) -> Outcome | None:
        """The outcome of an acknowledgement that is no yes."""
        if ack.status == "ok":
            return None
        message = f"系统退回：{scrub(ack.message, sent) or '未说明原因'}"
        told = ruling("ack", ack.code or "error", ack.message, self.manifest.answers)
        if ack.status == "conflict":
            told = ruling("ours", "conflict", own=self.manifest.answers)
        elif ack.status == "malformed":
            told = ruling("ours", "ack_malformed", own=self.manifest.answers)
        return told.outcome(change_id, message, receipt=receipt, raw=ack.raw)


def token(text: str) -> str:
    """Return a text as one token of a NATS subject: dots, spaces and Chinese characters are not allowed there."""
    return text.encode().hex()


def _ack(body: bytes | None) -> _Ack | None:
    if body is None:
        return None
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        return _Ack("malformed", "", "回执不是 JSON", None, None, body)
    key, version = answer.get("key"), answer.get("version")
    return _Ack(
        str(answer.get("status")),
        str(answer.get("code", "")),
        str(answer.get("message", "")),
        key if isinstance(key, str) else None,
        version if type(version) is int else None,
        body,
    )

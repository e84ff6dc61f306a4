"""Webhook systems (回调): they post events to our receiver, which spools them; we post commands to them.

Reading is reading the spool (`connectors.kinds.webhook_receiver`); the cursor is a file and an offset in it. A command is
the JSON of the queue kind (`command_id`, `op`, `key`, `if_version`, `row`), signed like an event but over
method, path, line feed, body, with the idempotency key as `Idempotency-Key`. The answer's `status` is `ok`, `error` or `conflict`;
whatever it says, the record is read again and compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import httpx
import pyarrow as pa

from connectors.answers import ruling, stop
from connectors.base import Check, ConnectorError, Context, LoginRefused, Malformed, NotAllowed
from connectors.held import conflicting, settled, standings, verdict
from connectors.http import HttpClient, Request, Unanswered, malformed, scrub
from connectors.kinds.events import UNKNOWN_TYPE, Broken, Event, PageBuilder, Sieve, interpret, parse, rows_table
from connectors.kinds.spool import Line, read_from, remembered
from connectors.kinds.webhook_receiver import SIGNATURE, TIMESTAMP, sign
from connectors.manifest.model import Dataset, Manifest
from connectors.manifest.sources import WebhookConnection, WebhookSource
from connectors.mapping.rows import raw_key
from connectors.near import near_misses
from connectors.outgoing import Outgoing, prepare, record_key, waves
from connectors.readback import compare
from schemas.records import Change, Outcome, Page

PAGE_LINES = 2000
AT_ONCE = 200
"""Commands posted between two comparisons."""

TIMEOUT_SECONDS = 20.0
NOBODY = "-"
"""Key of no record, to try the way to the system without reading anybody's data."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """A change (with its record key) whose command went out, and its columns.

    Attributes:
        told: what holds when the reading does not show the new values; None where the system said yes.
        raw: its answer as it came.
    """

    change: Change
    columns: Mapping[str, str]
    told: Outcome | None = None
    raw: bytes | None = None


class WebhookConnector:
    """Reads the spool of a system and posts commands to it."""

    def __init__(self, manifest: Manifest, context: Context) -> None:
        self.manifest, self.context = manifest, context
        connection = WebhookConnection.model_validate(context.variables.resolve(manifest, manifest.connection))
        self._inbox: Path = context.folder / connection.inbox_dir
        self._secret = connection.secret
        self._sources = {
            d.name: WebhookSource.model_validate(context.variables.resolve(manifest, d.source))
            for d in manifest.datasets
        }
        self._http = HttpClient(
            manifest.id, connection.command_url, timeout=TIMEOUT_SECONDS,
            now=context.now, sleep=context.sleep, quota=context.quota(manifest),
        )  # fmt: skip

    def check(self) -> Check:
        """Try the inbox and, for each dataset, the way to a record that does not exist."""
        there = self._inbox.is_dir()
        lines = [("inbox", there, "events arrive here" if there else "the folder is missing: start the receiver")]
        for dataset in self.manifest.datasets:
            try:
                self._record(dataset, NOBODY)
            except ConnectorError as error:
                lines.append((dataset.name, False, f"{error.what}. {error.remedy}"))
            else:
                lines.append((dataset.name, True, "answers, signature accepted"))
        return Check(tuple(lines))

    def close(self) -> None:
        """Close kept connections."""
        self._http.close()

    # --- reading --------------------------------------------------------------------------------------------------

    def pull(self, dataset: str, cursor: str | None) -> Iterator[Page]:
        """Yield spooled events of this dataset after the cursor; lines that are no events become rejects."""
        if self.manifest.capabilities.read == "none":
            remedy = "Remove this system from the pull."
            raise NotAllowed(self.manifest.id, dataset, "the manifest allows no reading", remedy)
        spec, position, sieve = self.manifest.dataset(dataset), self._position(cursor), Sieve()
        for line in remembered(self._inbox, *position):
            event = self._event(spec, line)
            if isinstance(event, Event):
                sieve.remember(event)
        for lines in read_from(self._inbox, *position, PAGE_LINES):
            builder = PageBuilder(self.manifest, spec, sieve)
            for line in lines:
                event = self._event(spec, line)
                if event is not None:
                    builder.add(event, f"{line.file}#{line.start}")
            yield builder.page(json.dumps({"file": lines[-1].file, "offset": lines[-1].end}))

    def read_back(self, dataset: str, record_keys: Sequence[str]) -> pa.Table:
        """Return the rows that the system shows for these keys; a key that it does not know is left out."""
        rows, _ = self._held(dataset, record_keys)
        return rows

    def _position(self, cursor: str | None) -> tuple[str, int]:
        if cursor is None:
            return "", 0
        try:
            match json.loads(cursor):
                case {"file": str(file), "offset": int(offset)}:
                    return file, offset
        except ValueError:
            pass
        remedy = "Pull this dataset once without cursor (onefact pull --full)."
        raise Malformed(self.manifest.id, "cursor", "the stored cursor is not one of this connector", remedy)

    def _event(self, dataset: Dataset, line: Line) -> Event | Broken | None:
        """The event in a line, None where it belongs to another dataset.

        A line that names no dataset of the manifest is reported with the first dataset, so that it is reported once.
        """
        first = self.manifest.datasets[0].name == dataset.name
        try:
            content = json.loads(line.body)
        except ValueError:
            content = None
        kind = content.get("type") if isinstance(content, dict) else None
        if kind == self._sources[dataset.name].event:
            return parse(line.body, dataset)
        if kind is None:
            return parse(line.body, dataset) if first else None
        known = {source.event for source in self._sources.values()}
        return Broken(UNKNOWN_TYPE) if first and kind not in known else None

    def _held(self, dataset: str, record_keys: Sequence[str]) -> tuple[pa.Table, dict[str, int]]:
        """Rows as the system shows them, and the version of each record key."""
        spec = self.manifest.dataset(dataset)
        rows: list[tuple[Event, str]] = []
        versions: dict[str, int] = {}
        for key in dict.fromkeys(record_keys):
            found = self._record(spec, "|".join(raw_key(self.manifest, spec, key)))
            if found is not None:
                rows.append((found, self._sources[dataset].read_path))
                if found.version is not None:
                    versions[key] = found.version
        return rows_table(spec, rows), versions

    def _record(self, dataset: Dataset, key: str) -> Event | None:
        """One record; None where the system has none with this key or has deleted it."""
        source = self._sources[dataset.name]
        path = source.read_path.replace("{key}", quote(key, safe=""))
        query = () if "{key}" in source.read_path else (("key", key),)
        response = self._http.send(self._signed(Request("GET", path, query)))
        if response.status_code == 404:
            return None
        self._accepted(response, source.read_path)
        found = interpret(_json(self.manifest.id, source.read_path, response), dataset)
        if isinstance(found, Broken):
            raise malformed(self.manifest.id, source.read_path, f"the record breaks {found.rule} {found.column or ''}")
        return found

    # --- writing --------------------------------------------------------------------------------------------------

    def push(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Read the records, post a command for each change that is due, then read them again and compare."""
        ready, refused = prepare(self.manifest, changes, whole_rows=False, writable=lambda _: True)
        yield from refused
        for name in dict.fromkeys(one.change.dataset for one in ready):
            of_dataset = [one for one in ready if one.change.dataset == name]
            for wave in waves(of_dataset, AT_ONCE):
                yield from self._push(name, wave)

    def _push(self, name: str, ready: Sequence[Outgoing]) -> Iterator[Outcome]:
        updates = [one.change for one in ready if one.change.record_key]
        rows, versions = self._held(name, [c.record_key or "" for c in updates])
        standing = standings(self.manifest, name, updates, rows)
        sent: list[_Sent] = []
        reads = self.manifest.capabilities.read != "none"
        for one in ready:
            outcome = settled(one.change, standing.get(one.change.change_id), reads=reads)
            if outcome is None:
                sent.append(self._posted(one, versions.get(one.change.record_key or "")))
                self.context.at("sent")
            else:
                yield outcome
        yield from self._verified(name, sent)
        told = [one.told for one in sent if one.told is not None]
        stop(self.manifest, told, self._sources[name].command_path)

    def _posted(self, one: Outgoing, version: int | None) -> _Sent:
        """Post one command; whatever comes back is judged, nothing is raised once the command is out."""
        change, own = one.change, self.manifest.answers
        silent = Outcome(change.change_id, "no_answer", "no_answer", "系统没有回应，是否写入尚不清楚")
        try:
            response = self._post(one, version)
        except Unanswered as error:
            return _Sent(change, one.columns, replace(silent, retry_after=error.retry_after))
        answer = _object(response)
        if answer is None or response.status_code >= 500:
            told = ruling("page", "other", own=own) if answer is None else ruling("http", response.status_code, own=own)
            outcome = told.outcome(change.change_id, "应答不是约定的格式，是否写入尚不清楚", raw=response.content)
            return _Sent(change, one.columns, outcome, response.content)
        if answer.get("status") != "ok":
            return _Sent(change, one.columns, self._refusal(one, answer, response.content), response.content)
        key = change.record_key or record_key(self.manifest, change.dataset, [str(answer.get("key"))])
        return _Sent(replace(change, record_key=key), one.columns, raw=response.content)

    def _verified(self, name: str, sent: Sequence[_Sent]) -> Iterator[Outcome]:
        if not sent:
            return
        self.context.at("read_back")
        rows, _ = self._held(name, [one.change.record_key for one in sent if one.change.record_key])
        changes = [one.change for one in sent]
        result: dict[str, tuple[bool, list[str]]] = {}
        for role in dict.fromkeys(change.role for change in changes):
            result |= compare(self.manifest, name, role, changes, rows)
        near = near_misses(self.manifest, name, [(one.change, one.columns) for one in sent], rows)
        for one in sent:
            change, compared = one.change, result[one.change.change_id]
            if one.told is None or (compared[0] and one.told.state != "conflict"):
                misses = near.get(change.change_id, ())
                yield verdict(change.change_id, compared, receipt=None, key=change.record_key, near=misses, raw=one.raw)
            elif one.told.state == "conflict":
                yield conflicting(self.manifest, change, rows, one.told)
            else:
                yield one.told

    def _post(self, one: Outgoing, version: int | None) -> httpx.Response:
        change = one.change
        command = {
            "command_id": change.key, "op": change.operation, "dataset": change.dataset,
            "key": "|".join(one.key) if change.record_key else None, "if_version": version, "row": dict(one.columns),
        }  # fmt: skip
        body = json.dumps(command, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json", "Idempotency-Key": quote(change.key, safe=":|")}
        path = self._sources[change.dataset].command_path
        self.context.at("send")
        response = self._http.send(self._signed(Request("POST", path, body=body, headers=headers, repeatable=False)))
        if ruling("http", response.status_code, own=self.manifest.answers).action == "refresh_login":
            self._accepted(response, path)  # a signature cannot be renewed: the system refuses us, and did nothing
        return response

    def _refusal(self, one: Outgoing, answer: Mapping[str, object], raw: bytes) -> Outcome:
        words = str(answer.get("message") or "")
        told = ruling("command", answer.get("code", "error"), words, self.manifest.answers)
        if answer.get("status") == "conflict":
            told = ruling("ours", "conflict", own=self.manifest.answers)
        message = f"系统退回：{scrub(words, one.columns.values()) or '未说明原因'}"
        return told.outcome(one.change.change_id, message, raw=raw)

    def _signed(self, request: Request) -> Request:
        timestamp = str(int(self.context.now().timestamp()))
        target = request.path + (f"?{httpx.QueryParams(list(request.query))}" if request.query else "")
        content = f"{request.method} {self._http.full_path(target)}\n".encode() + (request.body or b"")
        signature = sign(self._secret, timestamp, content)
        return replace(request, headers={**request.headers, TIMESTAMP: timestamp, SIGNATURE: signature})

    def _accepted(self, response: httpx.Response, place: str) -> None:
        if response.status_code in {401, 403}:
            remedy = "Check the shared secret and the clock of both machines."
            raise LoginRefused(self.manifest.id, place, "the system does not accept our signature", remedy)
        if not response.is_success:
            raise malformed(self.manifest.id, place, f"HTTP {response.status_code}")


def _object(response: httpx.Response) -> dict[str, object] | None:
    try:
        answer = response.json()
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _json(system: str, place: str, response: httpx.Response) -> object:
    try:
        return response.json()
    except ValueError as error:
        raise malformed(system, place, "the answer is no JSON") from error

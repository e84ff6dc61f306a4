"""Stand-ins of the REST systems: one application on one loopback port, each system below `/<system_id>`.

Each keeps its manifest's conventions to the letter: its login, its paging, its answer envelope, its codes. A wrong
column, an unknown code or an over-long text is refused row by row, a second write with the same idempotency key gets the
first answer, and updated-at is stamped by the system itself. Faults can be switched on (`sandbox.faults`).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import Receive, Scope, Send

from connectors.manifest.model import Dataset, Manifest
from connectors.manifest.sources import RestConnection, RestSource
from sandbox.faults import Fault, Faults
from sandbox.keys import Keyring, fill
from sandbox.servers.prompt_host import PromptHost
from sandbox.servers.rest_login import Doorkeeper
from sandbox.store import Receipt, Refused, Row, Store, parse_stamp

MOST_ROWS = 500
"""Greatest page and batch of every system (domain README §2.5)."""

TOKEN_SECONDS = 7200
CONTROL_WORDS = frozenset({"op", "version", "idempotency_key"})
GATEWAY_PAGE = "<html><head><title>502</title></head><body><h1>网关错误</h1></body></html>"


class RestServer:
    """All systems of kind `rest`.

    Args:
        manifests: their manifests; other kinds are left out.
        home: working folder.
        now: the systems' clock (local time, as they stamp it).
        token_seconds: how long an OAuth2 token lives.
    """

    def __init__(
        self,
        manifests: Sequence[Manifest],
        home: Path,
        *,
        now: Callable[[], datetime] = datetime.now,
        token_seconds: int = TOKEN_SECONDS,
    ) -> None:
        self._manifests = [m for m in manifests if m.kind == "rest"]
        self._home, self._now, self._token_seconds = home, now, token_seconds
        self._faults, self._host = Faults(), PromptHost()
        self._systems: dict[str, RestSystem] = {}

    async def start(self) -> dict[str, str]:
        """Load the stores, serve, and return `<ID>_URL` and the secrets of each system."""
        keys, variables = Keyring.of(self._home), dict[str, str]()
        for manifest in self._manifests:
            own = keys.variables(manifest)
            connection = RestConnection.model_validate(fill(manifest.connection, own))
            door = Doorkeeper(connection.auth, self._now, self._token_seconds)
            store = Store.open(self._home, manifest)
            self._systems[manifest.id] = RestSystem(manifest, connection, store, door, self._now)
            variables |= own
        if self._systems:
            # A dropped connection is a fault we stage; the server would report each one as an error of ours.
            logging.getLogger("uvicorn.error").addFilter(_not_staged)
            url = await self._host.start(self)
            variables |= {f"{system.upper()}_URL": f"{url}/{system}" for system in self._systems}
        return variables

    async def stop(self) -> None:
        """Finish running requests, free the port, close the stores."""
        await self._host.stop()
        for system in self._systems.values():
            system.store.close()
        self._systems.clear()

    async def edit(self, system: str, dataset: str, key: str, columns: Mapping[str, str | None]) -> Row:
        """Change a row as the system's own user does."""
        return self._systems[system].store.edit(dataset, key, columns, self._now())

    def fault(self, system: str, *faults: Fault | None) -> None:
        """Switch faults of a system on, or off with None."""
        if system not in self._systems:
            raise KeyError(system)
        self._faults.set(system, *faults)

    def revoke_tokens(self, system: str) -> None:
        """Make all tokens of a system invalid, as its restart does."""
        self._systems[system].door.revoke()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        _, name, *rest = request.url.path.split("/")
        system = self._systems.get(name)
        if system is None:
            await JSONResponse({"message": "no such system"}, 404)(scope, receive, send)
            return
        path, writing = "/" + "/".join(rest), request.method == "POST" and not system.is_token("/" + "/".join(rest))
        fault = self._faults.hit(name, writing=writing)
        response = await _befallen(fault, system)
        if response is None and (fault is None or fault.kind != "down"):
            try:
                body = await request.body()
            except ClientDisconnect:  # the connection broke in the middle of the request: nothing was asked
                return
            response = system.answer(request, path, body)
            if fault is not None and fault.kind == "twice":
                response = system.answer(request, path, body)
        if response is None or (fault is not None and fault.kind == "drop_answer"):
            await _hang_up(send)
            return
        await response(scope, receive, send)


class RestSystem:
    """One REST system behind the shared port."""

    def __init__(
        self,
        manifest: Manifest,
        connection: RestConnection,
        store: Store,
        door: Doorkeeper,
        now: Callable[[], datetime],
    ) -> None:
        self.manifest, self.store, self.door = manifest, store, door
        self._connection, self._now = connection, now
        sources = [(d, RestSource.model_validate(d.source)) for d in manifest.datasets]
        self._lists = {source.path: (d, source) for d, source in sources}
        self._batches = {source.batch_path: (d, source) for d, source in sources if source.batch_path}

    def is_token(self, path: str) -> bool:
        """True for the address that hands out tokens."""
        return path == getattr(self._connection.auth, "token_path", None)

    def refuse(self, code: int, message: str, status: int = 200) -> Response:
        """An error in the system's own envelope; many systems send it with HTTP 200."""
        field = self._connection.success_field or "code"
        return JSONResponse({**_nested(field, code), self._connection.message_field: message}, status)

    def answer(self, request: Request, path: str, body: bytes) -> Response:
        """Answer a request."""
        if self.is_token(path):
            token = self.door.token(body)
            return JSONResponse(token or {"error": "invalid_client"}, 200 if token else 401)
        raw_path = request.scope["raw_path"].decode()
        why = self.door.refuses(request.method, raw_path, request.url.query, request.headers, body)
        if why is not None:
            return self.refuse(401, why, 401)
        if request.method == "GET" and path in self._lists:
            return self._list(*self._lists[path], request.query_params)
        if request.method == "POST" and path in self._batches:
            return self._write(*self._batches[path], body)
        return self.refuse(404, "接口不存在", 404)

    def _list(self, dataset: Dataset, source: RestSource, query: Mapping[str, str]) -> Response:
        paging = source.paging
        try:
            size = min(int(query.get(paging.size_param, paging.size)), MOST_ROWS)
            page = int(query.get(paging.page_param, 1))
            after = _position(query[paging.cursor_param]) if query.get(paging.cursor_param) else None
        except (ValueError, binascii.Error):
            return self.refuse(4000, "分页参数错误")
        given, since = query.get(source.since_param or ""), None
        if given:
            since = parse_stamp(given, dataset.updated_at.formats if dataset.updated_at else ())
            if since is None:
                return self.refuse(4000, f"时间格式错误：{source.since_param}")
        if "ids" in query:
            rows, more = self.store.rows(dataset.name, keys=query["ids"].split(",")), False
        else:
            offset = (page - 1) * size if paging.style == "page" else 0
            rows = self.store.rows(dataset.name, since=since, after=after, limit=size + 1, offset=offset)
            rows, more = rows[:size], len(rows) > size
        following = _cursor(rows[-1]) if more and paging.style == "cursor" else None
        records = [_record(row.columns) for row in rows]
        return self._ok(_merged(_nested(source.records, records), _nested(paging.next_field, following)))

    def _write(self, dataset: Dataset, source: RestSource, body: bytes) -> Response:
        try:
            items = json.loads(body)[source.batch_items]
        except (ValueError, KeyError, TypeError):
            return self.refuse(4000, "请求格式错误")
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            return self.refuse(4000, "请求格式错误")
        if len(items) > source.batch_size:
            return self.refuse(4130, f"单批最多{source.batch_size}条")
        return self._ok(_nested(source.batch_results, [self._write_row(dataset, item) for item in items]))

    def _write_row(self, dataset: Dataset, item: Mapping[str, Any]) -> dict[str, Any]:
        columns = {c: None if v is None else str(v) for c, v in item.items() if c not in CONTROL_WORDS}
        creating = item.get("op") == "create"
        key = None if creating else "|".join(columns.get(name) or "" for name in dataset.key)
        version, idem = item.get("version"), item.get("idempotency_key")
        result: dict[str, Any] = {"key": key, "idempotency_key": idem}
        if creating and not self.manifest.capabilities.create:
            return {**result, "code": 4005, "message": "不允许新增", "receipt": None}
        try:
            number = int(version) if version is not None else None
            receipt: Receipt = self.store.upsert(dataset.name, key, columns, number, idem, self._now())
        except Refused as error:
            return {**result, "code": error.code, "message": error.message, "receipt": None}
        return {**result, "key": receipt.key, "code": self._success(), "message": "成功", "receipt": receipt.number}

    def _ok(self, data: dict[str, Any]) -> Response:
        envelope = _nested(self._connection.success_field, self._success()) if self._connection.success_field else {}
        return JSONResponse(_merged(_merged(envelope, {self._connection.message_field: "成功"}), data))

    def _success(self) -> int | str:
        value = self._connection.success_values[0]
        return int(value) if value.isdigit() else value


async def _befallen(fault: Fault | None, system: RestSystem) -> Response | None:
    """What a fault makes of a request in place of its answer; None when the request is still to be served."""
    if fault is None:
        return None
    match fault.kind:
        case "slow":
            await asyncio.sleep(fault.seconds)
        case "error":
            return HTMLResponse(GATEWAY_PAGE, 500)
        case "throttle":
            return JSONResponse({"message": "请求过于频繁"}, 429, headers={"Retry-After": f"{fault.seconds:.0f}"})
        case "not_json":
            return HTMLResponse(GATEWAY_PAGE)
        case "refuse_in_200":
            return system.refuse(5001, "系统繁忙，请稍后再试")
    return None


async def _hang_up(send: Send) -> None:
    """Break the connection off in the middle of an answer; the server closes it when less than promised was sent."""
    headers = [(b"content-length", b"2"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": True})


def _not_staged(record: logging.LogRecord) -> bool:
    return "without completing response" not in record.getMessage()


def _record(columns: Mapping[str, str | None]) -> dict[str, Any]:
    """A row as JSON: columns with dots in their names become nested objects."""
    record: dict[str, Any] = {}
    for name, value in columns.items():
        if "." in name:
            record = _merged(record, _nested(name, value))
        else:
            record[name] = value
    return record


def _nested(dotted: str, value: object) -> dict[str, Any]:
    """`a.b`, 1 -> {"a": {"b": 1}}."""
    first, _, rest = dotted.partition(".")
    return {first: _nested(rest, value) if rest else value}


def _merged(left: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, Any]:
    both = {k for k in left if k in right and isinstance(left[k], dict) and isinstance(right[k], dict)}
    return {**left, **right, **{k: _merged(left[k], right[k]) for k in both}}


def _cursor(row: Row) -> str:
    return base64.urlsafe_b64encode(json.dumps([row.updated_at, row.key]).encode()).decode()


def _position(cursor: str) -> tuple[str, str]:
    updated_at, key = json.loads(base64.urlsafe_b64decode(cursor))
    return str(updated_at), str(key)

"""The receiver of webhooks (回调接收): checks the signature, spools each event once, answers at once.

A request: POST with `X-Timestamp` (seconds since 1970) and `X-Signature: sha256=<hex>` over timestamp, line feed, body; the body is
one event or `{"events": [...]}`, each with `type` and `event_id`. Answers: 200 with counts, 400 no events, 401 wrong or old
signature, 413 too large. The spool is one file of JSON Lines per hour; a line stands there whole before 200 is answered.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

TIMESTAMP, SIGNATURE = "X-Timestamp", "X-Signature"
BODY_LIMIT = 1_000_000
TOLERANCE = 300
"""Seconds by which a timestamp may differ from our clock; an older request is a replay."""

REMEMBERED_FILES = 72
"""Hours of spool whose event ids are known again after a restart."""

HOUR = "%Y%m%dT%H.jsonl"


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """Return the signature header of a body sent at a time."""
    return "sha256=" + hmac.new(secret.encode(), timestamp.encode() + b"\n" + body, hashlib.sha256).hexdigest()


class Spool:
    """The inbox of one system: `append` stores events that were not seen before.

    Args:
        folder: where the files are; made when missing.
        now: clock, for the files' names.
    """

    def __init__(self, folder: Path, now: Callable[[], datetime]) -> None:
        self._folder, self._now, self._lock = folder, now, threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        self._seen = {event_id for path in spool_files(folder)[-REMEMBERED_FILES:] for event_id in _event_ids(path)}

    def append(self, events: Sequence[dict[str, Any]]) -> tuple[int, int]:
        """Store new events with one write; return (stored, repeated)."""
        with self._lock:
            fresh = {e["event_id"]: e for e in events if e["event_id"] not in self._seen}
            if fresh:
                lines = [json.dumps(e, ensure_ascii=False, separators=(",", ":")) + "\n" for e in fresh.values()]
                self._write("".join(lines).encode())
                self._seen.update(fresh)
        return len(fresh), len(events) - len(fresh)

    def _write(self, lines: bytes) -> None:
        existing = spool_files(self._folder)
        name = f"{self._now():{HOUR}}"
        if existing:  # a clock set back must not write behind the place up to which the files were read
            name = max(name, existing[-1].name)
        file = os.open(self._folder / name, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            size = os.fstat(file).st_size
            torn = size > 0 and os.pread(file, 1, size - 1) != b"\n"
            left = b"\n" + lines if torn else lines  # a line cut by a crash stays alone and is rejected when read
            while left:
                left = left[os.write(file, left) :]
            os.fsync(file)
        finally:
            os.close(file)


def spool_files(folder: Path) -> list[Path]:
    """Return the spool's files in the order of their hours."""
    return sorted(folder.glob("*.jsonl"))


def receiver(secret: str, spool: Spool, now: Callable[[], datetime], limit: int = BODY_LIMIT) -> Starlette:
    """Return the application that receives one system's events at `/`."""

    async def receive(request: Request) -> JSONResponse:
        body = await _body(request, limit)
        if body is None:
            return JSONResponse({"message": "请求体过大"}, 413)
        if not _genuine(request, body, secret, now()):
            return JSONResponse({"message": "签名无效或已过期"}, 401)
        events = _events(body)
        if events is None:
            return JSONResponse({"message": "不是约定的事件格式"}, 400)
        stored, repeated = await run_in_threadpool(spool.append, events)
        return JSONResponse({"stored": stored, "repeated": repeated})

    return Starlette(routes=[Route("/", receive, methods=["POST"])])


async def _body(request: Request, limit: int) -> bytes | None:
    """The body, or None as soon as it is longer than the limit (its announced length may be a lie)."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            return None
    return bytes(body)


def _genuine(request: Request, body: bytes, secret: str, now: datetime) -> bool:
    timestamp, given = request.headers.get(TIMESTAMP, ""), request.headers.get(SIGNATURE, "")
    if not (timestamp.isascii() and timestamp.isdigit()) or abs(now.timestamp() - int(timestamp)) > TOLERANCE:
        return False
    return hmac.compare_digest(sign(secret, timestamp, body).encode(), given.encode())


def _events(body: bytes) -> list[dict[str, Any]] | None:
    try:
        content = json.loads(body)
    except ValueError:
        return None
    events = content.get("events", [content]) if isinstance(content, dict) else None
    if not isinstance(events, list) or not all(_identified(e) for e in events):
        return None
    return events


def _identified(event: object) -> bool:
    match event:
        case {"event_id": str(event_id), "type": str(kind)}:
            return bool(event_id and kind)
    return False


def _event_ids(path: Path) -> list[str]:
    found = []
    for line in path.read_bytes().splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if _identified(event):
            found.append(event["event_id"])
    return found

"""The sealed log (封存日志): who read or did what, whether the log was touched, and a copy to verify elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from onefact import log
from portal.access import Current, OfHome, logged
from portal.view import page
from warehouse import sealed
from warehouse.sealed import checkpoint

router = APIRouter(include_in_schema=False)

SHOWN = 100
Text = Annotated[str, Query(max_length=60)]


@router.get("/log", name="log")
def show(
    request: Request,
    home: OfHome,
    account: Current,
    actor: Text = "",
    act: Text = "",
    subject: Text = "",
    before: int | None = None,
) -> Response:
    """Show the newest acts; reading the log is itself an act."""
    with home.engine.begin() as connection:
        rows = sealed.entries(
            connection, actor=actor or None, act=act or None, subject=subject or None, before=before, limit=SHOWN
        )
        end = sealed.head(connection)
        logged(connection, account, "log", "log", purpose="查看日志", count=len(rows))
    newest = checkpoint.newest(log.folder(home))
    return page(
        request, "log/show.html", rows=rows, acts=sealed.ACTS, outcomes=sealed.OUTCOMES, actor=actor, act=act, subject=subject,
        end=end, limit=SHOWN, newest=newest,
    )  # fmt: skip


@router.post("/log/verify", name="log.verify")
def verify(request: Request, home: OfHome, account: Current) -> Response:
    """Read the whole log and say whether a row was changed, removed, added or moved, there or in a sealed ledger."""
    began = time.perf_counter()
    done = log.verify(home)
    verdict, seconds = done.log, time.perf_counter() - began
    findings = [*map(str, verdict.findings), *map(str, done.ledgers), *map(str, done.entries)]
    with home.engine.begin() as connection:
        found = {"sound": done.sound, "rows": verdict.rows}
        logged(connection, account, "log", "log", purpose="验证日志", count=verdict.rows, detail=found)
    whole = "log/verdict_part.html" if request.headers.get("HX-Request") else "log/verdict.html"
    return page(request, whole, verdict=verdict, findings=findings, seconds=seconds)


@router.get("/log/copy.jsonl", name="log.copy")
def copy(home: OfHome, account: Current) -> Response:
    """Take the log as it is stored: a file that can be verified without this machine."""
    with home.engine.begin() as connection:
        end = sealed.head(connection)
        logged(connection, account, "export", "log", purpose="导出日志", count=end.seq)

    def lines() -> Iterator[bytes]:
        with home.engine.connect() as connection:
            yield from sealed.lines(connection)

    name = f"sealed-log-{home.now():%Y%m%d-%H%M}.jsonl"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(lines(), media_type="application/x-ndjson", headers=headers)

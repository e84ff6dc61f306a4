"""Any department's form (一表通): its columns matched and corrected by a click, filled for a grid, judged at the gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Query, Request, UploadFile
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from onefact import grids
from onefact.bulk.guard import UploadRefused
from onefact.bulk.settings import load_limits
from onefact.forms.fill import Filled, fill
from onefact.forms.gate import gate
from onefact.forms.heading import Heading, paste
from onefact.forms.match import Match, Matched, match
from onefact.forms.memory import remember, remembered
from onefact.forms.notes import summary
from onefact.forms.subjects import ALL, selection, selections
from onefact.forms.vocabulary import CONTEXTS, computed, title
from onefact.forms.workbook import open_form, read_form
from onefact.home import Home
from portal.access import Account, Current, OfHome, Refused, logged, settings_of
from portal.access.area import EVERYWHERE
from portal.pages.uploads import content, keep, onward, saved, taken, workbook
from portal.view import export, page
from schemas.entities import ENTITIES
from schemas.model import EntityType

router = APIRouter(prefix="/forms", include_in_schema=False)

LONGEST = 4000
"""Characters of a pasted header."""


@dataclass(frozen=True, slots=True)
class Read:
    """A form that was read: the file (none for a pasted header), its headings and title."""

    name: str
    data: bytes | None
    headings: tuple[Heading, ...]
    form_title: str
    context: EntityType | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """A filled form, to be downloaded."""

    name: str
    data: bytes
    done: Filled


@router.get("", name="forms")
def show(request: Request) -> Response:
    """Show where to upload a form or paste its header."""
    return page(request, "forms/show.html", problem=None, pasted="")


@router.post("/read", name="forms.read")
async def read(
    request: Request,
    account: Current,
    home: OfHome,
    file: Annotated[UploadFile | None, File()] = None,
    pasted: Annotated[str, Form(max_length=LONGEST)] = "",
) -> Response:
    """Read a form and show what each of its columns means."""
    try:
        if pasted.strip():
            form = Read("粘贴的表头", None, tuple(paste(pasted)), "")
        else:
            data = await content(file)
            found = await run_in_threadpool(lambda: read_form(open_form(data, load_limits(home))))
            form = Read((file.filename if file else "") or "表格.xlsx", data, found.headings, found.title)
    except UploadRefused as refused:
        return page(request, "forms/show.html", 422, problem=str(refused), pasted=pasted)
    if not form.headings:
        return page(request, "forms/show.html", 422, problem="没有读到栏目名称。", pasted=pasted)
    return onward(request, "forms.match", keep(request, account, form, len(form.data or b"") + 1000))


@router.get("/{ticket}", name="forms.match")
def matched(request: Request, account: Current, home: OfHome, ticket: str) -> Response:
    """Show what each column means."""
    return _matched(request, account, home, ticket, taken(request, account, ticket, Read))


@router.post("/{ticket}/teach", name="forms.teach")
def teach(
    request: Request,
    account: Current,
    home: OfHome,
    ticket: str,
    column: Annotated[int, Form()],
    meaning: Annotated[str, Form(max_length=60)] = "",
) -> Response:
    """Remember what a column means; all later forms know it."""
    form: Read = taken(request, account, ticket, Read)
    found = _match(home, form)
    heading = next((m.heading for m in found.columns if m.heading.column == column), None)
    if heading is None or (meaning and meaning not in _meanings(found.context)):
        return _matched(request, account, home, ticket, form, problem="没有这个栏目或数据项。")
    remember(home, heading.text, found.context, meaning, account.login)
    return onward(request, "forms.match", ticket)


@router.post("/{ticket}/row", name="forms.row")
def row(request: Request, account: Current, ticket: str, context: Annotated[str, Form()] = "") -> Response:
    """Say what a row of the form is."""
    form: Read = taken(request, account, ticket, Read)
    chosen: EntityType | None = next((c for c in CONTEXTS if c == context), None)
    form = replace(form, context=chosen)
    return onward(request, "forms.match", keep(request, account, form, len(form.data or b"") + 1000))


@router.post("/{ticket}/fill", name="forms.fill")
def filled(
    request: Request,
    account: Current,
    home: OfHome,
    ticket: str,
    grid: Annotated[str, Form(max_length=20)],
    who: Annotated[str, Form(max_length=20)] = "",
    system: Annotated[str, Form(max_length=60)] = "",
) -> Response:
    """Fill the form for a grid of the account's."""
    form: Read = taken(request, account, ticket, Read)
    if account.role not in EVERYWHERE and grid not in account.grids:
        raise Refused("只能为自己负责的网格填表。")
    if system in home.manifests and home.manifests[system].compartment not in account.compartments:
        raise Refused("您的账号没有接收单位所属分区的权限，请由有该分区权限的人员填表。")
    if form.data is None or (system and system not in home.manifests) or who not in {"", *_selections(form, home)}:
        return _matched(request, account, home, ticket, form, problem="请上传表格文件，并从列表中选择范围和接收单位。")
    done = fill(home, form.data, [grid], account.login, system=system or None, who=who or None, context=form.context)
    data = saved(done.book)
    with home.engine.begin() as connection:
        detail = {"cells": done.cells, "filled": done.filled, "fields": sorted(done.matched.by_meaning)}
        purpose = f"一表通填表，接收单位：{done.receiver}"
        context = done.matched.context
        logged(connection, account, "read", context, done.listed, purpose=purpose, count=done.rows, detail=detail)
    return onward(request, "forms.filled", keep(request, account, Ready(form.name, data, done), len(data)))


@router.get("/{ticket}/filled", name="forms.filled")
def shown(request: Request, account: Current, ticket: str) -> Response:
    """Say how much of the form nobody had to be asked for, and what is missing."""
    ready: Ready = taken(request, account, ticket, Ready)
    return page(
        request, "forms/filled.html", done=ready.done, ticket=ticket, name=ready.done.form.title or ready.name,
        lines=summary(ready.done), missing=_missing(ready.done),
    )  # fmt: skip


@router.get("/{ticket}/file", name="forms.file")
def file_(request: Request, account: Current, home: OfHome, ticket: str) -> Response:
    """Give the filled form."""
    ready: Ready = taken(request, account, ticket, Ready)
    with home.engine.begin() as connection:
        context, rows = ready.done.matched.context, ready.done.rows
        export.braked(
            connection, account, f"form {context} {ready.name}"[:200], f"一表通 {ready.name}"[:200], rows, subject_type=context,
            purpose=f"一表通导出，接收单位：{ready.done.receiver}"[:200], now=home.now(), settings=settings_of(request),
        )  # fmt: skip
    return workbook(ready.data, f"已填_{ready.name}")


@router.get("/{ticket}/gate", name="forms.gate")
def judged(
    request: Request, account: Current, home: OfHome, ticket: str, system: Annotated[str, Query(max_length=60)] = ""
) -> Response:
    """Say how much of the form is known already."""
    form: Read = taken(request, account, ticket, Read)
    where = None if account.role in EVERYWHERE else account.grids
    chosen = system if system in home.manifests else None
    done = gate(home, form.headings, form_title=form.form_title, grids=where, system=chosen, context=form.context)
    return page(request, "forms/gate.html", done=done, form=form, ticket=ticket)


def _match(home: Home, form: Read) -> Matched:
    with home.engine.connect() as connection:
        known = remembered(connection)
    return match(
        form.headings, home.manifests.values(), remembered=known, form_title=form.form_title, context=form.context
    )


def _matched(
    request: Request, account: Account, home: Home, ticket: str, form: Read, *, problem: str | None = None
) -> Response:
    found = _match(home, form)
    with home.engine.connect() as connection:
        places = list(account.grids) if account.role not in EVERYWHERE else [g for g, _ in grids.grids(connection)]
    systems = sorted(((m.id, f"{m.department}（{m.name}）") for m in home.manifests.values()), key=lambda s: s[1])
    return page(
        request, "forms/match.html", 422 if problem else 200, problem=problem, ticket=ticket, form=form, found=found, places=places,
        systems=systems, contexts=[(c, ENTITIES[c].cn) for c in CONTEXTS], choices=_meanings(found.context),
        selections=(ALL, *selections(found.context)), proposed=selection(found.context, None, form.form_title),
        words=_words, sure=sum(m.sure or m.free for m in found.columns),
    )  # fmt: skip


def _meanings(context: EntityType) -> Mapping[str, str]:
    """Return everything a column may mean, with its Chinese name."""
    fields = {f.name: f.cn for f in ENTITIES[context].fields}
    return {**{n: c.cn for n, c in computed(context).items()}, **fields}


def _selections(form: Read, home: Home) -> set[str]:
    return {s.id for s in (ALL, *selections(_match(home, form).context))}


def _words(m: Match, context: EntityType) -> str:
    return title(context, m.meaning) if m.meaning else ""


def _missing(done: Filled) -> Sequence[Any]:
    """Return the columns with what is missing in them: (heading, why, number of cells)."""
    counted: dict[tuple[str, str], int] = {}
    for m in done.missing:
        counted[m.heading, m.why] = counted.get((m.heading, m.why), 0) + 1
    return sorted(((h, w, n) for (h, w), n in counted.items()), key=lambda r: -r[2])

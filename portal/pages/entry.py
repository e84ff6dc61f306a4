"""Entering (录入): look for duplicates while typing, preview where each fact goes, save once, see who has received it."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Final

from fastapi import APIRouter, Body, Depends, Form, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, RedirectResponse, Response

from onefact import acts, guided
from onefact.acts import NEW, Act, ActConflict, ActRefused, Fact
from onefact.alike import Alike, alike
from onefact.household import card, household, node_of, shown
from onefact.reach import WORDS, reach
from onefact.received import WORDS as RECEIVED
from onefact.received import received, summary
from portal.access import Account, Current, Database, OfHome, Unknown, devices, logged
from portal.pages.records import door_of, save
from portal.pages.work import grids_of
from portal.view import page
from portal.view.cards import PATHS, details, facts_of, inputs_of
from portal.view.values import shown as as_seen
from schemas.entities import ENTITIES
from schemas.model import EntityType

router = APIRouter(include_in_schema=False)


async def _given(request: Request) -> list[tuple[str, str]]:
    """Return the fields of a form as they were sent; their names are not known beforehand."""
    return [(name, value) for name, value in (await request.form()).multi_items() if isinstance(value, str)]


Given = Annotated[list[tuple[str, str]], Depends(_given)]

KINDS: Final = {
    "correct": "更正", "check": "核查无变化", "undo": "撤销", **{g.kind: g.title for g in guided.GUIDES.values()},
}  # fmt: skip


@router.get("/places/{node_id}/guides/{kind}", name="guide.place")
def guide_place(
    request: Request, account: Current, connection: Database, home: OfHome, node_id: str, kind: str
) -> Response:
    """Ask what has to be known of something that happened at a door."""
    guide, door = _guide(kind, "place"), door_of(connection, home, node_id)
    logged(connection, account, "read", "household", [c.master_id for c in door.cards], purpose=guide.title)
    return _asking(
        request, guide, request.app.url_path_for("guide.place.take", node_id=node_id, kind=kind), door.full_text
    )


@router.post("/places/{node_id}/guides/{kind}", name="guide.place.take")
def guide_place_take(
    request: Request, account: Current, connection: Database, home: OfHome, form: Given, node_id: str, kind: str
) -> Response:
    """Turn the answers into facts and show where they go."""
    answers = _answers(form)
    guide, door = _guide(kind, "place"), door_of(connection, home, node_id)
    action = request.app.url_path_for("guide.place.take", node_id=node_id, kind=kind)
    if gaps := guided.missing(guide, answers):
        return _asking(request, guide, action, door.full_text, answers, gaps)
    facts = guided.facts(guide, answers, subject=None, address=door.full_text, today=home.now().date())
    return _previewed(request, account, connection, home, Act(answers["act_id"], kind, tuple(facts)), answers)


@router.get("/records/{entity_type}/{master_id}/guides/{kind}", name="guide.record")
def guide_record(
    request: Request, account: Current, connection: Database, home: OfHome, entity_type: str, master_id: str, kind: str
) -> Response:
    """Ask what has to be known of something that happened to a person or firm."""
    guide = _guide(kind, entity_type)
    logged(connection, account, "read", entity_type, [master_id], purpose=guide.title)
    action = request.app.url_path_for("guide.record.take", entity_type=entity_type, master_id=master_id, kind=kind)
    return _asking(
        request,
        guide,
        action,
        _address(connection, home, guide, master_id),
        mates=_mates(connection, home, guide, master_id),
    )


@router.post("/records/{entity_type}/{master_id}/guides/{kind}", name="guide.record.take")
def guide_record_take(
    request: Request,
    account: Current,
    connection: Database,
    home: OfHome,
    form: Given,
    entity_type: str,
    master_id: str,
    kind: str,
) -> Response:
    """Turn the answers into facts and show where they go."""
    answers = _answers(form)
    guide = _guide(kind, entity_type)
    address, mates = _address(connection, home, guide, master_id), _mates(connection, home, guide, master_id)
    gaps: Sequence[guided.Ask] = guided.missing(guide, answers)
    mate = answers.get("mate") if answers.get("mate") in dict(mates) else None
    if gaps or (guide.mate and not mate):
        action = request.app.url_path_for("guide.record.take", entity_type=entity_type, master_id=master_id, kind=kind)
        return _asking(request, guide, action, address, answers, gaps, mates)
    facts = guided.facts(guide, answers, subject=master_id, address=address, today=home.now().date(), mate=mate)
    return _previewed(request, account, connection, home, Act(answers["act_id"], kind, tuple(facts)), answers)


def _guide(kind: str, on: str) -> guided.Guide:
    guide = guided.GUIDES.get(kind)
    if guide is None or guide.on != on:
        raise Unknown
    return guide


def _answers(form: Given) -> dict[str, str]:
    return {"act_id": str(uuid.uuid4()), **dict(form)}


def _address(connection: Database, home: OfHome, guide: guided.Guide, master_id: str) -> str:
    if guide.on != "organisation":
        return ""
    found = card(connection, home, "organisation", master_id)
    return (found["address"].value or "") if found else ""


def _mates(connection: Database, home: OfHome, guide: guided.Guide, master_id: str) -> list[tuple[str, str]]:
    node = node_of(connection, "person", master_id) if guide.mate else None
    door = household(connection, home, node) if node else None
    return [(c.master_id, c.title) for c in door.persons if c.master_id != master_id] if door else []


def _asking(
    request: Request, guide: guided.Guide, action: str, address: str, answers: dict[str, str] | None = None,
    gaps: Sequence[guided.Ask] = (), mates: Sequence[tuple[str, str]] = (),
) -> Response:  # fmt: skip
    return page(
        request, "entry/guide.html", 422 if answers is not None else 200, guide=guide, action=action, address=address,
        answers=answers or {}, gaps={a.name for a in gaps}, mates=mates, act_id=(answers or {}).get("act_id", str(uuid.uuid4())),
        problem="请补全标出的项。" if answers is not None else None,
    )  # fmt: skip


@router.post("/entry/alike", name="entry.alike")
def alike_now(request: Request, account: Current, connection: Database, form: Given) -> Response:
    """Show who is known already that the one being typed may be."""
    answers = _answers(form)
    typed = {k.removeprefix("new."): v for k, v in answers.items() if k.startswith("new.") and v.strip()}
    entity: EntityType = "organisation" if answers.get("makes") == "organisation" else "person"
    found = alike(connection, entity, typed, grids_of(account))
    if found:
        logged(connection, account, "read", entity, [a.master_id for a in found], purpose="录入查重", count=len(found))
    return page(request, "entry/alike.html", found=_told(account, found), answers=answers, paths=PATHS)


def _told(account: Account, found: Sequence[Alike]) -> list[tuple[Alike, str, list[tuple[str, str]]]]:
    title = {"person": "name", "organisation": "name"}
    return [
        (
            a,
            as_seen(account, ENTITIES[a.entity_type].field(title[a.entity_type]), a.title).text,
            details(account, a.entity_type, a.details),
        )
        for a in found
    ]


@router.post("/entry/preview", name="entry.preview")
def preview(request: Request, account: Current, connection: Database, home: OfHome, form: Given) -> Response:
    """Show, before anything is saved, where each changed field goes."""
    facts = facts_of(form)
    answers = _answers(form)
    return _previewed(request, account, connection, home, Act(answers["act_id"], "correct", tuple(facts)), answers)


def _previewed(
    request: Request, account: Account, connection: Database, home: OfHome, act: Act, answers: dict[str, str]
) -> Response:
    """The page between typing and saving; raises `Unknown` for a record that the account may not see."""
    if not act.facts:
        return page(request, "entry/nothing.html", 422)
    ids = {f.entity for f in act.facts if not f.entity.startswith(NEW)}
    titles = {}
    for entity_type, entity in dict.fromkeys((f.entity_type, f.entity) for f in act.facts if f.entity in ids):
        found = card(connection, home, entity_type, entity)
        if found is None:
            raise Unknown
        titles[entity] = found.title
    open_ = _unanswered(connection, account, act, answers)
    act = _same_as(act, answers)
    told = reach(connection, home, [(f.entity_type, f.entity, f.field) for f in act.facts])
    logged(connection, account, "read", "act", sorted(ids), purpose="录入前核对去向")
    lines = [
        (
            f,
            ENTITIES[f.entity_type].field(f.field),
            shown(ENTITIES[f.entity_type].field(f.field), f.value),
            r,
            titles.get(f.entity, "新登记"),
        )
        for f, r in zip(act.facts, told, strict=True)
    ]
    return page(
        request, "entry/preview.html", lines=lines, words=WORDS, act=act, inputs=inputs_of(act.facts), title=KINDS.get(act.kind, "录入"),
        open_=_told(account, open_), answers=answers, paths=PATHS, problems=(), standing=(),
    )  # fmt: skip


def _typed(act: Act) -> tuple[EntityType, dict[str, str]] | None:
    new = [f for f in act.facts if f.entity == NEW]
    return (new[0].entity_type, {f.field: f.value for f in new}) if new else None


def _unanswered(connection: Database, account: Account, act: Act, answers: dict[str, str]) -> list[Alike]:
    """Return the possible duplicates that nobody has said yes or no to."""
    typed = _typed(act)
    if typed is None:
        return []
    found = alike(connection, typed[0], typed[1], grids_of(account))
    return [a for a in found if answers.get(f"alike.{a.master_id}") not in {"same", "other"}]


def _same_as(act: Act, answers: dict[str, str]) -> Act:
    """Put the facts of the new one to the known one that it was said to be."""
    same = [k.removeprefix("alike.") for k, v in answers.items() if k.startswith("alike.") and v == "same"]
    if len(same) != 1:
        return act
    return replace(act, facts=tuple(replace(f, entity=same[0]) if f.entity == NEW else f for f in act.facts))


@router.post("/entry/save", name="entry.save")
def keep(request: Request, account: Current, connection: Database, home: OfHome, form: Given) -> Response:
    """Save; what somebody else has changed meanwhile is shown and nothing is overwritten."""
    answers = _answers(form)
    act = Act(answers["act_id"], answers.get("kind", "correct")[:20], tuple(facts_of(form)))
    open_ = _unanswered(connection, account, act, answers)
    if open_:
        return _previewed(request, account, connection, home, act, answers)
    try:
        taken = save(request, account, home, _same_as(act, answers))
    except (ActRefused, ActConflict) as problem:
        return _again(request, account, act, problem)
    return RedirectResponse(request.app.url_path_for("outbox.own.act", act_id=taken.act_id), status_code=303)


def _again(request: Request, account: Account, act: Act, problem: ActRefused | ActConflict) -> Response:
    if isinstance(problem, ActConflict):
        return page(
            request, "entry/conflict.html", 409, **_conflict(account, act, problem), title=KINDS.get(act.kind, "录入")
        )
    return page(request, "entry/refused.html", 422, problems=problem.problems, title=KINDS.get(act.kind, "录入"))


def _conflict(account: Account, act: Act, problem: ActConflict) -> dict[str, object]:
    """What stands now beside what was typed, and the inputs to save over it knowingly."""
    typed = {(f.entity, f.field): f.value for f in act.facts}
    stamps = {(s.entity, s.field): s.stamp for s in problem.fields}
    sides = [
        (s, as_seen(account, ENTITIES[s.entity_type].field(s.field), s.value).text, typed.get((s.entity, s.field), ""))
        for s in problem.fields
    ]
    mine = [replace(f, seen=stamps.get((f.entity, f.field), f.seen)) for f in act.facts]
    rest = [f for f in act.facts if (f.entity, f.field) not in stamps]
    return {"sides": sides, "act": act, "mine": inputs_of(mine), "rest": inputs_of(rest), "new_id": str(uuid.uuid4())}


class Sent(BaseModel):
    """One fact as a device sends it."""

    model_config = ConfigDict(extra="forbid")

    entity_type: str = Field(max_length=20)
    entity: str = Field(max_length=40)
    field: str = Field(max_length=60)
    value: str = Field(max_length=400)
    seen: str | None = Field(default=None, max_length=16)


class Saved(BaseModel):
    """One act as a device sends it from its outbox."""

    model_config = ConfigDict(extra="forbid")

    act_id: str = Field(max_length=36)
    kind: str = Field(max_length=20)
    facts: list[Sent] = Field(max_length=acts.MOST)


@router.post("/entry/sync", name="entry.sync")
def sync(request: Request, account: Current, home: OfHome, sent: Annotated[Saved, Body()]) -> Response:
    """Take one act from a device's outbox; the answer is the item's state there."""
    facts = tuple(Fact(f.entity_type, f.entity, f.field, f.value, f.seen) for f in sent.facts)  # type: ignore[arg-type]
    try:
        taken = save(request, account, home, Act(sent.act_id, sent.kind, facts))
    except ActRefused as problem:
        return JSONResponse({"state": "refused", "why": str(problem)}, status_code=422)
    except ActConflict as problem:
        standing = [
            {"entity": s.entity, "field": s.field, "cn": s.cn, "stamp": s.stamp,
             "value": as_seen(account, ENTITIES[s.entity_type].field(s.field), s.value).text}
            for s in problem.fields
        ]  # fmt: skip
        return JSONResponse({"state": "conflict", "why": str(problem), "standing": standing}, status_code=409)
    return JSONResponse(
        {"state": "taken", "receipt": taken.act_id, "at": taken.at.isoformat(timespec="seconds"), "repeated": taken.repeated,
         "where": request.app.url_path_for("outbox.own.act", act_id=taken.act_id)}
    )  # fmt: skip


@router.get("/entries", name="outbox.own")
def own(request: Request, account: Current, connection: Database, home: OfHome) -> Response:
    """List what this account has entered and where it has got to."""
    done = acts.recent(connection, account.login, limit=20)
    told = [(a, summary(received(connection, home, a)), any(not x.taken for x in a.lines)) for a in done]
    return page(request, "entry/own.html", told=told, kinds=KINDS, words=RECEIVED)


@router.get("/entries/{act_id}", name="outbox.own.act")
def one(request: Request, account: Current, connection: Database, home: OfHome, act_id: str) -> Response:
    """谁已收到: system by system what became of one act."""
    try:
        done = acts.find(connection, act_id)
    except KeyError:
        raise Unknown from None
    if done.actor != account.login and account.role == "worker":
        raise Unknown
    told = received(connection, home, done)
    lines = [(r, as_seen(account, r.field, r.line.value).text) for r in told]
    waiting = any(r.working or r.count("queued", "sent") for r in told)
    template = "entry/received.html" if request.headers.get("HX-Request") else "entry/act.html"
    return page(
        request, template, done=done, lines=lines, kinds=KINDS, summary=summary(told), words=RECEIVED, waiting=waiting, new_id=str(uuid.uuid4()),
        own=done.actor == account.login,
    )  # fmt: skip


@router.post("/entries/{act_id}/undo", name="entry.undo")
def undo(
    request: Request, account: Current, home: OfHome, act_id: str, new_id: Annotated[str, Form(max_length=36)] = ""
) -> Response:
    """Take an own act back by a new one."""
    try:
        taken = acts.undo(home, act_id, str(uuid.UUID(new_id)), account.login, devices.origin(request, "撤销录入"))
    except ValueError:
        raise Unknown from None
    except ActRefused as problem:
        return page(request, "entry/refused.html", 422, problems=problem.problems, title="撤销")
    return RedirectResponse(request.app.url_path_for("outbox.own.act", act_id=taken.act_id), status_code=303)

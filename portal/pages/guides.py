"""Guided acts (情景办理): one thing that happened is asked for once, and changes all the facts concerned."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import cast

from fastapi import APIRouter, Request
from starlette.responses import Response

from onefact import guided
from onefact.acts import Act
from onefact.household import card, household, node_of
from portal.access import Current, Database, OfHome, Unknown, logged
from portal.pages.entering import Given, answers_of, previewed
from portal.pages.records import door_of
from portal.view import page
from portal.view.guides import spec
from schemas.model import EntityType

router = APIRouter(include_in_schema=False)


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
    answers = answers_of(form)
    guide, door = _guide(kind, "place"), door_of(connection, home, node_id)
    action = request.app.url_path_for("guide.place.take", node_id=node_id, kind=kind)
    if gaps := guided.missing(guide, answers):
        return _asking(request, guide, action, door.full_text, answers, gaps)
    facts = guided.facts(guide, answers, subject=None, address=door.full_text, today=home.now().date())
    return previewed(request, account, connection, home, Act(answers["act_id"], kind, tuple(facts)), answers)


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
        who=_who(connection, home, entity_type, master_id),
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
    answers = answers_of(form)
    guide = _guide(kind, entity_type)
    address, mates = _address(connection, home, guide, master_id), _mates(connection, home, guide, master_id)
    gaps: Sequence[guided.Ask] = guided.missing(guide, answers)
    mate = answers.get("mate") if answers.get("mate") in dict(mates) else None
    if gaps or (guide.mate and not mate):
        action = request.app.url_path_for("guide.record.take", entity_type=entity_type, master_id=master_id, kind=kind)
        return _asking(request, guide, action, address, answers, gaps, mates)
    facts = guided.facts(guide, answers, subject=master_id, address=address, today=home.now().date(), mate=mate)
    return previewed(request, account, connection, home, Act(answers["act_id"], kind, tuple(facts)), answers)


def _guide(kind: str, on: str) -> guided.Guide:
    guide = guided.GUIDES.get(kind)
    if guide is None or guide.on != on:
        raise Unknown
    return guide


def _address(connection: Database, home: OfHome, guide: guided.Guide, master_id: str) -> str:
    if guide.on != "organisation":
        return ""
    found = card(connection, home, "organisation", master_id)
    return (found["address"].value or "") if found else ""


def _mates(connection: Database, home: OfHome, guide: guided.Guide, master_id: str) -> list[tuple[str, str]]:
    node = node_of(connection, "person", master_id) if guide.mate else None
    door = household(connection, home, node) if node else None
    return [(c.master_id, c.title) for c in door.persons if c.master_id != master_id] if door else []


def _who(connection: Database, home: OfHome, entity_type: str, master_id: str) -> str:
    found = card(connection, home, cast("EntityType", entity_type), master_id)
    return found.title if found else ""


def _asking(
    request: Request, guide: guided.Guide, action: str, address: str, answers: dict[str, str] | None = None,
    gaps: Sequence[guided.Ask] = (), mates: Sequence[tuple[str, str]] = (), who: str = "",
) -> Response:  # fmt: skip
    return page(
        request, "entry/guide.html", 422 if answers is not None else 200, guide=guide, spec=spec(guide), action=action, address=address,
        answers=answers or {}, gaps={a.name for a in gaps}, mates=mates, who=who, act_id=(answers or {}).get("act_id", str(uuid.uuid4())),
        problem="请补全标出的项。" if answers is not None else None,
    )  # fmt: skip

"""Entering (录入): look for duplicates while typing, preview where each fact goes, save once."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from onefact.acts import Act, ActConflict, ActRefused
from onefact.alike import alike
from portal.access import Current, Database, OfHome, logged
from portal.pages.entering import KINDS, Given, again, answers_of, known_as, previewed, resolved, same_as, unanswered
from portal.pages.records import save
from portal.pages.work import grids_of
from portal.view import page
from portal.view.cards import PATHS, facts_of
from schemas.model import EntityType

router = APIRouter(include_in_schema=False)


@router.post("/entry/alike", name="entry.alike")
def alike_now(request: Request, account: Current, connection: Database, form: Given) -> Response:
    """Show who is known already that the one being typed may be."""
    answers = answers_of(form)
    typed = {k.removeprefix("new."): v for k, v in answers.items() if k.startswith("new.") and v.strip()}
    entity: EntityType = "organisation" if answers.get("makes") == "organisation" else "person"
    found = alike(connection, entity, typed, grids_of(account))
    if found:
        logged(connection, account, "read", entity, [a.master_id for a in found], purpose="录入查重", count=len(found))
    return page(request, "entry/alike.html", found=known_as(account, found), answers=answers, paths=PATHS)


@router.post("/entry/preview", name="entry.preview")
def preview(request: Request, account: Current, connection: Database, home: OfHome, form: Given) -> Response:
    """Show, before anything is saved, where each changed field goes."""
    facts = facts_of(form)
    answers = answers_of(form)
    kind = answers["kind"] if answers.get("kind") in KINDS else "correct"
    return previewed(request, account, connection, home, Act(answers["act_id"], kind, tuple(facts)), answers)


@router.post("/entry/save", name="entry.save")
def keep(request: Request, account: Current, connection: Database, home: OfHome, form: Given) -> Response:
    """Save; what somebody else has changed meanwhile is shown and nothing is overwritten."""
    answers = answers_of(form)
    act = Act(answers["act_id"], answers.get("kind", "correct")[:20], tuple(facts_of(form)))
    open_ = unanswered(connection, account, act, answers)
    if open_:
        return previewed(request, account, connection, home, act, answers)
    try:
        taken = save(request, account, home, same_as(resolved(connection, home, act), answers))
    except (ActRefused, ActConflict) as problem:
        return again(request, account, act, problem)
    return RedirectResponse(request.app.url_path_for("outbox.own.act", act_id=taken.act_id), status_code=303)

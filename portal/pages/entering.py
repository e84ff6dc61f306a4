"""What the pages of entering share: what was typed, who may be known already, where it goes, what has changed meanwhile."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Final

from fastapi import Depends, Request
from starlette.responses import Response

from onefact import acts, guided
from onefact.acts import NEW, Act, ActConflict, ActRefused, Fact, Problem
from onefact.alike import Alike, alike
from onefact.household import card, shown
from onefact.reach import WORDS, reach
from portal.access import Account, Database, OfHome, Unknown, logged
from portal.pages.work import grids_of
from portal.view import page
from portal.view.cards import CHOSEN, PATHS, SEPARATOR, details, inputs_of, offered, options
from portal.view.values import shown as as_seen
from schemas.entities import ENTITIES
from schemas.model import EntityType


async def _given(request: Request) -> list[tuple[str, str]]:
    """Return the fields of a form as they were sent; their names are not known beforehand."""
    return [(name, value) for name, value in (await request.form()).multi_items() if isinstance(value, str)]


Given = Annotated[list[tuple[str, str]], Depends(_given)]

KINDS: Final = {
    "correct": "更正", "check": "核查无变化", "undo": "撤销", **{g.kind: g.title for g in guided.GUIDES.values()},
}  # fmt: skip


def answers_of(form: Given) -> dict[str, str]:
    """Return the fields of a form by name; an act without an id gets one."""
    return {"act_id": str(uuid.uuid4()), **dict(form)}


def known_as(account: Account, found: Sequence[Alike]) -> list[tuple[Alike, str, list[tuple[str, str]]]]:
    """Return possible duplicates with title and details as the account may see them."""
    title = {"person": "name", "organisation": "name"}
    return [
        (
            a,
            as_seen(account, ENTITIES[a.entity_type].field(title[a.entity_type]), a.title).text,
            details(account, a.entity_type, a.details),
        )
        for a in found
    ]


def previewed(
    request: Request, account: Account, connection: Database, home: OfHome, act: Act, answers: dict[str, str]
) -> Response:
    """The page between typing and saving; raises `Unknown` for a record that the account may not see."""
    if not act.facts:
        return page(request, "entry/nothing.html", 422)
    if answers.get("edit"):
        return edited(request, act, answers)
    try:
        sent, act = act, resolved(connection, home, act)
        values = acts.look(act, home.now().date())
    except ActRefused as problem:
        return edited(request, act, answers, problem)
    given = {(f.entity, f.field): f.value for f in sent.facts}
    ids = {f.entity for f in act.facts if not f.entity.startswith(NEW)}
    titles = {}
    for entity_type, entity in dict.fromkeys((f.entity_type, f.entity) for f in act.facts if f.entity in ids):
        found = card(connection, home, entity_type, entity)
        if found is None:
            raise Unknown
        titles[entity] = found.title
    open_ = unanswered(connection, account, act, answers)
    act = same_as(act, answers)
    told = reach(connection, home, [(f.entity_type, f.entity, f.field) for f in act.facts], values=values)
    logged(connection, account, "read", "act", sorted(ids), purpose="录入前核对去向")
    lines = [
        (
            f,
            ENTITIES[f.entity_type].field(f.field),
            _as_typed(account, f, given.get((f.entity, f.field), f.value)),
            r,
            titles.get(f.entity, "新登记"),
        )
        for f, r in zip(act.facts, told, strict=True)
    ]
    return page(
        request, "entry/preview.html", lines=lines, words=WORDS, act=act, inputs=inputs_of(same_as(sent, answers).facts), title=KINDS.get(act.kind, "录入"),
        open_=known_as(account, open_), answers=answers, paths=PATHS, problems=(), standing=(),
    )  # fmt: skip


def _as_typed(account: Account, fact: Fact, given: str) -> str:
    """What was typed as it was typed; a value chosen from what is known stays masked."""
    field = ENTITIES[fact.entity_type].field(fact.field)
    return as_seen(account, field, fact.value).text if given.startswith(CHOSEN) else shown(field, fact.value)


def resolved(connection: Database, home: OfHome, act: Act) -> Act:
    """Put the values in place that were chosen from a list: pages name them, they do not hold them.

    Raises:
        ActRefused: what was chosen is no longer there.
    """
    told = []
    for f in act.facts:
        if not f.value.startswith(CHOSEN):
            told.append(f)
            continue
        found = card(connection, home, f.entity_type, f.entity)
        known = next((v for v in found.values if v.field.name == f.field), None) if found else None
        values = offered(known) if known else {}
        if f.value not in values:
            cn = ENTITIES[f.entity_type].field(f.field).cn
            raise ActRefused([Problem(f.entity, f.field, f"{cn}：所选的值刚刚变了，请回到户页重新选择。")])
        told.append(replace(f, value=values[f.value]))
    return replace(act, facts=tuple(told))


def edited(request: Request, act: Act, answers: dict[str, str], problem: ActRefused | None = None) -> Response:
    """The typed values once more, to be put right: nothing that was typed is lost."""
    wrong = {(p.entity, p.field) for p in problem.problems} if problem else set()
    lines = []
    for number, f in enumerate(act.facts):
        field = ENTITIES.get(f.entity_type)
        if field and f.field in field.names:
            declared = field.field(f.field)
            lines.append(
                (number, f, declared, options(declared), f.value.startswith(CHOSEN), (f.entity, f.field) in wrong)
            )
    return page(
        request, "entry/edit.html", 422 if problem else 200, lines=lines, act=act, problems=problem.problems if problem else (),
        title=KINDS.get(act.kind, "录入"), answers=answers, separator=SEPARATOR,
    )  # fmt: skip


def _typed(act: Act) -> tuple[EntityType, dict[str, str]] | None:
    new = [f for f in act.facts if f.entity == NEW]
    return (new[0].entity_type, {f.field: f.value for f in new}) if new else None


def unanswered(connection: Database, account: Account, act: Act, answers: dict[str, str]) -> list[Alike]:
    """Return the possible duplicates that nobody has said yes or no to."""
    typed = _typed(act)
    if typed is None:
        return []
    found = alike(connection, typed[0], typed[1], grids_of(account))
    return [a for a in found if answers.get(f"alike.{a.master_id}") not in {"same", "other"}]


def same_as(act: Act, answers: dict[str, str]) -> Act:
    """Put the facts of the new one to the known one that it was said to be."""
    same = [k.removeprefix("alike.") for k, v in answers.items() if k.startswith("alike.") and v == "same"]
    if len(same) != 1:
        return act
    return replace(act, facts=tuple(replace(f, entity=same[0]) if f.entity == NEW else f for f in act.facts))


def again(request: Request, account: Account, act: Act, problem: ActRefused | ActConflict) -> Response:
    """Show what keeps an act from being taken: what is wrong, or what somebody else has changed meanwhile."""
    if isinstance(problem, ActConflict):
        return page(
            request, "entry/conflict.html", 409, **_conflict(account, act, problem), title=KINDS.get(act.kind, "录入")
        )
    return edited(request, act, {}, problem)


def _conflict(account: Account, act: Act, problem: ActConflict) -> dict[str, object]:
    """What stands now beside what was typed, and the inputs to save over it knowingly."""
    typed = {(f.entity, f.field): "（您所选的值）" if f.value.startswith(CHOSEN) else f.value for f in act.facts}
    stamps = {(s.entity, s.field): s.stamp for s in problem.fields}
    sides = [
        (s, as_seen(account, ENTITIES[s.entity_type].field(s.field), s.value).text, typed.get((s.entity, s.field), ""))
        for s in problem.fields
    ]
    mine = [replace(f, seen=stamps.get((f.entity, f.field), f.seen)) for f in act.facts]
    rest = [f for f in act.facts if (f.entity, f.field) not in stamps]
    return {"sides": sides, "act": act, "mine": inputs_of(mine), "rest": inputs_of(rest), "new_id": str(uuid.uuid4())}

"""Conflicts and duplicates to settle (冲突与重复): two values or two records side by side, the evidence, one tap; with history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, cast

import sqlalchemy as sa
from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from onefact import explain, review, worklist
from onefact.household import Card, cards
from onefact.review import Answer, Question
from onefact.sides import JudgementRefused
from portal.access import Account, Current, Database, OfHome, Unknown, devices, logged
from portal.pages.work import grids_of
from portal.view import page
from portal.view.cards import PATHS
from portal.view.values import Shown, shown
from schemas.entities import ENTITIES
from warehouse.tables import EDGE, REVIEW

router = APIRouter(include_in_schema=False)

WHY: Final = {
    "uncertain": "相像，但证据不够，由人来定",
    "bridge": "归并会连接两个已确立的对象，不自动归并",
    "ambiguous": "还有同样相像的其他对象",
    "two_numbers": "双方各有不同的有效号码",
}
"""Reason of a question -> in words."""

PURPOSE: Final = "处理冲突或重复"

ANSWERS: Final = {"accept": "是同一个", "reject": "不是同一个", "undecided": "现在无法判断"}

UNSEEN: Final = "有一方不在您的网格内，或已不在，您看不到双方，请由数据管理员判定。"

STATES: Final = {"accepted": "已合并", "rejected": "已判定不同", "undecided": "暂不能定", "closed": "已关闭"}


@dataclass(frozen=True, slots=True)
class Side:
    """One field of the two records: both values as they may be seen, and whether they agree."""

    cn: str
    left: Shown
    right: Shown
    left_from: str
    right_from: str
    agree: str


@router.get("/settle", name="settle")
def list_(request: Request, account: Current, connection: Database, home: OfHome) -> Response:
    """List both kinds, the one whose answer changes most first."""
    found = worklist.worklist(connection, home, grids_of(account))
    disputes = [t for t in found.tasks if t.kind == "conflict" and t.number is None]
    pairs = [t for t in found.tasks if t.kind == "conflict" and t.number is not None]
    query = (
        sa.select(REVIEW)
        .where(REVIEW.c.state.in_(("accepted", "rejected", "undecided")))
        .order_by(REVIEW.c.decided_at.desc())
    )
    done = connection.execute(query.limit(20)).mappings().all()
    logged(connection, account, "read", "review", purpose=PURPOSE, count=len(disputes) + len(pairs))
    return page(
        request,
        "settle/list.html",
        disputes=disputes,
        pairs=pairs,
        done=done,
        states=STATES,
        paths=PATHS,
        cn=lambda e: ENTITIES[e].cn,
    )


@router.get("/settle/{number:int}", name="settle.show")
def show(request: Request, account: Current, connection: Database, home: OfHome, number: int) -> Response:
    """Show the two side by side with what speaks for and against."""
    return _shown(request, account, connection, home, number)


def _question(connection: Database, home: OfHome, number: int) -> Question:
    """Return a question that may be seen (the database keeps it to the own grids); raises `Unknown`."""
    if connection.execute(sa.select(REVIEW.c.review_id).where(REVIEW.c.review_id == number)).first() is None:
        raise Unknown
    return review.question(home, number)


def _shown(
    request: Request, account: Account, connection: Database, home: OfHome, number: int, problem: str | None = None
) -> Response:
    asked = _question(connection, home, number)
    ids = [i for i in (asked.left.master_id, asked.right.master_id) if i]
    left, right = _both(connection, home, asked)
    keys = [asked.left.record.record_key, asked.right.record.record_key]
    edges = connection.execute(
        sa.select(EDGE).where(EDGE.c.left_key.in_(keys), EDGE.c.right_key.in_(keys)).order_by(EDGE.c.created_at)
    ).mappings().all()  # fmt: skip
    logged(connection, account, "read", asked.entity_type, ids, purpose=PURPOSE)
    return page(
        request, "settle/show.html", 409 if problem else 200, asked=asked, left=left, right=right, why=WHY[asked.reason],
        sides=_sides(account, left, right), edges=edges, answers=ANSWERS, states=STATES, problem=problem,
        proposal=_proposal(asked, left, right), proposed=_proposed(asked, left, right), unseen=UNSEEN, waterfall=explain.waterfall(home, connection, number),
    )  # fmt: skip


def _both(connection: Database, home: OfHome, asked: Question) -> tuple[Card | None, Card | None]:
    """Return the two as far as the account may see them: the database shows no one of another's grid."""
    ids = [i for i in (asked.left.master_id, asked.right.master_id) if i]
    found = {c.master_id: c for c in cards(connection, home, asked.entity_type, ids)}
    return found.get(asked.left.master_id or ""), found.get(asked.right.master_id or "")


def _unseen(connection: Database, home: OfHome, asked: Question) -> str | None:
    """Say why somebody who cannot see both sides does not judge; None when both are to be seen."""
    return UNSEEN if None in _both(connection, home, asked) else None


def _two_numbers(asked: Question, left: Card | None, right: Card | None) -> bool:
    """Whether each side has a number of its own: two different valid ones are two, whatever else is alike."""
    if asked.reason == "two_numbers" or left is None or right is None:
        return asked.reason == "two_numbers"
    others = {v.field.name: v.value for v in right.values}
    return any(
        v.value and others.get(v.field.name) and v.value != others[v.field.name]
        for v in left.values
        if v.field.kind in {"id_number", "uscc"}
    )


def _proposal(asked: Question, left: Card | None, right: Card | None) -> str:
    """What the rule would say if it had to."""
    if _two_numbers(asked, left, right):
        return "不是同一个：有效号码不同。除非确认其中一个号码登记有误。"
    if asked.weight is not None and asked.weight > 0:
        return f"倾向同一个：像的程度 {asked.weight:.1f}（越大越像，0 为说不准）。"
    return "倾向不同：证据不足。"


def _proposed(asked: Question, left: Card | None, right: Card | None) -> str:
    """The answer that the rule proposes: its button is the first and the coloured one."""
    return "accept" if not _two_numbers(asked, left, right) and (asked.weight or 0) > 0 else "reject"


def _sides(account: Account, left: Card | None, right: Card | None) -> list[Side]:
    if left is None or right is None:
        return []
    told = []
    others = {v.field.name: v for v in right.values}
    for v in left.values:
        other = others.get(v.field.name)
        if other is None or (v.value is None and other.value is None):
            continue
        agree = "缺一方" if v.value is None or other.value is None else "一致" if v.value == other.value else "不同"
        told.append(
            Side(
                v.field.cn,
                shown(account, v.field, v.value),
                shown(account, v.field, other.value),
                v.system,
                other.system,
                agree,
            )
        )
    order = {"不同": 0, "一致": 1, "缺一方": 2}
    return sorted(told, key=lambda s: order[s.agree])


@router.post("/settle/{number:int}", name="settle.decide")
def decide(
    request: Request, account: Current, connection: Database, home: OfHome, number: int,
    answer: Annotated[str, Form(max_length=12)] = "", reason: Annotated[str, Form(max_length=200)] = "",
) -> Response:  # fmt: skip
    """Answer; the next run merges or keeps apart."""
    asked = _question(connection, home, number)
    if answer not in ANSWERS:
        return _shown(request, account, connection, home, number, "请选择一个判定。")
    if unseen := _unseen(connection, home, asked):
        return _shown(request, account, connection, home, number, unseen)
    try:
        review.decide(
            home,
            number,
            cast("Answer", answer),
            actor=account.login,
            reason=reason.strip() or None,
            origin=devices.origin(request, PURPOSE),
        )
    except JudgementRefused as problem:
        return _shown(request, account, connection, home, number, str(problem))
    return RedirectResponse(request.app.url_path_for("settle"), status_code=303)


@router.post("/settle/{number:int}/reopen", name="settle.reopen")
def reopen(request: Request, account: Current, connection: Database, home: OfHome, number: int) -> Response:
    """Take an answer back: what was merged by it comes apart again."""
    _question(connection, home, number)
    try:
        review.reopen(home, number, actor=account.login, reason="在门户撤回", origin=devices.origin(request, PURPOSE))
    except JudgementRefused as problem:
        return _shown(request, account, connection, home, number, str(problem))
    return RedirectResponse(request.app.url_path_for("settle"), status_code=303)

"""Showing the law's records and the tickets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

import typer

from onefact.cli import show
from onefact.cli.session import Session
from onefact.masking import mask
from schemas.entities import ENTITIES
from schemas.model import EntityType

WAITS = {
    "open": "办理中", "remind": "过半应催办", "overdue": "已逾期", "accepted": "已采纳", "refused": "未采纳", "withdrawn": "已撤回",
    "opened": "开单", "reminded": "已催办", "note": "备注",
}  # fmt: skip


def rules_(session: Session) -> None:
    """List the rules."""
    from onefact.law.rules import rules

    if session.as_json:
        session.emit([asdict(r) for r in rules()])
        return
    lines = [(r.id, r.cn, r.article) for r in rules()]
    session.console.print(show.table("禁止流动的规则 (rules)", ["编号", "规则", "依据"], lines))


def list_(session: Session, systems: Sequence[str] | None, all_: bool) -> None:
    """List the register."""
    from onefact.law import register

    found = register.lines(session.home, [m.id for m in session.home.chosen(systems)], all_=all_)
    if session.as_json:
        session.emit(found)
        return
    today = session.home.now().date()
    lines = [
        (
            r["system_id"], _field(r), "写入" if r["direction"] == "out" else "读取", r["receiver"], r["purpose"], r["document"],
            r["expires"], f"已撤销：{r['ended_why']}（{r['ended_by']}）" if r["ended_at"] else "已过期" if r["expires"] < today else "",
        )
        for r in found
    ]  # fmt: skip
    headers = ["系统", "字段", "方向", "接收单位", "目的", "文号", "有效期至", ""]
    session.console.print(show.table("授权登记 (register)", headers, lines))


def _field(row: Any) -> str:
    entity: EntityType = row["entity_type"]
    return f"{ENTITIES[entity].field(row['field']).cn} {entity}.{row['field']}"


def revoke(session: Session, system: str, field: str, direction: str, why: str) -> None:
    """End lines."""
    from onefact.law import register

    n = register.revoke(session.home, system, field, direction, session.actor, why)
    _done(session, {"system": system, "field": field, "revoked": n}, f"已撤销 {n} 项授权，立即生效：{system} {field}")


def grant(session: Session, system: str, field: str, direction: str, document: str, expires: str) -> None:
    """Open lines."""
    from onefact.law import register

    try:
        day = date.fromisoformat(expires)
    except ValueError as problem:
        raise typer.BadParameter("--expires is a day, e.g. 2027-12-31") from problem
    if day < session.home.now().date():
        raise typer.BadParameter("--expires lies in the past")
    n = register.grant(session.home, system, field, direction, session.actor, document, day)
    _done(
        session,
        {"system": system, "field": field, "granted": n},
        f"已登记 {n} 项授权：{system} {field}，{document}，至 {day}",
    )


def _done(session: Session, document: Any, sentence: str) -> None:
    if session.as_json:
        session.emit(document)
    else:
        session.console.print(sentence, highlight=False)


def refusals(session: Session, systems: Sequence[str] | None, limit: int) -> None:
    """List refused flows."""
    from onefact.law import records
    from onefact.law.check import UNAUTHORISED
    from onefact.law.rules import rules

    found = records.refusals(session.home, [m.id for m in session.home.chosen(systems)], limit)
    if session.as_json:
        session.emit(found)
        return
    named = {r.id: f"{r.cn}（{r.article}）" for r in rules()} | {UNAUTHORISED: "授权登记中没有有效授权"}
    lines = [
        (f"{r['at'].astimezone():%Y-%m-%d %H:%M}", r["system_id"], _field(r), named.get(r["rule"], r["rule"]),
         "登记时" if r["stage"] == "manifest" else "发送前", r["master_id"])
        for r in found
    ]  # fmt: skip
    session.console.print(
        show.table("拒绝流动记录 (refusals)", ["时间", "系统", "字段", "规则", "阶段", "对象"], lines)
    )


def sharing(session: Session, systems: Sequence[str] | None, days: int, limit: int) -> None:
    """List what was shared."""
    from onefact.law import records

    since = session.home.now().astimezone() - timedelta(days=days)
    found = records.sharing(session.home, [m.id for m in session.home.chosen(systems)], since, limit)
    session.read("law sharing", "master", sorted({r["master_id"] for r in found}), count=len(found))
    if session.as_json:
        session.emit(found)
        return
    lines = [
        (
            f"{r['at'].astimezone():%Y-%m-%d %H:%M:%S}", r["receiver"] or r["system_id"],
            "、".join(ENTITIES[r["entity_type"]].field(f).cn for f in r["fields"]), r["master_id"], r["purpose"],
            r["document"], "已核实" if r["state"] == "verified" else "已发出", r["receipt"],
        )
        for r in found
    ]  # fmt: skip
    headers = ["时间", "接收单位", "字段", "对象", "目的", "文号", "结果", "回执"]
    session.console.print(show.table("共享记录 (sharing)", headers, lines))


def tickets_(session: Session, closed: bool, limit: int, full: bool) -> None:
    """List tickets."""
    from onefact.law import tickets

    found = tickets.tickets(session.home, ("accepted", "refused", "withdrawn") if closed else ("open",), limit)
    session.read("ticket list", "ticket", [t.ticket_id for t in found], full=full)
    if session.as_json:
        session.emit([_document(t, full) for t in found])
        return
    lines = [
        (t.ticket_id, _cn(t), _value(t, full), t.department, f"{t.opened_at.astimezone():%Y-%m-%d}",
         f"{t.due_at.astimezone():%Y-%m-%d}", WAITS[t.waits], t.answer)
        for t in found
    ]  # fmt: skip
    headers = ["编号", "字段", "走访所见", "权威部门", "开单", "期限", "状态", "答复"]
    session.console.print(show.table("纠错工单 (tickets)", headers, lines, numeric=["编号"]))


def _cn(ticket: Any) -> str:
    return ENTITIES[ticket.entity_type].field(ticket.field).cn


def _value(ticket: Any, full: bool) -> str | None:
    field = ENTITIES[ticket.entity_type].field(ticket.field)
    value: str = ticket.value
    return value if full else mask(field, value)


def _document(ticket: Any, full: bool) -> dict[str, Any]:
    return {**asdict(ticket), "value": _value(ticket, full)}


def ticket(session: Session, number: int, full: bool) -> None:
    """Show one ticket."""
    from onefact.law import tickets

    found, events = tickets.show(session.home, number)
    session.read("ticket show", found.entity_type, [found.master_id], full=full, ticket=number)
    if session.as_json:
        session.emit({**_document(found, full), "events": events})
        return
    session.console.print(f"对象：{_whom(session, found, full)}", highlight=False)
    session.console.print(
        f"工单 {found.ticket_id}：{_cn(found)} {_value(found, full)}，{found.department}（{found.authority or '系统外'}），"
        f"期限 {found.due_at.astimezone():%Y-%m-%d}，{WAITS[found.waits]}",
        highlight=False,
    )
    lines = [(f"{e['at'].astimezone():%Y-%m-%d %H:%M}", WAITS[e["what"]], e["actor"], e["words"]) for e in events]
    session.console.print(show.table("工单流水 (events)", ["时间", "事项", "由谁", "内容"], lines))


def _whom(session: Session, found: Any, full: bool) -> str:
    """Whom a ticket is about: what it is, its name as it may be shown, and the id that stands for it now."""
    from onefact import enter

    cn = ENTITIES[found.entity_type].cn
    stands = enter.find(session.home, found.master_id, found.entity_type)
    if not stands:
        return f"{cn} {found.master_id}（现已没有来源记录）"
    title = ENTITIES[found.entity_type].field(enter.TITLES[found.entity_type])
    name = stands[0].name if full or not stands[0].name else mask(title, stands[0].name)
    moved = "" if stands[0].master_id == found.master_id else f"（开单时为 {found.master_id}，后已合并）"
    return f"{cn} {name or '（无名）'}，主数据 {stands[0].master_id}{moved}"


def answer(session: Session, number: int, what: str, words: str) -> None:
    """Note an answer."""
    from onefact.law import tickets

    tickets.answer(session.home, number, what, session.actor, words)
    _done(session, {"ticket": number, "what": what}, f"已记录：工单 {number} {WAITS[what]}")

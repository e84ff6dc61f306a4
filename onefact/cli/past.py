"""Trace on a past day on the command line: call, show in Chinese, masked."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from onefact.cli import show
from onefact.cli.session import Session
from onefact.masking import mask, mask_key, mask_keys
from onefact.report.view import STATES
from schemas.entities import ENTITIES
from warehouse.sealed import ACTS

if TYPE_CHECKING:
    from onefact.past.answer import PastClaim, PastField, PastTrace


def trace(session: Session, wanted: str, on: str, field: str | None, full: bool) -> None:
    """Show what a golden record was on a day."""
    from onefact.past.answer import trace_on

    told = trace_on(session.home, wanted, on, field)
    session.read("trace --on", told.entity_type, [told.master_id], full=full, field=field, on=on)
    if session.as_json:
        session.emit(asdict(told) if full else mask_keys(asdict(_masked(told))))
        return
    cn = ENTITIES[told.entity_type].cn
    session.console.print(
        f"{cn} {told.master_id}，{_time(told.at)} 的情况：来源记录 {len(told.records)} 条，归集 {told.run_id or '（未登记）'}",
        highlight=False,
    )
    session.console.print(f"政策 {_policy(told)}", highlight=False)
    for one in told.fields:
        _show(session, told, one, full)
    _seen(session, told)
    if told.missing:
        session.console.print(
            f"[yellow]![/] {len(told.missing)} 个批次的着陆文件已删除，其中的原始记录无法再出示。", highlight=False
        )


def _masked(told: PastTrace) -> PastTrace:
    entity = ENTITIES[told.entity_type]

    def one(f: PastField) -> PastField:
        seen = partial(mask, entity.field(f.field))
        return replace(
            f,
            value=_shown(f.value, seen),
            source=None if f.source is None else mask_key(f.source),
            spell=replace(
                f.spell, value=_shown(f.spell.value, seen), ref=None if f.spell.ref is None else mask_key(f.spell.ref)
            ),
            claims=tuple(replace(c, claim=replace(c.claim, value=seen(c.claim.value))) for c in f.claims),
            received=tuple(replace(r, value=_shown(r.value, seen)) for r in f.received),
        )

    return replace(told, fields=tuple(one(f) for f in told.fields))


def _shown(value: str | None, seen: partial[str]) -> str | None:
    return None if value is None else seen(value)


def _show(session: Session, told: PastTrace, one: PastField, full: bool) -> None:
    kind = ENTITIES[told.entity_type].field(one.field)
    seen = str if full else partial(mask, kind)
    rows = [
        [
            number, "★" if c.claim.wins else ("↺" if c.claim.echo else ""), seen(c.claim.value), c.claim.system_id,
            c.claim.record_key if full else mask_key(c.claim.record_key), c.claim.observed_at[:19], c.claim.rank,
        ]
        for number, c in enumerate(one.claims, 1)
    ]  # fmt: skip
    value = seen(one.value) if one.value is not None else "（无）"
    title = f"{one.cn} {one.field} = {value}（{one.rule}）"
    columns = ["", "", "候选值", "系统", "记录", "观察时间", "分级"]
    session.console.print(show.table(title, columns, rows, numeric=["分级"]))
    for number, c in enumerate(one.claims, 1):
        session.console.print(f"  {number} {_behind(c)}", highlight=False, soft_wrap=True)
    if one.order:
        ranks = "，".join(f"{system} {rank}" for system, rank in one.order[:8])
        session.console.print(f"  当时的取值次序：{ranks}", highlight=False, soft_wrap=True)
    spell = one.spell
    session.console.print(
        f"  自 {_time(spell.since) or '启用历史之前'}（{spell.began_by or '—'}）至 {_time(spell.until) or '今'}"
        + (f"（{spell.ended_by}）" if spell.ended_by else ""),
        highlight=False,
    )
    session.console.print(f"  按当时的来源重算：{one.check}" + (f"，{one.why}" if one.why else ""), highlight=False)
    for r in one.received:
        same = "" if r.value == one.value else "，送的是另一个值 " + (seen(r.value) if r.value else "（空）")
        receipt = f"，回执 {r.receipt}" if r.receipt else ""
        state = "已单向导出" if r.code == "exported" else STATES.get(r.state, r.state)
        session.console.print(
            f"  → {r.system_id}：{state}，{_time(r.at)}{receipt}{same}", highlight=False, soft_wrap=True
        )


def _policy(told: PastTrace) -> str:
    """Say by which version of the rules it was decided, and what has changed since."""
    by = told.policy
    if by.sha256 is None:
        return "版本当时未留存，按今天的规则重算"
    names = {"catalogue": "数据目录", "ranks": "权威与可信度"}
    changed = "、".join(names.get(c) or f"清单 {c.removeprefix('manifest/')}" for c in by.changed)
    return f"版本 {by.sha256[:16]}，自 {_time(by.since)} 采用；" + (
        f"与今天不同：{changed}" if changed else "与今天相同"
    )


def _behind(claim: PastClaim) -> str:
    """What stands behind a claim: an entry with its typist, or the landed row with its hash."""
    if claim.entry is not None:
        act = f"，录入动作 {claim.entry.act_id}" if claim.entry.act_id else ""
        device = f"，设备 {claim.entry.device}" if claim.entry.device else ""
        return f"录入：{claim.entry.actor}，{claim.entry.entered_at[:19]}{act}{device}"
    if claim.raw is None:
        return f"{claim.claim.batch_id}（原始记录已不在）"
    raw = claim.raw
    whole = "" if raw.intact else "；批次文件与登记的校验值不符"
    return f"{raw.batch_id}，{raw.place}，SHA-256 {raw.sha256[:16]}…{whole}"


def _seen(session: Session, told: PastTrace) -> None:
    session.console.print(f"谁看过：{len(told.seen)} 次" if told.seen else "谁看过：日志中没有", highlight=False)
    for s in told.seen[-20:]:
        when = datetime.fromisoformat(s.at)
        session.console.print(
            f"  {_time(when)} {s.actor}：{ACTS.get(s.act, s.act)}，{s.purpose or '未注明目的'}", highlight=False
        )


def _time(moment: datetime | None) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}" if moment else ""

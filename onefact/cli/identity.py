"""Review, merge, unmerge and whois on the command line: call, apply, show in Chinese, masked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from onefact.cli import show
from onefact.cli.session import Apply, Session
from onefact.enter import TITLES
from onefact.masking import mask, mask_key, mask_keys
from schemas.entities import ENTITIES
from schemas.model import EntityType

if TYPE_CHECKING:
    from onefact.merge import Judged
    from onefact.review import Answer, Asked, Question
    from onefact.whois import Evidence, Held, Identity
    from warehouse.judgements import Record

REASONS: Mapping[str, str] = {
    "uncertain": "相似，但不足以自动判定", "bridge": "会连接两个已确立的主数据", "ambiguous": "与两个主数据相似程度相当",
    "two_numbers": "很相似，但有效号码不同",
}  # fmt: skip
JUDGEMENTS: Mapping[str, str] = {
    "auto": "模型", "positive": "人工：同一", "negative": "人工：不是同一", "unsure": "人工：无法判断",
}  # fmt: skip
STATES: Mapping[str, str] = {
    "open": "待复核", "accepted": "已判同一", "rejected": "已判不是同一", "undecided": "无法判断", "closed": "已关闭",
}  # fmt: skip


def _title(entity_type: EntityType, title: str, full: bool) -> str:
    return title if full or not title else mask(ENTITIES[entity_type].field(TITLES[entity_type]), title)


def _record(record: Record, full: bool) -> str:
    return f"{record.system_id}/{record.record_key if full else mask_key(record.record_key)}"


def _time(moment: datetime | None, absent: str) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}" if moment else absent


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def questions(session: Session, entity: EntityType | None, state: str, page: int, limit: int, full: bool) -> None:
    """List a page of the questions."""
    from onefact import review as verb

    found, total = verb.questions(session.home, entity, page=page, limit=limit, state=state)
    session.read("review", "question", [q.number for q in found], full=full)
    if session.as_json:
        session.emit({"total": total, "page": page, "questions": [_masked(q, full) for q in found]})
        return
    if not found:
        rest = f"共 {total} 项，第 {page} 页没有内容。" if total else f"没有{STATES[state]}的事项。"
        session.console.print(rest)
        return
    rows = [
        [
            q.number, ENTITIES[q.entity_type].cn, _side(q, q.left, full), _side(q, q.right, full), REASONS[q.reason],
            _number(q.weight), _number(q.gain),
        ]
        for q in found
    ]  # fmt: skip
    columns = ["号", "对象", "甲", "乙", "为何要人判定", "权重", "影响"]
    session.console.print(
        show.table(f"{STATES[state]} {total} 项，影响大的在前", columns, rows, numeric=["号", "权重", "影响"])
    )
    pages = -(-total // limit)
    turn = f"第 {page}/{pages} 页，--page 翻页。" if pages > 1 else ""
    session.console.print(
        f"{turn}onefact review show 号：逐项对比；accept、reject、undecided 号：判定。", highlight=False
    )


def _side(question: Question, side: Asked, full: bool) -> str:
    named = _title(question.entity_type, side.title, full) or "（无名）"
    return f"{named}\n{_record(side.record, full)}，{side.records} 条记录"


def _masked(question: Question, full: bool) -> Any:
    document: dict[str, Any] = asdict(question)
    for side in ("left", "right"):
        document[side]["title"] = _title(question.entity_type, document[side]["title"], full)
    return document if full else mask_keys(document)


def question(session: Session, number: int, full: bool) -> None:
    """Show the two records of a question beside each other, and how their weight comes about."""
    from onefact import explain
    from onefact import review as verb
    from onefact.cli import explaining

    asked = verb.question(session.home, number)
    ids = [s.master_id for s in (asked.left, asked.right) if s.master_id]
    session.read("review show", asked.entity_type, ids, count=2, full=full, question=number)
    entity = ENTITIES[asked.entity_type]
    rows = []
    for c in verb.compared(session.home, asked):
        left, right = (v if full or not v else mask(entity.field(c.field), v) for v in (c.left, c.right))
        same = "" if not c.left or not c.right else ("同" if c.left == c.right else "异")
        rows.append({"field": c.field, "cn": entity.field(c.field).cn, "same": same, "left": left, "right": right})
    why = explain.of_question(session.home, asked)
    if session.as_json:
        told = {"verdict": explain.verdict(why), **asdict(why.told)} if why else None
        session.emit({**_masked(asked, full), "fields": rows, "explained": told})
        return
    session.console.print(
        f"第 {number} 号，{entity.cn}，{STATES[asked.state]}。{REASONS[asked.reason]}；"
        f"匹配权重 {_number(asked.weight) or '无'}（模型 {asked.model or '无'}），影响 {_number(asked.gain) or '未算'}。",
        highlight=False,
    )
    heads = [f"{which} {_record(s.record, full)}" for which, s in (("甲", asked.left), ("乙", asked.right))]
    session.console.print(
        show.table(
            "逐项对比",
            ["数据项", "", *heads],
            [[r["cn"], r["same"], r["left"] or "—", r["right"] or "—"] for r in rows],
        )
    )
    if why:
        explaining.waterfall(session, why, f"匹配权重（模型 {why.told.model}）")
    for which, side in (("甲", asked.left), ("乙", asked.right)):
        session.console.print(
            f"{which}现属主数据 {side.master_id or '无'}，共 {side.records} 条来源记录。", highlight=False
        )
    if asked.decided_by:
        reason = f"：{asked.decided_why}" if asked.decided_why else ""
        session.console.print(
            f"{_time(asked.decided_at, '')} 由 {asked.decided_by} 定为{STATES[asked.state]}{reason}", highlight=False
        )


def _apply(session: Session, apply: Apply) -> str | None:
    """Run the consolidation that makes a judgement hold; return a sentence when that has to wait."""
    from onefact import consolidate as consolidation
    from warehouse.duck import WarehouseBusy

    if apply.dry_run:
        return "（试运行）以上均未记录，数据没有改变。"
    if apply.later:
        return "已记录；下次 onefact consolidate 时生效。"
    try:
        consolidation.consolidate(session.home)
    except WarehouseBusy:
        return "已记录；另一条 onefact 命令正在使用工作副本，下次 onefact consolidate 时生效。"
    return None


def decide(session: Session, number: int, answer: Answer, reason: str | None, apply: Apply) -> None:
    """Answer a question and say what became of it."""
    from onefact import review as verb

    done = verb.decide(session.home, number, answer, actor=session.actor, reason=reason, dry_run=apply.dry_run)
    said = f"第 {number} 号：{JUDGEMENTS[done.judgement].removeprefix('人工：')}，判定人 {session.actor}。"
    if done.overruled:
        said += f"为此撤回了 {done.overruled} 条“不是同一”的判定。"
    _tell(session, said, _apply(session, apply), done.question, answer)


def reopen(session: Session, number: int, reason: str | None, apply: Apply) -> None:
    """Take an answer back."""
    from onefact import review as verb

    asked = verb.reopen(session.home, number, actor=session.actor, reason=reason, dry_run=apply.dry_run)
    _tell(
        session,
        f"第 {number} 号的判定已撤回，如仍不能自动判定会重新列入复核。",
        _apply(session, apply),
        asked,
        "reopen",
    )


def _tell(session: Session, said: str, waits: str | None, asked: Question, answer: str) -> None:
    from onefact import review as verb

    left, right = verb.joined(session.home, asked)
    if session.as_json:
        session.emit({"number": asked.number, "answer": answer, "applied": waits is None, "left": left, "right": right})
        return
    session.console.print(said, highlight=False)
    session.console.print(waits or _outcome(left, right), highlight=False)


def _outcome(left: str | None, right: str | None) -> str:
    if left is None or right is None:
        return "其中一条来源记录已不存在。"
    return f"归集后：两条记录同属主数据 {left}。" if left == right else f"归集后：两条记录分属 {left} 与 {right}。"


def merge(session: Session, one: str, other: str, reason: str | None, apply: Apply) -> None:
    """Join two entities."""
    from onefact import merge as verb

    done = verb.merge(session.home, one, other, actor=session.actor, reason=reason, dry_run=apply.dry_run)
    waits = _apply(session, apply)
    kept = [i for i in (done.left, str(done.right)) if verb.stands(session.home, i)]
    if session.as_json:
        session.emit({**asdict(done), "applied": waits is None, "standing": kept})  # master ids: nothing to mask
        return
    session.console.print(
        f"已记录：{done.left} 与 {done.right} 是同一{ENTITIES[done.entity_type].cn}，判定人 {session.actor}。",
        highlight=False,
    )
    if done.withdrawn:
        session.console.print(f"为此撤回了 {done.withdrawn} 条“不是同一”的判定。")
    if done.two_numbers:
        session.console.print("注意：双方的有效号码不同。如非本意，请用 onefact unmerge 撤销。")
    heir = (
        f"归集后：编号 {kept[0]} 保留，另一编号指向它。"
        if len(kept) == 1
        else "归集后仍为两个主数据：有其他判定与此矛盾。"
    )
    session.console.print(waits or heir, highlight=False)


def unmerge(session: Session, master_id: str, records: str | None, reason: str | None, apply: Apply) -> None:
    """Undo a merge, or split records off."""
    from onefact import merge as verb

    if records is None:
        done = verb.unmerge(session.home, master_id, actor=session.actor, reason=reason, dry_run=apply.dry_run)
    else:
        done = verb.split(
            session.home, master_id, records.split(","), actor=session.actor, reason=reason, dry_run=apply.dry_run
        )
    waits = _apply(session, apply)
    back = done.right is not None and verb.stands(session.home, done.right)
    if session.as_json:
        session.emit({**asdict(done), "applied": waits is None, "restored": back})  # master ids: nothing to mask
        return
    session.console.print(_undone(done, session.actor), highlight=False)
    session.console.print(waits or _after(done, back), highlight=False)


def _undone(done: Judged, actor: str) -> str:
    if done.withdrawn:
        return f"已撤回 {done.withdrawn} 条“同一”的判定，操作人 {actor}。"
    return f"已记录 {done.recorded} 对记录“不是同一”，判定人 {actor}。"


def _after(done: Judged, back: bool) -> str:
    if done.right is None:
        return f"归集后：指明的记录不再属于 {done.left}；用 onefact whois 可查其新编号。"
    if back:
        return f"归集后：{done.right} 恢复为独立的主数据，{done.left} 保留其余记录。"
    again = (
        "人工判定已撤回，但其他证据仍使双方相连；如确非同一，请再次执行本命令。"
        if done.withdrawn
        else "双方仍由其他判定相连。"
    )
    return f"归集后：{done.right} 尚未恢复。{again}"


def whois(session: Session, system: str, record: str, on: str | None, full: bool) -> None:
    """Show who a record is or was."""
    from onefact import whois as verb

    found = verb.whois(session.home, system, record, on)
    ids = [i.held.master_id for i in found.identities]
    types = sorted({i.held.entity_type for i in found.identities})
    session.read("whois", types[0] if len(types) == 1 else "master", ids, full=full, system=system)
    if session.as_json:
        document = asdict(found)
        for identity, one in zip(document["identities"], found.identities, strict=True):
            identity["title"] = _title(one.held.entity_type, one.title, full)
        session.emit(document if full else mask_keys(document))
        return
    for identity in found.identities:
        _identity(session, found.at, identity, full)


def _identity(session: Session, at: datetime, found: Identity, full: bool) -> None:
    from onefact.whois import RULES

    console, held = session.console, found.held
    console.print(
        f"{_time(at, '')}，{_record(held.record, full)}（{ENTITIES[held.entity_type].cn}，{held.record.role}）被认定为主数据 {held.master_id}：\n"
        f"  依据 {RULES.get(held.rule, held.rule)}，自 {_time(held.since, '启用历史记录之前')}"
        f"{f'（运行 {held.run_id}）' if held.run_id else ''}，至 {_time(held.until, '今')}。",
        highlight=False,
    )
    if found.now is None:
        console.print("  该主数据现已没有来源记录。")
    else:
        moved = "" if found.now == held.master_id else f"，后并入 {found.now}"
        console.print(f"  现名称 {_title(held.entity_type, found.title, full) or '（无）'}{moved}。", highlight=False)
    fellows = [[_record(f.record, full), RULES.get(f.rule, f.rule), *_span(f)] for f in found.fellows]
    console.print(show.table(f"当时同属的其他记录 {len(fellows)} 条", ["记录", "依据", "自", "至"], fellows))
    evidence = [[*_why(e, full)] for e in found.evidence]
    console.print(
        show.table(f"当时有效的证据与判定 {len(evidence)} 条", ["甲", "乙", "判定", "权重", "依据", "何时起"], evidence)
    )
    if len(found.life) > 1:
        life = [[h.master_id, RULES.get(h.rule, h.rule), *_span(h), h.ended_by] for h in found.life]
        console.print(show.table("这条记录的历次归属", ["主数据编号", "依据", "自", "至", "终止于"], life))


def _span(held: Held) -> tuple[str, str]:
    return _time(held.since, "启用历史之前"), _time(held.until, "今")


def _why(e: Evidence, full: bool) -> tuple[str, str, str, str, str, str]:
    model = " ".join(x for x in (e.rule, e.model) if x)
    who = f"{e.actor or ''}{f'：{e.reason}' if e.reason else ''}"
    return (
        _record(e.pair.left, full), _record(e.pair.right, full), JUDGEMENTS[e.judgement], _number(e.weight),
        model if e.judgement == "auto" else who, _time(e.since, ""),
    )  # fmt: skip

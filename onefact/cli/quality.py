"""Showing quality: runs, scores, failing rows, rules, agreement, work orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from onefact.cli import show
from onefact.cli.errors import PartlyFailed
from onefact.cli.session import Session
from onefact.masking import mask_key, mask_keys
from quality.dimensions import DIMENSIONS, dimension_name, indicators
from quality.rule import Rule
from quality.scores import NOT_EVALUATED, TOTAL, grade, points
from schemas.entities import ENTITIES

STATES = {"passed": "合格", "failed": "不合格", "not_evaluated": NOT_EVALUATED, "did_not_run": "未运行"}

SEVERITIES = {"critical": "阻断", "error": "错误", "warning": "提示"}

LEVELS = {"all": "总体", "system": "系统", "department": "部门", "street": "街道", "grid": "网格", "field": "字段"}

KINDS = {"grid": "网格核实", "authority": "权威纠错"}

CLOSINGS = {"right": "已改正", "ended": "规则已停用或豁免", "dismissed": "核实无误"}


def run(session: Session) -> None:
    """Run the rules and show what failed and what did not run."""
    from onefact.quality.check import check, document

    checked = check(session.home)
    if session.as_json:
        session.emit(document(checked))
    else:
        rows = [
            (
                SEVERITIES[r.rule.severity],
                r.rule.id,
                r.rule.name,
                r.evaluated,
                r.failed,
                _percent(r.share),
                _percent(r.rule.threshold),
            )
            for r in sorted(checked.results, key=lambda r: (list(SEVERITIES).index(r.rule.severity), -r.failed))
            if r.state == "failed"
        ]
        session.console.print(
            show.table(
                "不合格规则 (failed rules)",
                ["级别", "规则", "名称", "检查行数", "不合格", "合格率", "应达"],
                rows,
                numeric=["检查行数", "不合格", "合格率", "应达"],
            )
        )
        if checked.did_not_run:
            skipped = [(r.rule.id, r.rule.name, r.reason) for r in checked.did_not_run]
            session.console.print(show.table("未运行的规则 (did not run)", ["规则", "名称", "原因"], skipped))
        counts = {s: sum(r.state == s for r in checked.results) for s in STATES}
        session.console.print(
            f"总分 {points(checked.total)}（{grade(checked.total)}），规则目录 {checked.catalogue}："
            + "，".join(f"{STATES[s]} {n}" for s, n in counts.items())
            + f"。不合格记录 {checked.failing} 行，工单新开 {checked.opened}、关闭 {checked.closed}"
            + (f"，另有 {checked.held} 件超出每次上限未开" if checked.held else "")
            + f"。快照：{checked.folder}",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
    if checked.critical:
        raise PartlyFailed


def scores(session: Session, by: str, unit: str | None, limit: int) -> None:
    """Show the scores by the six dimensions."""
    from onefact.quality import read

    found = read.scores(session.home, by, unit)
    if session.as_json:
        session.emit([asdict(s) for s in found])
        return
    units: dict[str, dict[str, Any]] = {}
    for score in found:
        units.setdefault(score.unit, {})[score.dimension] = score
    ranked = sorted(units.items(), key=lambda item: (item[1][TOTAL].score is None, item[1][TOTAL].score or 0, item[0]))
    rows = [
        [
            name or "全部", points(of[TOTAL].score), grade(of[TOTAL].score), _trend(of[TOTAL].past),
            *(points(of[d].score) for d in DIMENSIONS), of[TOTAL].failed,
        ]
        for name, of in ranked[:limit]
    ]  # fmt: skip
    names = [dimension_name(d) for d in DIMENSIONS]
    session.console.print(
        show.table(
            f"{LEVELS[by]}质量评分 (GB/T 36344)", [LEVELS[by], "总分", "等级", "趋势", *names, "不合格行"], rows,
            numeric=["总分", *names, "不合格行"],
        )
    )  # fmt: skip
    if len(ranked) > limit:
        session.console.print(f"另有 {len(ranked) - limit} 行：--limit")


def failing(
    session: Session,
    rule: str | None,
    system: str | None,
    grid: str | None,
    department: str | None,
    limit: int,
    *,
    full: bool,
) -> None:
    """List failing rows."""
    from onefact.quality import read
    from onefact.quality.settings import catalogue

    names = {r.id: r.name for r in catalogue(session.home).rules}
    if rule is not None:
        catalogue(session.home).rule(rule)
    total, rows = read.failing(session.home, rule=rule, system=system, grid=grid, department=department, limit=limit)
    session.read(
        "quality failing", "record", count=len(rows), full=full, rule=rule, system=system, grid=grid, department=department
    )  # fmt: skip
    if session.as_json:
        document = {"total": total, "rows": rows}
        session.emit(document if full else mask_keys(document))
        return
    session.console.print(
        show.table(
            "不合格记录 (failing rows)", ["规则", "名称", "系统", "记录", "字段", "网格", "责任部门"],
            [
                (
                    r["rule_id"], names.get(r["rule_id"], ""), r["system_id"], r["record_key"] if full else mask_key(r["record_key"]),
                    _field(r["entity_type"], r["field"]), r["grid"] or "未定", r["department"],
                )
                for r in rows
            ],
        )
    )  # fmt: skip
    session.console.print(f"共 {total} 行" + (f"，只列前 {limit} 行" if total > limit else ""))


def rules(session: Session, rule: str | None, state: str | None) -> None:
    """List the catalogue, or show one rule whole."""
    from onefact.quality import read
    from onefact.quality.settings import catalogue

    known, results = catalogue(session.home), read.rule_results(session.home)
    if rule is not None:
        _one(session, known.rule(rule), results.get(rule))
        return
    chosen = [r for r in known.rules if state is None or results.get(r.id, {}).get("state") == state]
    if session.as_json:
        session.emit({"version": known.version, "rules": [{**asdict(r), "last": results.get(r.id)} for r in chosen]})
        return
    rows = [
        (
            r.id,
            r.name,
            f"{dimension_name(r.code)} {r.code}",
            SEVERITIES[r.severity],
            r.owner,
            _percent(r.threshold),
            _state(results.get(r.id)),
        )
        for r in chosen
    ]
    session.console.print(
        show.table(
            f"规则目录 {known.version}：{len(chosen)} 条 (rules)",
            ["规则", "名称", "维度", "级别", "责任", "应达", "最近结果"],
            rows,
            numeric=["应达"],
        )
    )


def _one(session: Session, rule: Rule, result: dict[str, Any] | None) -> None:
    if session.as_json:
        session.emit({**asdict(rule), "expectation": rule.expectation, "last": result})
        return
    waivers = "；".join(f"{'、'.join(w.systems) or '全部系统'} 至 {w.until}，{w.by}：{w.why}" for w in rule.waivers)
    lines = [
        ("名称", rule.name), ("维度", f"{dimension_name(rule.code)} · {indicators()[rule.code].name}（{rule.code}）"),
        ("检查对象", f"{rule.entity or '系统'}（{rule.relation}）"), ("适用", rule.when or "所列字段均有值"), ("要求", rule.expectation),
        ("级别", SEVERITIES[rule.severity]), ("应达", _percent(rule.threshold)), ("责任", rule.owner), ("工单", KINDS.get(rule.order, "不开")),
        ("有效期", f"{rule.since} 至 {rule.until or '长期'}"), ("批准", rule.approver), ("豁免", waivers or "无"),
        ("文件", rule.file), ("最近结果", _state(result) + (f" {result['reason']}" if result and result["reason"] else "")),
    ]  # fmt: skip
    session.console.print(show.table(rule.id, ["项", "内容"], lines))


def agreement(session: Session, entity: str | None, system: str | None, limit: int) -> None:
    """Show agreement per field."""
    from onefact.quality import read

    found = read.agreement(session.home, entity, system)
    if session.as_json:
        session.emit([asdict(a) for a in found])
        return
    rows = [
        (
            _field(a.entity_type, a.field), f"{a.agreeing}/{a.systems}", a.compared, _percent(a.same / a.compared),
            "、".join(f"{s} {n} 条（{days:.0f} 天）" for s, n, days in a.laggards[:3]),
        )
        for a in found[:limit]
    ]  # fmt: skip
    session.console.print(
        show.table(
            "跨系统一致性 (agreement)",
            ["字段", "一致系统", "比对值", "一致率", "滞后（条数，中位天数）"],
            rows,
            numeric=["比对值", "一致率"],
        )
    )


def orders(
    session: Session,
    kind: str | None,
    grid: str | None,
    department: str | None,
    rule: str | None,
    limit: int,
    *,
    closed: bool,
    full: bool,
) -> None:
    """List work orders."""
    from onefact.quality import orders as verb
    from onefact.quality.settings import catalogue

    total, rows = verb.orders(
        session.home, kind=kind, grid=grid, department=department, rule=rule, closed=closed, limit=limit
    )
    session.read("quality orders", "work_order", [r["order_id"] for r in rows], full=full)
    if session.as_json:
        document = {"total": total, "orders": rows}
        session.emit(document if full else mask_keys(document))
        return
    names = {r.id: r.name for r in catalogue(session.home).rules}
    session.console.print(
        show.table(
            "已关闭的质量工单" if closed else "质量工单 (work orders)",
            ["工单", "类别", "规则", "系统", "记录", "字段", "网格", "责任部门", "结果" if closed else "期限"],
            [
                (
                    r["order_id"], KINDS[r["kind"]], names.get(r["rule_id"], r["rule_id"]), r["system_id"],
                    r["record_key"] if full else mask_key(r["record_key"]), _field(r["entity_type"], r["field"]), r["grid"] or "未定",
                    r["department"], CLOSINGS[r["closing"]] if closed else f"{r['due_at'].astimezone():%m-%d}{' 逾期' if r['late'] else ''}",
                )
                for r in rows
            ],
        )
    )  # fmt: skip
    session.console.print(f"共 {total} 件" + (f"，只列前 {limit} 件" if total > limit else ""))


def dismiss(session: Session, number: int, reason: str) -> None:
    """Close an order."""
    from onefact.quality import orders as verb

    verb.dismiss(session.home, number, session.actor, reason)
    if session.as_json:
        session.emit({"order": number, "closing": "dismissed", "actor": session.actor})
    else:
        session.console.print(f"工单 {number} 已关闭：核实无误")


def _field(entity_type: str | None, name: str) -> str:
    return ENTITIES[entity_type].field(name).cn if entity_type in ENTITIES and name else name


def _state(result: dict[str, Any] | None) -> str:
    if result is None:
        return ""
    return STATES[result["state"]] + (f" {result['failed']}/{result['evaluated']}" if result["failed"] else "")


def _percent(share: float | None) -> str:
    # Cut, not rounded: 99.96 % right is not all right.
    return NOT_EVALUATED if share is None else "100%" if share == 1 else f"{int(share * 1000) / 10:.1f}%"


def _trend(past: Sequence[float | None]) -> str:
    """Return how the last two scores compare."""
    known = [p for p in past if p is not None]
    if len(known) < 2:
        return ""
    change = (known[-1] - known[-2]) * 100
    return "→" if abs(change) < 0.05 else f"{'↑' if change > 0 else '↓'}{abs(change):.1f}"

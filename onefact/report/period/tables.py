"""The report's facts as tables (工作簿的各表): name, head and rows of each sheet; nothing about how a workbook is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from onefact.report.period.collect import Report
from onefact.report.period.flow import KINDS
from onefact.report.period.scores import OWNERS, SEVERITIES, Mark
from onefact.report.period.view import STATES
from quality.rule import Rule
from quality.scores import NOT_EVALUATED, points

Row = Sequence[Any]

SIGNERS = ("编制", "复核", "审计", "批准")


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet: `widths` of its first columns, `shares` = columns that are shares of 1."""

    name: str
    head: tuple[str, ...]
    rows: Iterable[Row]
    widths: tuple[int, ...] = ()
    shares: frozenset[int] = frozenset()


def sheets(report: Report) -> list[Sheet]:
    """Return every sheet in order."""
    return [
        Sheet("封面", ("项目", "内容"), _cover(report), (18, 90)),
        *_quality(report),
        Sheet(
            "重复与归并",
            ("对象", "来源记录", "主数据", "发现重复", "比期初", "本期合并", "人工判同一", "人工判不同", "撤回", "提问", "答复", "待复核", "最久等待（天）"),
            [
                (m.cn, m.records, m.entities, m.found, m.new, m.joined, m.positive, m.negative, m.withdrawn, m.asked, m.answered, m.waiting, m.oldest)
                for m in report.merging
            ],
        ),
        Sheet("填报负担", ("口径", "单位", "录入（项）", "各系统要填（项）", "已代填", "须人工填表", "涉及系统", "少填"), _burden(report), (14, 26, 12, 16), frozenset({7})),
        Sheet("负担明细", ("人员", "月份", "系统", "要填（项）", "已代填", "须人工填表"), report.burden.cells, (16, 10, 18)),
        *_flows(report),
        *_failing(report),
        Sheet("运行", ("动作", "编号"), [(r.cn, i) for r in report.runs for i in r.ids], (14, 44)),
    ]  # fmt: skip


def _score(mark: Mark) -> float | str:
    return NOT_EVALUATED if mark.score is None else mark.score


def _quality(report: Report) -> Iterator[Sheet]:
    q = report.quality
    yield Sheet(
        "评分", ("维度", "代码", "得分", "等级", "上期", "行次", "不合格", "说明"),
        [(m.name, m.code, _score(m), m.grade, m.before, m.evaluated, m.failed, m.why) for m in (*q.dimensions, q.total)],
        (14, 8, 10, 10, 10, 12, 12, 40), frozenset({2, 4}),
    )  # fmt: skip
    names = tuple(m.name for m in q.dimensions)
    yield Sheet(
        "系统评分", ("系统", "名称", "部门", *names, "总分", "等级"),
        [(s.system_id, s.name, s.department, *(_score(m) for m in s.marks), s.marks[-1].grade) for s in q.systems],
        (16, 26, 22), frozenset(range(3, 10)),
    )  # fmt: skip
    yield Sheet(
        "规则结果",
        ("规则", "名称", "指标", "级别", "责任方", "主要责任部门", "结果", "适用", "不合格", "合格率", "应达", "趋势", "说明"),
        [
            (r.rule_id, r.name, r.code, SEVERITIES[r.severity], r.owner, r.department, STATES[r.state], r.evaluated, r.failed, r.right, r.threshold, r.trend, r.reason)
            for r in q.rules
        ],
        (34, 34, 9, 8, 20, 24, 10), frozenset({9, 10}),
    )  # fmt: skip


def _flows(report: Report) -> Iterator[Sheet]:
    yield Sheet(
        "投递", ("系统", "名称", "部门", "状态", "变更", "回读一致", "待回执", "单向导出", "待人工", "待发", "未送达", "被取代", "有回执"),
        [
            (
                f.system_id, f.name, f.department, f.verdict, f.planned, f.count("verified"), f.count("sent"), f.count("exported"),
                f.count("awaiting_person"), f.count("planned", "pending"), f.failed, f.count("superseded"), f.receipts,
            )
            for f in report.flows
        ],
        (16, 26, 22),
    )  # fmt: skip
    yield Sheet(
        "来数", ("系统", "名称", "批次", "读取失败", "收到", "采纳", "未变", "退回", "重复", "账目"),
        [
            (f.system_id, f.name, f.batches, f.failed_batches, f.received, f.taken, f.unchanged, f.rejected, f.duplicates, "相符" if f.balanced else "不符")
            for f in report.flows
        ],
        (16, 26),
    )  # fmt: skip
    yield Sheet(
        "核对", ("系统", "名称", "核对记录", *KINDS.values(), "本期新增", "本期消除", "期末未结", "说明"),
        [
            (
                f.system_id, f.name, NOT_EVALUATED if f.compared is None else f.compared,
                *(None if f.compared is None else f.found.get(k, 0) for k in KINDS), f.opened, f.closed, f.open, f.why,
            )
            for f in report.flows
        ],
        (16, 26, 12, 12, 12, 12, 12, 12, 12, 12, 36),
    )  # fmt: skip


def _failing(report: Report) -> Iterator[Sheet]:
    q = report.quality
    yield Sheet(
        "未运行规则", ("规则", "名称", "级别", "原因"), [(r.rule_id, r.name, SEVERITIES[r.severity], r.reason) for r in q.did_not_run], (34, 40, 8, 60)
    )  # fmt: skip
    yield Sheet(
        "不合格记录", ("级别", "规则", "名称", "系统", "记录号（脱敏）", "对象", "数据项", "街道", "网格", "责任部门"),
        ((r.severity, r.rule_id, r.rule, r.system_id, r.record_key, r.entity, r.field, r.street, r.grid, r.department) for r in q.failing),
        (8, 34, 34, 16, 28, 12, 20, 16, 16, 24),
    )  # fmt: skip
    yield Sheet(
        "规则目录", ("指标", "规则", "名称", "要求", "级别", "应达", "责任方", "批准人", "生效", "失效", "豁免"), [_rule(r) for r in report.rules],
        (9, 34, 34, 60, 8, 8, 20, 14, 12, 12, 40), frozenset({5}),
    )  # fmt: skip


def _rule(r: Rule) -> Row:
    waived = "；".join(f"{'、'.join(w.systems) or '全部'} 至 {w.until}（{w.by}：{w.why}）" for w in r.waivers)
    return (
        r.code, r.id, r.name, r.expectation, SEVERITIES[r.severity], r.threshold, OWNERS.get(r.owner, r.owner), r.approver, str(r.since),
        str(r.until or ""), waived,
    )  # fmt: skip


def _cover(report: Report) -> Iterator[Row]:
    q = report.quality
    yield "报告", f"数据质量与共享审计报告 · {report.period.title}"
    yield "报告期间", f"{report.period.first} 至 {report.period.last}" + ("（期间未结束）" if report.unfinished else "")
    yield "生成时间", f"{report.made_at:%Y-%m-%d %H:%M:%S}"
    yield "总分", f"未评价：{q.total.why}" if q.total.score is None else f"{points(q.total.score)}（{q.total.grade}）"
    yield "规则目录版本", q.run.catalogue if q.run else f"{report.version}（现行）"
    yield "质量检查", q.run.run_id if q.run else f"{NOT_EVALUATED}：{q.why}"
    yield "所查归集", (q.run.consolidated if q.run else None) or "—"
    if isinstance(report.checkpoint, str):
        yield "审计日志检查点", report.checkpoint
    else:
        yield "审计日志检查点", f"第 {report.checkpoint.size} 条，{report.checkpoint.at}，{report.checkpoint.root}"
    yield "不合格行次", f"{q.run.failing}，本表列出 {len(q.failing)}" if q.run else NOT_EVALUATED
    yield "说明", "本表不含个人信息取值；记录号已脱敏。"
    for who in SIGNERS:
        yield who, "签名：                         日期："


def _burden(report: Report) -> Iterator[Row]:
    b = report.burden
    if b.total is None:
        yield "合计", f"{NOT_EVALUATED}：{b.why}"
    for kind, loads in (("合计", [b.total] if b.total else []), ("人员", b.workers), ("月份", b.months)):
        for r in loads:
            yield (
                kind,
                r.unit,
                r.entered,
                r.asked,
                r.carried,
                r.typed,
                r.systems,
                NOT_EVALUATED if r.saved is None else r.saved,
            )
    for kind, loads in (("系统（录入）", b.systems), ("系统（互相补齐）", b.flowed)):
        for r in loads:
            yield kind, report.system_names.get(r.unit, r.unit), r.entered, r.asked, r.carried, r.typed

"""What the report shows, worked out from a demo's result; the template only places it."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.mapping.reasons import reason
from onefact.home import Home
from onefact.status import SystemStatus
from schemas.entities import ENTITIES

if TYPE_CHECKING:
    from linkage.score import Score
    from onefact.demo import DemoResult

STATES: Mapping[str, str] = {
    "verified": "已送达，回读一致",
    "sent": "已送出，待回执",
    "exported": "已单向导出",
    "awaiting_person": "待人工确认",
    "planned": "待发送",
    "pending": "发送中",
    "rejected": "被对方退回",
    "conflict": "版本冲突",
    "no_answer": "对方无应答",
    "dead": "已停止重试",
    "superseded": "已有更新的值",
}
"""States of a delivery as people read them."""

FAILED = ("rejected", "conflict", "no_answer", "dead")
"""States in which a change has not arrived."""

STEPS: Mapping[str, str] = {
    "sandbox": "启动仿真系统",
    "pull": "拉取",
    "consolidate": "归集",
    "push": "回写并回读",
    "enter": "录入一个新号码并送达",
    "second_run": "无变化时再跑一遍",
}
"""Steps of the demo as people read them."""

LEVELS: Mapping[str, str] = {"record": "整条记录", "value": "单个取值", "warning": "提醒（取值保留）"}
"""What a reject concerns."""

KINDS: Mapping[str, str] = {
    "rest": "接口", "frontdb": "前置库", "sftp_csv": "文件交换", "excel": "Excel 模板", "form": "网页表单", "queue": "消息队列",
    "webhook": "回调", "export": "单向导出", "files": "文件夹",
}  # fmt: skip
"""Kinds of integration as people read them."""


@dataclass(frozen=True, slots=True)
class SystemRow:
    """One system: outcomes of its records, outcomes of the changes sent to it."""

    status: SystemStatus
    department: str
    kind: str
    pushed: int
    verified: int
    waiting: int
    exported: int
    sent: int
    failed: int


@dataclass(frozen=True, slots=True)
class EntityRow:
    """One entity: golden records, duplicates found, quality of the links (None where there is no truth to compare with)."""

    cn: str
    golden: int
    duplicates: int
    score: Score | None


@dataclass(frozen=True, slots=True)
class RejectRow:
    """One rule: how many values or records it rejected, in how many systems."""

    rule: str
    sentence: str
    level: str
    count: int
    systems: int


@dataclass(frozen=True, slots=True)
class Promise:
    """Something the demo promises, and whether this run kept it."""

    sentence: str
    kept: bool


@dataclass(frozen=True, slots=True)
class ArrivalRow:
    """One system that the entered fact was sent to; its receipt is named but not printed (it may hold a record key)."""

    name: str
    kind: str
    state: str
    label: str
    receipt: bool


def system_rows(home: Home, systems: Sequence[SystemStatus]) -> list[SystemRow]:
    """Return a row per system; what a one-way system got counts as exported, never as waiting for a receipt."""
    rows = []
    for status in systems:
        manifest = home.manifests[status.system_id]
        count = status.outbox.get
        one_way = manifest.kind == "export"
        failed = sum(count(state, 0) for state in FAILED)
        sent = count("sent", 0)
        rows.append(
            SystemRow(
                status, manifest.department, KINDS.get(manifest.kind, manifest.kind), pushed=count("verified", 0) + sent + failed,
                verified=count("verified", 0), waiting=count("awaiting_person", 0), exported=sent if one_way else 0,
                sent=0 if one_way else sent, failed=failed,
            )
        )  # fmt: skip
    return rows


def entity_rows(result: DemoResult) -> list[EntityRow]:
    """Return a row per entity, in the order in which they are linked."""
    return [
        EntityRow(entity.cn, result.entities.get(name, 0), result.duplicates.get(name, 0), result.scores.get(name))
        for name, entity in ENTITIES.items()
    ]


def arrival_rows(home: Home, result: DemoResult) -> list[ArrivalRow]:
    """Return where the entered fact went, delivered ones first."""
    order = list(STATES)
    rows = []
    for arrival in result.arrivals:
        kind = home.manifests[arrival.system_id].kind
        state = "exported" if kind == "export" and arrival.state == "sent" else arrival.state
        label = STATES.get(state, state)
        rows.append(ArrivalRow(arrival.name, KINDS.get(kind, kind), state, label, bool(arrival.receipt)))
    return sorted(rows, key=lambda r: (order.index(r.state) if r.state in order else len(order), r.name))


def reject_rows(home: Home) -> list[RejectRow]:
    """Return the rejects of the working copy by rule, most frequent first; never a value."""
    if not (home.path / "warehouse.duckdb").exists():
        return []
    with home.warehouse() as con:
        counted = con.execute(
            "SELECT rule, level, count(*) AS n, count(DISTINCT system_id) FROM reject GROUP BY rule, level ORDER BY n DESC, rule"
        ).fetchall()
    return [
        RejectRow(rule, _sentence(rule), LEVELS.get(level, level), n, systems) for rule, level, n, systems in counted
    ]


def promises(result: DemoResult) -> list[Promise]:
    """Return what the demo promises and whether it was kept; the same tests as `DemoResult.passed`."""
    return [
        Promise("所有系统都能读写，没有错误", not result.errors),
        Promise("每条来源记录的去向只计一次，账目平", result.status.balanced),
        Promise("推送的数据项回读全部一致（可回读的系统）", result.readable_equal == 1.0),
        Promise("只录入一次的新号码已发往各系统", bool(result.arrivals)),
        Promise("没有变化时再跑一遍，不推送任何内容", result.second_run_pushed == 0),
    ]


def steps(result: DemoResult) -> list[tuple[str, float]]:
    """Return the steps with their seconds, in the order in which they ran."""
    return [(STEPS.get(name, name), seconds) for name, seconds in result.seconds.items()]


def terms() -> list[dict[str, str]]:
    """Return the glossary."""
    with (Path(__file__).parent / "terms.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _sentence(rule: str) -> str:
    try:
        return reason(rule)
    except KeyError:  # a rule that is worded where it is found, e.g. by a connector
        return "见退回清单"

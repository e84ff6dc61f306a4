"""Words for people (用语): states and kinds in Chinese, with the tone in which they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from onefact.report.view import KINDS
from portal.view.render import templates
from quality.scores import points

STATES: Final[Mapping[str, tuple[str, str]]] = {
    "planned": ("待发", "wait"),
    "pending": ("发送中", "wait"),
    "sent": ("已发，待回执", "wait"),
    "verified": ("已接收", "good"),
    "exported": ("已导出", "good"),
    "rejected": ("被拒", "bad"),
    "conflict": ("冲突", "bad"),
    "no_answer": ("无应答", "bad"),
    "awaiting_person": ("待人工录入", "wait"),
    "dead": ("已终止", "none"),
    "superseded": ("已被新值替换", "none"),
}
"""State of a change -> (word, tone)."""

TICKETS: Final[Mapping[str, tuple[str, str]]] = {
    "open": ("办理中", "wait"), "remind": ("过半", "wait"), "overdue": ("逾期", "bad"), "accepted": ("已更正", "good"),
    "refused": ("未采纳", "bad"), "withdrawn": ("已撤回", "none"),
}  # fmt: skip
"""State of a ticket -> (word, tone)."""

RULES: Final[Mapping[str, tuple[str, str]]] = {
    "passed": ("合格", "good"), "failed": ("不合格", "bad"), "not_evaluated": ("未评价", "none"), "did_not_run": ("未运行", "wait"),
}  # fmt: skip
"""State of a quality rule -> (word, tone)."""

OPERATIONS: Final[Mapping[str, str]] = {"create": "新增", "update": "更新", "delete": "注销"}

STANDINGS: Final[Mapping[str, tuple[str, str]]] = {
    "closed": ("正常", "good"), "open": ("故障，暂缓发送", "bad"), "held": ("已暂停，等人放行", "wait"),
}  # fmt: skip
"""How a system stands (`warehouse.outbox.targets`)."""


def moment(at: datetime | str | None) -> str:
    """Return a time as people read it, to the minute, local time of the site."""
    if at is None:
        return ""
    if isinstance(at, str):
        return at[:16].replace("T", " ")
    return f"{at.astimezone():%Y-%m-%d %H:%M}"


def number(value: float) -> str:
    """Return a number with separated thousands."""
    return f"{value:,}"


DEVICES: Final[Mapping[str, str]] = {
    "wxwork": "企业微信", "phone": "手机", "tablet": "平板", "desktop": "电脑", "browser": "浏览器", "program": "接口程序",
    "terminal": "命令行，主机",
}  # fmt: skip


def device(text: str) -> str:
    """Return a device as people read it: its kind in Chinese, then its number."""
    what, _, number = text.partition(" ")
    return f"{DEVICES.get(what, what)} {number}".strip()


def kind(name: str) -> str:
    """Return a kind of integration in Chinese."""
    return KINDS.get(name, name)


templates().filters.update(moment=moment, number=number, points=points, kind=kind, device=device)
templates().globals.update(STATES=STATES, TICKETS=TICKETS, RULES=RULES, OPERATIONS=OPERATIONS, STANDINGS=STANDINGS)

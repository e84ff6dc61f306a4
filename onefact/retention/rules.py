"""What is kept how long: the kinds, their defaults, and the floors of the law below which no setting goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

YEARS_3 = 3 * 365 + 1
MONTHS_6 = 184
"""The longest that three years and six months can be."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of record.

    Attributes:
        kind: its name in `retention.yaml`.
        cn: in Chinese.
        days: default.
        floor: least days that may be set; 0 = none by law.
        law: which law sets the floor, or asks that it be short.
        from_: the moment that the days are counted from.
    """

    kind: str
    cn: str
    days: int
    floor: int
    law: str
    from_: str


def _all() -> Mapping[str, Rule]:
    sharing = "《网络数据安全管理条例》第十二条：提供、委托处理的记录至少保存三年"
    logs = "《网络安全法》网络日志留存不少于六个月（2016 年文本第二十一条第三项）"
    shortest = "《个人信息保护法》第十九条：保存期限为实现处理目的所必要的最短时间"
    return MappingProxyType({
        r.kind: r
        for r in (
            Rule("log", "密封日志", YEARS_3, MONTHS_6, logs, "记录时间；只在检查点处截断"),
            Rule("sharing", "共享记录（投递、拒绝流动、原始应答）", YEARS_3, YEARS_3, sharing, "办结时间"),
            Rule("entries", "已被更新的录入", YEARS_3, MONTHS_6, logs, "录入时间"),
            Rule("tickets", "已结纠错工单", YEARS_3, MONTHS_6, logs, "结案时间"),
            Rule("golden", "主数据历史（被替换的取值）", YEARS_3, 0, shortest, "被替换的时间"),
            Rule("identity", "归属历史", 10 * 365, 0, shortest, "终止时间"),
            Rule("findings", "已消除的核对发现", 365, 0, shortest, "消除时间"),
            Rule("landing", "着陆区原始文件（已无现行记录依据它）", 30, 0, shortest, "接收时间"),
            Rule("rejects", "有退回记录的着陆区文件", 90, 0, shortest, "接收时间"),
        )
    })  # fmt: skip


RULES: Final[Mapping[str, Rule]] = _all()

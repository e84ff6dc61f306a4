"""Settings of retention (`retention.yaml` in the home): days by kind; a setting below the floor of the law is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import yaml

from onefact.home import Home
from onefact.retention.rules import RULES

FILE = "retention.yaml"
"""In the home; without it the defaults count."""


class RetentionUnreadable(Exception):
    """The file is not what it should be; nothing is deleted by guessed settings."""

    def __init__(self, why: str) -> None:
        super().__init__(f"{FILE}：{why}。每行一种：{'、'.join(RULES)}，值为天数。")


class TooShort(Exception):
    """A setting lies below what the law demands."""

    def __init__(self, kind: str, days: int) -> None:
        rule = RULES[kind]
        self.kind, self.floor = kind, rule.floor
        super().__init__(f"{FILE}：{kind}（{rule.cn}）设为 {days} 天，少于法定下限 {rule.floor} 天。依据：{rule.law}。")


@dataclass(frozen=True, slots=True)
class Retention:
    """Days by kind."""

    days: Mapping[str, int]


def load(home: Home) -> Retention:
    """Return the settings of a home.

    Raises:
        TooShort: a setting lies below its floor; the message names the law.
        RetentionUnreadable: the file is no mapping of known kinds to whole numbers of days.
    """
    days = {kind: rule.days for kind, rule in RULES.items()}
    path = home.path / FILE
    if path.exists():
        days |= _read(path.read_text(encoding="utf-8"))
    for kind, n in days.items():
        if n < RULES[kind].floor:
            raise TooShort(kind, n)
    return Retention(MappingProxyType(days))


def _read(text: str) -> dict[str, int]:
    try:
        document = yaml.safe_load(text) or {}
    except yaml.YAMLError as problem:
        raise RetentionUnreadable("不是有效的 YAML") from problem
    if not isinstance(document, dict):
        raise RetentionUnreadable("应为“种类: 天数”")
    for kind, n in document.items():
        if kind not in RULES:
            raise RetentionUnreadable(f"没有 {kind} 这一种")
        if not isinstance(n, int) or isinstance(n, bool) or n < 1:
            raise RetentionUnreadable(f"{kind} 的天数应为正整数")
    return document

"""Brackets in an organisation's name (括号): a place, a former name, the sort of a partnership, a branch, a remark."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from linkage.organisations.tables import places, words

_GROUP = re.compile(r"\(([^()]*)\)")
_PARTNERSHIPS = frozenset({"有限合伙", "普通合伙", "特殊普通合伙", "特殊的普通合伙", "合伙"})
_SOLE = frozenset({"个体", "个体工商户", "个体户"})
_NUMERAL = re.compile(r"^(?:[0-9]{1,3}|[一二三四五六七八九十]{1,3})号?$")
"""The number of one of several: 放心药店(七)."""

_BRANCH_ENDS = ("店", "分公司", "分部", "分院", "校区", "院区", "分校", "门市部", "分园")
SHORTEST_NAME = 3
"""Characters of a former name at least: 原料 in brackets is none."""


class Notes(NamedTuple):
    """What the brackets of a name said, and the name without them."""

    text: str
    former: str = ""
    places: tuple[str, ...] = ()
    branch: str = ""
    form: str = ""


def take(text: str) -> Notes:
    """Read the brackets and the annotations of a name whose characters are folded already."""
    text, former = _former(text)
    found: list[str] = []
    branch = form = ""
    known = words()
    while group := _GROUP.search(text):
        inner = group[1]
        keep = ""
        if _is_place(inner):
            found.append(inner)
        elif inner in _PARTNERSHIPS:
            form = "partnership"
        elif inner in _SOLE:
            form = "sole_trader"
        elif inner in known.status_notes or not inner:
            pass
        elif inner.endswith(_BRANCH_ENDS):
            branch = inner
        elif _NUMERAL.match(inner):
            branch = inner + "店"
        elif group.end() < len(text) or inner == "集团":
            keep = inner
        text = text[: group.start()] + keep + text[group.end() :]
    return Notes(text.translate(_MARKS), former.translate(_MARKS), tuple(found), branch, form)


def _is_place(text: str) -> bool:
    if text in {"中国", "国际", "亚洲"}:
        return True
    place = places().get(text)
    if place is None and len(text) > 3:
        # 湖北武汉 in one pair of brackets.
        return any(text[:at] in places() and text[at:] in places() for at in range(2, len(text) - 1))
    return place is not None


def _former(text: str) -> tuple[str, str]:
    """Split off a former name: A(原B), A(曾用名:B), B(现更名为A), A 原名:B."""
    found = _patterns()[0].search(text)
    if found and len(found[1]) >= SHORTEST_NAME and (found.end() == len(text) or found[1].endswith("公司")):
        return text[: found.start()] + text[found.end() :], found[1]
    found = _patterns()[1].match(text)
    if found and len(found[2]) >= SHORTEST_NAME:
        return found[2], found[1]
    found = _patterns()[2].match(text)
    if found and len(found[2]) >= SHORTEST_NAME:
        return found[1], found[2]
    return text, ""


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    known = words()
    inner = r"((?:[^()]|\([^()]*\))+)"
    former = "|".join(known.former_words)
    return (
        re.compile(rf"\((?:{former}):?{inner}\)"),
        re.compile(rf"^(.+)\((?:{'|'.join(known.present_words)}):?{inner}\)$"),
        re.compile(r"^(.{3,}?)[,;:/]?(?:原名称|原名|曾用名|前身|旧名):(.+)$"),
    )


def without_marks(text: str) -> str:
    """Return a name with what its brackets say in place, but without them."""
    return text.translate(_MARKS)


_MARKS = {ord(c): None for c in "():,;/"}

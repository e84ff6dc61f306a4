"""The part of a name that says which part of an organisation it is (分支机构): 武汉分公司, 第一门市部, 中南路店."""

from __future__ import annotations

import re
from functools import cache

from linkage.organisations.tables import GENERIC, places, trade_ends, trades, words

COMPANY = "公司"
SHORTEST_WHERE = 2
"""Characters that at least name where a shop is; 路店 alone is a piece of 建设路店."""

_NUMERALS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_ORDINAL = re.compile(r"第([零〇一二两三四五六七八九十]{1,3}|[0-9]{1,4})")
_NUMBER = re.compile(
    _ORDINAL.pattern + r"|([零〇一二两三四五六七八九十]{1,3})(?=[号店部厂]|分[店部厂公校院社]|门市|营业|支[行公])"
)
"""A number of a branch; 十 in 十堰 is none."""
_NUMBERED_SHOP = re.compile(r"(?<=[0-9])号(?=[店厂])")
_LAST = frozenset("店行处所社院校园部局厅站会区心厂场点")
_NUMBERED = re.compile(r"^第?[零〇一二两三四五六七八九十0-9]+[号]?$")
_SHOPS = frozenset("店馆铺坊厅")
_NOT_SHOP_BRANCH = ("专卖店", "专营店", "代销店", "分销店", "销售店", "加盟店", "经营店", "双代店")


def split(text: str) -> tuple[str, str]:
    """Return the head's name and what is behind it, "" where the name has no part for a branch."""
    at = text.find(COMPANY)
    if at >= 0:
        if at + 2 < len(text):
            return text[: at + 2], text[at + 2 :]
        return _short_company(text) if text[at - 1 : at] in {"分", "支"} else (text, "")
    if any(head in text for head in words().heads) and (found := _patterns()[0].match(text)):
        return found[1], found[2]
    if text[-1:] not in _LAST:
        return text, ""
    if found := _patterns()[1].match(text):
        return found[1], found[2]
    return _shop(text) if text[-1] == "店" and not text.endswith(_NOT_SHOP_BRANCH) else (text, "")


def canonical(branch: str) -> str:
    """Write a branch as others write it too: 第一分店 and 1店, 武汉市分公司 and 武汉分公司."""
    for kind in words().shop_kinds:
        if branch.endswith(kind):
            branch = branch[: -len(kind)] + "店"
            break
    known = places()
    for length in range(min(len(branch) - 1, 11), 2, -1):
        place = known.get(branch[:length])
        if place and place.full:
            branch = place.short + branch[length:]
            break
    return _NUMBERED_SHOP.sub("", _NUMBER.sub(lambda m: str(_value(m[1] or m[2])), branch))


def ordinals(text: str) -> str:
    """Write 第一 as 1: 第一小学 and 第1小学."""
    return _ORDINAL.sub(lambda m: str(_value(m[1])), text)


def _value(numeral: str) -> int:
    if numeral.isdigit():
        return int(numeral)
    tens, mark, ones = numeral.rpartition("十")
    if not mark:
        return int("".join(str(_NUMERALS[c]) for c in numeral))
    return (_NUMERALS[tens[-1]] if tens else 1) * 10 + (_NUMERALS[ones[0]] if ones else 0)


def _short_company(text: str) -> tuple[str, str]:
    """人保财险京山支公司: no 公司 of the head is written; the place in front of the kind belongs to the branch."""
    stem = text[:-3]
    known = places()
    for length in range(min(len(stem) - 2, 8), 1, -1):
        if stem[-length:] in known:
            return stem[:-length], text[-length - 3 :]
    number = re.search(r"第?[零一二三四五六七八九十0-9]+$", stem)
    at = number.start() if number and number.start() > 1 else len(stem)
    return (text[:at], text[at:]) if at > 1 else (text, "")


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    known = words()
    kinds = "|".join((*known.branch_kinds, "店"))
    return (
        re.compile(rf"^(.*?(?:{'|'.join(known.heads)}))(.+)$"),
        re.compile(rf"^(.+?(?:{'|'.join(known.chain_heads)}))(.*(?:{kinds}))$"),
    )


@cache
def _road() -> re.Pattern[str]:
    return re.compile(rf"^(.{{2,}}?)(.{{2}}(?:{'|'.join(words().road_ends)})店)$")


def _shop(text: str) -> tuple[str, str]:
    """A shop with the place of this one behind what it sells (楚味轩热干面中南路店), or behind a name (好邻中南路店)."""
    kind = next(k for k in words().shop_kinds if text.endswith(k))
    end = len(text) - len(kind)
    if _is_trade(text[:end]) and kind == "店":
        return text, ""
    for end_of_trade in range(end, 2, -1):
        if _ends_with_trade(text, end_of_trade):
            at = end_of_trade + (end_of_trade < end and text[end_of_trade] in _SHOPS)
            where = text[at:end]
            if where and len(where) < SHORTEST_WHERE and not _NUMBERED.match(where):
                continue
            if where or kind in {"分店", "门店"}:
                return text[:at], text[at:]
    road = _road().match(text[:end] + "店")
    if road:
        return road[1], text[len(road[1]) :]
    for length in range(min(end - 2, 6), 1, -1):
        place = places().get(text[end - length : end])
        if place and (place.full or place.alone):
            return text[: end - length], text[end - length :]
    number = re.search(r"第[零一二三四五六七八九十0-9]+$|[0-9]+$", text[:end])
    if number and number.start() > 1:
        return text[: number.start()], text[number.start() :]
    return (text[:end], text[end:]) if kind in {"分店", "门店"} and end > 1 else (text, "")


def _is_trade(text: str) -> bool:
    """Whether the text ends in what a shop sells and not in where it is: 水果店 is no branch, 光谷广场店 is one."""
    return not text.endswith(words().road_ends) and _ends_with_trade(text, len(text))


def _ends_with_trade(text: str, at: int) -> bool:
    ends, known = trade_ends(), trades()
    for length in ends.lengths.get(text[at - 1 : at], ()):
        if length < at and known.get(text[at - length : at], GENERIC) != GENERIC:
            return True
    return False

"""One organisation name, taken apart: place, brand, trade, form, branch (行政区划、字号、行业、组织形式、分支)."""

from __future__ import annotations

import re
from typing import NamedTuple

from linkage.organisations import branches
from linkage.organisations.notes import Notes, take, without_marks
from linkage.organisations.tables import (
    Form,
    Place,
    form_ends,
    forms,
    place_heads,
    places,
    township_names,
    trade_ends,
    trades,
    words,
)

SHORTEST_BRAND = 2
"""Characters of a brand at least, if taking a word away could leave less."""

MOST_PLACES = 4
_PUBLIC = frozenset({"public", "social"})
_MARKS = frozenset("():")
_NATION = frozenset({"中国", "中华", "全国"})
"""No brand by themselves: 石化 of 中国石化 is a part of the brand."""

_SHOPS = frozenset("店馆")
_NO_NOTES = Notes("")
_SHOP = Form("shop", "shop")
_ABOVE = re.compile(
    r"(?:人民政府|公安局(?:.{2,4}分局)?|公安分局|教育局|民政局|司法局|税务局|卫生健康局|市场监督管理局)(?=.{2})"
)
"""What a public body belongs to, in front of its own name: 公安局武昌区分局水果湖派出所."""

_ZONE = re.compile(r"^.{0,7}?(?:(?:经济|高新|新|工业)?(?:技术)?(?:产业)?开发区|高新区|工业园区|保税区|自贸区)(?=.{2})")


class Anatomy(NamedTuple):
    """The parts of one name, "" where it has none.

    `place` holds short names, widest first, parted by blanks; `brand_from` is `place` where nothing but the place names
    the organisation (武汉大学).
    """

    place: str
    brand: str
    brand_from: str
    trade: str
    form: str
    family: str
    branch: str
    head: str
    former: str


def read(text: str) -> Anatomy:
    """Take a name apart whose characters are folded, capital and without blanks and marks other than ( ) :."""
    notes = _NO_NOTES if _MARKS.isdisjoint(text) else take(text)
    head, branch = branches.split(notes.text or text)
    body, form = _form(head)
    family = form.family
    found, at = _places(body, family)
    rest, trade = body[at:], ""
    if family not in _PUBLIC:
        rest, trade = _trade(rest)
    if family == "public" and (above := _ABOVE.match(rest)):
        rest = rest[above.end() :]
    brand = branches.ordinals(rest) if "第" in rest else rest
    brand_from = ""
    if found and len(brand) < SHORTEST_BRAND:
        brand_from = "" if brand else "place"
        brand = _given_back(found, brand)
    short = [name for name, _ in found]
    if notes is not _NO_NOTES:
        branch = notes.branch + branch
        short += [places()[name].short for name in notes.places if name in places()]
        form = _noted(form, notes.form) if notes.form else form
        if branch and notes.places and (at := (whole := without_marks(text)).find(branches.COMPANY)) >= 0:
            head = whole[: at + 2]
    if branch:
        branch = branches.canonical(branch)
    return Anatomy(
        " ".join(short), brand, brand_from, trade, form.form, form.family, branch, head if branch else "", notes.former
    )


def _noted(form: Form, note: str) -> Form:
    """What a bracket says of the form counts where the name itself says little."""
    if note == "sole_trader":
        return Form(note, "business") if form.family in {"", "shop"} else form
    return Form("partnership", "partnership") if form.form in {"", "shop", "centre", "partnership"} else form


def _form(head: str) -> tuple[str, Form]:
    """Return the name without its form, and the form; a word that is part of its trade (面馆, 银行) stays."""
    ends = form_ends()
    for length in ends.lengths.get(head[-1:], ()):
        end = head[-length:]
        if end in ends.words and length <= len(head):
            form = forms()[end]
            if form.family == "shop" or form.form == "bank":
                stays = length == len(head) or _trade_length(head) >= length
                return (head if stays else head[:-length]), form
            if form.family in _PUBLIC and _trade_length(head) > length:
                return head, _SHOP
            return head[:-length], form
    return head, Form("", "")


def _trade_length(text: str) -> int:
    ends = trade_ends()
    for length in ends.lengths.get(text[-1:], ()):
        if text[-length:] in ends.words:
            return length
    return 0


def _places(body: str, family: str) -> tuple[list[tuple[str, Place | None]], int]:
    """Read the places a name opens with; return their short names and where the rest begins."""
    found: list[tuple[str, Place | None]] = []
    at = 0
    heads, known = place_heads(), places()
    wider: Place | None = None
    while len(found) < MOST_PLACES:
        for length in heads.get(body[at : at + 2], ()):
            place = known.get(body[at : at + length])
            if place and _fits(place, wider, body, at + length, family):
                break
        else:
            break
        found.append((place.short, place))
        wider = place
        at += length
    if "区" in body and (zone := _ZONE.match(body[at:])):
        found.append((zone[0], None))
        at += zone.end()
    if "街" in body or "镇" in body or "乡" in body:
        at = _township(body, at, family, found)
    return found, at


def _fits(place: Place, wider: Place | None, body: str, end: int, family: str) -> bool:
    if wider is None:
        if not place.alone:
            return False
    elif not _inside(place, wider):
        return False
    if place.full:
        return True
    # A company opens with its place; a shop 武汉路面馆 is on a road of that name.
    return not body.startswith(words().never_after if family == "company" else words().not_after, end)


def _inside(place: Place, wider: Place) -> bool:
    return any(area.startswith(outer) for area in place.areas for outer in wider.areas)


def _township(body: str, at: int, family: str, found: list[tuple[str, Place | None]]) -> int:
    for length in (2, 3, 4, 5):
        end = at + length
        mark = body[end : end + 1]
        size = 2 if body.startswith("街道", end) else 1
        said = mark in {"镇", "乡"} or (mark == "街" and (size == 2 or bool(found) or family in _PUBLIC))
        if said and len(body) - end - size >= SHORTEST_BRAND and body[at:end] in township_names():
            found.append((body[at:end], None))
            return end + size
    return at


def _trade(body: str) -> tuple[str, str]:
    """Take the words of the trade off the end, as long as a brand is left."""
    ends = trade_ends()
    lengths, known = ends.lengths, ends.words
    end = len(body)
    while end:
        if body[end - 1] in _SHOPS and end > SHORTEST_BRAND and _trade_length(body[: end - 1]):
            end -= 1
        for length in lengths.get(body[end - 1], ()):
            left = end - length
            if body[left:end] in known and _leaves_brand(body, left, end):
                end = left
                break
        else:
            break
    return body[:end], body[end:]


def _leaves_brand(body: str, left: int, end: int) -> bool:
    if left >= SHORTEST_BRAND:
        return left > SHORTEST_BRAND or body[:left] not in _NATION
    return left == 0 or (left == 1 and end == len(body))


def _given_back(found: list[tuple[str, Place | None]], brand: str) -> str:
    """Make the last place the brand where none is left (武汉大学), or a part of it (武昌鱼)."""
    short, place = found[-1]
    if not brand:
        found.pop()
        return short
    if place is not None and not place.full:
        found.pop()
        return short + brand
    return brand


def trade_classes(trade: str) -> frozenset[str]:
    """Return the classes of the trade words a text is made of, `generic` left out."""
    known, ends = trades(), trade_ends()
    found: set[str] = set()
    end = len(trade)
    while end > 0:
        for length in ends.lengths.get(trade[end - 1], ()):
            if length <= end and trade[end - length : end] in ends.words:
                found.add(known[trade[end - length : end]])
                end -= length
                break
        else:
            end -= 1
    return frozenset(found - {"generic"})

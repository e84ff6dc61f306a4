"""The left-to-right reader: one text in surface normal form becomes one draft of elements.

Order of reading: region prefix (行政区划), functional zone, then alternately words (street, community, road, estate)
and numbers (door plate, building, unit, floor, room). Words are decided by their suffix, numbers by their own suffix
and, where that is missing or ambiguous (号, or no suffix), by the element before them.
"""

import re
from functools import lru_cache
from typing import Final

from schemas.address import patterns as p
from schemas.address.elements import TRIM, Draft, community_name, group_name, street_name
from schemas.address.numbers import match_number, place_number
from schemas.address.numerals import HAN_DIGITS
from schemas.address.regions import late_prefix, read_prefix, townships

_BRANCH_HEADS: Final = frozenset("0123456789东西南北中" + HAN_DIGITS)
_DIGITS: Final = frozenset("0123456789")
_JOINING: Final = frozenset("附特甲乙丙丁新旧老临时东西南北中第负下号#-/ABCDEFGHIJKLMNOPQRSTUVWXYZ" + HAN_DIGITS)
_HAN_NUMERALS: Final = frozenset(HAN_DIGITS)
_LEAD_HEADS: Final = frozenset(" 收详联现家户注经通办单居地住电手")
_UPPER_WORDS: Final = ("社区", "街道", "居委会", "居民委员会", "办事处")
"""Ends of places above a name: the number behind 719社区 in 719社区719公寓 begins a name, as no road is waiting for a plate."""
_NAME_PLACES: Final = frozenset({"", "street", "road_no", "alley", "community"})
_GROUP_PLACES: Final = frozenset({"community", "street"})
_DIRECTIONS: Final = frozenset("东南西北中")
_PREMISES_ENDS: Final = frozenset("铺面房店商库场室厂")
_IS_NAMED: Final = re.compile(r"[村区路街巷道里弄园苑镇乡第]|队$")
_CROSSING_HEADS: Final = frozenset("东西南北的与和及跟、/- 交路口十丁")


def read(text: str) -> Draft:
    """Reads one normalised text; never raises, and keeps what it cannot place in `notes`."""
    asides: list[str] = []
    if text[:1] in _LEAD_HEADS:
        text = _without_lead(text)
    if "(" in text or ")" in text:
        text = _without_brackets(text, asides)
    first = p.FIRST_DIGIT.search(text)
    if first:
        begin = first.start()
        if p.LONG_DIGITS.search(text, begin):
            text = _without_phone(text, asides)
        match = match_number(text, begin)
        if match and text.find("省", begin) < 0 and text.find("市", begin) < 0:
            head = _head(text[:begin])
            if head and not _is_name_part(text, match, head):
                draft = head.copy(asides)
                _elements(text, place_number(text, match, draft), draft)
                return draft
    draft = Draft(notes=asides)
    text, at = _places(text, draft)
    _elements(text, at, draft)
    return draft


@lru_cache(maxsize=1 << 15)
def _head(words: str) -> Draft | None:
    """What the words before the first digit say, or None where that digit may belong to them (第3, A2, 甲8).

    Why remembered: the addresses of a register share their heads, a few hundred streets with thousands of doors.
    """
    if words[-1:] in _JOINING:
        return None
    draft = Draft()
    text, at = _places(words + "0", draft)
    return draft if _elements(text, at, draft, len(text) - 1) else None


def _places(text: str, draft: Draft) -> tuple[str, int]:
    """Reads regions, functional zone and a township without suffix; returns the text left and where to go on."""
    prefix = read_prefix(text)
    at = prefix.end
    late = late_prefix(text, at)
    if late > 0:
        head = text[at:late]
        prefix = read_prefix(text[late:])
        text, at = head + " " + text[late + prefix.end :], 0
    draft.province, draft.city, draft.district = prefix.province, prefix.city, prefix.district
    return text, _bare_township(text, _zone(text, at, draft), draft)


def _without_lead(text: str) -> str:
    lead = p.LEAD.match(text)
    return text[lead.end() :] if lead else text


def _without_brackets(text: str, notes: list[str]) -> str:
    """Takes bracketed remarks out into the notes."""
    for _ in range(2):
        for match in p.BRACKET.finditer(text):
            notes.extend(filter(None, [(match[1] or "").strip(TRIM)]))
        text = p.BRACKET.sub("", text)
    return text


def _without_phone(text: str, notes: list[str]) -> str:
    """Takes a phone number out into the notes."""
    phone = p.PHONE.search(text)
    if phone is None:
        return text
    notes.append(phone[0])
    return text[: phone.start()] + " " + text[phone.end() :]


def _zone(text: str, at: int, draft: Draft) -> int:
    if text.find("区", at, at + 20) < 0 and text.find("管委会", at, at + 12) < 0:
        return at
    match = p.ZONE.match(text, at)
    if match is None or (
        draft.district is None and draft.city is None and at == 0 and p.WORD.match(text, 0, match.end() - 3)
    ):
        return at
    if re.search(r"[路街镇乡村道]", match[0][:-3]):
        return at
    if draft.district is None:
        draft.district = match[0]
    else:
        draft.compound = match[0]
    return match.end()


def _bare_township(text: str, at: int, draft: Draft) -> int:
    """Accepts a township named without 街道 or 镇, where the county says that it exists (慈溪市坎墩)."""
    county = townships().get(draft.district or draft.city or "")
    if not county:
        return at
    for length in (4, 3, 2):
        name = text[at : at + length]
        end = at + len(name)
        if name not in county:
            continue
        following = text[end : end + 3]
        if following.startswith(("街道", "镇", "乡", "办事处", "社区", "村", "居委")):
            return at
        if following[:1] == "街" and county[name].endswith("街道") and _is_office(text, end, draft):
            draft.street = county[name]
            return end + 1
        if not p.NOT_TOWNSHIP.match(text, end) and end < len(text):
            draft.street = county[name]
            return end
    return at


def _is_office(text: str, end: int, draft: Draft) -> bool:
    """Whether 街 behind the name of a 街道 is the office and no road: usual in Wuhan, else where a road follows."""
    if draft.city == "武汉市":
        return text[end + 1 : end + 2].isalpha() and not text[end + 1 : end + 2].isdigit()
    return p.STREET_OFFICE.match(text, end) is not None


def _elements(text: str, at: int, draft: Draft, size: int = -1) -> bool:
    """Alternates between words and numbers up to `size`; False if a number reaches beyond it."""
    start = at
    size = len(text) if size < 0 else size
    while at < size:
        begin = at if text[at] in _DIGITS else _candidate(text, at)
        if not 0 <= begin < size:
            break
        match = match_number(text, begin)
        if match is None:
            at = begin + 1
            continue
        if match.end() > size:
            return False
        if _is_name_part(text, match, draft, text[start:begin]):
            at = match.end()
        else:
            if start < begin:
                _words(text, start, begin, draft)
            at = start = place_number(text, match, draft)
    if start < size:
        _words(text, start, size, draft)
    return True


def _candidate(text: str, at: int) -> int:
    found = p.CANDIDATE.search(text, at)
    return found.start() if found else -1


def _is_name_part(text: str, match: re.Match[str], draft: Draft, unread: str = "") -> bool:
    """Whether a number belongs to a name: 3号大街, 二期, 12区, 4S店, 701华庭, 十八梯社区.

    `unread` stands between the last element and the number; a bare number directly behind a road is its door plate.
    """
    kind, end = match.lastgroup, match.end()
    if kind == "no":
        return p.NOT_PLATE.match(text, end) is not None
    if kind != "bare":
        return text[match.start()] in _HAN_NUMERALS and p.NOT_NUMERAL.match(text, end) is not None
    if end == len(text):
        return False
    if p.NOT_UNIT.match(text, end):
        return True
    before = unread.strip(TRIM)
    if before.endswith(_UPPER_WORDS):
        return match[0].isdigit() and len(match[0]) <= 4 and p.NAME_BEHIND.match(text, end) is not None
    return not before and _begins_name(text, match, draft)


def _begins_name(text: str, match: re.Match[str], draft: Draft) -> bool:
    """Whether a number is the beginning of an estate's name, which needs a place where a name may begin."""
    end = match.end()
    if not match[0].isdigit() or len(match[0]) > 4:
        return False
    if draft.last in {"", "street"} and not p.NO_NAME_BEHIND.match(text, end):
        return True
    return draft.last in _NAME_PLACES and p.NAME_BEHIND.match(text, end) is not None


def _words(text: str, start: int, end: int, draft: Draft) -> None:
    """Reads the places named between two numbers."""
    while start < end and text[start] in " -./、,":
        start += 1
    if start >= end:
        return
    if draft.last not in {"building", "unit", "floor", "room"}:
        start = _named(text, start, end, draft)
    if start < end:
        _free(text[start:end].strip(TRIM), draft)


def _named(text: str, start: int, end: int, draft: Draft) -> int:
    """Reads streets, communities and roads for as long as their suffixes are found; returns where it stopped."""
    while start < end:
        if text[start] == " ":
            start += 1
            continue
        branch = _branch(text, start, draft)
        if branch is not None and branch.end() <= end:
            start = branch.end()
            continue
        match = p.WORD.match(text, start)
        read_to = _word(text, match, draft) if match and match.end() <= end else start
        if read_to == start:
            space = text.find(" ", start, end)
            if space < 0:
                return start
            _free(text[start:space].strip(TRIM), draft)
            read_to = space
        start = read_to
    return start


def _branch(text: str, start: int, draft: Draft) -> re.Match[str] | None:
    """A numbered branch of the road before it, or the group of the village before it."""
    if draft.last == "road" and draft.road_no is None:
        if text[start] not in _BRANCH_HEADS:
            return None
        match = p.SUBROAD.match(text, start)
        if match:
            draft.road = (draft.road or "") + match[0]
        return match
    if draft.last in _GROUP_PLACES and draft.road is None and ("组" in text or "队" in text or "社" in text):
        match = p.HAMLET_GROUP.match(text, start)
        if match and not _IS_NAMED.search(match["village"]):
            draft.put("community" if draft.last == "street" else "compound", match["village"])
            draft.put("road", group_name(match["group"]))
            return match
        match = p.GROUP.match(text, start)
        if match:
            draft.put("road", group_name(match[0]))
        return match
    return None


def _word(text: str, match: re.Match[str], draft: Draft) -> int:
    kind = match.lastgroup
    stem = match["stem"]
    if kind == "street":
        return _street(match, stem, draft)
    if kind == "community":
        return _community(match, stem, draft)
    if kind == "group":
        return match.start()
    return _road(text, match, stem, draft)


def _street(match: re.Match[str], stem: str, draft: Draft) -> int:
    if not stem or draft.road_no or draft.road:
        return match.start()
    inner = p.ESTATE_IN.search(stem)
    if inner and inner.end() < len(stem):
        draft.put("compound", stem[: inner.end()])
        stem = stem[inner.end() :]
    name = street_name(stem, match["street"])
    if draft.street is None:
        draft.put("street", name)
    else:
        draft.last = "street"
        if draft.street[:2] != name[:2]:
            draft.note(name)
    return match.end()


def _community(match: re.Match[str], stem: str, draft: Draft) -> int:
    if len(stem) < 1 or draft.community is not None or (draft.compound and draft.last == "compound"):
        return match.start()
    if draft.road_no is not None and not match["community"].startswith(("社区", "居")):
        return match.start()
    inner = p.ESTATE_IN.search(stem)
    named_after = match["community"].startswith(("社区", "居")) and p.CAMPUS.search(stem)
    if inner and inner.end() < len(stem) - 1 and not named_after:
        return match.start()
    if match["community"] == "村" and stem[-1] in "一二三四五六七八九十" and (draft.street or "街道")[-1] not in "镇乡":
        return match.start()
    draft.put("community", community_name(stem, match["community"]))
    return match.end()


def _road(text: str, match: re.Match[str], stem: str, draft: Draft) -> int:
    begin, end = match.span()
    if not stem or draft.road_no is not None or (draft.last == "compound" and text[begin - 1] != " "):
        return begin
    if p.ESTATE_OF_ROAD.match(text, end):
        return begin
    if match["road"] == "街" and draft.street is None and draft.road is None and p.VILLAGE_AHEAD.match(text, end):
        draft.put("street", stem + "街道")
        return end
    estate = _estate_before(stem, match[0])
    if match.lastgroup == "lane" and estate:
        return begin
    if 0 < estate < len(stem):
        draft.put("compound", stem[:estate])
        begin += estate
    _put_road(text[begin:end], text[end : end + 1].isdigit(), draft)
    crossing = p.JUNCTION.match(text, end) if text[end : end + 1] in _CROSSING_HEADS else None
    if crossing and (crossing["other"] or crossing["at"]) and crossing[0].strip():
        draft.note(crossing[0])
        return crossing.end()
    return end


def _estate_before(stem: str, name: str) -> int:
    """How much of a road's stem is an estate written before it (梅苑小区中南路); 0 if none."""
    match = p.ESTATE_IN.search(name) or (p.ESTATE_END.match(stem) if len(stem) > 5 else None)
    match = match or p.NUMBERED_ROAD.match(stem)
    return match.end() if match else 0


def _put_road(name: str, numbered: bool, draft: Draft) -> None:
    """A second road wins if it bears the door plate; 大道中路 continues the first; otherwise it is a remark."""
    if draft.road is None:
        draft.road = name
    elif name[:-1] in _DIRECTIONS:
        draft.road += name
    elif numbered:
        draft.note(draft.road)
        draft.road = name
    else:
        draft.twice = True
        if name != draft.road:
            draft.note(name)
    draft.last = "road"


def _free(words: str, draft: Draft) -> None:
    """Places words without an address suffix: an estate, a company, or a remark."""
    assist = None
    if p.REMARK_HEADS.search(words):
        words = p.NOISE.sub("", words).strip(TRIM)
        assist = p.ASSIST.search(words)
    if not words:
        return
    if assist and "米" in assist[0] and len(words) - assist.end() > 1:  # the place lies behind the distance
        draft.note(words[: assist.end()])
        _estate(words[assist.end() :], draft)
        return
    if assist:
        _estate(words[: assist.start()], draft)
        rest = words[assist.end() :]
        if draft.compound is None:
            draft.note(assist[0])
            _free(rest.strip(TRIM), draft)
        else:
            draft.note(assist[0] + rest)
        return
    _estate(words, draft)


def _estate(words: str, draft: Draft) -> None:
    words = words.strip(TRIM)
    if not words:
        return
    if draft.last in {"building", "unit", "floor", "room"}:
        if draft.last == "floor" and draft.room is None and p.WING.fullmatch(words):
            draft.room = words
            return
        side = p.SIDE.match(words) if draft.last == "floor" and draft.room is None else None
        if side:
            draft.room = side[0][0]
            _estate(words[side.end() :], draft)
        elif draft.compound is None and draft.last == "building" and draft.road_no is None:
            draft.compound = words.replace(" ", "")
        else:
            draft.note(words)
        return
    if words in "东西南北中" and draft.last == "road":
        draft.note(words)
        return
    premises = words[-1] in _PREMISES_ENDS
    if premises and p.PREMISES.fullmatch(words):
        draft.note(words)
        draft.last = "premises" if draft.road_no else draft.last
        return
    words = words.replace(" ", "")
    behind = p.PREMISES_BEHIND.search(words) if premises else None
    if behind:
        draft.note(behind[0])
        words = words[: behind.start()]
    draft.compound = words if draft.compound is None else draft.compound + words
    draft.last = "compound"

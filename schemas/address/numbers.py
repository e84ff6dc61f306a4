"""Numbers of an address: what a number is by its own suffix and, where that does not decide, by what stands before it.

628号 behind a road is a door plate, behind an estate a building, behind a building a room; 3-2-1502 fills the places
still open from the largest to the smallest.
"""

import re
from typing import Final

from schemas.address import patterns as p
from schemas.address.elements import (
    Draft,
    building_name,
    door_plate,
    floor_name,
    room_name,
    unit_name,
)
from schemas.address.numerals import digits

_BASEMENT: Final = re.compile("B[1-4]")
_RANGE: Final = re.compile("([0-9]+)[0-9]{2}-\\1[0-9]{2}(?:[室房铺号].*)?")


def match_number(text: str, at: int) -> re.Match[str] | None:
    """The numbered element at a position; the commonest spellings are tried first, because the full pattern is slow."""
    return p.PLAIN_NUMBER.match(text, at) or p.NUMBER.match(text, at)


def place_number(text: str, match: re.Match[str], draft: Draft) -> int:
    """Places a number in the draft; returns where reading goes on."""
    kind, value = match.lastgroup, match[0]
    if kind == "building":
        _building(value, draft)
    elif kind == "unit":
        draft.put("unit", unit_name(value))
    elif kind == "floor":
        _floor(value, draft)
    elif kind == "alley":
        draft.put("road_no", digits(value))
        draft.last = "alley"
    elif kind == "room":
        _room(value, draft)
    elif kind == "no":
        _plate(value, text[match.end() : match.end() + 1].isdigit(), draft)
    else:
        _bare(value, draft)
    return match.end()


def _building(value: str, draft: Draft) -> None:
    """A building; directly behind a road 1924-2幢 is door plate 1924号, building 2栋."""
    only = p.ORGANISATION_BUILDING.fullmatch(value) if draft.last == "road" and draft.road_no is None else None
    if only:
        draft.put("road_no", only[1])
        draft.put("compound", only[2])
        return
    plate, dash, building = value.partition("-")
    if dash and plate.isdigit() and draft.last == "road" and draft.road_no is None:
        draft.put("road_no", plate + "号")
        value = building
    if draft.last == "building" and draft.road_no is None and (draft.building or "").endswith("号"):
        draft.road_no, draft.building = draft.building, None  # 丁家桥26号4幢: the number before a building is its door
    draft.put("building", building_name(value))


def _floor(value: str, draft: Draft) -> None:
    """A floor; in 174-8楼 the first number is the building, in 1-3层 it is the first of several floors."""
    first, dash, second = value.partition("-")
    number = first.removeprefix("第")
    if (
        dash
        and draft.building is None
        and number.isdigit()
        and int(number) > int("0" + "".join(filter(str.isdecimal, second)))
    ):
        draft.put("building", building_name(first))
        value = second
    draft.put("floor", floor_name(value))


def _room(value: str, draft: Draft) -> None:
    plate = p.SHOP_PLATE.match(value) if draft.last == "road" and draft.road_no is None else None
    if plate:
        draft.put("road_no", door_plate(plate[0]))
        draft.note(value[plate.end() :])
        draft.last = "premises"
        return
    parts = value.split("-")
    one_room = len(parts) == 2 and len(parts[0]) >= 3 and _digit_count(parts[1]) < 3
    if len(parts) > 1 and all(parts) and not one_room and draft.last not in {"unit", "floor", "room"}:
        _parts(parts, draft)
    else:
        draft.put("room", room_name(value.strip("-")))


def _plate(value: str, room_follows: bool, draft: Draft) -> None:
    """A number with 号: door plate, building, unit or room, by what stands before it."""
    if draft.last == "premises" and draft.room is None:
        draft.put("room", room_name(value.removesuffix("号") + "铺"))
    elif draft.last == "building" and room_follows and draft.unit is None:
        draft.put("unit", unit_name(value))
    elif draft.last in {"building", "unit", "floor"}:
        parts = value.removesuffix("号").split("-")
        if len(parts) > 1 and draft.last == "building":
            _parts(parts, draft)
        else:
            draft.put("room", room_name(value))
    elif draft.road_no is None and (draft.last != "compound" or _hamlet(draft)):
        draft.put("road_no", door_plate(value))
    elif draft.building is None and not _room_plate(value, draft):
        first, _, second = value.removesuffix("号").partition("-")
        if draft.last == "compound" and second.isdigit() and len(second) >= 3:
            _parts([first, second], draft)
        else:
            draft.put("building", door_plate(value))
    else:
        draft.put("room", room_name(value))


def _room_plate(value: str, draft: Draft) -> bool:
    """Whether N号 behind an estate is a room: shops in a market hall, and numbers no estate has buildings for."""
    size = _digit_count(value.partition("-")[0])
    return draft.last == "compound" and (
        size >= 4 or (size == 3 and p.LODGING.search(draft.compound or "") is not None)
    )


def _hamlet(draft: Draft) -> bool:
    """Whether the name before a door plate is a hamlet (自然村) rather than an estate with buildings."""
    rural = draft.community is not None or (draft.street or "街道")[-1] in "镇乡"
    if draft.road is None and (draft.compound or "").endswith("广场"):
        return True
    return rural and draft.road is None and not p.HAMLET_NOT.search(draft.compound or "")


def _bare(value: str, draft: Draft) -> None:
    """A number without suffix; B1 of a mall is its basement."""
    if draft.last == "premises" and draft.room is None:
        draft.put("room", room_name(value + "铺"))
        return
    if draft.last == "compound" and _BASEMENT.fullmatch(value) and p.MALL.search(draft.compound or ""):
        draft.put("floor", floor_name(value))
        return
    parts = value.replace("/", "-").split("-")
    if draft.last in {"road", "community", "street"} and draft.road_no is None:
        if len(parts) > 2 and len(parts[-1]) >= 3:
            draft.put("road_no", parts[0] + "号")
            _parts(parts[1:], draft)
        elif value[0].isdigit():
            draft.put("road_no", door_plate(value))
        else:
            _parts(parts, draft)
        return
    _parts(parts, draft)


def _parts(parts: list[str], draft: Draft) -> None:
    """Numbers joined by dashes, filled into the places still open: building, unit, room (3-2-1502)."""
    if _office(parts, draft) and len(parts[1]) == 1 and parts[1].isalpha():
        draft.put("floor", floor_name(parts[0] + "层"))
        parts = parts[1:]
    if draft.building is None and draft.unit is None and draft.last not in {"floor", "room"}:
        if len(parts) == 1:
            if _digit_count(parts[0]) >= 3 and draft.last != "alley":
                draft.put("room", room_name(parts[0]))
            else:
                draft.put("building", digits(parts[0]) + "栋")
            return
        span = _RANGE.fullmatch("-".join(parts)) and parts[0] < parts[1]  # 902-903: rooms of one floor
        if (len(parts[0]) >= 4 and parts[0].isdigit()) or span or _office(parts, draft):
            draft.put("room", room_name("-".join(parts)))
            return
        draft.put("building", building_name(parts[0]))
        parts = parts[1:]
        if len(parts) == 1 and len(parts[0]) <= 2 and parts[0].isdigit() and (draft.building or "A")[0].isdigit():
            draft.put("unit", unit_name(parts[0]))
            return
    opens = draft.unit is None and draft.last == "building" and len(parts) > 1 and len(parts[0]) <= 3
    if opens and _digit_count(parts[1]) >= 3:
        draft.put("unit", unit_name(parts[0]))
        parts = parts[1:]
    draft.put("room", room_name("-".join(parts)))


def _office(parts: list[str], draft: Draft) -> bool:
    """Floor and office of a tower, 45-1 (环球金融中心45-1): towers have no such numbers of buildings."""
    tower = draft.last == "compound" and p.LODGING.search(draft.compound or "") is not None
    return tower and len(parts) == 2 and parts[0].isdigit() and len(parts[0]) == 2 and len(parts[1]) <= 2


def _digit_count(part: str) -> int:
    return sum(map(str.isdecimal, part))

"""Homes next door to each other, one digit apart, each written in several ways (相邻房屋)."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from sandbox.hard.model import HardNegatives, Sheet
from sandbox.town import reference
from sandbox.town.draw import Dice, Ints, Text, chance, digits, join, picks, plain, take, where
from sandbox.town.identifiers import mobile_numbers

_SYLLABLES: Final = (
    "安宝昌长春德东丰福光广贵海汉和红华惠吉佳建金景康乐丽利联龙茂美明南宁平庆荣瑞盛泰天文祥新兴阳永裕元云泽正中"
)
_SUFFIXES: Final = ("小区", "花园", "家园", "公寓", "新村", "雅居")
_APART: Final = ("room", "floor", "unit", "building", "door", "tens", "part")
"""In what two neighbours differ: last digit of the room, storey, unit, building, door number, 1栋 and 11栋, 附1号 and 附2号."""


def neighbouring_houses(groups: int, seed: int) -> HardNegatives:
    """Houses one digit apart; a fifth belong to one owner, some records have the register's house code."""
    dice = Dice(seed)
    sheet, texts = _neighbours(dice, "house", groups)
    rng, count = dice.on("owners"), sheet.count
    one_owner = np.repeat(chance(rng, 0.2, groups), 2)
    owner = np.where(one_owner, np.arange(2 * groups) // 2 * 2, np.arange(2 * groups))
    surname = take(reference.column("surnames", "surname"), picks(rng, reference.weights("surnames"), 2 * groups))
    name = join(surname, take(list(_SYLLABLES), rng.integers(0, len(_SYLLABLES), 2 * groups)))
    phone = mobile_numbers(dice, "owners' phones", 2 * groups)
    named = chance(rng, 0.5, count)
    return sheet.write(
        {
            "address": texts,
            "house_code": where(chance(rng, 0.3, count), join("F", digits(sheet.member + 1, 9))),
            "owner_name": where(named, name.take(pa.array(owner[sheet.member]))),
            "owner_phone": where(named, phone.take(pa.array(owner[sheet.member]))),
        }
    )


def neighbouring_addresses(groups: int, seed: int) -> HardNegatives:
    """Standard addresses one digit apart; some records have the standard code."""
    dice = Dice(seed)
    sheet, texts = _neighbours(dice, "address", groups)
    code = join("420106001001", digits(sheet.member + 1, 9), "01")
    return sheet.write({"full_text": texts, "standard_code": where(chance(dice.on("codes"), 0.3, sheet.count), code)})


def _neighbours(dice: Dice, entity: str, groups: int) -> tuple[Sheet, Text]:
    """Records of two neighbours per group and the text of each."""
    rng = dice.on("neighbours")
    kind = rng.integers(0, len(_APART), groups)
    numbers = {
        # A plate belongs to one estate: along a road they stand a dozen and more apart.
        "door": 2 + np.arange(groups) // len(reference.lines("roads")) * 14 + rng.integers(0, 10, groups),
        "building": rng.integers(1, 9, groups), "unit": rng.integers(1, 4, groups),
        "floor": rng.integers(1, 9, groups), "room": rng.integers(1, 4, groups), "part": rng.integers(1, 8, groups),
    }  # fmt: skip
    both = {name: np.repeat(values, 2) for name, values in numbers.items()}
    younger = np.arange(2 * groups) % 2 == 1
    for number, name in enumerate(_APART):
        here = younger & np.repeat(kind == number, 2)
        if name == "tens":
            both["building"] = np.where(here, both["building"] + 10, both["building"])
        else:
            both[name] = np.where(here, both[name] + 1, both[name])
    part = np.where(np.repeat(kind, 2) == _APART.index("part"), both["part"], 0)
    sheet = Sheet.of(dice, "house" if entity == "house" else "address", 2 * groups)
    of = sheet.member
    form = dice.on("forms").integers(0, 4, sheet.count)
    written = _written(
        _Estates(dice, groups), of // 2, {name: values[of] for name, values in both.items()}, part[of], form
    )
    return sheet, written


def flats(dice: Dice, homes: Ints, form: Ints) -> Text:
    """Addresses of homes by number, four to an estate, in one of four ways each."""
    estate, flat = np.divmod(homes, 4)
    spread = {
        "door": 1 + estate * 7 % 890, "building": 1 + flat, "unit": 1 + estate % 3, "floor": 1 + estate % 8, "room": 1 + flat % 3,
    }  # fmt: skip
    return _written(_Estates(dice, int(estate.max()) + 1), estate, spread, np.zeros(len(homes), dtype=np.int64), form)


class _Estates:
    """Names and roads of estates by number; no two estates share a name."""

    def __init__(self, dice: Dice, count: int) -> None:
        size = len(_SYLLABLES)
        number = np.arange(count)
        mixed = (number * 7919 + int(dice.on("estate names").integers(0, size**3))) % size**3
        letters = (take(list(_SYLLABLES), mixed // size**place % size) for place in (2, 1, 0))
        self.name = join(*letters, take(_SUFFIXES, number % len(_SUFFIXES)))
        roads, communities = reference.lines("roads"), reference.rows("communities")
        self.road = take(roads, number % len(roads))
        self.street = take([c["street"] for c in communities], number % len(communities))
        self.community = take([c["community"] for c in communities], number % len(communities))


def _written(estates: _Estates, estate: Ints, numbers: dict[str, Ints], part: Ints, form: Ints) -> Text:
    """Four ways: all levels; without the upper ones; numbers with hyphens; another word for the building."""
    index = pa.array(estate)
    name, road, street, community = (
        column.take(index) for column in (estates.name, estates.road, estates.street, estates.community)
    )
    door = join(road, plain(numbers["door"]), "号", where(part > 0, join("附", plain(part), "号")))
    building, unit = plain(numbers["building"]), plain(numbers["unit"])
    room = plain(numbers["floor"] * 100 + numbers["room"])
    texts = [
        join("湖北省武汉市武昌区", street, community, door, name, building, "栋", unit, "单元", room, "室"),
        join("武昌区", door, name, building, "栋", unit, "单元", room, "室"),
        join(door, name, building, "-", unit, "-", room),
        join("武汉市武昌区", street, door, name, building, "号楼", unit, "单元", room),
    ]
    chosen = texts[0]
    for number, text in enumerate(texts[1:], start=1):
        chosen = where(form == number, text, chosen)
    return chosen

"""People easily taken for one another: twins, father and son on one phone, same name and birth date (双胞胎、父子、同名同生日)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from sandbox.hard.model import HardNegatives, Sheet
from sandbox.hard.places import flats
from sandbox.lens.dirt.names import HOMOPHONES
from sandbox.town import DAY_OF_THE_TOWN, reference
from sandbox.town.draw import Dice, Ints, Mask, Text, chance, dates, digits, join, picks, take, where
from sandbox.town.identifiers import citizen_numbers, mobile_numbers

_LEVEL_ONE: Final = 0xD7
"""First byte of the last characters of GB 2312 level one."""


@dataclass(frozen=True, slots=True)
class _People:
    """One element per person; `numbered` says who has a number at all (a newborn may have none)."""

    name: Text
    born: Ints
    male: Mask
    phone: Text
    home: Ints
    numbered: Mask


def twins(groups: int, seed: int) -> HardNegatives:
    """Same surname, birth date, home, household and phone; given names one character apart; some without any number.

    In a tenth of the pairs the two characters sound alike, but only where numbers tell the two apart.
    """
    dice = Dice(seed)
    rng = dice.on("twins")
    alike = chance(rng, 0.1, groups)
    numbered = alike | chance(rng, 0.75, groups)
    surname, place = _surnames(dice, groups), rng.integers(0, 2, groups)
    pairs = _different_characters(dice, groups, alike)
    shared = take(_characters(), rng.integers(0, len(_characters()), groups))
    male = np.where(chance(rng, 0.65, groups)[:, None], rng.random((groups, 1)) < 0.5, [[True, False]])
    # A character of its own beside the shared one, in front of it or behind.
    names = [join(surname, where(place == 0, own, shared), where(place == 0, shared, own)) for own in pairs]
    born = _day(dice, groups, 0, 60)
    phone = mobile_numbers(dice, "phones", groups)
    people = _People(
        _woven(*names), np.repeat(born, 2), male.ravel(), phone.take(_pairs(groups)), np.repeat(np.arange(groups), 2),
        np.repeat(numbered, 2),
    )  # fmt: skip
    return _records(dice, people, "twins")


def fathers_and_sons(groups: int, seed: int) -> HardNegatives:
    """Same surname, sex, home and phone; given names one character apart; 22 to 40 years between them."""
    dice = Dice(seed)
    rng = dice.on("fathers and sons")
    surname = _surnames(dice, groups)
    own = _different_characters(dice, groups, np.zeros(groups, dtype=bool))
    shared = take(_characters(), rng.integers(0, len(_characters()), groups))
    son = _day(dice, groups, 0, 45)
    born = np.column_stack([son - rng.integers(22 * 365, 40 * 365, groups), son]).ravel()
    people = _People(
        _woven(*(join(surname, shared, character) for character in own)), born, np.ones(2 * groups, dtype=bool),
        mobile_numbers(dice, "phones", groups).take(_pairs(groups)), np.repeat(np.arange(groups), 2), chance(rng, 0.9, 2 * groups),
    )  # fmt: skip
    return _records(dice, people, "fathers and sons")


def namesakes(groups: int, seed: int) -> HardNegatives:
    """Same name, sex and birth date; each with a home, a phone and a number of their own, some in one estate."""
    dice = Dice(seed)
    rng = dice.on("namesakes")
    name = join(
        _surnames(dice, groups),
        *(take(_characters(), rng.integers(0, len(_characters()), groups)) for _ in range(2)),
    )
    home = np.arange(2 * groups)
    near = chance(rng, 0.1, groups)
    home[1::2] = np.where(near, home[1::2], home[1::2] + 2 * groups)
    people = _People(
        name.take(_pairs(groups)), np.repeat(_day(dice, groups, 18, 80), 2), np.repeat(chance(rng, 0.5, groups), 2),
        mobile_numbers(dice, "phones", 2 * groups), home, chance(rng, 0.9, 2 * groups),
    )  # fmt: skip
    return _records(dice, people, "namesakes")


def _records(dice: Dice, people: _People, topic: str) -> HardNegatives:
    """Two or three records of each: the first is whole, the others lack the number or other things, never all."""
    sheet = Sheet.of(dice, "person", len(people.born))
    rng, count = dice.on(f"{topic} records"), sheet.count
    later = sheet.turn > 0
    number = citizen_numbers(dice, people.born, people.male)
    has_number = people.numbered[sheet.member] & ~(later & chance(rng, 0.55, count))
    lacks = rng.random(count)
    has_phone = ~(later & (lacks < 0.3))
    has_home = ~(later & (lacks >= 0.3) & (lacks < 0.6))
    has_birth = has_number | ~(later & chance(rng, 0.15, count))
    written = flats(dice, people.home[sheet.member], rng.integers(0, 4, count))
    household = join("4", digits(people.home[sheet.member] + 1, 8))
    return sheet.write(
        {
            "id_type": where(has_number, "111"),
            "id_number": where(has_number, sheet.of_members(number)),
            "name": sheet.of_members(people.name),
            "sex": where(people.male[sheet.member], "1", "2"),
            "birth_date": where(has_birth, dates(people.born[sheet.member])),
            "phone": where(has_phone, sheet.of_members(people.phone)),
            "residence_address": where(has_home, written),
            "household_no": where(has_home & chance(rng, 0.15, count), household),
        }
    )


def _surnames(dice: Dice, count: int) -> Text:
    return take(
        reference.column("surnames", "surname"), picks(dice.on("surnames"), reference.weights("surnames"), count)
    )


def _characters() -> list[str]:
    """All characters of the town's given names in GB 2312 level one, which is ordered by sound."""
    rows = reference.rows("given_names")
    every = {c for r in rows for key in ("first", "second", "single") for c in r[key] if c != " "}
    return sorted((c for c in every if c.encode("gb18030")[0] <= _LEVEL_ONE), key=lambda c: c.encode("gb18030"))


def _different_characters(dice: Dice, count: int, alike: Mask) -> tuple[Text, Text]:
    """Pairs of different characters: of one sound where `alike`, of sounds far apart elsewhere."""
    rng, every = dice.on("characters"), _characters()
    homophones = [c for c in sorted(HOMOPHONES) if chr(c) != HOMOPHONES[c]]
    first = rng.integers(0, len(every), count)
    apart = len(every) // 5
    second = (first + rng.integers(apart, len(every) - apart, count)) % len(every)
    which = rng.integers(0, len(homophones), count)
    sounds = [chr(c) for c in homophones], [HOMOPHONES[c] for c in homophones]
    return (
        where(alike, take(sounds[0], which), take(every, first)),
        where(alike, take(sounds[1], which), take(every, second)),
    )


def _day(dice: Dice, count: int, youngest: int, oldest: int) -> Ints:
    today = DAY_OF_THE_TOWN.toordinal() - 719_163
    return today - dice.on("births").integers(youngest * 365 + 1, oldest * 365, count)


def _pairs(groups: int) -> pa.Array:
    return pa.array(np.repeat(np.arange(groups), 2))


def _woven(first: Text, second: Text) -> Text:
    """The first and the second of each group in turn."""
    order = np.arange(2 * len(first)) // 2 + np.arange(2 * len(first)) % 2 * len(first)
    return pa.concat_arrays([first, second]).take(pa.array(order))

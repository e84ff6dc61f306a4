"""The people of the town as numbers: residents in their households, and outsiders who only own or run something here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sandbox.town.draw import Dice, Ints, Mask, chance
from sandbox.town.households import CHILD, FATHER, HEAD, MARRIED, MATE, MOTHER, SINGLE, Households, make_households


@dataclass(frozen=True, slots=True)
class People:
    """Residents first, outsiders after them; -1 stands for "nobody" and "nowhere" in every index.

    Attributes:
        homes: households; every outsider is a household of one.
        residents: how many of the people live (or lived) here.
        age: completed years on the day of the town.
        house: number of the house they live in. guardian: of a minor. grown_child: of an elder.
        died, left, arrived: day of death, of moving out of town, of moving in (-1 = never; babies: day of birth).
    """

    homes: Households
    residents: int
    age: Ints
    house: Ints
    guardian: Ints
    grown_child: Ints
    died: Ints
    left: Ints
    arrived: Ints

    @property
    def count(self) -> int:
        """Residents and outsiders."""
        return len(self.age)

    @property
    def resident(self) -> Mask:
        """Belongs to a household of the town."""
        return np.arange(self.count) < self.residents


def make_people(dice: Dice, residents: int, outsiders: int, today: int) -> People:
    """Draw households, outsiders, and the kinship that crosses households."""
    homes = _with_outsiders(dice, make_households(dice, residents, today), outsiders, today)
    age = ((today - homes.born) / 365.2425).astype(np.int64)
    died, left, arrived = _comings_and_goings(dice, homes, age, residents, today)
    return People(
        homes, residents, age, np.full(len(age), -1, dtype=np.int64), _guardians(dice, homes, age),
        _grown_children(dice, homes, age, residents), died, left, arrived,
    )  # fmt: skip


def _with_outsiders(dice: Dice, homes: Households, count: int, today: int) -> Households:
    rng = dice.on("outsiders")
    none = np.full(count, -1, dtype=np.int64)
    number = np.arange(homes.people, homes.people + count)

    def add(values: np.ndarray, more: np.ndarray) -> np.ndarray:
        return np.concatenate([values, more.astype(values.dtype)])

    born = today - (rng.beta(2, 2.2, count) * 45 * 365.25 + 27 * 365.25).astype(np.int64)
    return Households(
        add(homes.household, len(homes.starts) + np.arange(count)), add(homes.role, np.full(count, HEAD)),
        add(homes.born, born), add(homes.male, chance(rng, 0.62, count)), add(homes.marital, np.full(count, MARRIED)),
        add(homes.floating, np.zeros(count)), add(homes.head, number), add(homes.spouse, none), add(homes.father, none),
        add(homes.mother, none), add(homes.twin, none), add(homes.starts, number),
    )  # fmt: skip


def _guardians(dice: Dice, homes: Households, age: Ints) -> Ints:
    """A minor's guardian: mother or father, whoever is there."""
    pick_mother = chance(dice.on("guardians"), 0.55, len(age))
    chosen = np.where(pick_mother, homes.mother, homes.father)
    chosen = np.where(chosen < 0, np.maximum(homes.mother, homes.father), chosen)
    return np.where((age < 18) & (homes.role == CHILD), chosen, -1)


def _grown_children(dice: Dice, homes: Households, age: Ints, residents: int) -> Ints:
    """The grown child whom an elder's affairs fall to: in the household, else somebody of the right age in town."""
    rng = dice.on("grown children")
    inside = np.isin(homes.role, (FATHER, MOTHER))
    pool = np.flatnonzero((np.arange(len(age)) < residents) & (age >= 28) & (age <= 58) & (homes.role != MATE))
    elders = (age >= 66) & ~inside & (np.arange(len(age)) < residents)
    found = np.where(inside, homes.head, -1)
    if pool.size:
        found[elders] = rng.choice(pool, int(elders.sum()))
    return np.where((found >= 0) & chance(rng, 0.85, len(age)), found, -1)


def _comings_and_goings(
    dice: Dice, homes: Households, age: Ints, residents: int, today: int
) -> tuple[Ints, Ints, Ints]:
    """Deaths, departures of whole households, and arrivals of floating households over the last years."""
    rng = dice.on("comings and goings")
    count, resident = len(age), np.arange(len(age)) < residents
    risk = np.select([age >= 85, age >= 75, age >= 60, age >= 40], [0.22, 0.09, 0.025, 0.004], 0.0006)
    when = today - rng.integers(3, 1095, count)
    died = np.where(resident & chance(rng, risk, count), when, -1)
    households = len(homes.starts)
    leaves = chance(rng, np.where(homes.floating[homes.starts], 0.09, 0.015), households)
    left_on = today - rng.integers(5, 1000, households)
    left = np.where(resident & (died < 0), np.where(leaves, left_on, -1)[homes.household], -1)
    came = today - (rng.gamma(1.6, 620, households)).astype(np.int64) - 20
    came = np.where(leaves, np.minimum(came, left_on - 60), came)
    arrived = np.where(homes.floating & resident, came[homes.household], -1)
    return died, left, np.where(arrived < 0, -1, np.maximum(arrived, homes.born))


def namesakes(dice: Dice, people: People) -> tuple[Ints, Ints]:
    """Pairs that shall share name, sex and birth date without being one person: (who is copied, who copies)."""
    rng = dice.on("namesakes")
    homes = people.homes
    alone = (
        (homes.spouse < 0)
        & (homes.twin < 0)
        & np.isin(homes.role, (HEAD, MATE))
        & people.resident
        & (homes.marital == SINGLE)
    )
    copies = np.flatnonzero(alone & (people.age >= 20) & (people.died < 0))
    wanted = min(len(copies) // 3, max(2, people.residents // 400))
    copies = rng.permutation(copies)[: 2 * wanted]
    order = np.lexsort((homes.born[copies], homes.male[copies]))
    copies = copies[order]
    same = homes.male[copies[0::2][:wanted]] == homes.male[copies[1::2][:wanted]]
    return copies[0::2][:wanted][same], copies[1::2][:wanted][same]

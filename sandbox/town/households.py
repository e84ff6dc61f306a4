"""Who lives together: households of couples, children, grandparents, flat-mates, with ages that fit (家庭户)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from sandbox.town import reference
from sandbox.town.draw import Dice, Ints, Mask, chance, picks

ROLES: Final = ("head", "spouse", "child", "father", "mother", "mate")
HEAD, SPOUSE, CHILD, FATHER, MOTHER, MATE = range(6)
SINGLE, MARRIED, WIDOWED, DIVORCED = 10, 20, 30, 40
"""GB/T 2261.2."""

TWINS: Final = 0.1
"""Share of second children who are twins of the first: four times as many as in life, so that small towns have some."""


@dataclass(frozen=True, slots=True)
class Households:
    """One element per resident.

    Attributes:
        household: number of the household; members of one household are consecutive, its head first.
        role: index into `ROLES`; born: days since 1970-01-01; male; marital: GB/T 2261.2 code.
        floating: came from elsewhere (流动人口); head, spouse, father, mother: person numbers, -1 if none in the household.
        twin: the person born the same day of the same parents, -1 otherwise; starts: first person of each household.
    """

    household: Ints
    role: Ints
    born: Ints
    male: Mask
    marital: Ints
    floating: Mask
    head: Ints
    spouse: Ints
    father: Ints
    mother: Ints
    twin: Ints
    starts: Ints

    @property
    def people(self) -> int:
        """Number of residents."""
        return len(self.household)


def make_households(dice: Dice, people: int, today: int) -> Households:
    """Draw households until they hold exactly `people` people (the last one may lose members)."""
    kinds = reference.rows("households")
    members = [[ROLES.index(m) for m in k["members"].split()] for k in kinds]
    sizes = np.array([len(m) for m in members])
    table = np.full((len(kinds), sizes.max()), -1)
    for row, roles in enumerate(members):
        table[row, : len(roles)] = roles
    rng = dice.on("households")
    shares = np.array(reference.weights("households", "share"))
    guess = int(people / (shares @ sizes / shares.sum()) * 1.1) + 20
    kind = picks(rng, shares, guess)
    ends = np.cumsum(sizes[kind])
    kind = kind[: int(np.searchsorted(ends, people)) + 1]
    household = np.repeat(np.arange(len(kind)), sizes[kind])[:people]
    starts = np.r_[0, np.cumsum(sizes[kind])[:-1]]
    place = np.arange(people) - starts[household]
    role = table[kind[household], place]
    draw = _Draw(dice, kind, household, starts, role)
    male = draw.sexes(np.array(reference.weights("households", "male_head")))
    age_days, twin = draw.ages(
        np.array(reference.weights("households", "head_from")), np.array(reference.weights("households", "head_to"))
    )
    floating = chance(rng, np.array(reference.weights("households", "floating"))[kind], len(kind))[household]
    spouse, father, mother = draw.kin(male)
    marital = draw.marital(spouse, age_days, male)
    return Households(
        household,
        role,
        today - age_days,
        male,
        marital,
        floating,
        starts[household],
        spouse,
        father,
        mother,
        twin,
        starts,
    )


@dataclass(frozen=True, slots=True)
class _Draw:
    """What the draws of one town share: kind per household, and per person household and role."""

    dice: Dice
    kind: Ints
    household: Ints
    starts: Ints
    role: Ints

    def sexes(self, male_head: np.ndarray) -> Mask:
        rng = self.dice.on("sexes")
        heads = chance(rng, male_head[self.kind], len(self.kind))[self.household]
        drawn = chance(rng, 0.525, len(self.role))
        fixed = np.select([self.role == SPOUSE, self.role == HEAD], [~heads, heads], drawn)
        return np.where(self.role == FATHER, True, np.where(self.role == MOTHER, False, fixed)).astype(bool)

    def ages(self, low: np.ndarray, high: np.ndarray) -> tuple[Ints, Ints]:
        """Age in days, and twins: a second child born the same day as the first."""
        rng = self.dice.on("ages")
        count = len(self.role)
        heads = low[self.kind] + rng.beta(1.6, 1.8, len(self.kind)) * (high - low + 1)[self.kind]
        head = heads[self.household]
        years = head.copy()
        drawn = rng.normal(0, 1, count)
        spread = rng.random(count)
        years = np.where(self.role == SPOUSE, np.maximum(head - 1.5 + 2.6 * drawn, 22.2 + spread), years)
        years = np.where(self.role == MATE, np.clip(head + 4 * drawn, 18.1 + 2 * spread, 58 + spread), years)
        parent = np.isin(self.role, (FATHER, MOTHER))
        years = np.where(parent, np.minimum(head + 22 + 8 * spread, 97), years)
        years = np.where(self.role == CHILD, np.clip(head - 22.5 - 10 * spread, 0.02 + 2 * spread, None), years)
        second = np.flatnonzero((self.role == CHILD) & (np.roll(self.role, 1) == CHILD) & (np.arange(count) > 0))
        second = second[self.household[second] == self.household[second - 1]]
        gap = 1.2 + 5 * rng.random(len(second))
        years[second] = np.maximum(years[second - 1] - gap, 0.02 + 1.5 * spread[second])
        days = np.floor(years * 365.25).astype(np.int64)
        twin = np.full(count, -1, dtype=np.int64)
        twins = second[chance(rng, TWINS, len(second))] if len(second) > 40 else second[:1]
        days[twins] = days[twins - 1]
        twin[twins], twin[twins - 1] = twins - 1, twins
        return days, twin

    def kin(self, male: Mask) -> tuple[Ints, Ints, Ints]:
        """Spouse, father and mother within the household."""
        people = np.arange(len(self.role))

        def holder(role: int) -> Ints:
            found = np.full(len(self.kind), -1, dtype=np.int64)
            found[self.household[self.role == role]] = people[self.role == role]
            return found[self.household]

        head, wife = holder(HEAD), holder(SPOUSE)
        spouse = np.select([self.role == HEAD, self.role == SPOUSE], [wife, head], -1)
        spouse = np.where(self.role == FATHER, holder(MOTHER), np.where(self.role == MOTHER, holder(FATHER), spouse))
        man = np.where(male[head], head, wife)
        woman = np.where(male[head], wife, head)
        father = np.where(self.role == CHILD, man, np.where(self.role == HEAD, holder(FATHER), -1))
        mother = np.where(self.role == CHILD, woman, np.where(self.role == HEAD, holder(MOTHER), -1))
        return spouse, father, mother

    def marital(self, spouse: Ints, age_days: Ints, male: Mask) -> Ints:
        """Marital status by role and age; people below the lawful age (22, 20) are single."""
        rng = self.dice.on("marital")
        years = age_days / 365.25
        luck = rng.random(len(self.role))
        old = np.select([luck < 0.74, luck < 0.84, luck < 0.92], [WIDOWED, DIVORCED, MARRIED], SINGLE)
        grown = np.select([luck < 0.12, luck < 0.2], [MARRIED, DIVORCED], SINGLE)
        status = np.where(years >= 60, old, np.where(years >= 26, grown, SINGLE))
        parent_alone = (self.role == HEAD) & (spouse < 0) & (years < 60) & self._has_child()
        status = np.where(parent_alone, np.where(luck < 0.8, DIVORCED, WIDOWED), status)
        status = np.where(spouse >= 0, np.where(luck < 0.03, 22, MARRIED), status)
        status = np.where((self.role == MOTHER) & (spouse < 0), WIDOWED, status)
        return np.where(years < np.where(male, 22, 20), SINGLE, status).astype(np.int64)

    def _has_child(self) -> Mask:
        children = np.zeros(len(self.kind), dtype=bool)
        children[self.household[self.role == CHILD]] = True
        return children[self.household]

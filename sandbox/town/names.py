"""Names that fit their bearers: surname from the father, given name of the birth cohort, minority names with the dot.

Names come from short lists with weights, so namesakes (同名同姓) are as common as in a real district.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sandbox.town import reference
from sandbox.town.draw import Dice, Ints, Mask, Text, chance, civil, join, picks, take, where, zipf
from sandbox.town.households import CHILD, FATHER, HEAD, Households

UYGHUR, TIBETAN = "05", "04"


@dataclass(frozen=True, slots=True)
class Names:
    """Per person: name, ethnicity code, and the given name alone (for used names)."""

    name: Text
    ethnicity: Text


def make_names(dice: Dice, homes: Households) -> Names:
    """Name every resident of the households."""
    ethnicity = _ethnicities(dice, homes)
    surnames = inherit_surnames(dice, homes)
    given = given_names(dice, "given names", homes.born, homes.male)
    given = _family_characters(dice, homes, given)
    name = join(take(reference.column("surnames", "surname"), surnames), given)
    codes = take(reference.column("ethnicities", "code"), ethnicity)
    return Names(_dotted(dice, homes, codes, name), codes)


def inherit_surnames(dice: Dice, homes: Households) -> Ints:
    """Everyone's surname: children take the father's (some 8% the mother's), fathers of heads the head's."""
    rng = dice.on("surnames")
    own = picks(rng, reference.weights("surnames"), homes.people)
    man = np.where(homes.male[homes.head], homes.head, homes.spouse[homes.head])
    source = np.where((homes.role == CHILD) & (man >= 0), man, np.arange(homes.people))
    from_mother = chance(rng, 0.08, homes.people) & (homes.role == CHILD) & (homes.mother >= 0)
    source = np.where(from_mother, homes.mother, source)
    source = np.where((homes.role == CHILD) & (source < 0), homes.head, source)
    source = np.where(homes.role == FATHER, homes.head, source)
    return own[source]


def given_names(dice: Dice, topic: str, born: Ints, male: Mask) -> Text:
    """Given names of the birth cohort and sex: whole fashionable names, single characters, or two characters."""
    rng = dice.on(topic)
    cohorts = reference.rows("given_names")
    starts = sorted({int(row["from_year"]) for row in cohorts})
    cohort = np.searchsorted(starts, np.clip(civil(born)[0], starts[0], None), side="right") - 1
    luck = rng.random(len(born))
    draws = rng.random((2, len(born)))
    choice = np.zeros(len(born), dtype=np.int64)
    vocabulary: list[str] = []
    for row in cohorts:
        mask = (cohort == starts.index(int(row["from_year"]))) & (male == (row["sex"] == "1"))
        local = np.flatnonzero(mask)
        whole, single = row["whole"].split(), row["single"].split()
        first, second = row["first"].split(), row["second"].split()
        base = len(vocabulary)
        vocabulary += whole + single + [a + b for a in first for b in second]
        limit, limit_single = float(row["share_whole"]), float(row["share_whole"]) + float(row["share_single"])
        two = (
            len(whole)
            + len(single)
            + _ranked(draws[0, local], len(first)) * len(second)
            + _ranked(draws[1, local], len(second))
        )
        one = len(whole) + _ranked(draws[0, local], len(single))
        choice[local] = base + np.select(
            [luck[local] < limit, luck[local] < limit_single], [_ranked(draws[0, local], len(whole)), one], two
        )
    return take(vocabulary, choice)


def _family_characters(dice: Dice, homes: Households, given: Text) -> Text:
    """Given names that share a character within the family: twins mostly, brothers and sisters often (字辈), a son his father's.

    Who takes a character over has it in front and the last one of their own behind: 子轩 and 子涵, 建国 and 建华.
    """
    rng = dice.on("family characters")
    number = np.arange(homes.people)
    child = homes.role == CHILD
    elder = np.where(child & np.roll(child, 1) & (homes.household == np.roll(homes.household, 1)), number - 1, -1)
    twin = (homes.twin >= 0) & (homes.twin < number)
    with_elder = (elder >= 0) & chance(rng, np.where(twin, 0.8, 0.35), homes.people)
    with_father = child & homes.male & ~with_elder & (homes.father >= 0) & chance(rng, 0.06, homes.people)
    first = pc.utf8_slice_codeunits(given, 0, 1)
    # The elder's own may come from the father, so the father's is taken over first.
    first = where(with_father, take(first, homes.father), first)
    taken = where(with_elder, take(first, elder), first)
    last = pc.utf8_slice_codeunits(given, -1, 2**30)
    whose = np.where(with_elder, elder, np.where(with_father, homes.father, -1))
    both = (whose >= 0) & np.asarray(pc.not_equal(taken, last))
    both &= np.asarray(pc.not_equal(last, take(last, whose)).fill_null(False))  # else the two would have one name
    return where(both, join(taken, last), given)


def _ranked(uniform: np.ndarray, count: int) -> Ints:
    cumulated = np.cumsum(zipf(count))
    ranked: Ints = np.searchsorted(cumulated, uniform * cumulated[-1], side="right").astype(np.int64)
    return ranked


def _ethnicities(dice: Dice, homes: Households) -> Ints:
    """Ethnicity by household; half of the spouses of minority heads are Han (index 0)."""
    rng = dice.on("ethnicities")
    heads = picks(rng, reference.weights("ethnicities"), len(homes.starts))
    if not np.any(heads == _DOTTED):
        heads[np.argmax(homes.floating[homes.starts])] = _DOTTED
    own = heads[homes.household]
    mixed = (homes.role != HEAD) & (homes.role != CHILD) & (homes.role != FATHER) & chance(rng, 0.5, homes.people)
    return np.where(mixed & (own != _DOTTED), 0, own)


_DOTTED: Final = [row["code"] for row in reference.rows("ethnicities")].index(UYGHUR)


def _dotted(dice: Dice, homes: Households, ethnicity: Text, name: Text) -> Text:
    """Replace the names of Uyghur and Tibetan people by their own kind: given name, middle dot, father's name."""
    rng = dice.on("dotted names")
    for row in reference.rows("dotted_names"):
        mask = np.asarray(pc.equal(ethnicity, row["ethnicity"]))
        local = np.flatnonzero(mask)
        male, female, fathers = row["male"].split(), row["female"].split(), row["father"].split()
        drawn = picks(rng, zipf(len(male) * len(female)), len(local))
        given = where(homes.male[local], take(male, drawn % len(male)), take(female, drawn % len(female)))
        family = take(fathers, (homes.household[local] * 5 + (homes.role[local] != CHILD) * drawn) % len(fathers))
        name = pc.replace_with_mask(name, pa.array(mask), join(given, "·", family))
    return name

"""Branches of one chain, and head office and branch (连锁分店、总公司与分公司)."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from sandbox.hard.model import HardNegatives, Sheet
from sandbox.hard.places import flats
from sandbox.town import reference
from sandbox.town.draw import Dice, chance, join, picks, take, where
from sandbox.town.identifiers import citizen_numbers, credit_codes, mobile_numbers


def branches(groups: int, seed: int) -> HardNegatives:
    """Two units of a chain: one head company's name, mostly one legal representative, often one hotline.

    Three quarters are two branches of two places, a quarter the head office and a branch. Each unit has a credit code and
    an address of its own; records after the first mostly lack the code, and never both code and address.
    """
    dice = Dice(seed)
    rng, count = dice.on("branches"), 2 * groups
    sheet = Sheet.of(dice, "organisation", count)
    of, group = sheet.member, np.arange(count) // 2
    names, signs = _names(dice, groups)
    shared_legal = chance(rng, 0.7, groups)[group] | (np.arange(count) % 2 == 0)
    legal = np.where(shared_legal, group, groups + group)
    shared_phone = chance(rng, 0.5, groups)[group] | (np.arange(count) % 2 == 0)
    phone = np.where(shared_phone, group, groups + group)
    people = _people(dice, count)
    later = sheet.turn > 0
    has_code = ~(later & chance(rng, 0.65, sheet.count))
    has_address = ~has_code | ~(later & chance(rng, 0.3, sheet.count))
    has_phone, has_legal, signed = (chance(rng, share, sheet.count) for share in (0.8, 0.75, 0.5))
    home = np.arange(count) * 5  # each in an estate of its own
    return sheet.write(
        {
            "uscc": where(
                has_code, sheet.of_members(credit_codes(dice, take(["91"], np.zeros(count, dtype=np.int64))))
            ),
            "name": sheet.of_members(names),
            "sign_name": where(signed, sheet.of_members(signs)),
            "address": where(has_address, flats(dice, home[of], rng.integers(0, 4, sheet.count))),
            "legal_representative": where(has_legal, people[0].take(pa.array(legal[of]))),
            "legal_id_number": where(has_legal & chance(rng, 0.4, sheet.count), people[1].take(pa.array(legal[of]))),
            "phone": where(has_phone, mobile_numbers(dice, "hotlines", count).take(pa.array(phone[of]))),
            "status": take(["01"], np.zeros(sheet.count, dtype=np.int64)),
        }
    )


def _names(dice: Dice, groups: int) -> tuple[pa.Array, pa.Array]:
    """Registered name and sign of every unit: head company's name and the branch's place, or the head's name alone."""
    rng = dice.on("chain names")
    brands, trades = reference.rows("brands")[0], reference.rows("trades")
    first, second = brands["first"].split(), brands["second"].split()
    syllables = [sorted({*first, *second}), first, second]
    # Three characters, so that two chains hardly ever share a brand.
    brand = join(*(take(words, rng.integers(0, len(words), groups)) for words in syllables))
    trade = take([t["trade"] for t in trades], rng.integers(0, len(trades), groups))
    head = join("武汉", brand, trade, "有限公司")
    stems = [reference.stem(c) for c in reference.column("communities", "community")]
    place = rng.integers(0, len(stems), groups)
    other = (place + rng.integers(1, len(stems), groups)) % len(stems)
    of_head = np.zeros(2 * groups, dtype=bool)
    of_head[::2] = chance(rng, 0.25, groups)
    where_ = take(stems, np.column_stack([place, other]).ravel())
    both = pa.array(np.repeat(np.arange(groups), 2))
    form = where(np.repeat(chance(rng, 0.5, groups), 2), "店", "分公司")
    head, brand = head.take(both), join(brand, trade).take(both)
    return where(of_head, head, join(head, where_, form)), where(of_head, brand, join(brand, "(", where_, "店)"))


def _people(dice: Dice, count: int) -> tuple[pa.Array, pa.Array]:
    """Names and numbers of the legal representatives."""
    rng = dice.on("representatives")
    surname = take(reference.column("surnames", "surname"), picks(rng, reference.weights("surnames"), count))
    given = [w for row in reference.rows("given_names") for w in row["whole"].split()]
    born = rng.integers(-5000, 12_000, count)
    return join(surname, take(given, rng.integers(0, len(given), count))), citizen_numbers(
        dice, born, chance(rng, 0.6, count)
    )

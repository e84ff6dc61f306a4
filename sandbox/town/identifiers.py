"""Synthetic identifiers with correct check digits, in an area that does not exist (GB 11643, GB 32100, GB 11714).

The sandbox has its own vectorised check digits instead of the product's, so that a mistake in one shows up against the
other.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from sandbox.town.draw import Dice, Ints, Text, civil, digit_matrix, digits, from_characters, join, picks, take

AREA: Final = "420199"
"""An area code of Wuhan that was never assigned: no number made with it can be a real person's."""

_ID_WEIGHTS: Final = np.array([7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2])
_ID_CHECKS: Final = np.frombuffer(b"10X98765432", dtype=np.uint8)
_USCC_ALPHABET: Final = np.frombuffer(b"0123456789ABCDEFGHJKLMNPQRTUWXY", dtype=np.uint8)
_USCC_VALUES: Final = np.array([b"0123456789ABCDEFGHJKLMNPQRTUWXY".find(bytes([c])) for c in range(128)])
_USCC_WEIGHTS: Final = np.array([pow(3, i, 31) for i in range(17)])
_ORG_VALUES: Final = np.array([b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ".find(bytes([c])) for c in range(128)])
_ORG_WEIGHTS: Final = np.array([3, 7, 9, 10, 5, 8, 4, 2])
MOBILE_PREFIXES: Final = ("154", "161", "163", "164", "168", "169", "194")
"""Mobile prefixes that no operator uses as far as is known: the shape is right, nobody answers."""


def id_check_characters(body: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The 18th character of each 17-digit row of ASCII codes (GB 11643, MOD 11-2)."""
    check: npt.NDArray[np.uint8] = _ID_CHECKS[(body.astype(np.int64) - 48) @ _ID_WEIGHTS % 11]
    return check


def uscc_check_characters(body: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The 18th character of each 17-character row (GB 32100)."""
    check: npt.NDArray[np.uint8] = _USCC_ALPHABET[(31 - _USCC_VALUES[body] @ _USCC_WEIGHTS % 31) % 31]
    return check


def org_code_check_characters(body: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The ninth character of each eight-character organisation code (GB 11714)."""
    remainder = 11 - _ORG_VALUES[body] @ _ORG_WEIGHTS % 11
    return np.where(remainder == 10, ord("X"), np.where(remainder == 11, ord("0"), remainder + 48)).astype(np.uint8)


def citizen_numbers(dice: Dice, birth_days: Ints, male: npt.NDArray[np.bool_]) -> Text:
    """18-digit citizen numbers, unique as long as at most 499 people of one sex share a birthday."""
    order = np.lexsort((male, birth_days))
    key = birth_days[order] * 2 + male[order]
    starts = np.r_[True, key[1:] != key[:-1]]
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order)) - np.maximum.accumulate(np.where(starts, np.arange(len(order)), 0))
    if rank.size and int(rank.max()) >= 499:
        raise TownTooLarge(int(rank.max()) + 1)
    salt = int(dice.on("citizen numbers").integers(1, 499))
    sequence = 2 * ((rank * 7 + birth_days % 97 * salt) % 499) + np.where(male, 1, 2)
    year, month, day = civil(birth_days)
    area = np.broadcast_to(np.frombuffer(AREA.encode(), np.uint8), (len(birth_days), 6))
    body = np.hstack([area, digit_matrix(year * 10000 + month * 100 + day, 8), digit_matrix(sequence, 3)])
    return from_characters(np.hstack([body, id_check_characters(body)[:, None]]))


def credit_codes(dice: Dice, classes: Text) -> Text:
    """18-character unified social credit codes with the two leading characters given, e.g. 91, 92, 52."""
    count = len(classes)
    offset = int(dice.on("credit codes").integers(0, 31**4))
    serial = (np.arange(count, dtype=np.int64) * 7919 + offset) % 31**6
    tail = _USCC_ALPHABET[serial[:, None] // 31 ** np.arange(5, -1, -1) % 31]
    org = np.hstack([np.broadcast_to(np.frombuffer(b"MA", np.uint8), (count, 2)), tail])
    leading = np.frombuffer("".join(classes.to_pylist()).encode(), np.uint8).reshape(count, 2)
    area = np.broadcast_to(np.frombuffer(AREA.encode(), np.uint8), (count, 6))
    body = np.hstack([leading, area, org, org_code_check_characters(org)[:, None]])
    return from_characters(np.hstack([body, uscc_check_characters(body)[:, None]]))


def mobile_numbers(dice: Dice, topic: str, count: int) -> Text:
    """Eleven-digit mobile numbers in unused prefixes; rarely the same number twice, as in life."""
    rng = dice.on(topic)
    prefix = take(MOBILE_PREFIXES, picks(rng, np.ones(len(MOBILE_PREFIXES)), count))
    return join(prefix, digits(rng.integers(0, 10**8, count), 8))


def landline_numbers(dice: Dice, topic: str, count: int) -> Text:
    """Landlines of Wuhan (area 027) beginning with 2, where no exchange stands."""
    return join("027-2", digits(dice.on(topic).integers(0, 10**7, count), 7))


class TownTooLarge(ValueError):
    """More people share a birthday than citizen numbers exist in the one synthetic area."""

    def __init__(self, people: int) -> None:
        self.people = people
        super().__init__(
            f"{people} people of one sex share a birthday and only 499 numbers exist; ask for a smaller town"
        )

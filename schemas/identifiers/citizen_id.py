"""公民身份号码 (GB 11643-1999) and what shares its shape: residence permits 81/82/83, permanent residence cards.

6 digits area of first registration, 8 digits birth date, 3 digits sequence (odd = male), 1 check character
(ISO 7064 MOD 11-2). Numbers of permanent residents (2023 form) start with 9 and carry the same check character, but
the order of their middle digits is not published: nothing is read off them but that they are sound.
"""

from __future__ import annotations

import re
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.identifiers import areas, columns
from schemas.identifiers.columns import MASKED, SCIENTIFIC, Bytes, Flags, Ints, Texts

WEIGHTS = np.array([7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2], np.int64)
CHECK_CHARACTERS = "10X98765432"

_EARLIEST_YEAR, _LATEST_YEAR = 1800, 2199
_CENTENARIANS = ("996", "997", "998", "999")
_PERMANENT_OLD = re.compile(r"^[A-Z]{3}[0-9]{12}$")
_KINDS = ("citizen", "residence_permit", "permanent_residence")
_ISSUES = (None, "check_digit", "birth_date", "precision_lost")
_WARNINGS = (None, "area_unknown", "area_retired", "precision_suspect")


def check_digit(body: str) -> str:
    """Return the check character for the first 17 digits: `check_digit("11010519491231002") == "X"`.

    Raises:
        ValueError: the body is not 17 digits.
    """
    if len(body) != 17 or not (body.isascii() and body.isdigit()):
        raise ValueError("the body of a citizen ID number is 17 digits")
    return CHECK_CHARACTERS[sum(int(w) * int(c) for w, c in zip(WEIGHTS, body, strict=True)) % 11]


def parse(
    texts: Texts,
    *,
    test_areas: frozenset[str] = areas.DEFAULT_TEST_AREAS,
    today: date | None = None,
) -> pa.Table:
    """Clean, complete, check and anatomise ID numbers, row for row.

    A failed check character is an issue; an unknown or retired area is only a warning, since the number outlives
    the area. 15-digit numbers become 18 digits (sequence 996–999: born in the 19th century, else the 20th).

    Args:
        texts: raw texts, with blanks, full-width digits, a leading apostrophe, small x and so on.
        test_areas: area codes accepted although they do not exist (synthetic people).
        today: when given, a later birth date is an issue; the caller owns the clock.

    Returns:
        Text columns, NULL where unknown: `value` (18 characters, or 15 for the old permanent residence card),
        `kind` (citizen, residence_permit, permanent_residence, permanent_residence_old), `issue` (masked,
        precision_lost, length, characters, check_digit, birth_date), `warning` (area_unknown, area_retired,
        precision_suspect), `birth_date` (ISO), `sex` (GB/T 2261.1), `area_code` (6 digits).
    """
    return columns.per_distinct(texts, lambda column: _parse_distinct(column, test_areas, today))


def _parse_distinct(raw: pa.StringArray, test_areas: frozenset[str], today: date | None) -> pa.Table:
    column = columns.compact(raw)
    whole = columns.matches(column, r"^[0-9]{17}[0-9X]$")
    odd = ~whole & columns.flags(column.is_valid())
    repairs = [_repair(text) for text in column.filter(pa.array(odd)).to_pylist()]
    repaired = columns.where(odd, pa.array([r[0] for r in repairs], pa.string()))
    refused = columns.where(odd, pa.array([r[1] for r in repairs], pa.string()))
    candidate = pc.if_else(pa.array(whole), column, repaired)

    full = columns.flags(pc.fill_null(pc.equal(pc.binary_length(candidate), 18), False))
    numbers = candidate.filter(pa.array(full))
    checked = {name: columns.where(full, part) for name, part in _check(numbers, test_areas, today).items()}
    old_card = columns.matches(candidate, _PERMANENT_OLD.pattern)
    issue = pc.coalesce(refused, checked["issue"])
    usable = pc.and_(pc.is_null(issue), pc.is_valid(candidate))
    nothing = pa.scalar(None, pa.string())
    result = {
        "value": pc.if_else(usable, candidate, nothing),
        "kind": pc.if_else(pa.array(old_card), "permanent_residence_old", checked["kind"]),
        "issue": issue,
        "warning": checked["warning"],
    }
    derived = {name: checked[name] for name in ("birth_date", "sex", "area_code")}
    result |= {name: pc.if_else(usable, part, nothing) for name, part in (result | derived).items() if name != "issue"}
    return columns.text_table({name: result[name] for name in _ORDER})


_ORDER = ("value", "kind", "issue", "warning", "birth_date", "sex", "area_code")


def _repair(text: str) -> tuple[str | None, str | None]:
    """Return (candidate number, issue) for a text that is not 17 digits and a check character."""
    plain = re.sub(r"[-_.·]", "", text) if not SCIENTIFIC.match(text) else text
    if re.fullmatch(r"[0-9]{15}", plain):
        return lengthen(plain), None
    if re.fullmatch(r"[0-9]{17}[0-9X]", plain) or _PERMANENT_OLD.match(plain):
        return plain, None
    if SCIENTIFIC.match(text):
        return None, "precision_lost"
    if MASKED.search(text):
        return None, "masked"
    return None, "characters" if re.search(r"[^0-9X]", plain) else "length"


def lengthen(old: str) -> str:
    """Return the 18 characters of an old number of 15 digits: `lengthen("110105491231002") == "11010519491231002X"`."""
    century = "18" if old[12:] in _CENTENARIANS else "19"
    body = old[:6] + century + old[6:]
    return body + check_digit(body)


def _check(numbers: pa.StringArray, test_areas: frozenset[str], today: date | None) -> dict[str, pa.Array]:
    cells = columns.matrix(numbers, 18)
    remainder = (cells[:, :17].astype(np.int64) - 48) @ WEIGHTS % 11
    expected = np.frombuffer(CHECK_CHARACTERS.encode(), np.uint8)[remainder]
    sound = expected == cells[:, 17]
    foreign = cells[:, 0] == ord("9")
    permit = np.isin(columns.number(cells, 0, 6), (810000, 820000, 830000))
    zeros = np.asarray((cells[:, 15:] == ord("0")).all(axis=1), dtype=np.bool_)  # a spreadsheet keeps 15 digits

    years, months, days = (columns.number(cells, a, b) for a, b in ((6, 10), (10, 12), (12, 14)))
    born = _plausible(years, months, days, today) | foreign
    area = columns.number(cells, 0, 6)
    known, retired = areas.known_and_retired(area, years, test_areas)
    warning = np.select([zeros & ~foreign, foreign, ~known, retired], [3, 0, 1, 2], 0)
    issue = np.select([~sound & zeros, ~sound, ~born], [3, 1, 2], 0)
    citizen_only = pa.array(~foreign)
    nothing = pa.scalar(None, pa.string())
    return {
        "kind": columns.labels(np.where(foreign, 2, np.where(permit, 1, 0)), _KINDS),
        "issue": columns.labels(issue, _ISSUES),
        "warning": columns.labels(warning, _WARNINGS),
        "birth_date": pc.if_else(citizen_only, columns.iso_dates(years, months, days), nothing),
        "sex": pc.if_else(citizen_only, columns.labels(_sex(cells), ("1", "2")), nothing),
        "area_code": pc.if_else(citizen_only, pc.utf8_slice_codeunits(numbers, 0, 6), nothing),
    }


def _sex(cells: Bytes) -> Ints:
    return np.where(cells[:, 16] % 2 == 1, 0, 1)


def _plausible(years: Ints, months: Ints, days: Ints, today: date | None) -> Flags:
    possible = columns.valid_dates(years, months, days) & (years >= _EARLIEST_YEAR) & (years <= _LATEST_YEAR)
    if today is None:
        return possible
    latest = today.year * 10000 + today.month * 100 + today.day
    return possible & (years * 10000 + months * 100 + days <= latest)

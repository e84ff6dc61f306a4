"""Hints (线索): what a text that is not usable as a value still says; weak evidence for linkage, never a claim.

A number with a failed check digit is no identifier, yet it is one keystroke from one; a masked number shows ten of its
eighteen digits. Unknown characters are written `*`, so that every hint is a pattern in the form of the canonical value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.identifiers import columns
from schemas.identifiers import phone as telephone
from schemas.identifiers.citizen_id import lengthen
from schemas.identifiers.columns import Ints
from schemas.values import dates, lunar
from schemas.values.options import DEFAULTS, ValueOptions

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "typo": "a number of about the right shape that fails its check; a date that lies in the future",
        "masked": "some characters are hidden",
        "truncated": "a spreadsheet kept the first digits only",
        "part": "another number that is contained in the one asked for (组织机构代码 in the credit code)",
        "former": "the number that the one asked for has replaced (15位工商注册号)",
        "lunar": "the Gregorian date, if the date as written is lunar",
        "swapped": "the date with day and month in the other order, which is the only one that exists",
        "century": "the date in the other century, where the year has two digits",
        "partial": "only the year, or year and month, are known",
        "default": "1 January: perhaps the day is not known",
        "overruled": "the date that the row states, where its ID number says another",
        "other": "a further telephone number in the same cell",
    }
)
"""Every kind of hint and what its value is."""

_Found = tuple[str, str]
_FEWEST = 5
"""Characters that must be visible: less than that fits everybody."""

_EIGHTEEN = r"^[0-9A-Z*]{17}[0-9A-Z*]$"
_CONFUSED = str.maketrans("OQILZSB", "0011258")
_FOREVER_UNKNOWN = "*"
_ROUNDED_FROM = 6
_KEPT_BY_SPREADSHEETS = 15
_TWO_DIGIT_CENTURY = 100


def hints(kind: str, raw: pa.StringArray, answer: Mapping[str, Any], options: ValueOptions = DEFAULTS) -> pa.Table:
    """Return what the texts that `normalise` refused or doubted still say.

    Args:
        kind: kind of value; only `id_number`, `uscc`, `date` and `phone` leave hints.
        raw: the texts, row for row.
        answer: `value`, `issue` and `warning` of `schemas.values.normalise` for them (string arrays).
        options: the options they were normalised with.

    Returns:
        Columns `at` (int32, row of `raw`), `kind` (one of `KINDS`) and `value` (text, `*` where a character is
        unknown). A row may have none, one or several.
    """
    work = _WORK.get(kind)
    if work is None:
        return _table([], [], [])
    # What is only doubted about a number (area unknown) leaves it a value; of dates and phones the doubts count too.
    rules = pc.coalesce(answer["issue"], answer["warning"]) if kind in {"date", "phone"} else answer["issue"]
    if kind == "date":
        rules = pc.if_else(pc.and_(pc.is_null(rules), _first_of_january(answer["value"])), "date.default", rules)
    rows = np.flatnonzero(columns.flags(pc.is_valid(rules)))
    if not len(rows):
        return _table([], [], [])
    coded = raw.take(pa.array(rows)).dictionary_encode()
    codes = coded.indices.to_numpy()
    _, first = np.unique(codes, return_index=True)
    odd = pa.table({"text": coded.dictionary, "rule": rules.take(pa.array(rows[first]))})
    return _spread(work(odd["text"].combine_chunks(), odd["rule"].combine_chunks(), options), rows, codes)


def _spread(found: pa.Table, rows: Ints, codes: Ints) -> pa.Table:
    """Turn hints of distinct texts into hints of rows."""
    if not found.num_rows:
        return found
    of_row = pa.table({"at": pa.array(codes, pa.int32()), "row": pa.array(rows, pa.int32())})
    joined = of_row.join(found, "at", join_type="inner")
    return _table(*(joined[name].combine_chunks() for name in ("row", "kind", "value")))


def _first_of_january(values: pa.StringArray) -> pa.BooleanArray:
    return pc.fill_null(pc.ends_with(values, "-01-01"), fill_value=False)


def _table(at: Any, kind: Any, value: Any) -> pa.Table:
    return pa.table(
        {"at": pa.array(at, pa.int32()), "kind": pa.array(kind, pa.string()), "value": pa.array(value, pa.string())}
    )


def _numbers(texts: pa.StringArray, rules: pa.StringArray, one: Callable[[str, str], _Found | None]) -> pa.Table:
    """Read 18 plain characters all at once, what looks otherwise one by one."""
    plain = pc.replace_substring_regex(columns.compact(texts), "[×●]", "*")
    whole = columns.matches(plain, _EIGHTEEN) & ~columns.matches(plain, "X{3,}")
    whole &= ~columns.matches(rules, r"precision|characters")
    stars = columns.matches(plain, r"\*")
    visible = pc.utf8_length(pc.replace_substring(plain, "*", "")).to_numpy(zero_copy_only=False)
    good = np.flatnonzero(whole & (visible >= _FEWEST))
    kinds = pa.array(np.where(stars[good], "masked", "typo"), pa.string())
    rest = np.flatnonzero(~whole)
    pairs = zip(plain.take(pa.array(rest)).to_pylist(), rules.take(pa.array(rest)).to_pylist(), strict=True)
    told = [(at, said) for at, (text, rule) in zip(rest, pairs, strict=True) if text and (said := one(text, rule))]
    slow = _table([at for at, _ in told], [s[0] for _, s in told], [s[1] for _, s in told])
    return pa.concat_tables([_table(good, kinds, plain.take(pa.array(good))), slow])


def _id_number(text: str, rule: str) -> _Found | None:
    plain = re.sub(r"[-_.·]", "", text) if not columns.SCIENTIFIC.match(text) else text
    if rule == "id_number.precision_lost":
        return _cut_short(plain, old=15)
    if rule == "id_number.masked":
        return _masked(plain)
    if re.fullmatch(r"[0-9]{15}", plain):  # the old form of a number whose birth date does not exist
        return "typo", lengthen(plain)
    if len(plain) == 18:
        digits = plain[:17].translate(_CONFUSED)
        last = plain[17] if plain[17] == "X" else plain[17].translate(_CONFUSED)
        plain = digits + last
    return ("typo", plain) if re.fullmatch(r"[0-9]{16,18}[0-9X]", plain) else None


def _uscc(text: str, rule: str) -> _Found | None:
    plain = re.sub(r"[-－—–]", "", text) if not columns.SCIENTIFIC.match(text) else text
    if rule == "uscc.precision_lost":
        return _cut_short(plain, old=0)
    if rule == "uscc.masked":
        found = _masked(plain)
        return found if found and len(found[1]) == 18 else None
    if rule == "uscc.registration_no":
        return "former", plain
    if rule == "uscc.org_code":
        return "part", f"{'*' * 8}{plain}*"
    plain = plain.translate(str.maketrans("OQISZ", "00152"))
    return ("typo", plain) if re.fullmatch(r"[0-9A-Z]{17,19}", plain) else None


def _cut_short(text: str, old: int) -> _Found | None:
    """Read what a spreadsheet left: 4.20106E+17, or 18 digits of which it kept fifteen."""
    if re.fullmatch(r"[0-9]{15}000", text):
        return "truncated", text[:_KEPT_BY_SPREADSHEETS] + "***"
    found = re.fullmatch(r"([0-9])(?:\.([0-9]+))?E\+?([0-9]{1,2})", text)
    if found is None:
        return None
    digits, size = found[1] + (found[2] or ""), int(found[3]) + 1
    # The last digit shown is rounded. Of six digits of an ID number it is not: the next one begins a year, 1 or 2.
    if len(digits) < _KEPT_BY_SPREADSHEETS and not (old and len(digits) == _ROUNDED_FROM):
        digits = digits[:-1]
    if len(digits) < _FEWEST or size not in {18, old}:
        return None
    pattern = digits[:size].ljust(size, _FOREVER_UNKNOWN)
    return "truncated", pattern if size == 18 else f"{pattern[:6]}19{pattern[6:]}*"


def _masked(text: str) -> _Found | None:
    """Read a number with hidden characters; a run of stars that is too short stands for all that are missing."""
    plain = re.sub(r"X{3,}", lambda run: "*" * len(run[0]), text)
    parts = re.fullmatch(r"([0-9A-Z]{6,})(\*+)([0-9A-Z]*)", plain)
    # Fifteen characters may be an old number in full or a new one with too few stars: nobody can tell.
    if parts and len(plain) < 18 and len(plain) != 15 and re.fullmatch(r"[0-9]{6,}", parts[1]):
        plain = parts[1] + "*" * (18 - len(parts[1]) - len(parts[3])) + parts[3]
    seen = len(plain) - plain.count("*")
    return (
        ("masked", plain) if seen >= _FEWEST and re.fullmatch(r"[0-9A-Z*]{8,18}", plain) and len(plain) != 15 else None
    )


def _dates(texts: pa.StringArray, rules: pa.StringArray, options: ValueOptions) -> pa.Table:
    future = dates.date_values(texts, replace(options, latest=None))
    at: list[int] = []
    said: list[_Found] = []
    for row, (text, rule, value) in enumerate(
        zip(texts.to_pylist(), rules.to_pylist(), future.value.to_pylist(), strict=True)
    ):
        for hint in _date(columns.half_width(text).strip(), rule, value, options):
            at.append(row)
            said.append(hint)
    return _table(at, [kind for kind, _ in said], [value for _, value in said])


def _date(text: str, rule: str, value: str | None, options: ValueOptions) -> Iterator[_Found]:
    if rule == "date.default" and value:
        yield "default", value
    elif rule == "date.future" and value:
        yield "typo", value
    elif rule == "date.two_digit_year" and value:
        year = int(value[:4]) + (_TWO_DIGIT_CENTURY if value < "2000" else -_TWO_DIGIT_CENTURY)
        other = f"{year}{value[4:]}"
        if _exists(other) and (options.latest is None or other <= options.latest.isoformat()):
            yield "century", other
    elif rule == "date.partial":
        known = re.match(r"([0-9]{4})[^0-9]*(1[0-2]|0?[1-9])?", _in_figures(text))
        if known:
            yield "partial", f"{known[1]}-{known[2].zfill(2) if known[2] else '**'}-**"
    elif rule == "date.lunar":
        born = lunar.read(text)
        if born:
            yield "lunar", born.isoformat()
    elif rule in {"date.impossible", "date.unparseable"}:
        yield from _impossible(text)


def _impossible(text: str) -> Iterator[_Found]:
    born = lunar.read(text)
    if born:  # 30 February is a day of the lunar calendar
        yield "lunar", born.isoformat()
    found = re.fullmatch(r"([0-9]{4})(?:[-/.]|年)?([0-9]{1,2})(?:[-/.]|月)?([0-9]{1,2})日?", text)
    if found:
        year, month, day = found[1], int(found[3]), int(found[2])
    else:
        found = re.fullmatch(r"([0-9]{1,2})[-/.]([0-9]{1,2})[-/.]([0-9]{4})", text)
        if not found:
            return
        # Which of two small numbers is the month nobody can see; where one is above 12, it is the day.
        one, other = int(found[1]), int(found[2])
        if one <= 12 and other <= 12 and one != other:
            return
        year, month, day = found[3], min(one, other), max(one, other)
    swapped = f"{year}-{month:02}-{day:02}"
    if _exists(swapped):
        yield "swapped", swapped


def _in_figures(text: str) -> str:
    """Write the Chinese numerals of a year and a month as figures: 二〇二〇年十二月 is 2020年12月."""
    month = re.sub(r"十([一二])?月", lambda m: f"1{'012'['一二'.find(m[1]) + 1] if m[1] else '0'}月", text)
    return month.translate(str.maketrans("〇零○一二三四五六七八九", "000123456789"))


def _exists(day: str) -> bool:
    year, month, last = (np.array([int(part)], np.int64) for part in day.split("-"))
    return bool(columns.valid_dates(year, month, last)[0])


def _phones(texts: pa.StringArray, rules: pa.StringArray, options: ValueOptions) -> pa.Table:
    parsed = telephone.parse(texts, area=options.phone_area)
    at: list[int] = []
    said: list[_Found] = []
    cells = zip(texts.to_pylist(), rules.to_pylist(), parsed["others"].to_pylist(), strict=True)
    for row, (text, rule, others) in enumerate(cells):
        hidden = re.sub(r"[×●]|X", "*", columns.half_width(text).upper().strip())
        if rule == "phone.masked" and re.fullmatch(r"1[3-9*][0-9*]{9}", hidden) and 11 - hidden.count("*") >= _FEWEST:
            at.append(row)
            said.append(("masked", hidden))
        for number in others or ():
            at.append(row)
            said.append(("other", number))
    return _table(at, [kind for kind, _ in said], [value for _, value in said])


_WORK: Mapping[str, Callable[[pa.StringArray, pa.StringArray, ValueOptions], pa.Table]] = MappingProxyType(
    {
        "id_number": lambda texts, rules, _: _numbers(texts, rules, _id_number),
        "uscc": lambda texts, rules, _: _numbers(texts, rules, _uscc),
        "date": _dates,
        "phone": _phones,
    }
)

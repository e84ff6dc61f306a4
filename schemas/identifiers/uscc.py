"""统一社会信用代码 (GB 32100-2015): 1 registrar, 1 class, 6 area, 9 organisation code, 1 check character.

Letters stand in front as well (rural collectives begin with N2), which common checkers reject. The letters
I, O, S, V, Z do not occur, so that none is taken for a digit.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.identifiers import columns, organisation_code
from schemas.identifiers.columns import MASKED, SCIENTIFIC, Bytes, Texts

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
WEIGHTS = np.array([3**i % 31 for i in range(17)], np.int64)
KINDS = {
    "11": "state_organ",
    "12": "public_institution",
    "13": "mass_organisation",
    "51": "social_group",
    "52": "private_non_enterprise",
    "53": "foundation",
    "91": "enterprise",
    "92": "self_employed",
    "93": "farmers_cooperative",
    "N1": "rural_collective",
    "N2": "rural_collective",
    "N3": "rural_collective",
}
"""Registrar and class of the organisations a grid worker meets; every other pair is `other`."""

_CHARACTERS = np.frombuffer(ALPHABET.encode(), np.uint8)
_VALUES = np.zeros(256, np.int64)
_VALUES[_CHARACTERS] = np.arange(31)
_VALUES.setflags(write=False)


def check_digit(body: str) -> str:
    """Return the check character for the first 17 characters: `check_digit("91350100M000100Y4") == "3"`.

    Raises:
        ValueError: the body is not 17 characters of the standard's alphabet.
    """
    if len(body) != 17 or any(c not in ALPHABET for c in body):
        raise ValueError("the body of a credit code is 17 characters of 0-9A-HJ-NPQRTUWXY")
    return chr(_expected(np.frombuffer(body.encode(), np.uint8).reshape(1, 17))[0])


def _expected(cells: Bytes) -> Bytes:
    return np.asarray(_CHARACTERS[-(_VALUES[cells] @ WEIGHTS) % 31], dtype=np.uint8)


def parse(texts: Texts) -> pa.Table:
    """Clean and check credit codes, row for row.

    Returns:
        Text columns `value` (18 characters), `kind` (see `KINDS`), `issue` (masked, precision_lost, length,
        characters, check_digit, registration_no for an old 15-digit number, org_code for a bare organisation code),
        `warning` (org_code_check: positions 9–17 fail GB 11714), `org_code`, `area_code` (of the registrar).
    """
    return columns.per_distinct(texts, _parse_distinct)


def _parse_distinct(raw: pa.StringArray) -> pa.Table:
    column = pc.replace_substring_regex(columns.compact(raw), r"[-－—–]", "")
    whole = columns.matches(column, f"^[{ALPHABET}]{{18}}$")
    odd = ~whole & columns.flags(column.is_valid())
    refused = columns.where(odd, pa.array([_why(t) for t in column.filter(pa.array(odd)).to_pylist()], pa.string()))
    checked = {name: columns.where(whole, part) for name, part in _check(column.filter(pa.array(whole))).items()}
    issue = pc.coalesce(refused, checked.pop("issue"))
    usable = pc.and_(pc.is_null(issue), pc.is_valid(column))
    parts = {"value": column, **checked}
    kept = {name: pc.if_else(usable, part, pa.scalar(None, pa.string())) for name, part in parts.items()} | {
        "issue": issue
    }
    order = ("value", "kind", "issue", "warning", "org_code", "area_code")
    return columns.text_table({name: kept[name] for name in order})


def _check(numbers: pa.StringArray) -> dict[str, pa.Array]:
    cells = columns.matrix(numbers, 18)
    failed = _expected(cells[:, :17]) != cells[:, 17]
    inner = organisation_code.sound(cells[:, 8:17])
    sorts = pc.utf8_slice_codeunits(numbers, 0, 2)
    kinds = pc.index_in(sorts, pa.array(list(KINDS)))
    names = pa.array([*KINDS.values(), "other"])
    return {
        "kind": names.take(pc.fill_null(kinds, len(KINDS))),
        "issue": columns.labels(failed.astype(np.int64), (None, "check_digit")),
        "warning": columns.labels((~inner).astype(np.int64), (None, "org_code_check")),
        "org_code": pc.utf8_slice_codeunits(numbers, 8, 17),
        "area_code": pc.utf8_slice_codeunits(numbers, 2, 8),
    }


def _why(text: str) -> str:
    if SCIENTIFIC.match(text):
        return "precision_lost"
    if MASKED.search(text):
        return "masked"
    if text.isascii() and text.isdigit() and len(text) == 15:
        return "registration_no"
    if text.isascii() and text.isalnum() and len(text) != 18:
        return "org_code" if len(text) == 9 else "length"
    return "characters"

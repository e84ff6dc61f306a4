"""Numbers of organisations (单位证照号码) as keys: what one number says of another, and no more than that.

Three numbers were in use one after the other and stand side by side in old systems:

- 组织机构代码 (GB 11714, nine characters) is positions 9 to 17 of the 统一社会信用代码 (GB 32100). An organisation that had a
  code kept it, so an old record with the bare code and a new one with the credit code are the same organisation.
- 工商注册号 (GS 15-2006, 15 digits) is *not* inside the credit code and cannot be computed from it. Both begin with an area
  (digits 1 to 6, positions 3 to 8), but that is the authority of the first registration in one and of the assignment in the
  other: equal areas are a weak hint, different ones no contradiction. The number is kept for life, so two different ones are
  two registrations. Its seventh digit is said to tell a sole trader (6 to 9) from an enterprise (0 to 3, foreign 4 and 5),
  as the second character of the credit code does (92, 91). That is how secondary sources quote the rules of assignment, and
  one says instead that the digits were used in rising order: `incompatible` is a hint against a pair and no proof.
- Numbers of 13 digits are older than GS 15 and were replaced by one of 15: a pair of both lengths says nothing.

Systems with one field for "licence number" hold any of the three in it, so each number is looked for in every column.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from linkage.names.points import Flags
from schemas.identifiers import organisation_code, registration_no, uscc
from schemas.identifiers.columns import Texts, as_strings

KEY_SCHEMA = pa.schema(
    [pa.field(n, pa.string()) for n in ("uscc", "org_code", "registration_no", "registrar", "sort", "conflict")]
)
"""uscc: valid credit code. org_code: nine characters, bare or from the credit code. registration_no: 15 or 13 digits.
registrar: area code of the credit code, else of the registration number. sort: `self_employed` or `enterprise`, as far as
a number says it. conflict: `org_code` where the bare code is not the one inside the credit code (then the latter counts).
"""

LEVELS = ("uscc", "org_code", "registration_no", "compatible", "incompatible", "different")
"""Nearest first: the same credit code; the same organisation code, on one side inside the credit code; the same
registration number; numbers that cannot be compared and do not exclude each other; one of a sole trader, the other of an
enterprise (converted or another); two credit codes, organisation codes or registration numbers that differ."""

_SORTS = {"92": "self_employed", "91": "enterprise"}
_SEVENTH = {digit: "enterprise" if digit < "6" else "self_employed" for digit in "0123456789"}


def keys(credit_codes: Texts, registration_numbers: Texts, organisation_codes: Texts) -> pa.Table:
    """Return the numbers of each organisation as columns for blocking and comparison (`KEY_SCHEMA`).

    Only numbers whose check digit holds become keys; what is refused stays with the parsers of `schemas.identifiers`.

    Raises:
        ValueError: the columns differ in length.
    """
    columns = [as_strings(c) for c in (credit_codes, registration_numbers, organisation_codes)]
    if len({len(c) for c in columns}) != 1:
        raise ValueError("the three columns of numbers differ in length")
    credit = [uscc.parse(c) for c in columns]
    code = pc.coalesce(*(_column(t, "value") for t in credit))
    sound = pc.coalesce(*(_column(t, "warning") for t in credit)).is_null()
    inner = pc.if_else(sound, pc.coalesce(*(_column(t, "org_code") for t in credit)), None)
    # Nine characters in a field of registration numbers can be a piece of anything: they are no organisation code.
    bare = pc.coalesce(*(_column(organisation_code.parse(c), "value") for c in (columns[2], columns[0])))
    registered = [registration_no.parse(columns[i]) for i in (1, 0, 2)]
    number = pc.coalesce(*(_column(t, "value") for t in registered))
    whole = pc.fill_null(pc.equal(pc.utf8_length(number), 15), False)
    registrar = pc.coalesce(*(_column(t, "area_code") for t in (*credit, *registered)))
    said = pc.if_else(whole, pc.utf8_slice_codeunits(number, 6, 7), None)
    sort = pc.coalesce(_named(pc.utf8_slice_codeunits(code, 0, 2), _SORTS), _named(said, _SEVENTH))
    conflict = pc.if_else(pc.fill_null(pc.not_equal(inner, bare), False), "org_code", pa.scalar(None, pa.string()))
    return pa.table([code, pc.coalesce(inner, bare), number, registrar, sort, conflict], schema=KEY_SCHEMA)


def compare(left: pa.Table, right: pa.Table) -> pa.StringArray:
    """Return the level of each pair of rows of two tables of `keys`, NULL where a side has no number.

    Two valid credit codes that differ are `different` even if a registration number agrees: one of the two was written
    into a wrong record, and no rule may decide which.

    Raises:
        ValueError: the tables differ in length.
    """
    if len(left) != len(right):
        raise ValueError(f"{len(left)} organisations cannot be compared with {len(right)} organisations")
    same = {n: _flags(pc.equal(_column(left, n), _column(right, n))) for n in KEY_SCHEMA.names}
    apart = {n: _flags(pc.not_equal(_column(left, n), _column(right, n))) for n in KEY_SCHEMA.names}
    one_length = _flags(pc.equal(*(pc.utf8_length(_column(t, "registration_no")) for t in (left, right))))
    excluded = apart["org_code"] | (apart["uscc"] & ~same["org_code"])
    tests = (
        same["uscc"],
        same["org_code"],
        same["registration_no"] & ~excluded,
        ~excluded & ~(apart["registration_no"] & one_length) & ~apart["sort"],
        ~excluded & apart["sort"],
    )
    level = np.select(tests, np.arange(1, len(LEVELS)), len(LEVELS))
    known = _any_number(left) & _any_number(right)
    labels = pa.array([None, *LEVELS], pa.string())
    return labels.take(pa.array(np.where(known, level, 0)))


def _any_number(table: pa.Table) -> Flags:
    return _flags(pc.is_valid(pc.coalesce(*(_column(table, n) for n in ("uscc", "org_code", "registration_no")))))


def _column(table: pa.Table, name: str) -> pa.StringArray:
    return table[name].combine_chunks() if isinstance(table[name], pa.ChunkedArray) else table[name]


def _named(texts: pa.StringArray, names: dict[str, str]) -> pa.StringArray:
    return pa.array(list(names.values())).take(pc.index_in(texts, pa.array(list(names))))


def _flags(values: pa.BooleanArray) -> Flags:
    return np.asarray(pc.fill_null(values, False).to_numpy(zero_copy_only=False), dtype=np.bool_)

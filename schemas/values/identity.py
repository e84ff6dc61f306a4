"""Kinds id_number, uscc, org_code, phone: the identifier modules, in the shape of `Answer`."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from schemas.identifiers import citizen_id, columns, document, organisation_code
from schemas.identifiers import phone as telephone
from schemas.identifiers import uscc as credit_code
from schemas.values.answer import NOTHING, Answer
from schemas.values.options import ValueOptions


def id_number(column: pa.StringArray, options: ValueOptions) -> Answer:
    """证件号码: a citizen's number first; what has not its shape is tried as passport or permit (`id_check`)."""
    if options.id_check == "none":
        return _unchecked(column)
    citizen = _answer(citizen_id.parse(column, test_areas=options.test_areas, today=options.latest))
    if options.id_check == "citizen":
        return citizen
    other_shape = pc.is_in(citizen.issue, pa.array(["length", "characters"]))
    document_rows = _answer(document.parse(column.filter(other_shape)))
    chosen = columns.flags(pc.fill_null(other_shape, False))
    value, issue, warning = (columns.where(chosen, part) for part in document_rows)
    # a number of digits only is a damaged ID number, so "wrong length" says more than "no known document"
    issue = pc.if_else(pc.equal(issue, "format"), citizen.issue, issue)
    return Answer(
        pc.if_else(other_shape, value, citizen.value),
        pc.if_else(other_shape, issue, citizen.issue),
        pc.if_else(other_shape, warning, citizen.warning),
    )


def uscc(column: pa.StringArray, _: ValueOptions) -> Answer:
    """统一社会信用代码."""
    return _answer(credit_code.parse(column))


def org_code(column: pa.StringArray, _: ValueOptions) -> Answer:
    """组织机构代码, without hyphen."""
    return _answer(organisation_code.parse(column))


def phone(column: pa.StringArray, options: ValueOptions) -> Answer:
    """联系电话: the first usable number; further ones are in `schemas.identifiers.phone.parse(...)["others"]`."""
    table = telephone.parse(column, area=options.phone_area)
    answer = _answer(table)
    several = pc.and_(pc.is_valid(table["others"].combine_chunks()), pc.is_null(answer.warning))
    return answer._replace(warning=pc.if_else(several, "several", answer.warning))


def _unchecked(column: pa.StringArray) -> Answer:
    plain = columns.compact(column)
    lost = columns.matches(plain, columns.SCIENTIFIC.pattern)
    masked = columns.matches(plain, columns.MASKED.pattern)
    issue = pc.if_else(pa.array(lost), "precision_lost", pc.if_else(pa.array(masked), "masked", NOTHING))
    return Answer(pc.if_else(pc.is_null(issue), plain, NOTHING), issue, pa.nulls(len(column), pa.string()))


def _answer(table: pa.Table) -> Answer:
    value, issue, warning = (table[name].combine_chunks() for name in ("value", "issue", "warning"))
    return Answer(value, issue, warning)

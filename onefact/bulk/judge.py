"""What is wrong with the values of a filled template (逐格检查): every column at once, every problem with its cell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from connectors.mapping.cross import RESIDENT_ID_CARD, cross_check
from connectors.mapping.reasons import reason
from onefact.bulk.sheet import Sheet
from schemas.model import Field
from schemas.values import ValueOptions, normalise

AHEAD = frozenset({"lease_end", "departure_date", "permit_expiry"})
"""Dates that may lie in the future."""

FORMULA = r"^\s*(=|@|[+\-][^0-9])"
"""Texts that another spreadsheet would run as a formula (formula injection)."""

DERIVED = ("id_type", "birth_date", "sex")
"""What the citizen number proves; it is said of new persons, and never asked."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with a row.

    Attributes:
        row: index of the row in the sheet's data rows.
        field: the master field whose cell it is; None when the row as a whole is meant.
        rule: stable id.
        why: what the worker reads; never holds the value.
    """

    row: int
    field: str | None
    rule: str
    why: str


@dataclass(frozen=True, slots=True)
class Judged:
    """Canonical columns of all rows; `derived` are the ones that follow from the citizen number."""

    values: dict[str, pa.StringArray]
    derived: dict[str, pa.StringArray]
    problems: tuple[Problem, ...]


def judge(sheet: Sheet, today: date) -> Judged:
    """Bring all columns into canonical form and list every problem; each distinct value is worked once."""
    values: dict[str, pa.StringArray] = {}
    problems: list[Problem] = []
    for column in sheet.columns.values():
        field = column.field
        raw = sheet.values[field.name]
        done = normalise(field.kind, raw, _options(field, today))
        values[field.name] = done["value"].combine_chunks()
        issue = done["issue"].combine_chunks()
        if field.name in sheet.lost:
            issue = pc.if_else(sheet.lost[field.name], "excel.numeric_id", issue)
        if field.kind in {"text", "name", "address"}:
            odd = pc.fill_null(pc.match_substring_regex(raw, FORMULA), fill_value=False)
            issue = pc.if_else(odd, "bulk.formula", issue)
        problems += _listed(field.name, issue)
    derived: dict[str, pa.StringArray] = {}
    if sheet.layout.entity_type == "person" and "id_number" in values:
        crossed = cross_check(values)
        for name, broken in crossed.broken.items():
            if name in values:
                problems += _listed(name, broken)
        derived = {n: crossed.columns[n] for n in DERIVED if n in crossed.columns}
        if "id_type" in values:  # a citizen number says what it is; said apart, it would be a second claim of the pair
            values["id_type"] = pc.if_else(
                pc.fill_null(pc.equal(values["id_type"], RESIDENT_ID_CARD), fill_value=False),
                pa.scalar(None, pa.string()),
                values["id_type"],
            )
    return Judged(values, derived, tuple(sorted(problems, key=lambda p: (p.row, p.field or ""))))


def _options(field: Field, today: date) -> ValueOptions:
    latest = today if field.kind == "date" and field.name not in AHEAD else None
    return ValueOptions(code_set=field.code_set, length=field.length, scale=field.scale, latest=latest)


def _listed(name: str, issue: pa.StringArray) -> Iterator[Problem]:
    if issue.null_count == len(issue):
        return
    at = pc.indices_nonzero(pc.is_valid(issue))
    for row, rule in zip(at.to_pylist(), issue.take(at).to_pylist(), strict=True):
        yield Problem(row, name, rule, why(rule))


OWN = {
    "bulk.formula": "内容以 = + - @ 开头，会被表格软件当作公式，请去掉",
    "bulk.no_key": "缺少能认出对象的号码或名称",
    "bulk.several": "与多个已登记的对象相符，请补充号码后再导入，或在系统中逐个办理",
    "bulk.needed": "新登记必填，不能为空",
    "bulk.same_row": "与本文件另一行是同一对象，而内容不同，请只留一行",
    "bulk.outside": "不在您负责的网格内",
}
"""Sentences of the rules that only bulk entry has."""


def why(rule: str) -> str:
    """Return the Chinese sentence of a rule."""
    return OWN[rule] if rule in OWN else reason(rule)

"""`normalise`: one column of raw text in, canonical text with issues and warnings out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import pyarrow as pa
import pyarrow.compute as pc

from schemas.identifiers import columns
from schemas.values import codes, dates, identity, numbers, texts
from schemas.values.answer import NOTHING, Answer
from schemas.values.options import DEFAULTS, ValueOptions

_Work = Callable[[pa.StringArray, ValueOptions], Answer]

_WORK: Mapping[str, _Work] = MappingProxyType(
    {
        "text": texts.text,
        "name": texts.name,
        "address": texts.address,
        "id_number": identity.id_number,
        "uscc": identity.uscc,
        "org_code": identity.org_code,
        "phone": identity.phone,
        "date": dates.date_values,
        "datetime": dates.datetime_values,
        "integer": numbers.integer,
        "decimal": numbers.decimal,
        "boolean": codes.boolean,
        "code": codes.code,
        "region": codes.region,
    }
)

KINDS: tuple[str, ...] = tuple(_WORK)
"""The kinds of value a field of the master can have (`schemas.model.Kind`)."""

_WORDS_FIRST = frozenset({"code", "boolean"})
"""Kinds in which 无 is an answer, not the absence of one (religion 00 无宗教信仰, 有/无): meaning is tried first."""


class UnknownKind(ValueError):
    """A kind of value that there is not.

    Attributes:
        kind: what was asked for.
        remedy: the kinds there are.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.remedy = f"use one of {', '.join(KINDS)}"
        super().__init__(f"there is no kind of value {kind!r}; {self.remedy}")


class MissingCodeSet(ValueError):
    """A column of kind code without a code set or code map to read it by."""

    def __init__(self) -> None:
        self.remedy = "give ValueOptions(code_set=...) or ValueOptions(code_map=...)"
        super().__init__(f"a column of kind 'code' needs to know its codes; {self.remedy}")


def normalise(kind: str, values: pa.Array | pa.ChunkedArray, options: ValueOptions = DEFAULTS) -> pa.Table:
    """Bring a column into canonical form; each distinct text is worked once, however often it stands there.

    Args:
        kind: one of `KINDS`.
        values: raw texts (or anything Arrow casts to text).
        options: what the field and the system say about the column.

    Returns:
        One row per input row with the text columns `value` (canonical, or NULL), `issue` (a rule id such as
        `id_number.check_digit` when the text was not usable) and `warning` (kept, but look at it). Where there was
        nothing (empty, 无, NULL …) all three are NULL. The sentences for the rule ids: `schemas.values.issues()`.

    Raises:
        UnknownKind: there is no such kind.
        MissingCodeSet: kind is code and the options name neither code set nor code map.
        UnknownCodeSet: the code set does not exist.
    """
    work = _WORK.get(kind)
    if work is None:
        raise UnknownKind(kind)
    if kind == "code" and options.code_set is None and options.code_map is None:
        raise MissingCodeSet
    return columns.per_distinct(values, lambda column: _distinct(kind, work, _without_nul(column), options))


def _distinct(kind: str, work: _Work, column: pa.StringArray, options: ValueOptions) -> pa.Table:
    empty = _says_nothing(column, options.null_words)
    asked = pc.is_valid(column) if kind in _WORDS_FIRST else pc.invert(empty)
    chosen = columns.flags(asked)
    answer = work(column.filter(asked), options)
    value, issue, warning = (columns.where(chosen, part) for part in answer)
    if kind in _WORDS_FIRST:
        issue = pc.if_else(empty, NOTHING, issue)
    prefix = pa.scalar(f"{kind}.")
    return pa.table(
        {
            "value": value,
            "issue": pc.binary_join_element_wise(prefix, issue, ""),
            "warning": pc.binary_join_element_wise(prefix, warning, ""),
        }
    )


def _without_nul(column: pa.StringArray) -> pa.StringArray:
    """Remove the padding of fixed-width exports: no database takes the character NUL in a text."""
    padded = pc.match_substring(column, "\0")
    return pc.replace_substring(column, "\0", "") if pc.any(padded).as_py() else column


def _says_nothing(column: pa.StringArray, words: frozenset[str]) -> pa.BooleanArray:
    """Return which texts are absent, blank or a word for nothing."""
    short = pc.fill_null(pc.less_equal(pc.utf8_length(column), 16), True)
    folded = pc.utf8_lower(columns.fold_width(pc.utf8_trim_whitespace(column.filter(short))))
    folded = pc.utf8_trim_whitespace(folded)
    nothing = pc.or_(pc.is_null(folded), pc.equal(folded, ""))
    nothing = pc.or_(pc.fill_null(nothing, True), pc.is_in(folded, pa.array(sorted(words), pa.string())))
    long_blank = pc.equal(pc.utf8_trim_whitespace(column), "")
    spread = columns.where(columns.flags(short), nothing)
    return pc.or_(pc.fill_null(spread, False), pc.fill_null(long_blank, False))

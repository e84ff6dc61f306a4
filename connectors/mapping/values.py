"""Master values of one page: each mapped column normalised once, whatever number of fields it feeds.

`schemas.values` works on the distinct texts of a column; here its answers are kept for the page, since one address
column often is a person's residence, a house's address and an address record at the same time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from connectors.manifest.model import EntityMap, FieldMap, Manifest
from connectors.mapping.rows import NOTHING, blank_to_null, texts
from schemas.address.single import normal_form
from schemas.model import Kind
from schemas.values import ValueOptions, hints, normalise

CODED: frozenset[Kind] = frozenset({"code", "boolean"})
"""Kinds that translate by their code map themselves; there the map decides alone."""

MEASURED: frozenset[Kind] = frozenset({"text", "name", "address", "region"})
"""Kinds whose declared length limits the canonical value."""

MAY_LIE_AHEAD = ("_end", "_expiry", "departure_date")
"""Endings of the fields whose date is right in the future; every other date after the pull is a mistake."""


@dataclass(frozen=True, slots=True)
class Normalised:
    """One field of all rows: canonical value, the rule it breaks (value is NULL then), the warning it deserves."""

    value: pa.StringArray
    issue: pa.StringArray
    warning: pa.StringArray
    raw: pa.StringArray | None = None
    """The texts as they were read, while they may still say more than the value."""

    @property
    def filled(self) -> pa.BooleanArray:
        """True where the system says something, even something wrong."""
        return pc.or_(pc.is_valid(self.value), pc.is_valid(self.issue))


@dataclass(slots=True)
class Reader:
    """Reads master values from the rows of one page.

    Attributes:
        today: the day of the pull; dates after it are in the future.
    """

    manifest: Manifest
    rows: pa.Table
    today: date
    known: dict[tuple[object, ...], Normalised] = field(default_factory=dict)

    def field(self, entity: EntityMap, name: str, mapped: FieldMap) -> Normalised:
        """Return the normalised values of a mapped field."""
        kind, options = self._asked(entity, name, mapped)
        table = self.manifest.code_map(mapped)
        codes = tuple(table.codes.items()) if table is not None else ()
        case = (kind, tuple(mapped.column), mapped.join, mapped.value, codes, replace(options, code_map=None))
        translate = table.codes if table is not None and kind not in CODED else None
        if entity.type == "address" and kind == "text":
            return self._element(name, case, mapped, options, translate)
        return self._normalised(case, kind, mapped, options, translate)

    def hints(self, entity: EntityMap, name: str, mapped: FieldMap, found: Normalised) -> pa.Table:
        """Return what the texts behind a field still say where they are no usable values (`schemas.values.hints`)."""
        kind, options = self._asked(entity, name, mapped)
        raw = found.raw if found.raw is not None else pa.nulls(len(found.value), pa.string())
        answer = {"value": found.value, "issue": found.issue, "warning": found.warning}
        return hints(kind, raw, answer, options)

    def _asked(self, entity: EntityMap, name: str, mapped: FieldMap) -> tuple[Kind, ValueOptions]:
        """Return how the values of a mapped field are read."""
        declared = self.manifest.master_field(entity.type, name)
        kind = mapped.kind or declared.kind
        table = self.manifest.code_map(mapped)
        return kind, ValueOptions(
            length=declared.length if kind in MEASURED or kind != declared.kind else None,
            scale=declared.scale,
            date_formats=tuple(mapped.formats),
            latest=None if name.endswith(MAY_LIE_AHEAD) else self.today,
            code_set=declared.code_set,
            code_map=table.codes if table is not None else None,
        )

    def _element(
        self,
        name: str,
        case: tuple[object, ...],
        mapped: FieldMap,
        options: ValueOptions,
        translate: Mapping[str, str] | None,
    ) -> Normalised:
        """Return an address element in its normal form: a room column that says 602 means 602室."""
        formed = (name, *case)
        if formed not in self.known:
            plain = self._normalised(case, "text", mapped, options, translate)
            # 20 digits and 室 are 21 characters: the normal form has to fit its column too.
            self.known[formed] = _limited(replace(plain, value=normal_form(name, plain.value)), options.length)
        return self.known[formed]

    def time(self, column: str, formats: list[str]) -> Normalised:
        """Return a column of times (ISO, local time of the source)."""
        options = ValueOptions(date_formats=tuple(formats))
        return self._normalised(("datetime", column, options), "datetime", FieldMap(column=[column]), options, None)

    def _normalised(
        self,
        case: tuple[object, ...],
        kind: Kind,
        mapped: FieldMap,
        options: ValueOptions,
        translate: Mapping[str, str] | None,
    ) -> Normalised:
        if case not in self.known:
            raw = self._raw(mapped, apart=kind == "address")
            raw = _translated(raw, translate) if translate else raw
            answer = normalise(kind, raw, options)
            value, issue, warning = (_array(answer, name) for name in ("value", "issue", "warning"))
            found = Normalised(value, issue, warning, raw)
            self.known[case] = _limited(found, options.length if kind not in MEASURED else None)
        return self.known[case]

    def _raw(self, mapped: FieldMap, *, apart: bool) -> pa.StringArray:
        """The raw text of a mapped field; `apart` keeps numbers of neighbouring columns from running into one."""
        if mapped.value is not None:
            return pa.repeat(pa.scalar(mapped.value, pa.string()), self.rows.num_rows)
        parts = [texts(self.rows, column) for column in mapped.column]
        if len(parts) == 1:
            return parts[0]
        filled = [blank_to_null(part) for part in parts]
        nothing = pc.is_null(pc.coalesce(*filled))
        if apart and not mapped.join:
            filled = _apart(filled)
        # Arrow leaves out a row of which all parts are NULL, so such a row gets one empty part.
        filled[0] = pc.if_else(nothing, "", filled[0])
        joined = pc.binary_join_element_wise(*filled, mapped.join, null_handling="skip")
        return pc.if_else(nothing, NOTHING, joined)


def _apart(parts: list[pa.StringArray]) -> list[pa.StringArray]:
    """Put a dash between two numbers that meet: building 1 and room 402 are 1-402, and not the room 1402."""
    formed = parts[:1]
    before = pc.match_substring_regex(parts[0], "[0-9A-Za-z]$")
    for part in parts[1:]:
        meets = pc.and_(before, pc.match_substring_regex(part, "^[0-9A-Za-z]"))
        formed.append(
            pc.if_else(pc.fill_null(meets, fill_value=False), pc.binary_join_element_wise("-", part, ""), part)
        )
        ends = pc.match_substring_regex(part, "[0-9A-Za-z]$")
        before = pc.if_else(pc.is_valid(part), ends, before)  # an empty column lets the numbers around it meet
    return formed


def _translated(raw: pa.StringArray, table: Mapping[str, str]) -> pa.StringArray:
    """Spellings that the table has become its values, others stay: for kinds that have no code set."""
    coded = raw.dictionary_encode()
    meant = [None if text is None else table.get(text.strip(), text) for text in coded.dictionary.to_pylist()]
    return pa.array(meant, pa.string()).take(coded.indices)


def _limited(found: Normalised, length: int | None) -> Normalised:
    """Refuse values that are longer than their field: one of them would stop a whole publication."""
    if length is None:
        return found
    long = pc.fill_null(pc.greater(pc.utf8_length(found.value), length), fill_value=False)
    if not pc.any(long).as_py():
        return found
    return replace(
        found,
        value=pc.if_else(long, NOTHING, found.value),
        issue=pc.if_else(long, "text.too_long", found.issue),
        warning=pc.if_else(long, NOTHING, found.warning),
    )


def _array(table: pa.Table, name: str) -> pa.StringArray:
    column = table.column(name)
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.nulls(0, pa.string())

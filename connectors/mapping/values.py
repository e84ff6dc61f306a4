"""Master values of one page: each mapped column normalised once, whatever number of fields it feeds.

`schemas.values` works on the distinct texts of a column; here its answers are kept for the page, since one address
column often is a person's residence, a house's address and an address record at the same time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from connectors.manifest.model import EntityMap, FieldMap, Manifest
from connectors.mapping.rows import NOTHING, blank_to_null, texts
from schemas.model import Kind
from schemas.values import ValueOptions, normalise


@dataclass(frozen=True, slots=True)
class Normalised:
    """One field of all rows: canonical value, the rule it breaks (value is NULL then), the warning it deserves."""

    value: pa.StringArray
    issue: pa.StringArray
    warning: pa.StringArray

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
        declared = self.manifest.master_field(entity.type, name)
        kind = mapped.kind or declared.kind
        table = self.manifest.code_map(mapped)
        options = ValueOptions(
            date_formats=tuple(mapped.formats),
            code_set=declared.code_set,
            code_map=table.codes if table is not None else None,
        )
        codes = tuple(table.codes.items()) if table is not None else None
        about = (declared.code_set, declared.length, declared.scale, tuple(mapped.formats), codes)
        return self._normalised((kind, tuple(mapped.column), mapped.join, mapped.value, *about), kind, mapped, options)

    def time(self, column: str, formats: list[str]) -> Normalised:
        """Return a column of times (ISO, local time of the source)."""
        options = ValueOptions(date_formats=tuple(formats))
        return self._normalised(("datetime", column, tuple(formats)), "datetime", FieldMap(column=[column]), options)

    def _normalised(self, case: tuple[object, ...], kind: Kind, mapped: FieldMap, options: ValueOptions) -> Normalised:
        if case not in self.known:
            answer = normalise(kind, self._raw(mapped), options)
            self.known[case] = Normalised(*(_array(answer, name) for name in ("value", "issue", "warning")))
        return self.known[case]

    def _raw(self, mapped: FieldMap) -> pa.StringArray:
        if mapped.value is not None:
            return pa.repeat(pa.scalar(mapped.value, pa.string()), self.rows.num_rows)
        parts = [texts(self.rows, column) for column in mapped.column]
        if len(parts) == 1:
            return parts[0]
        filled = [blank_to_null(part) for part in parts]
        joined = pc.binary_join_element_wise(*filled, mapped.join, null_handling="skip")
        return pc.if_else(pc.equal(joined, ""), NOTHING, joined)


def _array(table: pa.Table, name: str) -> pa.StringArray:
    column = table.column(name)
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.nulls(0, pa.string())

"""联系电话: mobile numbers `1[3-9]` + 9 digits, landlines `027-87654321`, service numbers 400/800.

A cell often holds several numbers, a remark whose they are, or a local number without area code. The first usable
number is the value, the others are kept beside it: nobody's number is thrown away.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from schemas.identifiers import columns
from schemas.identifiers.columns import MASKED, Texts

DEFAULT_AREA = "027"
"""Area code of Wuhan, for local numbers written without one."""

_MOBILE = r"^1[3-9][0-9]{9}$"
_NUMBER = re.compile(
    r"(?<![0-9])(?:"
    r"(?:(?:\+|00)?86[- ]?)?(?P<mobile>1[3-9][0-9](?:[- ]?[0-9]{4}){2})"
    r"|(?P<service>[48]00-?[0-9]{3}-?[0-9]{4})"
    r"|(?:(?:\+|00)86[- ]?)?(?:\(?(?P<area>0?(?:10|2[0-9])|0?[3-9][0-9]{2})\)?[- ]?(?<=[-) ])|\(?(?P<joined>0(?:10|2[0-9]|[3-9][0-9]{2}))\)?)?"
    r"(?P<local>[2-9][0-9]{2,3}[- ]?[0-9]{4})"
    r"(?:(?:-|转|EXT\.?|#|分机)[ ]*(?P<extension>[0-9]{1,6}))?"
    r")(?![0-9])"
)
_SCIENTIFIC = re.compile(r"^[0-9](?:\.[0-9]+)?E\+?[0-9]{1,2}$", re.IGNORECASE)
_LEFTOVER = re.compile(r"[0-9]{5,}")


class _Phone(NamedTuple):
    number: str
    kind: str
    extension: str | None


def parse(texts: Texts, *, area: str = DEFAULT_AREA) -> pa.Table:
    """Clean and check telephone numbers, row for row.

    Args:
        texts: raw texts, also `+86`, `0086`, full-width digits, blanks, several numbers, remarks.
        area: area code for local numbers of 7 or 8 digits without one.

    Returns:
        Text columns `value` (11 digits, `area-number[-extension]`, or 10 digits of a service number), `kind` (mobile,
        landline, service), `issue` (masked, precision_lost, format), `warning` (area_assumed, part_unreadable),
        `extension`, and `others`: a list column of further usable numbers in the cell.
    """
    return columns.per_distinct(texts, lambda column: _parse_distinct(column, area))


def _parse_distinct(raw: pa.StringArray, area: str) -> pa.Table:
    plain = columns.matches(raw, _MOBILE)
    odd = ~plain & columns.flags(raw.is_valid())
    rows = [_parse_cell(text, area) for text in raw.filter(pa.array(odd)).to_pylist()]
    spread = [columns.where(odd, pa.array([row[i] for row in rows], pa.string())) for i in range(5)]
    others = columns.where(odd, pa.array([row[5] for row in rows], pa.list_(pa.string())))
    table = columns.text_table(
        {
            "value": pc.if_else(pa.array(plain), raw, spread[0]),
            "kind": pc.if_else(pa.array(plain), "mobile", spread[1]),
            "issue": spread[2],
            "warning": spread[3],
            "extension": spread[4],
        }
    )
    return table.append_column("others", others)


_Row = tuple[str | None, str | None, str | None, str | None, str | None, list[str] | None]


def _parse_cell(text: str, area: str) -> _Row:
    cell = columns.half_width(text).strip(" \t\r\n'’‘\"").upper()
    if not cell:
        return (None,) * 6
    if _SCIENTIFIC.match(cell):
        return None, None, "precision_lost", None, None, None
    cell = re.sub(r"[—–−－]", "-", re.sub(r"(?<=[0-9])\.0$", "", cell))
    found, assumed, rest = _scan(cell, area)
    if not found:
        found, assumed, rest = _scan(re.sub(r"[\s.]+", "", cell), area)
    if not found:
        return None, None, "masked" if MASKED.search(cell) else "format", None, None, None
    first = found[0]
    others = [p.number for p in dict.fromkeys(found) if p.number != first.number]
    warning = "part_unreadable" if _LEFTOVER.search(rest) or MASKED.search(rest) else None
    return first.number, first.kind, None, warning or assumed, first.extension, others or None


def _scan(cell: str, area: str) -> tuple[list[_Phone], str | None, str]:
    """Return (numbers found, warning when the first needed an area code, what is left of the cell)."""
    found: list[_Phone] = []
    assumed = None
    rest, end = [], 0
    for hit in _NUMBER.finditer(cell):
        rest.append(cell[end : hit.start()])
        end = hit.end()
        if hit["mobile"]:
            found.append(_Phone(re.sub(r"[- ]", "", hit["mobile"]), "mobile", None))
        elif hit["service"]:
            found.append(_Phone(hit["service"].replace("-", ""), "service", None))
        else:
            code = hit["area"] or hit["joined"]
            if code is None and not found:
                assumed = "area_assumed"
            zone = area if code is None else "0" + code.lstrip("0")
            local = re.sub("[- ]", "", hit["local"])
            tail = f"-{hit['extension']}" if hit["extension"] else ""
            found.append(_Phone(f"{zone}-{local}{tail}", "landline", hit["extension"]))
    return found, assumed, "".join([*rest, cell[end:]])

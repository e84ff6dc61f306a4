"""Values as a role may see them (脱敏显示): masked where nothing is asked, one field at a time where a reason is given.

Lists are masked for everybody. On the record itself a grid worker sees names, addresses and codes of the own grid, because
the door has to be found and the person greeted; numbers stay masked until one is asked for. Restricted facts are not shown
at all. System and security administrators see no record, so nothing is decided for them here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from onefact.masking import mask
from portal.access.area import cleared
from portal.security.accounts import Account
from schemas.codes import code_set
from schemas.model import Field

RESTRICTED: Final = 4
"""Sensitivity from which a fact is never shown (illness, justice, classes of minors)."""

SENSITIVE: Final = 3
"""Sensitivity from which nothing is shown unasked."""

OPEN_TO_WORKERS: Final = frozenset(
    {"name", "address", "code", "boolean", "date", "datetime", "integer", "decimal", "region", "text"}
)
"""Kinds of field that a worker reads on a record of the own grid."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A value on its way to a page.

    Attributes:
        text: what is shown; empty for an absent value.
        masked: something of it is hidden.
        revealable: it may be asked for, with a reason.
    """

    text: str
    masked: bool = False
    revealable: bool = False


def shown(account: Account, field: Field, value: object, *, in_list: bool = False) -> Shown:
    """Return a golden value as an account may see it.

    Args:
        account: who looks.
        field: the field's declaration.
        value: the canonical value (or what PostgreSQL made of it); None = absent.
        in_list: one of many rows, where nobody needs the whole.
    """
    if value is None or value == "":
        return Shown("")
    text = str(value)
    if field.sensitivity >= RESTRICTED or not cleared(account, field):
        return Shown("（受限，不显示）", masked=True)
    if field.sensitivity >= SENSITIVE:
        return Shown("●●●", masked=True, revealable=True)
    if account.role == "worker" and not in_list and field.kind in OPEN_TO_WORKERS:
        return Shown(worded(field, text))
    hidden = mask(field, text)
    return Shown(worded(field, hidden), masked=hidden != text, revealable=hidden != text)


def worded(field: Field, text: str) -> str:
    """Return a canonical value in words: the label of a code, 是 and 否."""
    if field.kind == "boolean":
        return {"1": "是", "0": "否"}.get(text, text)
    if field.kind == "code" and field.code_set:
        return label(field.code_set, text)
    return text


def label(set_name: str, code: str) -> str:
    """Return the Chinese label of a code; the code itself where the set has none."""
    return code_set(set_name).codes.get(code, code)

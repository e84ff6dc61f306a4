"""Masking of personal values for a terminal: enough to recognise the shape, not the person (脱敏显示)."""

from __future__ import annotations

import re
from typing import overload

from schemas.model import Kind

_KEPT: dict[Kind, tuple[int, int]] = {"name": (1, 0), "id_number": (6, 2), "phone": (3, 4)}
"""Kind -> characters kept at the beginning and at the end."""


@overload
def mask(text: str, kind: Kind) -> str: ...
@overload
def mask(text: None, kind: Kind) -> None: ...
@overload
def mask(text: str | None, kind: Kind) -> str | None: ...


def mask(text: str | None, kind: Kind) -> str | None:
    """Return a value with its middle hidden when its kind is personal: `张**`, `420199**********35`, `138****1234`.

    Of addresses the digits are hidden; other kinds are shown as they are. A text too short to have a middle is
    hidden whole.
    """
    if text is None or (kind not in _KEPT and kind != "address"):
        return text
    if kind == "address":
        return re.sub(r"[0-9０-９]", "*", text)
    head, tail = _KEPT[kind]
    if len(text) <= head + tail:
        return "*" * len(text)
    return text[:head] + "*" * (len(text) - head - tail) + (text[-tail:] if tail else "")

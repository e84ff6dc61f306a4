"""Masking (脱敏): what may be shown of a personal value by default (domain README §5.3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from schemas.model import Field


def mask(field: Field, value: str) -> str:
    """Return the value as it may be shown without need to know.

    Names keep the first character, ID numbers six and four, phones three and four, addresses the part above the room;
    fields of sensitivity 1 and codes are shown as they are.
    """
    if field.kind == "name":
        return value[0] + "*" * (len(value) - 1)
    if field.kind == "phone":
        return _middle(value, 3, 4)
    if field.kind == "id_number":
        return _middle(value, 6, 4)
    if field.sensitivity == 1 or field.kind in {"code", "boolean", "date", "integer", "decimal"}:
        return value if field.name != "birth_date" else value[:4] + "-**-**"
    if field.kind == "address":
        return value[: max(len(value) * 2 // 3, 1)] + "***"
    return value if len(value) < 3 or field.sensitivity < 2 else value[:2] + "*" * (len(value) - 2)


def mask_key(key: str) -> str:
    """Return a record key as it may be shown: some systems number their records by citizen number (公民身份号码)."""
    return re.sub(r"(?<!\d)(\d{6})\d{8}(\d{3}[\dXx])", r"\1********\2", key)


def mask_keys(document: Any) -> Any:
    """Return a document for machines with every record key in it as it may be shown, however deep it stands."""
    if isinstance(document, Mapping):
        return {
            k: mask_key(v) if k == "record_key" and isinstance(v, str) else mask_keys(v) for k, v in document.items()
        }
    if isinstance(document, (list, tuple)):
        return [mask_keys(part) for part in document]
    return document


def _middle(value: str, head: int, tail: int) -> str:
    if len(value) <= head + tail:
        return value[:1] + "*" * (len(value) - 1)
    return value[:head] + "*" * (len(value) - head - tail) + value[-tail:]

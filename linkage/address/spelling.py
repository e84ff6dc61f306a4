"""Spellings brought to the form that the parser reads (地址写法), once for each distinct text."""

from __future__ import annotations

import re
from typing import Final

_NOTHING: Final = frozenset({"无", "暂无", "不详", "未知", "没有", "空", "NULL", "null", "None", "-", "--", "/", "N/A"})
_WHOLE: Final = re.compile(r"^[(（](.*)[)）]$")


def spelled(text: str) -> str:
    """Brackets around everything go, and 无 says nothing."""
    if text[:1] in "(（":
        text = _WHOLE.sub(r"\1", text)
    return "" if text.strip() in _NOTHING else text

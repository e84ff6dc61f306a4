"""Spellings brought to the form that the parser reads (地址写法), once for each distinct text."""

from __future__ import annotations

import re
from typing import Final

from schemas.address.numerals import HAN_DIGITS, digits

_NOTHING: Final = frozenset({"无", "暂无", "不详", "未知", "没有", "空", "NULL", "null", "None", "-", "--", "/", "N/A"})
_ALLEY: Final = re.compile(f"(?<=[路街道])[{HAN_DIGITS}]{{1,6}}(?=弄)")
_SECTION: Final = re.compile("(?<=[路街道])([1-9１-９])(?=段)")
_WHOLE: Final = re.compile(r"^[(（](.*)[)）]$")
_SECTIONS: Final = dict(zip("123456789１２３４５６７８９", "一二三四五六七八九" * 2, strict=True))


def spelled(text: str) -> str:
    """东波路五八五弄 becomes 东波路585弄, 红星路3段 红星路三段; brackets around everything go, 无 says nothing."""
    if "弄" in text:
        text = _ALLEY.sub(lambda m: digits(m[0]), text)
    if "段" in text:
        text = _SECTION.sub(lambda m: _SECTIONS[m[0]], text)
    if text[:1] in "(（":
        text = _WHOLE.sub(r"\1", text)
    return "" if text.strip() in _NOTHING else text

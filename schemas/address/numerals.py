"""Chinese numerals (中文数字) to digits, the only place that knows how they are written.

Door plates, buildings and floors are written 三栋, 十二楼, 二〇三室 or 负一层 as often as with digits; equality of
addresses needs one form, so every number in an element goes through `digits`.
"""

import re
from functools import lru_cache
from typing import Final

HAN_DIGITS: Final = "〇零一二三四五六七八九十百两"
_VALUE: Final = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}

_NUMERAL: Final = re.compile(f"[{HAN_DIGITS}]")
_RUNS: Final = re.compile(f"[{HAN_DIGITS}]+")
_DATE: Final = re.compile("[一二三四五六七八九]{2}|[百两].*")


@lru_cache(maxsize=4096)
def digits(text: str) -> str:
    """Writes every Chinese numeral in a short text with digits: 十二 becomes 12, A二 becomes A2.

    Why cached: a city uses a few hundred distinct numbers. Text without numerals comes back unchanged.
    """
    if text.isascii():
        return text
    out: list[str] = []
    run = ""
    for char in text:
        if char in HAN_DIGITS:
            run += char
            continue
        out.append(_run(run) + char)
        run = ""
    return "".join(out) + _run(run)


@lru_cache(maxsize=1 << 16)
def name_digits(name: str) -> str:
    """Writes the numerals of a name with digits, for comparison only: 七〇一社区 becomes 701社区, 十五中 15中.

    Two numerals side by side stay characters, since they are a date and no number (二七路 is not 27路, 五一 not 51).
    """
    if name.isascii() or not _NUMERAL.search(name):
        return name
    return _RUNS.sub(lambda run: run[0] if _DATE.fullmatch(run[0]) else _run(run[0]), name)


def _run(run: str) -> str:
    """One unbroken run of numerals: positional (二〇三) or with tens and hundreds (二百零三)."""
    if not run:
        return ""
    if "十" not in run and "百" not in run:
        return "".join(str(_VALUE[c]) for c in run)
    total, current = 0, -1
    for char in run:
        if char == "百":
            total, current = total + max(current, 1) * 100, -1
        elif char == "十":
            total, current = total + (current if current > 0 else 1) * 10, -1
        else:
            current = _VALUE[char]
    return str(total + max(current, 0))

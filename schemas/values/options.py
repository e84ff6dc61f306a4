"""What a field or a system can say about its values: `ValueOptions`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

from schemas.identifiers.areas import DEFAULT_TEST_AREAS
from schemas.identifiers.phone import DEFAULT_AREA

IdCheck = Literal["citizen", "any", "none"]

NULL_WORDS: frozenset[str] = frozenset(
    {
        "无", "暂无", "空", "不详", "未填写", "待补充", "-", "--", "—", "——", "/", "\\n",
        "n/a", "#n/a", "null", "(null)", "<null>", "none", "nan",
    }
)  # fmt: skip
"""What people and programs write where there is nothing; compared half-width and in small letters."""


@dataclass(frozen=True, slots=True)
class ValueOptions:
    """How one column is to be read; the defaults suit a column nothing is known about.

    Attributes:
        length: greatest number of characters (kinds text, name, address); for region: cut the code to this prefix.
        null_words: texts that mean "nothing here", in small letters; an empty set keeps them (分户号 may be 无).
        date_formats: strptime formats tried in order before the built-in shapes, for systems with 31/12/1990.
        pivot: two-digit years above it are 19xx, the others 20xx.
        latest: later dates are an issue (`date.future`); the caller owns the clock. None: no limit.
        scale: digits after the point of a decimal; more are rounded half up, with a warning.
        code_set: id of the code set (kind code).
        code_map: this system's spelling → code; decides alone unless `code_map_falls_through`.
        code_map_falls_through: what `code_map` does not have is looked up in the code set.
        id_check: citizen = only numbers with a check character; any = also passports and permits; none = unchecked.
        test_areas: area codes that exist nowhere, accepted for synthetic people.
        phone_area: area code of local telephone numbers written without one.
    """

    length: int | None = None
    null_words: frozenset[str] = NULL_WORDS
    date_formats: tuple[str, ...] = ()
    pivot: int = 30
    latest: date | None = None
    scale: int | None = None
    code_set: str | None = None
    code_map: Mapping[str, str] | None = None
    code_map_falls_through: bool = False
    id_check: IdCheck = "any"
    test_areas: frozenset[str] = DEFAULT_TEST_AREAS
    phone_area: str = DEFAULT_AREA


DEFAULTS = ValueOptions()

"""Dirt on addresses (地址): the ways in which clerks, shopkeepers and old lists write a place."""

from __future__ import annotations

import re
from typing import Final

import pyarrow.compute as pc

from sandbox.lens.dirt.spell import Rng, attach, by_distinct
from sandbox.town.draw import Text

_NUMERALS: Final = "零一二三四五六七八九"
_SMALL: Final = re.compile(r"(\d{1,2})(?=栋|单元)")
_DOOR: Final = re.compile(r"(?P<floor>\d{1,2})0(?P<door>\d)室$")
_ESTATE: Final = re.compile(r"(小区|花园|家园|新村|雅居|华庭|新苑)(?=\d+期|\d+栋|\d+室|$)")


def missing_upper_levels(values: Text, rng: Rng) -> Text:  # noqa: ARG001
    """Begins with the street, as everybody in the district knows where it is."""
    return pc.replace_substring_regex(values, "^湖北省武汉市武昌区", "")


def district_only(values: Text, rng: Rng) -> Text:  # noqa: ARG001
    """Province and city left out: 武昌区..."""
    return pc.replace_substring_regex(values, "^湖北省武汉市", "")


def without_community(values: Text, rng: Rng) -> Text:  # noqa: ARG001
    """Street and community left out: road and number are enough for the postman."""
    return pc.replace_substring_regex(values, r"^(湖北省武汉市武昌区)[^区]*?街道.+?社区", r"\1")


def committee_for_community(values: Text, rng: Rng) -> Text:  # noqa: ARG001
    """社区居委会 instead of 社区."""
    return pc.replace_substring(values, "社区", "社区居委会", max_replacements=1)


def hyphenated_numbers(values: Text, rng: Rng) -> Text:  # noqa: ARG001
    """Building, unit and room as 3-2-501."""
    return pc.replace_substring_regex(values, r"(\d+)栋(\d+)单元(\d+)室$", r"\1-\2-\3")


def chinese_numerals(values: Text, rng: Rng) -> Text:  # noqa: ARG001
    """Building and unit in characters: 三栋二单元501室."""
    return by_distinct(values, lambda text: _SMALL.sub(lambda hit: _numeral(int(hit[1])), text))


def storey_and_side(values: Text, rng: Rng) -> Text:  # noqa: ARG001
    """The room as people say it: 五楼左 for 501, 五楼右 for 502."""
    return by_distinct(values, lambda text: _DOOR.sub(_side, text))


def another_building_word(values: Text, rng: Rng) -> Text:  # noqa: ARG001
    """幢 or 号楼 for 栋."""
    return pc.replace_substring_regex(values, r"(\d+)栋", r"\1幢")


def estate_alias(values: Text, rng: Rng) -> Text:  # noqa: ARG001
    """The estate under the name that the neighbours use: 大院."""
    return by_distinct(values, lambda text: _ESTATE.sub("大院", text))


def nearby(values: Text, rng: Rng) -> Text:  # noqa: ARG001
    """A place beside the place: ...附近."""
    return attach(values, "附近")


def bare_number(values: Text, rng: Rng) -> Text:  # noqa: ARG001
    """An element without its word: 3 for 3栋, 501 for 501室."""
    return pc.replace_substring_regex(values, r"^(\d+)(栋|单元|层|室|号)$", r"\1")


def _numeral(number: int) -> str:
    if number < 10:
        return _NUMERALS[number]
    tens, ones = divmod(number, 10)
    return ("" if tens == 1 else _NUMERALS[tens]) + "十" + (_NUMERALS[ones] if ones else "")


def _side(hit: re.Match[str]) -> str:
    door = hit["door"]
    return f"{_numeral(int(hit['floor']))}楼{'左' if door == '1' else '右'}" if door in "12" else hit[0]

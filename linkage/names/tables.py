"""The character tables (字表) of names, read once: simplification, variants, readings, compound surnames.

They are data files beside this module (`data/README.md` says where the facts come from), so that neither OpenCC nor
pypinyin is needed to run: a C++ library and 100 µs a name are a high price for a look-up of one character.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

DATA = Path(__file__).parent / "data"
UNICODE = 0x110000
UNKNOWN = -1
"""Syllable of a character that has no reading in the table."""

HAN_RANGES = ((0x3007, 0x3008), (0x3400, 0x4DC0), (0x4E00, 0xA000), (0xF900, 0xFB00), (0x20000, 0x323B0))
MIDDLE_DOT = ord("·")

Codes = npt.NDArray[np.uint32]
Ids = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Tables:
    """Look-ups by code point and the syllables they name.

    Attributes:
        folded: code point -> code point, simplified and without variants.
        han: code point -> is it an ideograph.
        given: code point -> syllable outside the surname position, `UNKNOWN` without a reading.
        surname: code point -> syllable in the surname position.
        compound: sorted pairs of code points (first << 32 | second) of the surnames of two characters.
        compound_readings: their two syllables, in the same order.
        syllables: the toneless syllables, ü written v.
        fuzzy: the same syllables, folded as southern speakers type them.
        initials: the first letter of each.
    """

    folded: Codes
    han: npt.NDArray[np.bool_]
    given: Ids
    surname: Ids
    compound: npt.NDArray[np.uint64]
    compound_readings: Ids
    syllables: pa.StringArray
    fuzzy: pa.StringArray
    initials: pa.StringArray


def fuzzy(syllable: str) -> str:
    """Fold a syllable: zh/z, ch/c, sh/s, n/l, ing/in, eng/en, ang/an, and v (ü) to u.

    Wuhan, like most of the south, does not tell these apart, and who types by sound types what they say.
    """
    start = syllable[0] + syllable[2:] if syllable[:2] in {"zh", "ch", "sh"} else syllable
    start = "l" + start[1:] if start[:1] == "n" and len(start) > 1 else start
    end = start[:-1] if start.endswith(("ing", "eng", "ang")) else start
    return end.replace("v", "u")


@cache
def tables() -> Tables:
    """Return the tables; the first call reads them (about 20 ms)."""
    han = np.zeros(UNICODE, dtype=np.bool_)
    for first, end in HAN_RANGES:
        han[first:end] = True
    base = _characters_by_line("pinyin.tsv")
    syllables = sorted(set(base.values()) | {s for row in _rows("readings.csv") for s in row["reading"].split()})
    number = {syllable: i for i, syllable in enumerate(syllables)}
    given = np.full(UNICODE, UNKNOWN, dtype=np.int32)
    given[_points(base)] = [number[s] for s in base.values()]
    surname = given.copy()
    special: dict[str, list[str]] = {}
    for row in _rows("readings.csv"):
        if len(row["text"]) > 1:
            special[row["text"]] = row["reading"].split()
        else:
            (surname if row["position"] == "surname" else given)[ord(row["text"])] = number[row["reading"]]
    names = sorted(row["surname"] for row in _rows("compound_surnames.csv"))
    readings = [
        [number[s] for s in special[name]] if name in special else [surname[ord(name[0])], given[ord(name[1])]]
        for name in names
    ]
    return Tables(
        folded=_folded(),
        han=han,
        given=given,
        surname=surname,
        compound=np.array([ord(name[0]) << 32 | ord(name[1]) for name in names], dtype=np.uint64),
        compound_readings=np.array(readings, dtype=np.int32),
        syllables=pa.array(syllables, pa.string()),
        fuzzy=pa.array([fuzzy(s) for s in syllables], pa.string()),
        initials=pa.array([s[0] for s in syllables], pa.string()),
    )


def _folded() -> Codes:
    """Simplify, then fold variants; the reviewed table has the last word, also over OpenCC."""
    folded = np.arange(UNICODE, dtype=np.uint32)
    simplified = _characters_by_line("simplified.tsv")
    folded[_points(simplified)] = _points(simplified.values())
    rows = list(_rows("variants.csv"))
    folded[_points(row["character"] for row in rows)] = _points(row["folded"] for row in rows)
    # A traditional form can lead to a variant (a rare one to 锺, that to 钟): one more step reaches the end.
    return np.asarray(folded[folded])


def _points(characters: Iterable[str]) -> npt.NDArray[np.int64]:
    return np.array([ord(c) for c in characters], dtype=np.int64)


def _rows(file: str) -> Iterator[dict[str, str]]:
    with (DATA / file).open(encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines)


def _characters_by_line(file: str) -> dict[str, str]:
    """Read `value<TAB>characters`: every character that has this value."""
    text = (DATA / file).read_text(encoding="utf-8")
    pairs = (line.split("\t") for line in text.splitlines())
    return {character: value for value, characters in pairs for character in characters}

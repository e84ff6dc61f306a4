"""Keys as each system writes them: `WM-{year}-{n4}` → WM-2026-0123. Running numbers make every key unique."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sandbox.town.draw import Ints, Text, dates, digits, from_characters, join

_PART: Final = re.compile(r"\{([a-z]+)(\d*)\}")
_BASE: Final = np.frombuffer(b"0123456789ABCDEFGHJKMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz", np.uint8)
_HEX: Final = np.frombuffer(b"0123456789abcdef", np.uint8)


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What a key may be made of: a day, a community and a household per row, and the stream of the dataset."""

    rng: np.random.Generator
    days: Ints
    community: Text
    household: Ints

    @property
    def count(self) -> int:
        """Number of rows."""
        return len(self.days)


def make_keys(pattern: str, facts: KeyFacts) -> Text:
    """Compose the key column; running numbers are shuffled so that they say nothing about the town's order."""
    serial = facts.rng.permutation(facts.count) + 1
    parts: list[Text | str] = []
    end = 0
    for hit in _PART.finditer(pattern):
        parts += [pattern[end : hit.start()], _part(hit[1], int(hit[2] or 0), serial, facts)]
        end = hit.end()
    parts.append(pattern[end:])
    return join(*parts) if any(not isinstance(p, str) for p in parts) else pa.array([pattern] * facts.count)


def _part(kind: str, width: int, serial: Ints, facts: KeyFacts) -> Text:
    makers: dict[str, Callable[[], Text]] = {
        "n": lambda: digits(serial, max(width, len(str(facts.count)))),
        "date": lambda: pc.replace_substring(dates(facts.days), "-", ""),
        "year": lambda: pc.utf8_slice_codeunits(dates(facts.days), 0, 4),
        "community": lambda: facts.community.fill_null("420106001001"),
        "household": lambda: digits(facts.household, 8),
        "hex": lambda: _letters(_HEX, width, serial),
        "base": lambda: _letters(_BASE, width, serial),
        "uuid": lambda: pc.replace_substring_regex(
            _letters(_HEX, 32, serial), "^(.{8})(.{4}).(.{3}).(.{3})(.{12})$", r"\1-\2-4\3-a\4-\5"
        ),
    }
    return makers[kind]()


def _letters(alphabet: np.ndarray, width: int, serial: Ints) -> Text:
    """Scramble running numbers into letters; the last six letters alone keep them apart."""
    base = len(alphabet)
    tail = min(width, 6)
    unique = (serial * 1_000_003 + 77_777) % base**tail
    powers = base ** np.arange(tail - 1, -1, -1, dtype=np.int64)
    cells = unique[:, None] // powers % base
    if width > tail:
        mixed = np.asarray(serial[:, None] * 64 + np.arange(width - tail), dtype=np.uint64)
        for factor in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB):  # the multipliers of splitmix64
            mixed = np.multiply(mixed ^ np.right_shift(mixed, 30, dtype=np.uint64), factor, dtype=np.uint64)
        mixed = np.right_shift(mixed, 33, dtype=np.uint64)
        cells = np.hstack([mixed.astype(np.int64) % base, cells])
    return from_characters(alphabet[cells])

"""The forms of a name (姓名的各种形式): folded characters, surname and given name, pinyin, fuzzy pinyin, initials."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from linkage.names import points
from linkage.names.points import Ints, Points
from linkage.names.tables import MIDDLE_DOT, UNKNOWN, Ids, Tables, fuzzy, tables
from schemas.identifiers import columns
from schemas.identifiers.columns import Texts, as_strings
from schemas.values import NULL_WORDS, normalise

COLUMNS = ("folded", "surname", "given", "pinyin", "pinyin_fuzzy", "initials")
FORM_SCHEMA = pa.schema([pa.field(name, pa.string()) for name in ("name", *COLUMNS)])
"""name (as normalised), folded, surname, given, pinyin, pinyin_fuzzy, initials; all text, NULL where unknown."""

LONGEST, LONGEST_COMPOUND = 4, 5
"""Characters of a Han name with a surname of one or two; what is longer is a transliteration (阿依古丽买买提)."""

SOMEBODY = ord("某")
"""Stands for a hidden character: such names are no names, `schemas.values` says."""

_RUN = re.compile(r"[^\W_]+")
_ACCENTS = str.maketrans(
    "ÀÁÂÃÄÅĀĂĄÇĆČĎĐÈÉÊËĒĖĘĚĞÌÍÎÏĪĮİŁÑŃŇÒÓÔÕÖØŌŐŘŚŞŠŤÙÚÛÜŪŮŰŲÝŸŹŻŽ",
    "AAAAAAAAACCCDDEEEEEEEEGIIIIIIILNNNOOOOOOOORSSSTUUUUUUUUYYZZZ",
)


def standardise(names: Texts) -> pa.Table:
    """Return the forms of every name, one row each, in the order given (`FORM_SCHEMA`).

    Han names lose middle dots (which are written or left out at will); without a dot and up to four characters (five
    with a compound surname) they have a surname, read as surnames are read. Latin names are capitals, parts sorted in
    `folded`, since nobody knows which part is the family name; `pinyin` keeps the order written, so that ZHANG WEI
    equals 张伟 there. Names with a lost or hidden character are NULL in all columns.

    Args:
        names: text as any system writes it; values that repeat are worked on once.
    """
    encoded = as_strings(names).dictionary_encode()
    distinct = _distinct(encoded.dictionary)
    # Distinct names, which is the usual case, come back in the order in which they went in.
    return distinct if len(distinct) == len(names) else distinct.take(encoded.indices)


def _distinct(raw: pa.StringArray) -> pa.Table:
    known = tables()
    name = _normalised(raw)
    text = points.of_texts(name)
    text = Points(known.folded[text.codes], text.starts)
    dots = text.codes == MIDDLE_DOT
    # A character without a reading goes the long way too, where it stands for itself.
    plain = dots | (known.han[text.codes] & (known.given[text.codes] != UNKNOWN))
    is_han = (text.counts(plain) == text.lengths) & (text.counts(~dots) > 0)
    han, other = np.flatnonzero(is_han), np.flatnonzero(~is_han)
    parts = [_han(text.pick(han), known), _other(text.pick(other).texts(), known)]
    forms = pa.concat_tables(parts)
    if len(other):
        order = np.empty(len(name), dtype=np.int64)
        order[np.r_[han, other]] = np.arange(len(name))
        forms = forms.take(points.integers(order))
    return forms.add_column(0, FORM_SCHEMA.field("name"), name)


def _normalised(raw: pa.StringArray) -> pa.StringArray:
    """Normalise the names; those of two to six ordinary ideographs are as they should be and pass at once."""
    text = points.of_texts(raw)
    ordinary = (text.codes >= 0x3400) & (text.codes < 0xA000) & (text.codes != SOMEBODY)
    passes = (text.counts(ordinary) == text.lengths) & (text.lengths >= 2) & (text.lengths <= 6)
    passes &= ~columns.flags(pc.is_in(raw, pa.array(sorted(NULL_WORDS), pa.string())))
    odd = pa.array(~passes)
    rest = normalise("name", raw.filter(odd))["value"].combine_chunks()
    return pc.replace_with_mask(raw, odd, rest)


def _han(written: Points, known: Tables) -> pa.Table:
    """Forms of names written in ideographs with known readings, with or without middle dots."""
    dots = written.codes == MIDDLE_DOT
    text = written.keep(~dots)
    size, compound = _surname_sizes(text, written.counts(dots) > 0, known)
    place = text.positions()
    in_surname = place < text.spread(size)
    in_given = ~in_surname & (place < text.spread(_first_part(written)))
    ids = known.given[text.codes]
    _read_surnames(ids, text, size, compound, known)
    forms = [
        text.texts(),
        text.keep(in_surname).texts(),
        text.keep(in_given).texts(),
        _spelled(text, ids, known.syllables, " "),
        _spelled(text, ids, known.fuzzy, " "),
        _spelled(text, ids, known.initials, ""),
    ]
    return pa.table(dict(zip(COLUMNS, forms, strict=True)))


def _first_part(written: Points) -> Ints:
    """Characters before the first middle dot: the person's own name in names of several parts."""
    place = written.positions()
    end = written.lengths.copy()
    dots = written.codes == MIDDLE_DOT
    np.minimum.at(end, np.repeat(np.arange(len(end)), written.lengths)[dots], place[dots])
    return end


def _surname_sizes(
    text: Points, dotted: np.ndarray[tuple[int], np.dtype[np.bool_]], known: Tables
) -> tuple[Ints, Ints]:
    """Return the characters of each surname (0 = none to be seen) and the number of the compound surname or -1."""
    first = text.codes[text.starts[:-1]].astype(np.uint64)
    second = text.codes[np.minimum(text.starts[:-1] + 1, max(len(text.codes) - 1, 0))].astype(np.uint64)
    pair = first << np.uint64(32) | second
    at = np.minimum(np.searchsorted(known.compound, pair), len(known.compound) - 1)
    length = text.lengths
    # 欧阳 alone is somebody called 阳 as often as half a name: two characters are surname and given name.
    double = ~dotted & (known.compound[at] == pair) & (length > 2) & (length <= LONGEST_COMPOUND)
    single = ~dotted & ~double & (length <= LONGEST)
    return np.where(double, 2, single.astype(np.int64)), np.where(double, at, -1)


def _read_surnames(ids: Ids, text: Points, size: Ints, compound: Ints, known: Tables) -> None:
    """Put the readings of surnames over the general ones: 单 is dan in a word and shan in front of a name."""
    start = text.starts[:-1]
    single = start[size == 1]
    ids[single] = known.surname[text.codes[single]]
    double = compound >= 0
    for i in (0, 1):
        ids[start[double] + i] = known.compound_readings[compound[double], i]


def _spelled(text: Points, ids: Ids, syllables: pa.StringArray, separator: str) -> pa.StringArray:
    lists = pa.ListArray.from_arrays(points.integers(text.starts), syllables.take(points.integers(ids)))
    return pc.binary_join(lists, separator)


def _other(texts: pa.StringArray, known: Tables) -> pa.Table:
    """Forms of Latin, Cyrillic, Korean ... and mixed names, one by one: they are few."""
    rows = [_one(text, known) for text in texts.to_pylist()]
    forms = zip(*rows, strict=True) if rows else [()] * len(COLUMNS)
    return pa.table({n: pa.array(c, pa.string()) for n, c in zip(COLUMNS, forms, strict=True)})


def _one(text: str | None, known: Tables) -> tuple[str | None, ...]:
    runs = _RUN.findall(text.upper().translate(_ACCENTS)) if text else []
    if not runs:
        return (None,) * len(COLUMNS)
    syllables: list[str] = []
    any_han = False
    for run in runs:
        for piece in _pieces(run, known):
            is_han = bool(known.han[ord(piece[0])])
            any_han |= is_han
            position = known.given if any(syllables) else known.surname
            number = position[ord(piece)] if is_han else UNKNOWN
            syllables.append(piece.lower() if number == UNKNOWN else known.syllables[number].as_py())
    surname, given = (None, None)
    if any_han and len(runs) == 1 and 1 < len(runs[0]) <= LONGEST and known.han[ord(runs[0][0])]:
        surname, given = runs[0][0], runs[0][1:]
    folded = "".join(runs) if any_han else " ".join(sorted(runs))
    spelled = " ".join(syllables), " ".join(map(fuzzy, syllables)), "".join(s[0] for s in syllables)
    return folded, surname, given, *spelled


def _pieces(run: str, known: Tables) -> list[str]:
    """Cut a run of letters into single ideographs and whole words of letters."""
    pieces: list[str] = []
    for character in run:
        if pieces and not known.han[ord(character)] and not known.han[ord(pieces[-1][0])]:
            pieces[-1] += character
        else:
            pieces.append(character)
    return pieces

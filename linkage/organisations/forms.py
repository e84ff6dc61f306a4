"""The forms of an organisation's name (单位名称的各种形式), for a whole column at once."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from linkage.names import points
from linkage.names.points import Points
from linkage.names.tables import UNKNOWN, tables
from linkage.organisations.anatomy import Anatomy, read
from schemas.identifiers import columns
from schemas.identifiers.columns import Texts, as_strings
from schemas.values import NULL_WORDS

COLUMNS = (
    "plain",
    "folded",
    "place",
    "brand",
    "brand_from",
    "trade",
    "form",
    "family",
    "branch",
    "head",
    "former",
    "pinyin",
    "initials",
)
FORM_SCHEMA = pa.schema([pa.field(name, pa.string()) for name in ("name", *COLUMNS)])
"""All text, NULL where a name has no such part.

name: as normalised (half-width, one sort of brackets, no blanks but between Latin words).
plain: the whole name in simplified capitals without marks.
folded: brand and trade of the head, without place, form and branch: what blocking goes by.
place: short names of regions and townships, widest first, parted by blanks (武汉 武昌).
brand, trade: 字号 and 行业 in simplified characters; the brand of a public body is what names it (水果湖 of a 街道办事处).
brand_from: `place` where nothing but its place names an organisation (武汉大学): a weak brand.
form, family: codes of `data/forms.csv`; NULL for a name that says none; family `shop` for one that ends in
    店, 馆 and the like, as signs and sole traders do.
branch: what the branch is called (中南路店, 1门市部); `head` is then the name of its head as written here, else NULL.
former: the former name an annotation gives (A(原B)), in full.
pinyin, initials: of the brand.
"""

LOST = r"[\x{FFFD}*?某×□]"
"""Damaged or hidden: such a name names nobody."""

_BRACKETS = str.maketrans("〔〕【】[]{}〈〉《》「」﹙﹚", "()()()()()()()()")
_CODES = 0x110000


def standardise(names: Texts) -> pa.Table:
    """Return the forms of every name, one row each, in the order given (`FORM_SCHEMA`).

    Names of organisations are too irregular for column-wise rules, so each distinct one is read once by a small reader;
    everything that is one look-up per character (folding, pinyin) is done for the whole column. A name with a lost or
    hidden character, or that says nothing (无), is NULL in all columns.

    Args:
        names: text as any system writes it; values that repeat are worked on once.
    """
    encoded = as_strings(names).dictionary_encode()
    distinct = _distinct(encoded.dictionary)
    return distinct if len(distinct) == len(names) else distinct.take(encoded.indices)


def _distinct(raw: pa.StringArray) -> pa.Table:
    name = normalised(raw)
    text = points.of_texts(name)
    text = Points(_capital()[tables().folded[text.codes]], text.starts)
    spoken = _spoken()[text.codes]
    plain = text.keep(spoken == 1).texts()
    readable = text.keep(spoken > 0).texts().to_pylist()
    nothing = Anatomy(*[""] * len(Anatomy._fields))
    rows = [read(one) if one else nothing for one in readable]
    parts = dict(zip(Anatomy._fields, map(_texts, zip(*rows, strict=True)), strict=True)) if rows else {}
    for field in Anatomy._fields:
        parts.setdefault(field, pa.nulls(len(rows), pa.string()))
    folded = _texts([row.brand + row.trade for row in rows])
    pinyin, initials = _spelled(parts["brand"])
    whole = {"name": name, "plain": plain, "folded": folded, "pinyin": pinyin, "initials": initials, **parts}
    return pa.table([whole[field] for field in FORM_SCHEMA.names], schema=FORM_SCHEMA)


def normalised(raw: pa.StringArray) -> pa.StringArray:
    """Return names in one spelling of width, brackets and blanks; NULL where they say nothing or are damaged."""
    name = columns.fold_width(raw)
    odd = columns.matches(name, r"[〔〕【】\[\]{}〈〉《》「」﹙﹚]")
    if odd.any():
        mask = pa.array(odd)
        changed = pa.array([t.translate(_BRACKETS) for t in name.filter(mask).to_pylist()], pa.string())
        name = pc.replace_with_mask(name, mask, changed)
    if columns.matches(name, r"\s").any():
        name = pc.utf8_trim_whitespace(pc.replace_substring_regex(name, r"\s+", " "))
        text = points.of_texts(name)
        name = text.keep(_kept_blanks(text)).texts()
    says_nothing = columns.matches(name, LOST) | columns.flags(
        pc.is_in(name, pa.array(sorted(NULL_WORDS), pa.string()))
    )
    says_nothing |= columns.matches(name, r"^[^\p{L}\p{N}]*$")
    return pc.if_else(pa.array(says_nothing), pa.scalar(None, pa.string()), name)


def _kept_blanks(text: Points) -> points.Flags:
    """A blank stays between two Latin words, where it parts them, and nowhere else."""
    blank = text.codes == ord(" ")
    latin = (text.codes < 0x250) & ~blank
    before, behind = np.roll(latin, 1), np.roll(latin, -1)
    return np.asarray(~blank | (before & behind))


def _capital() -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    capital = np.arange(_CODES, dtype=np.uint32)
    capital[ord("a") : ord("z") + 1] -= 32
    return capital


def _spoken() -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """1 for letters and digits of any script, 2 for the marks the reader looks at, 0 for what it never sees."""
    spoken = tables().han.astype(np.uint8)
    spoken[0x80:0x2000] = 1
    spoken[[ord("·"), 0xB7]] = 0
    for first, last in ("09", "AZ"):
        spoken[ord(first) : ord(last) + 1] = 1
    spoken[0x3040:0x3100] = 1
    spoken[0xAC00:0xD7A4] = 1
    spoken[[ord(c) for c in "():"]] = 2
    return spoken


def _texts(values: object) -> pa.StringArray:
    """Return a column of texts, "" as NULL."""
    column = pa.array(values, pa.string())
    return pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)


def _spelled(brands: pa.StringArray) -> tuple[pa.StringArray, pa.StringArray]:
    """Pinyin and initials; a character without a reading (a Latin letter, a digit) stands for itself."""
    known = tables()
    text = points.of_texts(brands)
    ids = known.given[text.codes].astype(np.int64)
    odd, place = np.unique(text.codes[ids == UNKNOWN], return_inverse=True)
    ids[ids == UNKNOWN] = len(known.syllables) + place
    themselves = pa.array([chr(c).lower() for c in odd], pa.string())
    out = []
    for sounds, separator in ((known.syllables, " "), (known.initials, "")):
        whole = pa.concat_arrays([sounds, themselves]).take(points.integers(ids))
        joined = pc.binary_join(pa.ListArray.from_arrays(points.integers(text.starts), whole), separator)
        out.append(pc.if_else(pc.is_valid(brands), joined, pa.scalar(None, pa.string())))
    return out[0], out[1]

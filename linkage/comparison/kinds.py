"""The kinds of comparison as data: which columns they read, which levels codes decide, which need the texts.

In the SQL, `{l}` and `{r}` stand for the two records and `{c}` for the comparison's name, the prefix of its columns. The
SQL is DuckDB's in the part that sqlglot carries to Spark. Every level is symmetric in left and right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from linkage import names, organisations
from linkage.evidence import dates, numbers, texts

Compare = Callable[[pa.Array, pa.Array], pa.Array]
"""From two columns of texts, pair by pair, to the level of each pair (NULL where a text says nothing)."""


class UnknownKind(KeyError):
    """A model names a comparison kind that does not exist."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__(f"There is no comparison kind {kind!r}; there are {', '.join(sorted(KINDS))}")

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, slots=True)
class Coded:
    """A level that codes decide, and the SQL that is true where it holds."""

    level: str
    sql: str


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of comparison.

    Attributes:
        columns: suffixes of the columns it reads ("" is the comparison's name itself).
        known: SQL that is true where both sides say something.
        better: coded levels above those that need the texts.
        textual: levels that need the texts; empty when codes say everything.
        worse: coded levels below them; the last level, `different`, is what remains.
        compare: the function behind the textual levels.
        text: suffix of the column with the text.
    """

    columns: tuple[str, ...]
    known: str
    better: tuple[Coded, ...]
    textual: tuple[str, ...] = ()
    worse: tuple[Coded, ...] = ()
    compare: Compare | None = None
    text: str = "_text"

    @property
    def levels(self) -> tuple[str, ...]:
        """All levels, best first; the position of a level, from 1, is its number in SQL (0 = nothing to compare)."""
        return (*(c.level for c in self.better), *self.textual, *(c.level for c in self.worse), REST)


REST: Final = "different"
"""The level of pairs for which no better one holds."""


def _both(*suffixes: str) -> str:
    return " AND ".join(f"{{l}}.{{c}}{s} IS NOT NULL AND {{r}}.{{c}}{s} IS NOT NULL" for s in suffixes)


def _equal(*suffixes: str) -> str:
    return " AND ".join(f"{{l}}.{{c}}{s} = {{r}}.{{c}}{s}" for s in suffixes)


def _neither(*suffixes: str) -> str:
    return "".join(f" AND {{l}}.{{c}}{s} IS NULL AND {{r}}.{{c}}{s} IS NULL" for s in suffixes)


def _crosswise(one: str, other: str) -> str:
    return f"({{l}}.{{c}}{one} = {{r}}.{{c}}{other} OR {{l}}.{{c}}{other} = {{r}}.{{c}}{one})"


_NAME = Kind(
    columns=("", "_folded", "_pinyin", "_sound", "_surname", "_used"),
    known=_both(""),
    better=(
        Coded("exact", _equal("")),
        Coded("folded", _equal("_folded")),
        Coded("used", _crosswise("_folded", "_used")),
        Coded("homophone", _equal("_pinyin")),
        Coded("fuzzy_pinyin", _equal("_sound")),
    ),
    textual=("one_character", "missing_character", "swapped_order"),
    worse=(Coded("surname_only", _equal("_surname")),),
    compare=names.compare,
)

_DATE = Kind(
    columns=("_y", "_m", "_d"),
    known=_both("_y"),
    better=tuple(Coded(level, sql) for level, sql in dates.conditions("{l}.{c}", "{r}.{c}")),
)

_CODE = Kind(columns=("",), known=_both(""), better=(Coded("exact", _equal("")),))

_PHONE = Kind(
    columns=("", "_shared"),
    known=_both(""),
    better=(Coded("exact", _equal("") + " AND NOT {l}.{c}_shared"), Coded("shared", _equal(""))),
)

_PLACE = Kind(
    columns=("_flat", "_building", "_site"),
    known=_both("_site"),
    better=(
        Coded("same_flat", _equal("_flat")),
        # One side stops at the building: it says nothing against any flat in it.
        Coded("within_building", _equal("_building") + " AND ({l}.{c}_flat IS NULL OR {r}.{c}_flat IS NULL)"),
        Coded("same_building", _equal("_building")),
        Coded("within_site", _equal("_site") + " AND ({l}.{c}_building IS NULL OR {r}.{c}_building IS NULL)"),
        Coded("same_site", _equal("_site")),
    ),
)

# Where a shop has no flat, its door is where it is: many small shops have a door of their own.
_PREMISES = Kind(
    columns=_PLACE.columns,
    known=_PLACE.known,
    better=(
        Coded("same_flat", _equal("_flat")),
        Coded("same_door", _equal("_site") + _neither("_building", "_flat")),
        *_PLACE.better[1:],
    ),
)

# One branch or none on both sides: the sign of a branch is its head's name too often.
_ONE_BRANCH = "coalesce({l}.{c}_branch = {r}.{c}_branch, {l}.{c}_branch IS NULL AND {r}.{c}_branch IS NULL)"

_ORGANISATION = Kind(
    columns=("", "_plain", "_registered", "_branch", "_used"),
    known=_both(""),
    better=(
        Coded("registered", _equal("_plain") + " AND {l}.{c}_registered + {r}.{c}_registered > 0"),
        Coded("exact", _equal("_plain")),
        Coded("used", _crosswise("_plain", "_used") + f" AND {_ONE_BRANCH}"),
    ),
    textual=organisations.LEVELS[1:-1],
    compare=organisations.compare,
)

_TEXT = Kind(
    columns=("",), known=_both(""), better=(Coded("exact", _equal("")),), textual=texts.LEVELS, compare=texts.compare
)

UNCLEAR: Final = "unclear"
"""The level of two numbers of which too little is visible, or that are documents of two kinds: it speaks for nothing."""


def _near_numbers(left: pa.Array, right: pa.Array) -> pa.Array:
    return pc.fill_null(numbers.compare(left, right), UNCLEAR)


# Two valid numbers are decided before anything is weighed: only where one is a hint (`_hint` is 1, else 0) is it compared.
_NUMBER = Kind(
    columns=("_hint", "_head", "_tail"),
    known="coalesce({l}.{c}_hint + {r}.{c}_hint, 0) > 0",
    better=(),
    textual=(*numbers.LEVELS[:-1], UNCLEAR),
    compare=_near_numbers,
)

KINDS: Final[dict[str, Kind]] = {
    "name": _NAME,
    "date": _DATE,
    "code": _CODE,
    "phone": _PHONE,
    "place": _PLACE,
    "premises": _PREMISES,
    "organisation": _ORGANISATION,
    "text": _TEXT,
    "number": _NUMBER,
}
"""Every comparison kind by the name that models use."""


def kind_of(name: str) -> Kind:
    """Return a kind; raises `UnknownKind`."""
    try:
        return KINDS[name]
    except KeyError:
        raise UnknownKind(name) from None

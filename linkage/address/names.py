"""Place names compared (地名比较): an estate, building, village or organisation beside another.

A name is read once into its core (碧溪), the word for its kind (小区) and its marks (1期, B区, 东区). Marks tell parts of
an estate apart and outweigh every similarity of the core: 莲花新村三区 is not 莲花新村六区.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from rapidfuzz.distance import OSA, Indel

from linkage.address.settings import words
from schemas.address.numerals import name_digits

LEVELS: Final = ("same", "core", "typo", "prefixed", "inside", "slip", "kind", "inside_kind", "part", "apart")
"""How two names agree, best first; see `weights.yaml` for what each is worth."""
SEPARATOR: Final = "\x1f"
"""Between the names by which one text calls its place."""

_TWICE: Final = re.compile(r"^(.{2,})\1$")
_JUNK: Final = re.compile(r"[ ()./·、,&@#\-]+")
_MARK: Final = re.compile(
    r"(?<=[\u3400-\u9fff])第?([0-9]{1,3}|[A-Z][0-9]{0,2}|[东南西北中][0-9]?|小?[0-9])(期|区|街区|组团|村|里|片区?|苑|园|院|地块|号院|组|门)(?![\u3400-\u9fff]?[路街])"
)
_ONLY_MARK: Final = re.compile(r"第?([0-9]{1,3}|[A-Z][0-9]{0,2}|[东南西北中])(期|区|街区|组团|片区?|院|地块)")
_MARK_KIND: Final = {"街区": "区", "片区": "区", "片": "区", "园": "苑", "号院": "院"}
_ASCII: Final = re.compile(r"[0-9A-Z]+")
_INSTITUTIONS: Final = frozenset({"school", "hospital", "firm", "market"})
_TAIL: Final = re.compile(r"(?:的|内|里面|院内|收|等)$")


@dataclass(frozen=True, slots=True)
class Name:
    """A name taken apart: `full` as written (numerals as digits), `core`, word for its kind, marks by their kind."""

    full: str
    core: str
    kind: str
    marks: tuple[tuple[str, str], ...]

    @property
    def anchor(self) -> str:
        """What makes the name known: the core, or all of an institution's name (广西大学 is not 广西)."""
        return self.full if words().kinds.get(self.kind) in _INSTITUTIONS else self.core


@lru_cache(maxsize=1 << 16)
def read_name(text: str) -> Name:
    """Takes a name apart; a name that is nothing but a kind keeps it as its core."""
    full = _TAIL.sub("", _JUNK.sub("", name_digits(text)))
    twice = _TWICE.match(full)
    full = twice[1] if twice else full
    marks = [(_MARK_KIND.get(mark[2], mark[2]), mark[1].lstrip("小")) for mark in _MARK.finditer(full)]
    only = _ONLY_MARK.fullmatch(full)
    if only:
        return Name(full, full, "", ((_MARK_KIND.get(only[2], only[2]), only[1].lstrip("小")),))
    bare = _MARK.sub("", full) if marks else full
    if len(bare) < 2:
        bare, marks = full, []
    twice = _TWICE.match(bare)
    bare = twice[1] if twice else bare
    core, kind = _without_kind(bare)
    return Name(full, core, kind, tuple(marks))


def _without_kind(name: str) -> tuple[str, str]:
    kinds = words().kinds
    for size in range(min(8, len(name) - 2), 0, -1):
        if name[-size:] in kinds:
            return name[:-size], name[-size:]
    return name, ""


def compare_names(left: str, right: str) -> tuple[int, int]:
    """The best level over the names of two texts (index into `LEVELS`), and what their marks say.

    Returns:
        level, mark: 0 no marks on both sides, 1 marks on one side, 2 equal marks, 3 contradicting marks.
    """
    best = (len(LEVELS), 0)
    for a in left.split(SEPARATOR):
        for b in right.split(SEPARATOR):
            found = _compare(read_name(a), read_name(b))
            if found[0] < best[0] or (found[0] == best[0] and found[1] == 2):
                best = found
    return best


def _compare(a: Name, b: Name) -> tuple[int, int]:
    numbers = [_ASCII.findall(name.core) for name in (a, b)]
    if all(numbers) and numbers[0] != numbers[1] and _ASCII.sub("", a.full) == _ASCII.sub("", b.full):
        return LEVELS.index("part"), 3
    return LEVELS.index(_level(a, b)), _marks(a, b)


def _marks(a: Name, b: Name) -> int:
    if not a.marks and not b.marks:
        return 0
    left, right = dict(a.marks), dict(b.marks)
    shared = left.keys() & right.keys()
    if any(left[kind] != right[kind] for kind in shared):
        return 3
    return 2 if shared else 1


def _level(a: Name, b: Name) -> str:
    if a.full == b.full:
        return "same"
    kinds_agree = _kinds_agree(a.kind, b.kind)
    if a.core == b.core:
        return "core" if kinds_agree else "kind"
    found = _level_of_cores(a, b, kinds_agree=kinds_agree)
    short, long = sorted((a.full, b.full), key=len)
    whole = len(short) >= 3 and long.endswith(short)  # 浏家港三里村, 三里村: whatever the numeral in the name is
    return "prefixed" if whole and LEVELS.index(found) > LEVELS.index("prefixed") else found


def _level_of_cores(a: Name, b: Name, *, kinds_agree: bool) -> str:
    if _alike(a.full, b.full) or (kinds_agree and _alike(a.core, b.core)):
        return "typo"
    short, long = sorted((a.core, b.core), key=len)
    if len(short) >= 2 and short in long:
        if kinds_agree and long.endswith(short) and a.kind == b.kind:
            return "prefixed"
        whole = len(short) >= 4 and (a.full in b.full or b.full in a.full)
        return "inside" if kinds_agree or whole else "inside_kind"
    if kinds_agree and len(short) >= 4 and not _ASCII.search(a.core + b.core) and OSA.distance(short, long) <= 1:
        return "slip"
    return "part" if Indel.normalized_similarity(a.core, b.core) >= 0.5 else "apart"


def _alike(a: str, b: str) -> bool:
    """One character in a name of at least three is written for another that looks or sounds the same."""
    if len(a) != len(b) or len(a) < 3 or sum(x != y for x, y in zip(a, b, strict=True)) != 1:
        return False
    return a.translate(words().alike) == b.translate(words().alike)


def _kinds_agree(a: str, b: str) -> bool:
    """One not said, one so general that it says nothing, or one a longer word for the other (市场, 批发市场)."""
    if not a or not b or a in b or b in a:
        return True
    kinds, empty = words().kinds, words().empty_kinds
    return kinds[a] in empty or kinds[b] in empty

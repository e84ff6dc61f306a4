"""Code sets (代码集) as data: `code_set("sex").resolve("男") == "1"`.

One CSV per set under `data/` (`code,name[,parent][,note]`), one row per set in `index.csv` with its standard and how
sure we are of it (basis: S read in a source, K general knowledge, P this project's own proposal), and common other
spellings in `synonyms.csv`. A change of the standard is a change of a data file, never of code.

Two systems may give one spelling opposite meanings (political status 01 and 13, `domain README` §0.7). A code set
knows only the standard's meaning; what a *system* means by its codes is said in that system's manifest (`code_map`).
"""

from __future__ import annotations

import csv
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from schemas.identifiers.columns import half_width

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class CodeSet:
    """One code set: what may stand in a coded field, and how else people write it.

    Attributes:
        set_id: file name of the set, e.g. `sex`, `gbt31000_5_19`.
        title: Chinese title as the standard prints it.
        standard: number and year of the standard, or that it is this project's own.
        basis: S = read in a source, K = general knowledge, P = this project's proposal.
        codes: code → Chinese name, in the standard's order.
        names: Chinese name → code; where section and only division share a name, the division.
        parents: code → code of the group it belongs to, for sets with levels.
        notes: code → remark, where there is one.
        synonyms: other spellings, folded by `fold` → code.
    """

    set_id: str
    title: str
    standard: str
    basis: str
    codes: Mapping[str, str]
    names: Mapping[str, str]
    parents: Mapping[str, str]
    notes: Mapping[str, str]
    synonyms: Mapping[str, str]

    def resolve(self, text: str) -> str | None:
        """Return the code meant by a code, a name or a known spelling; None when it is none of them.

        The order (code, name, spelling) makes a code of the standard win over a spelling that looks like it.
        A lost leading zero is not repaired here: `1` is 中共党员 in one system and 群众 in another.
        """
        plain = fold(text)
        if plain in self.codes:
            return plain
        return self.names.get(plain) or self.synonyms.get(plain)


class UnknownCodeSet(KeyError):
    """A code set id that has no row in `index.csv`.

    Attributes:
        set_id: what was asked for.
        remedy: what to do about it.
    """

    def __init__(self, set_id: str) -> None:
        near = difflib.get_close_matches(set_id, code_sets(), n=3, cutoff=0.4)
        self.set_id = set_id
        self.remedy = f"use {' or '.join(near)}" if near else "see schemas/codes/index.csv for the sets there are"
        super().__init__(f"there is no code set {set_id!r}; {self.remedy}")

    def __str__(self) -> str:
        return str(self.args[0])


def fold(text: str) -> str:
    """Fold a spelling for look-up: half-width, no blanks, capitals; so `ｍ`, ` m ` and `M` are one."""
    return "".join(half_width(text).split()).upper()


@cache
def code_set(set_id: str) -> CodeSet:
    """Return a code set by id; read once per process.

    Raises:
        UnknownCodeSet: there is no such set; names the nearest ones.
    """
    about = _index().get(set_id)
    if about is None:
        raise UnknownCodeSet(set_id)
    rows = _read(_HERE / "data" / f"{set_id}.csv")
    return CodeSet(
        set_id=set_id,
        title=about["title"],
        standard=about["standard"],
        basis=about["basis"],
        codes=MappingProxyType({row["code"]: row["name"] for row in rows}),
        names=MappingProxyType({fold(row["name"]): row["code"] for row in rows}),
        parents=MappingProxyType({row["code"]: row["parent"] for row in rows if row.get("parent")}),
        notes=MappingProxyType({row["code"]: row["note"] for row in rows if row.get("note")}),
        synonyms=MappingProxyType(_synonyms().get(set_id, {})),
    )


@cache
def code_sets() -> tuple[str, ...]:
    """Return the ids of all code sets, in the order of `index.csv`."""
    return tuple(_index())


@cache
def _index() -> dict[str, dict[str, str]]:
    return {row["set"]: row for row in _read(_HERE / "index.csv")}


@cache
def _synonyms() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for row in _read(_HERE / "synonyms.csv"):
        found.setdefault(row["set"], {})[fold(row["spelling"])] = row["code"]
    return found


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))

"""The proof that a code map (代码对照) loses nothing, or that it says what it loses.

A golden value that is written through a map and read back through it must be the same value; else every read-back
would differ and every pull would undo the push. So the round trip is computed here for each spelling and each code,
once, when the file is checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from connectors.manifest.model import CodeMap
from connectors.manifest.problem import Problem
from connectors.manifest.refusal import Location
from schemas.codes import code_set, fold
from schemas.model import Field

BOOLEANS = frozenset(code_set("boolean").codes)
"""The canonical values of a boolean field."""


def code_map_problems(
    at: Location, table: CodeMap, field: Field, *, writable: bool, in_place: bool
) -> Iterator[Problem]:
    """Yield what is wrong with a map as it is used by one field.

    Args:
        at: place of the map in the file.
        table: the map.
        field: the master field whose values it translates.
        writable: True when golden values are written through the map; only then it must be able to write.
        in_place: True when the map stands at the field, where `write` and `lossy` cannot be given.
    """
    known = codes_of(field)
    codes_at, write_at = (at, at) if in_place else ((*at, "codes"), (*at, "write"))
    if known is not None:
        for spelling, code in table.codes.items():
            if code not in known:
                yield Problem(
                    (*codes_at, spelling), f"{field.code_set or field.kind} has no code {code!r}", _hint(known)
                )
        for code in table.write:
            if code not in known:
                yield Problem((*write_at, code), f"{field.code_set or field.kind} has no code {code!r}", _hint(known))
    yield from _folded(codes_at, table)
    for code, spelling in table.write.items():
        if spelling not in table.codes:
            what = f"{spelling!r} is written but not among `codes`, so it could not be read back"
            yield Problem((*write_at, code), what, "add it to `codes`")
    if writable:
        yield from _ambiguous(at, table, in_place=in_place)
        yield from _lossy(at, table, known or frozenset(table.codes.values()), in_place=in_place)


def codes_of(field: Field) -> frozenset[str] | None:
    """The canonical values a field may have: the codes of its set, the two booleans; None when any text may stand."""
    if field.kind == "code" and field.code_set is not None:
        return frozenset(code_set(field.code_set).codes)
    return BOOLEANS if field.kind == "boolean" else None


def lost(table: CodeMap, known: frozenset[str]) -> tuple[str, ...]:
    """The codes that do not come back when written and read: with no spelling, or folded into another code."""
    reverse = table.reverse()
    return tuple(sorted(c for c in known if c not in reverse or table.codes.get(reverse[c], c) != c))


def _ambiguous(at: Location, table: CodeMap, *, in_place: bool) -> Iterator[Problem]:
    spellings: dict[str, list[str]] = {}
    for spelling, code in table.codes.items():
        spellings.setdefault(code, []).append(spelling)
    for code, several in spellings.items():
        if len(several) > 1 and code not in table.write:
            what = f"{len(several)} spellings mean {code!r} ({_list(several)})"
            remedy = f'say which one to write: `write: {{"{code}": {several[0]}}}`'
            yield Problem(at, what, f"move the map to `code_maps` and {remedy}" if in_place else remedy)


def _folded(at: Location, table: CodeMap) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for spelling, code in table.codes.items():
        other = seen.setdefault(fold(spelling), spelling)
        if table.codes[other] != code:
            what = f"{spelling!r} and {other!r} are the same spelling but mean {code!r} and {table.codes[other]!r}"
            yield Problem((*at, spelling), what, "spellings are compared without width, blanks and case; keep one")


def _lossy(at: Location, table: CodeMap, known: frozenset[str], *, in_place: bool) -> Iterator[Problem]:
    missing = lost(table, known)
    if missing and table.lossy is None:
        what = f"the map is not lossless: {_list(missing)} cannot be written and read back"
        remedy = "add the codes, or say with `lossy: <reason>` that the system does not know them"
        yield Problem(at, what, f"move the map to `code_maps` and {remedy}" if in_place else remedy)
    if not missing and table.lossy is not None:
        yield Problem((*at, "lossy"), "the map is lossless but declared lossy", "remove `lossy`")


def _list(codes: Sequence[str]) -> str:
    return ", ".join(codes[:12]) + (f" and {len(codes) - 12} more" if len(codes) > 12 else "")


def _hint(known: frozenset[str]) -> str:
    return f"its codes are {_list(sorted(known))}"

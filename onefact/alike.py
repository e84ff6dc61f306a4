"""Possible duplicates while somebody types (录入查重): who is known already that this could be, and why.

Candidates come from the search keys, as linkage blocks by them; names are compared as linkage compares them, so that a
homophone or a variant character is seen. Nothing is decided here: a person looks and says "the same" or "another".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from linkage import names
from onefact.enter import TITLES
from onefact.search import SHOWN
from schemas.model import EntityType
from warehouse.seals import seals_of
from warehouse.search_keys import fold
from warehouse.tables import METADATA

SAME: Final = {
    "exact": "姓名相同", "folded": "姓名相同（异体字或繁体字）", "homophone": "姓名同音不同字", "fuzzy_pinyin": "姓名读音相近",
    "one_character": "姓名差一个字", "missing_character": "姓名少一个字", "swapped_order": "姓名字序不同",
}  # fmt: skip
"""Level of the comparison of two names -> the reason in words."""

STRONG: Final = frozenset({"id_number", "uscc", "house_code", "address"})
"""Fields whose equality alone is a reason to ask."""

MOST: Final = 200
"""Candidates that are compared at most."""

COMPARED: Final[dict[EntityType, tuple[str, ...]]] = {
    "person": ("id_number", "phone", "birth_date", "sex"),
    "organisation": ("uscc", "phone", "address", "legal_representative"),
    "house": ("house_code", "address"),
}
"""Fields that are compared beside the name; their Chinese names make the reasons."""


@dataclass(frozen=True, slots=True)
class Alike:
    """Somebody or something that is known already and could be the one that is typed.

    Attributes:
        reasons: why, in words, the strongest first.
        weight: how much speaks for it; greater first.
        certain: a number that identifies is the same.
    """

    entity_type: EntityType
    master_id: str
    title: str
    details: dict[str, str]
    reasons: tuple[str, ...]
    weight: int
    certain: bool


def alike(
    connection: sa.Connection,
    entity_type: EntityType,
    typed: Mapping[str, str],
    grids: Sequence[str] | None,
    limit: int = 5,
) -> list[Alike]:
    """Return known records that the typed one may be, the likeliest first.

    Args:
        connection: the master.
        entity_type: what is typed.
        typed: field -> value as far as it is typed; canonical or not.
        grids: the grids that may be seen; None = all.
        limit: at most so many.
    """
    keys = {
        fold(v)
        for n, v in typed.items()
        if v and n in {"name", "sign_name", "id_number", "phone", "uscc", "house_code"}
    }
    if entity_type == "person" and typed.get("name"):
        spelled = names.standardise([typed["name"]]).to_pylist()[0]["pinyin"]
        keys |= {fold(spelled)} if spelled else set()
    ids = _keyed(connection, entity_type, keys, grids) | _at(connection, entity_type, typed.get("address"), grids)
    if not ids:
        return []
    table, shown = METADATA.tables[entity_type], SHOWN.get(entity_type, ())
    fields = dict.fromkeys((TITLES[entity_type], *COMPARED.get(entity_type, ()), *shown))
    query = sa.select(table.c.master_id, *(table.c[f] for f in fields)).where(table.c.master_id.in_(ids))
    rows = connection.execute(query).mappings().all()
    levels = (
        _levels(typed.get("name"), [r.get("name") for r in rows]) if entity_type == "person" else [None] * len(rows)
    )
    found = [_judged(entity_type, typed, dict(row), level) for row, level in zip(rows, levels, strict=True)]
    told = sorted((f for f in found if f.weight >= 2), key=lambda f: (-f.weight, f.master_id))
    return told[:limit]


def _keyed(connection: sa.Connection, entity_type: EntityType, keys: set[str], grids: Sequence[str] | None) -> set[str]:
    if not keys:
        return set()
    area = "" if grids is None else "AND grid = ANY(:grids)"
    query = sa.text(
        f"SELECT DISTINCT master_id::text FROM search_key WHERE entity_type = :e AND key = ANY(:keys) {area} LIMIT {MOST}"
    )
    seals = seals_of(connection)
    values = {"e": entity_type, "keys": sorted(keys | {seals.blind(k) for k in keys}), "grids": list(grids or ())}
    return set(connection.execute(query, values).scalars())


def _at(
    connection: sa.Connection, entity_type: EntityType, address: str | None, grids: Sequence[str] | None
) -> set[str]:
    """What else is at an address that is written exactly so: the shop before this one, the same flat."""
    if not address or entity_type not in {"organisation", "house"}:
        return set()
    table = METADATA.tables[entity_type]
    query = sa.select(table.c.master_id).where(table.c.address == address).limit(MOST)
    if grids is not None:
        grid = METADATA.tables["entity_grid"]
        query = query.where(table.c.master_id.in_(sa.select(grid.c.master_id).where(grid.c.grid.in_(grids))))
    return {str(i) for i in connection.execute(query).scalars()}


def _levels(name: str | None, others: Sequence[str | None]) -> list[str | None]:
    if not name or not others:
        return [None] * len(others)
    return list(names.compare([name] * len(others), list(others)).to_pylist())


WORDS: Final = {
    "id_number": "证件号码相同", "phone": "电话相同", "birth_date": "出生日期相同", "sex": "性别相同", "uscc": "统一社会信用代码相同",
    "address": "地址相同", "legal_representative": "法定代表人相同", "house_code": "房屋编码相同", "name": "名称相同",
    "sign_name": "招牌与名称相同",
}  # fmt: skip


def _judged(entity_type: EntityType, typed: Mapping[str, str], row: dict[str, object], level: str | None) -> Alike:
    reasons: list[tuple[int, str]] = []
    if level in SAME:
        reasons.append(
            (3 if level in {"exact", "folded"} else 2 if level in {"homophone", "fuzzy_pinyin"} else 1, SAME[level])
        )
    for name in COMPARED.get(entity_type, ()):
        if typed.get(name) and row.get(name) is not None and fold(typed[name]) == fold(str(row[name])):
            weight = 0 if name == "sex" else 5 if name in STRONG else 2
            reasons.append((weight, WORDS[name]))
    if entity_type == "organisation":
        said = {fold(typed[n]) for n in ("name", "sign_name") if typed.get(n)}
        if said & {fold(str(row[n])) for n in ("name", "sign_name") if row.get(n)}:
            reasons.append((3, WORDS["name"]))
    contradicted = all(typed.get("id_number") and row.get("id_number") for _ in "1") and not any(
        words == WORDS["id_number"] for _, words in reasons
    )
    if contradicted:
        reasons.append((-3, "但证件号码不同"))
    certain = any(words in {WORDS["id_number"], WORDS["uscc"], WORDS["house_code"]} for _, words in reasons)
    details = {n: str(row[n]) for n in SHOWN.get(entity_type, ()) if row.get(n) is not None}
    return Alike(
        entity_type, str(row["master_id"]), str(row.get(TITLES[entity_type]) or ""), details,
        tuple(words for _, words in sorted(reasons, reverse=True)), sum(w for w, _ in reasons), certain,
    )  # fmt: skip

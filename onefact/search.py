"""Search (查找): one box for name, pinyin, initials, ID number, phone, address and firm; PostgreSQL only.

What is typed is the beginning of a key (`warehouse.search_keys`), or a whole number or its last digits: numbers lie as blind
indexes, which have no beginnings. Exact and short keys come first. The area is part of the
query, so that a worker's question costs what the own grids hold, not what the city holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from onefact.enter import TITLES
from schemas.model import EntityType
from warehouse.seals import seals_of
from warehouse.search_keys import fold
from warehouse.tables import METADATA

SHORTEST: Final = 2
"""Characters below which nothing is looked up, unless it is an ideograph: one letter begins half of all keys."""

LIMIT: Final = 20

KINDS: Final = {
    "name": "姓名或名称", "pinyin": "拼音", "initials": "拼音首字母", "id": "证件号码", "phone": "电话", "address": "地址",
    "code": "编码", "contact": "负责人或联系人",
}  # fmt: skip
"""Kind of key -> what people call it."""

SHOWN: Final[dict[EntityType, tuple[str, ...]]] = {
    "person": ("id_number", "phone", "residence_address"),
    "house": ("status", "owner_name"),
    "organisation": ("sign_name", "address", "phone"),
}
"""What tells the hits of a search apart; to be masked where it is shown."""

QUERY: Final = """
WITH hit AS (
  SELECT k.entity_type, k.master_id, min(CASE WHEN k.key IN (:low, :blind) THEN 0 ELSE 1 END) AS far, min(length(k.key)) AS long, min(k.kind) AS kind
  FROM search_key k WHERE ((k.key >= :low AND k.key < :high) OR k.key = :blind) {area} {kind}
  GROUP BY k.entity_type, k.master_id ORDER BY far, long, k.master_id LIMIT :limit)
SELECT entity_type, master_id::text, kind FROM hit ORDER BY far, long, master_id
"""

AREA: Final = "AND k.master_id IN (SELECT g.master_id FROM entity_grid g WHERE g.grid = ANY(:grids))"


@dataclass(frozen=True, slots=True)
class Hit:
    """A golden record that fits.

    Attributes:
        kind: by which kind of key it was found.
        title: what it is called.
        details: field -> value, in full, of what tells it apart from others.
    """

    entity_type: EntityType
    master_id: str
    kind: str
    title: str
    details: dict[str, str]


def search(
    connection: sa.Connection,
    text: str,
    grids: Sequence[str] | None,
    entity_type: EntityType | None = None,
    limit: int = LIMIT,
) -> list[Hit]:
    """Return what fits, best first.

    Args:
        connection: the master.
        text: what was typed; upper or lower case, half or full width, with or without spaces.
        grids: the grids that may be seen; None = all.
        entity_type: look for these only.
        limit: at most so many.
    """
    low = fold(text)
    if not low or (len(low) < SHORTEST and low.isascii()):
        return []
    values = {
        "low": low,
        "blind": seals_of(connection).blind(low),
        "high": low + "\U0010ffff",
        "limit": limit,
        "grids": list(grids or ()),
        "entity": entity_type,
    }
    sql = QUERY.format(area="" if grids is None else AREA, kind="AND k.entity_type = :entity" if entity_type else "")
    found = connection.execute(sa.text(sql), values).all()
    details = _details(connection, [(row[0], row[1]) for row in found])
    return [Hit(entity, master, kind, *details[master]) for entity, master, kind in found if master in details]


def _details(
    connection: sa.Connection, found: Sequence[tuple[EntityType, str]]
) -> dict[str, tuple[str, dict[str, str]]]:
    told: dict[str, tuple[str, dict[str, str]]] = {}
    for entity_type in dict.fromkeys(e for e, _ in found):
        table, names = METADATA.tables[entity_type], SHOWN.get(entity_type, ())
        columns = [table.c.master_id, table.c[TITLES[entity_type]], *(table.c[n] for n in names)]
        ids = [master for e, master in found if e == entity_type]
        for row in connection.execute(sa.select(*columns).where(table.c.master_id.in_(ids))):
            told[str(row[0])] = (
                row[1] or "",
                {n: str(v) for n, v in zip(names, row[2:], strict=True) if v is not None},
            )
    return told

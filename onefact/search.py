"""Search (查找): one box for name, pinyin, initials, ID number, phone, address and firm; PostgreSQL only.

What is typed is the beginning of a key (`warehouse.search_keys`), or a whole number or its last digits: numbers lie as blind
indexes, which have no beginnings. Exact and short keys come first. The grid stands in the index, so that a worker's question
costs what the own grids hold, not what the city holds; who asks the whole district gets the best of the first `WINDOW` keys in
their order, since nobody reads a hundred thousand people of one surname.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from onefact.enter import TITLES
from schemas.model import EntityType
from warehouse.seals import seals_of
from warehouse.search_keys import KEYS, fold
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

WINDOW: Final = 200
"""Keys of one kind of record that are looked at where the whole district is asked: a surname alone begins a hundred thousand."""

IN_GRIDS: Final = """
SELECT k.entity_type, k.master_id, k.kind, k.key FROM search_key k WHERE k.grid = ANY(:grids) AND k.key >= :low AND k.key < :high {kind}
UNION ALL
SELECT k.entity_type, k.master_id, k.kind, k.key FROM search_key k WHERE k.grid = ANY(:grids) AND k.key = :blind {kind}
"""

IN_DISTRICT: Final = """
(SELECT k.entity_type, k.master_id, k.kind, k.key FROM search_key k WHERE k.entity_type = '{0}' AND k.key >= :low AND k.key < :high
 ORDER BY k.key LIMIT :window)
UNION ALL
SELECT k.entity_type, k.master_id, k.kind, k.key FROM search_key k WHERE k.entity_type = '{0}' AND k.key = :blind
"""

QUERY: Final = """
WITH near AS ({near}), hit AS (
  SELECT k.entity_type, k.master_id, min(CASE WHEN k.key IN (:low, :blind) THEN 0 ELSE 1 END) AS far, min(length(k.key)) AS long, min(k.kind) AS kind
  FROM near k GROUP BY k.entity_type, k.master_id ORDER BY far, long, k.master_id LIMIT :limit)
SELECT entity_type, master_id::text, kind FROM hit ORDER BY far, long, master_id
"""


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
        "window": WINDOW,
    }
    if grids is None:
        near = " UNION ALL ".join(IN_DISTRICT.format(e) for e in ([entity_type] if entity_type else KEYS))
    else:
        near = IN_GRIDS.format(kind="AND k.entity_type = :entity" if entity_type else "")
        values |= {"grids": list(grids)} | ({"entity": entity_type} if entity_type else {})
    found = connection.execute(sa.text(QUERY.format(near=near)), values).all()
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

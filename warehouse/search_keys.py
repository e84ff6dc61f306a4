"""The keys by which golden records are found (查找键): made in the publication, for touched records only.

A key is the beginning of what people type: a name, its pinyin or initials, a number or its last digits, a firm's name from
any character on, a place from any element on (3栋2单元501室 as well as the whole address). Folded once here and once for the
question (`fold`), so that both meet.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from schemas.entities import ENTITIES

LONGEST: Final = 60
"""Characters of a key; what is typed into the box is shorter."""

ID_TAIL, PHONE_TAIL = 6, 4
"""Last digits by which people call a number."""

_FOLD: Final = "left(upper(replace({}, ' ', '')), 60)"

_PINYIN: Final = (
    ("name", "g.name"),
    ("pinyin", "replace(f.pinyin, ' ', '')"),
    ("initials", "list_aggregate(list_transform(string_split(f.pinyin, ' '), lambda x: left(x, 1)), 'string_agg', '')"),
)

_SUFFIXES: Final = "unnest(list_transform(range(1, greatest(length({0}), 2)), lambda i: substr({0}, i)))"

BLINDED: Final = ("id", "phone")
"""Kinds of key that lie as blind indexes: found when typed in full, or by the last digits, and by no other beginning."""

KEYS: Final[dict[str, tuple[tuple[str, str], ...]]] = {
    "person": (
        *_PINYIN,
        ("id", "g.id_number"),
        ("id", f"CASE WHEN length(g.id_number) > {ID_TAIL} THEN right(g.id_number, {ID_TAIL}) END"),
        ("phone", "g.phone"),
        ("phone", f"CASE WHEN length(g.phone) > {PHONE_TAIL} THEN right(g.phone, {PHONE_TAIL}) END"),
    ),
    "house": (("code", "g.house_code"),),
    "organisation": (
        ("name", _SUFFIXES.format("g.name")),
        ("name", _SUFFIXES.format("g.sign_name")),
        *_PINYIN[1:],
        ("code", "g.uscc"),
        ("phone", "g.phone"),
        ("contact", "g.legal_representative"),
        ("contact", "g.contact_name"),
    ),
}
"""Entity -> (kind of key, DuckDB SQL over the golden record `g` and the forms `f` of its name)."""

FORMS: Final = {"person": "name_form", "organisation": "org_form"}

PLACES: Final = """
WITH RECURSIVE climb AS (
  SELECT p.entity_type, p.master_id, n.parent_id, n.level, n.name AS tail FROM address_point p JOIN address_node n USING (node_id)
  JOIN search_touched t ON t.entity_type = p.entity_type AND t.master_id = p.master_id
  WHERE (p.entity_type, p.field) IN (('house', 'address'), ('organisation', 'address'))
  UNION ALL
  SELECT c.entity_type, c.master_id, n.parent_id, n.level, n.name || c.tail FROM climb c JOIN address_node n ON n.node_id = c.parent_id
  WHERE n.level !~ '^[123]')
INSERT INTO fresh_key SELECT DISTINCT entity_type, master_id, 'address', left(upper(replace(tail, ' ', '')), 60) FROM climb
WHERE level !~ '^[123]'
"""
"""PostgreSQL: what a place is called from each of its elements on, below the community."""


FRESH: Final = (
    "CREATE TEMP TABLE fresh_key ON COMMIT DROP AS SELECT entity_type, master_id, kind, key FROM search_key LIMIT 0"
)
"""PostgreSQL: where the keys of touched records are gathered."""

_GRIDS: Final = "(SELECT DISTINCT entity_type, master_id, grid FROM entity_grid)"

REPLACE: Final = (
    # Records that nothing touched but that are in another grid now keep their keys.
    (
        "INSERT INTO fresh_key SELECT DISTINCT k.entity_type, k.master_id, k.kind, k.key FROM search_key k JOIN grid_changed c "
        "ON c.entity_type = k.entity_type AND c.master_id = k.master_id WHERE NOT EXISTS (SELECT 1 FROM search_touched t "
        "WHERE t.entity_type = k.entity_type AND t.master_id = k.master_id)"
    ),
    (
        "DELETE FROM search_key k USING (SELECT master_id FROM search_touched UNION SELECT master_id FROM grid_changed) t "
        "WHERE t.master_id = k.master_id"
    ),
    "ANALYZE fresh_key",
)
"""PostgreSQL: take away the old keys of touched records and of those in another grid (`grid_changed`), and gather the latters'."""

WITH_GRIDS: Final = (
    "INSERT INTO search_key (entity_type, master_id, kind, key, grid) SELECT k.entity_type, k.master_id, k.kind, k.key, g.grid "
    f"FROM fresh_key k LEFT JOIN {_GRIDS} g ON g.entity_type = k.entity_type AND g.master_id = k.master_id"
)
"""PostgreSQL: what was gathered becomes the keys, a row for each grid."""

REGRID: Final = (
    "DROP INDEX search_key_key",
    "DROP INDEX IF EXISTS search_key_master",  # made again when the table is filled
    "CREATE TEMP TABLE search_again ON COMMIT DROP AS SELECT DISTINCT entity_type, master_id, kind, key FROM search_key",
    "TRUNCATE search_key",
    (
        "INSERT INTO search_key (entity_type, master_id, kind, key, grid) SELECT k.entity_type, k.master_id, k.kind, k.key, g.grid "
        f"FROM search_again k LEFT JOIN {_GRIDS} g ON g.entity_type = k.entity_type AND g.master_id = k.master_id"
    ),
)
"""PostgreSQL: give the keys of an older onefact their grids."""


def keys_sql(entity_type: str, relation: str) -> str | None:
    """Return the DuckDB SQL of an entity's keys (entity_type, master_id, kind, key) over a golden relation."""
    if entity_type not in KEYS:
        return None
    form = FORMS.get(entity_type)
    join = f"LEFT JOIN {form} f ON f.text = g.name" if form else ""
    parts = " UNION ".join(
        f"SELECT '{entity_type}' AS entity_type, master_id, '{kind}' AS kind, {_FOLD.format('key')} AS key "
        f"FROM (SELECT g.master_id, {sql} AS key FROM {relation} g {join}) WHERE key <> ''"
        for kind, sql in KEYS[entity_type]
    )
    return f"SELECT DISTINCT * FROM ({parts})"


def fold(text: str) -> str:
    """Return what was typed as keys are written: half width, capitals, no spaces, nothing unprintable."""
    plain = "".join(c for c in unicodedata.normalize("NFKC", text) if c.isprintable() and not c.isspace())
    return plain.upper()[:LONGEST]


DECIDED: Final = {
    entity_type: tuple(f.name for f in entity.fields if f.worker and f.name != "visited_on")
    for entity_type, entity in ENTITIES.items()
}
"""Fields of which a worker may settle what the systems disagree about."""

"""Who lives or owns there says which flat is meant (以人定房): undecided addresses settled by the people of the record.

3栋502室 is a flat in each staircase of that building. The record that says so names its owner or resident, and of the
flats it could be, one is known to be theirs from other records. That is evidence for the record, not for its text: the
next record with the same text may mean the flat of the other staircase.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import duckdb

from schemas.entities import ENTITIES
from schemas.model import EntityType

Facts: TypeAlias = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
"""Fields with numbers, with names, with phones."""

PEOPLE: Final[tuple[tuple[EntityType, str, Facts], ...]] = (
    ("person", "residence_address", (("id_number",), ("name", "used_name"), ("phone",))),
    ("person", "registered_address", (("id_number",), ("name", "used_name"), ("phone",))),
    (
        "house",
        "address",
        (("owner_id_number", "tenant_id_number"), ("owner_name", "tenant_name"), ("owner_phone", "tenant_phone")),
    ),
)
"""Where records say who is at an address: entity, address field, and the fields with the people."""

WEIGHT: Final = {"number": 4, "phone": 2, "name": 2}
"""What a fact that agrees is worth; only the order matters, since a flat must be better than all other candidates."""


def settle(con: duckdb.DuckDBPyConnection, *, records: str = "std_{}", names: str = "name_form") -> int:
    """Create the temporary table `place_settled` (system_id, record_key, text, flat, score, second); return its size.

    A record is settled when people of the record are known at one of its candidates, and at no other as well. `second` is
    the score of the next best candidate, always lower.

    Args:
        con: the warehouse, with the tables of `linkage.address.places`.
        records: pattern of the relations with standardised records, `{}` for the entity.
        names: relation with the forms of names (text, folded).
    """
    if not con.execute("SELECT 1 FROM place_option LIMIT 1").fetchall():
        con.execute(
            "CREATE OR REPLACE TEMP TABLE place_settled (system_id VARCHAR, record_key VARCHAR, text VARCHAR, flat UBIGINT, "
            "score HUGEINT, second HUGEINT)"
        )
        return 0
    con.execute(f"CREATE OR REPLACE TEMP TABLE place_asking AS {_undecided(records)}")
    # The texts of the few flats in question come first: who lives anywhere else is not asked.
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_of_candidate AS SELECT text, flat FROM place WHERE flat IN (SELECT flat FROM place_option)"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_known AS SELECT DISTINCT p.flat, f.kind, f.fact FROM "
        f"({_facts_at(records, names)}) f JOIN place_of_candidate p USING (text)"
    )
    con.execute("DROP TABLE place_of_candidate")
    con.execute(
        "CREATE OR REPLACE TEMP TABLE place_settled AS WITH own AS (SELECT DISTINCT a.system_id, a.record_key, a.text, f.kind, f.fact "
        f"FROM place_asking a JOIN ({_facts_of(records, names)}) f USING (system_id, record_key)), "
        "scored AS (SELECT o.system_id, o.record_key, o.text, c.flat, sum(weight) AS score FROM "
        "(SELECT DISTINCT o.system_id, o.record_key, o.text, c.flat, o.kind FROM own o JOIN place_candidate c USING (text) "
        "JOIN place_known k ON k.flat = c.flat AND k.kind = o.kind AND k.fact = o.fact) o JOIN place_candidate c USING (text, flat) "
        f"JOIN (VALUES {', '.join(f'({chr(39)}{k}{chr(39)}, {w})' for k, w in WEIGHT.items())}) v(kind, weight) USING (kind) "
        "GROUP BY ALL) "
        "SELECT system_id, record_key, text, arg_max(flat, (score, flat)) AS flat, max(score) AS score, "
        "coalesce(max(score, 2)[2], 0) AS second FROM scored GROUP BY ALL HAVING coalesce(max(score, 2)[2], 0) < max(score)"
    )
    con.execute("DROP TABLE place_asking")
    con.execute("DROP TABLE place_known")
    return int(con.execute("SELECT count(*) FROM place_settled").fetchall()[0][0])


def _undecided(records: str) -> str:
    """Every record that says an undecided address, in whichever field."""
    parts = [
        f'SELECT s.system_id, s.record_key, s."{field.name}" AS text FROM {records.format(entity)} s '
        f'SEMI JOIN place_candidate c ON c.text = s."{field.name}"'
        for entity, declared in ENTITIES.items()
        for field in declared.fields
        if field.kind == "address"
    ]
    return " UNION ".join(parts)


def _facts_at(records: str, names: str) -> str:
    """Who is said to be at an address text: (text, kind, fact)."""
    parts = [
        f"SELECT s.\"{address}\" AS text, '{kind}' AS kind, {fact} AS fact FROM {records.format(entity)} s {join} "
        f'WHERE s."{address}" IS NOT NULL AND {fact} IS NOT NULL'
        for entity, address, facts in PEOPLE
        for kind, fact, join in _each(facts, names)
    ]
    return " UNION ALL ".join(parts)


def _facts_of(records: str, names: str) -> str:
    """Who is named in a record that says an undecided address: (system_id, record_key, kind, fact)."""
    entities = {entity: facts for entity, _, facts in PEOPLE}
    parts = [
        f"SELECT s.system_id, s.record_key, '{kind}' AS kind, {fact} AS fact FROM {records.format(entity)} s "
        f"SEMI JOIN place_asking a USING (system_id, record_key) {join} WHERE {fact} IS NOT NULL"
        for entity, facts in entities.items()
        for kind, fact, join in _each(facts, names)
    ]
    return " UNION ALL ".join(parts)


def _each(facts: Facts, names: str) -> list[tuple[str, str, str]]:
    """Kind, SQL of the fact and what it needs joined."""
    found = []
    for kind, fields in zip(("number", "name", "phone"), facts, strict=True):
        for field in fields:
            if kind == "name":
                found.append((kind, "n.folded", f'JOIN {names} n ON n.text = s."{field}"'))
            else:
                found.append((kind, f's."{field}"', ""))
    return found

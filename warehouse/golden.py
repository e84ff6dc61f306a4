"""Survivorship (取值规则): a golden record is the greatest claim of each field, a pure function of the current claims.

A claim's rank is (pinned, validity, authority, observed_at, system, record), packed into one integer so that DuckDB
finds every field's winner in one pass. Greatest-of is commutative, associative and idempotent: batches may come in any
order, a replay changes nothing, and an unmerge gives back exactly what was there (DESIGN.md, rules of the master).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import attrgetter

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.entities import ENTITIES
from schemas.model import Entity, EntityType
from warehouse.duck import count, first, standardised_table
from warehouse.entries import SYSTEM as ENTERED
from warehouse.standardised import ADDRESS_PARTS

ORDINAL_BITS = 44
"""Bits of a rank below authority: the position of the record in the order (observed_at, system, key, role)."""

ECHO_RANK = 0
"""Authority of a value that is our own push come back: a copy, so it never wins over the claim it was copied from."""


NO_CANDIDATES = "SELECT NULL::UUID AS master_id, '' AS field, '' AS value, '' AS ref, 0 AS systems WHERE false"


@dataclass(frozen=True, slots=True)
class Authority:
    """How much a system's value of a field weighs (一数一源): 90 = it is the authority, 0-89 = its trust, -1 = no claim."""

    system_id: str
    entity_type: EntityType
    role: str
    field: str
    rank: int


def load_authority(con: duckdb.DuckDBPyConnection, rows: list[Authority]) -> None:
    """Register the authority ranks for this run as table `authority`."""
    con.execute(
        "CREATE OR REPLACE TEMP TABLE authority (system_id VARCHAR, entity_type VARCHAR, role VARCHAR, field VARCHAR, rank INTEGER)"
    )
    if rows:
        names = tuple(field.name for field in fields(Authority))
        columns = zip(*map(attrgetter(*names), rows), strict=True)
        con.register("_authority", pa.table(dict(zip(names, map(list, columns), strict=True))))
        con.execute("INSERT INTO authority BY NAME SELECT * FROM _authority")
        con.unregister("_authority")


def rank_sql(entity: Entity, group: tuple[str, ...]) -> str:
    """Return the SQL of a claim's rank for a survivorship group.

    The authority of a group is the greatest of the fields that the record fills: a register that gives the number and
    leaves its kind unsaid is no less the authority for it. For an address, validity is how much of it could be parsed: a
    text down to the room says more than a street name, whoever wrote it.
    """
    first = group[0]
    if entity.field(first).kind == "address":
        # A copy of ours is as long as it was when we made it: its length must not hold up a newer, shorter truth.
        authority = (
            f"CASE WHEN rank_{first} = {ECHO_RANK} THEN 0 ELSE (coalesce(depth_{first}, 0) << 8) + rank_{first} END"
        )
    elif len(group) == 1:
        authority = f"rank_{first}"
    else:
        ranks = ", ".join(f'CASE WHEN "{f}" IS NOT NULL THEN rank_{f} END' for f in group)
        authority = f"greatest({ranks})"
    return f"(({authority})::BIGINT << {ORDINAL_BITS}) + ordinal"


def filled_fields(con: duckdb.DuckDBPyConnection, entity: Entity) -> list[str]:
    """Return the fields that any record of `claim_source` fills."""
    counts = ", ".join(f'count("{f.name}")' for f in entity.fields)
    row = first(con, f"SELECT {counts} FROM claim_source") or ()
    return [f.name for f, n in zip(entity.fields, row, strict=True) if n]


def survive(
    con: duckdb.DuckDBPyConnection, entity_type: EntityType, *, touched: str, crosswalk: str, foreign: str
) -> None:
    """Compute the golden records of the touched entities into the temporary table `fresh_<entity>`.

    Args:
        con: the warehouse; needs `authority` (see `load_authority`), `echo` and `address_text`.
        entity_type: which entity.
        touched: relation with the column master_id: whose claims may have changed.
        crosswalk: relation (rid, master_id) with the current links of this entity type.
        foreign: relation (system_id, record_key, role, fields): fields that linking found to speak of somebody else;
            they are no claims.
    """
    entity = ENTITIES[entity_type]
    if not count(con, f"SELECT count(*) FROM {touched}"):
        con.execute(f"CREATE OR REPLACE TEMP TABLE fresh_{entity_type} AS SELECT * FROM golden_{entity_type} LIMIT 0")
        con.execute(f"CREATE OR REPLACE TEMP TABLE candidate_{entity_type} AS {NO_CANDIDATES}")
        return
    filled = gather_claims(con, entity_type, touched=touched, crosswalk=crosswalk, foreign=foreign)
    _gather(con, entity, filled)
    _find_candidates(con, entity, filled)
    for table in ("claim_source", "claim", "claim_text"):
        con.execute(f"DROP TABLE {table}")


def gather_claims(
    con: duckdb.DuckDBPyConnection, entity_type: EntityType, *, touched: str, crosswalk: str, foreign: str
) -> list[str]:
    """Create `claim_source`, `claim_text` and `claim` with the claims of the touched entities (see `survive`).

    Returns the filled fields.
    """
    entity = ENTITIES[entity_type]
    con.execute(
        "CREATE OR REPLACE TEMP TABLE claim_source AS SELECT x.master_id, s.* FROM "
        f"{standardised_table(entity_type)} s JOIN {crosswalk} x USING (rid) "
        f"WHERE x.master_id IN (SELECT master_id FROM {touched})"
    )
    filled = filled_fields(con, entity)
    _find_texts(con, entity, filled)
    con.execute(f"CREATE OR REPLACE TEMP TABLE claim AS {claims_sql(entity, filled, foreign)}")
    return filled


_ELEMENTS = ("street", "community", "road", "road_no", "compound", "building", "room")
"""Elements of an address; how many of them a text has is its depth."""


def _find_texts(con: duckdb.DuckDBPyConnection, entity: Entity, filled: list[str]) -> None:
    """Create `claim_text` (text, depth, normal_key): the addresses that are claimed; of all texts the few are read once."""
    texts = " UNION ".join(f'SELECT "{f}" FROM claim_source' for f in filled if entity.field(f).kind == "address")
    depth = " + ".join(f"({e} IS NOT NULL)::INTEGER" for e in _ELEMENTS)
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE claim_text AS SELECT text, {depth} AS depth, normal_key FROM address_text "
        f"WHERE {f'text IN ({texts})' if texts else 'false'}"
    )


def claims_sql(entity: Entity, filled: list[str], foreign: str) -> str:
    """Return the SQL of the claims: each record with its ordinal, its reference, and each field's authority rank.

    A field whose rank is negative (the system may not speak for it), or that speaks of somebody else, is nulled: it is
    no claim at all. So is a worker's value that its authority has to confirm (a ticket): it would count as true at once where
    nobody else says anything. What a new entity was founded with counts: nobody else knows it.
    """
    waits = f" AND NOT (s.system_id = '{ENTERED}' AND contains(s.record_key, '/'))"
    pivot = "".join(f", max(rank) FILTER (WHERE field = '{f}') AS rank_{f}" for f in filled)
    values = "".join(
        f", CASE WHEN coalesce(a.rank_{f}, 20) >= 0 AND NOT coalesce(list_contains(o.fields, '{f}'), false)"
        f"{waits if entity.field(f).confirmed else ''} "
        f'THEN s."{f}" END AS "{f}", '
        f"CASE WHEN list_contains(e.fields, '{f}') THEN {ECHO_RANK} ELSE coalesce(a.rank_{f}, 20) + 1 END AS rank_{f}"
        for f in filled
    )
    depths = [f for f in filled if entity.field(f).kind == "address"]
    joins = " ".join(f'LEFT JOIN claim_text d_{f} ON d_{f}.text = s."{f}"' for f in depths)
    depth_columns = "".join(f", d_{f}.depth AS depth_{f}" for f in depths)
    return (
        f"WITH ranks AS (SELECT system_id, role{pivot} FROM authority WHERE entity_type = '{entity.name}' GROUP BY system_id, role) "
        "SELECT s.master_id, row_number() OVER (ORDER BY s.observed_at, s.system_id, s.record_key, s.role) AS ordinal, "
        "concat_ws('|', s.system_id, s.record_key, s.role, s.observed_at) AS ref"
        f"{values}{depth_columns} FROM claim_source s "
        "LEFT JOIN ranks a ON a.system_id = s.system_id AND a.role = s.role "
        f"LEFT JOIN echo e ON e.entity_type = '{entity.name}' AND e.system_id = s.system_id "
        f"AND e.record_key = s.record_key AND e.role = s.role "
        f"LEFT JOIN {foreign} o ON o.system_id = s.system_id AND o.record_key = s.record_key AND o.role = s.role {joins}"
    )


def winners_sql(entity: Entity, filled: list[str]) -> str:
    """Return the SQL of the winners: one row per entity, and for each survivorship group the ordinal of its winner."""
    mask = (1 << ORDINAL_BITS) - 1
    columns = []
    for members in _groups(entity, filled):
        known = " OR ".join(f'"{f}" IS NOT NULL' for f in members)
        columns.append(f", (max({rank_sql(entity, members)}) FILTER (WHERE {known})) & {mask} AS won_{members[0]}")
    return f"SELECT master_id{''.join(columns)} FROM claim GROUP BY master_id"


def _groups(entity: Entity, filled: list[str]) -> list[tuple[str, ...]]:
    """Return the survivorship groups with those of their fields that anything fills."""
    groups = (tuple(f for f in group if f in filled) for group in entity.groups.values())
    return [members for members in groups if members]


def _gather(con: duckdb.DuckDBPyConnection, entity: Entity, filled: list[str]) -> None:
    """Create `fresh_<entity>`: the winners' values and where they came from.

    Only ordinals are aggregated; the values are then picked by position. Strings held in an aggregation of a million
    records would fill the memory and spill.
    """
    winners = con.sql(winners_sql(entity, filled)).to_arrow_table()
    columns = "".join(f', "{f}"' for f in filled)
    claims = con.sql(f"SELECT ordinal, to_json(ref)::VARCHAR AS ref{columns} FROM claim").to_arrow_table()
    position = np.empty(claims.num_rows + 1, dtype=np.int64)
    position[claims["ordinal"].to_numpy()] = np.arange(claims.num_rows)
    refs = claims["ref"].combine_chunks()
    picked: dict[str, pa.Array | pa.ChunkedArray] = {"master_id": winners["master_id"]}
    for members in _groups(entity, filled):
        won = winners[f"won_{members[0]}"].combine_chunks()
        rows = pa.array(position[won.fill_null(0).to_numpy(zero_copy_only=False)], mask=won.is_null().to_numpy(False))
        source = refs.take(rows)
        for name in members:
            # A field of a group keeps the NULL of the record that wins the group.
            picked[name] = claims[name].combine_chunks().take(rows)
            picked[f"ref_{name}"] = pc.if_else(picked[name].is_valid(), source, None)
    values = ", ".join(f'"{f.name}"' if f.name in filled else f'NULL::VARCHAR AS "{f.name}"' for f in entity.fields)
    pairs = "".join(f", '\"{f}\":' || ref_{f}" for members in _groups(entity, filled) for f in members)
    con.register("_picked", pa.table(picked))
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE fresh_{entity.name} AS SELECT master_id::UUID AS master_id, {values}, "
        f"'{{' || concat_ws(',', NULL{pairs}) || '}}' AS provenance FROM _picked"
    )
    con.unregister("_picked")


def _find_candidates(con: duckdb.DuckDBPyConnection, entity: Entity, filled: list[str]) -> None:
    """Create `candidate_<entity>` (master_id, field, value, ref, systems): values of a worker's fields that lost.

    Copies of our own pushes say nothing, and an address that means the same place, or says less of it, is no other value.
    """
    parts = []
    for name in (f.name for f in entity.fields if f.worker and f.name in filled):
        address = entity.field(name).kind == "address"
        keys = f'LEFT JOIN claim_text l ON l.text = c."{name}" LEFT JOIN claim_text r ON r.text = g."{name}"'
        same = " AND l.normal_key IS DISTINCT FROM r.normal_key" if address else ""
        parts.append(
            f"SELECT c.master_id::UUID AS master_id, '{name}' AS field, c.\"{name}\" AS value, arg_max(c.ref, c.ordinal) AS ref, "
            f"count(DISTINCT split_part(c.ref, '|', 1)) AS systems FROM claim c JOIN fresh_{entity.name} g ON g.master_id = c.master_id "
            f'{keys if address else ""} WHERE c."{name}" <> g."{name}" AND c.rank_{name} > {ECHO_RANK}{same} GROUP BY c.master_id, c."{name}"'
        )
    con.execute(f"CREATE OR REPLACE TEMP TABLE candidate_{entity.name} AS {' UNION ALL '.join(parts) or NO_CANDIDATES}")
    for field in entity.fields:
        if field.worker and field.kind == "address" and field.name in filled:
            _drop_same_place(con, entity, field.name)


def _drop_same_place(con: duckdb.DuckDBPyConnection, entity: Entity, name: str) -> None:
    """Drop candidates that the golden address resolves, too: one node, or a room without its unit that may be this flat."""
    con.execute(
        f"DELETE FROM candidate_{entity.name} c USING fresh_{entity.name} g, place l, place r WHERE c.field = '{name}' "
        f'AND g.master_id = c.master_id AND l.text = c.value AND r.text = g."{name}" AND (l.node = r.node '
        "OR (c.value, r.flat) IN (SELECT text, flat FROM place_candidate))"
    )


def complete_addresses(con: duckdb.DuckDBPyConnection) -> None:
    """Fill the elements of fresh golden addresses from the parse of their full text where no system gave them."""
    # An element longer than its column is a text that was not understood.
    limits = {p: ENTITIES["address"].field(p).length for p in ADDRESS_PARTS}
    filled = ", ".join(
        f'coalesce(f."{p}", CASE WHEN length(t."{p}") <= {n} THEN t."{p}" END) AS "{p}"' for p, n in limits.items()
    )
    # Written anew: an UPDATE of twelve columns takes twenty times as long.
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE fresh_address AS SELECT f.* REPLACE ({filled}) "
        "FROM fresh_address f LEFT JOIN address_text t ON t.text = f.full_text"
    )

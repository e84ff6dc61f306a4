"""Trace (溯源): golden value → the claims for it → the source record → the landed batch → the systems that received it."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import sqlalchemy as sa

from onefact import policy
from onefact.enter import Found
from onefact.home import Home
from schemas.entities import ENTITIES
from warehouse.duck import count
from warehouse.tables import BATCH, METADATA, OUTBOX


@dataclass(frozen=True, slots=True)
class Claim:
    """One system's claim: the value, when it was observed, how much the system weighs, where the record came from."""

    system_id: str
    record_key: str
    role: str
    value: str
    observed_at: str
    rank: int
    place: str
    batch_id: str
    wins: bool
    echo: bool


@dataclass(frozen=True, slots=True)
class Delivery:
    """One push of a field: to which system, in which state, with which receipt."""

    system_id: str
    record_key: str | None
    state: str
    receipt: str | None


@dataclass(frozen=True, slots=True)
class FieldTrace:
    """Everything about one field of one golden record."""

    field: str
    cn: str
    value: str | None
    rule: str
    claims: tuple[Claim, ...]
    deliveries: tuple[Delivery, ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """A golden record with its fields traced, and the landed files behind them (batch id -> folder, SHA-256)."""

    found: Found
    records: int
    fields: tuple[FieldTrace, ...]
    batches: dict[str, tuple[str, str]]


def trace(home: Home, found: Found, field_name: str | None = None) -> Trace:
    """Trace one field, or every filled field, of a golden record."""
    entity = ENTITIES[found.entity_type]
    names = [entity.field(field_name).name] if field_name else list(entity.names)
    table = METADATA.tables[found.entity_type]
    with home.engine.connect() as connection:
        golden = connection.execute(sa.select(table).where(table.c.master_id == found.master_id)).mappings().one()
        deliveries = _deliveries(connection, found)
        with home.warehouse() as con:
            ranks = {
                (a.system_id, a.role, a.field): a.rank
                for a in policy.authorities(home.manifests.values())
                if a.entity_type == found.entity_type
            }
            echoes = _echoes(connection, found)
            records = count(con, f"SELECT count(*) FROM crosswalk WHERE master_id = '{found.master_id}'")
            fields = []
            for name in names:
                claims = _claims(con, found, name, ranks, golden["provenance"].get(name, ""), echoes)
                if claims or field_name:
                    value = golden[name]
                    fields.append(
                        FieldTrace(
                            name, entity.field(name).cn, None if value is None else str(value), rule_of(claims),
                            claims, tuple(deliveries.get(name, ())),
                        )
                    )  # fmt: skip
        wanted = {c.batch_id for f in fields for c in f.claims}
        rows = connection.execute(sa.select(BATCH).where(BATCH.c.batch_id.in_(wanted))).mappings()
        batches = {r["batch_id"]: (r["folder"] or "", r["sha256"] or "") for r in rows}
    return Trace(found, records, tuple(fields), batches)


def _claims(
    con: duckdb.DuckDBPyConnection,
    found: Found,
    name: str,
    ranks: dict[tuple[str, str, str], int],
    winner: str,
    echoes: set[tuple[str, str, str, str, str]],
) -> tuple[Claim, ...]:
    rows = con.execute(
        f'SELECT s.system_id, s.record_key, s.role, s."{name}", s.observed_at, s.place, s.batch_id '
        f"FROM std_{found.entity_type} s JOIN crosswalk x USING (system_id, record_key, role) "
        f'WHERE x.entity_type = ? AND x.master_id = ?::UUID AND s."{name}" IS NOT NULL',
        [found.entity_type, found.master_id],
    ).fetchall()
    claims = []
    for system, key, role, value, observed, place, batch in rows:
        rank = ranks.get((system, role, name), 20)
        if rank < 0:
            continue
        ref = f"{system}|{key}|{role}|{observed}"
        echo = (system, key, role, name, value) in echoes
        claims.append(
            Claim(
                system, key, role, value, observed, 0 if echo else rank, place or "", batch or "", ref == winner, echo
            )
        )
    return tuple(sorted(claims, key=lambda c: (c.wins, c.rank, c.observed_at, c.system_id), reverse=True))


def rule_of(claims: tuple[Claim, ...]) -> str:
    """Say in words why the winner won (Chinese, for the auditor)."""
    winner = next((c for c in claims if c.wins), None)
    if winner is None:
        return "无取值"
    others = [c for c in claims if not c.wins]
    if not others:
        return "唯一来源"
    best = max(c.rank for c in others)
    if winner.rank > best:
        return "权威源优先" if winner.rank >= policy.AUTHORITY_RANK else "可信度较高"
    if winner.rank == best and winner.observed_at > max(c.observed_at for c in others if c.rank == best):
        return "同级取最新"
    return "同级同时取固定顺序" if winner.rank == best else "内容更完整"


def _echoes(connection: sa.Connection, found: Found) -> set[tuple[str, str, str, str, str]]:
    query = sa.text(
        "SELECT p.system_id, p.record_key, p.role, p.field, p.value FROM pushed p JOIN crosswalk c "
        "USING (system_id, record_key, entity_type, role) WHERE c.master_id = :id"
    )
    return {(r[0], r[1], r[2], r[3], r[4]) for r in connection.execute(query, {"id": found.master_id})}


def _deliveries(connection: sa.Connection, found: Found) -> dict[str, list[Delivery]]:
    query = sa.select(OUTBOX).where(OUTBOX.c.master_id == found.master_id).order_by(OUTBOX.c.change_id)
    by_field: dict[str, list[Delivery]] = {}
    for row in connection.execute(query).mappings():
        for change in row["changes"]:
            by_field.setdefault(change["field"], []).append(
                Delivery(row["system_id"], row["record_key"], row["state"], row["receipt"])
            )
    return by_field

"""What the rules need to know beside the records: from the manifests, and from what the master has written down."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta

import duckdb
import pyarrow as pa
import sqlalchemy as sa

from connectors.manifest.model import Cadence
from onefact.home import Home
from quality.inputs import GHOST_SCHEMA, SYSTEM_SCHEMA, Inputs
from schemas.entities import ENTITIES
from warehouse.tables import BATCH, FINDING, OUTBOX
from warehouse.tables.steps import OPEN

DAYS: Mapping[Cadence, int] = {"realtime": 2, "hourly": 2, "daily": 2, "weekly": 8, "monthly": 32, "yearly": 367}
"""Cadence -> days after which a system should have been pulled again."""

OVERDUE_DAYS = 7


def inputs(home: Home, con: duckdb.DuckDBPyConnection) -> Inputs:
    """Return the inputs of a run: departments, expected fields, systems, findings."""
    available = set()
    with home.engine.connect() as connection:
        if connection.execute(sa.select(BATCH.c.batch_id).limit(1)).first():
            available.add("batches")
        if connection.execute(sa.select(OUTBOX.c.change_id).limit(1)).first():
            available.add("outbox")
        ghosts = None
        if connection.execute(sa.select(FINDING.c.finding_id).limit(1)).first():
            available.add("findings")
            columns = [FINDING.c[n] for n in GHOST_SCHEMA.names]
            open_ghosts = sa.select(*columns).where(FINDING.c.kind == "ghost", FINDING.c.closed_at.is_(None)).distinct()
            rows = [dict(r) for r in connection.execute(open_ghosts).mappings()]
            ghosts = pa.Table.from_pylist(rows, schema=GHOST_SCHEMA)
    return Inputs(
        home.now(), {m.id: m.department for m in home.manifests.values()}, expected(home), systems(home, con), ghosts,
        frozenset(available),
    )  # fmt: skip


def expected(home: Home) -> dict[tuple[str, str], frozenset[tuple[str, str]]]:
    """Return (entity, field) -> the (system, role) whose manifest reads it: elsewhere it cannot be missing."""
    found: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
    for manifest in home.manifests.values():
        for dataset in manifest.datasets:
            for entity in dataset.entities:
                for name, field_map in entity.fields.items():
                    if field_map.readable:
                        found[entity.type, name].add((manifest.id, entity.role))
    return {key: frozenset(pairs) for key, pairs in found.items()}


def systems(home: Home, con: duckdb.DuckDBPyConnection) -> pa.Table:
    """Return one row per system (`quality.inputs.SYSTEM_SCHEMA`)."""
    records: dict[str, int] = defaultdict(int)
    for entity_type in ENTITIES:
        for system_id, n in con.execute(f"SELECT system_id, count(*) FROM std_{entity_type} GROUP BY 1").fetchall():
            records[system_id] += n
    newest = sa.select(BATCH).order_by(BATCH.c.system_id, BATCH.c.pulled_at, BATCH.c.batch_id)
    since = home.now().astimezone() - timedelta(days=OVERDUE_DAYS)
    overdue = sa.and_(OUTBOX.c.state.in_(OPEN), OUTBOX.c.created_at < since)
    counts = sa.select(
        OUTBOX.c.system_id,
        sa.func.count().filter(overdue).label("overdue"),
        sa.func.count().filter(OUTBOX.c.state.in_(("verified", "rejected"))).label("settled"),
        sa.func.count().filter(OUTBOX.c.state == "rejected").label("rejected"),
    ).group_by(OUTBOX.c.system_id)
    last, good = {}, {}
    with home.engine.connect() as connection:
        for row in connection.execute(newest).mappings():
            last[row["system_id"]] = row
            if row["error"] is None:
                good[row["system_id"]] = row
        delivered = {r["system_id"]: r for r in connection.execute(counts).mappings()}
    rows = []
    for m in home.manifests.values():
        pulled, fine, out = last.get(m.id), good.get(m.id), delivered.get(m.id)
        rows.append(
            {
                "system_id": m.id, "department": m.department, "readable": m.capabilities.read != "none",
                "writable": bool(out), "cadence_days": DAYS[m.cadence],
                "expires": m.authorisation.expires.isoformat(),
                "last_pull": pulled["pulled_at"] if pulled else None, "last_good_pull": fine["pulled_at"] if fine else None,
                "last_error": bool(pulled and pulled["error"]), "received": fine["received"] if fine else 0,
                "refused_records": fine["rejected"] if fine else 0,
                "withheld_removals": fine["withheld_removals"] if fine else 0, "records": records[m.id],
                "overdue_changes": out["overdue"] if out else 0, "settled_changes": out["settled"] if out else 0,
                "rejected_changes": out["rejected"] if out else 0,
            }
        )  # fmt: skip
    return pa.Table.from_pylist(rows, schema=SYSTEM_SCHEMA)

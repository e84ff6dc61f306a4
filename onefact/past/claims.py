"""The claims of a past day (当时的候选值), computed anew: landed rows, entries and echoes of then, by the same survivorship.

Not kept, and so not exact in every case: manifests, rules and authorisations are those of today, and which fields of a record
speak of somebody else (`foreign`) only linking knew. The caller compares with what was written down.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import sqlalchemy as sa

from onefact import policy
from onefact.home import Home
from onefact.law import register
from onefact.law.reading import decode_lawful
from onefact.past.landed import Raw, batches, folder_of, search
from onefact.policies import Policy
from onefact.whois import Held
from schemas.entities import ENTITIES
from schemas.model import Entity
from warehouse import entries, golden, working_copy
from warehouse.addresses import parse_new
from warehouse.duck import RECORD_ID, open_warehouse, standardised_table
from warehouse.standardised import Counts, Stage

PUSHED = """
SELECT DISTINCT ON (o.system_id, o.record_key, o.entity_type, o.role, c ->> 'field')
    o.system_id, o.record_key, o.entity_type, o.role, c ->> 'field' AS field, c ->> 'new' AS value
FROM delivery d JOIN outbox o USING (change_id), jsonb_array_elements(o.changes) c
WHERE d.at < :at AND d.state IN ('verified', 'sent') AND o.record_key = ANY(:keys) AND o.system_id = ANY(:systems)
    AND NOT (d.before = 'awaiting_person' AND coalesce(d.code, '') = 'typed_by_person' AND d.state = 'verified')
ORDER BY o.system_id, o.record_key, o.entity_type, o.role, c ->> 'field', d.delivery_id DESC
"""
"""What we had last written to each field of each record at a moment, by the steps of the deliveries."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The consolidation that a day's golden values come from.

    Attributes:
        run_id: the last consolidation that published until then; None = none is known.
        pulled: batches pulled until then (local, ISO) had been seen by it.
        at: when it published, by the master's clock.
    """

    run_id: str | None
    pulled: str
    at: datetime


def moment_of(connection: sa.Connection, at: datetime) -> Moment:
    """Return the last consolidation before a moment; its id begins with its local time."""
    text = f"{at.astimezone():%Y%m%dT%H%M%S}"
    query = sa.text(
        "SELECT run_id, started_at FROM run WHERE verb = 'consolidate' AND left(run_id, 15) <= :text ORDER BY left(run_id, 15) DESC, started_at DESC LIMIT 1"
    )
    row = connection.execute(query, {"text": text}).first()
    if row is None:
        return Moment(None, f"{at.astimezone():%Y-%m-%dT%H:%M:%S}", at)
    when = datetime.strptime(row[0][:15], "%Y%m%dT%H%M%S")  # noqa: DTZ007 - the site's local time, as it was written
    return Moment(row[0], when.isoformat(), row[1])


@dataclass(frozen=True, slots=True)
class Claimed:
    """One claim of a past day: as `onefact.trace.Claim`, with the winner of the recomputation marked."""

    system_id: str
    record_key: str
    role: str
    value: str
    observed_at: str
    rank: int
    echo: bool
    wins: bool
    batch_id: str
    place: str

    @property
    def ref(self) -> str:
        """How provenance names it."""
        return f"{self.system_id}|{self.record_key}|{self.role}|{self.observed_at}"


@dataclass(frozen=True, slots=True)
class Recomputed:
    """What a past day's claims give: field -> claims; field -> value; the rows behind them; batches no longer there."""

    claims: dict[str, tuple[Claimed, ...]]
    values: dict[str, str | None]
    raws: dict[tuple[str, str, str], Raw]
    missing: tuple[str, ...]


def recompute(
    home: Home, members: Sequence[Held], fields: Sequence[str], when: Moment, judged_by: Policy
) -> Recomputed:
    """Compute the golden values of an entity anew, from the records that were its own at a moment.

    Args:
        home: the installation.
        members: the records (of one entity type) that were the entity's.
        fields: the fields whose claims are wanted.
        when: the consolidation.
        judged_by: the policy of that day.
    """
    entity = ENTITIES[members[0].entity_type]
    wanted: dict[str, list[str]] = {}
    for held in members:
        if held.record.system_id != policy.ENTRY:
            wanted.setdefault(held.record.system_id, []).append(held.record.record_key)
    landed = batches(home, list(wanted), when.pulled)
    missing = tuple(b["batch_id"] for b in landed if folder_of(home, b) is None)
    with tempfile.TemporaryDirectory(prefix="onefact-past-") as folder:
        con = open_warehouse(Path(folder) / "past.duckdb", threads=1, memory="400MB")
        try:
            raws = _read(home, con, wanted, landed, judged_by)
            _entries(home, con, members, when)
            parse_new(con)
            _inputs(home, con, members, when, judged_by)
            names = golden.gather_claims(con, entity.name, touched="mine", crosswalk="linked", foreign="nobody")
            claims = {f: _claims(con, entity, f, names) for f in fields if f in names}
            golden.survive(con, entity.name, touched="mine", crosswalk="linked", foreign="nobody")
            if entity.name == "address":
                golden.complete_addresses(con)
            values = _values(con, entity)
        finally:
            con.close()
    return Recomputed(claims, values, raws, missing)


def _read(
    home: Home,
    con: duckdb.DuckDBPyConnection,
    wanted: dict[str, list[str]],
    landed: Sequence[dict[str, Any]],
    judged_by: Policy,
) -> dict[tuple[str, str, str], Raw]:
    """Merge the records' rows batch by batch, as they came; return (system, key, batch) -> row."""
    authorised = register.read(home).may("in", home.now().date())
    raws: dict[tuple[str, str, str], Raw] = {}
    for found in search(home, wanted, landed, judged_by.manifests):
        for key in found.gone:
            for entity_type in ENTITIES:
                con.execute(
                    f"DELETE FROM {standardised_table(entity_type)} WHERE system_id = ? AND record_key = ?",
                    [found.manifest.id, key],
                )
        if not found.raws:
            continue
        batch = found.batch
        stage = Stage(con, found.manifest.id, batch["batch_id"], batch["pulled_at"])
        decoded = decode_lawful(found.manifest, found.rows, found.dataset, batch["pulled_at"], authorised)
        stage.add(decoded.tables, decoded.links, decoded.rejects, decoded.hints)
        stage.merge(Counts(), {})
        raws |= {(r.system_id, r.record_key, r.batch_id): r for r in found.raws}
    return raws


def _entries(home: Home, con: duckdb.DuckDBPyConnection, members: Sequence[Held], when: Moment) -> None:
    """Merge what had been typed for the entity by then."""
    keys = [h.record.record_key for h in members if h.record.system_id == policy.ENTRY]
    if not keys:
        return
    asked = {"keys": keys, "run": (when.run_id or "")[:15], "until": f"{when.pulled}.999999"}
    with home.engine.connect() as connection:
        rows = [dict(r) for r in connection.execute(sa.text(entries.NEWEST_THEN), asked).mappings()]
    names = ("record_key", "entity_type", "field", "value", "entered_at", "entry_id")
    if rows:
        entries.merge(con, pa.Table.from_pylist(rows, schema=pa.schema([(n, pa.string()) for n in names])), when.pulled)


def _inputs(
    home: Home, con: duckdb.DuckDBPyConnection, members: Sequence[Held], when: Moment, judged_by: Policy
) -> None:
    """Load what survivorship reads beside the records: links, authority, echoes; nobody is known to be spoken of."""
    golden.load_authority(con, list(judged_by.ranks))
    table = pa.table(
        {
            "system_id": [h.record.system_id for h in members], "record_key": [h.record.record_key for h in members],
            "role": [h.record.role for h in members], "master_id": [h.master_id for h in members],
        }
    )  # fmt: skip
    con.register("_held", table)
    con.execute(f"CREATE TEMP TABLE linked AS SELECT {RECORD_ID} AS rid, master_id::UUID AS master_id FROM _held")
    con.unregister("_held")
    con.execute("CREATE TEMP TABLE mine AS SELECT DISTINCT master_id FROM linked")
    con.execute("CREATE TEMP TABLE nobody (system_id VARCHAR, record_key VARCHAR, role VARCHAR, fields VARCHAR[])")
    keys = {
        "at": when.at,
        "keys": [h.record.record_key for h in members],
        "systems": [h.record.system_id for h in members],
    }
    names = ("system_id", "record_key", "entity_type", "role", "field", "value")
    with home.engine.connect() as connection:
        rows = [dict(zip(names, r, strict=True)) for r in connection.execute(sa.text(PUSHED), keys)]
    con.register("_pushed", pa.Table.from_pylist(rows, schema=pa.schema([(n, pa.string()) for n in names])))
    con.execute("CREATE TEMP TABLE pushed_now AS SELECT * FROM _pushed")
    con.unregister("_pushed")
    working_copy.find_echoes(con)


def _claims(con: duckdb.DuckDBPyConnection, entity: Entity, name: str, filled: Sequence[str]) -> tuple[Claimed, ...]:
    group = next(g for g in entity.groups.values() if name in g)
    members = tuple(f for f in group if f in filled)
    # The record that wins the group may leave a field of it empty.
    known = " OR ".join(f'"{f}" IS NOT NULL' for f in members)
    rows = con.execute(
        f'SELECT s.system_id, s.record_key, s.role, "{name}", s.observed_at, rank_{name}, {golden.rank_sql(entity, members)}, '
        "s.batch_id, s.place FROM claim JOIN (SELECT system_id, record_key, role, observed_at, batch_id, place, "
        "concat_ws('|', system_id, record_key, role, observed_at) AS ref FROM claim_source) s USING (ref) "
        f"WHERE {known} ORDER BY 7 DESC"
    ).fetchall()
    return tuple(
        Claimed(
            system,
            key,
            role,
            value,
            observed,
            max(rank - 1, 0),
            rank == golden.ECHO_RANK,
            i == 0,
            batch or "",
            place or "",
        )
        for i, (system, key, role, value, observed, rank, _, batch, place) in enumerate(rows)
        if value is not None
    )


def _values(con: duckdb.DuckDBPyConnection, entity: Entity) -> dict[str, str | None]:
    columns = ", ".join(f'"{n}"' for n in entity.names)
    row = con.execute(f"SELECT {columns} FROM fresh_{entity.name}").fetchall()
    return dict(zip(entity.names, row[0], strict=True)) if row else dict.fromkeys(entity.names)

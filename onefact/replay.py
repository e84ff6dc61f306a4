"""Replay (重放): what was received in a span of time is read again from landing, by today's manifests and rules.

For a mapping, a code map or a rule that was wrong and is right now. Systems are not asked and cursors do not move. Of each
record only its newest landed version counts, so a replay of old days never brings an old value back; what is unchanged
by today's rules touches nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from connectors.manifest import Manifest
from connectors.mapping.rows import record_keys
from onefact.acting import acted
from onefact.home import Home
from onefact.law import register
from onefact.law.reading import decode_lawful
from onefact.rebuild import widened
from schemas.entities import ENTITIES
from warehouse import landing
from warehouse.duck import standardised_table
from warehouse.standardised import Counts, Stage
from warehouse.tables import BATCH


class NoSpan(Exception):
    """A replay was asked for a span of time that ends before it begins."""

    def __init__(self, since: str, until: str) -> None:
        self.since, self.until = since, until
        super().__init__(f"The span from {since} to {until} is empty: `from` must not be later than `to`.")


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay did to one system, or would do (`dry_run`).

    Attributes:
        batches: landed batches of the span.
        records: records whose newest landed version was looked at again.
        changed: of these, how many are read otherwise by today's rules.
    """

    system_id: str
    batches: int
    records: int
    changed: int
    dry_run: bool


def replay(
    home: Home, since: str, until: str, systems: Sequence[str] | None = None, *, dry_run: bool = True
) -> list[Replayed]:
    """Read again what was received between two days or times (ISO, local; both inclusive); consolidate afterwards.

    Args:
        home: the installation.
        since: first day or time, e.g. `2026-11-01` or `2026-11-01T08:00:00`.
        until: last day or time; a day counts whole.
        systems: system ids; all when None or empty.
        dry_run: only count what would change.

    Raises:
        NoSpan: `until` lies before `since`.
    """
    end = until if "T" in until else f"{until}T23:59:59"
    if end < since:
        raise NoSpan(since, until)
    chosen = home.chosen(systems)
    query = (
        sa.select(BATCH)
        .where(BATCH.c.folder.is_not(None), BATCH.c.pulled_at >= since)
        .order_by(BATCH.c.pulled_at, BATCH.c.batch_id)
    )
    landed: dict[str, list[Mapping[str, Any]]] = {}
    with home.engine.connect() as connection:
        for row in connection.execute(query).mappings():
            landed.setdefault(row["system_id"], []).append(dict(row))
    with home.warehouse() as con:
        done = [
            _system(home, con, manifest, landed[manifest.id], end, dry_run=dry_run)
            for manifest in chosen
            if any(b["pulled_at"] <= end for b in landed.get(manifest.id, ()))
        ]
    ids, records = [r.system_id for r in done], sum(r.records for r in done)
    acted(home, "replay", "system", ids, count=records, since=since, until=until, dry_run=dry_run)
    return done


def _system(
    home: Home,
    con: duckdb.DuckDBPyConnection,
    manifest: Manifest,
    batches: Sequence[Mapping[str, Any]],
    end: str,
    *,
    dry_run: bool,
) -> Replayed:
    authorised = register.load(home).may("in", home.now().date())
    newest = _newest(home, con, manifest, batches, end)
    changed = 0
    for number, batch in enumerate(batches):
        mine = newest.filter(pc.equal(newest["number"], number))["record_key"].combine_chunks()
        if not len(mine):
            continue
        stage, taken = Stage(con, manifest.id, batch["batch_id"], batch["pulled_at"]), 0
        for dataset, rows, keys in _landed(home, manifest, batch):
            chosen = rows.filter(pc.is_in(keys, value_set=mine))
            page = decode_lawful(manifest, chosen, dataset, batch["pulled_at"], authorised)
            stage.add(page.tables, page.links, page.rejects, page.hints)
            taken += page.counts.taken
        if dry_run:
            changed += stage.preview()
        else:
            _forget_rejects(con, manifest.id, mine)
            changed += stage.merge(Counts(received=taken, taken=taken), {}).taken
    inside = sum(b["pulled_at"] <= end for b in batches)
    return Replayed(manifest.id, inside, newest.num_rows, changed, dry_run)


def _newest(
    home: Home, con: duckdb.DuckDBPyConnection, manifest: Manifest, batches: Sequence[Mapping[str, Any]], end: str
) -> pa.Table:
    """Return (record_key, number of the batch with its newest version) of the records received until `end`.

    Only records that count today, or that could not be read: what has gone since stays gone.
    """
    seen = [
        pa.table({"record_key": keys, "number": pa.array([number] * len(keys), pa.int32()),
                  "inside": pa.array([batch["pulled_at"] <= end] * len(keys), pa.bool_())})
        for number, batch in enumerate(batches)
        for _, _, keys in _landed(home, manifest, batch)
    ]  # fmt: skip
    if not seen:
        return pa.table({"record_key": pa.array([], pa.string()), "number": pa.array([], pa.int32())})
    parts = [f"SELECT record_key FROM {standardised_table(e)} WHERE system_id = $system" for e in ENTITIES]
    parts.append("SELECT record_key FROM reject WHERE system_id = $system AND level = 'record'")
    con.register("_seen", pa.concat_tables(seen))
    found = con.sql(
        "SELECT record_key, max(number) AS number FROM _seen WHERE record_key IS NOT NULL "
        f"AND record_key IN ({' UNION '.join(parts)}) GROUP BY record_key HAVING bool_or(inside)",
        params={"system": manifest.id},
    ).to_arrow_table()
    con.unregister("_seen")
    return found


def _landed(home: Home, manifest: Manifest, batch: Mapping[str, Any]) -> Iterator[tuple[str, pa.Table, pa.StringArray]]:
    """Yield (dataset, rows, record keys) of a landed batch, for datasets that the manifest still has."""
    for name, rows in landing.read(home.landing / batch["folder"], home.seals).items():
        dataset = next((d for d in manifest.datasets if d.name == name), None)
        if dataset is not None:
            rows = widened(rows, dataset.columns)  # noqa: PLW2901 - columns that the manifest has gained since
            yield name, rows, record_keys(rows, manifest, dataset)


def _forget_rejects(con: duckdb.DuckDBPyConnection, system_id: str, keys: pa.StringArray) -> None:
    """Records that could not be read are judged anew; the merge writes down those that still cannot."""
    con.register("_again", pa.table({"record_key": keys}))
    con.execute(
        "DELETE FROM reject WHERE system_id = ? AND level = 'record' AND record_key IN (SELECT record_key FROM _again)",
        [system_id],
    )
    con.unregister("_again")

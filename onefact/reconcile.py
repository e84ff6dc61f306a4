"""Reconcile (核对): read every system afresh and compare it with the master, field by field.

What is read goes nowhere but into the comparison: no cursor moves, nothing is landed. Systems whose full reading would
leave a trace (flags in a staging table, the position in a stream) are asked for our records by key instead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from connectors.base import Connector, ConnectorError, Context
from connectors.manifest import Manifest
from connectors.manifest.model import Dataset
from connectors.mapping import MappingError
from connectors.mapping.encode import speller
from connectors.mapping.rows import record_keys
from connectors.registry import connect
from onefact.acting import acted
from onefact.home import Home
from onefact.law import register
from onefact.law.reading import decode_lawful, may_read
from onefact.law.register import Authorised
from onefact.policy import compared, permitted
from schemas.records import Page
from warehouse import findings, working_copy
from warehouse import reconcile as sql
from warehouse.findings import Finding
from warehouse.planning import Target
from warehouse.reading import MasterReader

BY_KEY = frozenset({"frontdb", "queue", "webhook"})
"""Kinds that are asked for our records by key: reading everything would leave a trace there, or give events only."""

KEYS_AT_ONCE = 500

UNREADABLE = "无法核对：该系统没有读取通道"

ALARMING = ("ghost", "silent_loss")
"""Kinds of findings that make the command fail, beside stale copies that nothing explains."""

Connect = Callable[[Manifest, Context], Connector]
Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Compared:
    """The result of comparing one system.

    Attributes:
        records: records of ours that were compared.
        kinds: (kind, code) -> how many differences.
        error: why it could not be compared (not reached, expired), a sentence.
        unreadable: the system has no read path: nobody can say.
    """

    system_id: str
    records: int = 0
    kinds: Mapping[tuple[str, str], int] = field(default_factory=dict)
    error: str | None = None
    unreadable: bool = False


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What a reconciliation found, in all systems."""

    run_id: str
    systems: tuple[Compared, ...]
    findings: tuple[Finding, ...]
    opened: int = 0
    closed: int = 0

    @property
    def alarming(self) -> bool:
        """True when somebody has to look: ghosts, silent losses, stale copies without reason, systems not reached."""
        found = any(f.kind in ALARMING or (f.kind, f.code) == ("stale", "unexplained") for f in self.findings)
        return found or any(s.error for s in self.systems)


def reconcile(
    home: Home,
    systems: Sequence[str] | None = None,
    progress: Progress | None = None,
    *,
    dry_run: bool = False,
    connect: Connect = connect,
) -> Reconciled:
    """Compare the given systems (all when None) with the master; with `dry_run` the findings are not kept."""
    run_id = home.new_run("reconcile")
    today = home.now().date()
    authorised = register.load(home).may("in", today)
    results: list[Compared] = []
    with home.warehouse() as con, MasterReader(home.database.dsn(), home.seals) as master:
        working_copy.refresh(con, master)
        sql.begin(con, master.fetch(sql.EXPLAINING), master.fetch(sql.CREATED))
        con.register(
            "_pushed", master.fetch("SELECT system_id, record_key, entity_type, role, field, value FROM pushed")
        )
        con.execute("CREATE OR REPLACE TEMP TABLE pushed_now AS SELECT * FROM _pushed")
        con.unregister("_pushed")
        for manifest in home.chosen(systems):
            results.append(_system(home, con, manifest, connect, authorised, today))
            if progress:
                progress(manifest.id, results[-1].records)
        rows = con.execute("SELECT * REPLACE (master_id::VARCHAR AS master_id) FROM found ORDER BY ALL").fetchall()
    found = tuple(Finding(*row) for row in rows)
    done = [r.system_id for r in results if not r.error and not r.unreadable]
    opened, closed = (0, 0) if dry_run else findings.keep(home.engine, run_id, done, found, _summary(results))
    acted(home, "reconcile", "system", [r.system_id for r in results], count=len(found), run=run_id, dry_run=dry_run)
    return Reconciled(run_id, tuple(results), found, opened, closed)


def _summary(results: Sequence[Compared]) -> dict[str, Any]:
    """What is remembered of a comparison: how many records and differences of each kind in each system, no values.

    A stale value of which it is known why it stays (no write path, waits for a person) is `explained`.
    """
    systems = {}
    for r in results:
        kinds: Counter[str] = Counter()
        for (kind, code), n in r.kinds.items():
            kinds["explained" if kind == "stale" and code != "unexplained" else kind] += n
        systems[r.system_id] = {
            "records": r.records, "kinds": dict(kinds), "error": r.error is not None, "unreadable": r.unreadable,
        }  # fmt: skip
    return {"systems": systems}


def _system(
    home: Home,
    con: duckdb.DuckDBPyConnection,
    manifest: Manifest,
    connect: Connect,
    authorised: Authorised,
    today: date,
) -> Compared:
    if manifest.capabilities.read == "none":
        return Compared(manifest.id, unreadable=True)
    before = _kinds(con, manifest.id)
    try:
        permitted(manifest, today)
        may_read(manifest, authorised)
        connector = connect(manifest, home.context(manifest))
        try:
            records = _read_and_compare(home, con, manifest, connector, authorised, today)
        finally:
            connector.close()
    except (ConnectorError, MappingError) as problem:
        con.execute("DELETE FROM found WHERE system_id = ?", [manifest.id])
        return Compared(manifest.id, error=str(problem))
    except Exception as problem:  # noqa: BLE001 - a defect in one connector must not stop the other systems
        con.execute("DELETE FROM found WHERE system_id = ?", [manifest.id])
        return Compared(
            manifest.id,
            error=f"{manifest.id}: unexpected {type(problem).__name__} while comparing. "
            "Run `onefact systems check` on its manifest; if that passes, report this.",
        )
    return Compared(manifest.id, records, _kinds(con, manifest.id) - before)


def _kinds(con: duckdb.DuckDBPyConnection, system_id: str) -> Counter[tuple[str, str]]:
    rows = con.execute(
        "SELECT kind, code, count(*) FROM found WHERE system_id = ? GROUP BY ALL", [system_id]
    ).fetchall()
    return Counter({(kind, code): n for kind, code, n in rows})


def _read_and_compare(
    home: Home,
    con: duckdb.DuckDBPyConnection,
    manifest: Manifest,
    connector: Connector,
    authorised: Authorised,
    today: date,
) -> int:
    reading, stamp = sql.Reading(con), home.stamp()
    raws: dict[str, list[pa.Table]] = {}
    for dataset in manifest.datasets:
        for page in _pages(con, manifest, dataset, connector):
            decoded = decode_lawful(manifest, page.rows, dataset.name, stamp, authorised)
            reading.add(decoded.tables, pa.concat_tables([page.rejects, decoded.rejects]).select(["record_key"]))
            raws.setdefault(dataset.name, []).append(page.rows)
    reading.settle()
    targets = list(compared(manifest, today, authorised))
    if manifest.kind not in BY_KEY:
        _ask_for_absent(manifest, connector, reading, [t for t, _ in targets], stamp, authorised)
    for target, writable in targets:
        sql.compare(con, target, writable)
        _near(con, manifest, target, sorted(writable & set(target.fields)), raws.get(target.dataset, []))
    row = con.execute("SELECT count(DISTINCT record_key) FROM crosswalk WHERE system_id = ?", [manifest.id]).fetchone()
    return int(row[0]) if row else 0


def _pages(
    con: duckdb.DuckDBPyConnection, manifest: Manifest, dataset: Dataset, connector: Connector
) -> Iterator[Page]:
    if manifest.kind not in BY_KEY:
        yield from connector.pull(dataset.name, None)
        return
    keys = _keys(con, manifest, dataset)
    for begin in range(0, len(keys), KEYS_AT_ONCE):
        yield Page(dataset.name, connector.read_back(dataset.name, keys[begin : begin + KEYS_AT_ONCE]))


def _keys(con: duckdb.DuckDBPyConnection, manifest: Manifest, dataset: Dataset) -> list[str]:
    parts = " UNION ".join(
        f"SELECT record_key FROM std_{e} WHERE system_id = '{manifest.id}' AND dataset = '{dataset.name}'"
        for e in dict.fromkeys(entity.type for entity in dataset.entities)
    )
    return [row[0] for row in con.execute(f"{parts} ORDER BY record_key").fetchall()]


def _ask_for_absent(
    manifest: Manifest,
    connector: Connector,
    reading: sql.Reading,
    targets: Sequence[Target],
    stamp: str,
    authorised: Authorised,
) -> None:
    """Ask by key for what a full reading did not show: a file of changes does not show everything."""
    for dataset in manifest.datasets:
        keys = sorted({k for t in targets if t.dataset == dataset.name for k in reading.absent(t)})
        for begin in range(0, len(keys), KEYS_AT_ONCE):
            rows = connector.read_back(dataset.name, keys[begin : begin + KEYS_AT_ONCE])
            decoded = decode_lawful(manifest, rows, dataset.name, stamp, authorised)
            reading.add(decoded.tables, decoded.rejects.select(["record_key"]))
        if keys:
            reading.settle()


def _near(
    con: duckdb.DuckDBPyConnection, manifest: Manifest, target: Target, names: Sequence[str], pages: Sequence[pa.Table]
) -> None:
    """Find fields that hold what we wrote in canonical form, but in another spelling than we wrote (near miss)."""
    written = sql.written_values(con, target, names)
    if not written.num_rows or not pages:
        return
    entity = manifest.dataset(target.dataset).entity(target.role)
    rows = pa.concat_tables(pages, promote_options="default")
    keys = record_keys(rows, manifest, manifest.dataset(target.dataset))
    for name in dict.fromkeys(written["field"].to_pylist()):
        column = entity.fields[name].column
        if len(column) != 1 or column[0] not in rows.column_names:
            continue
        mine = written.filter(pc.equal(written["field"], name))
        spell = speller(manifest, entity, name)
        coded = mine["value"].combine_chunks().dictionary_encode()
        meant = pa.array([spell(v) for v in coded.dictionary.to_pylist()], pa.string()).take(coded.indices)
        held = pa.table({"record_key": keys, "raw": rows[column[0]]})
        con.register("_meant", mine.append_column("meant", meant))
        con.register("_held", held)
        near = con.sql(
            "SELECT record_key, field, master_id FROM _meant m WHERE meant IS NOT NULL AND EXISTS (SELECT 1 FROM _held h "
            "WHERE h.record_key = m.record_key) AND NOT EXISTS (SELECT 1 FROM _held h WHERE h.record_key = m.record_key "
            "AND h.raw = m.meant)"
        ).to_arrow_table()
        con.unregister("_meant")
        con.unregister("_held")
        sql.add_near(con, target, near)

"""Pull (拉取): each system's new rows into landing, decoded into standardised records, counted once each.

Systems are read in parallel threads that stay a few pages ahead; the warehouse is written by one thread, system by system.
A system that cannot be read loses only its own batch: the others go on.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from queue import Queue
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from connectors.base import ConnectorError
from connectors.manifest import Manifest
from connectors.mapping import Decoded, MappingError
from connectors.registry import connect
from onefact.acting import acted
from onefact.home import Home
from onefact.law import register
from onefact.law.reading import decode_lawful, may_read
from onefact.law.register import Authorised
from onefact.policy import permitted
from schemas.records import Page
from warehouse.landing import Landed, LandingWriter
from warehouse.standardised import Counts, Stage
from warehouse.tables import BATCH, CURSOR

READERS = 8
"""Systems read at the same time; most of the time they wait for the network."""

AHEAD = 3
"""Pages a reader may be ahead of the warehouse, to bound memory."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """The result of pulling one system; `error` is a plain sentence when it could not be read."""

    system_id: str
    batch_id: str
    counts: Counts = field(default_factory=Counts)
    error: str | None = None
    transient: bool = False
    """Trying again later may help (`ConnectorError.transient`)."""
    doubts: tuple[str, ...] = ()
    """Sentences about columns of which most values were rejected: a manifest that names the wrong column looks so."""


@dataclass(frozen=True, slots=True)
class _Item:
    page: Page
    decoded: Decoded


@dataclass(frozen=True, slots=True)
class _End:
    landed: Landed | None
    error: str | None
    transient: bool = False


Progress = Callable[[str, int], None]
"""Called with (system id, records received so far)."""


def pull(
    home: Home, systems: Sequence[str] | None = None, progress: Progress | None = None, *, dry_run: bool = False
) -> list[Pulled]:
    """Pull the given systems (all readable ones when None) and return one result per system.

    With `dry_run` the systems are read and nothing is kept: neither what came nor how far the reading got.
    """
    manifests = [m for m in home.chosen(systems) if m.capabilities.read != "none"]
    cursors = _cursors(home)
    pulled_at = home.stamp()
    authorised = register.load(home).may("in", home.now().date())
    stop = threading.Event()
    # More pages decoded at the same time than there are cores would only get in each other's way.
    decoding = threading.BoundedSemaphore(os.cpu_count() or 2)
    queues: dict[str, Queue[_Item | _End]] = {m.id: Queue(AHEAD) for m in manifests}
    results: list[Pulled] = []
    with ExitStack() as at_the_end:
        landing = home.landing
        if dry_run:
            landing = Path(at_the_end.enter_context(TemporaryDirectory(dir=home.path, prefix=".rehearsal-")))
        pool = at_the_end.enter_context(ThreadPoolExecutor(READERS))
        batches = {m.id: f"{home.now():%Y%m%dT%H%M%S%f}-{m.id}" for m in manifests}
        for m in manifests:
            pool.submit(
                _read,
                home,
                landing,
                dry_run,
                m,
                batches[m.id],
                cursors.get(m.id, {}),
                pulled_at,
                queues[m.id],
                stop,
                decoding,
                authorised,
            )
        try:
            # The readers are at work already: whoever has to wait for the warehouse has a few pages when it is free.
            with home.warehouse() as con:
                results.extend(
                    _store(home, con, m, batches[m.id], pulled_at, queues[m.id], progress, dry_run=dry_run)
                    for m in manifests
                )
        except BaseException:
            stop.set()
            for queue in queues.values():
                _drain(queue)
            raise
    if dry_run:
        return results
    failed = [r.system_id for r in results if r.error]
    received = sum(r.counts.received for r in results)
    acted(home, "pull", "system", [r.system_id for r in results], count=received, failed=failed)
    return results


def _drain(queue: Queue[_Item | _End]) -> None:
    while not queue.empty():
        queue.get_nowait()


def _cursors(home: Home) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    with home.engine.connect() as connection:
        for row in connection.execute(sa.select(CURSOR)).mappings():
            found.setdefault(row["system_id"], {})[row["dataset"]] = row["cursor"]
    return found


def _read(
    home: Home,
    landing: Path,
    looks: bool,
    manifest: Manifest,
    batch_id: str,
    cursors: Mapping[str, str],
    pulled_at: str,
    queue: Queue[_Item | _End],
    stop: threading.Event,
    decoding: threading.BoundedSemaphore,
    authorised: Authorised,
) -> None:
    """Read one system into its queue (runs in a reader thread); always ends the queue with an `_End`."""
    landed, error, transient = None, None, False
    try:
        permitted(manifest, home.now().date())
        may_read(manifest, authorised)
        _open(manifest, home.now())
        with LandingWriter(landing, manifest.id, batch_id, home.seals) as writer:
            for page, decoded in _pages(home, looks, manifest, cursors, pulled_at, decoding, authorised):
                if stop.is_set():
                    return
                writer.write(page)
                queue.put(_Item(page, decoded))
            landed = writer.finish()
    except (ConnectorError, MappingError) as problem:
        error, transient = str(problem), isinstance(problem, ConnectorError) and problem.transient
    except Exception as problem:  # noqa: BLE001 - a defect in one connector must not stop the other systems
        error = (
            f"{manifest.id}: unexpected {type(problem).__name__} while reading. "
            f"Run `onefact systems check` on its manifest; if that passes, report this."
        )
    queue.put(_End(landed, error, transient))


class Maintained(ConnectorError):
    """The manifest says that the system is left alone now."""

    transient = True


def _open(manifest: Manifest, now: datetime) -> None:
    """Raise when the system may not even be read now (maintenance with `reading: false`); later it may."""
    if not manifest.readable_at(now):
        opens = f"{manifest.readable_from(now):%m-%d %H:%M}"
        remedy = f"It can be read again at {opens}; the next run reads it by itself."
        raise Maintained(manifest.id, "maintenance", "the system is being maintained and may not be read", remedy)


def _pages(
    home: Home,
    looks: bool,
    manifest: Manifest,
    cursors: Mapping[str, str],
    pulled_at: str,
    decoding: threading.BoundedSemaphore,
    authorised: Authorised,
) -> Iterator[tuple[Page, Decoded]]:
    connector = connect(manifest, replace(home.context(manifest), looks=looks))
    try:
        for dataset in manifest.datasets:
            for page in connector.pull(dataset.name, cursors.get(dataset.name)):
                with decoding:
                    decoded = decode_lawful(manifest, page.rows, dataset.name, pulled_at, authorised)
                yield page, decoded
    finally:
        connector.close()


def _store(
    home: Home,
    con: duckdb.DuckDBPyConnection,
    manifest: Manifest,
    batch_id: str,
    pulled_at: str,
    queue: Queue[_Item | _End],
    progress: Progress | None,
    *,
    dry_run: bool = False,
) -> Pulled:
    """Stage and merge one system's pages, then register batch and cursors in one PostgreSQL transaction."""
    stage = Stage(con, manifest.id, batch_id, pulled_at)
    counts, cursors, snapshots = Counts(), dict[str, str | None](), set[str]()
    while True:
        item = queue.get()
        if isinstance(item, _End):
            break
        counts = _add(stage, counts, item)
        cursors[item.page.dataset] = item.page.cursor
        if item.page.snapshot:
            snapshots.add(item.page.dataset)
        if progress:
            progress(manifest.id, counts.received)
    if item.error and not dry_run:
        _register(home, manifest.id, batch_id, pulled_at, Counts(), None, {}, set(), item.error)
    if item.error:
        return Pulled(manifest.id, batch_id, error=item.error, transient=item.transient)
    doubts = tuple(
        f"{manifest.id}: {n} of {counts.received} values of column {column!r} in dataset {dataset} were rejected ({rule}). "
        "Does the manifest name the right column, format and code map?"
        for dataset, column, rule, n in stage.mostly_rejected(counts.received)
    )
    counts = stage.merge(counts, {d: manifest.dataset(d).deleted.when_absent for d in snapshots}, dry_run=dry_run)
    if dry_run:
        return Pulled(manifest.id, batch_id, counts, doubts=doubts)
    _register(home, manifest.id, batch_id, pulled_at, counts, item.landed, cursors, snapshots, None)
    return Pulled(manifest.id, batch_id, counts, doubts=doubts)


def _add(stage: Stage, counts: Counts, item: _Item) -> Counts:
    page, decoded = item.page, item.decoded
    rejects = pa.concat_tables([page.rejects, decoded.rejects])
    stage.add(decoded.tables, decoded.links, rejects, decoded.hints)
    unread = _at(page.rejects, "record")
    return Counts(
        received=counts.received + decoded.counts.rows + unread + page.duplicates,
        taken=counts.taken + decoded.counts.taken,
        rejected=counts.rejected + decoded.counts.rejected + unread,
        duplicates=counts.duplicates + decoded.counts.duplicates + page.duplicates,
        rejected_values=counts.rejected_values + _at(rejects, "value"),
    )


def _at(rejects: pa.Table, level: str) -> int:
    if rejects.num_rows == 0:
        return 0
    return int(pc.sum(pc.equal(rejects["level"], level)).as_py() or 0)


def _register(
    home: Home,
    system_id: str,
    batch_id: str,
    pulled_at: str,
    counts: Counts,
    landed: Landed | None,
    cursors: Mapping[str, str | None],
    snapshots: set[str],
    error: str | None,
) -> None:
    row = {
        "batch_id": batch_id, "system_id": system_id, "pulled_at": pulled_at, "error": error,
        "folder": str(Path(system_id) / batch_id) if landed else None, "sha256": landed.sha256 if landed else None,
        "received": counts.received, "taken": counts.taken, "unchanged": counts.unchanged,
        "rejected": counts.rejected, "duplicates": counts.duplicates, "removed": counts.removed,
        "withheld_removals": counts.withheld_removals, "rejected_values": counts.rejected_values,
        "snapshots": sorted(snapshots),
    }  # fmt: skip
    with home.engine.begin() as connection:
        connection.execute(insert(BATCH).values(**row))
        for dataset, cursor in cursors.items():
            statement = insert(CURSOR).values(system_id=system_id, dataset=dataset, cursor=cursor, batch_id=batch_id)
            fresh = {"cursor": statement.excluded.cursor, "batch_id": statement.excluded.batch_id}
            connection.execute(statement.on_conflict_do_update(constraint=CURSOR.primary_key, set_=fresh))

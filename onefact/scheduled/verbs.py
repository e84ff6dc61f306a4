"""One function per task of a scheduler: opens the installation, calls the verb, returns ids, counts and paths.

No value of a record comes back or stands in an error: a scheduler keeps what tasks return, for everybody who may see it.
Engines are imported by the function that needs them.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from onefact.scheduled.deadlines import home_folder
from onefact.scheduled.errors import Disagreement, NeedsAPerson, NotNow, Overdue, Unbalanced, VerbMissing
from onefact.scheduled.inventory import folder

if TYPE_CHECKING:
    from onefact.home import Home

PATIENCE = 1800.0
"""Seconds a task waits for the warehouse: others of the same cycle hold it for seconds, a first load for minutes."""

Told = dict[str, Any]
"""What a task returns: ids, counts, paths."""


@contextmanager
def opened() -> Iterator[Home]:
    """Open the installation named by `ONEFACT_HOME`, `ONEFACT_SYSTEMS`, `ONEFACT_DATABASE_URL` for one task.

    Raises:
        NotNow: the warehouse is held for longer than a task waits, or PostgreSQL does not answer.
    """
    from onefact.home import ACTOR_VARIABLE, Home
    from warehouse.duck import WarehouseBusy
    from warehouse.postgres_files import DatabaseError

    home = Home(
        home_folder(), folder(), database_url=os.environ.get("ONEFACT_DATABASE_URL") or None, patience=PATIENCE,
        actor=os.environ.get(ACTOR_VARIABLE) or "airflow", via="schedule",
    )  # fmt: skip
    try:
        yield home
    except (WarehouseBusy, DatabaseError) as problem:
        raise NotNow(str(problem)) from problem
    finally:
        home.close()


def begin() -> Told:
    """Check that manifests, folder and database are in order before anybody is asked (setup of a cycle)."""
    with opened() as home:
        run_id = home.new_run("cycle")
        with home.engine.connect():
            return {"run": run_id, "systems": len(home.manifests)}


def pull(system: str) -> Told:
    """Pull one system; raises `NotNow` or `NeedsAPerson` when it could not be read."""
    from onefact import pull as verb

    with opened() as home:
        results = verb.pull(home, [system])
    if not results:
        raise NeedsAPerson(f"{system} has no read path: it cannot be pulled.")
    [done] = results
    if done.error:
        raise (NotNow if done.transient else NeedsAPerson)(done.error)
    return {"system": system, "batch": done.batch_id, **asdict(done.counts), "doubts": len(done.doubts)}


def landed(results: Sequence[Mapping[str, Any] | None], expected: int) -> Told:
    """Sum up a cycle's pulls; those that failed are missing from `results` and count in `failed`."""
    done = [r for r in results if r]
    return {
        "systems": len(done),
        "failed": expected - len(done),
        "received": sum(r["received"] for r in done),
        "taken": sum(r["taken"] for r in done),
    }


def consolidate() -> Told:
    """Consolidate once; the counts say whether anything changed. Raises `NeedsAPerson` when the quality gate is closed."""
    from onefact import consolidate as verb
    from onefact.quality.gate import GateClosed

    with opened() as home:
        try:
            done = verb.consolidate(home)
        except GateClosed as problem:
            raise NeedsAPerson(str(problem)) from problem
    return {
        "run": done.run_id, "changed": done.changed, "ended": done.ended, "planned": done.planned,
        "superseded": done.superseded,
    }  # fmt: skip


def targets() -> list[str]:
    """Return the systems for which something waits: changes to write, or answers to ask for."""
    from warehouse import outbox

    with opened() as home:
        return sorted({*outbox.waiting(home.engine), *outbox.unanswered(home.engine)} & home.manifests.keys())


def push(system: str) -> Told:
    """Push what waits for one system; raises `NotNow` or `NeedsAPerson` when the system was in trouble."""
    from onefact import push as verb

    with opened() as home:
        done = verb.push(home, [system])
    for one in done:
        if one.error:
            raise (NotNow if one.transient else NeedsAPerson)(one.error)
    return {"system": system, "states": {s: n for one in done for s, n in one.states.items()}}


def verify() -> Told:
    """Check that every record and change is counted once and no answer is overdue.

    Raises:
        Unbalanced: counts that do not add up.
        Overdue: answers that should have come by now.
    """
    from onefact import status as verb
    from warehouse import outbox

    with opened() as home:
        now = verb.status(home)
        late = Counter(row.system_id for row in outbox.overdue(home.engine, home.now().astimezone()))
    if not now.balanced:
        raise Unbalanced(tuple(s.system_id for s in now.systems if not s.balanced))
    if late:
        raise Overdue(dict(late))
    states: Counter[str] = Counter()
    for system in now.systems:
        states.update(system.outbox)
    return {"states": dict(states), "received": sum(s.received for s in now.systems)}


def reconcile(systems: Sequence[str] | None = None) -> Told:
    """Compare all systems with the master; raises `Disagreement` when somebody has to look, `NotNow` for silent systems."""
    from onefact import reconcile as verb

    with opened() as home:
        done = verb.reconcile(home, systems)
    kinds = Counter(f.kind for f in done.findings)
    broken = [s.system_id for s in done.systems if s.error]
    told = {
        "run": done.run_id, "kinds": dict(kinds), "opened": done.opened, "closed": done.closed, "not_reached": broken,
        "unreadable": sum(s.unreadable for s in done.systems),
    }  # fmt: skip
    if done.alarming and not broken:
        raise Disagreement(dict(kinds))
    if broken:
        raise NotNow(f"Could not compare: {', '.join(broken)}. Findings of the others are kept: {dict(kinds)}.")
    return told


def checkpoint() -> Told:
    """Seal the ledgers and sign how far the log has come; raises `NeedsAPerson` when the log does not verify."""
    from onefact import log

    with opened() as home:
        made, path = log.issue(home)
        found = log.verify(home)
    if not found.sound:
        raise NeedsAPerson("The sealed log does not verify. Look at once: onefact log verify")
    return {"seq": made.seq, "hash": made.hash, "file": str(path), "rows": found.log.rows}


def retention() -> Told:
    """Delete what has run out; raises `NeedsAPerson` for settings below the floor of the law and for an unsound log."""
    from onefact import retention as verb
    from onefact.retention.run import LogUnsound
    from onefact.retention.settings import RetentionUnreadable

    with opened() as home:
        try:
            gone = verb.run(home)
        except (verb.TooShort, RetentionUnreadable, LogUnsound) as problem:
            raise NeedsAPerson(str(problem)) from problem
    return {"expired": {f"{e.kind}/{e.what}": e.count for e in gone if e.count}}


def quality() -> Told:
    """Run the rule catalogue; raises `VerbMissing` where this onefact has no quality room."""
    return _called("onefact.quality.check", "check")


def audit_report() -> Told:
    """Write the auditor's report of the month before into the home, in all forms."""
    return _called("onefact.report.period.write", "last_month")


def train() -> Told:
    """Train the linkage models on this installation's records; they count from the next consolidation on.

    Raises:
        NeedsAPerson: too few records of every entity.
    """
    from linkage.comparable import SPECS
    from linkage.model.train import TooLittle
    from onefact import models
    from onefact.acting import acted

    written, small = {}, []
    with opened() as home:
        for entity in SPECS:
            try:
                _, path = models.fit(home, entity)
            except TooLittle as problem:
                small.append(f"{entity}: {problem}")
            else:
                written[str(entity)] = str(path)
        acted(home, "train", "model", list(written))
    if not written:
        raise NeedsAPerson(" ".join(small) or "No entity is linked by a model.")
    return {"models": written, "too_little": len(small)}


def replay(since: str, until: str, systems: Sequence[str], *, dry_run: bool) -> Told:
    """Read again what was received in a span, by today's rules; without `dry_run` a consolidation should follow."""
    from onefact import replay as verb

    with opened() as home:
        try:
            done = verb.replay(home, since, until, systems, dry_run=dry_run)
        except verb.NoSpan as problem:
            raise NeedsAPerson(str(problem)) from problem
    return {
        "dry_run": dry_run,
        "batches": sum(r.batches for r in done),
        "records": sum(r.records for r in done),
        "changed": {r.system_id: r.changed for r in done if r.changed},
    }


def _called(module: str, name: str) -> Told:
    """Call a verb of a room that may not be installed; what it returns is reduced to counts and paths."""
    function = getattr(_module(module), name, None)
    if function is None:
        raise VerbMissing(f"{module}.{name}")
    with opened() as home:
        return _plain(function(home))


def _module(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError as problem:
        if problem.name and name.startswith(problem.name):
            raise VerbMissing(name) from problem
        raise


def _plain(result: object) -> Told:
    """Keep numbers, ids and paths of a verb's result; tables and texts stay where the verb put them."""
    named = {n: getattr(result, n) for n in getattr(result, "__dataclass_fields__", {})}
    kept = {
        n: str(v) if isinstance(v, Path) else v for n, v in named.items() if isinstance(v, (bool, int, float, Path))
    }
    return kept | ({"run": named["run_id"]} if isinstance(named.get("run_id"), str) else {})

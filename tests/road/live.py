"""The forty systems of a small town with their stand-ins running, and what one may ask of them from outside.

Every effect on every row of every stand-in is logged by a trigger in the stand-in's own file.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import sqlalchemy as sa

from connectors import raw
from connectors.manifest import Manifest
from connectors.told import records
from onefact import enter as entry
from onefact import road
from onefact.consolidate import consolidate
from onefact.delivery import guards
from onefact.home import Home
from onefact.push import push
from sandbox import supervisor
from warehouse import postgres

ROOT = Path(__file__).parents[2]
PERSONS = (
    "SELECT p.master_id::text FROM person p JOIN crosswalk c USING (master_id) WHERE p.phone IS NOT NULL "
    "AND p.death_date IS NULL AND c.entity_type = 'person' "
    "GROUP BY p.master_id ORDER BY count(DISTINCT c.system_id) DESC, p.master_id LIMIT :n"
)
OPEN = ("planned", "pending", "sent", "no_answer")
HELD = (
    "SELECT o.change_id, o.system_id, o.dataset, o.entity_type, o.role, o.record_key, o.state, o.code, c ->> 'field' AS field, "
    "c ->> 'new' AS value FROM outbox o, jsonb_array_elements(o.changes) c WHERE o.record_key IS NOT NULL "
    "AND o.change_id > :after ORDER BY o.change_id"
)


class Live:
    """The town; `with Live(folder, people) as live`. Leaves no process behind."""

    def __init__(self, folder: Path, people: int = 300, seed: int = 1) -> None:
        self.home = Home(path=folder)
        self._people, self._seed = people, seed
        self._children: list[subprocess.Popen[bytes]] = []
        self.after = 0
        self.cycles: list[int] = []
        """Changes sent in each run of the road until nothing was left to send."""

    def __enter__(self) -> Self:
        try:
            supervisor.start(self.home.path, self._people, self._seed, None)
            # The first push of a dirty town changes much at once; here nobody is there to be asked.
            (self.home.path / guards.FILE).write_text("{floor: 100000, deletes: 100000, first: allow}\n", "utf-8")
            for _ in range(8):
                self.cycles.append(road.run(self.home).sent)
                if not self.cycles[-1]:
                    break
            self.after = int(self.sql("SELECT coalesce(max(change_id), 0) AS n FROM outbox")[0]["n"])
            for path in self._states():
                _log_effects(path, self.home.manifests[path.stem])
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._children:
            self.kill(child)
        self.home.close()
        supervisor.stop(self.home.path)
        postgres.stop(self.home.path)

    # --- what happens ---------------------------------------------------------------------------------------------

    def persons(self, number: int) -> list[str]:
        """Those whom most systems know."""
        return [r["master_id"] for r in self.sql(PERSONS, n=number)]

    def enter(self, master_id: str, phone: str) -> None:
        entry.enter(self.home, master_id, "phone", phone, actor="proof")

    def consolidate(self) -> int:
        return consolidate(self.home).planned

    def follower(self, *more: str) -> subprocess.Popen[bytes]:
        """`onefact push --follow` as a process of its own."""
        command = [sys.executable, "-m", "onefact", "--home", str(self.home.path), "push", "--follow", *more]
        child = subprocess.Popen(
            command, cwd=self.home.path, env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._children.append(child)
        return child

    def kill(self, child: subprocess.Popen[bytes]) -> None:
        """SIGKILL; a process that is dead already is only collected."""
        if child.poll() is None:
            child.send_signal(signal.SIGKILL)
        child.wait()
        if child in self._children:
            self._children.remove(child)

    def leases_end(self, pid: int) -> int:
        """As if the five minutes of a dead pusher were over; return how many changes were in its hands."""
        with self.home.engine.begin() as connection:
            done = connection.execute(
                sa.text(
                    "UPDATE outbox SET lease_until = now() WHERE leased_by LIKE :who AND state IN ('pending', 'no_answer')"
                ),
                {"who": f"push-{pid}-%"},
            )
        return int(done.rowcount)

    def settle(self, seconds: float = 60) -> None:
        """Push until nothing is open; pauses end at once, breakers close."""
        end = time.monotonic() + seconds
        while self.open() and time.monotonic() < end:
            with self.home.engine.begin() as connection:
                connection.execute(
                    sa.text(
                        "UPDATE outbox SET next_try_at = NULL, lease_until = now() WHERE state IN ('planned', 'pending', 'no_answer')"
                    )
                )
                connection.execute(sa.text("UPDATE target SET until = now() WHERE until IS NOT NULL"))
            push(self.home)

    def open(self) -> int:
        query = (
            "SELECT count(*) AS n FROM outbox WHERE change_id > :after AND state = ANY(:open) "
            "AND coalesce(code, '') NOT IN ('exported', 'no_receipt')"
        )
        return int(self.sql(query, after=self.after, open=list(OPEN))[0]["n"])

    def sql(self, query: str, **values: object) -> list[Mapping[str, Any]]:
        with self.home.engine.connect() as connection:
            return [dict(r) for r in connection.execute(sa.text(query), values).mappings()]

    # --- what is true afterwards ----------------------------------------------------------------------------------

    def accounts(self) -> Accounts:
        """Compare what every stand-in holds with what was to be written, and look through the log of effects."""
        rows = self.sql(HELD, after=self.after)
        golden = {
            (r["system_id"], r["dataset"], r["record_key"], r["role"], r["field"]): r
            for r in rows
            if r["state"] != "dead"
        }
        verified = [r for r in golden.values() if r["state"] == "verified"]
        lost = [
            f"{r['system_id']} {r['field']} of change {r['change_id']}"
            for system in sorted({r["system_id"] for r in verified})
            for r in self._missing(system, [r for r in verified if r["system_id"] == system])
        ]
        states: dict[str, int] = {}
        for r in self.sql(
            "SELECT state, code, count(*) AS n FROM outbox WHERE change_id > :after GROUP BY 1, 2 ORDER BY 1, 2",
            after=self.after,
        ):
            states[f"{r['state']}/{r['code']}"] = r["n"]
        return Accounts(tuple(lost), tuple(self._doubled()), len(verified), states)

    def _missing(self, system: str, wanted: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        manifest = self.home.manifests[system]
        for dataset in sorted({r["dataset"] for r in wanted}):
            held = records(manifest, dataset, self._rows(manifest, dataset))
            for r in wanted:
                if r["dataset"] == dataset and held.get((r["record_key"], r["role"]), {}).get(r["field"]) != r["value"]:
                    yield r

    def _rows(self, manifest: Manifest, dataset: str) -> pa.Table:
        spec = manifest.dataset(dataset)
        with sqlite3.connect(self.home.path / "sandbox" / "state" / f"{manifest.id}.sqlite") as db:
            found = [json.loads(row) for (row,) in db.execute(f'SELECT row FROM "{dataset}"')]
        columns = {c: pa.array([row.get(c) for row in found], pa.string()) for c in spec.columns}
        return raw.table(columns, pa.array(["state"] * len(found), pa.string()))

    def _states(self) -> list[Path]:
        return sorted((self.home.path / "sandbox" / "state").glob("*.sqlite"))

    def _doubled(self) -> Iterator[str]:
        """Effects that changed nothing but the stamp: the same write, twice."""
        for path in self._states():
            manifest = self.home.manifests[path.stem]
            with sqlite3.connect(path) as db:
                for dataset, key, before, after in db.execute(
                    "SELECT dataset, key, before, after FROM _log ORDER BY n"
                ):
                    if before and _facts(manifest, dataset, before) == _facts(manifest, dataset, after):
                        yield f"{manifest.id}/{dataset}/{key}"


@dataclass(frozen=True)
class Accounts:
    """What became of everything.

    Attributes:
        lost: values that their system does not hold.
        doubled: effects that repeated the one before.
        compared: values compared with what the systems hold.
        states: state/code -> changes.
    """

    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    compared: int
    states: Mapping[str, int]


def _facts(manifest: Manifest, dataset: str, row: str) -> dict[str, Any]:
    spec = manifest.dataset(dataset)
    stamps = {spec.updated_at.column if spec.updated_at else None, spec.source.get("version_column")}
    return {k: v for k, v in json.loads(row).items() if k not in stamps}


def _log_effects(path: Path, manifest: Manifest) -> None:
    with sqlite3.connect(path, timeout=20) as db:
        db.execute(
            "CREATE TABLE _log (n INTEGER PRIMARY KEY AUTOINCREMENT, dataset TEXT, key TEXT, before JSON, after JSON)"
        )
        for dataset in manifest.datasets:
            db.execute(
                f'CREATE TRIGGER "_effect_{dataset.name}" BEFORE INSERT ON "{dataset.name}" BEGIN '
                f"INSERT INTO _log (dataset, key, before, after) VALUES ('{dataset.name}', new.key, "
                f'(SELECT row FROM "{dataset.name}" WHERE key = new.key), new.row); END'
            )

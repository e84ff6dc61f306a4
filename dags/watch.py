"""Looking at a running Airflow through its own interface (看板): which runs there are, how far they are, when a cycle is done."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

Run = Mapping[str, Any]
Tasks = Mapping[tuple[str, str], Sequence[Run]]
"""(DAG, run) -> its tasks."""

OPEN = ("queued", "running")
CHAIN = (("consolidate", "consolidate"), ("push", "delivered"), ("verify", "verify"))
"""DAG and task that follow a pull, each woken by the one before."""


class Airflow:
    """The running Airflow of a working folder."""

    class Silent(Exception):
        """Airflow does not answer; the message says where its logs are."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.passwords = folder / "simple_auth_manager_passwords.json.generated"
        try:
            port = json.loads((folder / "address.json").read_text(encoding="utf-8"))["port"]
        except (FileNotFoundError, ValueError, KeyError):
            raise self.Silent("No Airflow was started here. Start it: make airflow") from None
        self.url = f"http://127.0.0.1:{port}"
        self._over: dict[tuple[str, str], list[Run]] = {}
        self._client = httpx.Client(base_url=self.url, trust_env=False, timeout=60)

    def wait(self, seconds: float) -> None:
        """Return when Airflow lets us in; raises `Silent` after so many seconds."""
        end = time.monotonic() + seconds
        while not self._enter():
            if time.monotonic() > end:
                raise self.Silent(f"Airflow does not answer at {self.url}. Its logs: {self.folder}/*.log")
            time.sleep(0.5)

    def begin_pulls(self, seconds: float) -> list[tuple[str, str]]:
        """Start a run of every pull DAG as soon as all are known; return (DAG, run) of each."""
        end, known, before = time.monotonic() + seconds, [""], list[str]()
        while known != before or not known:
            if time.monotonic() > end:
                raise self.Silent(f"Airflow found no DAGs. See {self.folder}/dag-processor.log")
            time.sleep(2)
            before, known = known, sorted(d["dag_id"] for d in self._get("dags", limit=200)["dags"])
            if not {dag for dag, _ in CHAIN} <= set(known):
                known = []
        self._pause("consolidate", paused=True)
        begun = [(r["dag_id"], r["dag_run_id"]) for r in self.runs() if r["dag_id"].startswith("pull_")]  # by the clock
        for dag in sorted({d for d in known if d.startswith("pull_")} - {d for d, _ in begun}):
            answer = self._client.post(f"/api/v2/dags/{dag}/dagRuns", json={"logical_date": None})
            answer.raise_for_status()
            begun.append((dag, str(answer.json()["dag_run_id"])))
        return begun

    def consolidate(self, *, now: bool) -> None:
        """Let the consolidation go on, which waits for the pulls of a first cycle; `now` = begin one."""
        self._pause("consolidate", paused=False)
        if now:
            self._client.post("/api/v2/dags/consolidate/dagRuns", json={"logical_date": None}).raise_for_status()

    def _pause(self, dag: str, *, paused: bool) -> None:
        self._client.patch(f"/api/v2/dags/{dag}", json={"is_paused": paused}).raise_for_status()

    def runs(self) -> list[Run]:
        """Return the newest runs of all DAGs, newest first."""
        runs: list[Run] = self._get("dags/~/dagRuns", limit=100, order_by="-run_after")["dag_runs"]
        return runs

    def tasks(self, runs: Sequence[Run]) -> Tasks:
        """Return the tasks of the given runs; those of a run that is over are asked for once."""
        found = {}
        for run in runs:
            key = (run["dag_id"], run["dag_run_id"])
            if key in self._over:
                found[key] = self._over[key]
                continue
            place = f"dags/{key[0]}/dagRuns/{quote(key[1], safe='')}/taskInstances"
            found[key] = self._get(place, limit=100)["task_instances"]
            if run["state"] not in OPEN:
                self._over[key] = found[key]
        return found

    def _enter(self) -> bool:
        try:
            password = json.loads(self.passwords.read_text(encoding="utf-8"))["admin"]
            answer = self._client.post("/auth/token", json={"username": "admin", "password": password})
        except (httpx.TransportError, FileNotFoundError, ValueError, KeyError):
            return False
        if answer.status_code >= 400:
            return False
        self._client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return True

    def _get(self, place: str, **parameters: Any) -> Any:
        for _ in range(5):
            try:
                answer = self._client.get(f"/api/v2/{place}", params=parameters)
            except httpx.TransportError:
                time.sleep(1)
                continue
            if answer.status_code == 401:
                self._enter()
            elif answer.status_code < 400:
                return answer.json()
            time.sleep(1)
        raise self.Silent(f"Airflow does not answer at {self.url}. Its logs: {self.folder}/*.log")


def landed(begun: Sequence[tuple[str, str]], tasks: Tasks) -> str | None:
    """Return when the last of the given pulls landed; None while one is under way."""
    ends = []
    for run in begun:
        mine = [t["end_date"] for t in tasks.get(run, ()) if t["task_id"] == "landed" and t["end_date"]]
        if not mine:
            return None
        ends.append(mine[0])
    return max(ends, default=None)


def finished(begun: Sequence[tuple[str, str]], tasks: Tasks) -> bool:
    """True when the given pulls are over and everything that they woke has run after them.

    The chain is followed in time: a consolidation that began after the last pull landed, a push after that one ended, a
    verification after that. Other runs (the clock goes on) may be open.
    """
    after = landed(begun, tasks)
    if after is None:
        return False
    for dag, task in CHAIN:
        mine = [t for (d, _), some in tasks.items() if d == dag for t in some if t["task_id"] == task and t["end_date"]]
        ended = [t["end_date"] for t in mine if t["start_date"] and t["start_date"] >= after]
        if not ended:
            return False
        after = min(ended)
    return True


def newest(runs: Sequence[Run]) -> list[Run]:
    """Return the newest run of each DAG, in the order in which they were due."""
    found: dict[str, Run] = {}
    for run in sorted(runs, key=lambda r: r["run_after"]):
        found.pop(run["dag_id"], None)
        found[run["dag_id"]] = run
    return list(found.values())


def line(runs: Sequence[Run], tasks: Tasks) -> str:
    """Return one line: per DAG its run, how many of its tasks are done, and how many have failed."""
    parts = []
    for run in runs:
        states = Counter(t["state"] for t in tasks.get((run["dag_id"], run["dag_run_id"]), ()))
        done, all_ = states["success"] + states["skipped"], sum(states.values())
        failed = f", {states['failed']} failed" if states["failed"] else ""
        parts.append(f"{run['dag_id']} {run['state']} {done}/{all_}{failed}")
    return "  ".join(parts) or "nothing has run yet"

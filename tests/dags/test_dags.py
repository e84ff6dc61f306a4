"""The DAGs in a real Airflow: how they are declared, the full cycle over forty stand-ins, a failure, a second run.

Run by `make test-airflow`; the default tests do without Airflow. All in one process: Airflow takes seconds to start.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from connectors.manifest import load_all
from onefact import status
from onefact.home import OWN_SYSTEMS, Home
from onefact.scheduled import errors, verbs

ROOT = Path(__file__).parents[2]
FILES = sorted(
    p for p in (ROOT / "dags").glob("*.py") if p.name not in {"__init__.py", "shared.py", "start.py", "watch.py"}
)
DAGS = {
    *("pull_realtime", "pull_weekly", "pull_monthly", "pull_yearly", "consolidate", "push", "verify"),
    *("reconcile", "quality", "audit_report", "train", "replay", "checkpoint", "retention"),
}
PARSE_SECONDS = 1.0
"""Processor time that a scheduler may spend on a file each time it looks at it (issue 5)."""


@cache
def dags() -> dict[str, Any]:
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(str(ROOT / "dags"))
    assert bag.import_errors == {}
    return dict(bag.dags)


@pytest.fixture(scope="module", autouse=True)
def _airflow(airflow: None) -> None:
    """Every test has Airflow's own database."""


# --- how they are declared


def test_every_dag_is_there_and_imports() -> None:
    assert set(dags()) == DAGS


@pytest.mark.parametrize("file", FILES, ids=lambda p: p.stem)
def test_a_file_is_read_in_a_second_and_loads_no_engine(file: Path) -> None:
    program = f"""
import importlib.util, sys, time, airflow.sdk
from airflow.sdk import CronTriggerTimetable, ExceptionRetryPolicy, dag, task
known, start = set(sys.modules), time.process_time()
spec = importlib.util.spec_from_file_location("looked_at", {str(file)!r})
spec.loader.exec_module(importlib.util.module_from_spec(spec))
spent = time.process_time() - start
rooms = ("connectors", "linkage", "warehouse", "quality", "sandbox", "schemas", "portal")
engines = ("duckdb", "pyarrow", "pandas", "splink", "great_expectations", "psycopg", "adbc_driver_manager")
print(spent, sorted({{m.split(".")[0] for m in set(sys.modules) - known}} & {{*rooms, *engines}}), sep="|")
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    seconds, loaded = done.stdout.strip().splitlines()[-1].split("|")
    assert loaded == "[]"
    assert float(seconds) < PARSE_SECONDS


def test_each_system_has_its_task_in_the_dag_of_its_cadence() -> None:
    for manifest in load_all(OWN_SYSTEMS).values():
        holders = {name for name, dag in dags().items() if manifest.id in dag.task_ids}
        assert holders == ({f"pull_{manifest.cadence}"} if manifest.capabilities.read != "none" else set()), manifest.id


def test_everything_is_documented_and_has_a_chinese_name() -> None:
    def chinese(text: str | None) -> bool:
        return any("\u4e00" <= c <= "\u9fff" for c in text or "")

    for name, dag in dags().items():
        assert (bool(dag.doc_md), chinese(dag.dag_display_name)) == (True, True), name
        for task in dag.tasks:
            assert (bool(task.doc_md), chinese(task.task_display_name)) == (True, True), f"{name}.{task.task_id}"


def test_one_run_at_a_time_no_catching_up_and_a_deadline_with_a_callback() -> None:
    for name, dag in dags().items():
        assert (dag.max_active_runs, dag.catchup, dag.start_date) == (1, False, None), name
        [deadline] = dag.deadline if isinstance(dag.deadline, list) else [dag.deadline]
        assert deadline.callback.path == "onefact.scheduled.deadlines.missed", name
        assert deadline.interval >= timedelta(minutes=30)


@pytest.mark.parametrize(("problem", "action"), [
    (errors.NotNow("x"), "retry"), (errors.NeedsAPerson("x"), "fail"), (errors.VerbMissing("x"), "fail"), (KeyError("x"), "default"),
])  # fmt: skip
def test_retries_go_by_the_class_of_the_error(problem: Exception, action: str) -> None:
    for name, dag in dags().items():
        for task in dag.tasks:
            assert task.retry_policy.evaluate(problem, 1, 2).action.value == action, f"{name}.{task.task_id}"
            assert task.retries > 0


def test_the_assets_lead_from_pull_to_verify() -> None:
    def out(dag: str, task: str) -> list[str]:
        return [asset.name for asset in dags()[dag].get_task(task).outlets]

    def woken_by(dag: str) -> list[str]:
        return [asset.name for asset in dags()[dag].timetable.asset_condition.objects]

    assert all(out(d, "landed") == ["landed"] for d in DAGS if d.startswith("pull_") or d == "replay")
    assert woken_by("consolidate") == ["landed"]
    assert out("consolidate", "consolidate") == woken_by("push") == ["outbox"]
    assert out("push", "delivered") == woken_by("verify") == ["delivered"]


def test_a_cycle_has_setup_and_teardown() -> None:
    for name in (d for d in DAGS if d.startswith("pull_") or d == "push"):
        kinds = {t.task_id: (t.is_setup, t.is_teardown) for t in dags()[name].tasks}
        assert kinds["begin"] == (True, False)
        assert kinds["delivered" if name == "push" else "landed"] == (False, True)


# --- what they do


def run(name: str, **conf: Any) -> Any:
    """Run a DAG in this process. Its deadline is put aside: `DAG.test` of Airflow 3.3.2 trips over one (apache/airflow 73428)."""
    dag = dags()[name]
    kept, dag.deadline = dag.deadline, None
    try:
        return dag.test(run_conf=conf or None)
    finally:
        dag.deadline = kept


def tasks(done: Any) -> dict[str, str]:
    return {
        ti.task_id + (f"[{ti.map_index}]" if ti.map_index >= 0 else ""): str(ti.state)
        for ti in done.get_task_instances()
    }


def returned(done: Any, task: str) -> Any:
    from airflow.models.xcom import XComModel

    found = XComModel.get_many(run_id=done.run_id, dag_ids=done.dag_id, task_ids=task, key="return_value")
    from airflow.utils.session import create_session

    with create_session() as session:
        rows = session.execute(found).scalars().all()
        return [XComModel.deserialize_value(r) for r in rows]


def road() -> dict[str, Any]:
    """Run what the assets wake, in their order."""
    return {name: run(name) for name in ("consolidate", "push", "verify")}


@pytest.fixture(scope="module")
def first(home: Path) -> dict[str, Any]:
    """The first cycle over forty stand-ins."""
    pulls = {name: run(name) for name in sorted(DAGS) if name.startswith("pull_")}
    return pulls | road()


@pytest.fixture
def looked_at(home: Path) -> Any:
    opened = Home(home)
    yield opened
    opened.close()


@pytest.mark.timeout(900)
def test_the_full_cycle_runs_over_all_systems(first: dict[str, Any], looked_at: Home) -> None:
    assert {name: done.state for name, done in first.items()} == dict.fromkeys(first, "success")
    pulled = {t for name, done in first.items() if name.startswith("pull_") for t in tasks(done)} - {"begin", "landed"}
    assert len(pulled) == 39  # econ_census is write-only
    assert len([t for t in tasks(first["push"]) if t.startswith("push[")]) >= 10
    now = status.status(looked_at)
    assert now.balanced
    assert sum(s.outbox.get("verified", 0) for s in now.systems) > 100


def test_only_ids_counts_and_paths_are_kept_by_airflow(first: dict[str, Any]) -> None:
    [told] = returned(first["pull_weekly"], "party_member")
    assert set(told) == {
        "system", "batch", "received", "taken", "unchanged", "rejected", "duplicates", "removed", "withheld_removals",
        "rejected_values", "doubts",
    }  # fmt: skip
    assert all(isinstance(v, int) for n, v in told.items() if n not in {"system", "batch"})
    [told] = returned(first["consolidate"], "consolidate")
    assert told["changed"] > 100
    assert {type(v) for n, v in told.items() if n != "run"} == {int}


def test_the_events_of_the_cycle_are_in_a_file(first: dict[str, Any], lineage: Path) -> None:
    events = [json.loads(line) for line in lineage.read_text(encoding="utf-8").splitlines()]
    ended = {e["job"]["name"] for e in events if e["eventType"] == "COMPLETE"}
    assert {"pull_weekly.party_member", "consolidate.consolidate", "verify.verify"} <= ended
    assert {e["job"]["namespace"] for e in events} == {"onefact"}


@pytest.mark.timeout(900)
def test_a_second_cycle_is_harmless(first: dict[str, Any], looked_at: Home) -> None:
    run("pull_realtime")  # the values that the first cycle wrote come back
    road()
    before = status.status(looked_at)
    again = run("pull_realtime")
    assert again.state == "success"
    counts = [r for t in tasks(again) if t not in {"begin", "landed"} for r in returned(again, t)]
    assert all(r["received"] == r["taken"] + r["unchanged"] + r["rejected"] + r["duplicates"] for r in counts)
    once_more = road()
    assert {d.state for d in once_more.values()} == {"success"}
    [told] = returned(once_more["consolidate"], "consolidate")
    assert (told["changed"], told["planned"]) == (0, 0)
    after = status.status(looked_at)
    assert after.balanced
    assert after.entities == before.entities


def test_a_system_in_trouble_fails_its_own_task_only(first: dict[str, Any], home: Path, looked_at: Home) -> None:
    from sandbox import control
    from sandbox.faults import Fault

    control.fault(home, "volunteer", Fault("not_json"))  # a gateway's page: waiting does not help, so it fails at once
    try:
        done = run("pull_realtime")
    finally:
        control.fault(home, "volunteer", None)
    assert {t: s for t, s in tasks(done).items() if s != "success"} == {"volunteer": "failed"}
    assert str(done.state) == "failed"  # seen by whoever looks at the list of runs
    [told] = returned(done, "landed")
    assert told["failed"] == 1
    assert told["systems"] == 29
    assert run("consolidate").state == "success"
    assert run("pull_realtime").state == "success"


def test_a_system_that_is_down_is_worth_another_try(first: dict[str, Any], home: Path) -> None:
    from sandbox import control
    from sandbox.faults import Fault

    control.fault(home, "volunteer", Fault("down"))
    try:
        with pytest.raises(errors.NotNow, match="volunteer"):
            verbs.pull("volunteer")
    finally:
        control.fault(home, "volunteer", None)


@pytest.mark.timeout(600)
def test_the_nightly_comparison_finds_the_systems_agree(first: dict[str, Any]) -> None:
    run("pull_realtime")
    road()
    done = run("reconcile")
    assert done.state == "success"
    [told] = returned(done, "reconcile")
    assert (told["not_reached"], told["unreadable"]) == ([], 1)


def test_the_log_is_signed_and_what_has_run_out_goes(first: dict[str, Any], home: Path) -> None:
    done = run("checkpoint")
    assert done.state == "success"
    [told] = returned(done, "checkpoint")
    assert Path(told["file"]).parent == home / "checkpoints"
    assert told["rows"] == told["seq"] + 1
    done = run("retention")
    assert done.state == "success"
    assert returned(done, "retention") == [{"expired": {}}]


def test_a_replay_is_a_dry_run_unless_told_otherwise(first: dict[str, Any]) -> None:
    today = time.strftime("%Y-%m-%d")
    done = run("replay", **{"from": "2026-01-01", "to": today, "systems": ["party_member"]})
    assert tasks(done) == {"replay": "success", "landed": "skipped"}
    [told] = returned(done, "replay")
    assert told["dry_run"] is True
    assert (told["changed"], told["records"] > 0) == ({}, True)
    real = run("replay", **{"from": "2026-01-01", "to": today, "systems": ["party_member"], "dry_run": False})
    assert tasks(real) == {"replay": "success", "landed": "success"}

"""What is told of a running Airflow: when the first cycle has landed, when it is over, and the line that is shown."""

from __future__ import annotations

import pytest

from dags.watch import finished, landed, line, newest

BEGUN = [("pull_realtime", "r1"), ("pull_yearly", "y1")]


def task(name: str, start: int | None, end: int | None, state: str = "success") -> dict[str, str | None]:
    def at(minute: int | None) -> str | None:
        return None if minute is None else f"2026-11-25T10:{minute:02d}:00Z"

    return {"task_id": name, "start_date": at(start), "end_date": at(end), "state": state}


PULLED = {BEGUN[0]: [task("sg_etong", 1, 2), task("landed", 3, 4)], BEGUN[1]: [task("landed", 1, 2)]}
ROAD = {
    ("consolidate", "c"): [task("consolidate", 5, 6)],
    ("push", "p"): [task("push", 7, 8), task("delivered", 8, 9)],
    ("verify", "v"): [task("verify", 10, 11)],
}


def test_a_cycle_has_landed_when_its_last_pull_has() -> None:
    assert landed(BEGUN, PULLED) == "2026-11-25T10:04:00Z"
    assert landed(BEGUN, PULLED | {BEGUN[1]: [task("landed", None, None, "queued")]}) is None
    assert landed(BEGUN, {}) is None


def test_a_cycle_is_over_when_all_that_it_woke_has_run() -> None:
    assert finished(BEGUN, PULLED | ROAD)


@pytest.mark.parametrize("missing", list(ROAD))
def test_a_cycle_is_not_over_before_each_step_has_run(missing: tuple[str, str]) -> None:
    assert not finished(BEGUN, PULLED | {k: v for k, v in ROAD.items() if k != missing})


def test_a_step_that_began_before_the_one_it_follows_does_not_count() -> None:
    early = {("consolidate", "c"): [task("consolidate", 3, 6)]}  # it has not seen what landed at 4
    assert not finished(BEGUN, PULLED | ROAD | early)


def test_the_line_tells_each_dag_by_its_newest_run() -> None:
    runs = [
        {"dag_id": "push", "dag_run_id": "p2", "state": "running", "run_after": "3"},
        {"dag_id": "pull_yearly", "dag_run_id": "y1", "state": "failed", "run_after": "2"},
        {"dag_id": "push", "dag_run_id": "p1", "state": "success", "run_after": "1"},
    ]
    tasks = {("pull_yearly", "y1"): [task("a", 1, 2), task("b", 1, 2, "failed"), task("c", 1, 2, "skipped")]}
    assert line(newest(runs), tasks) == "pull_yearly failed 2/3, 1 failed  push running 0/0"
    assert line([], {}) == "nothing has run yet"

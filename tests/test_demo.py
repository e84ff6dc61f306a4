"""The product's main job, end to end with real parts: what `onefact demo` promises, on a small town."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

PEOPLE = 150

pytestmark = pytest.mark.slow


def run(home: Path, *words: str, cwd: Path | None = None, code: int = 0) -> dict | list:
    """Run the command line as a user would and return its JSON."""
    command = [sys.executable, "-m", "onefact", "--home", str(home), *words, "--json"]
    # Compiled modules are kept: each command would spend seconds on compiling its libraries otherwise.
    unwanted = ("ONEFACT_", "PYTHONDONTWRITEBYTECODE")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(unwanted)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=280, check=False)
    assert done.returncode == code, done.stdout[-2000:] + done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("demo")
    home = folder / "home"
    try:
        yield home, run(home, "demo", "--people", str(PEOPLE), cwd=folder), folder
    finally:
        subprocess.run([sys.executable, "-m", "onefact", "--home", str(home), "stop"], check=False, timeout=60)


def test_every_promise_is_kept(demo) -> None:
    _, result, folder = demo
    assert result["systems"] == 40
    assert result["errors"] == []
    assert result["readable_equal"] == 1.0
    assert result["second_run_pushed"] == 0
    assert {a["state"] for a in result["arrivals"]} <= {"verified", "awaiting_person"}
    assert sum(a["state"] == "verified" for a in result["arrivals"]) >= 3
    assert result["burden"]["asked"] > 2 * result["burden"]["once"]
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "一次录入" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_every_record_is_counted_once(demo) -> None:
    home, *_ = demo
    status = run(home, "status")
    assert status["balanced"]
    for system in status["systems"]:
        parts = system["taken"] + system["unchanged"] + system["rejected"] + system["duplicates"]
        assert system["received"] == parts, system["system_id"]


def test_links_are_true(demo) -> None:
    _, result, _ = demo
    scores = result["scores"]
    for entity, floor in {"person": 0.98, "organisation": 0.98}.items():
        precision = scores[entity]["correct_pairs"] / scores[entity]["linked_pairs"]
        assert precision >= floor, entity


def test_one_system_down_stops_no_other(demo) -> None:
    from sandbox import control
    from sandbox.faults import Fault

    home, *_ = demo
    control.fault(home, "volunteer", Fault("down"))
    try:
        results = run(home, "pull", code=1)
    finally:
        control.fault(home, "volunteer", None)
    errors = {r["system"]: r["error"] for r in results if r["error"]}
    assert set(errors) == {"volunteer"}
    assert "volunteer" in errors["volunteer"]
    assert len(results) == 39
    assert run(home, "run")["errors"] == []


def test_an_edit_at_a_system_travels(demo) -> None:
    """A worker of sg_etong changes a phone there; every other system that may take it gets it."""
    from sandbox import control

    home, *_ = demo
    rows = pq.read_table(home / "sandbox" / "seed" / "sg_etong.persons.parquet")
    key = next(r["rkid"] for r in rows.to_pylist() if r["zjhm"] and r["lxdh"] and r.get("zxbz") != "1")
    control.edit(home, "sg_etong", "persons", key, {"lxdh": "16300001234"})
    assert run(home, "run")["errors"] == []
    assert control.row(home, "sg_etong", "persons", key)["lxdh"] == "16300001234"
    again = run(home, "run")
    assert again["pushed"] == 0


def test_all_systems_agree_with_the_master_and_stay_so(demo) -> None:
    home, _, folder = demo
    run(home, "export", "golden", "--out", str(folder / "fixed"))
    for _ in range(2):
        again = run(home, "run")
        assert (again["pushed"], again["errors"]) == (0, [])
    run(home, "export", "golden", "--out", str(folder / "still"))
    for name in ("person", "address", "house", "organisation"):
        before, after = (pq.read_table(folder / when / f"{name}.parquet") for when in ("fixed", "still"))
        assert before.equals(after), name
    compared = run(home, "reconcile")
    assert not compared["alarming"]
    assert len(compared["systems"]) == 40
    assert [s["system_id"] for s in compared["systems"] if s["unreadable"]] == ["econ_census"]


def test_rebuild_gives_the_same_master(demo) -> None:
    home, _, folder = demo
    run(home, "export", "links", "--out", str(folder / "before"))
    run(home, "export", "golden", "--out", str(folder / "before"))
    rebuilt = run(home, "rebuild")
    assert rebuilt["consolidated"]["golden"] in ({}, dict.fromkeys(rebuilt["consolidated"]["golden"], 0))
    run(home, "export", "links", "--out", str(folder / "after"))
    run(home, "export", "golden", "--out", str(folder / "after"))
    for name in ("links", "person", "address", "house", "organisation"):
        before, after = (pq.read_table(folder / when / f"{name}.parquet") for when in ("before", "after"))
        assert before.equals(after), name


def test_the_census_has_no_way_back(demo) -> None:
    home, *_ = demo
    landed = {p.name for p in (home / "landing").iterdir()}
    assert "econ_census" not in landed

"""The sandbox as a user has it: a background process that is started, asked, disturbed and stopped."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from connectors.base import Context, Unreachable, Variables
from connectors.manifest import load_all
from connectors.manifest.model import Manifest
from connectors.registry import connect
from sandbox import lock, supervisor
from sandbox.control import Control, ControlRefused, NotRunning, edit, fault, row
from sandbox.faults import Fault
from sandbox.supervisor import SandboxFailed

FIXTURES = Path(__file__).parents[1] / "fixtures"


@pytest.fixture
def systems(tmp_path: Path) -> Path:
    folder = tmp_path / "systems"
    folder.mkdir()
    for system, name in (("t_token", "rest_token"), ("t_signed", "rest_signed"), ("t_export", "sandbox_export")):
        shutil.copy(FIXTURES / "manifests" / f"{name}.yaml", folder / f"{system}.yaml")
    return folder


@pytest.fixture
def home(tmp_path: Path, systems: Path) -> Iterator[Path]:
    """A working folder with a town already seeded; whatever was started in it is stopped afterwards."""
    folder = tmp_path / "home"
    seeds = folder / "sandbox" / "seed"
    seeds.mkdir(parents=True)
    pq.write_table(pa.table({"system_id": pa.array([], pa.string())}), folder / "sandbox" / "truth.parquet")
    for manifest in load_all(systems).values():
        for dataset in manifest.datasets if manifest.kind == "rest" else ():
            with (FIXTURES / "rest" / f"{dataset.name}.csv").open(encoding="utf-8") as file:
                rows = [{k: v or None for k, v in line.items()} for line in csv.DictReader(file)]
            pq.write_table(pa.Table.from_pylist(rows), seeds / f"{manifest.id}.{dataset.name}.parquet")
    yield folder
    supervisor.stop(folder)


def names_of(home: Path, manifest: Manifest) -> list[str | None]:
    context = Context(home, home, Variables.load(home), sleep=lambda _: None)
    connector = connect(manifest, context)
    names = [name for page in connector.pull(manifest.datasets[0].name, None) for name in page.rows["xm"].to_pylist()]
    connector.close()
    return names


def alive(pid: int) -> bool:
    """True while the process runs; one that ended but was not collected yet does not."""
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"


def test_the_whole_life_of_a_sandbox(home: Path, systems: Path) -> None:
    manifests = load_all(systems)
    supervisor.start(home, systems_folder=systems)
    now = supervisor.status(home)
    assert now.running
    assert {s.system_id: (s.kind, s.rows) for s in now.systems} == {
        "t_token": ("rest", 6),  # a seventh is flagged as deleted
        "t_signed": ("rest", 10),
        "t_export": ("export", 0),
    }
    for name in ("endpoints.json", "sandbox/control.json", "sandbox/secrets.json"):
        assert stat.S_IMODE((home / name).stat().st_mode) == 0o600
    endpoints = json.loads((home / "endpoints.json").read_text(encoding="utf-8"))
    assert endpoints["T_TOKEN_URL"].startswith("http://127.0.0.1:")
    assert len(names_of(home, manifests["t_token"])) == 7

    supervisor.start(home, systems_folder=systems)
    assert supervisor.status(home).pid == now.pid, "a second start leaves the running one alone"

    assert edit(home, "t_token", "persons", "p1", {"xm": "张三丰"})["xm"] == "张三丰"
    assert row(home, "t_token", "persons", "p1")["bbh"] == "2"
    assert "张三丰" in names_of(home, manifests["t_token"])

    assert supervisor.stop(home)
    assert not alive(now.pid or 0)
    assert not (home / "endpoints.json").exists()
    assert not supervisor.status(home).running
    assert not supervisor.stop(home)
    with pytest.raises(NotRunning):
        row(home, "t_token", "persons", "p1")

    supervisor.start(home, systems_folder=systems)
    again = json.loads((home / "endpoints.json").read_text(encoding="utf-8"))
    assert again["T_TOKEN_SECRET"] == endpoints["T_TOKEN_SECRET"]
    assert again["T_EXPORT_KEY"] == endpoints["T_EXPORT_KEY"]
    assert row(home, "t_token", "persons", "p1")["xm"] == "张三丰", "what its users typed survives a restart"


def test_faults_and_refusals_on_the_control_port(home: Path, systems: Path) -> None:
    manifests = load_all(systems)
    supervisor.start(home, systems_folder=systems)
    fault(home, "t_signed", Fault("down"))
    with pytest.raises(Unreachable):
        names_of(home, manifests["t_signed"])
    assert len(names_of(home, manifests["t_token"])) == 7
    fault(home, "t_signed", None)
    assert len(names_of(home, manifests["t_signed"])) == 7
    assert row(home, "t_signed", "leaders", "A|2")["xm"] == "李四"
    for act, words in (
        (lambda: row(home, "t_token", "persons", "p99"), "记录不存在"),
        (lambda: row(home, "t_token", "nowhere", "p1"), "no dataset nowhere"),
        (lambda: edit(home, "nobody", "persons", "p1", {}), "no system nobody"),
        (lambda: edit(home, "t_token", "persons", "p1", {"nothing": "1"}), "字段不存在"),
        (lambda: fault(home, "t_export", Fault("down")), "no faults"),
    ):
        with pytest.raises(ControlRefused, match=words):
            act()
    port = Control.of(home).port
    with httpx.Client(trust_env=False) as stranger:
        assert stranger.get(f"http://127.0.0.1:{port}/_sandbox/status").status_code == 403


def test_a_stand_in_that_cannot_start_is_told_plainly(home: Path, systems: Path) -> None:
    (home / "sandbox" / "seed" / "t_token.persons.parquet").unlink()
    with pytest.raises(SandboxFailed, match=r"t_token\.persons\.parquet") as failure:
        supervisor.start(home, systems_folder=systems)
    assert "Traceback" not in str(failure.value)
    assert 'File "' not in str(failure.value)
    assert lock.holder(home) is None
    assert not (home / "endpoints.json").exists()


def test_after_a_crash_it_starts_again(home: Path, systems: Path) -> None:
    supervisor.start(home, systems_folder=systems)
    pid = supervisor.status(home).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    end = time.monotonic() + 5
    while lock.holder(home) is not None:
        assert time.monotonic() < end
        time.sleep(0.02)
    assert not supervisor.status(home).running
    supervisor.start(home, systems_folder=systems)
    assert supervisor.status(home).running


def test_a_stale_file_never_kills_a_stranger(home: Path) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        stale = {"pid": stranger.pid, "port": 9, "token": "x"}
        (home / "sandbox" / "control.json").write_text(json.dumps(stale), encoding="utf-8")
        assert not supervisor.status(home).running
        assert not supervisor.stop(home)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()

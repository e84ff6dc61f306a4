"""The scheduler's side of onefact, without a scheduler: the list of systems, classes of errors, waiting, what comes back."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from connectors.manifest import load_all
from onefact.home import Home
from onefact.scheduled import deadlines, errors, inventory, secrets, verbs
from warehouse.duck import WarehouseBusy, open_warehouse


def test_the_light_list_of_systems_agrees_with_the_manifests() -> None:
    full = load_all(inventory.OWN)
    assert [s.id for s in inventory.systems()] == sorted(full)
    for listed in inventory.systems():
        manifest = full[listed.id]
        assert (listed.name, listed.kind, listed.cadence) == (manifest.name, manifest.kind, manifest.cadence)
        assert listed.reads == (manifest.capabilities.read != "none")
        assert listed.writes == (manifest.capabilities.update or manifest.capabilities.create)


def test_a_manifest_that_is_no_yaml_takes_no_other_system_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.yaml").write_text("id: a\nname: 甲\nkind: rest\ncadence: daily\n", encoding="utf-8")
    (tmp_path / "b.yaml").write_text("id: [", encoding="utf-8")
    monkeypatch.setenv(inventory.VARIABLE, str(tmp_path))
    assert [(s.id, s.reads, s.writes) for s in inventory.systems()] == [("a", True, True)]


def test_what_a_scheduler_reads_at_every_look_loads_no_engine() -> None:
    heavy = ["duckdb", "pyarrow", "numpy", "pandas", "sqlalchemy", "psycopg", "pydantic", "connectors", "warehouse"]
    program = (
        "import sys, onefact.scheduled.inventory as i, onefact.scheduled.errors, onefact.scheduled.deadlines, "
        f"onefact.scheduled.verbs; assert len(i.systems()) == 40; print([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_patient_verb_waits_for_the_warehouse_and_others_are_told_at_once(tmp_path: Path) -> None:
    # The lock is one between processes: another one has to hold it.
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "warehouse.duckdb")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdin
    assert holder.stdout
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(WarehouseBusy), Home(tmp_path).warehouse():
            pass
        got: list[float] = []

        def wait() -> None:
            with Home(tmp_path, patience=60).warehouse():
                got.append(time.monotonic())

        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(0.3)
        assert not got
        released = time.monotonic()
        holder.stdin.close()
        waiting.join(60)
        assert got
        assert got[0] >= released
    finally:
        holder.kill()
        holder.wait()


HOLD = "import sys, duckdb; con = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read(); con.close()"


def test_a_warehouse_that_stays_held_is_worth_another_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEFACT_HOME", str(tmp_path))

    def held() -> None:
        with verbs.opened():
            raise WarehouseBusy(tmp_path / "warehouse.duckdb")

    with pytest.raises(errors.NotNow, match="in use"):
        held()
    open_warehouse(tmp_path / "warehouse.duckdb").close()


def test_a_verb_that_is_not_there_is_named_and_not_tried_again() -> None:
    with pytest.raises(errors.VerbMissing, match=r"onefact\.no_such_verb") as refused:
        verbs._called("onefact.no_such_verb", "run")
    assert isinstance(refused.value, errors.NeedsAPerson)
    with pytest.raises(errors.VerbMissing, match=r"onefact\.export\.fly"):
        verbs._called("onefact.export", "fly")


@dataclass
class Result:
    run_id: str
    rows: int
    report: Path
    names: tuple[str, ...]


def test_only_ids_counts_and_paths_come_back() -> None:
    result = Result("r1", 3, Path("out/report.html"), ("王伟",))
    assert verbs._plain(result) == {"run": "r1", "rows": 3, "report": str(Path("out/report.html"))}


def test_pulls_that_failed_are_counted() -> None:
    done = {"received": 5, "taken": 4}
    assert verbs.landed([done, None, done], 3) == {"systems": 2, "failed": 1, "received": 10, "taken": 8}


@dataclass
class Connection:
    extra: str | None = None
    uri: str = ""

    def get_uri(self) -> str:
        return self.uri


def test_secrets_go_into_the_environment_and_only_their_names_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ONEFACT_DATABASE_URL", "A_URL", "A_PASSWORD"):
        monkeypatch.setenv(name, "before")
    system = Connection(json.dumps({"A_URL": "http://127.0.0.1:1", "A_PASSWORD": "s"}))
    names = secrets.into_environment(Connection(uri="postgres://u:p@db:5432/onefact"), [system, Connection()])
    assert names == ["A_PASSWORD", "A_URL", "ONEFACT_DATABASE_URL"]
    import os

    assert (os.environ["ONEFACT_DATABASE_URL"], os.environ["A_PASSWORD"]) == ("postgresql://u:p@db:5432/onefact", "s")


def test_a_missed_deadline_is_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONEFACT_HOME", str(tmp_path))
    context = {"dag_run": {"dag_id": "push", "run_id": "r1"}}
    for _ in range(2):
        asyncio.run(deadlines.missed(context, what="回写未按时完成", limit="1:00:00"))
    lines = [json.loads(x) for x in (tmp_path / deadlines.FILE).read_text(encoding="utf-8").splitlines()]
    assert [(x["dag"], x["run"], x["what"]) for x in lines] == [("push", "r1", "回写未按时完成")] * 2

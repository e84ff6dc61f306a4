"""A whole Airflow on one machine (单机调度): `python -m dags.start up|watch|down`, which `make airflow` calls.

Everything lies below the working folder and listens on 127.0.0.1 only. The four parts of Airflow are started one by one and
not by `airflow standalone`, since that also starts two log servers, which listen on every address of the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from dags.watch import CHAIN, Airflow, Tasks, finished, landed, line, newest

ROOT = Path(__file__).resolve().parent.parent
PARTS: Mapping[str, tuple[str, ...]] = {
    "api-server": ("api-server",),
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}
PARALLELISM = 4
"""Tasks at a time: with Airflow's default of 32 a machine of two cores answers its own tasks too late, and they fail."""


class NotStarted(Exception):
    """Airflow did not come up; the message names the log."""


def environment(home: Path, port: int) -> dict[str, str]:
    """Return the environment of all parts: where everything lies, how much runs at a time, who may listen."""
    folder, url = home / "airflow", f"http://127.0.0.1:{port}"
    lineage = {"type": "file", "log_file_path": str(folder / "openlineage.jsonl"), "append": True}
    unwanted = ("AIRFLOW__", "PYTHONDONTWRITEBYTECODE")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(unwanted)}
    return kept | {
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), kept.get("PATH", ""))),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), kept.get("PYTHONPATH")))),
        "AIRFLOW_HOME": str(folder),
        "ONEFACT_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__PARALLELISM": str(PARALLELISM),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__DEFAULT_TIMEZONE": "Asia/Shanghai",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__EXECUTION_API__JWT_EXPIRATION_TIME": str(12 * 3600),  # a long task must be able to report its end
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "300",
        "AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(lineage),
        "AIRFLOW__OPENLINEAGE__NAMESPACE": "onefact",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }


def up(home: Path, people: int, seed: int, port: int) -> None:
    """Start the stand-ins and Airflow, begin the first cycle over all systems, and tell its progress until it is done."""
    began = time.monotonic()
    folder = home / "airflow"
    folder.mkdir(parents=True, exist_ok=True)
    if _running(folder):
        raise NotStarted("Airflow is running already. Look at it with `make airflow-watch`, end it with `make stop`.")
    if not _free(port):
        raise NotStarted(f"Port {port} of 127.0.0.1 is taken. Choose another: make airflow PORT=8099")
    env = environment(home, port)
    _say(f"Starting Airflow ({folder}) and the stand-ins ...")
    (folder / "address.json").write_text(json.dumps({"port": port}), encoding="utf-8")
    migrate = _begin(env, folder / "migrate.log", "db", "migrate")
    stand_ins = [sys.executable, "-m", "onefact", "--home", str(home), "sandbox", "start"]
    words = ["--people", str(people), "--seed", str(seed)]
    started = subprocess.run([*stand_ins, *words], env=env, check=False, stdout=subprocess.DEVNULL)  # noqa: S603
    if started.returncode:
        raise NotStarted("The stand-ins did not start.")
    if migrate.wait():
        raise NotStarted(f"Airflow's own database could not be made. See {folder / 'migrate.log'}.")
    pids = {}
    for name, part in PARTS.items():
        pids[name] = _begin(env, folder / f"{name}.log", *part).pid
        (folder / "pids.json").write_text(json.dumps(pids), encoding="utf-8")
    airflow = Airflow(folder)
    airflow.wait(180)
    _say(
        f"Airflow answers after {time.monotonic() - began:.0f} s: {airflow.url}  (user admin, password in {airflow.passwords})"
    )
    pulls = airflow.begin_pulls(120)
    _say(f"First cycle begun: {', '.join(dag for dag, _ in pulls)}. Watch it again at any time: make airflow-watch")
    waiting = True
    try:
        # One consolidation over all systems: after each pull, half of the facts would be pushed and pushed anew.
        for tasks in _follow(airflow, began):
            if waiting and landed(pulls, tasks):
                airflow.consolidate(now=True)
                waiting = False
            if finished(pulls, tasks):
                break
    finally:
        if waiting:
            airflow.consolidate(now=False)
    _say(f"First cycle finished {time.monotonic() - began:.0f} s after the command.")


def watch(home: Path) -> None:
    """Tell what runs, line by line, until interrupted."""
    airflow = Airflow(home / "airflow")
    airflow.wait(5)
    _say(f"{airflow.url}  (user admin, password in {airflow.passwords}); interrupt with Ctrl-C")
    for _ in _follow(airflow, time.monotonic()):
        pass


def down(home: Path) -> None:
    """End the parts of Airflow that `up` started, by their ids."""
    folder = home / "airflow"
    pids = _running(folder)
    for pid in pids.values():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGTERM)
    end = time.monotonic() + 20
    while _running(folder) and time.monotonic() < end:
        time.sleep(0.2)
    for pid in _running(folder).values():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    (folder / "pids.json").unlink(missing_ok=True)
    _say("Stopped: Airflow." if pids else "Airflow was not running.")


def _follow(airflow: Airflow, began: float) -> Iterator[Tasks]:
    """Tell what changes, for ever; yield the tasks of the runs on the road and of the newest of each other DAG."""
    told = ""
    while True:
        runs = airflow.runs()
        shown = newest(runs)
        road = [r for r in runs if r["dag_id"].startswith("pull_") or r["dag_id"] in {dag for dag, _ in CHAIN}]
        tasks = airflow.tasks([*shown, *(r for r in road if r not in shown)])
        now = line(shown, tasks)
        if now != told:
            _say(f"{time.monotonic() - began:5.0f} s  {now}")
            told = now
        yield tasks
        time.sleep(2)


def _begin(env: dict[str, str], log: Path, *words: str) -> subprocess.Popen[bytes]:
    """Start a part of Airflow in a session of its own, so that it outlives this command and can be ended whole."""
    with log.open("ab") as out:
        return subprocess.Popen(  # noqa: S603 - our own interpreter and words
            [sys.executable, "-m", "airflow", *words],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _running(folder: Path) -> dict[str, int]:
    """Return the parts that `up` started and that live, by name; a number that belongs to another program by now is not ours."""
    path = folder / "pids.json"
    stored = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {name: pid for name, pid in stored.items() if _ours(pid)}


def _ours(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        told = subprocess.run(["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S603, S607
    except FileNotFoundError:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 0)
            return True
        return False
    return "airflow" in told.stdout


def _free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _say(sentence: str) -> None:
    sys.stdout.write(sentence + "\n")
    sys.stdout.flush()


def main() -> int:
    """Run one of the three commands; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m dags.start", description="A whole Airflow on one machine.")
    parser.add_argument("command", choices=("up", "watch", "down"))
    parser.add_argument("--home", type=Path, default=Path(".onefact"))
    parser.add_argument("--people", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--port", type=int, default=8088)
    given = parser.parse_args()
    home = given.home.resolve()
    try:
        if given.command == "up":
            up(home, given.people, given.seed, given.port)
        elif given.command == "watch":
            watch(home)
        else:
            down(home)
    except KeyboardInterrupt:
        return 130
    except (NotStarted, Airflow.Silent) as problem:
        _say(str(problem))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The road from a folder of files, pull to golden, beside the floor: reading the same files and writing them to Parquet.

    python -m benchmarks.road [--records 1000000] [--systems 10] [--seed 1] [--keep DIR]

Both run as processes of their own in the same run; printed are wall seconds, peak memory of the process (and of the
embedded PostgreSQL beside it), their ratio, and how true the links are against the truth of the synthetic town.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

FLOOR = """
import sys, pathlib, duckdb, pyarrow.csv as pc, pyarrow.parquet as pq
from connectors.manifest import load_all
from connectors.manifest.sources import FilesSource
folder, out = map(pathlib.Path, sys.argv[1:])
out.mkdir(parents=True)
con = duckdb.connect(); con.execute("SET threads = 2"); con.execute("SET preserve_insertion_order = false")
for manifest in load_all(folder / "systems").values():
    base = (folder / "systems" / manifest.connection["folder"]).resolve()
    for dataset in manifest.datasets:
        source = FilesSource.model_validate(dataset.source)
        target = out / f"{manifest.id}.{dataset.name}.parquet"
        files = [str(f) for pattern in source.pattern for f in sorted(base.glob(pattern))]
        if source.format == "parquet":
            con.execute(f"COPY (SELECT * FROM read_parquet({files})) TO '{target}' (COMPRESSION zstd)")
        elif source.format == "jsonl":
            con.execute(f"COPY (SELECT * FROM read_json({files}, format='newline_delimited')) TO '{target}' (COMPRESSION zstd)")
        elif source.format == "csv" and source.encoding.lower().startswith("utf-8"):
            con.execute(f"COPY (SELECT * FROM read_csv({files}, all_varchar=true, header={source.header_row > 0}, "
                        f"delim='{source.delimiter}', skip={max(source.header_row - 1, 0)}, null_padding=true, ignore_errors=true)) TO '{target}' (COMPRESSION zstd)")
        elif source.format == "csv":  # DuckDB reads no GB18030 without an extension
            for i, name in enumerate(files):
                table = pc.read_csv(name, pc.ReadOptions(encoding=source.encoding, skip_rows=max(source.header_row - 1, 0),
                                    autogenerate_column_names=source.header_row == 0),
                                    pc.ParseOptions(delimiter=source.delimiter, invalid_row_handler=lambda row: "skip"))
                pq.write_table(table, out / f"{manifest.id}.{dataset.name}.{i}.parquet", compression="zstd")
"""


@dataclass(frozen=True)
class Measured:
    """Wall and processor seconds, peak memory (MB) of a process and of PostgreSQL beside it, and what it printed."""

    seconds: float
    cpu: float
    peak: float
    postgres: float
    output: str


def measure(command: list[str], home: Path | None = None) -> Measured:
    """Run a command to its end and return what it took; memory of the process as the operating system accounts it."""
    postgres, done = [0.0], threading.Event()

    def watch() -> None:
        while home is not None and not done.wait(0.2):
            with contextlib.suppress(psutil.Error):  # a server process may end while it is looked at
                postgres[0] = max(postgres[0], _postgres(home))

    watcher = threading.Thread(target=watch)
    with tempfile.TemporaryFile("w+", encoding="utf-8") as printed:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=printed)
        watcher.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        done.set()
        watcher.join()
        printed.seek(0)
        output = printed.read()
    if status:
        raise SystemExit(f"{command[0]} failed with {os.waitstatus_to_exitcode(status)}")
    return Measured(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, postgres[0], output)


def _postgres(home: Path) -> float:
    total = 0.0
    for process in psutil.process_iter(["name", "cmdline"]):
        if process.info["name"] == "postgres" and any(str(home) in part for part in process.info["cmdline"] or []):
            total += process.memory_full_info().pss / 1e6
            total += sum(child.memory_full_info().pss / 1e6 for child in process.children(recursive=True))
    return total


def main() -> None:
    """Make the extracts, run floor and road, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--systems", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder to work in and keep; a temporary one otherwise")
    options = parser.parse_args()
    folder = options.keep or Path(tempfile.mkdtemp(prefix="onefact-road-"))
    try:
        run(folder.resolve(), options.records, options.systems, options.seed)
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)


def run(folder: Path, records: int, systems: int, seed: int) -> None:
    """Run the benchmark in a folder."""
    from sandbox.extracts import write_extracts
    from warehouse import postgres

    if not (folder / "systems").exists():
        print(f"making {records:,} records in {systems} systems …", flush=True)
        write_extracts(folder / "systems", records, systems, seed)
    home, out = folder / "home", folder / "floor"
    shutil.rmtree(out, ignore_errors=True)
    base = [sys.executable, "-m", "onefact", "--home", str(home), "--systems", str(folder / "systems")]
    try:
        postgres.stop(home)
        shutil.rmtree(home, ignore_errors=True)
        floor = measure([sys.executable, "-c", FLOOR, str(folder), str(out)])
        postgres.open(home)  # starting an empty server is set-up, not road
        road = measure([*base, "run", "--json"], home)
        again = measure([*base, "run", "--json"], home)
        status = json.loads(subprocess.run([*base, "status", "--json"], capture_output=True, check=True).stdout)
        report(floor, road, again, status, folder)
    finally:
        postgres.stop(home)


def report(floor: Measured, road: Measured, again: Measured, status: dict[str, object], folder: Path) -> None:
    """Print the figures."""
    received = sum(s["received"] for s in status["systems"])  # type: ignore[attr-defined]
    print(
        f"cores {os.cpu_count()}, records received {received:,}, golden {status['entities']}, sums agree {status['balanced']}"
    )
    print(f"{'':28}{'seconds':>9}{'cpu s':>9}{'peak MB':>9}{'PostgreSQL MB':>15}")
    for name, m in (
        ("floor: read → Parquet", floor),
        ("road: pull → golden", road),
        ("road again, nothing new", again),
    ):
        print(f"{name:28}{m.seconds:9.1f}{m.cpu:9.1f}{m.peak:9.0f}{m.postgres:15.0f}")
    steps = json.loads(road.output)["seconds"]
    print("road by step: " + ", ".join(f"{step} {seconds:.1f} s" for step, seconds in steps.items()))
    print(f"road / floor: {road.seconds / floor.seconds:.1f}×, {received / road.seconds:,.0f} records/s")
    truth = folder / "systems" / "truth.parquet"
    if truth.exists():
        _scores(folder / "home", truth)


def _scores(home: Path, truth: Path) -> None:
    import pyarrow.parquet as pq

    from onefact.demo import score_against
    from onefact.home import Home

    for entity, score in score_against(Home(path=home), pq.read_table(truth)).items():
        print(f"links of {entity}: precision {score.precision:.4f}, recall {score.recall:.4f}, F1 {score.f1:.4f}")


if __name__ == "__main__":
    main()

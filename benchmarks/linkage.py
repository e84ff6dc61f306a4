"""Linkage beside Splink 5: time, memory, increments, growth, and how true the links are.

    python -m benchmarks.linkage [--records 1000000] [--runs 5] [--parts speed delta growth town hard]

Every job runs in a process of its own, on two threads, the two parties in turn; printed are medians, the highest memory
of the process, and ratios. Models are trained on records of another seed than they are measured on, before the clock
starts. The town is the sandbox's: forty systems, every kind of dirt, the truth kept apart; its test seeds are used for
nothing else.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PARTS = ("speed", "delta", "growth", "town", "hard")
TRAIN_RECORDS = 100_000
TEST_SEEDS = (41, 42, 43)
PEOPLE = 3000


def job(module: str, *arguments: object) -> dict[str, Any]:
    """Run a job in a process of its own and return what it printed last."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[2:])} failed:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def records(folder: Path, count: int, seed: int) -> Path:
    """Return a folder with so many records, prepared for both parties."""
    out = folder / f"records-{count}-{seed}"
    if not out.exists():
        command = [
            sys.executable,
            "benchmarks/linkage_data.py",
            "--records",
            str(count),
            "--seed",
            str(seed),
            "--out",
            str(out),
        ]
        subprocess.run(command, check=True, capture_output=True)
        ours = job("linkage_ours", "prepare", out / "records.parquet", out / "ours.parquet")
        foil = job("foils", "prepare", out / "records.parquet", out / "foil.parquet")
        print(
            f"  prepared {count:,} records: names and addresses {ours['seconds'][0]:.1f} s, the foil's columns {foil['seconds'][0]:.1f} s"
        )
    return out


def models(folder: Path) -> tuple[Path, Path]:
    """Train both parties on the same records, once."""
    train = records(folder, TRAIN_RECORDS, 2)
    ours, foil = folder / "ours.json", folder / "foil.json"
    if not ours.exists():
        job("linkage_ours", "train", train / "ours.parquet", train / "truth.parquet", ours)
        job("foils", "train", "lean", train / "foil.parquet", foil)
    return ours, foil


def speed(folder: Path, count: int, runs: int) -> None:
    """From Parquet to cluster ids with a saved model, tight and loose blocking."""
    ours, foil = models(folder)
    test = records(folder, count, 1)
    print(f"link {count:,} records, saved model, Parquet to cluster ids, median of {runs}")
    print(f"{'':18}{'seconds':>9}{'cpu s':>8}{'peak MB':>9}{'precision':>11}{'recall':>9}{'F1':>9}")
    for kind in ("lean", "wide"):
        mine, theirs = [], []
        for _ in range(runs):
            mine.append(job("linkage_ours", "link", kind, test / "ours.parquet", test / "truth.parquet", ours))
            theirs.append(job("foils", "link", kind, test / "foil.parquet", test / "truth.parquet", "--model", foil))
        for name, rows in (("onefact", mine), ("Splink 5", theirs)):
            wall, cpu = (statistics.median(r["seconds"][i] for r in rows) for i in (0, 1))
            peak, last = max(r["peak"] for r in rows), rows[-1]
            print(
                f"{kind + ' ' + name:18}{wall:9.2f}{cpu:8.2f}{peak:9.0f}{last['precision']:11.5f}{last['recall']:9.5f}{last['f1']:9.5f}"
            )
        ratio = statistics.median(r["seconds"][0] for r in theirs) / statistics.median(r["seconds"][0] for r in mine)
        print(f"{kind}: Splink / onefact {ratio:.1f}×")


def delta(folder: Path, count: int, runs: int) -> None:
    """A thousand new records against the others: places, ids, merges, golden rows, all written to the working copy."""
    _, foil = models(folder)
    test = records(folder, count, 1)
    rows = [job("linkage_ours", "delta", test / "records.parquet")["delta"] for _ in range(min(runs, 3))]
    wall = statistics.median(r["seconds"] for r in rows)
    places = statistics.median(r["places"] for r in rows)
    theirs = job("foils", "between", test / "foil.parquet", foil)
    edges = sum(theirs["stages"][s][0] for s in theirs["stages"] if s != "load")
    print(f"{rows[0]['records']:,} new records against {count:,}: {wall:.2f} s, of it addresses and places {places:.2f} s, links to golden rows "
          f"{wall - places:.2f} s; Splink, edges only: {edges:.2f} s")  # fmt: skip


def growth(folder: Path, runs: int) -> None:
    """Cost per record as the records grow."""
    ours, _ = models(folder)
    before = None
    for count in (100_000, 1_000_000, 5_000_000):
        test = records(folder, count, 1)
        took = [
            job("linkage_ours", "link", "lean", test / "ours.parquet", test / "truth.parquet", ours)
            for _ in range(min(runs, 3))
        ]
        cpu = statistics.median(r["seconds"][1] for r in took) / count * 1e6
        print(
            f"{count:>9,} records: {cpu:.2f} µs of processor time per record"
            + (f", {cpu / before:.2f}× of the row above" if before else "")
        )
        before = cpu


def town(folder: Path) -> None:
    """Pairwise precision and recall on test towns, beside exact ID grouping and Splink with its stock comparisons."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from benchmarks.foils.town import SYSTEMS, persons_of_town, train
    from benchmarks.foils.town import score as foils
    from benchmarks.linkage_road import consolidated, score
    from connectors.manifest import load_all
    from sandbox.standardised import attainable, record_of, standardised
    from sandbox.town import make_town

    stock = {"stock": train(persons_of_town(PEOPLE, 2)[0], "stock")}
    for seed in TEST_SEEDS:
        seen = standardised(make_town(PEOPLE, seed), load_all(SYSTEMS), seed)
        con = consolidated(folder / f"town-{seed}.duckdb", seen.tables)
        print(f"town of {PEOPLE:,} people, forty systems, seed {seed}")
        for entity_type in ("address", "house", "organisation", "person"):
            told = seen.truth.filter(pc.equal(seen.truth["entity_type"], entity_type))
            truth = pa.table({"record": record_of(told), "truth": told["truth_id"]})
            _print(f"onefact {entity_type}", score(con, entity_type, truth))
        con.close()
        persons = seen.tables["person"]
        print(f"  {'(recall without guessing':26}{attainable(persons, truth):.4f})")
        for name, result in foils(persons, truth, stock, (0.9, 0.99)).items():
            _print("exact ID" if name == "exact" else f"Splink {name}", result)


def _print(name: str, score: Any) -> None:
    print(f"  {name:26}precision {score.precision:.5f}  recall {score.recall:.5f}  F1 {score.f1:.5f}")


def hard(folder: Path) -> None:
    """Groups of different people, homes and firms that look alike: how many are wrongly merged."""
    from benchmarks.linkage_road import consolidated
    from sandbox.hard import KINDS, make, merged

    entities = {"neighbouring_houses": "house", "neighbouring_addresses": "address", "branches": "organisation"}
    for kind in KINDS:
        negatives = make(kind, 10_000, seed=7)
        entity = entities.get(kind, "person")
        con = consolidated(folder / f"{kind}.duckdb", {entity: negatives.records})  # type: ignore[dict-item]
        links = con.sql(
            "SELECT system_id || '\x1f' || record_key || '\x1f' || role AS record, master_id::VARCHAR AS master FROM crosswalk"
        ).to_arrow_table()
        con.close()
        print(f"{kind:24}wrongly merged {merged(links, negatives):,} of 10,000")


def main() -> None:
    """Run the parts."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--folder", type=Path, help="folder to keep records and models in; a temporary one otherwise")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="onefact-linkage-") as temporary:
        folder = (options.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        for part in options.parts:
            print(f"── {part}", flush=True)
            match part:
                case "speed":
                    speed(folder, options.records, options.runs)
                case "delta":
                    delta(folder, options.records, options.runs)
                case "growth":
                    growth(folder, options.runs)
                case "town":
                    town(folder)
                case _:
                    hard(folder)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main()

"""One foil in one process; prints one line of JSON.

    python -m benchmarks.foils prepare RECORDS.parquet PREPARED.parquet
    python -m benchmarks.foils train {stock|lean} PREPARED.parquet MODEL.json
    python -m benchmarks.foils link {exact|stock|lean|wide} FILE.parquet TRUTH.parquet [--model MODEL.json] [--probability 0.9]
    python -m benchmarks.foils between PREPARED.parquet MODEL.json [--new 1000]

`exact` reads the records themselves, the others the prepared file. `link` prints wall and processor seconds of each
stage from Parquet to cluster ids, peak memory before scoring (MB), and precision, recall and F1 over pairs.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from benchmarks.foils import models, run
from benchmarks.foils.prepare import prepare
from linkage.score import pairwise


def prepare_file(records: Path, out: Path) -> dict[str, Any]:
    """Write the prepared columns of a records file."""
    con, watch = run.connect(), run.Watch()
    with watch.stage("prepare"):
        con.execute(f"CREATE VIEW records AS SELECT record_key AS record, * FROM read_parquet('{records}')")
        prepare(con, "records")
        con.execute(f"COPY prepared TO '{out}' (COMPRESSION zstd)")
    return {"seconds": watch.seconds, "peak": watch.peak()}


def train(kind: str, prepared: Path, model: Path) -> dict[str, Any]:
    """Train a model on a prepared file and write it."""
    con, watch = run.connect(), run.Watch()
    with watch.stage("train"):
        run.load(con, prepared)
        trained = models.train(con, "prepared", kind)
    model.write_text(json.dumps(trained, indent=1), encoding="utf-8")
    return {"seconds": watch.seconds, "peak": watch.peak()}


def link(kind: str, file: Path, truth: Path, model: Path | None, probability: float) -> dict[str, Any]:
    """Link a file, from Parquet to cluster ids, and score the links."""
    con, watch = run.connect(), run.Watch()
    if kind == "exact":
        with watch.stage("load"):
            con.execute(f"CREATE TABLE records AS SELECT record_key AS record, id_number FROM read_parquet('{file}')")
        links, edges = run.exact(con, "records", watch)
    else:
        if model is None:
            raise SystemExit(f"{kind} needs --model; train one with: python -m benchmarks.foils train ...")
        with watch.stage("load"):
            run.load(con, file)
        trained = models.with_rules(json.loads(model.read_text(encoding="utf-8")), kind)
        links, edges = run.splink(con, "prepared", trained, watch, probability)
    peak = watch.peak()
    return {
        "kind": kind, "records": links.num_rows, "edges": edges, "seconds": watch.seconds, "stages": watch.stages, "peak": peak,
        **scores(links, truth),
    }  # fmt: skip


def between(prepared: Path, model: Path, new: int) -> dict[str, Any]:
    """Score new records against the others of a prepared file."""
    con, watch = run.connect(), run.Watch()
    with watch.stage("load"):
        run.load(con, prepared)
    edges = run.between(con, json.loads(model.read_text(encoding="utf-8")), new, watch)
    return {"new": new, "edges": edges, "stages": watch.stages, "peak": watch.peak()}


def scores(links: pa.Table, truth: Path) -> dict[str, float]:
    """Pairwise precision, recall and F1 of links (record, master) against a truth file (record_key, truth_id)."""
    known = duckdb.sql(f"SELECT record_key AS record, truth_id AS truth FROM read_parquet('{truth}')").to_arrow_table()
    score = pairwise(links, known)
    return {"precision": score.precision, "recall": score.recall, "f1": score.f1}


def main() -> None:
    """Run one foil."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("prepare")
    verb.add_argument("records", type=Path)
    verb.add_argument("out", type=Path)
    verb = verbs.add_parser("train")
    verb.add_argument("kind", choices=("stock", "lean"))
    verb.add_argument("prepared", type=Path)
    verb.add_argument("model", type=Path)
    verb = verbs.add_parser("link")
    verb.add_argument("kind", choices=("exact", *models.KINDS))
    verb.add_argument("file", type=Path)
    verb.add_argument("truth", type=Path)
    verb.add_argument("--model", type=Path)
    verb.add_argument("--probability", type=float, default=run.PROBABILITY)
    verb = verbs.add_parser("between")
    verb.add_argument("prepared", type=Path)
    verb.add_argument("model", type=Path)
    verb.add_argument("--new", type=int, default=1000)
    options = vars(parser.parse_args())
    jobs = {"prepare": prepare_file, "train": train, "link": link, "between": between}
    print(json.dumps(jobs[options.pop("verb")](**options)))


if __name__ == "__main__":
    main()

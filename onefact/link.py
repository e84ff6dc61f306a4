"""Link (链接): the whole linkage of persons on an engine of choice, written as Parquet; the master is not touched.

For a trial of a model, or where the records outgrow one machine: the same pipeline runs on DuckDB and on Spark.
"""

from __future__ import annotations

import shutil
import tempfile
import time
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
from linkage.pipeline import NAME, link
from linkage.prepare import prepare
from onefact import models
from onefact.home import Home
from warehouse.duck import standardised_table

EngineName = Literal["duckdb", "spark"]


class RecordsUnusable(Exception):
    """A file that holds no standardised records, with what is missing."""


@dataclass(frozen=True, slots=True)
class Linked:
    """What a linkage came to: the file (a folder of parts from Spark), what is in it, and how long linking took."""

    file: Path
    records: int
    clusters: int
    seconds: float


def run(
    home: Home,
    engine: EngineName,
    out: Path,
    *,
    records: Path | None = None,
    master: str = "local[2]",
    shared: str | None = None,
) -> Linked:
    """Link all persons and write `clusters.parquet` (system_id, record_key, role, cluster, rule) into a folder.

    A cluster is named by its first record (system/role/key), so both engines write the same rows.

    Args:
        home: the installation; its model and, without `records`, its standardised records.
        engine: `duckdb` or `spark`.
        out: folder to write to; what stood there as `clusters.parquet` is replaced.
        records: Parquet file of standardised persons; missing columns are empty. It brings no hints of refused numbers.
        master: Spark's master, e.g. `local[2]`.
        shared: folder that all workers of a Spark cluster reach.

    Raises:
        RecordsUnusable: the file is no Parquet, or lacks the columns that name a record.
        SparkMissing: PySpark or Java is missing, or a cluster has no shared folder.
    """
    began = time.monotonic()
    spec, model = SPECS["person"], models.current(home, "person")
    wanted = (*RECORD, *spec.fields)
    with _engine(engine, master, shared) as made:
        hints = None
        if records:
            of_file = _of_file(records, wanted)  # before an engine opens it: its errors are not ours
            made.read("record_file", str(records))
            made.table("std_person", of_file)
        else:
            persons, told = _of_home(home, wanted)
            made.put("std_person", persons)
            made.put("std_hint", told)
            hints = "std_hint"
        known = models.name_frequencies(home, "person")
        link(made, spec, model, prepare(made, spec, model, records="std_person", known=known, hints=hints))
        file = _written(made, out)
        totals = made.arrow(
            "SELECT count(*) AS records, count(DISTINCT cluster) AS clusters FROM clustered"
        ).to_pylist()
    return Linked(file, totals[0]["records"], totals[0]["clusters"], round(time.monotonic() - began, 1))


def _of_home(home: Home, wanted: tuple[str, ...]) -> tuple[pa.Table, pa.Table]:
    """Return the standardised persons, and what their refused ID numbers still say."""
    with home.warehouse() as con:
        persons = con.sql(f"SELECT {', '.join(wanted)} FROM {standardised_table('person')}").to_arrow_table()
        return persons, con.sql("SELECT * FROM std_hint").to_arrow_table()


def _of_file(path: Path, wanted: tuple[str, ...]) -> str:
    """Return the SQL of the wanted columns of the file, which the engine reads by itself as `record_file`."""
    first = next(iter(sorted(path.glob("*.parquet"))), path) if path.is_dir() else path
    try:
        held = pq.read_schema(first).names
    except (OSError, pa.ArrowInvalid) as problem:
        raise RecordsUnusable(f"{path} is no Parquet file that can be read.") from problem
    missing = [c for c in RECORD if c not in held]
    if missing:
        raise RecordsUnusable(f"{path.name} has no column {', '.join(missing)}: standardised records name each record.")
    columns = ", ".join(f"{c if c in held else 'NULL'}::VARCHAR AS {c}" for c in wanted)
    return f"SELECT {columns} FROM record_file"


def _written(engine: Engine, out: Path) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    file = out / "clusters.parquet"
    if file.is_dir():
        shutil.rmtree(file)
    file.unlink(missing_ok=True)
    named = ", ".join(f"k.{c}" for c in RECORD)
    engine.write(
        f"SELECT {', '.join(RECORD)}, min({NAME}) OVER (PARTITION BY code) AS cluster, rule FROM ("
        f"SELECT {named}, c.cluster AS code, c.rule FROM clustered c JOIN comparable k ON k.rid = c.rid) n",
        str(file),
    )
    return file


@contextmanager
def _engine(name: EngineName, master: str, shared: str | None) -> Iterator[Engine]:
    if name == "duckdb":
        with duckdb.connect() as con:
            con.execute("SET preserve_insertion_order = false")
            yield DuckEngine(con)
        return
    from linkage.spark.session import spark_engine

    with tempfile.TemporaryDirectory() as scratch, spark_engine(master, Path(scratch), shared=shared) as engine:
        yield engine

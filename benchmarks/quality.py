"""Twenty rules over a million records with every failing row, beside Great Expectations on the same rows in the same run.

    python -m benchmarks.quality [records] [--gx]

Ours: DuckDB, 2 threads, the rules compiled from the catalogue; wall time and the greatest memory of a process of its own, which
holds the table's file open and writes all failing rows to Parquet. The floor is one scan of the same columns. With `--gx`
(needs requirements-gx.txt) the rules that Great Expectations has itself run there on pandas, result format COMPLETE, which
is the one that names rows; the ones it has not are left out, in its favour. Then the same rules on the same rows inside PostgreSQL (one
embedded server, the table loaded before the clock starts), where GX counts and names 20 rows per rule at most.
"""

import resource
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

# This file has the name of the room that it measures; Python would find it first.
sys.path = [p for p in sys.path if Path(p).resolve() != Path(__file__).resolve().parent]

RULES = (
    "person.name.filled", "person.id_number.filled", "person.sex.filled", "person.birth_date.filled", "person.phone.filled",
    "person.sex.code", "person.ethnicity.code", "person.population_type.code", "person.id_type.code", "person.education.code",
    "person.phone.phone", "person.name.intact", "person.name.length", "person.id_number.number", "person.birth_date.not_future",
    "person.sex.matches_id", "person.birth_date.matches_id", "person.political_status.adult", "person.permit.order",
    "person.id_number.once",
)  # fmt: skip
"""Five filled, five coded, three by pattern or length, six by SQL (check digits among them), one across records."""

NOW = datetime(2026, 11, 25)  # noqa: DTZ001 - local time of the site
SCAN = 'SELECT count("name"), count("id_number"), count("sex"), count("birth_date"), count("phone"), max("ethnicity"), max("education") FROM std_person'


def fill(path: Path, records: int) -> None:
    """Write a warehouse with so many persons of two systems; one in 8 to 1,000 rows is wrong, by rule (seeded by row number)."""
    from warehouse.duck import RECORD_ID, SOURCE_ID, open_warehouse

    weights, digits = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2), "10X98765432"
    total = " + ".join(f"substr(body, {i + 1}, 1)::INTEGER * {w}" for i, w in enumerate(weights))
    with open_warehouse(path) as con:
        con.execute(
            f"""
            CREATE TEMP TABLE base AS SELECT i, '420199' || strftime(birth, '%Y%m%d') || lpad((i % 500 * 2 + i // 7 % 2)::VARCHAR, 3, '0') AS body,
                birth FROM (SELECT range AS i, (DATE '1940-01-01' + (hash(range) % 27000)::INTEGER)::DATE AS birth FROM range({records}));
            INSERT INTO std_person BY NAME SELECT *, {RECORD_ID} AS rid, {SOURCE_ID} AS sid FROM (
            SELECT CASE WHEN i % 2 = 0 THEN 'ybss' ELSE 'zz_9x' END AS system_id, 'p' || i AS record_key, 'person' AS role, 'persons' AS dataset,
              '2026-10-01T00:00:00' AS observed_at, false AS deleted, '111' AS id_type,
              CASE WHEN i % 331 <> 0 THEN body || substr('{digits}', ({total}) % 11 + CASE WHEN i % 997 = 0 THEN 2 ELSE 1 END, 1) END AS id_number,
              CASE WHEN i % 929 <> 0 THEN '张' || chr(19968 + (i % 2000)::INTEGER) || CASE WHEN i % 701 = 0 THEN '?' ELSE '' END END AS name,
              CASE WHEN i % 10500 = 0 THEN '7' WHEN substr(body, 17, 1)::INTEGER % 2 = CASE WHEN i % 499 = 0 THEN 0 ELSE 1 END THEN '1' ELSE '2' END AS sex,
              (birth + CASE WHEN i % 887 = 0 THEN 1 ELSE 0 END)::DATE::VARCHAR AS birth_date,
              CASE WHEN i % 50 = 0 THEN '139' || i % 1000 ELSE '139' || lpad((i % 100000000)::VARCHAR, 8, '0') END AS phone,
              CASE WHEN i % 8 = 0 THEN '99' ELSE '01' END AS ethnicity, CASE WHEN i % 3 = 0 THEN '20' END AS education,
              (i % 4 + 1)::VARCHAR AS population_type, CASE WHEN i % 20 = 0 THEN '01' END AS political_status,
              CASE WHEN i % 40 = 0 THEN '2025-01-01' END AS inflow_date, CASE WHEN i % 40 = 0 THEN CASE WHEN i % 400 = 0 THEN '2024-01-01' ELSE '2027-01-01' END END AS permit_expiry
            FROM base)
            """
        )


def ours(path: Path) -> None:
    """Run the rules in this process; print seconds, greatest memory (MB) and failing rows."""
    import duckdb
    import pyarrow.parquet as pq

    from quality.catalogue import load
    from quality.inputs import Inputs
    from quality.run import run

    rules = load().only(RULES)
    with duckdb.connect(str(path), read_only=True, config={"threads": 2, "memory_limit": "160MB"}) as con:
        con.execute("SET preserve_insertion_order = false")
        began = time.perf_counter()
        con.execute(SCAN).fetchall()
        floor = time.perf_counter() - began
        began, used = time.perf_counter(), time.process_time()
        results = run(con, rules, Inputs(NOW))
        reader = con.sql("SELECT * FROM q_failing").to_arrow_reader(20_000)
        with pq.ParquetWriter(path.with_suffix(".failing.parquet"), reader.schema) as writer:
            for batch in reader:
                writer.write_batch(batch)
        seconds, processor = time.perf_counter() - began, time.process_time() - used
    failed = sum(r.failed for r in results)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"ours       {seconds:6.2f} s wall {processor:6.2f} s processor {memory:6.0f} MB {failed:9,d} failing rows, "
        f"{sum(r.evaluated > 0 for r in results)} rules; floor (one scan) {floor:.2f} s"
    )


def gx(path: Path) -> None:
    """Run those of the rules that Great Expectations has itself on pandas; print as `ours`."""
    import duckdb

    from quality import gx as theirs
    from quality.catalogue import load

    rules = theirs.native(load().only(RULES).rules)
    with duckdb.connect(str(path), read_only=True) as con:
        columns = ", ".join(f'"{c}"' for c in dict.fromkeys([*theirs.KEY, *(f for r in rules for f in r.check.fields)]))
        frame = con.sql(f"SELECT {columns} FROM std_person").to_arrow_table().to_pandas()
    theirs.library()  # seconds, and no part of the work
    began, used = time.perf_counter(), time.process_time()
    found = theirs.on_frame(rules, frame, NOW)
    seconds, processor = time.perf_counter() - began, time.process_time() - used
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    failed = sum(len(keys) for keys in found.values())
    print(
        f"gx, pandas {seconds:6.2f} s wall {processor:6.2f} s processor {memory:6.0f} MB {failed:9,d} failing rows, {len(rules)} rules"
    )


def gx_postgres(path: Path) -> None:
    """Run the same rules inside PostgreSQL, but for patterns, which GX writes otherwise there; print as `ours`."""
    import adbc_driver_postgresql.dbapi as adbc
    import duckdb

    from quality import gx as theirs
    from quality.catalogue import load
    from warehouse import postgres

    rules = [r for r in theirs.native(load().only(RULES).rules) if r.check.kind != "regex"]
    with duckdb.connect(str(path), read_only=True) as con:
        columns = ", ".join(f'"{c}"' for c in dict.fromkeys([*theirs.KEY, *(f for r in rules for f in r.check.fields)]))
        rows = con.sql(f"SELECT {columns} FROM std_person").to_arrow_table()
    folder = path.parent / "server"
    server = postgres.open(folder, url="")
    try:
        with adbc.connect(server.dsn()) as pg, pg.cursor() as cursor:
            cursor.adbc_ingest("rated", rows, mode="create")
            pg.commit()
        theirs.library()
        began, used = time.perf_counter(), time.process_time()
        found = theirs.on_postgres(rules, server.url(), "rated")
        seconds, processor = time.perf_counter() - began, time.process_time() - used
    finally:
        postgres.stop(folder)
    failed = sum(n for _, n in found.values())
    print(
        f"gx, postgres {seconds:4.2f} s wall {processor:6.2f} s processor (the client's) {failed:9,d} failing rows counted, {len(rules)} rules"
    )


def main() -> None:
    """Fill, then measure, each in a process of its own: a process is charged with the memory of the one that starts it."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["--fill"]:
        fill(Path(arguments[1]), int(arguments[2]))
        return
    measured = {"--ours": ours, "--theirs": gx, "--theirs-postgres": gx_postgres}
    if arguments and (measure := measured.get(arguments[0])):
        measure(Path(arguments[1]))
        return
    records = next((int(a) for a in arguments if a.isdigit()), 1_000_000)
    modes = ["--ours", *(["--theirs", "--theirs-postgres"] if "--gx" in arguments else [])]
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "w.duckdb")
        subprocess.run([sys.executable, __file__, "--fill", path, str(records)], check=True)
        print(f"{records:,} persons, {len(RULES)} rules", flush=True)
        for mode in modes:
            subprocess.run([sys.executable, __file__, mode, path], check=True)


if __name__ == "__main__":
    main()

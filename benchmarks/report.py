"""The auditor's report of forty systems in its three forms, and what it costs to keep golden history.

    python -m benchmarks.report [failing rows] [persons]

The facts are made up (seeded): all manifests and rules that ship with onefact, twelve workers, so many failing rows. The PDF's floor is
WeasyPrint on the same page without its annex and failing rows; the workbook's is XlsxWriter on the failing rows alone. For the
history a table of persons in an embedded PostgreSQL is updated in one field of each twentieth person, once with the statement that
keeps what is replaced and once without.
"""

import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import psycopg
import xlsxwriter

from connectors.manifest import load_all
from onefact.home import OWN_SYSTEMS
from onefact.report.period import excel, pdf, view
from onefact.report.period.burden import Burden, Load
from onefact.report.period.collect import Report
from onefact.report.period.cover import Runs
from onefact.report.period.flow import SystemFlow
from onefact.report.period.merging import Merging
from onefact.report.period.scores import FailingRow, Mark, Quality, RuleMark, Run, SystemMarks
from onefact.report.period.span import Period
from onefact.report.sharing import family
from quality.catalogue import load
from quality.dimensions import DIMENSIONS, dimension_name
from schemas.entities import ENTITIES
from warehouse import golden_history, postgres

NOW = datetime(2026, 11, 30, 18).astimezone()


def facts(rows: int) -> Report:
    """Make a report's facts up."""
    rng = random.Random(1)
    manifests, rules = load_all(OWN_SYSTEMS), load()

    def marks() -> tuple[Mark, ...]:
        codes = (*DIMENSIONS, "00")
        return tuple(
            Mark(c, "总分" if c == "00" else dimension_name(c), rng.uniform(0.5, 1), rng.uniform(0.5, 1)) for c in codes
        )

    ruled = tuple(
        RuleMark(r.id, r.name, r.code, r.severity, r.owner, r.threshold, rng.choice(("passed", "failed", "did_not_run")), 900, rng.randrange(300),
                 "缺少依据：findings", tuple(rng.random() for _ in range(12)))
        for r in rules.rules
    )  # fmt: skip
    failing = tuple(
        FailingRow(r.id, r.name, "错误", "sg_etong", f"{i:012d}", "实有人口", r.field, "中南路街道", "4201060100101", "武昌区民政局")
        for i, r in zip(range(rows), rules.rules * (rows // len(rules.rules) + 1), strict=False)
    )  # fmt: skip
    systems = tuple(SystemMarks(m.id, m.name, m.department, family(m.department), marks()) for m in manifests.values())
    total = marks()
    quality = Quality(
        Run("20261130T060000-quality-000001", NOW, rules.version, "20261130T050000-consolidate-000001", rows, Path()), None, "",
        total[-1], total[:-1], systems, ruled, failing, "",
    )  # fmt: skip
    load_of = lambda name: Load(name, rng.randrange(90), rng.randrange(2000), rng.randrange(900), rng.randrange(90), 20)  # noqa: E731
    burden = Burden(
        [load_of(f"网格员{i}") for i in range(12)], [load_of("2026-11")], [load_of(s) for s in manifests], load_of(""),
        [load_of(s) for s in manifests], [], "", "",
    )  # fmt: skip
    flows = [
        SystemFlow(m.id, m.name, m.department, 30, 0, 900, 100, 700, 50, 50, {"verified": 80, "rejected": 3}, {}, 80, 800, "", {"stale": 2})
        for m in manifests.values()
    ]  # fmt: skip
    merging = [Merging(e.cn, 9000, 3000, 5900, 12, 3, 1, 0, 9, 4, 5, 12) for e in ENTITIES.values()]
    period = Period(date(2026, 11, 1), date(2026, 11, 30))
    runs = [Runs("consolidate", "归集", tuple(f"20261101T{i:06d}-consolidate-{i:06x}" for i in range(700)))]
    return Report(period, NOW, runs, "未启用", quality, merging, burden, flows, rules.rules, rules.version)


def timed(what: str, work: Callable[[], Any], floor: float | None = None) -> float:
    """Print wall and processor seconds, and the ratio to a floor; return the processor seconds."""
    began, used = time.perf_counter(), time.process_time()
    told = work()
    seconds, processor = time.perf_counter() - began, time.process_time() - used
    ratio = f"  {processor / floor:5.1f} x floor" if floor else ""
    print(f"{what:34s} {seconds:6.2f} s wall {processor:6.2f} s processor{ratio}  {told or ''}", flush=True)
    return processor


def report(folder: Path, rows: int) -> None:
    """Write the report in each form."""
    from weasyprint import HTML

    made = facts(rows)
    few = replace(made, rules=(), runs=(), quality=replace(made.quality, failing=()))
    timed("page", lambda: f"{len(view.html(made)) // 1024} kB")
    page, short = view.html(made, rows=60), view.html(few)
    HTML(string="<p>字</p>").write_pdf(folder / "warm.pdf")  # the fonts are found once
    floor = timed("pdf, without annex (floor)", lambda: f"{len(HTML(string=short).render().pages)} pages")
    timed("pdf, whole, laid out", lambda: f"{len(HTML(string=page).render().pages)} pages", floor)
    timed("pdf, whole, written", lambda: f"{pdf.write(page, folder / 'r.pdf').stat().st_size // 1024} kB", floor)

    def bare() -> None:
        with xlsxwriter.Workbook(str(folder / "f.xlsx"), excel.OPTIONS) as book:
            sheet = book.add_worksheet()
            for i, r in enumerate(made.quality.failing):
                for j, text in enumerate(
                    (
                        r.severity,
                        r.rule_id,
                        r.rule,
                        r.system_id,
                        r.record_key,
                        r.entity,
                        r.field,
                        r.street,
                        r.grid,
                        r.department,
                    )
                ):
                    sheet.write_string(i, j, text)

    floor = timed(f"workbook of {rows:,} rows alone (floor)", bare)
    timed("workbook, whole", lambda: str(excel.write(made, folder / "r.xlsx").stat().st_size // 1024) + " kB", floor)


def history(folder: Path, persons: int) -> None:
    """Update each twentieth person, without and with history."""
    server = postgres.open(folder / "server", url="")
    try:
        from sqlalchemy import create_engine

        from warehouse import tables

        engine = create_engine(server.url())
        tables.create_all(engine)
        engine.dispose()
        with psycopg.connect(server.dsn()) as pg:
            names = (
                "name",
                "id_number",
                "phone",
                "sex",
                "birth_date",
                "residence_address",
                "ethnicity",
                "education",
                "id_type",
                "registered_address",
            )
            provenance = ", ".join(f"'{n}', 'ybss|' || i || '|person|2026-10-01T00:00:00'" for n in names)
            pg.execute(
                f"INSERT INTO person (master_id, name, id_number, phone, sex, birth_date, residence_address, ethnicity, education, id_type, "
                f"registered_address, provenance, run_id) SELECT gen_random_uuid(), '张' || i, lpad(i::text, 18, '4'), '139' || lpad(i::text, 8, '0'), '1', "
                f"'1980-01-01', '中南路' || i || '号', '01', '20', '111', '中南路' || i || '号', jsonb_build_object({provenance}), 'r1' FROM generate_series(1, {persons}) i".encode()
            )
            pg.execute(
                "CREATE TEMP TABLE fresh_person AS SELECT * FROM person WHERE hashtext(master_id::text) % 20 = 0"
            )
            pg.execute(
                "UPDATE fresh_person SET phone = '13800000000', provenance = provenance || '{\"phone\": \"entry|1|person|2026-11-01\"}'"
            )
            pg.execute("ANALYZE person; ANALYZE fresh_person")
            found = pg.execute("SELECT count(*) FROM fresh_person").fetchone()
            changed = found[0] if found else 0
            held = [f.name for f in ENTITIES["person"].fields]
            update = ", ".join(f'"{n}" = excluded."{n}"' for n in held)
            columns = ", ".join(f'"{n}"' for n in held)
            upsert = (
                f"INSERT INTO person (master_id, {columns}, provenance, run_id) SELECT master_id, {columns}, provenance, 'r2' FROM fresh_person "
                f"ON CONFLICT (master_id) DO UPDATE SET {update}, provenance = excluded.provenance, run_id = excluded.run_id, version = person.version + 1"
            )
            keep = golden_history.replaced_sql("person", "fresh_person", held, "now()", "r2")
            print(
                f"{persons:,} persons, {changed:,} of them changed in one field; seconds by the wall, the server does the work"
            )
            began = time.perf_counter()
            kept = pg.execute(keep.encode()).rowcount
            between = time.perf_counter()
            pg.execute(upsert.encode())
            done = time.perf_counter()
            size = pg.execute(
                "SELECT pg_total_relation_size('golden_history') / greatest(count(*), 1) FROM golden_history"
            ).fetchone()
            print(
                f"update alone (floor) {done - between:.2f} s; keeping {kept:,} values {between - began:.2f} s, "
                f"{(done - began) / (done - between):.2f} x floor together; {size[0] if size else 0} bytes a value with its index"
            )
    finally:
        postgres.stop(folder / "server")


def main() -> None:
    """Measure."""
    numbers = [int(a) for a in sys.argv[1:]]
    rows, persons = (numbers + [100_000, 200_000][len(numbers) :])[:2]
    with tempfile.TemporaryDirectory() as folder:
        report(Path(folder), rows)
        history(Path(folder), persons)


if __name__ == "__main__":
    main()

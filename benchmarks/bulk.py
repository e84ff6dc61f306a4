"""50,000 rows of Excel taken in, beside the floor of the same run: reading the cells and copying them into a table.

    python -m benchmarks.bulk [rows] [persons in the master]

The file: 55 % known persons (a third of them with a new phone), 35 % new ones, 10 % with an error. Measured: dry run, entry, the
file of bad rows, and a second upload of the same file, each with the embedded PostgreSQL on this machine.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
import xlsxwriter
from python_calamine import CalamineWorkbook

from onefact.bulk import compare
from onefact.bulk.enter import OUTCOMES, bulk
from onefact.bulk.layout import layout
from onefact.bulk.returns import write_bad
from onefact.home import Home
from warehouse import postgres

WEIGHTS, DIGITS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2), "10X98765432"
FIELDS = (
    "name",
    "id_number",
    "phone",
    "residence_address",
    "ethnicity",
    "population_type",
    "registered_address",
    "education",
)


def number(i: int) -> str:
    """Return the citizen number of invented person i."""
    body = f"420199{1940 + i % 70}{1 + i // 70 % 12:02}{1 + i // 840 % 28:02}{i // 23520 % 1000:03}"
    return body + DIGITS[sum(int(c) * w for c, w in zip(body, WEIGHTS, strict=True)) % 11]


def person(i: int) -> dict[str, str]:
    """Return invented person i."""
    where = (
        f"湖北省武汉市武昌区示范街道示范社区示范路{i % 300 + 1}号示范小区{i % 40 + 1}栋{i % 3 + 1}单元{i % 30 + 1}01室"
    )
    return {
        "name": f"{'张王李赵陈'[i % 5]}{chr(0x4E00 + i % 3000)}", "id_number": number(i), "phone": f"139{i:08}", "residence_address": where,
        "ethnicity": "01", "population_type": "1", "registered_address": where, "education": "20",
    }  # fmt: skip


def fill(home: Home, people: int) -> None:
    """Load so many golden persons."""
    columns: dict[str, Any] = {n: [] for n in FIELDS}
    for i in range(people):
        for n, v in person(i).items():
            columns[n].append(v)
    table = pa.table({**columns, "provenance": pa.repeat("{}", people), "run_id": pa.repeat("bench", people)})
    with home.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE person ALTER COLUMN master_id SET DEFAULT gen_random_uuid()")
        compare.copy(connection, "person", table)
    with home.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE person")


def workbook(rows: int, people: int, path: Path) -> bytes:
    """Write a filled template."""
    words = {"ethnicity": "汉族", "population_type": "户籍人口", "education": "大学本科教育"}
    titles = {c.field.name: c.title for c in layout("person").columns}
    with xlsxwriter.Workbook(str(path), {"constant_memory": True, "strings_to_formulas": False}) as book:
        sheet = book.add_worksheet("填报")
        sheet.write_row(0, 0, [titles[n] for n in FIELDS])
        for row in range(rows):
            kind = row % 20
            values = person(row * (people // rows) if kind < 11 else people + row)
            if kind < 4:
                values["phone"] = f"138{row:08}"
            if kind >= 18:
                values["id_number"] = values["id_number"][:-1] + ("1" if values["id_number"][-1] == "0" else "0")
            for column, name in enumerate(FIELDS):
                sheet.write_string(row + 1, column, words.get(name, values[name]))
    return path.read_bytes()


def floor(home: Home, data: bytes) -> None:
    """Read the cells and copy them into a table: what no way of taking a file in can do without."""
    cells = CalamineWorkbook.from_filelike(BytesIO(data)).get_sheet_by_index(0).to_python()
    columns = list(zip(*cells[1:], strict=True))
    with home.engine.connect() as connection:
        named = {n: pa.array(c, pa.string()) for n, c in zip(FIELDS, columns, strict=True)}
        compare.load(connection, named, len(columns[0]))


def timed(job: str, work: Callable[[], Any]) -> tuple[Any, float]:
    """Run a job and print how long it took."""
    began = time.perf_counter()
    result = work()
    took = time.perf_counter() - began
    print(f"{job:<28}{took:8.2f} s")
    return result, took


def main() -> None:
    """Measure."""
    rows, people = int(sys.argv[1]) if sys.argv[1:] else 50_000, int(sys.argv[2]) if sys.argv[2:] else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        try:
            fill(home, people)
            data = workbook(rows, people, Path(folder) / "in.xlsx")
            print(f"{rows:,} rows, {len(data) / 1e6:.1f} MB, {people:,} persons in the master")
            _, least = timed("floor: read and copy", lambda: floor(home, data))
            timed("dry run", lambda: bulk(home, data, "bench", dry_run=True))
            done, took = timed("entry", lambda: bulk(home, data, "bench"))
            _, back = timed("bad rows back", lambda: write_bad(done, Path(folder) / "bad.xlsx"))
            again, _ = timed("second upload", lambda: bulk(home, data, "bench"))
            print({name: done.counts[name] for name in OUTCOMES}, f"facts {done.facts}, tickets {done.tickets}")
            print({name: again.counts[name] for name in OUTCOMES}, f"facts {again.facts}, tickets {again.tickets}")
            print(f"entry and bad rows {took + back:.1f} s = {(took + back) / least:.1f} x floor")
            with home.engine.connect() as connection:
                kept = connection.execute(sa.text("SELECT count(*) FROM entry")).scalar_one()
            if kept != done.facts or sum(done.counts.values()) != rows or again.facts:
                sys.exit("the sums do not agree")
        finally:
            home.close()
            postgres.stop(home.path)


if __name__ == "__main__":
    main()

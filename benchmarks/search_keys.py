"""How fast the portal's one box answers at a million persons, beside a select by primary key in the same run.

Run: python -m benchmarks.search_keys [persons]. Everything is synthetic; the master is thrown away afterwards.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from onefact.search import search
from warehouse import postgres, tables

SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华建国玉兰文辉玲"
GRID = 1000
"""Persons in a grid."""

FILL = (
    f"""
INSERT INTO person (master_id, name, id_number, phone, provenance, run_id)
SELECT gen_random_uuid(), substr('{SURNAMES}', 1 + (random() * 19)::int, 1) || substr('{GIVEN}', 1 + (random() * 31)::int, 1)
  || substr('{GIVEN}', 1 + (random() * 31)::int, 1), '420199' || to_char(i, 'FM000000000000'), '139' || to_char(i, 'FM00000000'), '{{}}', 'bench'
FROM generate_series(1, :n) i""",
    """
INSERT INTO search_key SELECT 'person', master_id, 'name', name FROM person
UNION ALL SELECT 'person', master_id, 'initials', upper(left(md5(name), 3)) FROM person
UNION ALL SELECT 'person', master_id, 'id', id_number FROM person UNION ALL SELECT 'person', master_id, 'id', right(id_number, 6) FROM person
UNION ALL SELECT 'person', master_id, 'phone', phone FROM person UNION ALL SELECT 'person', master_id, 'phone', right(phone, 4) FROM person""",
    f"""INSERT INTO entity_grid (entity_type, master_id, field, grid) SELECT 'person', master_id, 'residence_address', 'G' || (row_number() OVER () / {GRID}) FROM person""",
    "ANALYZE",
)


def timed(work: Callable[[], object], times: int = 60) -> tuple[float, float]:
    """Return (median, 99th percentile) in milliseconds."""
    took = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        took.append((time.perf_counter() - start) * 1000)
    return statistics.median(took), sorted(took)[int(times * 0.99) - 1]


def main(persons: int) -> None:
    """Fill a master, ask, print."""
    folder = Path(tempfile.mkdtemp())
    try:
        server = postgres.open(folder, url="")
        engine = sa.create_engine(server.url())
        tables.create_all(engine)
        with engine.begin() as connection:
            for statement in FILL:
                connection.execute(sa.text(statement), {"n": persons} if ":n" in statement else {})
        with engine.connect() as connection:
            one = connection.execute(sa.text("SELECT master_id::text FROM person LIMIT 1")).scalar_one()
            floor = timed(
                lambda: connection.execute(sa.text("SELECT name FROM person WHERE master_id = :i"), {"i": one}).all()
            )
            print(f"persons {persons:,}\nselect by primary key: median {floor[0]:.2f} ms")
            for who, grids in (("one grid", ["G1"]), ("the whole district", None)):
                for typed in ("王", "王建国", "A1B", "420199000000123456"[:18], "13900000777", "0777"):
                    median, late = timed(lambda t=typed, g=grids: search(connection, t, g))  # type: ignore[misc]
                    print(
                        f"{who}, {typed}: median {median:.1f} ms, 99th {late:.1f} ms, {median / floor[0]:.0f} x the floor"
                    )
    finally:
        postgres.stop(folder)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)

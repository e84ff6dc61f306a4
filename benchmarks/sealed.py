"""The sealed log: 200,000 acts appended and verified, beside the floor of hashing the same bytes alone.

    python -m benchmarks.sealed [rows]

A PostgreSQL of its own in a temporary folder. Appending is shown in portions (what a bulk job does) and one act per
transaction (what a portal does, each with its commit to disk). Verifying reads every row from PostgreSQL, computes its hash
and follows the chain. The floor hashes the same bytes that lie in memory already.
"""

import hashlib
import sys
import tempfile
import time
from pathlib import Path

import sqlalchemy as sa

from warehouse import postgres, sealed, tables
from warehouse.sealed import Act

PORTION = 5000
SINGLE = 500


def act(n: int) -> Act:
    """An act as a portal writes it."""
    master = f"019389a0-0000-7000-8000-{n % 50_000:012d}"
    return Act(
        f"wg{n % 400:04d}", "read", "person", (master,), purpose="入户走访核实", via="portal",
        detail={"page": "person.show", "full": n % 7 == 0, "fields": ["name", "phone", "address"]},
    )  # fmt: skip


def main(rows: int) -> None:
    """Append, read, verify; print seconds, rows per second and the ratio to the floor."""
    with tempfile.TemporaryDirectory() as folder:
        server = postgres.open(Path(folder), url="")
        try:
            engine = sa.create_engine(server.url())
            tables.create_all(engine)
            measure(engine, rows)
            engine.dispose()
        finally:
            postgres.stop(Path(folder))


def measure(engine: sa.Engine, rows: int) -> None:
    """Do it on an empty log."""
    begun = time.perf_counter()
    for n in range(0, rows - SINGLE, PORTION):
        with engine.begin() as connection:
            sealed.append(connection, *(act(i) for i in range(n, min(n + PORTION, rows - SINGLE))))
    tell("appended in portions", rows - SINGLE, time.perf_counter() - begun)
    begun = time.perf_counter()
    for i in range(rows - SINGLE, rows):
        with engine.begin() as connection:
            sealed.append(connection, act(i))
    tell("appended one by one, each committed", SINGLE, time.perf_counter() - begun)
    with engine.connect() as connection:
        held = [(prev + body, digest) for _, _, prev, digest, body in sealed.stored(connection)]
    floor, wrong = best(lambda: sum(hashlib.sha256(data).digest() != digest for data, digest in held))
    assert wrong == 0
    tell("floor: the hashes alone", rows, floor)
    with engine.connect() as connection:
        reading, _ = best(lambda: sum(1 for _ in sealed.stored(connection)))
        tell("read alone", rows, reading)
        seconds, found = best(lambda: sealed.verify(sealed.stored(connection)))
    assert found.sound
    assert found.rows == rows
    tell("verified", rows, seconds)
    print(f"verified / floor: {seconds / floor:.1f}; verified / (floor + reading): {seconds / (floor + reading):.2f}")


def best(work):  # type: ignore[no-untyped-def]
    """Return the best of three times, and the result."""
    times = []
    for _ in range(3):
        begun = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - begun)
    return min(times), result


def tell(what: str, rows: int, seconds: float) -> None:
    """Print a line."""
    print(f"{what:38} {rows:>8,} rows {seconds:8.2f} s {rows / seconds:>10,.0f}/s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)

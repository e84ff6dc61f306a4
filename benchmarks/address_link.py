"""Addresses parsed and resolved to places in a second on one core, beside two floors measured in the same run.

The texts are those of a register and its neighbours: every flat of a synthetic town as registers write it, in full, without
its upper elements, by door plate alone, by compound alone, with 幢 for 栋, as 3-2-501, and without the staircase. The floors
are one regex scan of the same texts, and grouping them by the key of their parse, which knows no alias, no missing element
and no neighbour. Then a thousand new texts join those that are resolved. Processor time on one thread.
Run: `python -m benchmarks.address_link [distinct texts]`.
"""

import random
import re
import resource
import sys
import time
from collections.abc import Callable
from statistics import median

import duckdb
import pyarrow as pa

from linkage.address.places import resolve_all, resolve_new
from sandbox.town import make_town
from schemas import address
from warehouse.duck import PLACE_TABLES

FLOOR = re.compile(
    r"[0-9]+(?:号楼|号|栋|幢|座|单元|层|楼|室|弄)|[\u4e00-\u9fff]{2,8}?(?:省|市|区|县|街道|镇|社区|村|路|街|大道)"
)
NEW = 1_000


def texts(count: int) -> list[tuple[str, str]]:
    """Distinct texts, each with the place it was made from ('' where several could be meant) (seed 1)."""
    dice = random.Random(1)
    town = make_town(max(300, count // 3), 1)
    names = ("district", "street", "community", "road", "road_no", "compound", "building", "unit", "room", "truth_id")
    made: dict[str, str] = {}
    rows = town.tables["address"].select(list(names)).to_pylist()
    dice.shuffle(rows)
    for row in rows:
        for text, sure in _written({n: row[n] or "" for n in names}):
            if dice.random() < 0.7:
                made[text] = row["truth_id"] if sure and made.get(text, row["truth_id"]) == row["truth_id"] else ""
        if len(made) >= count:
            break
    return sorted(made.items())[:count]


def _written(row: dict[str, str]) -> list[tuple[str, bool]]:
    """How registers write one place, and whether the text tells it from its neighbours."""
    door, inside = row["road"] + row["road_no"], row["building"] + row["unit"] + row["room"]
    upper = row["street"] + row["community"]
    found = [(f"湖北省武汉市{row['district']}{upper}{door}{row['compound']}{inside}", True)]
    if row["road"]:
        found += [(f"{row['district']}{door}{row['compound']}{inside}", True), (f"{upper}{door}{inside}", True)]
    if row["building"] and row["room"]:
        short = "-".join(re.sub("[^0-9]", "", row[n]) for n in ("building", "unit", "room"))
        found += [
            (f"{upper}{door}{row['compound']}{inside.replace('栋', '幢')}", True),
            (f"{row['district']}{upper}{row['compound']}{inside}", True),
            (f"{upper}{door}{row['compound']}{short}", True),
            (f"{row['street']}{row['compound']}{row['building']}{row['room']}", False),
        ]
    return found


def used(work: Callable[[], object]) -> float:
    """Processor seconds of one run."""
    start = time.process_time()
    work()
    return time.process_time() - start


def opened() -> duckdb.DuckDBPyConnection:
    """A database in memory with the tables of places, on one thread."""
    con = duckdb.connect()
    con.execute("SET threads = 1")
    con.execute("SET preserve_insertion_order = false")
    for statement in PLACE_TABLES:
        con.execute(statement)
    return con


def parsed(con: duckdb.DuckDBPyConnection, said: pa.Array) -> None:
    """Parse texts into the relation that places are resolved from."""
    con.register("parse", address.parse(said).add_column(0, "text", said))
    con.execute("CREATE OR REPLACE TEMP TABLE address_text AS SELECT * FROM parse")
    con.unregister("parse")


def main() -> None:
    """Prints one line for each measurement."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    rows = texts(count)
    said = pa.array([text for text, _ in rows], pa.string())
    truth = pa.table({"text": said, "truth": [place for _, place in rows]})
    print(f"{len(rows):,} distinct texts of {len({p for _, p in rows}):,} places, one thread, processor time")
    address.parse(["武昌区中山路1号"])  # reads the gazetteer
    floor = used(lambda: [FLOOR.findall(text) for text, _ in rows])
    con = opened()
    parse = used(lambda: parsed(con, said))
    key = used(lambda: address.normal_key(address.parse(said)).dictionary_encode())
    whole = median(used(lambda: resolve_all(con)) for _ in range(3))
    _line("floor: one regex scan", len(rows), floor, floor)
    _line("floor: key of each parse", len(rows), key, floor)
    _line("parse", len(rows), parse, floor)
    _line("resolve to places", len(rows), whole, floor)
    _line("parse + resolve", len(rows), parse + whole, floor)
    _quality(con, truth)
    more = opened()
    dice = random.Random(2)
    new = set(dice.sample(range(len(rows)), min(NEW, len(rows) // 10)))
    parsed(more, said.filter(pa.array([at not in new for at in range(len(rows))])))
    resolve_all(more)
    parsed(more, said)
    start = used(lambda: print(f"{len(new):,} new texts: {resolve_new(more)}"))
    print(f"{'':28}{start * 1000:10.0f} ms, {start / whole:.2f} of resolving all")
    same = "SELECT text, node, flat, complete FROM place ORDER BY text"
    print(
        f"{'':28}{'equal to resolving all' if more.sql(same).fetchall() == con.sql(same).fetchall() else 'DIFFERENT'}"
    )
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def _line(name: str, count: int, taken: float, floor: float) -> None:
    print(f"{name:28}{count / taken:>12,.0f} addresses/s{taken / floor:>8.2f} × the regex scan")


def _quality(con: duckdb.DuckDBPyConnection, truth: pa.Table) -> None:
    con.register("truth", truth)
    pairs = "coalesce(sum(n * (n - 1) / 2), 0)::BIGINT FROM (SELECT count(*) AS n FROM both_ GROUP BY {})"
    con.execute(
        "CREATE OR REPLACE TEMP TABLE both_ AS SELECT t.truth, p.node FROM truth t JOIN place p USING (text) "
        "WHERE p.complete AND t.truth <> ''"
    )
    true, linked, right = (con.sql(f"SELECT {pairs.format(by)}").fetchall()[0][0] for by in ("truth", "node", "ALL"))
    right = con.sql(f"SELECT {pairs.format('truth, node')}").fetchall()[0][0]
    open_ = con.sql("SELECT count(*) FILTER (NOT complete), count(*) FROM place").fetchall()[0]
    print(f"pairs linked {linked:,}: precision {right / max(linked, 1):.4f}, recall {right / max(true, 1):.4f}; "
          f"undecided {open_[0]:,} of {open_[1]:,} texts")  # fmt: skip


if __name__ == "__main__":
    main()

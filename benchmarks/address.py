"""Addresses parsed in a second on one core, beside a floor measured in the same run.

The floor is one compiled regular expression that only finds the numbered elements in the same texts: no parser in
this language can be faster than touching every text once. Two columns are measured: a register, where streets and
estates repeat under other numbers, and addresses whose heads and shapes are all different, as if no two came from
one street. Run: `python -m benchmarks.address [distinct texts]`.
"""

import csv
import random
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from schemas.address import normal_key, parse, render

FIXTURES = Path(__file__).parent.parent / "tests" / "fixtures" / "address"
FLOOR = re.compile(
    r"[0-9]+(?:号楼|号|栋|幢|座|单元|层|楼|室|弄)|[\u4e00-\u9fff]{2,8}?(?:省|市|区|县|街道|镇|社区|村|路|街|大道)"
)
INSIDE = ("building", "unit", "floor", "room", "note")
SYLLABLES = "安宝昌长春德东丰福光广贵海汉和红华惠吉佳建金景康乐丽利联龙茂美明南宁平庆荣瑞盛泰天文祥新兴阳永裕元云泽正中"


def rows() -> list[dict[str, str]]:
    """The labelled addresses."""
    found = []
    for path in sorted(FIXTURES.glob("[chmn]*.tsv")):
        with path.open(encoding="utf-8", newline="") as file:
            found += list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return found


def register(count: int) -> list[str]:
    """Distinct flats at the labelled addresses which say no building or room themselves (seed 1)."""
    dice = random.Random(1)
    heads = [
        row["text"] for row in rows() if not any(row[name] for name in INSIDE) and (row["road"] or row["compound"])
    ]
    made: set[str] = set()
    while len(made) < count:
        flat = f"{dice.randint(1, 33)}0{dice.randint(1, 8)}"
        made.add(f"{dice.choice(heads)}{dice.randint(1, 97)}栋{dice.randint(1, 7)}单元{flat}室")
    return sorted(made)


def strangers(count: int) -> list[str]:
    """Addresses in the labelled regions, each with a street, road and estate of its own (seed 2)."""
    dice = random.Random(2)
    places = sorted({row["province"] + row["city"] + row["district"] for row in rows() if row["district"]})

    def name(size: int) -> str:
        return "".join(dice.choices(SYLLABLES, k=size))

    made: set[str] = set()
    while len(made) < count:
        inside = dice.choice(("{}栋{}单元{}01室", "{}-{}-{}02", "{}号楼{}单元{}03", "{}幢{}室", ""))
        numbers = [dice.randint(1, 30) for _ in range(3)]
        made.add(
            f"{dice.choice(places)}{name(2)}{dice.choice(('街道', '镇'))}{name(2)}{dice.choice(('路', '大道', '街'))}"
            f"{dice.randint(1, 999)}号{name(dice.choice((2, 3, 4)))}{dice.choice(('小区', '花园', '大厦', '苑'))}"
            f"{inside.format(*numbers)}"
        )
    return sorted(made)


def seconds(work: Callable[[], object]) -> float:
    """Processor time of the best of three runs, so that neighbours on the machine do not count."""
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def once(work: Callable[[], object]) -> float:
    """Processor time of the first run, before anything about these texts is remembered."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    """Prints one line for each measurement."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    flats, unlike = register(count), strangers(count)
    load = once(lambda: parse(["武昌区中山路1号"]))
    repeated = pa.array(flats).take(pa.array([i % len(flats) for i in range(10 * len(flats))]))
    print(f"{'first call (gazetteer read)':28s}{load:>14.2f} s")
    lines: list[tuple[str, int, float]] = [
        ("floor: one regex scan", count, seconds(lambda: [FLOOR.findall(text) for text in flats])),
        ("parse, no head repeats", count, once(lambda: parse(unlike))),
        ("parse, a register", count, once(lambda: parse(flats))),
        ("parse, the same again", count, seconds(lambda: parse(flats))),
        ("parse, each text 10 times", len(repeated), seconds(lambda: parse(repeated))),
    ]
    table = parse(flats)
    lines += [
        ("render", count, seconds(lambda: render(table))),
        ("normal_key", count, seconds(lambda: normal_key(table))),
    ]
    for name, number, taken in lines:
        print(f"{name:28s}{number / taken:>14,.0f} addresses/s")


if __name__ == "__main__":
    main()

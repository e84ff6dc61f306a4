"""Addresses parsed in a second on one core, beside a floor measured in the same run.

The floor is one compiled regular expression that only finds the numbered elements in the same texts: no parser in
this language can be faster than touching every text once. Run: `python benchmarks/address.py [distinct texts]`.
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


def texts(count: int) -> list[str]:
    """Distinct addresses: the labelled texts with new building, unit and room numbers (seed 1)."""
    heads = []
    for path in sorted(FIXTURES.glob("[chmf]*.tsv")):
        with path.open(encoding="utf-8", newline="") as file:
            heads += [row["text"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]
    random_ = random.Random(1)
    made = {f"{random_.choice(heads)}{i % 97 + 1}栋{i % 7 + 1}单元{i % 33 + 1}0{i % 8 + 1}室{i}" for i in range(count)}
    return sorted(made)


def seconds(work: Callable[[], object]) -> float:
    """Processor time of the best of three runs, so that neighbours on the machine do not count."""
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def main() -> None:
    """Prints one line for each measurement."""
    sample = texts(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
    repeated = pa.array(sample).take(pa.array([i % len(sample) for i in range(10 * len(sample))]))
    table = parse(sample)
    lines = (
        ("floor: one regex scan", len(sample), lambda: [FLOOR.findall(text) for text in sample]),
        ("parse, all distinct", len(sample), lambda: parse(sample)),
        ("parse, each text 10 times", len(repeated), lambda: parse(repeated)),
        ("render", len(sample), lambda: render(table)),
        ("normal_key", len(sample), lambda: normal_key(table)),
    )
    for name, count, work in lines:
        print(f"{name:28s}{count / seconds(work):>14,.0f} addresses/s")


if __name__ == "__main__":
    main()

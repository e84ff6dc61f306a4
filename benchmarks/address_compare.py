"""Pairs of addresses compared in a second on one core, beside two floors measured in the same run.

The first floor is RapidFuzz's ratio over the same pairs, which compares strings in compiled code and knows nothing of
addresses; the second is `parse` over as many texts of the same kind, as new to the process as those compared, without
which no element can be compared. The goal of the project is 50,000 addresses parsed and linked in a second. Pairs are
drawn as blocking draws them: the same flat in two spellings, its neighbours, its building, a namesake elsewhere.
Run: `python -m benchmarks.address_compare [distinct flats]`.
"""

import random
import sys
import time
from collections.abc import Callable

import pyarrow as pa
from rapidfuzz import fuzz, process

from linkage.address import compare
from schemas.address import parse

GOAL = 50_000
SYLLABLES = "安宝昌长春德东丰福光广贵海汉和红华惠吉佳建金景康乐丽利联龙茂美明南宁平庆荣瑞盛泰天文祥新兴阳永裕元云泽正中"


def register(count: int, roads: int, seed: int) -> tuple[list[str], list[str]]:
    """Pairs of flats of one district with a spelling, a neighbour, a building or a namesake beside each."""
    dice = random.Random(seed)

    def name(size: int) -> str:
        return "".join(dice.choices(SYLLABLES, k=size))

    estates = [(f"{name(2)}路", dice.randint(1, 999), f"{name(3)}小区") for _ in range(roads)]
    left, right = [], []
    for _ in range(count):
        road, plate, estate = dice.choice(estates)
        building, unit, floor, flat = dice.randint(1, 60), dice.randint(1, 4), dice.randint(1, 33), dice.randint(1, 4)
        room = f"{floor}0{flat}"
        left.append(f"武汉市武昌区{road}{plate}号{estate}{building}栋{unit}单元{room}室")
        right.append(
            dice.choice(
                (
                    f"{estate.removesuffix('小区')}{building}-{unit}-{room}",
                    f"武昌区{road}{plate}号{building}号楼{unit}单元{room}",
                    f"武昌区{road}{plate}号{estate}{building}栋{unit}单元{floor}0{flat % 4 + 1}室",
                    f"{road}{plate}号{estate}{building}幢",
                    f"武昌区{road}{plate + 1}号{building}栋{unit}单元{room}室",
                )
            )
        )
    return left, right


def seconds(work: Callable[[], object]) -> float:
    """Processor time of one run."""
    start = time.process_time()
    work()
    return time.process_time() - start


def measure(title: str, count: int, roads: int) -> None:
    """Prints the figures of one kind of column."""
    left, right = register(count, roads, seed=len(title))
    distinct = pa.array(left + right).unique()
    others = pa.array([text for side in register(count, roads, seed=len(title) + 100) for text in side]).unique()
    lines = [  # compare goes first, so that it finds nothing remembered
        ("compare", seconds(lambda: compare(left, right))),
        ("floor: parse alone", seconds(lambda: parse(others)) * len(distinct) / len(others)),
        ("floor: RapidFuzz ratio of the strings", seconds(lambda: process.cpdist(left, right, scorer=fuzz.ratio))),
    ]
    compared = lines[0][1]
    print(f"{title}: {count:,} pairs, {len(distinct):,} distinct addresses")
    for name, taken in lines:
        print(
            f"  {name:40s}{count / taken:>12,.0f} pairs/s{len(distinct) / taken:>12,.0f} addresses/s{compared / taken:>9.1f}×"
        )
    print(f"  compare / goal of {GOAL:,} addresses/s: {len(distinct) / compared / GOAL:.2f}")


def main() -> None:
    """Prints one line for each measurement."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    compare(["武昌区中山路1号"], ["中山路1号"])
    measure("a register (200 flats of an estate)", count, max(1, count // 200))
    measure("strangers (an estate for every flat)", count, count)


if __name__ == "__main__":
    main()

"""Organisation names read and pairs compared in a second on one core, beside two floors measured in the same run.

The floor of reading is one regular expression over the same distinct names (place up to 市 or 区, anything, one of three
company forms), which finds neither brand nor trade; the floor of comparing is RapidFuzz's ratio over the same pairs.
Run: `python -m benchmarks.organisations [distinct names]`.
"""

import random
import re
import statistics
import sys
import time
from collections.abc import Callable

import pyarrow as pa
from rapidfuzz import fuzz, process

from linkage.organisations import compare, standardise

PLACES = ("武汉", "武汉市武昌区", "湖北省", "深圳市南山区", "昆山市", "上海", "")
SYLLABLES = "安宝昌长春德丰福光广海汉和恒鸿华汇嘉金景康乐丽隆美明鑫瑞盛泰天祥兴阳源泽正中"
TRADES = ("商贸", "生物科技", "建筑装饰工程", "餐饮管理", "信息技术", "五金建材", "大药房", "面馆", "物业管理", "")
FORMS = (
    "有限公司",
    "有限责任公司",
    "股份有限公司",
    "经营部",
    "商行",
    "店",
    "厂",
    "有限公司中南路店",
    "有限公司第二分公司",
)


def register(count: int, seed: int = 1) -> list[str]:
    """Distinct names of firms, shops and branches of a few cities."""
    dice = random.Random(seed)
    names: dict[str, None] = {}
    while len(names) < count:
        brand = "".join(dice.choices(SYLLABLES, k=dice.choice((2, 2, 3, 4))))
        names[dice.choice(PLACES) + brand + dice.choice(TRADES) + dice.choice(FORMS)] = None
    return list(names)


def median(work: Callable[[], object], runs: int = 5) -> float:
    """Processor seconds of the median run: wall time says more about the neighbours on a shared machine."""
    taken = []
    for _ in range(runs):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return statistics.median(taken)


def main() -> None:
    """Print names and pairs per second and the ratio to each floor."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    names = register(count)
    shape = re.compile(r"^(.{0,6}[市区])?(.+?)(有限公司|有限责任公司|股份有限公司)?$")
    column = pa.array(names)
    standardise(column[:100])
    reading, floor = median(lambda: standardise(column)), median(lambda: [shape.match(n) for n in names])
    print(f"read:    {count / reading:>9,.0f} names/s  ({reading / floor:.1f} times one regular expression)")
    # Blocking proposes names that share something: each is compared with its neighbours in the order of the alphabet.
    order = pa.array(sorted(names))
    left, right = order[:-1], order[1:]
    one, other = left.to_pylist(), right.to_pylist()
    comparing, ratio = (
        median(lambda: compare(left, right)),
        median(lambda: process.cpdist(one, other, scorer=fuzz.ratio)),
    )
    print(f"compare: {len(one) / comparing:>9,.0f} pairs/s, reading included  ({comparing / ratio:.1f} times a ratio)")


if __name__ == "__main__":
    main()

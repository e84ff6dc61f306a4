"""Records of persons for measuring linkage (链接测速数据): any number of them, from forty sources, the truth in a file beside.

    python -m benchmarks.linkage_data [--records 100000] [--seed 1] [--out DIR]

Households share homes, families phones, twins a birthday; some people share a name. Each person has 2.2 records on the
mean. A number is missing in 28 % of the records and mistyped in 1.2 %; a phone missing in 30 % and an older one in 15 %;
an address missing in 15 %, a former one in 14 %, written in two ways; a birth date missing in 4 % and wrong in 1.6 %;
a name has another character of the same sound in 3 %, a wrong one in 1.5 %, one lost in 0.8 %. Errors are independent of
each other, which makes this set a friendly one: good for time and memory, no proof of accuracy. The town of the sandbox
and its hard negatives are for that.

`records.parquet` has the filled columns of `schemas.records.standardised_schema("person")` and `id_number_hint`, the text
of a number that failed its check digit (`id_number` is NULL there, as on the road). `truth.parquet` has one row per
record in the same order: system_id, record_key, role, truth_id. A record_key occurs once in the whole set.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sandbox.town import DAY_OF_THE_TOWN, reference
from sandbox.town.draw import (
    Dice,
    Ints,
    Mask,
    Text,
    chance,
    civil,
    dates,
    digits,
    from_characters,
    join,
    picks,
    plain,
    take,
    where,
    zipf,
)
from sandbox.town.identifiers import citizen_numbers, mobile_numbers
from sandbox.town.names import inherit_surnames, make_names
from sandbox.town.people import People, make_people

SOURCES: Final = 40
PER_PERSON: Final = 2.2
"""Records of a person on the mean; their number falls off geometrically and ends at `MOST`."""

MOST: Final = 14
CHUNK: Final = 1_000_000
"""Records assembled at a time, to bound memory."""

PINYIN: Final = Path(__file__).parents[1] / "linkage" / "names" / "data" / "pinyin.tsv"


@dataclass(frozen=True, slots=True)
class Rates:
    """Share of the records that lack a value or have it wrong (of all records, independent of each other)."""

    id_missing: float = 0.28
    id_wrong: float = 0.012
    phone_missing: float = 0.30
    phone_old: float = 0.15
    address_missing: float = 0.15
    address_old: float = 0.14
    birth_missing: float = 0.04
    birth_wrong: float = 0.016
    name_homophone: float = 0.03
    name_wrong: float = 0.015
    name_lost: float = 0.008
    household_present: float = 0.0
    """Household numbers are strong evidence; the peers of the benchmark have no such column, so none is filled."""


@dataclass(frozen=True, slots=True)
class Population:
    """What is true of each person: one element per person, one per household for the two homes."""

    people: People
    name: Text
    number: Text
    phone: Text
    old_phone: Text
    home: Ints
    old_home: Ints


def make_population(dice: Dice, people: int) -> Population:
    """Draw people in households, with names, numbers, phones and homes."""
    day = (DAY_OF_THE_TOWN - date(1970, 1, 1)).days
    crowd = make_people(dice, people, 0, day)
    households = len(crowd.homes.starts)
    own = mobile_numbers(dice, "mobiles", people)
    rng = dice.on("shared phones")
    shared = np.where((crowd.age < 14) | ((crowd.age < 18) & chance(rng, 0.35, people)), crowd.guardian, -1)
    elder = (crowd.age >= 70) & chance(rng, 0.16, people)
    shared = np.where(elder, crowd.grown_child, shared)
    phone = where(shared >= 0, take(own, shared), where(crowd.age < 14, None, own))
    homes = dice.on("homes").permutation(households * 2)
    return Population(
        crowd, _names(dice, crowd), citizen_numbers(dice, crowd.homes.born, crowd.homes.male), phone,
        where(np.asarray(phone.is_valid()), mobile_numbers(dice, "old mobiles", people)), homes[:households], homes[households:],
    )  # fmt: skip


def _names(dice: Dice, crowd: People) -> Text:
    """The town's names, most of them drawn anew from all its characters: a city has more given names than a town."""
    rng = dice.on("wider names")
    homes, count = crowd.homes, crowd.count
    name = make_names(dice, homes).name
    surname = take(reference.column("surnames", "surname"), inherit_surnames(dice, homes))
    pools = []
    for sex in ("1", "2"):
        rows = [r for r in reference.rows("given_names") if r["sex"] == sex]
        pools.append(
            sorted({c for r in rows for key in ("whole", "first", "second", "single") for c in r[key] if c != " "})
        )
    both = pa.array(pools[0] + pools[1])
    start, size = np.where(homes.male, 0, len(pools[0])), np.where(homes.male, len(pools[0]), len(pools[1]))
    first, second = ((start + rng.integers(0, size)) for _ in range(2))
    # A twin differs from the elder one in one character.
    younger = np.flatnonzero((homes.twin >= 0) & (homes.twin < np.arange(count)))
    first[younger] = first[homes.twin[younger]]
    wider = chance(rng, 0.65, count)
    wider[younger] = wider[homes.twin[younger]] = True
    dotted = np.asarray(pc.match_substring(name, "·"))
    return where(wider & ~dotted, join(surname, take(both, first), take(both, second)), name)


def _flats(dice: Dice, homes: Ints) -> tuple[Text, Text]:
    """Addresses of homes by number in two ways: with province, estate and words, and as one writes it in a hurry."""
    rng = dice.on("estates")
    estate, flat = np.divmod(homes, 400)
    count = int(estate.max()) + 1
    communities = reference.rows("communities")
    stems = [reference.stem(row["community"]).removesuffix("小区") for row in communities]
    where_ = np.arange(count) % len(communities)
    suffix = take(["小区", "花园", "家园", "苑", "公寓", "新村"], rng.integers(0, 6, count))
    turn = np.arange(count) // len(communities)
    estates = join(take(stems, where_), where(turn > 0, join(plain(turn + 1), "期")), suffix)
    road = join(
        take(reference.lines("roads"), picks(rng, zipf(len(reference.lines("roads")), 40), count)),
        plain(rng.permutation(count) % 900 + 1),
        "号",
    )
    building, rest = np.divmod(flat, 40)
    unit, rest = np.divmod(rest, 20)
    floor, door = np.divmod(rest, 2)
    room = plain((floor + 1) * 100 + door + 1)
    road, name = (column.take(pa.array(estate)) for column in (road, estates))
    numbers = plain(building + 1), plain(unit + 1)
    long = join("湖北省武汉市武昌区", road, name, numbers[0], "栋", numbers[1], "单元", room, "室")
    return long, join("武昌区", road, numbers[0], "-", numbers[1], "-", room)


def make_records(records: int, seed: int, rates: Rates | None = None) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Yield the records and their truth in chunks; the same arguments give the same set."""
    rates, dice = rates or Rates(), Dice(seed)
    share = 1 / PER_PERSON
    # A tenth more people than needed on the mean: the last ones have no record when the number is reached.
    people = max(100, int(records / PER_PERSON * 1.1) + 50)
    times = np.minimum(dice.on("times").geometric(share, people), MOST)
    person = np.repeat(np.arange(people), times)[:records]
    turn = np.arange(records) - np.r_[0, np.cumsum(times)][person]
    source = (dice.on("first sources").integers(0, SOURCES, people)[person] + 7 * turn) % SOURCES
    order = dice.on("order").permutation(records)
    person, source = person[order], source[order]
    population = make_population(dice, people)
    homes = _flats(dice, np.r_[population.home, population.old_home])
    sounds = _Sounds.read()
    for start in range(0, records, CHUNK):
        stop = min(start + CHUNK, records)
        rows = _Rows(Dice(seed * 1_000_003 + start), population, person[start:stop], source[start:stop], start)
        yield rows.table(homes, sounds, rates), rows.truth()


@dataclass(frozen=True, slots=True)
class _Rows:
    """Some of the records: whom each describes, which source it is from, the number of the first."""

    dice: Dice
    population: Population
    person: Ints
    source: Ints
    start: int

    @property
    def count(self) -> int:
        return len(self.person)

    def luck(self, topic: str, share: float) -> Mask:
        return chance(self.dice.on(topic), share, self.count)

    def of(self, column: Text) -> Text:
        return column.take(pa.array(self.person))

    def key(self) -> tuple[Text, Text, Text]:
        system = take([f"source_{n:02d}" for n in range(SOURCES)], self.source)
        return system, digits(np.arange(self.start, self.start + self.count), 9), _constant("person", self.count)

    def truth(self) -> pa.Table:
        return pa.table([*self.key(), pa.array(self.person)], ["system_id", "record_key", "role", "truth_id"])

    def table(self, homes: tuple[Text, Text], sounds: _Sounds, rates: Rates) -> pa.Table:
        who, count, nothing = self.population.people.homes, self.count, pa.nulls(self.count, pa.string())
        system, key, role = self.key()
        number, hint = self._numbers(rates)
        seen = self.dice.on("days").integers(20_000, 20_750, count)
        household = where(
            self.luck("household", rates.household_present), join("4", digits(who.household[self.person] + 1, 8))
        )
        return pa.table(
            {
                "system_id": system, "record_key": key, "role": role, "dataset": _constant("persons", count),
                "observed_at": join(dates(seen), "T08:00:00"), "deleted": pa.array(np.zeros(count, dtype=bool)), "place": nothing,
                "id_type": where(np.asarray(number.is_valid()) | np.asarray(hint.is_valid()), "111"), "id_number": number,
                "id_number_hint": hint, "name": sounds.spoil(self.of(self.population.name), self.dice, rates),
                "sex": where(who.male[self.person], "1", "2"), "birth_date": self._births(rates), "phone": self._phones(rates),
                "residence_address": self._addresses(homes, rates), "household_no": household,
            }
        )  # fmt: skip

    def _numbers(self, rates: Rates) -> tuple[Text, Text]:
        """Numbers, and the texts of those with one digit mistyped (which the check digit always finds)."""
        rng = self.dice.on("numbers")
        luck = rng.random(self.count)
        wrong = np.flatnonzero(luck >= 1 - rates.id_wrong)
        number = where(luck >= rates.id_missing, self.of(self.population.number))
        cells = (
            np.frombuffer("".join(number.take(pa.array(wrong)).to_pylist()).encode(), np.uint8).reshape(-1, 18).copy()
        )
        rows, place = np.arange(len(wrong)), rng.integers(8, 17, len(wrong))
        cells[rows, place] = (cells[rows, place] - 48 + rng.integers(1, 10, len(wrong))) % 10 + 48
        mistyped = np.zeros(self.count, dtype=bool)
        mistyped[wrong] = True
        position = np.full(self.count, -1)
        position[wrong] = rows
        return where(mistyped, None, number), take(from_characters(cells), position)

    def _phones(self, rates: Rates) -> Text:
        luck = self.dice.on("phones").random(self.count)
        old = luck >= 1 - rates.phone_old
        return where(
            luck >= rates.phone_missing, where(old, self.of(self.population.old_phone), self.of(self.population.phone))
        )

    def _addresses(self, homes: tuple[Text, Text], rates: Rates) -> Text:
        luck = self.dice.on("addresses").random(self.count)
        household = self.population.people.homes.household[self.person]
        old = luck >= 1 - rates.address_old
        index = pa.array(household + np.where(old, len(self.population.home), 0))
        written = where(self.source % 2 == 0, homes[0].take(index), homes[1].take(index))
        return where(luck >= rates.address_missing, written)

    def _births(self, rates: Rates) -> Text:
        """Birth dates; the wrong ones have day and month swapped, a default day, or a near day or year."""
        rng = self.dice.on("births")
        luck, born = rng.random(self.count), self.population.people.homes.born[self.person]
        wrong = np.flatnonzero(luck >= 1 - rates.birth_wrong)
        year, month, day = civil(born[wrong])
        kind = rng.integers(0, 4, len(wrong))
        swapped = (kind == 0) & (day <= 12) & (day != month)
        first = kind == 1
        shift = np.where(
            kind == 3, 365 * rng.choice([-10, -1, 1, 10], len(wrong)), rng.choice([-10, -2, -1, 1, 2, 10], len(wrong))
        )
        shifted = civil(born[wrong] + np.where(swapped | first, 0, shift))
        parts = [
            np.where(first, year, shifted[0]),
            np.where(swapped, day, np.where(first, 1, shifted[1])),
            np.where(swapped, month, np.where(first, 1, shifted[2])),
        ]
        text = join(digits(parts[0], 4), "-", digits(parts[1], 2), "-", digits(parts[2], 2))
        position = np.full(self.count, -1)
        position[wrong] = np.arange(len(wrong))
        return where(luck >= rates.birth_missing, where(position >= 0, take(text, position), dates(born)))


@dataclass(frozen=True, slots=True)
class _Sounds:
    """Common characters (GB 2312 level one) by sound, to mistype names with."""

    common: tuple[str, ...]
    alike: dict[str, str]

    @classmethod
    def read(cls) -> _Sounds:
        alike: dict[str, str] = {}
        for line in PINYIN.read_text(encoding="utf-8").splitlines():
            # Level one is the rows 16 to 55 of the standard: first bytes B0 to D7.
            same = "".join(
                c for c in line.split("\t")[1] if 0xB0 <= c.encode("gb2312", "ignore")[:1].ljust(1)[0] <= 0xD7
            )
            alike.update((c, same.replace(c, "")) for c in same if len(same) > 1)
        return cls(tuple(sorted(alike)), alike)

    def spoil(self, names: Text, dice: Dice, rates: Rates) -> Text:
        """Mistype the names of a few records; never the family name, never a name of two parts."""
        rng = dice.on("names")
        luck = rng.random(len(names))
        bounds = np.cumsum([rates.name_homophone, rates.name_wrong, rates.name_lost])
        chosen = np.flatnonzero(luck < bounds[-1])
        kind = np.searchsorted(bounds, luck[chosen], side="right")
        dice_ = rng.random((2, len(chosen)))
        texts = names.take(pa.array(chosen)).to_pylist()
        changed = [self._one(n, int(k), a, b) for n, k, a, b in zip(texts, kind, *dice_, strict=True)]
        mask = np.zeros(len(names), dtype=bool)
        mask[chosen] = True
        return pc.replace_with_mask(names, pa.array(mask), pa.array(changed, pa.string()))

    def _one(self, name: str, kind: int, where_: float, which: float) -> str:
        place = 1 + int(where_ * (len(name) - 1))
        if "·" in name or place >= len(name):
            return name
        if kind == 2:
            return name[:place] + name[place + 1 :] if len(name) > 2 else name
        pool = self.alike.get(name[place], "") if kind == 0 else self.common
        return name[:place] + pool[int(which * len(pool))] + name[place + 1 :] if pool else name


def _constant(text: str, count: int) -> Text:
    return take([text], np.zeros(count, dtype=np.int64))


def write(folder: Path, records: int, seed: int, rates: Rates | None = None) -> tuple[Path, Path]:
    """Write `records.parquet` and `truth.parquet` into a folder and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "records.parquet", folder / "truth.parquet"
    writers: list[pq.ParquetWriter] = []
    for tables in make_records(records, seed, rates):
        writers = writers or [
            pq.ParquetWriter(p, t.schema, compression="zstd") for p, t in zip(paths, tables, strict=True)
        ]
        for writer, table in zip(writers, tables, strict=True):
            writer.write_table(table)
    for writer in writers:
        writer.close()
    return paths


def main() -> None:
    """Make a set and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="folder to keep the files in; a temporary one otherwise")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="onefact-records-") as folder:
        wall, processor = time.perf_counter(), time.process_time()
        paths = write(options.out or Path(folder), options.records, options.seed)
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        size = sum(p.stat().st_size for p in paths) / 1e6
        print(f"{options.records:,} records: {wall:.1f} s, processor {processor:.1f} s, {size:.0f} MB in Parquet")


if __name__ == "__main__":
    main()

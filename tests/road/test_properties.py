"""Laws of the master, on drawn histories: order, batches and repetition change nothing; increments equal the whole."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from road_support import citizen, flat
from workbench import Record, Workbench, person

from warehouse.golden import Authority

NAMES = ("王伟", "李娜", "张敏")
PEOPLE = tuple(citizen(n, f"19{80 + n}0101") for n in range(1, 6))
HINTS = tuple(
    hint
    for n in PEOPLE[:2]
    for hint in (
        ("typo", n[:15] + str((int(n[15]) + 1) % 10) + n[16:]), ("masked", f"{n[:10]}****{n[14:]}"),
        ("masked", f"{n[:6]}********{n[14:]}"),
    )
)  # fmt: skip
FEW = settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
RANKS = [Authority("a", "person", "person", "name", 90), Authority("b", "person", "person", "phone", 90)]


@st.composite
def a_record(draw: st.DrawFn) -> Record:
    """A person as a careless system has it: few names, few phones, few homes, so that everything may meet."""
    maybe = lambda values: draw(st.none() | st.sampled_from(values))  # noqa: E731
    number = maybe(PEOPLE)
    return person(
        draw(st.sampled_from("abc")),
        f"k{draw(st.integers(0, 7))}",
        f"2026-10-{draw(st.integers(1, 28)):02d}T00:00:00",
        id_number=number,
        hint=None if number else maybe(HINTS),
        name=maybe(NAMES),
        phone=maybe(("13900000001", "13900000002", "13900000003")),
        residence_address=maybe((flat(1), "武珞路1号3幢2单元501", flat(2))),
        birth_date=maybe(("1981-01-01", "1990-05-05")),
        sex=maybe("12"),
    )


def newest(records: list[Record]) -> list[Record]:
    return list({(r["system"], r["key"]): r for r in records}.values())


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Path]:
    return (tmp_path / f"{n}.duckdb" for n in range(1_000_000))  # type: ignore[return-value]


@FEW
@given(st.lists(a_record(), max_size=24).map(newest), st.randoms(use_true_random=False), st.integers(1, 5))
def test_order_and_size_of_batches_change_nothing(
    folders: Iterator[Path], records: list[Record], chance: random.Random, page: int
) -> None:
    with Workbench(next(folders), RANKS) as once, Workbench(next(folders), RANKS) as pieces:
        once.load(records)
        once.run()
        shuffled = chance.sample(records, len(records))
        cut = chance.randint(0, len(records))
        for part in (shuffled[:cut], shuffled[cut:]):
            pieces.load(part, page=page)
        pieces.run()
        assert pieces.partition() == once.partition()
        assert pieces.golden() == once.golden()


@FEW
@given(st.lists(st.lists(a_record(), max_size=8).map(newest), min_size=2, max_size=3), st.data())
def test_a_history_taken_step_by_step_equals_its_end_taken_at_once(
    folders: Iterator[Path], history: list[list[Record]], data: st.DataObject
) -> None:
    with Workbench(next(folders), RANKS) as stepwise, Workbench(next(folders), RANKS) as fresh:
        present: dict[tuple[str, str], Record] = {}
        for step in history:
            goes = data.draw(st.sets(st.sampled_from(sorted(present)))) if present else set()
            gone = [
                {**present[k], "deleted": True}
                for k in sorted(goes)
                if k not in {(r["system"], r["key"]) for r in step}
            ]
            stepwise.load([*step, *gone])
            stepwise.run()
            present |= {(r["system"], r["key"]): r for r in step}
            present = {k: r for k, r in present.items() if k not in {(g["system"], g["key"]) for g in gone}}
        fresh.load(present.values())
        fresh.run()
        assert stepwise.partition() == fresh.partition()
        assert stepwise.golden() == fresh.golden()
        assert stepwise.asked() == fresh.asked()


def numbered(key: str, number: str, **fields: str) -> Record:
    return person("a", key, id_number=number, name="王伟", **{"birth_date": "1981-01-01", "sex": "1", **fields})


def test_two_numbers_on_very_alike_records_are_asked_about_for_as_long_as_it_is_true(folders: Iterator[Path]) -> None:
    one, other = citizen(1, "19810101"), citizen(3, "19810101")
    phone = {"phone": "13900000001"}
    first, second = numbered("k1", one, **phone), numbered("k2", other, **phone)
    with Workbench(next(folders), RANKS) as stepwise, Workbench(next(folders), RANKS) as fresh:
        stepwise.load([first])
        stepwise.run()
        assert stepwise.asked() == {}
        stepwise.load([second])
        stepwise.run()
        fresh.load([first, second])
        fresh.run()
        assert stepwise.asked() == fresh.asked() == {("a/k1", "a/k2"): "two_numbers"}
        assert len(stepwise.partition()) == 2
        # The second gets another phone, so nothing but a common name and the day of birth is left.
        stepwise.load([{**second, "phone": "13900000002", "at": "2026-10-02T00:00:00"}])
        stepwise.run()
        assert stepwise.asked() == {}
        stepwise.load([{**second, "at": "2026-10-03T00:00:00"}])
        stepwise.run()
        assert stepwise.asked() == fresh.asked()


def test_a_key_under_which_too_many_numbers_stand_asks_nothing(folders: Iterator[Path]) -> None:
    crowd = [numbered(f"k{n}", citizen(n, "19810101"), phone="13900000001") for n in range(1, 403, 2)]
    with Workbench(next(folders), RANKS) as bench:
        bench.load(crowd)
        bench.run()
        assert bench.asked() == {}
        bench.load([{**r, "deleted": True, "at": "2026-10-02T00:00:00"} for r in crowd[3:]])
        bench.run()
        assert set(bench.asked().values()) == {"two_numbers"}
        assert len(bench.asked()) == 3


@st.composite
def a_house(draw: st.DrawFn) -> Record:
    """A house as a careless system has it: half an address, two codes at one door, an owner who tells the staircase."""
    maybe = lambda values: draw(st.none() | st.sampled_from(values))  # noqa: E731
    homes = (
        "武珞路74号桂苑小区3栋1单元502室",
        "武珞路74号桂苑小区3栋2单元502室",
        "桂苑小区3栋502室",
        "武珞路71号",
        "武珞路74号",
    )
    return person(
        draw(st.sampled_from("abc")),
        f"k{draw(st.integers(0, 7))}",
        address=maybe(homes),
        house_code=maybe(("FW710001", "FW710002", "FW710003")),
        property_certificate_no=maybe(("鄂2020武昌0000001", "鄂2020武昌0000002")),
        owner_name=maybe(NAMES),
    )


@FEW
@given(st.lists(st.lists(a_house(), max_size=8).map(newest), min_size=2, max_size=4))
def test_houses_taken_step_by_step_are_those_taken_at_once(
    folders: Iterator[Path], history: list[list[Record]]
) -> None:
    with Workbench(next(folders)) as stepwise, Workbench(next(folders)) as fresh:
        present: dict[tuple[str, str], Record] = {}
        for step in history:
            stepwise.load(step, "house")
            stepwise.run()
            present |= {(r["system"], r["key"]): r for r in step}
        gone = [{**r, "deleted": True} for r in history[0]]
        stepwise.load(gone, "house")
        stepwise.run()
        fresh.load([r for k, r in present.items() if k not in {(g["system"], g["key"]) for g in gone}], "house")
        fresh.run()
        assert stepwise.partition("house") == fresh.partition("house")
        assert stepwise.rules("house") == fresh.rules("house")
        assert stepwise.golden("house") == fresh.golden("house")


@FEW
@given(st.lists(a_record(), max_size=24).map(newest))
def test_two_different_valid_numbers_are_never_one_person(folders: Iterator[Path], records: list[Record]) -> None:
    with Workbench(next(folders), RANKS) as bench:
        bench.load(records)
        bench.run()
        numbers = {f"{r['system']}/{r['key']}": r["id_number"] for r in records}
        for group in bench.partition():  # a number that linking found to be somebody else's does not anchor
            anchored = {numbers[r] for r in group if numbers[r] and bench.rules()[r] == "anchor"}
            assert len(anchored) <= 1
        golden = Counter(values["id_number"] for values in bench.golden().values() if "id_number" in values)
        assert max(golden.values(), default=1) == 1


@FEW
@given(st.lists(a_record(), min_size=1, max_size=30), st.integers(1, 7), st.booleans())
def test_every_received_record_has_one_outcome(
    folders: Iterator[Path], records: list[Record], page: int, complete: bool
) -> None:
    with Workbench(next(folders)) as bench:
        first = bench.load(records, page=page, complete=complete)
        again = bench.load(records, page=page, complete=complete)
        assert all(c.balanced for c in (*first, *again))
        assert sum(c.received for c in first) == len(records)
        assert sum(c.taken for c in first) == len(newest(records))
        assert sum(c.taken for c in again) == 0
        deleted = [{**r, "deleted": True} for r in newest(records)]
        assert all(c.balanced and c.removed == c.taken == c.received for c in bench.load(deleted))
        assert all(c.balanced and c.unchanged == c.received for c in bench.load(deleted))


@pytest.mark.parametrize(
    ("before", "after", "removed", "withheld"),
    [(8, 1, 7, 0), (100, 85, 15, 0), (100, 80, 20, 0), (100, 79, 0, 21), (30, 15, 0, 15)],
)
def test_a_complete_reading_retracts_a_few_but_not_many(
    folders: Iterator[Path], before: int, after: int, removed: int, withheld: int
) -> None:
    with Workbench(next(folders)) as bench:
        everyone = [person("a", f"k{n:03d}", name="王伟") for n in range(before)]
        bench.load(everyone)
        counts = bench.load(everyone[:after], complete=True)[0]
        assert (counts.removed, counts.withheld_removals, counts.taken) == (removed, withheld, 0)
        assert counts.balanced


def test_a_hint_that_changes_moves_its_record(folders: Iterator[Path]) -> None:
    """Nothing else of the record changes: the fields it holds are the same before and after."""
    one, other = (n[:15] + str((int(n[15]) + 1) % 10) + n[16:] for n in PEOPLE[:2])
    with Workbench(next(folders)) as bench:
        bench.load([person("a", str(i), id_number=n, name="王伟") for i, n in enumerate(PEOPLE[:2])])
        for hint, partner in ((one, "a/0"), (other, "a/1"), (None, None)):
            bench.load([person("b", "1", name="王伟", hint=("typo", hint) if hint else None)])
            bench.run()
            assert {"b/1", partner} - {None} in bench.partition()


def test_an_empty_source_never_deletes(folders: Iterator[Path]) -> None:
    with Workbench(next(folders)) as bench:
        bench.load([person("a", "k1", name="王伟")])
        counts = bench._merge("a", [], "person", 10, True)
        assert (counts.removed, counts.withheld_removals) == (0, 1)


def test_ids_persist_through_growth_merge_and_split(folders: Iterator[Path]) -> None:
    man, other = PEOPLE[0], PEOPLE[1]
    with Workbench(next(folders)) as bench:
        bench.load([
            person("a", "1", id_number=man, name="王伟"), person("b", "1", id_number=man, name="王伟"),
            person("a", "2", name="王伟", phone="13900000001"),
        ])  # fmt: skip
        bench.run()
        first = bench.ids()
        assert first["a/1"] == first["b/1"] != first["a/2"]
        bench.load([person("c", "0", id_number=man, name="王伟")])
        bench.run()
        assert bench.ids() == {**first, "c/0": first["a/1"]}
        bench.load([person("b", "1", id_number=man, name="王伟", phone="13900000001")])  # now a/2 is known to be Wang
        bench.run()
        assert set(bench.ids().values()) == {first["a/1"]}
        assert bench.redirects == {first["a/2"]: first["a/1"]}
        bench.load([person("a", "1", id_number=other, name="王伟")])  # a/1 was somebody else: three records stay
        bench.run()
        ids = bench.ids()
        assert ids["b/1"] == ids["c/0"] == ids["a/2"] == first["a/1"]
        assert ids["a/1"] not in first.values()


def test_survivorship_in_a_table(folders: Iterator[Path]) -> None:
    """Authority beats newer; within a rank the newest; no claim is no claim; what travels together stays together."""
    ranks = [
        Authority("grid", "person", "person", "phone", 90), Authority("mute", "person", "person", "name", -1),
        Authority("police", "person", "person", "id_number", 90), Authority("loud", "person", "person", "id_number", 50),
        Authority("loud", "person", "person", "id_type", 50),
    ]  # fmt: skip
    with Workbench(next(folders), ranks) as bench:
        bench.load([
            person("grid", "1", "2026-01-01", name="王伟", household_no="H", phone="13900000001"),
            person("other", "1", "2026-09-01", name="王伟", household_no="H", phone="13900000002", education="20"),
            person("other", "2", "2026-10-01", name="王伟", household_no="H", education="30"),
            person("mute", "1", "2026-11-01", name="王伟", household_no="H", used_name="王大伟"),
            person("police", "1", "2026-01-01", name="王伟", household_no="H", id_number="AA1"),
            person("loud", "1", "2026-11-01", name="王伟", household_no="H", id_number="AA1", id_type="414"),
        ])  # fmt: skip
        bench.run()
        value = lambda field: bench.value("grid/1", field)  # noqa: E731
        assert value("phone") == "13900000001"
        assert value("education") == "30"
        assert value("used_name") == "王大伟"
        assert (value("id_number"), value("id_type")) == ("AA1", None)  # the register's pair, not one half of each
        bench.load([person("grid", "1", deleted=True), person("police", "1", deleted=True)])
        bench.run()
        value = lambda field: bench.value("other/1", field)  # noqa: E731
        assert value("phone") == "13900000002"
        assert (value("id_number"), value("id_type")) == ("AA1", "414")


def test_a_system_without_a_say_makes_no_claim(folders: Iterator[Path]) -> None:
    with Workbench(next(folders), [Authority("mute", "person", "person", "phone", -1)]) as bench:
        bench.load([person("mute", "1", id_number=PEOPLE[0], phone="13900000001")])
        bench.run()
        assert bench.value("mute/1", "phone") is None
        assert "phone" not in next(iter(bench.golden().values()))["provenance"]


def test_an_echo_loses_to_its_origin_even_when_it_says_more(folders: Iterator[Path]) -> None:
    long, short = flat(1), "武珞路1号"
    who = {"id_number": PEOPLE[0]}
    with Workbench(next(folders), [Authority("a", "person", "person", "residence_address", 90)]) as bench:
        bench.load([person("a", "1", residence_address=long, **who), person("b", "1", **who)])
        bench.run()
        bench.pushed.append(("b", "1", "person", "person", "residence_address", long))
        bench.load([person("b", "1", "2026-12-01", residence_address=long, **who)])
        bench.run()
        assert '"residence_address":"a|1|' in (bench.value("a/1", "provenance") or "")
        bench.load([person("a", "1", "2026-12-02", residence_address=short, **who)])
        bench.run()
        assert bench.value("a/1", "residence_address") == short
        bench.load([person("b", "1", "2026-12-03", residence_address=flat(2), **who)])  # b says something of its own
        bench.run()
        assert bench.value("a/1", "residence_address") == flat(2)  # a whole address says more than a street number


def test_an_entity_whose_every_value_was_refused_still_stands(folders: Iterator[Path]) -> None:
    with Workbench(next(folders)) as bench:
        bench.load([person("a", "1")])
        bench.run()
        assert bench.golden() == {frozenset({"a/1"}): {"provenance": "{}"}}

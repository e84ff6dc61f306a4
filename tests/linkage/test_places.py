"""Places of address texts: cases that anybody can read (tests/fixtures/linkage/places.csv), and laws on random batches."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from linkage.address.places import _LOOK, RESOLVED, resolve_all, resolve_new
from schemas import address
from warehouse.duck import PLACE_TABLES

ROWS = list(csv.DictReader((Path(__file__).parents[1] / "fixtures" / "linkage" / "places.csv").open(encoding="utf-8")))
CASES = {row["case"]: [r for r in ROWS if r["case"] == row["case"]] for row in ROWS}
TABLES = ("place_said", "place_key", *RESOLVED)


def empty() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    for statement in PLACE_TABLES:
        con.execute(statement)
    return con


def say(con: duckdb.DuckDBPyConnection, texts: Sequence[str]) -> None:
    table = address.parse(list(texts)).add_column(0, "text", pa.array(list(texts), pa.string()))
    con.register("said", table)
    con.execute("CREATE OR REPLACE TEMP TABLE address_text AS SELECT * FROM said")
    con.unregister("said")


def codes(con: duckdb.DuckDBPyConnection) -> dict[str, tuple[int, bool, int | None]]:
    rows = con.execute("SELECT text, node, complete, flat FROM place").fetchall()
    return {text: (node, complete, flat) for text, node, complete, flat in rows}


def everything(con: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[object, ...]]]:
    return {table: con.execute(f"SELECT * FROM {table} ORDER BY ALL").fetchall() for table in TABLES}


@pytest.mark.parametrize("case", CASES)
def test_texts_are_at_the_place_the_case_says(case: str) -> None:
    """Equal names in the column `place` are one place, others are not; `?` is a text that could mean several."""
    rows = CASES[case]
    with empty() as con:
        say(con, [r["text"] for r in rows])
        resolve_all(con)
        found = codes(con)
    assert {r["text"]: found[r["text"]][1] for r in rows} == {r["text"]: r["place"] != "?" for r in rows}
    by_place: dict[str, set[int]] = {}
    for row in rows:
        if row["place"] != "?":
            by_place.setdefault(row["place"], set()).add(found[row["text"]][0])
    assert {place: len(nodes) for place, nodes in by_place.items()} == dict.fromkeys(by_place, 1)
    assert len(set().union(*by_place.values())) == len(by_place)


def test_texts_that_differ_in_two_digits_are_two_flats() -> None:
    """Their elements joined to one text have one hash in DuckDB 2.0."""
    texts = [f"湖北省武汉市武昌区铭新街401号{flat}室" for flat in ("9栋1单元301", "6栋1单元302")]
    with empty() as con:
        say(con, texts)
        resolve_all(con)
        assert len({flat for _, _, flat in codes(con).values()}) == len(texts)
        assert con.execute("SELECT count(DISTINCT saying) FROM place_said").fetchall() == [(len(texts),)]


def test_an_undecided_text_keeps_the_flats_it_could_be() -> None:
    texts = [f"武珞路8号东亭花园5栋{u}单元{f}0{d}室" for u in (1, 2) for f in (1, 2, 3) for d in (1, 2)]
    with empty() as con:
        say(con, [*texts, "东亭花园5栋301室"])
        resolve_all(con)
        flats = {text: flat for text, (_, _, flat) in codes(con).items()}
        found = con.execute("SELECT flat FROM place_candidate WHERE text = '东亭花园5栋301室'").fetchall()
    assert flats["东亭花园5栋301室"] is None
    assert {f for (f,) in found} == {flats[f"武珞路8号东亭花园5栋{u}单元301室"] for u in (1, 2)}


def test_learned_aliases_are_kept_with_their_evidence() -> None:
    texts = [f"武珞路8号{name}5栋1单元{f}01室" for name in ("武锅宿舍", "紫阳花园") for f in range(1, 6)]
    with empty() as con:
        say(con, [*texts, "武珞路8号紫阳花园5栋1单元601室"])
        resolve_all(con)
        found = con.execute(
            "SELECT name, alias, shared_flats, name_flats, alias_flats, one FROM place_alias"
        ).fetchall()
        nodes = codes(con)
    assert found == [("紫阳花园", "武锅宿舍", 5, 6, 5, True)]
    assert nodes["武珞路8号武锅宿舍5栋1单元301室"] == nodes["武珞路8号紫阳花园5栋1单元301室"]


@st.composite
def towns(draw: st.DrawFn) -> list[str]:
    """Texts of a small town, dense enough that names, plates and staircases meet and contradict one another."""
    seed = draw(st.integers(0, 2**32))
    dice = random.Random(seed)
    roads, stems = ("武珞路", "中山路", "云架桥"), ("沙湖", "紫阳", "水生村")
    kinds, communities = ("公寓", "大院", "小区一期", "小区二期", "宿舍"), ("", "沙湖社区", "紫阳社区", "水生村社区")
    uppers = ("", "武昌区", "湖北省武汉市武昌区", "洪山区", "黄石市")
    texts: set[str] = set()
    for _ in range(draw(st.integers(5, 70))):
        door = f"{dice.choice(roads)}{dice.choice((1, 2, 3))}号" if dice.random() < 0.6 else ""
        name = dice.choice(stems) + dice.choice(kinds) if dice.random() < 0.75 else ""
        building = dice.choice(("", "1栋", "1幢", "2栋", "二号楼", "1-"))
        unit = dice.choice(("", "1单元", "2单元")) if building and building != "1-" else ""
        room = dice.choice(("", "101室", "102室", "201室", "302", "三楼左", "103室"))
        texts.add(dice.choice(uppers) + dice.choice(communities) + door + name + building + unit + room)
    return sorted(texts - {""})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(towns(), st.randoms(use_true_random=False))
def test_batches_in_any_order_give_what_all_at_once_gives(texts: list[str], dice: random.Random) -> None:
    with empty() as con:
        say(con, texts)
        resolve_all(con)
        expected = everything(con)
    shuffled = dice.sample(texts, len(texts))
    with empty() as con:
        for batch in _batches(shuffled, dice):
            say(con, batch)
            resolve_new(con)
        found = everything(con)
    assert found == expected


def _batches(texts: list[str], dice: random.Random) -> Iterator[list[str]]:
    """What the records hold after each batch: texts come, and some go again; in the end all are there."""
    for _ in range(dice.randint(1, 5)):
        yield dice.sample(texts, dice.randint(0, len(texts)))
    yield texts


@st.composite
def quiet_towns(draw: st.DrawFn) -> list[str]:
    """Texts of doors that have one name each, hardly ever another: most of what is new changes its building alone."""
    dice = random.Random(draw(st.integers(0, 2**32)))
    odd = draw(st.sampled_from((0.0, 0.02, 0.1)))
    doors = (("武珞路1号", "沙湖公寓"), ("武珞路2号", "紫阳大院"), ("中山路3号", "水生村小区"), ("云架桥5号", ""))
    rooms = ("", "101室", "102室", "201室", "302", "三楼左", "103室", "601")
    texts: set[str] = set()
    for _ in range(draw(st.integers(10, 100))):
        door, name = dice.choice(doors)
        if dice.random() < odd:
            name = dice.choice(("沙湖小区", "紫阳公寓", "沙湖大院", "水生村公寓二期"))
        where = door + dice.choice((name, name, "")) if dice.random() < 0.7 or not name else name
        building = dice.choice(("", "1栋", "2栋", "3栋", "1栋", "2栋"))
        unit = dice.choice(("", "1单元", "2单元")) if building else ""
        upper = dice.choice(("", "武昌区", "湖北省武汉市武昌区", "湖北省武汉市武昌区中南路街道", "武汉市"))
        texts.add(upper + where + building + unit + dice.choice(rooms))
    return sorted(texts)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(quiet_towns(), st.randoms(use_true_random=False))
def test_a_few_texts_at_a_time_give_what_all_at_once_gives(texts: list[str], dice: random.Random) -> None:
    """Also after each step, and every text whose place or its names changed is told."""
    now, before = dice.sample(texts, len(texts) * 2 // 3), {}
    with empty() as con, empty() as other:
        for _ in range(dice.randint(2, 5)):
            say(con, now)
            resolve_new(con)
            say(other, now)
            resolve_all(other)
            assert everything(con) == everything(other)
            look = dict(con.execute(f"SELECT text, look FROM place_said JOIN ({_LOOK}) USING (saying)").fetchall())
            told = {text for (text,) in con.execute("SELECT text FROM place_again").fetchall()}
            assert {t for t in look.keys() & before.keys() if look[t] != before[t]} <= told
            gone = set(dice.sample(now, min(len(now), dice.randint(0, 4))))
            others = [t for t in texts if t not in now]
            now = [t for t in now if t not in gone] + dice.sample(others, min(len(others), dice.randint(0, 5)))
            before = look


def test_a_new_flat_concerns_its_own_building_only() -> None:
    """A text that says what others say but for the flat; where the estate has one building, all of it is concerned."""
    flats = [f"武珞路1号桃苑小区{b}栋1单元{f}01室" for b in (1, 2) for f in range(1, 6)]
    with empty() as con:
        sizes = []
        for said in (flats, [*flats, "武珞路1号桃苑小区2栋1单元601室"], flats, flats[:5], flats[:4]):
            say(con, said)
            sizes.append(resolve_new(con).resolved)
    # All; a building and its new flat; the building without it; all, for the second building goes; the one building left.
    assert sizes == [10, 6, 5, 5, 4]


def test_a_new_text_concerns_its_own_neighbourhood_only() -> None:
    stems = "梅兰竹菊松柏桃李杏梨荷莲桂棠枫柳槐榆桐杨"
    first = [f"武珞路{n}号{c}苑小区1栋1单元{f}01室" for n, c in enumerate(stems, 1) for f in range(1, 4)]
    with empty() as con:
        say(con, first)
        resolve_all(con)
        say(con, [*first, "桃苑小区1栋401室"])
        done = resolve_new(con)
    assert (done.new, done.resolved) == (1, 4)


def test_a_name_at_very_many_doors_joins_nothing() -> None:
    """中国银行 stands everywhere: which of them a text without plate means, nobody knows."""
    texts = [f"武珞路{n}号中国银行" for n in range(1, 40)]
    with empty() as con:
        sizes = []
        for said in (texts[:20], [*texts, "中国银行2楼"], [*texts[10:25], "中国银行2楼"], texts):
            say(con, said)
            resolve_new(con)
            step = everything(con)
            resolve_all(con)
            assert everything(con) == step
            sizes += con.execute(
                "SELECT max(n)::INTEGER FROM (SELECT count(*) AS n FROM place GROUP BY neighbourhood)"
            ).fetchall()
    assert sizes == [(20,), (1,), (16,), (1,)]

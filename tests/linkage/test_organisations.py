"""Anatomy of organisation names and how near they are: cases that anybody can read (tests/fixtures/linkage/organisation_*.csv)."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.names.tables import tables as characters
from linkage.organisations import FORM_SCHEMA, LEVELS, compare, numbers, standardise
from linkage.organisations.forms import normalised
from linkage.organisations.tables import forms, places, trades, words

FIXTURES = Path(__file__).parents[1] / "fixtures" / "linkage"


def rows(name: str) -> list[dict[str, str]]:
    with (FIXTURES / name).open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


NAMES = rows("organisation_names.csv")
PAIRS = rows("organisation_pairs.csv")
NUMBERS = rows("organisation_numbers.csv")
PARTS = ("place", "brand", "trade", "form", "branch", "former", "pinyin")
ONE_ORGANISATION = LEVELS[: LEVELS.index("branch_of")]
WRITTEN = [row["name"] for row in NAMES] + [row[side] for row in PAIRS for side in ("left", "right")]
SOME_NAMES = st.one_of(
    st.sampled_from(WRITTEN),
    st.text(
        st.sampled_from("武汉市昌区老王楚源商贸科技有限公司店面馆第一分中南路街道社区(原:)（）·  aA7无*"), max_size=14
    ),
    st.text(max_size=8),
    st.none(),
)
BRANDS = st.sampled_from(["楚源", "海明智", "好又多", "江城好邻", "7天优品", "ABC"])
BRAND_TRADE_FORMS = st.tuples(
    BRANDS, st.sampled_from(["商贸", "生物科技", "餐饮", "建筑工程", ""]),
    st.sampled_from(["有限公司", "有限责任公司", "股份有限公司", "经营部", "商行", "加工厂"]),
)  # fmt: skip
SOME_PLACES = st.sampled_from(
    ["武汉", "武汉市", "武汉市武昌区", "湖北省武汉市", "湖北", "深圳市南山区", "上海", "昆山市", "恩施州", "新疆", "仙桃市", "北京市朝阳区"]
)  # fmt: skip


def texts(*values: str | None) -> pa.StringArray:
    return pa.array([value or None for value in values], pa.string())


def level(left: str | None, right: str | None) -> str | None:
    return compare(texts(left), texts(right))[0].as_py()


@pytest.mark.parametrize("row", NAMES, ids=[f"{r['name']}: {r['what']}" for r in NAMES])
def test_a_name_has_the_parts_of_its_case(row: dict[str, str]) -> None:
    found = standardise(texts(row["name"])).to_pylist()[0]
    assert {part: found[part] or "" for part in PARTS} == {part: row[part] for part in PARTS}


@pytest.mark.parametrize("row", PAIRS, ids=[f"{r['left']} / {r['right']}" for r in PAIRS])
def test_a_pair_has_the_level_of_its_case_from_both_sides(row: dict[str, str]) -> None:
    expected = row["level"] or None
    assert level(row["left"], row["right"]) == expected
    assert level(row["right"], row["left"]) == expected


def test_every_level_has_a_case() -> None:
    assert {row["level"] for row in PAIRS} - {""} == set(LEVELS)
    assert {row["level"] for row in NUMBERS} - {""} == set(numbers.LEVELS)


def test_the_parts_of_a_branch_lead_to_its_head() -> None:
    branch = standardise(texts("武汉好吃餐饮有限公司中南路店", "康汉大药房(水果湖店)", "便民超市"))
    assert branch["head"].to_pylist() == ["武汉好吃餐饮有限公司", "康汉大药房", None]
    inside = standardise(texts("沃好(湖北)百货有限公司武汉店", "沃好(湖北)百货有限公司"))
    assert inside["head"][0] == inside["plain"][1]
    assert branch["folded"].to_pylist() == ["好吃餐饮", "康汉大药房", "便民超市"]
    assert branch["initials"].to_pylist() == ["hc", "kh", "bm"]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(SOME_NAMES, max_size=12))
def test_a_column_gives_what_its_names_give_one_by_one(names: list[str | None]) -> None:
    whole = standardise(pa.array(names, pa.string()))
    assert whole.schema == FORM_SCHEMA
    assert whole.to_pylist() == [standardise(pa.array([name], pa.string())).to_pylist()[0] for name in names]
    assert all(row["name"] is not None or set(row.values()) == {None} for row in whole.to_pylist())


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(st.tuples(SOME_NAMES, SOME_NAMES), max_size=10))
def test_levels_are_symmetric_and_the_same_in_a_column(pairs: list[tuple[str | None, str | None]]) -> None:
    left, right = (pa.array([p[i] for p in pairs], pa.string()) for i in (0, 1))
    found = compare(left, right).to_pylist()
    assert found == compare(right, left).to_pylist()
    assert found == [compare(left[i : i + 1], right[i : i + 1])[0].as_py() for i in range(len(pairs))]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(SOME_NAMES, SOME_NAMES)
def test_names_are_exact_if_and_only_if_they_are_equal_when_normalised(one: str | None, other: str | None) -> None:
    for right in (one, other):
        left_name, right_name = normalised(pa.array([one, right], pa.string())).to_pylist()
        found = compare(pa.array([one], pa.string()), pa.array([right], pa.string()))[0].as_py()
        assert (found is None) == (left_name is None or right_name is None)
        assert (found == "exact") == (left_name is not None and left_name == right_name)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(SOME_PLACES, BRAND_TRADE_FORMS)
def test_a_missing_place_never_makes_two_organisations_of_one(place: str, parts: tuple[str, str, str]) -> None:
    name = "".join(parts)
    assert level(name, place + name) == "same_but_place"


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.sampled_from([n for n in WRITTEN if n]), SOME_PLACES)
def test_a_place_put_in_front_of_a_name_without_one_leaves_it_alike(name: str, place: str) -> None:
    parts = standardise(texts(name)).to_pylist()[0]
    if parts["name"] is None or parts["place"] or parts["brand_from"] or not parts["brand"] or len(parts["brand"]) < 2:
        return
    assert level(name, place + name) in {"same_but_place", "former_name"}


@settings(max_examples=100, deadline=None, derandomize=True)
@given(BRAND_TRADE_FORMS, st.lists(st.sampled_from("一二三四五六七八九"), min_size=2, max_size=2, unique=True))
def test_numbered_branches_are_never_one(parts: tuple[str, str, str], ordinals: list[str]) -> None:
    head = f"{parts[0]}{parts[1]}有限公司"
    one, other = (f"{head}第{ordinal}分公司" for ordinal in ordinals)
    assert level(one, other) == "other_branch"
    assert level(head, one) == "branch_of"
    assert "other_branch" not in ONE_ORGANISATION


def test_a_slice_of_a_column_is_read_from_its_own_start() -> None:
    names = pa.array(["便民超市", "武汉楚源商贸有限公司(原黄鹤商贸)", None, "ABC贸易有限公司"])
    assert standardise(names[1:]).to_pylist() == standardise(names).to_pylist()[1:]


def test_columns_of_different_length_are_no_pairs() -> None:
    with pytest.raises(ValueError, match="2 names cannot be compared with 1"):
        compare(pa.array(["便民超市", "利民超市"]), pa.array(["便民超市"]))


def test_words_are_written_as_names_are_read() -> None:
    folded = characters().folded
    known = [*forms(), *trades(), *places(), *words().road_ends, *words().branch_kinds, *words().former_words]
    changed = [word for word in known if any(folded[ord(c)] != ord(c) for c in word)]
    assert changed == []


def test_reviewed_tables_hold_each_word_once() -> None:
    data = Path(__file__).parents[2] / "linkage" / "organisations" / "data"
    with (data / "trades.csv").open(encoding="utf-8", newline="") as lines:
        said = [word for row in csv.DictReader(lines) for word in row["words"].split()]
    assert sorted(said) == sorted(set(said))
    with (data / "forms.csv").open(encoding="utf-8", newline="") as lines:
        ends = [row["suffix"] for row in csv.DictReader(lines)]
    assert sorted(ends) == sorted(set(ends))


def keys(side: str, cases: list[dict[str, str]]) -> pa.Table:
    return numbers.keys(*(texts(*(c[f"{side}_{n}"] for c in cases)) for n in ("uscc", "registration_no", "org_code")))


@pytest.mark.parametrize("row", NUMBERS, ids=[f"{i}: {r['what'] or r['level']}" for i, r in enumerate(NUMBERS)])
def test_numbers_have_the_level_of_their_case_from_both_sides(row: dict[str, str]) -> None:
    left, right = keys("left", [row]), keys("right", [row])
    assert left.schema == numbers.KEY_SCHEMA
    assert numbers.compare(left, right).to_pylist() == [row["level"] or None]
    assert numbers.compare(right, left).to_pylist() == [row["level"] or None]


def test_a_column_of_numbers_gives_what_its_rows_give_one_by_one() -> None:
    left, right = keys("left", NUMBERS), keys("right", NUMBERS)
    assert numbers.compare(left, right).to_pylist() == [row["level"] or None for row in NUMBERS]


def test_an_organisation_code_that_is_not_the_one_inside_the_credit_code_is_reported() -> None:
    found = numbers.keys(texts("91420199707123450P"), texts(None), texts("MA4K000A4")).to_pylist()[0]
    assert found["conflict"] == "org_code"
    assert found["org_code"] == "707123450"
    assert (found["registrar"], found["sort"]) == ("420199", "enterprise")


def test_keys_and_comparisons_want_columns_of_one_length() -> None:
    with pytest.raises(ValueError, match="differ in length"):
        numbers.keys(texts("1"), texts("1", "2"), texts("1"))
    one, two = (numbers.keys(*[texts(*[None] * n)] * 3) for n in (1, 2))
    with pytest.raises(ValueError, match="1 organisations cannot be compared with 2"):
        numbers.compare(one, two)


def test_many_pairs_are_compared_at_once() -> None:
    names = pa.array([row["name"] for row in NAMES])
    a, b = np.divmod(np.arange(len(names) ** 2), len(names))
    found = compare(names.take(pa.array(a)), names.take(pa.array(b))).to_numpy(zero_copy_only=False)
    grid = found.reshape(len(names), len(names))
    assert (grid == grid.T).all()

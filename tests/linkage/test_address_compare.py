"""Pairs of addresses against hand-made labels, and what must hold for every pair."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.address import aliases, compare
from linkage.address.names import LEVELS, compare_names
from linkage.address.roads import compare_roads, former_names
from linkage.address.settings import weights
from schemas.address import parse

FIXTURE = Path(__file__).parent.parent / "fixtures" / "linkage" / "address_pairs.tsv"


def labelled() -> list[dict[str, str]]:
    with FIXTURE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


ROWS = labelled()
TEXTS = sorted({row[side] for row in ROWS for side in ("left", "right")})
_text = st.one_of(
    st.sampled_from(TEXTS),
    st.text(max_size=40),
    st.text("武昌区中山路小区栋单元室号层0123456789一二三-()弄附近村组 ", max_size=30),
)


def relations(left: list[str], right: list[str]) -> list[str]:
    return compare(left, right)["relation"].to_pylist()


def test_there_are_enough_labelled_pairs() -> None:
    assert len(ROWS) >= 390
    assert {row["relation"] for row in ROWS} == {"same", "contains", "different", "unsure"}
    assert len({(row["left"], row["right"]) for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['left']}|{row['right']}")
def test_labelled_pair(row: dict[str, str]) -> None:
    assert relations([row["left"]], [row["right"]]) == [row["relation"]], row["why"]


def test_a_batch_says_what_single_pairs_say() -> None:
    left, right = [r["left"] for r in ROWS], [r["right"] for r in ROWS]
    whole = compare(left, right).to_pylist()
    assert whole == [compare([a], [b]).to_pylist()[0] for a, b in zip(left, right, strict=True)]


def test_the_weight_goes_with_the_relation() -> None:
    limits = weights()
    for row in compare([r["left"] for r in ROWS], [r["right"] for r in ROWS]).to_pylist():
        if row["relation"] == "same":
            assert row["weight"] >= limits.same
        if row["relation"] == "different":
            assert row["weight"] <= limits.different


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(_text, _text), max_size=6))
def test_never_raises_one_row_a_pair_and_symmetric(pairs: list[tuple[str, str]]) -> None:
    left, right = [a for a, _ in pairs], [b for _, b in pairs]
    there, back = compare(left, right), compare(right, left)
    assert there.num_rows == len(pairs)
    assert there.schema.names == ["weight", "relation"]
    assert there["weight"].null_count == there["relation"].null_count == 0
    assert there.equals(back)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(_text)
def test_an_identifiable_address_is_the_same_as_itself(text: str) -> None:
    said = any(value for name, value in parse([text]).to_pylist()[0].items() if name != "note")
    found = compare([text], [text]).to_pylist()[0]
    if said and len(text.strip()) > 3:
        assert found["relation"] == "same"
        assert found["weight"] >= weights().same
    else:
        assert found["relation"] in {"same", "unsure"}


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    st.integers(1, 99), st.integers(1, 9), st.integers(1, 33), st.integers(1, 9), st.integers(0, 3), st.integers(1, 9)
)
def test_one_number_apart_is_never_the_same(
    building: int, unit: int, floor: int, flat: int, part: int, by: int
) -> None:
    numbers = [building, unit, floor * 100 + flat, 628]
    others = list(numbers)
    others[part] += by
    texts = ["武珞路{3}号亚贸小区{0}栋{1}单元{2}室".format(*n) for n in (numbers, others)]
    dashed = "武珞路{3}号亚贸{0}-{1}-{2}".format(*others)
    assert relations([texts[0]] * 2, [texts[1], dashed])[0] in {"different", "unsure"}
    assert relations([texts[0]], [dashed])[0] in {"different", "unsure"}
    assert relations([texts[1]], [dashed]) == ["same"]


NUMBER_WORDS = "栋幢座号楼单层室户组巷弄段期区门"


def renumbered() -> list[tuple[str, str]]:
    """Every labelled address beside itself with one number before its word, or at its end, raised by one."""
    pairs: list[tuple[str, str]] = []
    for text in TEXTS:
        for match in re.finditer(f"[0-9]+(?=[{NUMBER_WORDS}]|$)|[一二三四五六七八](?=[{NUMBER_WORDS}])", text):
            said = match[0]
            other = str(int(said) + 1) if said.isdigit() else "二三四五六七八九"["一二三四五六七八".index(said)]
            pairs += [(text, text[: match.start()] + other + text[match.end() :])]
    return pairs


def test_no_number_of_an_address_can_change_and_it_stays_the_same_place() -> None:
    pairs = renumbered()
    assert len(pairs) > 800
    found = relations([a for a, _ in pairs], [b for _, b in pairs])
    wrong = [pair for pair, relation in zip(pairs, found, strict=True) if relation in {"same", "contains"}]
    assert not wrong


def test_numbers_that_the_parse_cannot_place_keep_neighbours_apart() -> None:
    left = ["锦江小区东区8-3排3单元", "清华园(2号院3排)", "东风新村13排", "东风新村服务部13936953700"]
    right = ["锦江小区东区8-3排4单元", "清华园(2号院4排)", "东风新村14排", "东风新村服务部13936953701"]
    assert relations(left, right) == ["different", "unsure", "different", "same"]


def test_a_township_that_lies_in_the_other_county_or_not() -> None:
    weight = compare(["大王镇苏刘村", "符离镇苏刘村"], ["埇桥区苏刘村"] * 2)["weight"].to_pylist()
    assert weight[1] > 0 > weight[0]


def test_any_kind_of_column_is_taken() -> None:
    texts = ["亚贸小区3栋", None]
    array = pa.array(texts)
    expected = compare(texts, texts)
    assert expected["relation"].to_pylist() == ["same", "unsure"]
    for column in (array, array.dictionary_encode(), pa.chunked_array([array]), pa.array(texts, pa.large_string())):
        assert compare(column, column).equals(expected)
    assert compare([], []).num_rows == 0
    assert compare(pa.chunked_array([], pa.string()), []).num_rows == 0


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="2 addresses on the left, 1 on the right"):
        compare(["a", "b"], ["a"])


@pytest.mark.parametrize(
    ("left", "right", "level", "mark"),
    [
        ("亚贸小区", "亚贸", "core", 0),
        ("金都花园", "金都庄园", "kind", 0),
        ("荣鼎幸福城", "幸福城", "prefixed", 0),
        ("香溢璟庭", "香溢憬庭", "typo", 0),
        ("莲花新村六区", "莲花新村3区", "core", 3),
        ("名流印象五期", "名流印象", "core", 1),
        ("南湖花园", "翠竹大厦", "apart", 0),
    ],
)
def test_names(left: str, right: str, level: str, mark: int) -> None:
    found = compare_names(left, right)
    assert (LEVELS[found[0]], found[1]) == (level, mark)
    assert compare_names(right, left) == found


def test_a_road_is_renamed_in_its_city_only() -> None:
    assert former_names()["大西路", "上海市"] == "延安西路"
    assert relations(["宁波市海曙区大西路10号"], ["宁波市海曙区延安西路10号"]) != ["same"]
    assert relations(["上海市大西路10号"], ["上海市延安西路10号"]) == ["same"]
    assert compare_roads("红星路3段", "红星路三段") == 0


def flats(name: str, count: int) -> list[str]:
    return [f"武昌区紫阳路88号{name}{1 + i % 4}栋{1 + i % 2}单元{101 + i}室" for i in range(count)]


def test_aliases_are_learned_with_their_evidence() -> None:
    register = [*flats("紫阳花园", 12), *flats("武锅宿舍", 6), *flats("紫阳花园二期", 5), *flats("红星大厦", 2)]
    found = aliases.learn(parse(register))
    assert found.schema == aliases.SCHEMA
    by_name = {(row["name"], row["alias"]): row for row in found.to_pylist()}
    row = by_name["紫阳花园", "武锅宿舍"]
    assert (row["road"], row["road_no"]) == ("紫阳路", "88号")
    assert (row["shared_flats"], row["name_flats"], row["alias_flats"]) == (6, 12, 6)
    assert not any("红星大厦" in pair for pair in by_name)


def test_parts_of_an_estate_are_no_aliases() -> None:
    assert aliases.learn(parse([*flats("紫阳花园一期", 9), *flats("紫阳花园二期", 9)])).num_rows == 0
    assert aliases.learn(parse(["武珞路628号"])).num_rows == 0


def test_a_learned_alias_joins_what_names_keep_apart() -> None:
    left, right = ["武昌区紫阳花园3栋1单元203室"], ["武锅宿舍3-1-203"]
    known = aliases.learn(parse([*flats("紫阳花园", 12), *flats("武锅宿舍", 6)]))
    assert relations(left, right) != ["same"]
    assert compare(left, right, aliases=known)["relation"].to_pylist() == ["same"]

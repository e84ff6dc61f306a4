"""Forms of names and how near names are: cases that anybody can read (tests/fixtures/linkage/names_*.csv)."""

from __future__ import annotations

import csv
import unicodedata
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.names import FORM_SCHEMA, LEVELS, compare, standardise
from linkage.names.tables import DATA, fuzzy, tables
from schemas.values import NULL_WORDS, normalise
from warehouse.duck import open_warehouse
from warehouse.names import standardise_new

FIXTURES = Path(__file__).parents[1] / "fixtures" / "linkage"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


FORMS = rows(FIXTURES / "names_forms.csv")
PAIRS = rows(FIXTURES / "names_pairs.csv")
COLUMNS = ("folded", "surname", "given", "pinyin", "pinyin_fuzzy", "initials")
SOME_NAMES = st.one_of(
    st.sampled_from([row["name"] for row in FORMS] + sorted(NULL_WORDS)),
    st.text(st.sampled_from("王张欧阳单于尉遲喆昇·• 某?Aa𡋾\u3000（户主）〇"), max_size=8),
    st.text(max_size=6),
    st.none(),
)


@pytest.mark.parametrize("row", FORMS, ids=[f"{r['name']}: {r['what']}" for r in FORMS])
def test_a_name_has_the_forms_of_its_case(row: dict[str, str]) -> None:
    forms = standardise(pa.array([row["name"]])).to_pylist()[0]
    assert {c: forms[c] or "" for c in COLUMNS} == {c: row[c] for c in COLUMNS}


@pytest.mark.parametrize("row", PAIRS, ids=[f"{r['left']} / {r['right']}" for r in PAIRS])
def test_a_pair_has_the_level_of_its_case_from_both_sides(row: dict[str, str]) -> None:
    left, right = pa.array([row["left"] or None], pa.string()), pa.array([row["right"] or None], pa.string())
    expected = [row["level"] or None]
    assert compare(left, right).to_pylist() == expected
    assert compare(right, left).to_pylist() == expected


def test_every_level_has_a_case() -> None:
    assert {row["level"] for row in PAIRS} - {""} == set(LEVELS)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(SOME_NAMES, max_size=12))
def test_a_column_gives_what_its_names_give_one_by_one(names: list[str | None]) -> None:
    whole = standardise(pa.array(names, pa.string()))
    assert whole.schema == FORM_SCHEMA
    single = [standardise(pa.array([name], pa.string())).to_pylist()[0] for name in names]
    assert whole.to_pylist() == single
    assert whole["name"].to_pylist() == normalise("name", pa.array(names, pa.string()))["value"].to_pylist()
    assert [row["name"] is None for row in single] == [row["folded"] is None for row in single]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.tuples(SOME_NAMES, SOME_NAMES), max_size=10))
def test_a_column_of_pairs_gives_what_its_pairs_give_one_by_one(pairs: list[tuple[str | None, str | None]]) -> None:
    left, right = (pa.array([p[i] for p in pairs], pa.string()) for i in (0, 1))
    single = [compare(left[i : i + 1], right[i : i + 1])[0].as_py() for i in range(len(pairs))]
    assert compare(left, right).to_pylist() == single


def test_a_slice_of_a_column_is_read_from_its_own_start() -> None:
    names = pa.array(["尉遲恭", "张伟", "Ann", "李喆"])
    assert standardise(names[1:]).to_pylist() == standardise(names).to_pylist()[1:]


def test_columns_of_different_length_are_no_pairs() -> None:
    with pytest.raises(ValueError, match="2 names cannot be compared with 1"):
        compare(pa.array(["张伟", "李丽"]), pa.array(["张伟"]))


def test_folding_ends_where_it_leads() -> None:
    folded = tables().folded
    assert (folded[folded] == folded).all()


def test_reviewed_tables_hold_each_character_once_and_change_something() -> None:
    variants = rows(DATA / "variants.csv")
    assert len({row["character"] for row in variants}) == len(variants)
    assert all((row["character"] == row["folded"]) == (row["kind"] == "保留") for row in variants)
    readings = rows(DATA / "readings.csv")
    assert len({(row["text"], row["position"]) for row in readings}) == len(readings)
    assert all(len(row["reading"].split()) == len(row["text"]) for row in readings)
    surnames = [row["surname"] for row in rows(DATA / "compound_surnames.csv")]
    assert len(set(surnames)) == len(surnames)
    assert {len(name) for name in surnames} == {2}


def test_every_common_character_has_a_reading() -> None:
    known = tables()
    common = [c for c in range(0x4E00, 0x9FA6) if unicodedata.category(chr(c)) == "Lo"]
    assert (known.given[common] >= 0).mean() > 0.995


@pytest.mark.parametrize(
    ("syllable", "folded"),
    [("zhang", "zan"), ("nv", "lu"), ("ling", "lin"), ("leng", "len"), ("shi", "si"), ("song", "song"), ("n", "n")],
)
def test_syllables_are_folded_as_the_south_types_them(syllable: str, folded: str) -> None:
    assert fuzzy(syllable) == folded


def test_the_warehouse_keeps_the_forms_of_each_name_once(tmp_path: Path) -> None:
    con: duckdb.DuckDBPyConnection = open_warehouse(tmp_path / "warehouse.duckdb", threads=1, memory="300MB")
    try:
        con.execute("INSERT INTO touched_record (sid) VALUES (1)")
        con.execute("INSERT INTO std_person (name, used_name, sid) VALUES ('張偉', NULL, 1), ('王喆', '張偉', 1)")
        con.execute("INSERT INTO std_organisation (legal_representative, sid) VALUES ('李丽', 1)")
        assert standardise_new(con, standardise) == 3
        con.execute(
            "INSERT INTO std_person (name, sid) VALUES ('張偉', 1), ('赵军', 1), ('别人', 2)"
        )  # 2 is not touched
        assert standardise_new(con, standardise) == 1
        assert con.execute("SELECT * FROM name_form ORDER BY pinyin").fetchall() == [
            ("李丽", "李丽", "李", "li li", "li li"),
            ("王喆", "王哲", "王", "wang zhe", "wan ze"),
            ("張偉", "张伟", "张", "zhang wei", "zan wei"),
            ("赵军", "赵军", "赵", "zhao jun", "zao jun"),
        ]
    finally:
        con.close()

"""How near numbers and dates are: cases anybody can read (tests/fixtures/linkage/evidence_*.csv), and laws."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linkage.evidence import dates, numbers
from schemas.identifiers import citizen_id

FIXTURES = Path(__file__).parents[1] / "fixtures" / "linkage"


def rows(name: str) -> list[dict[str, str]]:
    with (FIXTURES / f"evidence_{name}.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def column(*values: str | None) -> pa.StringArray:
    return pa.array([value or None for value in values], pa.string())


def level(left: str | None, right: str | None) -> str | None:
    """The level of one pair of numbers; it has to be the same from both sides."""
    there, back = numbers.compare(column(left), column(right)), numbers.compare(column(right), column(left))
    assert there == back
    return there[0].as_py()


# --- numbers ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", rows("numbers"), ids=lambda r: f"{r['left']} / {r['right']}")
def test_a_pair_of_numbers_has_the_level_of_its_case(row: dict[str, str]) -> None:
    assert level(row["left"], row["right"]) == (row["level"] or None)


@pytest.mark.parametrize(("name", "levels"), [("numbers", numbers.LEVELS), ("dates", dates.LEVELS)])
def test_every_level_has_a_case(name: str, levels: tuple[str, ...]) -> None:
    assert {row["level"] for row in rows(name)} - {""} == set(levels)


def test_columns_of_different_length_are_no_pairs() -> None:
    with pytest.raises(ValueError, match="2 values cannot be compared with 1"):
        numbers.compare(column("1", "2"), column("1"))
    assert numbers.compare(column(), column()).to_pylist() == []
    assert numbers.compare(column(None, None), column(None, None)).to_pylist() == [None, None]


def test_a_column_of_pairs_gives_what_its_pairs_give_one_by_one() -> None:
    cases = rows("numbers")
    left, right = (column(*(r[side] for r in cases)) for side in ("left", "right"))
    single = [level(r["left"], r["right"]) for r in cases]
    assert numbers.compare(left, right).to_pylist() == single
    chunks = pa.chunked_array([left[3:5], left[5:], left[:3]]), pa.chunked_array([right[3:], right[:3]])
    assert numbers.compare(*chunks).to_pylist() == single[3:] + single[:3]


@st.composite
def valid_numbers(draw: st.DrawFn) -> str:
    day = draw(st.dates(date(1930, 1, 1), date(2020, 12, 31)))
    body = f"420199{day:%Y%m%d}{draw(st.integers(0, 999)):03}"
    return body + citizen_id.check_digit(body)


@given(valid_numbers())
def test_every_wrong_digit_of_a_number_is_seen(number: str) -> None:
    wrong = [
        number[:i] + digit + number[i + 1 :]
        for i in range(18)
        for digit in ("0123456789X" if i == 17 else "0123456789")
        if digit != number[i]
    ]
    assert set(numbers.compare(column(*[number] * len(wrong)), column(*wrong)).to_pylist()) == {"one_digit"}


@given(valid_numbers())
def test_every_swap_of_neighbours_in_a_number_is_seen(number: str) -> None:
    swaps = [number[:i] + number[i + 1] + number[i] + number[i + 2 :] for i in range(17) if number[i] != number[i + 1]]
    assert set(numbers.compare(column(*[number] * len(swaps)), column(*swaps)).to_pylist()) == {"swapped_digits"}


@given(valid_numbers(), st.integers(0, 17))
def test_every_lost_and_every_doubled_digit_is_seen(number: str, i: int) -> None:
    wrong = [number[:i] + number[i + 1 :], number[: i + 1] + number[i:]]
    assert numbers.compare(column(number, number), column(*wrong)).to_pylist() == ["missing_digit", "missing_digit"]


@given(valid_numbers(), valid_numbers())
def test_two_valid_numbers_are_one_or_two_and_nothing_between(one: str, other: str) -> None:
    assert level(one, other) == ("exact" if one == other else "different")


@given(valid_numbers(), valid_numbers(), st.sets(st.integers(0, 17), min_size=1))
def test_a_pattern_agrees_with_the_number_it_hides_and_with_no_other(one: str, other: str, hidden: set[int]) -> None:
    pattern = "".join("*" if i in hidden else c for i, c in enumerate(one))
    end = len({14, 15, 16, 17} - hidden) >= 3 and 18 - len(hidden) >= 6
    if end:
        expected = "pattern_ends" if hidden & set(range(6, 10)) else "pattern"
    else:
        expected = None if hidden & set(range(14)) else "same_area_and_birth"
    assert level(one, pattern) == expected
    differs = any(a != b and i not in hidden for i, (a, b) in enumerate(zip(one, other, strict=True)))
    assert level(other, pattern) == ("different" if differs else expected)


LIKE_NUMBERS = st.one_of(
    st.text("0123456789X*", max_size=19), st.text("019*", min_size=16, max_size=19), valid_numbers(), st.none()
)


@settings(max_examples=300)
@given(st.lists(st.tuples(LIKE_NUMBERS, LIKE_NUMBERS), max_size=20))
def test_numbers_are_compared_alike_from_both_sides(pairs: list[tuple[str | None, str | None]]) -> None:
    left, right = column(*(a for a, _ in pairs)), column(*(b for _, b in pairs))
    told = numbers.compare(left, right)
    assert told == numbers.compare(right, left)
    exact = [bool(a) and a == b and "*" not in (a or "") for a, b in pairs]
    assert [found == "exact" for found in told.to_pylist()] == exact


# --- dates --------------------------------------------------------------------------------------------------------------


def told_in_words(one: date, other: date) -> str:
    """The rule of `dates.LEVELS` once more, in plain Python, for one pair."""
    y, m, d = one.year == other.year, one.month == other.month, one.day == other.day
    firsts = [(a.month, a.day) == (1, 1) for a in (one, other)]
    if one == other:
        return "exact"
    if y and (one.month, one.day) == (other.day, other.month):
        return "swapped"
    if y and any(firsts):
        return "year_default"
    if y + m + d == 2 and not (not y and all(firsts)):
        return "one_part"
    return "year_only" if y else "different"


def by_sql(pairs: list[tuple[date, date]], statement: str) -> list[str]:
    sides = {
        f"{side}_{part}": pa.array([getattr(p[at], name) for p in pairs], pa.int16())
        for at, side in enumerate("lr")
        for part, name in (("y", "year"), ("m", "month"), ("d", "day"))
    }
    with duckdb.connect() as con:
        con.register("_pair", pa.table({"i": np.arange(len(pairs)), **sides}))
        return [told for (told,) in con.execute(f"SELECT {statement} FROM _pair ORDER BY i").fetchall()]


def statement(left: str = "l", right: str = "r") -> str:
    whens = " ".join(f"WHEN {test} THEN '{name}'" for name, test in dates.conditions(left, right))
    return f"CASE {whens} ELSE '{dates.LEVELS[-1]}' END"


def some_pairs(count: int) -> list[tuple[date, date]]:
    """Random pairs near one another, so that every level is common."""
    rng = np.random.default_rng(7)
    one = [date(1930, 1, 1) + timedelta(int(n)) for n in rng.integers(0, 90 * 365, count)]
    pairs = []
    for a, how, n in zip(one, rng.integers(0, 6, count), rng.integers(-400, 400, count), strict=True):
        b = a + timedelta(int(n))
        near = [b, b.replace(year=a.year, month=1, day=1), a.replace(day=1, month=a.day) if a.day <= 12 else a,
                a.replace(month=a.day, day=a.month) if a.day <= 12 else b, b.replace(month=1, day=1), a]  # fmt: skip
        pairs.append((a.replace(month=1, day=1) if how == 4 else a, near[int(how)]))
    return pairs


@pytest.mark.parametrize("row", rows("dates"), ids=lambda r: f"{r['left']} / {r['right']}")
def test_a_pair_of_dates_has_the_level_of_its_case_from_both_sides(row: dict[str, str]) -> None:
    pair = date.fromisoformat(row["left"]), date.fromisoformat(row["right"])
    assert by_sql([pair, pair[::-1]], statement()) == [row["level"]] * 2


def test_dates_are_compared_by_sql_as_the_rule_says_in_words() -> None:
    pairs = some_pairs(20_000)
    told = by_sql(pairs, statement())
    assert told == [told_in_words(*pair) for pair in pairs]
    assert told == by_sql(pairs, statement("r", "l"))
    assert set(told) == set(dates.LEVELS)
    assert [found == "exact" for found in told] == [a == b for a, b in pairs]


def test_the_sql_of_dates_survives_the_way_to_spark_and_back() -> None:
    sqlglot = pytest.importorskip("sqlglot")
    pairs = some_pairs(1000)
    (spark,) = sqlglot.transpile(f"SELECT {statement()}", read="duckdb", write="spark")
    (again,) = sqlglot.transpile(spark, read="spark", write="duckdb")
    assert by_sql(pairs, again.removeprefix("SELECT ")) == by_sql(pairs, statement())

"""Hints: what texts that are no values still say (tests/fixtures/values/hints.csv), and the lunar calendar behind them."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.values import ValueOptions, hints, lunar, normalise
from schemas.values.hints import KINDS

FIXTURE = Path(__file__).parents[1] / "fixtures" / "values" / "hints.csv"
OPTIONS = ValueOptions(latest=date(2026, 11, 23))


def cases() -> list[dict[str, str]]:
    with FIXTURE.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def read(kind: str, texts: list[str | None]) -> list[str]:
    """The hints of each text, as the fixture writes them."""
    raw = pa.array(texts, pa.string())
    answer = normalise(kind, raw, OPTIONS)
    columns = {name: answer[name].combine_chunks() for name in answer.column_names}
    said: list[list[str]] = [[] for _ in texts]
    for row in hints(kind, raw, columns, OPTIONS).to_pylist():
        said[row["at"]].append(f"{row['kind']} {row['value']}")
    return ["; ".join(sorted(words, key=lambda w: w.split()[1], reverse=True)) for words in said]


@pytest.mark.parametrize("case", cases(), ids=lambda c: f"{c['kind']} {c['text']}")
def test_case(case: dict[str, str]) -> None:
    expected = "; ".join(sorted(filter(None, case["hints"].split("; ")), key=lambda w: w.split()[1], reverse=True))
    assert read(case["kind"], [case["text"]]) == [expected]


@pytest.mark.parametrize("kind", ["id_number", "uscc", "date", "phone"])
def test_a_column_gives_what_its_texts_give_one_by_one(kind: str) -> None:
    texts = [c["text"] for c in cases() if c["kind"] == kind]
    column = [None, *texts, *reversed(texts), ""]
    assert read(kind, column) == [read(kind, [text])[0] for text in column]


def test_every_kind_has_a_case_except_the_one_that_needs_a_number_beside_the_date() -> None:
    found = {word.split()[0] for c in cases() for word in c["hints"].split("; ") if word}
    assert found == set(KINDS) - {"overruled"}


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.sampled_from(["id_number", "uscc", "date", "phone"]),
    st.text("0123456789X*EOI-/.年月日农历初十一腊闰\u3000 +", max_size=20),
)
def test_any_text_is_survived_and_a_hint_is_a_pattern(kind: str, text: str) -> None:
    for words in filter(None, read(kind, [text])):
        for word in words.split("; "):
            name, value = word.split()
            assert name in KINDS
            assert set(value) <= set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ*-"), word


@given(st.dates(date(1901, 1, 1), date(2059, 12, 31)))
def test_every_day_is_one_day_of_the_lunar_calendar(day: date) -> None:
    found = [
        (year, month, number, leap)
        for year in (day.year - 1, day.year)
        for month in range(1, 13)
        for leap in (False, True)
        if (first := lunar.gregorian(year, month, 1, leap=leap)) and first <= day < first + timedelta(days=30)
        for number in [(day - first).days + 1]
        if lunar.gregorian(year, month, number, leap=leap) == day
    ]
    assert len(found) == 1


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2024年正月初一", "2024-02-10"),
        ("2023年八月十五", "2023-09-29"),
        ("2020年闰四月初一", "2020-05-23"),
        ("2008年五月初五", "2008-06-08"),
    ],
)
def test_festivals_fall_on_the_days_on_which_they_were_held(text: str, day: str) -> None:
    assert str(lunar.read(text)) == day


def test_what_the_calendar_does_not_have_is_no_day() -> None:
    assert lunar.gregorian(1990, 8, 15, leap=True) is None  # 1990 had a second fifth month only
    assert lunar.gregorian(1899, 1, 1) is None
    assert lunar.gregorian(1990, 13, 1) is None

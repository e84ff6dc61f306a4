"""Values: the catalogue of dirt in tests/fixtures/values/*.csv, one file per kind."""

import csv
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.values import KINDS, MissingCodeSet, UnknownKind, ValueOptions, issues, normalise, reason

FIXTURES = Path(__file__).parents[1] / "fixtures" / "values"


def rows(kind):
    with (FIXTURES / f"{kind}.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def options(text):
    """Read `length=4;code_map=1>13|13>1` as ValueOptions."""
    given_options = {}
    for part in filter(None, text.split(";")):
        key, _, value = part.partition("=")
        match key:
            case "length" | "scale" | "pivot":
                given_options[key] = int(value)
            case "latest":
                given_options[key] = date.fromisoformat(value)
            case "date_formats":
                given_options[key] = tuple(value.split("|"))
            case "null_words" | "test_areas":
                given_options[key] = frozenset(filter(None, value.split("|")))
            case "code_map":
                given_options[key] = dict(pair.split(">") for pair in value.split("|"))
            case "code_map_falls_through":
                given_options[key] = value == "yes"
            case _:
                given_options[key] = value
    return ValueOptions(**given_options)


def ask(kind, texts, chosen=None):
    return normalise(kind, pa.array(texts, pa.string()), chosen or ValueOptions()).to_pylist()


@pytest.mark.parametrize("kind", KINDS)
def test_dirt(kind):
    for row in rows(kind):
        found = ask(kind, [row["input"]], options(row["options"]))[0]
        assert (found["value"] or "", found["issue"] or "", found["warning"] or "") == (
            row["expected"],
            row["issue"],
            row["warning"],
        ), (row["input"], row["options"])


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "code"])
def test_a_mixed_column_gives_each_text_the_answer_it_gets_alone(kind):
    plain = [row for row in rows(kind) if not row["options"]]
    texts = [row["input"] for row in plain] * 2 + [None]
    found = ask(kind, texts)
    assert [row["value"] or "" for row in found] == [row["expected"] for row in plain] * 2 + [""]
    assert [row["issue"] or "" for row in found] == [row["issue"] for row in plain] * 2 + [""]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "code"])
def test_canonical_values_are_their_own_canonical_value(kind):
    values = [row["expected"] for row in rows(kind) if row["expected"] and not row["options"]]
    again = ask(kind, values)
    assert [row["value"] for row in again] == values
    assert [row["issue"] for row in again] == [None] * len(values)


def test_the_catalogue_of_issues_and_the_fixtures_name_the_same_rules():
    shown = {row[column] for kind in KINDS for row in rows(kind) for column in ("issue", "warning")} - {""}
    assert shown == set(issues())
    for kind in KINDS:
        for row in rows(kind):
            assert not row["issue"] or issues()[row["issue"]].severity == "error"
            assert not row["warning"] or issues()[row["warning"]].severity == "warning"


def test_every_issue_is_said_in_chinese_and_english():
    for issue in issues().values():
        assert issue.rule.split(".")[0] in KINDS
        assert any("\u4e00" <= c <= "\u9fff" for c in issue.cn)
        assert issue.en
        assert reason(issue.rule) == issue.cn
        assert issue.en.isascii()


def test_columns_of_any_arrow_shape():
    numbers = normalise("date", pa.array([32874, None, 19900101]))
    assert numbers["value"].to_pylist() == ["1990-01-01", None, "1990-01-01"]
    chunked = pa.chunked_array([pa.array(["男"]), pa.array(["女", None], pa.string())]).dictionary_encode()
    coded = normalise("code", chunked, ValueOptions(code_set="sex"))
    assert coded["value"].to_pylist() == ["1", "2", None]
    sliced = pa.array(["x", "420106", "420106001", "y"]).slice(1, 2)
    assert normalise("region", sliced)["value"].to_pylist() == ["420106", "420106001"]
    assert normalise("name", pa.nulls(2))["value"].to_pylist() == [None, None]
    for kind in KINDS:
        empty = normalise(kind, pa.array([], pa.string()), ValueOptions(code_set="sex"))
        assert empty.column_names == ["value", "issue", "warning"]
        assert empty.num_rows == 0


def test_mistakes_of_the_caller_are_named():
    with pytest.raises(UnknownKind, match="id_number"):
        normalise("idnumber", pa.array(["1"]))
    with pytest.raises(MissingCodeSet, match="code_set"):
        normalise("code", pa.array(["1"]))


@given(st.dates(date(1900, 3, 1), date(2099, 12, 31)))
@settings(max_examples=100, deadline=None)
def test_every_spelling_of_a_day_is_that_day(day):
    serial = (day - date(1899, 12, 30)).days
    spellings = [
        f"{day:%Y-%m-%d}", f"{day.year}-{day.month}-{day.day}", f"{day.year}/{day.month}/{day.day}", f"{day:%Y%m%d}",
        f"{day.year}.{day.month}.{day.day}", f"{day.year}年{day.month}月{day.day}日", f"{day} 23:59:59",
        f"{day}T00:00:00+08:00", f" {day} ", chinese(day),
    ]  # fmt: skip
    if not 1800 <= serial <= 2199:  # four digits that are a year are never taken for a day number
        spellings += [str(serial), f"{serial}.0"]
    assert [row["value"] for row in ask("date", spellings)] == [day.isoformat()] * len(spellings)


def chinese(day):
    year = "".join("〇一二三四五六七八九"[int(c)] for c in str(day.year))
    return f"{year}年{numeral(day.month)}月{numeral(day.day)}日"


def numeral(number):
    tens, ones = divmod(number, 10)
    digits = ["", *"一二三四五六七八九"]
    return {0: "", 1: "十"}.get(tens, digits[tens] + "十") + digits[ones]


@given(st.sampled_from(KINDS), st.lists(st.text(max_size=30), max_size=6))
@settings(max_examples=200, deadline=None)
def test_nothing_typed_breaks_it_and_a_value_comes_without_an_issue(kind, texts):
    chosen = ValueOptions(code_set="sex", scale=2, length=20)
    found = ask(kind, texts, chosen)
    assert len(found) == len(texts)
    for row in found:
        assert row["value"] is None or (row["issue"] is None and row["value"].strip() != "")

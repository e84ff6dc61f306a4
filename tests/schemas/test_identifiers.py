"""Identifiers: the vectors of tests/fixtures/identifiers/*.csv, and properties that hold for every number."""

import csv
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.identifiers import (
    citizen_id,
    disability_no,
    document,
    organisation_code,
    phone,
    registration_no,
    uscc,
)
from schemas.identifiers.areas import area_name

FIXTURES = Path(__file__).parents[1] / "fixtures" / "identifiers"
MODULES = {
    module.__name__.rsplit(".", 1)[-1]: module
    for module in (citizen_id, uscc, organisation_code, registration_no, phone, document, disability_no)
}


def rows(name):
    with (FIXTURES / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.mark.parametrize("name", MODULES)
def test_vectors(name):
    expected = rows(name)
    found = MODULES[name].parse([row["input"] for row in expected]).to_pylist()
    for want, have in zip(expected, found, strict=True):
        for column in have:
            answer = " ".join(have[column] or ()) if isinstance(have[column], list) else have[column] or ""
            assert answer == want.get(column, ""), (want["input"], column)


def test_area_names_by_year():
    for row in rows("areas"):
        assert (area_name(row["code"], int(row["year"])) or "") == row["name"]


def test_every_module_keeps_row_order_and_takes_any_column():
    good = rows("citizen_id")[0]["input"]
    texts = pa.chunked_array([pa.array([good, None, good]), pa.array(["x"])]).dictionary_encode()
    assert citizen_id.parse(texts)["value"].to_pylist() == [good, None, good, None]
    for module in MODULES.values():
        assert module.parse([]).num_rows == 0
        assert module.parse([None, ""])["value"].to_pylist() == [None, None]
        assert module.parse([None, ""])["issue"].to_pylist() == [None, None]


def test_check_digits_refuse_bodies_of_the_wrong_shape():
    for module, body in (
        (citizen_id, "12"),
        (uscc, "I" * 17),
        (organisation_code, "a" * 8),
        (registration_no, "x" * 14),
    ):
        with pytest.raises(ValueError, match="body"):
            module.check_digit(body)


def test_birth_in_the_future_is_refused_only_when_told_the_day():
    body = "42019920300101123"
    number = body + citizen_id.check_digit(body)
    assert citizen_id.parse([number])["issue"].to_pylist() == [None]
    assert citizen_id.parse([number], today=date(2026, 1, 1))["issue"].to_pylist() == ["birth_date"]


births = st.dates(date(1900, 1, 1), date(2026, 12, 31))
sequences = st.integers(1, 999)


def citizen(birth, sequence):
    body = f"420199{birth:%Y%m%d}{sequence:03}"
    return body + citizen_id.check_digit(body)


@given(births, sequences)
@settings(max_examples=100, deadline=None)
def test_generated_citizen_ids_pass_and_are_anatomised(birth, sequence):
    number = citizen(birth, sequence)
    row = citizen_id.parse([number]).to_pylist()[0]
    assert (row["value"], row["issue"]) == (number, None)
    assert row["birth_date"] == birth.isoformat()
    assert row["sex"] == ("1" if sequence % 2 else "2")
    assert citizen_id.parse([row["value"]]).to_pylist()[0] == row


@given(births, sequences, st.integers(0, 17), st.integers(1, 9))
@settings(max_examples=100, deadline=None)
def test_any_single_wrong_digit_of_a_citizen_id_is_found(birth, sequence, place, step):
    number = citizen(birth, sequence)
    wrong = "5" if number[place] == "X" else str((int(number[place]) + step) % 10)
    assert citizen_id.parse([number[:place] + wrong + number[place + 1 :]])["issue"].to_pylist() != [None]


@given(st.dates(date(1900, 1, 1), date(1999, 12, 31)), st.integers(1, 995))
@settings(max_examples=100, deadline=None)
def test_fifteen_digits_become_the_same_eighteen(birth, sequence):
    number = citizen(birth, sequence)
    assert citizen_id.parse([number[:6] + number[8:17]])["value"].to_pylist() == [number]


bodies = st.tuples(
    st.sampled_from(["91", "92", "51", "N2", "Y1"]), st.text("0123456789ABCDEFGHJKLMNPQRTUWXY", min_size=8, max_size=8)
)


def credit_code(parts):
    front, inner = parts
    body = f"{front}420199{inner}{organisation_code.check_digit(inner)}"
    return body + uscc.check_digit(body)


@given(bodies, st.integers(0, 17), st.integers(1, 30))
@settings(max_examples=100, deadline=None)
def test_credit_codes_pass_and_any_wrong_character_is_found(parts, place, step):
    code = credit_code(parts)
    row = uscc.parse([code]).to_pylist()[0]
    assert (row["value"], row["issue"], row["warning"]) == (code, None, None)
    wrong = uscc.ALPHABET[(uscc.ALPHABET.index(code[place]) + step) % 31]
    assert uscc.parse([code[:place] + wrong + code[place + 1 :]])["issue"].to_pylist() == ["check_digit"]
    assert organisation_code.parse([row["org_code"]])["issue"].to_pylist() == [None]


@given(st.text("0123456789", min_size=14, max_size=14), st.integers(0, 14), st.integers(1, 9))
@settings(max_examples=100, deadline=None)
def test_registration_numbers_pass_and_any_wrong_digit_is_found(body, place, step):
    number = body + registration_no.check_digit(body)
    assert registration_no.parse([number])["issue"].to_pylist() == [None]
    wrong = str((int(number[place]) + step) % 10)
    assert registration_no.parse([number[:place] + wrong + number[place + 1 :]])["issue"].to_pylist() == ["check_digit"]


phones = st.one_of(
    st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True),
    st.from_regex(r"0(10|2[0-9]|[3-9][0-9]{2})-[2-8][0-9]{7}(-[0-9]{1,4})?", fullmatch=True),
)


@given(phones, st.sampled_from(["", "+86 ", " ", "'"]), st.sampled_from(["", " ", "(家)"]))
@settings(max_examples=100, deadline=None)
def test_canonical_phones_stay_and_dressed_ones_become_canonical(number, before, after):
    assert phone.parse([number]).to_pylist()[0]["value"] == number
    assert phone.parse([number]).to_pylist()[0]["warning"] is None
    assert phone.parse([before + number + after])["value"].to_pylist() == [number]


@given(st.lists(st.text(max_size=24), max_size=5))
@settings(max_examples=100, deadline=None)
def test_whatever_is_typed_gets_a_value_or_a_reason_and_parsing_again_changes_nothing(texts):
    for module in MODULES.values():
        first = module.parse(texts)
        assert first.num_rows == len(texts)
        for row in first.to_pylist():
            assert row["value"] is None or row["issue"] is None
        again = module.parse(first["value"])
        assert again["value"].to_pylist() == first["value"].to_pylist()

"""Code sets: the data files are sound, and what people write is understood."""

import csv
import re
from pathlib import Path

import pytest

from schemas.codes import UnknownCodeSet, code_set, code_sets
from schemas.entities import ENTITIES

FOLDER = Path(__file__).parents[2] / "schemas" / "codes"


def test_every_data_file_has_an_index_row_and_the_reverse():
    files = {path.stem for path in (FOLDER / "data").glob("*.csv")}
    assert files == set(code_sets())


@pytest.mark.parametrize("set_id", code_sets())
def test_codes_are_unique_named_and_clean(set_id):
    with (FOLDER / "data" / f"{set_id}.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    codes = [row["code"] for row in rows]
    assert len(set(codes)) == len(codes) > 1
    for row in rows:
        assert re.fullmatch(r"[0-9A-Z]{1,4}", row["code"])
        assert row["name"].strip() == row["name"] != ""
        assert row.get("parent", "") == "" or row["parent"] in codes


@pytest.mark.parametrize("set_id", code_sets())
def test_codes_names_and_synonyms_resolve_to_the_code(set_id):
    chosen = code_set(set_id)
    for code, name in chosen.codes.items():
        assert chosen.resolve(code) == code
        found = chosen.resolve(name)
        assert found == code or chosen.parents.get(found) == code  # a section and its only division share a name
    for spelling, code in chosen.synonyms.items():
        assert code in chosen.codes
        assert chosen.resolve(spelling) == (spelling if spelling in chosen.codes else code)


def test_every_code_set_named_by_the_master_schema_exists_and_fits_its_field():
    for entity in ENTITIES.values():
        for field in entity.fields:
            if field.code_set:
                assert max(map(len, code_set(field.code_set).codes)) <= field.length, field.name


@pytest.mark.parametrize(
    ("set_id", "spelling", "code"),
    [
        ("sex", "男", "1"), ("sex", "ｍ", "1"), ("sex", " 女性 ", "2"), ("ethnicity", "汉", "01"), ("ethnicity", "汉族", "01"),
        ("ethnicity", "HA", "01"), ("ethnicity", "毛难族", "36"), ("political", "群众", "13"), ("political", "党员", "01"),
        ("political", "中国共产党党员", "01"), ("education", "本科", "20"), ("education", "大专", "30"),
        ("family_relation", "户主", "02"), ("family_relation", "本人", "01"), ("family_relation", "儿子", "20"),
        ("family_relation", "妻子", "12"), ("country", "中国", "CHN"), ("country", "香港", "HKG"), ("id_type", "身份证", "111"),
        ("industry", "餐饮业", "62"), ("house_status", "自住", "1"), ("boolean", "是", "1"),
    ],
)  # fmt: skip
def test_common_spellings(set_id, spelling, code):
    assert code_set(set_id).resolve(spelling) == code


@pytest.mark.parametrize(
    ("set_id", "text"), [("political", "1"), ("marital", "1"), ("sex", "3"), ("education", ""), ("gbt31000_5_18", "9")]
)
def test_what_is_in_doubt_is_not_guessed(set_id, text):
    assert code_set(set_id).resolve(text) is None


def test_one_word_has_its_own_code_in_each_set():
    assert code_set("gbt31000_5_19").resolve("治安隐患") == "02"
    assert code_set("gbt31000_5_45").resolve("治安隐患") == "01"


def test_sizes_of_the_standards():
    assert len(code_set("country").codes) == 249
    assert [len(code) for code in code_set("industry").codes].count(2) == 97
    assert len([c for c in code_set("ethnicity").codes if int(c) <= 56]) == 56
    assert code_set("industry").parents["62"] == "H"


def test_an_unknown_set_names_the_nearest():
    with pytest.raises(UnknownCodeSet) as caught:
        code_set("ethnicty")
    assert caught.value.set_id == "ethnicty"
    assert "ethnicity" in caught.value.remedy


def test_a_code_set_is_read_once_and_cannot_be_changed():
    assert code_set("sex") is code_set("sex")
    with pytest.raises(TypeError):
        code_set("sex").codes["1"] = "女"

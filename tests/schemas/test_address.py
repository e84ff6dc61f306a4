"""Addresses: what a text says, in normal form, for the whole country and for every way of writing it."""

import csv
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.address import COLUMNS, SCHEMA, complete, normal_key, parse, render
from schemas.address.numerals import digits, name_digits
from schemas.address.reader import read
from schemas.address.regions import read_prefix
from schemas.address.shapes import read_columns
from schemas.address.text import normal_texts

FIXTURES = Path(__file__).parent.parent / "fixtures" / "address"
LABELLED = ("hubei", "municipalities", "cities", "forms", "names")


def _rows(name: str) -> list[dict[str, str]]:
    with (FIXTURES / f"{name}.tsv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


CASES = [(row["text"], {c: row[c] or None for c in COLUMNS}) for name in LABELLED for row in _rows(name)]


def test_the_fixtures_hold_at_least_250_addresses() -> None:
    assert len(CASES) >= 250


@pytest.mark.parametrize(("text", "expected"), CASES, ids=[text for text, _ in CASES])
def test_labelled_address(text: str, expected: dict[str, str | None]) -> None:
    assert parse([text]).to_pylist() == [expected]


def test_one_row_for_each_text_in_order_with_the_published_schema() -> None:
    texts = ["武珞路628号", None, "", "武珞路628号", "粮道街88号"]
    table = parse(texts)
    assert table.schema.equals(SCHEMA)
    assert table.column("road").to_pylist() == ["武珞路", None, None, "武珞路", "粮道街"]


@pytest.mark.parametrize(
    "column",
    [
        pa.chunked_array([["武珞路628号"], ["粮道街88号", None]]),
        pa.array(["武珞路628号", "粮道街88号", None], pa.large_string()),
        pa.array(["武珞路628号", "粮道街88号", None]).dictionary_encode(),
        pa.array(["x", "武珞路628号", "粮道街88号", None]).slice(1),
    ],
    ids=["chunked", "large", "dictionary", "sliced"],
)
def test_arrow_columns_of_every_layout(column: pa.Array) -> None:
    assert parse(column).column("road_no").to_pylist() == ["628号", "88号", None]


def test_what_was_read_before_does_not_change_a_reading() -> None:
    texts = [text for text, _ in CASES]
    fresh = parse(texts).to_pylist()
    assert parse(list(reversed(texts))).to_pylist() == fresh[::-1]
    assert parse([f"{text}1栋" for text in texts]).num_rows == len(texts)
    assert parse(texts).to_pylist() == fresh


def test_empty_columns() -> None:
    assert parse([]).num_rows == 0
    assert parse(pa.chunked_array([], pa.string())).num_rows == 0
    assert render(parse([])).to_pylist() == []
    assert normal_key(parse([])).to_pylist() == []
    assert complete(parse([])).num_rows == 0


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(max_size=60), max_size=5))
def test_any_text_gives_one_row_and_no_error(texts: list[str]) -> None:
    table = parse(texts)
    assert table.num_rows == len(texts) == len(render(table)) == len(normal_key(table))


ADDRESS_CHARACTERS = (
    "武昌区中南路街道社区村镇市省号栋幢座单元楼层室门弄巷组附特甲之一二三十百零1250AB-/#()（） 对面旁路口与"
)


@settings(max_examples=500, deadline=None)
@given(st.text(alphabet=ADDRESS_CHARACTERS, max_size=50))
def test_text_made_of_address_characters_never_raises(text: str) -> None:
    assert parse([text]).num_rows == 1


def _one_by_one(texts: list[str]) -> list[tuple[str | None, ...]]:
    return [read(text).row() for text in texts]


def _by_shape(texts: list[str]) -> list[tuple[str | None, ...]]:
    return list(zip(*(column.to_pylist() for column in read_columns(texts)), strict=True))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(alphabet=ADDRESS_CHARACTERS + "0123456789BF", max_size=30), max_size=4), st.data())
def test_reading_by_shape_is_reading_one_by_one(texts: list[str], data: st.DataObject) -> None:
    digit = st.sampled_from("0123456789")
    renumbered = ["".join(data.draw(digit) if char.isdigit() else char for char in text) for text in texts]
    distinct = sorted({*normal_texts(texts + renumbered)})
    assert not distinct or _by_shape(distinct) == _one_by_one(distinct)


def test_the_labelled_addresses_with_other_numbers_read_by_shape_as_one_by_one() -> None:
    shift = [str.maketrans("0123456789", "0123456789"[by:] + "0123456789"[:by]) for by in range(10)]
    texts = sorted({*normal_texts([text.translate(table) for text, _ in CASES for table in shift])})
    assert _by_shape(texts) == _one_by_one(texts)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("七〇一社区", "701社区"),
        ("十五中", "15中"),
        ("武珞路二巷", "武珞路2巷"),
        ("二七路", "二七路"),
        ("二十七路", "27路"),
        ("百步亭", "百步亭"),
    ],
)
def test_numerals_of_names_for_comparison(name: str, expected: str) -> None:
    assert name_digits(name) == expected


def test_the_first_call_is_quick_and_imports_no_pandas() -> None:
    code = (
        "import sys, time, pyarrow, pyarrow.compute; start = time.process_time()\n"
        "from schemas import address\n"
        "table = address.parse(['武昌区中山路1号']); address.normal_key(table); address.render(table); address.complete(table)\n"
        "assert 'pandas' not in sys.modules; assert time.process_time() - start < 1.5"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


NAMES = st.sampled_from(["武珞", "解放", "中山", "珞喻", "友谊", "沿江"])
NUMBERS = st.integers(1, 999)


@settings(max_examples=200, deadline=None)
@given(
    road=NAMES,
    plate=NUMBERS,
    building=st.integers(1, 99),
    unit=st.integers(1, 9),
    floor=st.integers(1, 50),
    flat=st.integers(1, 9),
)
def test_composed_address_comes_back_in_every_spelling(
    road: str, plate: int, building: int, unit: int, floor: int, flat: int
) -> None:
    room = f"{floor}{flat:02d}"
    start = f"湖北省武汉市武昌区{road}路{plate}号亚贸小区"
    spellings = [
        f"{start}{building}栋{unit}单元{room}室",
        f"{start}{building}幢{unit}单元{room}",
        f"{start}{building}号楼{unit}门{room}号房",
        f"{start}{building}-{unit}-{room}",
        f"{start} {building}栋 {unit}单元 {floor}楼 {room}",
    ]
    table = parse(spellings)
    assert len({tuple(row.items()) for row in table.to_pylist()}) == 1
    row = table.to_pylist()[0]
    assert (row["building"], row["unit"], row["floor"], row["room"]) == (
        f"{building}栋",
        f"{unit}单元",
        f"{floor}层",
        f"{room}室",
    )
    assert len(set(normal_key(table).to_pylist())) == 1


def test_rendering_and_parsing_again_keeps_every_element() -> None:
    first = parse([text for text, _ in CASES]).drop_columns(["note"])
    again = parse(render(first.append_column("note", pa.nulls(first.num_rows, pa.string())))).drop_columns(["note"])
    differing = [(a, b) for a, b in zip(first.to_pylist(), again.to_pylist(), strict=True) if a != b]
    assert differing == []


def test_render_names_a_municipality_once_and_no_floor_the_room_tells() -> None:
    table = parse(["北京市朝阳区建国路93号院1号楼1502", "", "亚贸小区3栋5楼"])
    assert render(table).to_pylist() == ["北京市朝阳区建国路93号院1栋1502室", None, "亚贸小区3栋5层"]


def test_key_is_equal_exactly_for_the_same_place() -> None:
    rows = _rows("same_place")
    keys = normal_key(parse([row["text"] for row in rows])).to_pylist()
    assert None not in keys
    places: dict[str, set[str]] = {}
    for row, key in zip(rows, keys, strict=True):
        places.setdefault(row["place"], set()).add(key)
    assert {place: len(found) for place, found in places.items()} == dict.fromkeys(places, 1)
    assert len(set(keys)) == len(places)


@pytest.mark.parametrize(
    "text", ["", "武汉市武昌区", "武珞路", "中南路街道", "亚贸小区", "3栋", "501室", "付家坡社区", "附近"]
)
def test_too_little_for_a_place_has_no_key(text: str) -> None:
    assert normal_key(parse([text])).to_pylist() == [None]


@pytest.mark.parametrize(
    ("text", "province", "city"),
    [
        ("余杭区文一西路969号", "浙江省", "杭州市"),
        ("杭州市文一西路969号", "浙江省", "杭州市"),
        ("朝阳区人民大街1号", None, None),
        ("长春市朝阳区前进大街2699号", "吉林省", "长春市"),
        ("武昌区中山路1号", "湖北省", "武汉市"),
        ("杭州经济技术开发区6号大街452号", "浙江省", "杭州市"),
        ("仙桃市仙桃大道1号", "湖北省", None),
        ("武珞路1号", None, None),
    ],
)
def test_complete_fills_only_what_is_certain(text: str, province: str | None, city: str | None) -> None:
    row = complete(parse([text])).to_pylist()[0]
    assert (row["province"], row["city"]) == (province, city)


def test_complete_leaves_the_other_columns_alone() -> None:
    table = parse([text for text, _ in CASES])
    rest = ["province", "city"]
    assert complete(table).drop_columns(rest).equals(table.drop_columns(rest))


@pytest.mark.parametrize(
    ("text", "city", "district"),
    [
        ("武汉武昌徐东大街", "武汉市", "武昌区"),
        ("武昌大道1号", None, None),
        ("南京东路1号", None, None),
        ("北京路1号", None, None),
        ("上海大厦5楼", None, None),
    ],
)
def test_short_names_count_only_as_regions(text: str, city: str | None, district: str | None) -> None:
    prefix = read_prefix(text)
    assert (prefix.city, prefix.district) == (city, district)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("十二", "12"),
        ("二十", "20"),
        ("一百零五", "105"),
        ("二〇三", "203"),
        ("A三", "A3"),
        ("两", "2"),
        ("12", "12"),
        ("一百", "100"),
    ],
)
def test_numerals(text: str, expected: str) -> None:
    assert digits(text) == expected


@pytest.mark.parametrize(
    "unit",
    [
        "1",
        "一",
        "路",
        "-",
        "1-",
        "号",
        "(",
        ")",
        "武",
        "中南路街",
        "A",
        "1号",
        "与",
        " ",
        "村",
        "附1号",
        "浙江省",
        "3栋",
        "东",
        "市",
        "1弄",
        "省市",
    ],
)
def test_time_is_linear_in_nasty_texts(unit: str) -> None:
    parse(["浙江省杭州市西湖区"])  # the gazetteer is read once, and is not what is measured
    text = unit * (10_000 // len(unit))
    start = time.process_time()
    parse([text, "武昌区" + text, text + "号"])
    assert time.process_time() - start < 2

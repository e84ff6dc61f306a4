"""Forms filled for a grid: their own words, their own rows, nothing overwritten, the law kept, the missing listed once."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import sqlalchemy as sa
from forms_support import FORMS, form
from town import settle_town

from onefact.forms.fill import DIFFERS, NO_WORD, NOT_HERE, Filled, fill
from onefact.forms.gate import gate
from onefact.forms.heading import paste
from onefact.forms.memory import NoSuchMeaning, forget, remember
from onefact.forms.subjects import NoSuchSelection
from onefact.forms.tasks import settle, tasks
from onefact.home import OWN_SYSTEMS, Home
from warehouse.tables import FORM_FILLED, FORM_HEADING, METADATA

YBSS = (OWN_SYSTEMS / "ybss.yaml").read_text(encoding="utf-8")
DISABLED = (OWN_SYSTEMS / "disabled.yaml").read_text(encoding="utf-8")


@pytest.fixture
def home(make_home: Callable[..., Home], tmp_path: Path) -> Home:
    made = make_home(tmp_path, {"ybss": YBSS, "disabled": DISABLED})
    made.__dict__["ids"] = settle_town(made)
    return made


def page(done: Filled) -> Any:
    """The filled sheet, saved and opened again as a person would."""
    memory = BytesIO()
    done.book.save(memory)
    return openpyxl.load_workbook(memory)[done.form.sheet]


def table(done: Filled) -> list[dict[str, Any]]:
    """The data rows by the whole headings."""
    sheet, first = page(done), done.form.first
    return [
        {h.text: sheet.cell(row, h.column).value for h in done.form.headings} for row in range(first, first + done.rows)
    ]


def test_everybody_of_the_grid_door_by_door_with_the_head_first(home: Home) -> None:
    done = fill(home, form("household"), ["G1"], "w1")
    names = [r["家庭成员 > 姓名"] for r in table(done)]
    assert names == ["钱老", "钱壮", "钱小", "=孙怪"]
    first, son = table(done)[:2]
    assert (first["户主信息 > 姓名"], first["户主信息 > 联系电话"], first["家庭成员 > 与户主关系"]) == (
        "钱老",
        "13800000001",
        "户主",
    )
    assert son["家庭成员 > 身份证号"].startswith("420199197005")
    assert (son["住址 > 楼栋"], son["住址 > 室"]) == ("1栋", "101室")


def test_codes_are_written_in_the_forms_own_words(home: Home) -> None:
    done = fill(home, form("household"), ["G1"], "w1")
    son = table(done)[1]
    assert (son["家庭成员 > 文化程度"], son["家庭成员 > 婚姻状况"]) == ("本科", "已婚"), "大学本科毕业, 初婚"
    assert [m.heading for m in done.missing if m.why == NO_WORD] == ["家庭成员 > 文化程度"], (
        "职高 is none of the choices"
    )


def test_children_without_guardian_are_not_listed_and_it_is_said(home: Home) -> None:
    done = fill(home, form("household"), ["G1"], "w1")
    assert sum(done.omitted.values()) == 1
    to_register = fill(home, form("household"), ["G1"], "w1", system="ybss")
    assert to_register.omitted == {}


def test_the_law_leaves_columns_empty_with_the_reason(home: Home) -> None:
    done = fill(home, form("household"), ["G1"], "w1")
    assert list(done.withheld) == ["家庭成员 > 政治面貌"]
    assert "《个人信息保护法》" in done.withheld["家庭成员 > 政治面貌"]
    assert {r["家庭成员 > 政治面貌"] for r in table(done)} == {None}


def test_the_receivers_register_decides_what_it_gets(home: Home) -> None:
    unnamed = fill(home, form("disabled"), ["G1"], "w1", who="all")
    named = fill(home, form("disabled"), ["G1"], "w1", who="all", system="disabled")
    assert {"残疾证号", "残疾类别", "残疾等级"} <= set(unnamed.withheld)
    assert not {"残疾证号", "残疾类别", "残疾等级"} & set(named.withheld)


def test_a_list_that_is_itself_a_restricted_fact_is_not_made(home: Home) -> None:
    done = fill(home, form("disabled"), ["G1"], "w1")
    assert (done.selection.id, done.rows) == ("restricted", 0)


@pytest.mark.parametrize(
    ("name", "listed"), [("elder_80", ["钱老"]), ("floating", ["=孙怪"]), ("vaccination", ["钱小"])]
)
def test_the_title_says_whom_a_form_lists(home: Home, name: str, listed: list[str]) -> None:
    done = fill(home, form(name), ["G1"], "w1")
    assert done.selection.id == FORMS[name]["who"]
    assert [r.get("姓名", r.get("儿童姓名")) for r in table(done)] == listed


def test_a_dangerous_name_is_a_text_and_long_numbers_keep_their_digits(home: Home) -> None:
    done = fill(home, form("three_level"), ["G1"], "w1")
    sheet = page(done)
    cells = [c for row in sheet.iter_rows(min_row=done.form.first) for c in row]
    name = next(c for c in cells if c.value == "=孙怪")
    assert (name.data_type, name.quotePrefix) == ("s", True)
    number = next(c for c in cells if str(c.value).startswith("42019919700505"))
    assert (number.data_type, number.number_format) == ("s", "@")


def test_only_the_rows_that_the_form_names_and_nothing_overwritten(home: Home) -> None:
    ids = {r["name"]: r for r in __import__("town").people()}
    named = [
        {"姓名": "钱老", "身份证号码": ids["钱老"]["id_number"], "现住地址": "别处"},
        {"姓名": "钱壮"},
        {"姓名": "李远", "身份证号码": ids["李远"]["id_number"]},
    ]
    done = fill(home, form("prefilled", named), ["G1"], "w1")
    old, son, stranger = table(done)
    assert (old["联系电话"], old["现住地址"]) == ("13800000001", "别处")
    assert (son["联系电话"], son["身份证号码"]) == ("13800000002", ids["钱壮"]["id_number"])
    assert stranger["联系电话"] is None, "of another grid"
    assert {(m.row - done.form.first, m.why) for m in done.missing if m.why in {DIFFERS, NOT_HERE}} == {
        (0, DIFFERS),
        (2, NOT_HERE),
    }


def test_the_footer_moves_down_with_its_merged_cells(home: Home) -> None:
    done = fill(home, form("rental"), ["G1"], "w1", who="all")
    sheet = page(done)
    assert sheet.cell(done.form.first + 2, 1).value == "注：隐患类型按实际填写。"
    many = fill(home, form("household"), ["G1", "G2"], "w1")
    assert many.rows == 5
    elders = fill(home, form("elder_80"), ["G1", "G2"], "w1", who="all")
    moved = page(elders)
    at = elders.form.first + elders.rows
    assert [moved.cell(at + i, 1).value for i in (0, 1)] == ["填表人：", "审核人："]
    assert f"A{at}:C{at}" in {str(a) for a in moved.merged_cells.ranges}


def test_houses_and_their_residents(home: Home) -> None:
    done = fill(home, form("rental"), ["G1"], "w1")
    (row,) = table(done)
    assert (done.selection.id, row["出租屋地址"], row["居住人数"], row["建筑面积（㎡）"]) == (
        "rented",
        "示范路1号1栋1单元102室",
        1,
        88.5,
    )
    assert row["房东信息 > 姓名"] == "钱老"


def test_the_sums_of_the_note_agree_with_the_sheet(home: Home) -> None:
    for name in FORMS:
        done = fill(home, form(name), ["G1"], "w1", who="all", keep=False)
        asked = [m.heading.text for m in done.matched.columns if not m.free and m.meaning != "@number"]
        cells = [r[h] for r in table(done) for h in asked]
        assert (name, done.cells, done.filled) == (name, len(cells), sum(c is not None for c in cells))
        assert done.filled == sum(done.sources.values())


def test_what_is_missing_becomes_one_task_whichever_forms_ask(home: Home) -> None:
    first = fill(home, form("elder_80"), ["G1"], "w1", who="all")
    again = fill(home, form("conscript"), ["G1"], "w1", who="all")
    with home.engine.connect() as connection:
        waiting = tasks(connection, ["G1"])
        assert len(waiting) == first.tasks + again.tasks
        assert len({(t.master_id, t.field) for t in waiting}) == len(waiting)
        assert tasks(connection, ["G2"]) == []
        assert connection.execute(sa.select(sa.func.count()).select_from(FORM_FILLED)).scalar_one() == 2
    odd = home.__dict__["ids"]["=孙怪"]
    assert (odd, "phone") in {(t.master_id, t.field) for t in waiting}
    person = METADATA.tables["person"]
    with home.engine.begin() as connection:
        connection.execute(sa.update(person).where(person.c.master_id == odd).values(phone="13800000088"))
    assert settle(home) == 1
    with home.engine.connect() as connection:
        assert (odd, "phone") not in {(t.master_id, t.field) for t in tasks(connection)}


def test_a_remembered_heading_fills_the_next_form_and_can_be_taken_back(home: Home) -> None:
    before = fill(home, form("prefilled", [{"姓名": "钱老"}]), ["G1"], "w1")
    remember(home, "是否已参保", "person", "", "w1")
    remember(home, "是否已参保", "person", "phone", "w2")
    after = fill(home, form("prefilled", [{"姓名": "钱老"}]), ["G1"], "w1")
    assert (table(before)[0]["是否已参保"], table(after)[0]["是否已参保"]) == (None, "13800000001")
    assert forget(home, "是否已参保", "person", "w1")
    assert not forget(home, "是否已参保", "person", "w1")
    with home.engine.connect() as connection:
        assert [r.ended_by for r in connection.execute(sa.select(FORM_HEADING).order_by(FORM_HEADING.c.line_id))] == [
            "w2",
            "w1",
        ]
    with pytest.raises(NoSuchMeaning, match="phone"):
        remember(home, "电话", "person", "phon", "w1")


def test_an_unknown_selection_is_named(home: Home) -> None:
    with pytest.raises(NoSuchSelection, match="elder80"):
        fill(home, form("elder_80"), ["G1"], "w1", who="pensioners")


def test_the_gate_says_what_need_not_be_asked(home: Home) -> None:
    done = gate(home, paste("姓名、身份证号、联系电话、婚姻状况、残疾类别、疫苗品牌、备注"), grids=["G1"])
    verdicts = {c.match.heading.text: c.verdict for c in done.columns}
    assert verdicts == {
        "姓名": "已有", "身份证号": "已有", "联系电话": "部分", "婚姻状况": "部分", "残疾类别": "不得收集", "疫苗品牌": "新增", "备注": "自填",
    }  # fmt: skip
    phone = next(c for c in done.columns if c.match.heading.text == "联系电话")
    assert (done.entities, phone.coverage) == (5, 2 / 5)
    name = done.columns[0]
    assert name.known_by[0] == home.manifests["ybss"].department
    assert done.known == 2 / 6

"""Columns of forms to fields: fourteen departments' forms, pasted headings, pinyin, content, what people said."""

import openpyxl
import pytest
from forms_support import FORMS, columns, form

from connectors.manifest import load_all
from onefact.bulk.settings import Limits
from onefact.forms.heading import Heading, paste, remark_options
from onefact.forms.match import Matched, match
from onefact.forms.vocabulary import CONTEXTS, computed, fold, rows, title
from onefact.forms.workbook import open_form, read_form
from onefact.home import OWN_SYSTEMS
from schemas.entities import ENTITIES

MANIFESTS = tuple(load_all(OWN_SYSTEMS).values())
NAMED = [{"姓名": "张三", "身份证号码": "420199198506120010"}]


def matched(name: str) -> Matched:
    read = read_form(open_form(form(name, NAMED if FORMS[name].get("rows") else ()), Limits()))
    return match(read.headings, MANIFESTS, form_title=read.title)


def told(name: str) -> dict[tuple[str, ...], str]:
    """Heading -> what it means; ? before what a person is asked to confirm."""
    return {
        m.heading.path: "free" if m.free else (m.meaning or "") if m.sure or not m.meaning else f"?{m.meaning}"
        for m in matched(name).columns
    }


@pytest.mark.parametrize("name", FORMS)
def test_every_heading_of_the_forms(name: str) -> None:
    assert told(name) == dict(columns(name))
    assert matched(name).context == FORMS[name]["context"]


@pytest.mark.parametrize("name", FORMS)
def test_where_headings_end_and_footers_begin(name: str) -> None:
    about = FORMS[name]
    read = read_form(open_form(form(name), Limits()))
    deep = max(len(p) for p, _ in columns(name))
    top = 2 + bool(about.get("particulars"))
    assert read.last_heading == top + deep - 1
    assert read.first == top + deep + bool(about.get("numbering")) + bool(about.get("example"))
    assert read.end == (read.first + 2 if about.get("footer") else read.first)
    assert read.title == about["title"]


PASTED = [
    ("XM\tSFZH\tLXDH", "person", ["name", "id_number", "phone"]),
    ("xingming,xingbie,minzu", "person", ["name", "sex", "ethnicity"]),
    ("1、姓名、性别（男、女）、本人手机号", "person", ["name", "sex", "phone"]),
    ("姓 名 *\t身份证号（必填）\t子女联系电话\t紧急联系人电话", "person", ["name", "id_number", None, None]),
    ("GMSFHM\tXM\tXZDXZ", "person", ["id_number", "name", "residence_address"]),
    ("企业名称\t信用代码\t法人\t网格员", "organisation", ["name", "uscc", "legal_representative", None]),
    ("房屋编码\t房东姓名\t承租人\t出租用途", "house", ["house_code", "owner_name", "tenant_name", "rent_usage"]),
    ("姓名\n身份证号\n宗教信仰", "person", ["name", "id_number", "religion"]),
]


@pytest.mark.parametrize(("text", "context", "meanings"), PASTED)
def test_pasted_headings(text: str, context: str, meanings: list[str | None]) -> None:
    found = match(paste(text), MANIFESTS)
    assert found.context == context
    assert [m.meaning if m.sure else None for m in found.columns] == meanings


def test_each_field_is_found_by_its_own_name() -> None:
    for context in CONTEXTS:
        lost = [
            f.cn
            for f in ENTITIES[context].fields
            if match([Heading(1, (f.cn,))], context=context).columns[0].meaning != f.name
        ]
        assert lost == []


def test_the_reviewed_synonyms_name_fields_and_are_not_said_twice() -> None:
    for context in CONTEXTS:
        mine = [(m, w) for entity, m, words in rows() if entity == context for w in words]
        known = {*ENTITIES[context].names, *computed(context)}
        assert {m for m, _ in mine} <= known
        assert all(title(context, m) for m, _ in mine)
        texts = [w for _, w in mine]
        assert sorted({w for w in texts if texts.count(w) > 1}) == []


def test_content_speaks_for_and_against() -> None:
    numbers = ("420199198506120010", "420199197702030042")
    for_it = match([Heading(1, ("姓名",)), Heading(2, ("号码",), samples=numbers)]).columns[1]
    assert (for_it.meaning, for_it.sure) == ("id_number", False), "proposed by what stands there, and asked about"
    against = match([Heading(1, ("姓名",)), Heading(2, ("联系电话",), samples=("有", "无", "有"))]).columns[1]
    assert not against.sure


def test_two_columns_of_one_meaning_are_not_both_filled() -> None:
    one, two = match([Heading(1, ("联系电话",)), Heading(2, ("手机号",)), Heading(3, ("姓名",))]).columns[:2]
    assert [one.sure, two.sure] == [True, False]
    assert "重复" in two.reason


def test_what_a_person_said_outranks_every_guess() -> None:
    said = {("联系电话", "person"): "guardian_phone", ("编号", "person"): ""}
    phone, number = match(
        [Heading(1, ("联系电话",)), Heading(2, ("编号",)), Heading(3, ("姓名",))], remembered=said
    ).columns[:2]
    assert (phone.meaning, phone.confidence) == ("guardian_phone", 1.0)
    assert number.free


def test_choices_in_remarks() -> None:
    assert remark_options("性别（男/女）") == ("男", "女")
    assert remark_options("是否租住（1.是 2.否）") == ("是", "否")
    assert remark_options("身份证号（18位）") == ()
    assert remark_options("日期（格式：2026/01/31）") == ()
    assert fold("3、联系 电话（必填）*") == "联系电话"


def test_a_sheet_without_headings_is_refused() -> None:
    from io import BytesIO

    from onefact.bulk.guard import UploadRefused

    memory = BytesIO()
    openpyxl.Workbook().save(memory)
    with pytest.raises(UploadRefused, match="表头"):
        read_form(open_form(memory.getvalue(), Limits()))


def test_a_data_set_is_no_form() -> None:
    from io import BytesIO

    from onefact.bulk.guard import UploadRefused

    book, memory = openpyxl.Workbook(), BytesIO()
    page = book.active
    assert page is not None
    page.append(["姓名", "电话", "住址"])
    page.cell(6_000, 1, "张三")
    book.save(memory)
    with pytest.raises(UploadRefused, match="5000 行"):
        open_form(memory.getvalue(), Limits())

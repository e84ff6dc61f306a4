"""Bulk entry and forms as pages: a file tried, taken in, sent back; a form matched, corrected, filled for the own grid only."""

from __future__ import annotations

import re
from io import BytesIO
from typing import Any

import openpyxl
import pytest
import sqlalchemy as sa
from portal_support import FOREIGN, OWN, Portal

from onefact.bulk.layout import layout
from onefact.consolidate import consolidate
from portal.shelf import Shelf
from schemas.entities import ENTITIES
from warehouse.tables import ENTRY

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def sheet(titles: list[str], *rows: list[str], title: str = "") -> bytes:
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    if title:
        page.append([title])
    page.append(titles)
    for row in rows:
        page.append(row)
    memory = BytesIO()
    book.save(memory)
    return memory.getvalue()


def people(portal: Portal) -> dict[str, tuple[str, str]]:
    """Grid -> number and name of somebody who lives there."""
    query = sa.text(
        "SELECT g.grid, min(p.id_number), min(p.name) FROM person p JOIN entity_grid g USING (master_id) GROUP BY g.grid"
    )
    with portal.home.engine.connect() as connection:
        return {grid: (number, name) for grid, number, name in connection.execute(query)}


def upload(portal: Portal, who: str, path: str, data: bytes, name: str = "表.xlsx") -> Any:
    return post(portal, who, path, files={"file": (name, data, XLSX)})


def post(portal: Portal, who: str, path: str, **more: Any) -> Any:
    """Post, and go where the answer sends the browser."""
    answer = portal.signed_in(who).post(path, **more)
    return portal.signed_in(who).get(answer.headers["location"]) if answer.status_code == 303 else answer


def ticket(text: str, what: str) -> str:
    found = re.search(rf'/([\w-]+)/{what}"', text)
    assert found, text[:2000]
    return found.group(1)


TITLES = [c.title for c in layout("person").columns[:9]]
AT = {c.field.name: i for i, c in enumerate(layout("person").columns[:9])}


def row(**values: str) -> list[str]:
    cells = [""] * len(TITLES)
    for name, value in values.items():
        cells[AT[name]] = value
    return cells


def test_a_template_is_a_workbook(portal: Portal) -> None:
    answer = portal.signed_in("worker").get("/bulk/template/person")
    assert answer.headers["content-type"] == XLSX
    assert "填报" in openpyxl.load_workbook(BytesIO(answer.content)).sheetnames
    assert portal.signed_in("worker").get("/bulk/template/address").status_code == 404


def test_a_file_is_tried_then_taken_in_and_bad_rows_come_back(portal: Portal) -> None:
    number, name = people(portal)[OWN]
    good = row(id_number=number, name=name, phone="13912340000")
    bad = row(id_number=number[:-1] + ("1" if number[-1] == "0" else "0"), name="甲乙")
    tried = upload(portal, "worker", "/bulk/check", sheet(TITLES, good, bad))
    assert tried.status_code == 200
    assert "试导入" in tried.text
    at = ticket(tried.text, "enter")
    lying = portal.home.seals.equal(ENTITIES["person"].field("phone"), "13912340000")

    def entered() -> int:
        query = sa.select(sa.func.count()).select_from(ENTRY).where(ENTRY.c.value.in_(lying), ENTRY.c.actor == "worker")
        with portal.home.engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    assert entered() == 0
    assert post(portal, "neighbour", f"/bulk/{at}/enter").status_code == 404, "another's file"
    done = post(portal, "worker", f"/bulk/{at}/enter")
    assert (done.status_code, entered()) == (200, 1)
    back = portal.signed_in("worker").get(f"/bulk/{ticket(done.text, 'bad')}/bad")
    page = openpyxl.load_workbook(BytesIO(back.content))["填报"]
    assert "校验码" in str(page["A2"].value)
    assert number not in tried.text + done.text


def test_rows_of_another_grid_are_refused(portal: Portal) -> None:
    number, name = people(portal)[FOREIGN]
    tried = upload(
        portal, "worker", "/bulk/check", sheet(TITLES, row(id_number=number, name=name, phone="13912340001"))
    )
    assert "不在您负责的网格内" in tried.text


@pytest.mark.parametrize("path", ["/bulk/check", "/forms/read"])
@pytest.mark.parametrize(
    ("data", "sentence"), [(b"", "先选择"), (b"MZ", "不是 Excel"), (bytes.fromhex("d0cf11e0a1b11ae1"), "旧版")]
)
def test_what_is_no_workbook_is_refused_with_a_sentence(portal: Portal, path: str, data: bytes, sentence: str) -> None:
    answer = upload(portal, "worker", path, data)
    assert answer.status_code == 422
    assert sentence in answer.text


FORM = sheet(["序号", "姓名", "身份证号", "本人电话", "居住地", "血型"], title="居民信息表")


def test_a_form_is_matched_corrected_and_filled_for_the_own_grid(portal: Portal) -> None:
    read = upload(portal, "worker", "/forms/read", FORM)
    assert read.status_code == 200
    assert "居民信息表" in read.text
    at = ticket(read.text, "fill")
    taught = post(portal, "worker", f"/forms/{at}/teach", data={"column": "6", "meaning": ""})
    assert "人工确认过" in taught.text
    filled = post(portal, "worker", f"/forms/{at}/fill", data={"grid": OWN, "who": "all"})
    assert filled.status_code == 200
    file = portal.signed_in("worker").get(f"/forms/{ticket(filled.text, 'file')}/file")
    page = openpyxl.load_workbook(BytesIO(file.content)).worksheets[0]
    names = {str(r[1]) for r in page.iter_rows(min_row=3, values_only=True)}
    mine, other = people(portal)[OWN][1], people(portal)[FOREIGN][1]
    assert mine in names
    assert other not in names
    assert portal.signed_in("neighbour").get(f"/forms/{ticket(filled.text, 'file')}/file").status_code == 404


def test_a_form_is_not_filled_for_another_grid(portal: Portal) -> None:
    at = ticket(upload(portal, "worker", "/forms/read", FORM).text, "fill")
    assert post(portal, "worker", f"/forms/{at}/fill", data={"grid": FOREIGN}).status_code == 403
    assert post(portal, "steward", f"/forms/{at}/fill", data={"grid": FOREIGN}).status_code == 404


def test_a_pasted_header_goes_through_the_gate(portal: Portal) -> None:
    read = post(portal, "worker", "/forms/read", data={"pasted": "姓名、身份证号、宗教信仰、疫苗品牌"})
    gate = portal.signed_in("worker").get(f"/forms/{ticket(read.text, 'gate')}/gate")
    assert {"已有", "不得收集", "新增"} <= set(re.findall(r"<dt>(\w+)</dt>", gate.text))


def test_what_a_row_is_can_be_said(portal: Portal) -> None:
    read = post(portal, "worker", "/forms/read", data={"pasted": "名称、地址、电话"})
    as_house = post(portal, "worker", f"/forms/{ticket(read.text, 'row')}/row", data={"context": "house"})
    assert '<option value="house" selected>' in as_house.text


def test_everything_is_in_the_sealed_log_without_values(portal: Portal) -> None:
    with portal.home.engine.connect() as connection:
        acts = connection.execute(sa.text("SELECT body::text FROM sealed_log")).scalars().all()
    text = "".join(acts)
    assert '"facts":' in text.replace(" ", "")
    assert "一表通" in text
    assert not re.search(r"420199\d{11}|13912340", text)


def test_the_shelf_is_bounded_and_forgets(portal: Portal) -> None:
    now = portal.home.now()
    shelf = Shelf(places=2, size=100)
    first, second = shelf.put("a", 1, 10, now), shelf.put("a", 2, 10, now)
    assert (shelf.get("a", first, now), shelf.get("b", second, now)) == (1, None)
    shelf.put("a", 3, 10, now)
    assert shelf.get("a", first, now) is None
    shelf.put("a", 4, 95, now)
    assert shelf.get("a", second, now) is None
    from datetime import timedelta

    last = shelf.put("a", 5, 1, now)
    assert shelf.get("a", last, now + timedelta(minutes=31)) is None


def test_a_new_person_of_a_file_is_one_golden_record_after_the_next_run(portal: Portal) -> None:
    values = {
        "name": "欧阳新来",
        "id_number": "420199198808080886",
        "phone": "13911113333",
        "residence_address": "示范路8号",
    }
    tried = upload(portal, "worker", "/bulk/check", sheet(TITLES, row(**values)))
    post(portal, "worker", f"/bulk/{ticket(tried.text, 'enter')}/enter")
    consolidate(portal.home)
    query = sa.text("SELECT name, id_type, sex, birth_date::text, phone FROM person WHERE id_number = ANY(:lying)")
    lying = portal.home.seals.equal(ENTITIES["person"].field("id_number"), "420199198808080886")
    with portal.home.engine.connect() as connection:
        assert [tuple(r) for r in connection.execute(query, {"lying": lying})] == [
            ("欧阳新来", "111", "2", "1988-08-08", "13911113333")
        ]

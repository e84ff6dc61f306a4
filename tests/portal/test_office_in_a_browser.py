"""An Excel with bad rows and a department's form, in a real Chromium: uploaded, looked at, taken in, downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openpyxl
import pytest
import sqlalchemy as sa
from browsing import CHROMIUM, PICTURES, SMALL_TARGETS, Browsing, violations
from playwright.sync_api import Page
from portal_support import OWN, Portal

from onefact.bulk.layout import layout
from warehouse.tables import ENTRY

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="NO CHROMIUM ON THIS MACHINE: the portal was not opened in a browser"),
]


def looked_at(page: Page, name: str, width: int) -> None:
    page.screenshot(path=PICTURES / f"{name}-{width}.png", full_page=True)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width, "the page is wider than the screen"
    assert page.evaluate(SMALL_TARGETS) == []


def numbers(portal: Portal) -> list[tuple[str, str]]:
    query = sa.text(
        "SELECT p.id_number, p.name FROM person p JOIN entity_grid g USING (master_id) WHERE g.grid = :g AND p.id_number IS NOT NULL ORDER BY 1"
    )
    with portal.home.engine.connect() as connection:
        return [(str(n), str(name)) for n, name in connection.execute(query, {"g": OWN})]


def newcomers(count: int) -> list[dict[str, str]]:
    """People nobody knows yet, with numbers whose check digit is right."""
    weights, digits = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2), "10X98765432"
    found = []
    for i in range(count):
        body = f"4201991988070{i + 1}31{i}"
        check = digits[sum(int(c) * w for c, w in zip(body, weights, strict=True)) % 11]
        home = "武昌区中南路街道武珞路628号3栋2单元502室"
        found.append({"id_number": body + check, "name": f"新来{'甲乙丙丁戊己庚辛'[i]}", "residence_address": home})
    return found


def filled(page: Page, address: str, portal: Portal, folder: Path) -> Path:
    """Download the template and type ten rows, one of them wrong."""
    page.goto(address + "/bulk")
    with page.expect_download() as download:
        page.click("text=实有人口模板")
    path = folder / "filled.xlsx"
    download.value.save_as(path)
    book = openpyxl.load_workbook(path)
    sheet = book["填报"]
    at = {c.field.name: i for i, c in enumerate(layout("person").columns, start=2)}
    number, name = numbers(portal)[0]
    wrong = number[:-1] + ("1" if number[-1] == "0" else "0")
    rows = [
        {"id_number": number, "name": name, "phone": "13955550000"},
        *newcomers(8),
        {"id_number": wrong, "name": name},
    ]
    for row, values in enumerate(rows, start=3):
        for field, value in values.items():
            sheet.cell(row, at[field], value)
    book.save(path)
    return path


@pytest.mark.parametrize("width", [1280, 360])
def test_a_file_is_tried_taken_in_and_its_bad_row_comes_back(
    portal: Portal, seen: Browsing, tmp_path: Path, width: int
) -> None:
    with seen.page("worker", width, 740) as page:
        path = filled(page, seen.address, portal, tmp_path)
        page.set_input_files("#file", path)
        page.click("text=上传并试导入")
        page.wait_for_selector("h1:has-text('试导入结果')")
        looked_at(page, "bulk.check", width)
        page.click("button:has-text('正式导入')")
        page.wait_for_selector("h1:has-text('：导入结果')")
        looked_at(page, "bulk.enter", width)
        with page.expect_download() as download:
            page.click("a:has-text('下载退回的')")
        download.value.save_as(tmp_path / "bad.xlsx")
    bad = openpyxl.load_workbook(tmp_path / "bad.xlsx")["填报"]
    assert [bool(r[0]) for r in bad.iter_rows(min_row=2, values_only=True)] == [True]
    with portal.home.engine.connect() as connection:
        typed = connection.execute(sa.select(ENTRY.c.actor, ENTRY.c.value)).all()
        kept = [actor for actor, value in typed if value == "13955550000"]
        came = connection.execute(sa.select(ENTRY.c.value).where(ENTRY.c.value.like("新来%"))).scalars().all()
    assert kept == ["worker"], "once, however often the file is uploaded"
    assert sorted(came) == sorted(p["name"] for p in newcomers(8)), "nine of ten rows went in, each once"


def form(folder: Path, unknown: str) -> Path:
    book = openpyxl.Workbook()
    page: Any = book.active
    for row in (
        ["社区居民信息登记表"],
        ["序号", "姓名", "证件", None, "本人电话", "居住地", unknown],
        [None, None, "类型", "号码"],
    ):
        page.append(row)
    for area in ("A1:G1", "A2:A3", "B2:B3", "C2:D2", "E2:E3", "F2:F3", "G2:G3"):
        page.merge_cells(area)
    path = folder / "form.xlsx"
    book.save(path)
    return path


@pytest.mark.parametrize(("width", "unknown"), [(1280, "血型"), (360, "鞋码")])
def test_a_form_is_read_corrected_filled_and_judged(
    portal: Portal, seen: Browsing, tmp_path: Path, width: int, unknown: str
) -> None:
    with seen.page("worker", width, 740) as page:
        page.goto(seen.address + "/forms")
        page.set_input_files("#file", form(tmp_path, unknown))
        page.click("form[enctype] button")
        page.wait_for_selector("h1:has-text('核对栏目')")
        looked_at(page, "forms.match", width)
        page.select_option("#m7", "")
        page.click(f"button[aria-label='记住“{unknown}”的含义']")
        page.wait_for_selector("text=人工确认过")
        page.select_option("#who", "all")
        page.click("text=用已有数据填好")
        page.wait_for_selector("h1:has-text('填好的表')")
        looked_at(page, "forms.fill", width)
        with page.expect_download() as download:
            page.click("text=下载表格")
        download.value.save_as(tmp_path / "out.xlsx")
        page.go_back()
        page.wait_for_selector("h1:has-text('核对栏目')")
        page.click("section[aria-labelledby=gate] button")
        page.wait_for_selector("h1:has-text('新表准入')")
        looked_at(page, "forms.gate", width)
    sheet = openpyxl.load_workbook(tmp_path / "out.xlsx").worksheets[0]
    listed = {(str(r[3]), str(r[1])) for r in sheet.iter_rows(min_row=4, values_only=True)}
    assert set(numbers(portal)) <= listed

"""Pages about something that somebody has to do first: how a person comes to each of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from io import BytesIO

import openpyxl
import sqlalchemy as sa
from playwright.sync_api import FilePayload, Page
from portal_support import Portal

from linkage.model import shipped
from onefact.bulk.layout import layout

Opens = Callable[[Page, str, Portal], None]
"""Opens a page: (browser page, address of the portal, portal)."""


def _read_form(page: Page, address: str, _: Portal) -> None:
    page.goto(address + "/forms")
    page.fill("#pasted", "姓名、身份证号码、联系电话、疫苗品牌")
    page.locator("form:has(#pasted) button").click()
    page.wait_for_selector("h1:has-text('核对栏目')")


def _book(*rows: list[str]) -> FilePayload:
    """Return a workbook of some rows, as a browser sends it."""
    book, memory = openpyxl.Workbook(), BytesIO()
    for row in rows:
        book.active.append(row)  # type: ignore[union-attr]
    book.save(memory)
    return {"name": "rows.xlsx", "mimeType": "application/octet-stream", "buffer": memory.getvalue()}


def _fill_form(page: Page, address: str, _: Portal) -> None:
    page.goto(address + "/forms")
    page.set_input_files("#file", _book(["姓名", "身份证号码", "联系电话", "居住地"]))
    page.click("form[enctype] button")
    page.wait_for_selector("h1:has-text('核对栏目')")
    page.select_option("#who", "all")
    page.click("text=用已有数据填好")
    page.wait_for_selector("h1:has-text('填好的表')")


def _judge_form(page: Page, address: str, portal: Portal) -> None:
    _read_form(page, address, portal)
    page.click("section[aria-labelledby=gate] button")
    page.wait_for_selector("h1:has-text('新表准入')")


def _try_file(page: Page, address: str, _: Portal) -> None:
    titles = [c.title for c in layout("person").columns[:3]]
    page.goto(address + "/bulk")
    page.set_input_files("#file", _book(titles, ["420199199001010001", "某人", ""]))
    page.click("text=上传并试导入")
    page.wait_for_selector("h1:has-text('试导入结果')")


PENDING = "UPDATE outbox SET state = 'pending' WHERE change_id = (SELECT min(change_id) FROM outbox WHERE state = 'planned') RETURNING change_id"
BY_HAND = (
    "UPDATE outbox SET state = 'awaiting_person', detail = '[[\"联系电话\", \"13900000011\"]]' WHERE change_id = :c"
)


def _type_by_hand(page: Page, address: str, portal: Portal) -> None:
    page.goto(f"{address}/assist/{_by_hand(portal.home.engine)}")


@cache
def _by_hand(engine: sa.Engine) -> int:
    with engine.begin() as connection:
        number = connection.execute(sa.text(PENDING)).scalar_one()
        connection.execute(sa.text(BY_HAND), {"c": number})
    return int(number)


QUESTION = """
INSERT INTO review (entity_type, left_system, left_key, left_role, right_system, right_key, right_role, weight, reason, left_master,
right_master, gain, run_id, model, compared)
SELECT 'person', a.system_id, a.record_key, a.role, b.system_id, b.record_key, b.role, 4.2, 'uncertain', a.master_id, b.master_id, 2.0,
'test', :model, CAST(:compared AS jsonb)
FROM crosswalk a, crosswalk b WHERE a.entity_type = 'person' AND b.entity_type = 'person' AND a.system_id = 'doors' AND b.system_id = 'doors'
AND a.record_key LIKE '%P1' AND b.record_key LIKE '%P2' RETURNING review_id
"""
"""The two persons of the worker's grid may be one; with the waterfall of what was compared."""


@cache
def asked(engine: sa.Engine) -> int:
    """Ask whether the two persons of the worker's grid are one; return the number of the question."""
    model = shipped("person")
    levels = ", ".join(f'"g_{c.name}": 1' for c in model.comparisons[:3])
    with engine.begin() as connection:
        values = {"model": model.version, "compared": f"{{{levels}}}"}
        return int(connection.execute(sa.text(QUESTION), values).scalar_one())


def _settle(page: Page, address: str, portal: Portal) -> None:
    page.goto(f"{address}/settle/{asked(portal.home.engine)}")
    page.wait_for_selector(".waterfall svg")


MERGED = """
WITH p AS (SELECT * FROM crosswalk WHERE entity_type = 'person' AND record_key LIKE '%P1' AND system_id = 'doors'),
h AS (INSERT INTO crosswalk_history (system_id, record_key, entity_type, role, master_id, rule, until, ended_by)
  SELECT system_id, record_key, entity_type, role, '01900000-0000-7000-8000-0000000000aa', rule, now(), 'test' FROM p),
e AS (INSERT INTO edge (entity_type, left_system, left_key, left_role, right_system, right_key, right_role, judgement, actor, reason, created_at)
  SELECT entity_type, system_id, record_key, role, system_id, record_key || 'x', role, 'positive', 'steward', '本人到场确认', now() - interval '1 hour' FROM p)
INSERT INTO redirect SELECT '01900000-0000-7000-8000-0000000000aa', master_id, 'person', 'test' FROM p
"""


@cache
def _merged(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text(MERGED))


def _merges(page: Page, address: str, portal: Portal) -> None:
    _merged(portal.home.engine)
    page.goto(f"{address}/merges")
    page.wait_for_selector("text=本人到场确认")
    page.click("summary:has-text('把两个编号合并')")


def _programs(page: Page, address: str, _: Portal) -> None:
    page.goto(f"{address}/programs")
    page.fill("#p-name", "街道大屏")
    page.get_by_label("查找").check()
    page.get_by_role("button", name="新建").click()
    page.wait_for_selector("text=只显示这一次")


PREPARED: dict[str, Opens] = {
    "forms.match": _read_form, "forms.filled": _fill_form, "forms.gate": _judge_form, "bulk.result": _try_file,
    "assist.show": _type_by_hand, "settle.show": _settle, "merges": _merges, "programs": _programs,
}  # fmt: skip
"""Route -> how a person comes to it."""

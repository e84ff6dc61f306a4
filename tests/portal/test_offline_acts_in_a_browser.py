"""What happens at a door without a network, in a real Chromium: guided acts, somebody known already, the file of the outbox."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from browsing import CHROMIUM, PICTURES, SMALL_TARGETS, Browsing, browsing, violations
from playwright.sync_api import Page, expect
from portal_support import Portal

from onefact.guided import GUIDES, facts
from portal.view.guides import spec
from warehouse.tables import ACT, ENTRY

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="NO CHROMIUM ON THIS MACHINE: the portal was not opened in a browser"),
]

READY = 30_000
"""Milliseconds for what a busy machine does at its leisure."""


@pytest.fixture(scope="module")
def seen(portal: Portal) -> Iterator[Browsing]:
    PICTURES.mkdir(parents=True, exist_ok=True)
    with browsing(portal) as opened:
        yield opened


MADE = """async ([guide, answers, place]) => {
  const { factsOf } = await import('/static/guides.js');
  return factsOf(guide, answers, place);
}"""


def test_the_device_makes_the_same_facts_as_the_server(seen: Browsing) -> None:
    answers = {
        "new.name": " 周小舟 ", "new.sex": "", "new.phone": "13911110000", "new.contact_name": "甲",
        "self.residence_address": "民主路77号", "self.death_date": "2026-11-01", "self.contact_name": "乙", "new.uscc": "",
    }  # fmt: skip
    place = {"subject": "s", "mate": "m", "address": "武珞路628号"}
    with seen.page("worker") as page:
        page.goto(seen.address + "/tasks")
        for number in ("420199200102030035", "420199200102030036", ""):
            for guide in GUIDES.values():
                given = {**answers, "new.id_number": number}
                mine = facts(
                    guide,
                    given,
                    subject="s",
                    address=place["address"],
                    today=datetime.now().astimezone().date(),
                    mate="m",
                )
                wanted = [{**dataclasses.asdict(f), "seen": None} for f in mine]
                made = page.evaluate(MADE, [spec(guide), given, place])
                assert sorted(made, key=json.dumps) == sorted(wanted, key=json.dumps), guide.kind


def offline(page: Page, address: str) -> None:
    page.clock.set_fixed_time("2026-11-01T09:00:00")  # the day of the portal's clock: a visit of tomorrow is refused
    page.goto(address + "/tasks")
    expect(page.locator("html[data-device=ready]")).to_have_count(1, timeout=READY)
    page.context.set_offline(True)
    page.goto(address + "/offline")
    page.fill("#find", "502室")
    page.locator("#doors button").first.click()


def typed(page: Page, number: str, name: str) -> None:
    page.locator("#form").get_by_role("button", name="有人搬入").click()
    page.fill("[name='new.id_number']", number)
    page.fill("[name='new.name']", name)
    page.get_by_role("button", name="存在本机").click()


def test_somebody_known_already_who_moves_in_offline_is_looked_at_before_it_counts(
    portal: Portal, seen: Browsing
) -> None:
    with seen.page("worker", 360, 740) as page:
        offline(page, seen.address)
        page.screenshot(path=PICTURES / "offline-acts-360.png", full_page=True)
        typed(page, "420199198001010019", "陈建国")
        expect(page.locator("#items li[data-state=waiting]")).to_have_count(1)
        page.context.set_offline(False)
        page.goto(seen.address + "/offline")
        item = page.locator("#items li[data-state=alike]")
        expect(item).to_contain_text("证件号码相同", timeout=READY)
        assert violations(page) == []
        assert page.evaluate(SMALL_TARGETS) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page.screenshot(path=PICTURES / "offline-alike-360.png", full_page=True)
        item.get_by_role("button", name="打开核对").click()
        expect(page.locator("h1")).to_contain_text("有人搬入：保存前核对")
        page.get_by_label("是同一个").first.check()
        page.locator("[data-save]").click()
        expect(page.locator("h1")).to_have_text("谁已收到")
        page.goto(seen.address + "/offline")
        expect(page.locator("#items li[data-state=taken]")).to_have_count(1, timeout=READY)
        page.get_by_role("button", name="知道了").click()
    with portal.home.engine.connect() as connection:
        created = connection.execute(sa.select(ACT.c.created).where(ACT.c.kind == "move_in")).scalars().all()
    assert created == [{}], "nobody was made twice"


def test_a_device_that_stays_offline_gives_a_file(portal: Portal, seen: Browsing, tmp_path: Path) -> None:
    path = tmp_path / "outbox.json"
    with seen.page("worker", 360, 740) as page:
        offline(page, seen.address)
        typed(page, "420199200102030035", "周小舟")
        expect(page.locator("#items li[data-state=waiting]")).to_have_count(1)
        with page.expect_download() as download:
            page.get_by_role("button", name="导出待发送的录入").click()
        download.value.save_as(path)
    assert "周小舟" not in path.read_text(encoding="utf-8"), "the file is in the clear"
    with seen.page("neighbour") as page:  # on another machine, somebody else
        page.goto(seen.address + "/offline/file")
        page.set_input_files("#file", path)
        page.get_by_role("button", name="上传并送出").click()
        expect(page.locator("#problem")).to_contain_text("打不开")
    with seen.page("worker", 1280) as page:
        for _ in range(2):  # the same file twice counts once
            page.goto(seen.address + "/offline/file")
            page.set_input_files("#file", path)
            page.get_by_role("button", name="上传并送出").click()
            expect(page.locator(".ways")).to_contain_text("已收到")
        assert violations(page) == []
        page.screenshot(path=PICTURES / "offline-file-sent-1280.png", full_page=True)
    query = sa.select(sa.func.count()).select_from(ENTRY).where(ENTRY.c.value == "周小舟", ENTRY.c.field == "name")
    with portal.home.engine.connect() as connection:
        assert connection.execute(query).scalar_one() == 1

"""A worker's day in a real Chromium: a fact typed once, doors without a network, a conflict, the keyboard alone."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from browsing import CHROMIUM, PICTURES, Browsing, violations
from playwright.sync_api import Page, Route, expect
from portal_support import FOREIGN, OWN, PASSWORD, Portal

from onefact import acts
from onefact.acts import Act, Fact
from onefact.consolidate import consolidate
from onefact.push import push
from portal.security import accounts
from warehouse.tables import ACT, ENTRY

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="NO CHROMIUM ON THIS MACHINE: the portal was not opened in a browser"),
]


@pytest.fixture
def ready() -> int:
    """Milliseconds within which a device is ready; the machine may be busy."""
    return 20_000


def entries(portal: Portal) -> int:
    with portal.home.engine.connect() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(ENTRY)).scalar_one())


def place(portal: Portal, title: str) -> tuple[str, str]:
    """(door, master id) of a person."""
    query = sa.text(
        "SELECT a.node_id::text, p.master_id::text FROM person p JOIN address_point a ON a.master_id = p.master_id "
        "AND a.field = 'residence_address' WHERE p.name = :n"
    )
    with portal.home.engine.connect() as connection:
        node, master = connection.execute(query, {"n": title}).one()
    return node, master


def picture(page: Page, name: str) -> None:
    page.screenshot(path=PICTURES / f"worker-{name}.png", full_page=True)


@pytest.mark.parametrize("width", [360, 1280])
def test_a_phone_number_typed_once(portal: Portal, seen: Browsing, width: int) -> None:
    phone = f"1391111{width:04d}"
    with seen.page("worker", width) as page:
        page.goto(seen.address + "/search")
        page.fill("#q", "李秀")
        page.locator(".hits a", has_text="李秀英").click()
        page.wait_for_selector("h1:has-text('李秀英')")
        page.get_by_role("link", name="看这一户").click()
        picture(page, f"place-{width}")
        assert violations(page) == []
        section = page.locator("section.record", has=page.locator("h2:has-text('李秀英')"))
        section.get_by_text("更正或补充其他项").click()
        section.get_by_label("新的联系方式").fill(phone)
        page.get_by_role("button", name="下一步").click()
        expect(page.locator("h1")).to_contain_text("保存前核对")
        assert "门口采集" in page.locator(".going").inner_text() or page.locator(".going summary").count()
        picture(page, f"preview-{width}")
        assert violations(page) == []
        page.get_by_role("button", name="保存").click()
        expect(page.locator("h1")).to_have_text("谁已收到")
        expect(page.locator("#received")).to_contain_text("正在归集")
        consolidate(portal.home)
        push(portal.home)
        page.reload()
        expect(page.locator("#received .ways li").first).to_contain_text("门口采集")
        picture(page, f"received-{width}")
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_three_doors_without_a_network(portal: Portal, seen: Browsing, ready: int) -> None:
    before = entries(portal)
    with seen.page("worker", 360, 740) as page:
        page.goto(seen.address + "/tasks")
        expect(page.locator("html[data-device=ready]")).to_have_count(1, timeout=ready)
        page.context.set_offline(True)
        page.goto(seen.address + "/tasks")  # the service worker shows its shell instead
        expect(page.locator("h1")).to_have_text("离线办理")
        for i, door in enumerate(["501室", "502室", "501室"]):
            page.fill("#find", door)
            page.locator("#doors button").first.click()
            page.locator("#form input[type=tel]").first.fill(f"1377777000{i}")
            if i == 0:
                picture(page, "offline-door")
            page.get_by_role("button", name="存在本机").click()
            expect(page.locator("#items li[data-state=waiting]")).to_have_count(i + 1)
            page.reload()
            expect(page.locator("#items li[data-state=waiting]")).to_have_count(i + 1)
        assert violations(page) == []
        picture(page, "offline-queue")
        held = page.evaluate(HELD)
        assert "13777770" not in held, "the outbox lies on the device in the clear"
        assert entries(portal) == before
        page.context.set_offline(False)
        page.reload()
        page.goto(seen.address + "/offline")
        settled = page.locator("#items li[data-state=taken], #items li[data-state=conflict]")
        expect(settled).to_have_count(3, timeout=ready)
        states = page.locator("#items li").evaluate_all("lines => lines.map(l => l.dataset.state)")
        # The third door was the first one again: what was seen had changed by then, so it is a conflict and no overwriting.
        assert sorted(states) == ["conflict", "taken", "taken"]
        assert entries(portal) == before + 2
        page.reload()
        assert entries(portal) == before + 2
        picture(page, "offline-sent")


def test_three_households_reach_the_master_once_though_an_answer_is_lost(
    portal: Portal, seen: Browsing, ready: int
) -> None:
    """Entered at three doors without a network; the first answer gets lost on its way, so the device sends that act again."""
    with portal.home.engine.begin() as connection:
        accounts.add(
            connection, "both", "双格", "worker", grids=[OWN, FOREIGN], password=PASSWORD, by="test", given=False
        )
    before, numbers = entries(portal), {"501室": "13776660001", "502室": "13776660002", "301室": "13776660003"}
    sent: list[str] = []

    def lose_the_first(route: Route) -> None:
        sent.append(route.request.post_data or "")
        answer = route.fetch()
        if len(sent) == 1:
            route.abort()
        else:
            route.fulfill(response=answer)

    with seen.page("both", 360, 740) as page:
        page.goto(seen.address + "/tasks")
        expect(page.locator("html[data-device=ready]")).to_have_count(1, timeout=ready)
        page.context.set_offline(True)
        page.goto(seen.address + "/tasks")
        for i, (door, number) in enumerate(numbers.items()):
            page.fill("#find", door)
            page.locator("#doors button").first.click()
            page.locator("#form input[type=tel]").first.fill(number)
            page.get_by_role("button", name="存在本机").click()
            expect(page.locator("#items li[data-state=waiting]")).to_have_count(i + 1)
        page.reload()
        expect(page.locator("#items li[data-state=waiting]")).to_have_count(3)
        page.context.route("**/entry/sync", lose_the_first)
        page.context.set_offline(False)
        page.goto(seen.address + "/offline")
        page.wait_for_timeout(500)
        page.reload()  # what was not answered is sent again
        expect(page.locator("#items li[data-state=taken]")).to_have_count(3, timeout=ready)
    assert len(sent) >= 4
    with portal.home.engine.connect() as connection:
        values = (
            connection.execute(sa.select(ENTRY.c.value)).scalars().all()
        )  # numbers lie sealed and are opened when read
    kept = [v for v in values if v in numbers.values()]
    assert sorted(kept) == sorted(numbers.values())
    assert entries(portal) == before + 3
    seen.states.pop("both", None)


HELD = """async () => {
  const database = await new Promise(done => { const r = indexedDB.open('onefact'); r.onsuccess = () => done(r.result); });
  let text = '';
  for (const name of database.objectStoreNames) {
    const rows = await new Promise(done => { const r = database.transaction(name).objectStore(name).getAll(); r.onsuccess = () => done(r.result); });
    for (const row of rows) text += JSON.stringify(row) + new TextDecoder('latin1').decode(row.sealed);
  }
  return text;
}"""


def test_signing_out_leaves_nothing_on_the_device(portal: Portal, seen: Browsing, ready: int) -> None:
    with seen.page("neighbour", 360, 740) as page:
        page.goto(seen.address + "/tasks")
        expect(page.locator("html[data-device=ready]")).to_have_count(1, timeout=ready)
        assert len(page.evaluate(HELD)) > 100
        page.on("dialog", lambda dialog: dialog.accept())
        page.locator(".who summary").click()
        page.get_by_role("button", name="退出登录").click()
        page.wait_for_selector("#login")
        assert "onefact" not in page.evaluate("async () => (await indexedDB.databases()).map(d => d.name).join()")
    seen.states.pop("neighbour", None)


def test_a_parallel_edit_is_a_conflict_that_a_person_settles(portal: Portal, seen: Browsing) -> None:
    node, master = place(portal, "李秀英")
    with seen.page("worker") as page:
        page.goto(f"{seen.address}/persons/{master}")
        page.get_by_text("更正或补充其他项").click()
        page.get_by_label("新的联系方式").fill("13722220001")
        acts.take(
            portal.home,
            Act("01900000-0000-7000-8000-000000000001", "correct", (Fact("person", master, "phone", "13722220002"),)),
            "other",
        )
        page.get_by_role("button", name="下一步").click()
        page.get_by_role("button", name="保存").click()
        expect(page.locator("h1")).to_have_text("这些项刚刚被别人更改")
        assert violations(page) == []
        picture(page, "conflict")
        page.get_by_role("button", name="以我填的为准").click()
        expect(page.locator("h1")).to_have_text("谁已收到")
        page.on("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="撤销这次录入").click()
        expect(page.locator("main")).to_contain_text("撤销了")
    assert node


def test_a_birth_by_keyboard_alone_with_the_number_read_in_the_page(portal: Portal, seen: Browsing) -> None:
    node, _ = place(portal, "李秀英")
    with seen.page("worker") as page:
        page.goto(f"{seen.address}/places/{node}/guides/move_in")
        addresses = page.locator("input[data-address]").count()
        expect(page.get_by_role("button", name="从地址树选")).to_have_count(addresses)  # one at each, none elsewhere
        page.focus("#g-new-id_number")
        page.keyboard.type("420199198001010018")
        expect(page.locator(".said")).to_have_text("最后一位校验码不对，请核对")
        page.keyboard.press("Backspace")
        page.keyboard.type("9")
        expect(page.locator(".said")).to_have_text("1980-01-01 男，校验码正确")
        expect(page.locator("#g-new-birth_date")).to_have_value("1980-01-01")
        expect(page.locator(".alike")).to_contain_text("证件号码相同")
        expect(page.locator("[data-save]")).to_contain_text("先查重")
        picture(page, "alike")
        assert violations(page) == []
        for _ in range(18):
            page.keyboard.press("Backspace")
        page.keyboard.type("420199200102030035")
        expect(page.locator(".alike")).to_have_count(0)
        page.keyboard.press("Tab")
        page.keyboard.type("周小舟")
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_contain_text("有人搬入：保存前核对")
        page.locator("[data-save]").focus()
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_have_text("谁已收到")
        expect(page.locator("#received")).to_contain_text("周小舟")


def test_no_change_is_one_tap(portal: Portal, seen: Browsing) -> None:
    consolidate(portal.home)
    node, _ = place(portal, "陈建国" if OWN else "")
    with seen.page("worker", 360, 740) as page:
        page.goto(f"{seen.address}/places/{node}")
        page.get_by_role("button", name="均无变化").click()
        expect(page.locator("h1")).to_have_text("谁已收到")
        expect(page.locator("main")).to_contain_text("核查无变化")
    with portal.home.engine.connect() as connection:
        kinds = connection.execute(sa.select(ACT.c.kind).order_by(ACT.c.at.desc()).limit(1)).scalar_one()
    assert kinds == "check"


QUESTION = """
INSERT INTO review (entity_type, left_system, left_key, left_role, right_system, right_key, right_role, weight, reason, left_master,
right_master, gain, run_id)
SELECT 'person', a.system_id, a.record_key, a.role, b.system_id, b.record_key, b.role, 4.2, 'uncertain', a.master_id, b.master_id, 2.0, 'test'
FROM crosswalk a, crosswalk b WHERE a.entity_type = 'person' AND b.entity_type = 'person' AND a.system_id = 'doors' AND b.system_id = 'doors'
AND a.record_key LIKE '%P1' AND b.record_key LIKE '%P2' RETURNING review_id
"""


@pytest.mark.parametrize("width", [360, 1280])
def test_two_that_may_be_one_are_settled_and_taken_back(portal: Portal, seen: Browsing, width: int) -> None:
    with portal.home.engine.begin() as connection:
        number = connection.execute(sa.text(QUESTION)).scalar_one()
    with seen.page("worker", width, 740) as page:
        page.goto(seen.address + "/settle")
        picture(page, f"settle-list-{width}")
        page.locator(f"a[href='/settle/{number}']").click()
        expect(page.locator("table.sides")).to_contain_text("公民身份号码")
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        picture(page, f"settle-{width}")
        page.get_by_role("button", name="不是同一个").click()
        expect(page.locator("main")).to_contain_text("已判定不同")
        page.get_by_role("button", name="撤回").first.click()
        expect(page.locator("main")).not_to_contain_text("已判定不同")


@pytest.mark.parametrize("width", [360, 1280])
def test_a_form_is_filled_in_by_hand_line_by_line(portal: Portal, seen: Browsing, width: int) -> None:
    _, master = place(portal, "陈建国")
    acts.take(
        portal.home,
        Act(
            f"01900000-0000-7000-8000-{width:012d}",
            "correct",
            (Fact("person", master, "phone", f"1366666{width:04d}"),),
        ),
        "worker",
    )
    consolidate(portal.home)
    waits = sa.text(
        "UPDATE outbox SET state = 'pending' WHERE master_id = :m AND state = 'planned' RETURNING change_id"
    )
    prepared = sa.text(
        'UPDATE outbox SET state = \'awaiting_person\', detail = \'[["联系电话", "13666660000"], ["姓名", "陈建国"]]\' WHERE change_id = :c'
    )
    with portal.home.engine.begin() as connection:
        number = connection.execute(waits, {"m": master}).scalars().first()
        connection.execute(prepared, {"c": number})
    with seen.page("worker", width, 740) as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.goto(seen.address + "/assist")
        page.get_by_role("link", name=f"第 {number} 件").click()
        assert violations(page) == []
        picture(page, f"assist-{width}")
        page.get_by_role("button", name="复制联系电话").click()
        expect(page.locator("[data-copy]").first).to_have_text("已复制")
        assert page.evaluate("navigator.clipboard.readText()") == "13666660000"
        page.get_by_role("button", name="不核对").click()
        expect(page.locator("h1")).to_have_text("照单录入")

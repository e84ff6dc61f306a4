"""The product's promise in a browser: a phone number typed once on a telephone is seen in every system that holds it.

The forty stand-ins are asked themselves, each by its own screen; nothing here reads what we believe of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from browsing import CHROMIUM, PICTURES, Browsing, browsing
from playwright.sync_api import expect
from portal_support import PASSWORD, Portal

from connectors.manifest import Manifest
from connectors.manifest.model import Dataset
from onefact import road
from onefact.delivery import guards
from onefact.home import Home
from portal import carry
from portal.app import create_app
from portal.security import accounts
from portal.settings import Settings
from sandbox import control, supervisor
from warehouse import postgres

PEOPLE = 100
NEW = "16300009876"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="NO CHROMIUM ON THIS MACHINE: the portal was not opened in a browser"),
]


@dataclass(frozen=True)
class Held:
    """A record of the person in a system that has a place for the phone."""

    manifest: Manifest
    dataset: Dataset
    key: str

    @property
    def shown(self) -> bool:
        """Whether the system's own screen shows the new number, however it writes it."""
        row = control.row(self.manifest_home, self.manifest.id, self.dataset.name, self.key)
        return any(NEW in re.sub(r"\D", "", value or "") for value in row.values())

    manifest_home: Path = Path()


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """What `onefact serve --demo` starts: stand-ins, one run of the road, accounts, and the carrier beside the portal."""
    home = Home(tmp_path_factory.mktemp("forty"), via="portal")
    try:
        supervisor.start(home.path, PEOPLE)
        guards.let_first_through(home)
        road.run(home)
        with carry.beside(home):
            yield Portal(home, create_app(home, Settings()))
    finally:
        supervisor.stop(home.path)
        home.close()
        postgres.stop(home.path)


MOST = """
SELECT p.master_id::text, p.name, array_agg(DISTINCT e.grid) FROM person p
JOIN entity_grid e ON e.master_id = p.master_id AND e.field = 'residence_address'
JOIN crosswalk x ON x.master_id = p.master_id AND x.role = 'person'
WHERE (SELECT count(*) FROM person n WHERE n.name = p.name) = 1
GROUP BY p.master_id, p.name ORDER BY count(DISTINCT x.system_id) DESC, p.master_id LIMIT 1
"""


def records(home: Home, master_id: str) -> list[Held]:
    """The person's own records in systems where a phone may be written."""
    query = sa.text("SELECT system_id, record_key FROM crosswalk WHERE master_id = :m AND role = 'person'")
    found = []
    with home.engine.connect() as connection:
        for system, key in connection.execute(query, {"m": master_id}):
            manifest = home.manifests[system]
            for dataset in manifest.datasets:
                own = key.removeprefix(f"{dataset.name}/") if len(manifest.datasets) > 1 else key
                takes = any(
                    e.type == "person" and e.role == "person" and "phone" in e.fields and e.fields["phone"].writable
                    for e in dataset.entities
                )
                if takes and manifest.capabilities.update and (own != key or len(manifest.datasets) == 1):
                    found.append(Held(manifest, dataset, own, home.path))
    return found


def test_a_phone_number_typed_once_is_seen_in_every_system_that_holds_it(portal: Portal) -> None:
    with portal.home.engine.begin() as connection:
        master, name, grids = connection.execute(sa.text(MOST)).one()
        accounts.add(connection, "worker", "王芳", "worker", grids=grids, password=PASSWORD, by="test", given=False)
    held = records(portal.home, master)
    by_hand = {h.manifest.name for h in held if h.manifest.kind == "form" and not h.manifest.authorisation.automation}
    assert len({h.manifest.id for h in held}) >= 6
    assert not any(h.shown for h in held)
    PICTURES.mkdir(parents=True, exist_ok=True)
    with browsing(portal) as seen:
        typed_once(seen, name)
        with seen.page("worker", 360, 740) as page:
            page.goto(seen.address + "/entries")
            page.locator("main a[href*='/entries/']").first.click()
            page.wait_for_url(re.compile("/entries/.+"))
            expect(page.locator("#received .ways li").first).to_be_visible(timeout=60_000)
            # The page asks again by itself until nothing is under way; what only a person can type stays.
            expect(page.locator("#received[hx-get]")).to_have_count(0, timeout=60_000)
            told = page.locator("#received").inner_text()
            page.screenshot(path=PICTURES / "forty-received.png", full_page=True)
    missing = {h.manifest.name for h in held if not h.shown}
    assert missing <= by_hand, f"not seen: {missing - by_hand}"
    assert len({h.manifest.id for h in held if h.shown}) >= 5
    for waiting in missing:
        assert re.search(rf"待人工录入\s*{re.escape(waiting)}", told), (
            f"{waiting} waits for a person and the page does not say so"
        )
    assert not re.search(r"被拒|已停止", told)


def typed_once(seen: Browsing, name: str) -> None:
    """Find the person, type the number, look where it goes, save: as a worker does at the door."""
    with seen.page("worker", 360, 740) as page:
        page.goto(seen.address + "/search")
        page.fill("#q", name)
        page.locator(".hits a", has_text=name).click()
        page.wait_for_selector(f"h1:has-text('{name}')")
        if not page.get_by_label("新的联系方式").is_visible():
            page.get_by_text("更正或补充其他项").click()
        page.get_by_label("新的联系方式").fill(NEW)
        page.get_by_role("button", name="下一步").click()
        expect(page.locator("h1")).to_contain_text("保存前核对")
        page.screenshot(path=PICTURES / "forty-preview.png", full_page=True)
        page.get_by_role("button", name="保存").click()
        expect(page.locator("h1")).to_have_text("谁已收到")

"""A portal in a real Chromium: signed in as a role, at a width, and looked at with axe."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright
from portal_support import PASSWORD, Portal

from portal.serve import Door, running

CHROMIUM = next((p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))), None)
AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
PICTURES = Path(__file__).parents[2] / "build" / "portal"
"""Where the pages' pictures are kept: build output, looked at by people, not compared by machine."""

STANDARD = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
"""Rules of axe: WCAG 2.2 A and AA, and its best practices."""

SMALL_TARGETS = """() => [...document.querySelectorAll('button, input:not([type=hidden]):not([type=checkbox]):not([type=radio]), select, .button, .side a, summary')]
  .filter(e => e.getClientRects().length && e.getBoundingClientRect().height < 47.5).map(e => e.outerHTML.slice(0, 120))"""
"""Controls lower than 48 px."""


@dataclass
class Browsing:
    """A Chromium and the portal's address."""

    browser: Browser
    address: str
    states: dict[str, Any] = field(default_factory=dict)
    """Cookies of the accounts that have signed in."""

    @contextmanager
    def page(self, login: str | None, width: int = 1280, height: int = 800) -> Iterator[Page]:
        """A page in a browser of its own, in which an account is signed in; the page's own policy is passed by for axe."""
        context = self.browser.new_context(
            ignore_https_errors=True,
            viewport={"width": width, "height": height},
            bypass_csp=True,
            locale="zh-CN",
            storage_state=self.states.get(login or ""),
        )
        try:
            page = context.new_page()
            if login and login not in self.states:
                page.goto(self.address + "/login")
                page.fill("#login", login)
                page.fill("#password", PASSWORD)
                page.click("button[type=submit]")
                page.wait_for_selector(".who")
                self.states[login] = context.storage_state()
            yield page
        finally:
            context.close()


@contextmanager
def browsing(portal: Portal) -> Iterator[Browsing]:
    """Serve the portal over HTTPS and open a Chromium."""
    with running(portal.home, portal.app.state.settings, Door(port=0)) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-quic", "--ignore-certificate-errors"],
        )
        try:
            yield Browsing(browser, address)
        finally:
            browser.close()


def violations(page: Page) -> list[str]:
    """What axe finds on a page: rule, what it says, and the first element."""
    page.evaluate(AXE)
    found: dict[str, Any] = page.evaluate(
        "tags => axe.run(document, {runOnly: {type: 'tag', values: tags}, resultTypes: ['violations']})", STANDARD
    )
    return [f"{v['id']}: {v['help']} ({v['nodes'][0]['html'][:160]})" for v in found["violations"]]

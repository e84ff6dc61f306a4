"""Every page in a real Chromium, on a phone and on a desktop: axe finds nothing, nothing is cut off, no target is small."""

from __future__ import annotations

import pytest
from browsing import CHROMIUM, PICTURES, SMALL_TARGETS, Browsing, violations
from fastapi.routing import APIRoute
from playwright.sync_api import Page
from portal_support import OWN, PASSWORD, Portal, sample_path
from prepared import PREPARED

from portal.access.rules import load
from portal.pages import ROUTERS
from warehouse.tables.portal import ROLES

RULES = load()
NO_PAGES = {
    "tickets.export", "quality.export", "log.copy", "bulk.template", "bulk.bad", "forms.file",  # files to take away
    "login.provider", "login.provider.back", "login.code",  # steps of signing in
    "reveal.ask", "address.children", "device.key", "device.pack", "device.worker",  # parts of pages, and what scripts read
}  # fmt: skip

PAGES = sorted(
    {r.name for router in ROUTERS for r in router.routes if isinstance(r, APIRoute) and "GET" in r.methods} - NO_PAGES
)
"""Names of all other pages: a new page is looked at from the day it has a route."""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="NO CHROMIUM ON THIS MACHINE: the portal was not opened in a browser"),
]


def first_role(name: str) -> str | None:
    rule = RULES[name]
    return None if rule.public else next(r for r in ROLES if rule.signed_in or r in rule.roles)


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("name", PAGES)
def test_a_page(portal: Portal, seen: Browsing, name: str, width: int) -> None:
    route = next(r for r in portal.app.routes if isinstance(r, APIRoute) and r.name == name)
    with seen.page(first_role(name), width, 740) as page:
        if name in PREPARED:
            PREPARED[name](page, seen.address, portal)
        else:
            answer = page.goto(seen.address + sample_path(portal, route.path, RULES[name], OWN))
            assert answer is not None
            assert answer.status == 200
        page.screenshot(path=PICTURES / f"{name}-{width}.png", full_page=True)
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width, "the page is wider than the screen"
        assert page.evaluate(SMALL_TARGETS) == []
        if width > 1000:  # a desktop has the keyboard
            assert beyond_the_keyboard(page) == []


STOPS = 50
"""Controls of a page to which the keyboard goes in the test; a trap shows long before."""

WITHIN_REACH = """() => [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex="0"]')]
  .filter(e => e.checkVisibility() && !e.closest('details:not([open]) > :not(summary)') && !e.disabled && e.type !== 'hidden' && e.type !== 'radio').map((e, i) => { e.dataset.stop = i; return e; }).length"""

HERE = """() => { const e = document.activeElement, s = getComputedStyle(e);
  const own = e === document.body || e.type === 'date'; // the end of the page; a date draws the ring at its parts
  return [e.dataset.stop ?? null, own || s.outlineStyle !== 'none' || s.boxShadow !== 'none' || s.clipPath !== 'none']; }"""


def beyond_the_keyboard(page: Page) -> list[str]:
    """Controls that Tab does not reach from the top (of many, the first fifty are looked for); each has a ring to be seen."""
    there = page.evaluate(WITHIN_REACH)
    page.evaluate("() => { document.activeElement?.blur(); scrollTo(0, 0); }")
    reached: set[str] = set()
    for _ in range(3 * STOPS):  # a date is three stops
        if len(reached) >= min(there, STOPS):
            break
        page.keyboard.press("Tab")
        stop, ringed = page.evaluate(HERE)
        assert ringed, f"{page.evaluate('document.activeElement.outerHTML.slice(0, 120)')} has no ring"
        if stop is not None:
            reached.add(stop)
    if len(reached) >= min(there, STOPS):
        return []
    every = page.eval_on_selector_all("[data-stop]", "es => es.map(e => [e.dataset.stop, e.outerHTML.slice(0, 120)])")
    return [html for stop, html in every if stop not in reached]


def test_a_hidden_value_is_shown_for_a_while(portal: Portal, seen: Browsing) -> None:
    person = portal.ids("person")[OWN]
    with seen.page("auditor") as page:
        page.goto(f"{seen.address}/trace/person/{person}")
        page.click("button[aria-label^='查看联系方式']")
        page.select_option("select[name=reason]", "审计取证")
        assert violations(page) == []
        page.click("text=查看并记入日志")
        whole = page.locator(".whole")
        whole.wait_for()
        assert whole.inner_text().startswith("1390000")
        assert whole.get_attribute("data-until") == "set"


def test_the_log_is_verified_in_the_page(portal: Portal, seen: Browsing) -> None:
    with seen.page("auditor") as page:
        page.goto(f"{seen.address}/log")
        page.click("text=验证整个日志")
        page.wait_for_selector("#verdict .notice")
        assert "日志完好" in page.inner_text("#verdict")
        assert violations(page) == []


def test_signing_in_by_keyboard_alone(portal: Portal, seen: Browsing) -> None:
    with seen.page(None) as page:
        page.goto(seen.address + "/login")
        page.keyboard.type("steward")
        page.keyboard.press("Tab")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_selector("h1:has-text('您好')")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "跳到正文"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"


def test_the_policy_holds_in_the_browser(portal: Portal, seen: Browsing) -> None:
    context = seen.browser.new_context(ignore_https_errors=True)
    page, said = context.new_page(), []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(seen.address + "/login")
    page.fill("#login", "steward")
    page.fill("#password", PASSWORD)
    page.click("button[type=submit]")
    for name in ("systems", "quality", "map", "burden"):
        page.goto(f"{seen.address}/{name}")
    assert [s for s in said if "Content Security Policy" in s or "Error" in s] == []
    page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.stolen = 1'; document.body.append(s); }"
    )
    assert page.evaluate("window.stolen") is None, "a script put into the page ran"
    context.close()

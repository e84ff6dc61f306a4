"""A website behind a login: pages fetched with a session cookie, logged in again when the session has run out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode, urljoin

import httpx
from selectolax.lexbor import LexborHTMLParser

from connectors.base import LoginRefused, Malformed
from connectors.http import HttpClient, Request
from connectors.kinds.html_form import login_form
from connectors.manifest.sources import FormConnection
from connectors.quota import Quota

REDIRECTS = {301, 302, 303, 307, 308}
FARTHEST = 5
"""Redirects that are followed for one request."""

TIMEOUT_SECONDS = 30.0
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class SessionLost(Exception):
    """The session ran out between opening a form and sending it: the form's tokens are worth nothing any more."""


@dataclass(frozen=True, slots=True)
class WebPage:
    """A page: its path below the base URL (after redirects), HTTP status, parsed content, and as it came."""

    path: str
    status: int
    tree: LexborHTMLParser
    raw: bytes = b""


class Site:
    """Pages of one system, fetched at the pace of the manifest's rate limit. Errors carry paths, never contents."""

    def __init__(
        self,
        system: str,
        connection: FormConnection,
        quota: Quota,
        now: Callable[[], datetime],
        sleep: Callable[[float], None],
    ) -> None:
        self._system, self._connection = system, connection
        self._http = HttpClient(system, connection.base_url, timeout=TIMEOUT_SECONDS, now=now, sleep=sleep, quota=quota)

    def close(self) -> None:
        """Close kept connections."""
        self._http.close()

    def get(self, path: str) -> WebPage:
        """Fetch a page, logging in (again) where the site asks for it. Raises `LoginRefused`, `Unreachable`."""
        page = self._follow(Request("GET", path))
        if login_form(page.tree) is None:
            return page
        self.login()
        page = self._follow(Request("GET", path))
        if login_form(page.tree) is not None:
            raise self._refused(path)
        return page

    def post(self, path: str, fields: Sequence[tuple[str, str]]) -> WebPage:
        """Send a form once. Raises `SessionLost` where the site asks for a login instead, `Unanswered` on silence."""
        body = urlencode(fields).encode()
        page = self._follow(Request("POST", path, body=body, headers=FORM, repeatable=False))
        if login_form(page.tree) is not None:
            self.login()
            raise SessionLost
        return page

    def login(self) -> None:
        """Log in with the manifest's account; raises `LoginRefused`."""
        path = self._connection.login_path
        found = login_form(self._follow(Request("GET", path)).tree)
        if found is None:
            raise Malformed(self._system, path, "there is no login form", "Check `login_path` in the manifest.")
        form, user, password = found
        typed = {user: self._connection.username, password: self._connection.password}
        fields = [(c.name, typed.get(c.name, c.sent)) for c in form.controls]
        action = self.below(path, form.action or path)
        answer = self._follow(Request("POST", action, body=urlencode(fields).encode(), headers=FORM, repeatable=False))
        if login_form(answer.tree) is not None:
            raise self._refused(path)

    def below(self, path: str, link: str) -> str:
        """Return where a link on a page leads, as a path below the base URL; raises `Malformed` for a foreign place."""
        base = self._connection.base_url.rstrip("/")
        target = urljoin(base + path, link)
        if not target.startswith(base + "/"):
            raise Malformed(
                self._system, path, "a link leads away from the system", "Check `base_url` in the manifest."
            )
        return target.removeprefix(base).partition("#")[0]

    def _follow(self, request: Request) -> WebPage:
        path = request.path
        for _ in range(FARTHEST):
            response: httpx.Response = self._http.send(request)
            if response.status_code not in REDIRECTS or "location" not in response.headers:
                return WebPage(path, response.status_code, LexborHTMLParser(response.text), response.content)
            path = self.below(path, response.headers["location"])
            request = Request("GET", path)
        raise Malformed(self._system, path, "it redirects in a circle", "Open the page in a browser and compare.")

    def _refused(self, path: str) -> LoginRefused:
        remedy = "Check user name and password; log in by hand once, the site may ask for something else."
        return LoginRefused(self._system, path, "the website does not accept our login", remedy)

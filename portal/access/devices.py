"""On which device something was typed (设备): a number that the portal gives a browser once, and what kind of device it says it is.

The number is random and says nothing but that two acts came from the same browser; the kind is what the browser tells of
itself, which anybody can fake. It is kept with what was entered, so that an auditor can ask who typed on which device.
"""

from __future__ import annotations

import re
import secrets
from typing import Final

from fastapi import Request
from starlette.responses import Response

from onefact.acting import Origin
from portal.security.tokens import Program

COOKIE: Final = "__Host-onefact-device"

YEAR: Final = 365 * 24 * 3600

_NUMBER: Final = re.compile(r"[0-9a-f]{16}")

_KINDS: Final = (
    (re.compile(r"wxwork", re.IGNORECASE), "wxwork"),
    (re.compile(r"iPad|Tablet|Android(?!.*Mobile)", re.IGNORECASE), "tablet"),
    (re.compile(r"Mobile|iPhone|Android", re.IGNORECASE), "phone"),
    (re.compile(r"Windows|Macintosh|X11|Linux", re.IGNORECASE), "desktop"),
)
"""What a browser says of itself -> kind, the first that fits; 企业微信 on a phone is `wxwork`."""


def kind_of(agent: str) -> str:
    """Return the kind of a device from its User-Agent: wxwork, tablet, phone, desktop or `browser`."""
    return next((kind for pattern, kind in _KINDS if pattern.search(agent)), "browser")


def origin(request: Request, purpose: str) -> Origin:
    """Return from where a request comes: the portal and its device, or the API and the token it was sent with."""
    session = request.state.session
    if isinstance(session, Program):
        return Origin("program", purpose, "api")
    number = request.cookies.get(COOKIE, "")
    told = f" {number}" if _NUMBER.fullmatch(number) else ""
    return Origin(kind_of(request.headers.get("user-agent", "")) + told, purpose, "portal")


def give(request: Request, response: Response) -> None:
    """Give the browser its number, when it has none yet."""
    if not _NUMBER.fullmatch(request.cookies.get(COOKIE, "")):
        number = secrets.token_hex(8)
        response.set_cookie(COOKIE, number, max_age=YEAR, secure=True, httponly=True, samesite="lax", path="/")

"""What every answer says to the browser (安全响应头), and where unsafe requests may come from.

Nothing is loaded from outside, no script or style stands in a page, no page is framed, and no page is kept in a cache:
government networks are closed, and shared office PCs are common.
"""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SOURCES: Final = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "manifest-src": "'self'",
    "worker-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}

POLICY: Final = "; ".join(f"{what} {where}" for what, where in _SOURCES.items())
"""Content Security Policy of every page; no 'unsafe-inline', no 'unsafe-eval', no host."""

HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""


class Guard:
    """Middleware: refuses unsafe requests of other sites and bodies that are too large; adds the headers to every answer."""

    def __init__(self, app: ASGIApp, largest: int) -> None:
        self.app, self.largest = app, largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        counter = _Counter(receive, self.largest)
        sending = _with_headers(scope, send, counter)
        headers = Headers(scope=scope)
        if scope["method"] not in SAFE and not _own(headers):
            await _refusal(scope, "来源不明的请求已被拒绝。", 403)(scope, receive, sending)
        elif _declared(headers) > self.largest:
            await _refusal(scope, "内容太大，已被拒绝。", 413)(scope, receive, sending)
        else:
            await self.app(scope, counter, sending)


def _refusal(scope: Scope, sentence: str, status: int) -> Response:
    """Programs are answered in JSON, browsers in plain words."""
    if scope["path"].startswith("/api/"):
        return JSONResponse({"error": sentence}, status_code=status)
    return PlainTextResponse(sentence, status_code=status)


class BodyTooLarge(Exception):
    """A body without a declared length went on for too long."""


class _Counter:
    """Passes a body on and counts it; `over` once it was too much."""

    def __init__(self, receive: Receive, largest: int) -> None:
        self.receive, self.largest, self.seen = receive, largest, 0

    async def __call__(self) -> Message:
        message = await self.receive()
        self.seen += len(message.get("body", b""))
        if self.over:
            raise BodyTooLarge
        return message

    @property
    def over(self) -> bool:
        return self.seen > self.largest


def _own(headers: Headers) -> bool:
    """Return whether an unsafe request comes from one of our own pages, or from a program with a token.

    Browsers send Sec-Fetch-Site (all since 2023) or at least Origin with every POST; a request with neither and without
    a token is none of ours.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = headers.get("origin")
    if origin is not None:
        return origin.partition("://")[2] == headers.get("host", "")
    return headers.get("authorization", "").lower().startswith("bearer ")


def _declared(headers: Headers) -> int:
    length = headers.get("content-length", "0")
    return int(length) if length.isdecimal() else 0


def _with_headers(scope: Scope, send: Send, counter: _Counter) -> Send:
    static = scope["path"].startswith("/static/")

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            if counter.over:  # whoever read the body took the end of it for a mistake of the sender
                message["status"] = 413
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            if not static:
                headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return sending

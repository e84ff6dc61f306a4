"""The portal as a web application: middleware, gate, pages, and errors that show neither traceback nor data."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path
from typing import cast

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from onefact.home import Home
from portal.access import brake, rows
from portal.access.brake import ApprovalNeeded
from portal.access.gate import Refused, SignInFirst, Unknown, gate
from portal.access.rules import load
from portal.api import v1, webhooks
from portal.pages import ROUTERS
from portal.security.headers import BodyTooLarge, Guard
from portal.security.limits import Tries
from portal.settings import Settings
from portal.shelf import Shelf
from portal.view import page
from portal.view.render import STATIC, links

logger = logging.getLogger("portal")


class Assets(StaticFiles):
    """Static files; one that is asked for by its hash never changes."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file."""
        response = await super().get_response(path, scope)
        versioned = scope.get("query_string", b"").startswith(b"v=")
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if versioned else "no-cache"
        return response


class Calm:
    """Middleware: an unexpected error becomes a page without traceback or data; the log gets its kind and its route."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, sending)
        except Exception as error:  # noqa: BLE001 - the last line of defence
            # The kind and the place are enough to find it; a message may quote a record.
            logger.error("%s on route %s", type(error).__name__, getattr(scope.get("route"), "name", "?"))  # noqa: TRY400
            if not begun and scope["type"] == "http":
                sentence = "系统遇到意外情况，已记录。请稍后再试；没有保存的内容请重新提交。"
                await _problem(Request(scope), 500, "出错了", sentence)(scope, receive, send)


def create_app(home: Home, settings: Settings | None = None) -> FastAPI:
    """Return the application of an installation.

    Raises:
        portal.access.NoRule: a route has no rule of access, or a rule no route.
    """
    settings = settings or Settings()
    app = FastAPI(
        title=settings.title,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[Depends(gate, scope="function")],
    )
    app.state.home, app.state.settings, app.state.rules = home, settings, load()
    app.state.tries = Tries(settings.lockout.address_tries, timedelta(minutes=settings.lockout.minutes))
    app.state.shelf = Shelf()
    app.state.searches = Tries(settings.searches_per_minute, timedelta(minutes=1))
    for router in (*ROUTERS, v1.router, webhooks.router):
        app.include_router(router)
    app.state.rules.fit(app.routes)
    rows.protect(home.engine)
    app.state.route_names = frozenset(app.state.rules)
    app.state.link = links(app)
    app.mount("/static", Assets(directory=Path(STATIC)), name="static")
    app.add_middleware(Calm)
    app.add_middleware(Guard, largest=settings.upload_bytes)
    _errors(app)
    return app


def _errors(app: FastAPI) -> None:
    app.add_exception_handler(SignInFirst, _sign_in_first)
    app.add_exception_handler(ApprovalNeeded, _asked)
    app.add_exception_handler(Refused, lambda r, e: _problem(r, 403, "没有权限", str(e)))
    app.add_exception_handler(Unknown, lambda r, e: _problem(r, 404, "没有找到", NOT_FOUND))  # noqa: ARG005
    app.add_exception_handler(BodyTooLarge, lambda r, e: _problem(r, 413, "内容太大", "上传的内容超过了上限。"))  # noqa: ARG005
    app.add_exception_handler(RequestValidationError, lambda r, e: _problem(r, 422, "内容不完整", "请检查填写的内容。"))  # noqa: ARG005
    app.add_exception_handler(HTTPException, _http)


NOT_FOUND = "这里没有内容，或者不在您的网格内。"


def _sign_in_first(request: Request, error: Exception) -> Response:
    where = request.app.url_path_for(error.where if isinstance(error, SignInFirst) else "login.show")
    if _is_api(request):
        return JSONResponse({"error": "sign in first"}, status_code=401)
    if request.headers.get("HX-Request"):
        return Response(status_code=204, headers={"HX-Redirect": where})
    return RedirectResponse(where, status_code=303)


def _asked(request: Request, error: Exception) -> Response:
    """Keep the request for a large file, in a transaction of its own: that of the file is undone."""
    needed, home, session = cast("ApprovalNeeded", error), request.app.state.home, request.state.session
    with home.engine.begin() as connection:
        brake.ask(connection, session.account, needed, request.url.path, home.now())
    return _problem(request, 403, "须经批准", str(needed))


def _http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    title, sentence = {404: ("没有找到", NOT_FOUND), 429: ("太频繁", "查询次数已达每分钟上限，请稍后再试。")}.get(
        status, ("请求有误", "请返回上一页再试。")
    )
    answer = _problem(request, status, title, sentence)
    answer.headers.update((error.headers if isinstance(error, HTTPException) else None) or {})
    return answer


def _problem(request: Request, status: int, title: str, sentence: str) -> Response:
    if _is_api(request):
        return JSONResponse({"error": sentence}, status_code=status)
    template = "errors/part.html" if request.headers.get("HX-Request") else "errors/show.html"
    return page(request, template, status, heading=title, sentence=sentence)


def _is_api(request: Request) -> bool:
    rule = request.app.state.rules.get(getattr(request.scope.get("route"), "name", ""))
    return bool(rule and rule.api) or request.url.path.startswith("/api/")

"""Rendering (页面生成): a template with what every page needs, escaped, with versioned static files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.datastructures import URLPath
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from onefact import report
from portal.view.cards import choices, options
from portal.view.navigation import navigation

ROOM = Path(__file__).parents[1]
STATIC = ROOM / "static"
PICTURES = Path(report.__file__).parent
"""The report's macros draw the map of fields and systems here too."""


@cache
def templates() -> Environment:
    """Return the environment of all templates: everything is escaped, a name that is not there is an error."""
    made = Environment(
        loader=ChoiceLoader([FileSystemLoader(ROOM / "templates"), PrefixLoader({"picture": FileSystemLoader(PICTURES)})]), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, auto_reload=False,
    )  # fmt: skip
    made.globals["static"] = static
    made.globals["options"] = options
    made.globals["choices"] = choices
    return made


@cache
def static(name: str) -> str:
    """Return the path of a static file with its content's hash, so that browsers keep it until it changes."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:10]
    return f"/static/{name}?v={digest}"


def links(app: Starlette) -> Callable[..., URLPath]:
    """Return how templates name a page: by its route and the values of its path.

    The application would try one route after the other for each link of a page.
    """
    known: dict[str, Route] = {}
    for route in app.routes:
        if isinstance(route, Route):
            known.setdefault(route.name, route)
    return lambda route, **values: known[route].url_path_for(route, **values)


def page(request: Request, template: str, status: int = 200, **context: Any) -> HTMLResponse:
    """Return a page.

    Args:
        request: the request; its session says who looks.
        template: path below `portal/templates`; extends `base.html`, or is a fragment for htmx.
        status: HTTP status.
        **context: what the template needs beside `request`, `account`, `csrf`, `nav`, `here`, `settings`, `link`.
    """
    session = getattr(request.state, "session", None)
    account = session.account if session is not None and session.stage == "full" else None
    app, route = request.app, request.scope.get("route")
    shared = {
        "request": request,
        "settings": app.state.settings,
        "account": account,
        "csrf": session.csrf if session is not None else "",
        "nav": navigation(app.state.route_names, app.state.rules, account),
        "here": getattr(route, "name", ""),
        "link": app.state.link,
    }
    return HTMLResponse(templates().get_template(template).render({**shared, **context}), status_code=status)

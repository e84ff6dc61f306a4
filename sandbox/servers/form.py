"""Stand-ins of the systems that have only a website: login, lists of fifty rows, edit forms, all in plain Chinese pages.

They behave as such sites do: a session ends after some minutes, a form can be sent once, selects hold the system's own
spellings, every error hides in a page with HTTP 200, and two people who edit one record are told so (数据已被他人修改).
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from connectors.manifest.model import Dataset, Manifest
from connectors.manifest.sources import FormConnection, FormSource
from sandbox.keys import Keyring, fill
from sandbox.servers.hosting import Host
from sandbox.servers.sessions import Session, Sessions
from sandbox.store import Refused, Row, Store

ROWS = 50
SESSION_SECONDS = 900.0
COOKIE = "JSESSIONID"
WORKER = "wangge01"
"""The grid worker's account; its password is short enough to be typed in a demonstration."""

PASSWORD_LENGTH = 10
PAGES = Environment(loader=FileSystemLoader(Path(__file__).parent / "pages"), autoescape=True, trim_blocks=True)

View = Callable[[Request, Session], Awaitable[Response]]


class FormServer:
    """All systems of kind `form`, on one port below `/<system>`.

    Args:
        manifests: their manifests; other kinds are left out.
        home: working folder.
        now: the systems' clock (local time, as they stamp it).
        session_seconds: how long a session lives without use.
    """

    def __init__(
        self,
        manifests: Sequence[Manifest],
        home: Path,
        *,
        now: Callable[[], datetime] = datetime.now,
        session_seconds: float = SESSION_SECONDS,
    ) -> None:
        self._manifests = [m for m in manifests if m.kind == "form"]
        self._home, self._now, self._seconds = home, now, session_seconds
        self._host = Host()
        self.systems: dict[str, Website] = {}

    async def start(self) -> dict[str, str]:
        """Load the stores, serve, and return `<ID>_URL`, `_USER` and `_PASSWORD` of each system."""
        keys, variables = Keyring.of(self._home), dict[str, str]()
        for manifest in self._manifests:
            own = {name: _typeable(name, secret) for name, secret in keys.variables(manifest).items()}
            connection = FormConnection.model_validate(fill(manifest.connection, own))
            store, sessions = Store.open(self._home, manifest), Sessions(self._seconds, self._now)
            self.systems[manifest.id] = Website(manifest, connection, store, sessions, self._now)
            variables |= own
        routes = [Mount(f"/{name}", site.app) for name, site in self.systems.items()]
        url = await self._host.start(Starlette(routes=routes))
        return variables | {f"{name.upper()}_URL": f"{url}/{name}" for name in self.systems}

    async def stop(self) -> None:
        """Finish running requests, free the port, close the stores."""
        await self._host.stop()
        for site in self.systems.values():
            site.store.close()
        self.systems.clear()

    async def edit(self, system: str, dataset: str, key: str, columns: Mapping[str, str | None]) -> Row:
        """Change a row as another user of the website does."""
        return self.systems[system].store.edit(dataset, key, columns, self._now())


def _typeable(name: str, secret: str) -> str:
    if name.endswith("_USER"):
        return WORKER
    return secret[:PASSWORD_LENGTH]


@dataclass(frozen=True, slots=True)
class Section:
    """One dataset of a website: its addresses and what its form holds."""

    dataset: Dataset
    source: FormSource
    options: Mapping[str, tuple[str, ...]]
    fixed: tuple[str, ...]
    """Columns that are shown but not typed: the key, the time of the last change, the delete flag."""

    @classmethod
    def of(cls, manifest: Manifest, dataset: Dataset) -> Section:
        """Take the selects from the manifest's code maps."""
        options: dict[str, tuple[str, ...]] = {}
        for entity in dataset.entities:
            for mapped in entity.fields.values():
                codes = manifest.code_map(mapped)
                if codes is not None and len(mapped.column) == 1:
                    texts = (*options.get(mapped.column[0], ()), *codes.codes, *codes.write.values())
                    options[mapped.column[0]] = tuple(dict.fromkeys(texts))
        stamped = (dataset.updated_at.column if dataset.updated_at else None, dataset.deleted.column)
        fixed = (*dataset.key, *(c for c in stamped if c))
        return cls(dataset, FormSource.model_validate(dataset.source), options, tuple(dict.fromkeys(fixed)))

    def label(self, column: str) -> str:
        """What stands beside the column on the page."""
        local = self.dataset.local.get(column)
        return self.dataset.titles.get(column) or (local.title if local else column)

    def offered(self, column: str, value: str | None) -> list[dict[str, str]]:
        """Options of a select; a value that is not in the list (old data) stays choosable while it is there."""
        texts = self.options.get(column, ())
        odd = (value,) if texts and value and value not in texts else ()
        return [{"value": str(n), "text": text} for n, text in enumerate((*texts, *odd), 1)]


class Website:
    """One system's pages."""

    def __init__(
        self,
        manifest: Manifest,
        connection: FormConnection,
        store: Store,
        sessions: Sessions,
        now: Callable[[], datetime],
    ) -> None:
        self.manifest, self.store, self.sessions = manifest, store, sessions
        self._connection, self._now = connection, now
        self._sections = [Section.of(manifest, dataset) for dataset in manifest.datasets]
        self._home = self._sections[0].source.list_path
        self.app = Starlette(routes=self._routes())

    def _routes(self) -> list[BaseRoute]:
        login = self._connection.login_path
        routes: list[BaseRoute] = [Route(login, self._login, methods=["GET", "POST"])]
        for section in self._sections:
            source = section.source
            routes.append(Route(source.list_path, self._inside(self._list(section))))
            if source.new_path:
                routes.append(Route(source.new_path, self._inside(self._edit(section)), methods=["GET", "POST"]))
            path = source.edit_path.partition("?")[0].replace("{key}", "{key:path}")
            routes.append(Route(path, self._inside(self._edit(section)), methods=["GET", "POST"]))
        return [*routes, Route("/", self._front)]

    async def _front(self, request: Request) -> Response:
        return RedirectResponse(_at(request, self._home), 303)

    async def _login(self, request: Request) -> Response:
        session = self.sessions.of(request.cookies.get(COOKIE))
        errors: list[str] = []
        if request.method == "POST":
            form = await request.form()
            if not session.spend(str(form.get("_csrf", ""))):
                errors = ["页面已过期，请重新登录"]
            elif not self._known(str(form.get("username", "")), str(form.get("password", ""))):
                errors = ["用户名或密码错误"]
            else:
                session = self.sessions.renewed(session, self._connection.username)
                return self._with_cookie(RedirectResponse(_at(request, self._home), 303), request, session)
        action = _at(request, self._connection.login_path)
        page = self._page(request, None, "login.html", "登录", errors=errors, csrf=session.token(), action=action)
        return self._with_cookie(page, request, session)

    def _known(self, user: str, password: str) -> bool:
        right = hmac.compare_digest(user.encode(), self._connection.username.encode())
        return hmac.compare_digest(password.encode(), self._connection.password.encode()) and right

    def _inside(self, view: View) -> Callable[[Request], Awaitable[Response]]:
        """A page for those who are logged in; others are led to the login."""

        async def guarded(request: Request) -> Response:
            session = self.sessions.of(request.cookies.get(COOKIE))
            if session.user is None:
                return RedirectResponse(_at(request, self._connection.login_path), 303)
            return await view(request, session)

        return guarded

    def _list(self, section: Section) -> View:
        async def view(request: Request, session: Session) -> Response:
            name, asked = section.dataset.name, request.query_params.get("page", "1")
            total = self.store.count(name)
            pages = max(1, -(-total // ROWS))
            number = min(max(1, int(asked) if asked.isdigit() else 1), pages)
            rows = self.store.rows(name, limit=ROWS, offset=(number - 1) * ROWS, include_deleted=False)
            columns = section.dataset.columns
            here = _at(request, section.source.list_path)
            new = section.source.new_path
            return self._page(
                request, session, "list.html", section.dataset.title,
                columns=[{"name": c, "label": section.label(c)} for c in columns],
                rows=[{"texts": [row.columns.get(c) or "" for c in columns],
                       "href": _at(request, _edit_path(section, row.key))} for row in rows],
                total=total, number=number, pages=pages, new=_at(request, new) if new else None,
                previous=f"{here}?page={number - 1}" if number > 1 else None,
                next=f"{here}?page={number + 1}" if number < pages else None,
            )  # fmt: skip

        return view

    def _edit(self, section: Section) -> View:
        async def view(request: Request, session: Session) -> Response:
            key = request.path_params.get("key") or request.query_params.get(_key_parameter(section)) or None
            row = self.store.row(section.dataset.name, key) if key else None
            if key and (row is None or row.deleted):
                return HTMLResponse("<p>记录不存在</p>", 404)
            if request.method == "GET":
                return self._form(request, session, section, row, {}, [])
            typed = {name: str(value) for name, value in (await request.form()).items()}
            columns = self._columns(section, row, typed)
            try:
                saved = self._save(session, section, row, typed, columns)
            except Refused as refused:
                return self._form(request, session, section, row, columns, [_worded(section, refused)])
            return RedirectResponse(_with(_at(request, _edit_path(section, saved)), "saved=1"), 303)

        return view

    def _columns(self, section: Section, row: Row | None, typed: Mapping[str, str]) -> dict[str, str | None]:
        """What was typed, by column; of selects the chosen text. A choice that is not offered stays as sent."""
        columns: dict[str, str | None] = {}
        for name in self._typed(section, row):
            if name not in typed:
                continue
            value = typed[name].strip()
            held = row.columns.get(name) if row else None
            if name in section.options:
                value = {o["value"]: o["text"] for o in section.offered(name, held)}.get(value, value)
            columns[name] = value or None
        return columns

    def _save(
        self,
        session: Session,
        section: Section,
        row: Row | None,
        typed: Mapping[str, str],
        columns: Mapping[str, str | None],
    ) -> str:
        """Store what differs from the record and return its key; raises `Refused`."""
        if not session.spend(typed.get("_csrf", "")):
            raise Refused(400, "页面已过期或重复提交，请重新打开")
        version = typed.get("_version", "")
        changed = {n: v for n, v in columns.items() if row is None or v != (row.columns.get(n) or None)}
        name, now = section.dataset.name, self._now()
        if row is None:
            return self.store.upsert(name, None, changed, None, None, now).key
        return self.store.upsert(name, row.key, changed, int(version) if version.isdigit() else 0, None, now).key

    def _typed(self, section: Section, row: Row | None) -> tuple[str, ...]:
        """Columns that a person types: a new record's key too where it is more than a number of the system."""
        mapped = {c for e in section.dataset.entities for f in e.fields.values() for c in f.column}
        fixed = section.fixed if row is not None else tuple(c for c in section.fixed if c not in mapped)
        return tuple(c for c in section.dataset.columns if c not in fixed)

    def _form(
        self,
        request: Request,
        session: Session,
        section: Section,
        row: Row | None,
        typed: Mapping[str, str | None],
        errors: Sequence[str],
    ) -> Response:
        held: Mapping[str, str | None] = {**(row.columns if row else {}), **typed}
        names = self._typed(section, row)
        fixed = [c for c in section.dataset.columns if c not in names] if row else []
        return self._page(
            request, session, "edit.html", f"{section.dataset.title} - {'修改' if row else '新增'}",
            errors=errors, saved=request.query_params.get("saved"), csrf=session.token(),
            version=row.version if row else "",
            fixed=[{"name": c, "label": section.label(c), "value": held.get(c) or ""} for c in fixed],
            fields=[{"name": c, "label": section.label(c), "value": held.get(c) or "",
                     "options": section.offered(c, held.get(c))} for c in names],
            action=str(request.url.replace(scheme="", netloc="")), back=_at(request, section.source.list_path),
        )  # fmt: skip

    def _page(self, request: Request, session: Session | None, template: str, title: str, **values: Any) -> Response:
        menu = [
            {"href": _at(request, section.source.list_path), "title": section.dataset.title}
            for section in self._sections
        ]
        user = session.user if session else None
        text = PAGES.get_template(template).render(system=self.manifest, title=title, menu=menu, user=user, **values)
        return HTMLResponse(text, headers={"Cache-Control": "no-store"})

    def _with_cookie(self, response: Response, request: Request, session: Session) -> Response:
        response.set_cookie(COOKIE, session.number, path=_at(request, "/"), httponly=True, samesite="lax")
        return response


def _at(request: Request, path: str) -> str:
    """The path as the browser must ask for it: below the system's own folder."""
    return str(request.scope.get("root_path", "")) + path


def _edit_path(section: Section, key: str) -> str:
    return section.source.edit_path.replace("{key}", quote(key, safe=""))


def _key_parameter(section: Section) -> str:
    """Name of the query parameter that holds the key, where the address has it there (`/edit?id={key}`)."""
    before, found, _ = section.source.edit_path.partition("?")[2].partition("={key}")
    return before.rpartition("&")[2] if found else ""


def _with(path: str, parameter: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}{parameter}"


def _worded(section: Section, refused: Refused) -> str:
    """The site's error message: with the label that a person knows in place of the column's name."""
    if refused.column is None:
        return refused.message
    return refused.message.replace(refused.column, section.label(refused.column))

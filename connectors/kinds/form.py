"""Web form without an interface (网页表单): read as screen export, written by a person or, where authorised, by onefact.

Reading goes through the list pages that a logged-in worker sees. Writing without `authorisation.automation` submits
nothing: each change becomes an assisted entry (辅助录入) with labels, order and wording of the form itself, and is checked by
`read_back` when the worker says that it is done. With automation the form is opened, filled and sent as a browser does;
since errors hide in pages with HTTP 200, only the read-back decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from urllib.parse import quote, unquote

import pyarrow as pa

from connectors import raw
from connectors.answers import ruling
from connectors.base import Check, ConnectorError, Context, Malformed, NotAllowed
from connectors.held import conflicting, settled, standings, verdict
from connectors.http import Unanswered, scrub
from connectors.kinds.html_form import Form, Listing, NoControl, NoOption, edit_form, errors, listing
from connectors.kinds.site import SessionLost, Site, WebPage
from connectors.manifest.model import Dataset, Manifest
from connectors.manifest.sources import FormConnection, FormSource
from connectors.mapping.rows import raw_key
from connectors.near import near_misses
from connectors.outgoing import Outgoing, prepare, record_key
from connectors.readback import compare
from schemas.records import Change, Outcome, Page

CLEAR = "（清空）"
MOST_PAGES = 100_000
"""A list longer than this is taken for a circle."""


class FormConnector:
    """Reads a website's list pages and prepares, or with authorisation sends, its edit forms."""

    def __init__(self, manifest: Manifest, context: Context) -> None:
        self.manifest, self.context = manifest, context
        connection = FormConnection.model_validate(context.variables.resolve(manifest, manifest.connection))
        self._site = Site(manifest.id, connection, context.quota(manifest), context.now, context.sleep)
        self._sources = {
            d.name: FormSource.model_validate(context.variables.resolve(manifest, d.source)) for d in manifest.datasets
        }
        self._layouts: dict[tuple[str, str], list[tuple[str, str]]] = {}

    @property
    def automatic(self) -> bool:
        """True when the authorisation allows automatic submission and has not run out."""
        authorisation = self.manifest.authorisation
        return authorisation.automation and self.context.now().date() <= authorisation.expires

    def check(self) -> Check:
        """Try the login and the first list page of each dataset."""
        try:
            self._site.login()
        except ConnectorError as error:
            return Check((("login", False, f"{error.what}. {error.remedy}"),))
        lines = [("login", True, "accepted")]
        for dataset in self.manifest.datasets:
            try:
                self._list_page(dataset, self._sources[dataset.name].list_path)
            except ConnectorError as error:
                lines.append((dataset.name, False, f"{error.what}. {error.remedy}"))
            else:
                lines.append((dataset.name, True, "all columns found"))
        return Check(tuple(lines))

    def close(self) -> None:
        """Close kept connections."""
        self._site.close()

    # --- reading --------------------------------------------------------------------------------------------------

    def pull(self, dataset: str, cursor: str | None) -> Iterator[Page]:  # noqa: ARG002  # a list has no cursor
        """Yield one page per list page; always everything, since a list shows no time since which to read.

        The last page is a snapshot only where the records read are as many as the site announces: while paging, a row may
        have moved from a page not yet read to one already read.
        """
        if self.manifest.capabilities.read == "none":
            remedy = "Remove this system from the pull."
            raise NotAllowed(self.manifest.id, dataset, "the manifest allows no reading", remedy)
        spec = self.manifest.dataset(dataset)
        path: str | None = self._sources[dataset].list_path
        visited: set[str] = set()
        seen: set[tuple[str | None, ...]] = set()
        width = len(spec.key)  # the key columns are the first of a dataset
        while path is not None:
            if path in visited or len(visited) > MOST_PAGES:
                raise self._malformed(path, "the list pages lead in a circle")
            visited.add(path)
            content = self._list_page(spec, path)
            following = self._site.below(path, content.next) if content.next else None
            page = self._page(spec, path, content, seen)
            complete = following is None and content.total in {None, len({row[:width] for row in seen})}
            yield replace(page, snapshot=complete)
            path = following

    def read_back(self, dataset: str, record_keys: Sequence[str]) -> pa.Table:
        """Return what the edit pages of these records show; a record without page is left out."""
        spec = self.manifest.dataset(dataset)
        pages = ((self._edit_path(spec, key), key) for key in dict.fromkeys(record_keys))
        return self._shown(spec, [(key, path, form) for path, key in pages if (form := self._open(spec, path))])

    def _list_page(self, dataset: Dataset, path: str) -> Listing:
        source, page = self._sources[dataset.name], self._site.get(path)
        if page.status != 200:
            raise self._malformed(path, f"HTTP {page.status} instead of a list")
        content = listing(page.tree, source.row_selector, source.next_selector)
        missing = [column for column in dataset.columns if column not in content.columns]
        if missing:
            raise self._malformed(path, f"the list lacks the column {missing[0]}; the page has changed")
        return content

    def _page(self, dataset: Dataset, path: str, content: Listing, seen: set[tuple[str | None, ...]]) -> Page:
        where = [content.columns.index(column) for column in dataset.columns]
        rows: list[tuple[str | None, ...]] = []
        places: list[str] = []
        broken: list[dict[str, str | None]] = []
        for number, cells in enumerate(content.rows, 1):
            place = f"{path}#{number}"
            if len(cells) != len(content.columns):
                reason = "该行的单元格数与表头不符"
                broken.append({"place": place, "level": "record", "rule": "form.cells", "reason": reason})
                continue
            row = tuple(cells[i] or None for i in where)
            if row not in seen:
                seen.add(row)
                rows.append(row)
                places.append(place)
        columns = {c: pa.array([r[i] for r in rows], pa.string()) for i, c in enumerate(dataset.columns)}
        table = raw.table(columns, pa.array(places, pa.string()))
        rejects = raw.rejects(broken, self.manifest.id, dataset.name)
        return Page(dataset.name, table, rejects=rejects, duplicates=len(content.rows) - len(rows) - len(broken))

    def _open(self, dataset: Dataset, path: str) -> Form | None:
        page = self._site.get(path)
        if page.status == 404:
            return None
        return self._form(dataset, path, page)

    def _form(self, dataset: Dataset, path: str, page: WebPage) -> Form:
        form = edit_form(page.tree, dataset.columns) if page.status == 200 else None
        if form is None:
            raise self._malformed(path, "there is no edit form")
        return form

    def _shown(self, dataset: Dataset, forms: Sequence[tuple[str, str, Form]]) -> pa.Table:
        rows = []
        for key, _, form in forms:
            texts = raw_key(self.manifest, dataset, key)
            rows.append({**form.shown(), **dict(zip(dataset.key, texts, strict=True))})
        columns = {c: pa.array([row.get(c) or None for row in rows], pa.string()) for c in dataset.columns}
        return raw.table(columns, pa.array([path for _, path, _ in forms], pa.string()))

    # --- writing --------------------------------------------------------------------------------------------------

    def push(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Prepare each change for a person (`awaiting_person`), or submit it where automation is authorised."""
        ready, refused = prepare(self.manifest, changes, whole_rows=False, writable=lambda _: True)
        yield from refused
        for one in ready:
            if one.change.operation == "create" and self._sources[one.change.dataset].new_path is None:
                yield Outcome(one.change.change_id, "rejected", "no_write_path", "该系统没有新增页面")
            elif self.automatic:
                yield self._submit(one)
            else:
                yield self._assist(one)

    def _assist(self, one: Outgoing) -> Outcome:
        dataset = self.manifest.dataset(one.change.dataset)
        path = self._path(one)
        written = {c: v for c, v in one.columns.items() if c not in dataset.key or one.change.operation == "create"}
        layout = [(name, label) for name, label in self._layout(dataset, one, path) if name in written]
        unlisted = [c for c in written if c not in {name for name, _ in layout} and written[c]]
        layout += [(c, dataset.titles.get(c, c)) for c in unlisted]
        detail = tuple((label, written[name] or CLEAR) for name, label in layout)
        return Outcome(
            one.change.change_id, "awaiting_person", "assisted_entry", path,
            record_key=one.change.record_key, detail=detail,
        )  # fmt: skip

    def _layout(self, dataset: Dataset, one: Outgoing, path: str) -> list[tuple[str, str]]:
        """Names and labels in the form's own order: from the live page, else from the manifest's titles."""
        which = (dataset.name, one.change.operation)
        if which not in self._layouts:
            try:
                form = self._open(dataset, path)
            except ConnectorError:
                form = None  # a person can still type it in later: the website being down is no reason to lose it
            live = [(c.name, c.label) for c in form.controls if not c.hidden] if form else []
            self._layouts[which] = live or list(dataset.titles.items())
        return self._layouts[which]

    def _submit(self, one: Outgoing) -> Outcome:
        try:
            return self._submitted(one)
        except SessionLost:  # logged in again by now; the form is opened anew, once
            try:
                return self._submitted(one)
            except SessionLost:
                return Outcome(one.change.change_id, "no_answer", "session_lost", "登录一再失效，未能提交")

    def _submitted(self, one: Outgoing) -> Outcome:
        change, path = one.change, self._path(one)
        dataset = self.manifest.dataset(change.dataset)
        form = self._open(dataset, path)
        if form is None:
            return Outcome(change.change_id, "rejected", "no_record", "系统中没有这条记录")
        if change.record_key is not None:
            rows = self._shown(dataset, [(change.record_key, path, form)])
            outcome = settled(change, standings(self.manifest, dataset.name, [change], rows)[change.change_id])
            if outcome is not None:
                return outcome
        typed = {c: v for c, v in one.columns.items() if c not in dataset.key or (change.record_key is None and v)}
        try:
            fields = form.filled(typed)
        except NoOption as missing:
            return Outcome(change.change_id, "rejected", "no_option", f"表单没有这个选项：{missing.label}")
        except NoControl as missing:
            return Outcome(change.change_id, "rejected", "no_control", f"表单没有这一项：{missing.column}")
        self.context.at("send")
        try:
            answer = self._site.post(self._site.below(path, form.action or path), fields)
        except Unanswered:
            return self._read_again(one, change, None)
        self.context.at("sent")
        return self._judged(one, answer)

    def _judged(self, one: Outgoing, answer: WebPage) -> Outcome:
        change, own = one.change, self.manifest.answers
        problems = errors(answer.tree)
        if problems:
            words = "；".join(problems)
            message = f"系统退回：{scrub(words, one.columns.values())}"
            told = ruling("form", "error", words, own).outcome(change.change_id, message, raw=answer.raw)
            if told.state != "conflict" or change.record_key is None:
                return told
            self.context.at("read_back")
            return conflicting(self.manifest, change, self.read_back(change.dataset, [change.record_key]), told)
        if change.record_key is None:
            change = replace(change, record_key=self._key_in(self.manifest.dataset(change.dataset), answer.path))
        return self._read_again(one, change, answer)

    def _read_again(self, one: Outgoing, change: Change, answer: WebPage | None) -> Outcome:
        """Let the edit page decide; `answer` is None where none came."""
        raw = answer.raw if answer else None
        silent = Outcome(change.change_id, "no_answer", "no_answer", "系统没有回应，是否写入尚不清楚", raw=raw)
        if change.record_key is None:
            return silent
        self.context.at("read_back")
        rows = self.read_back(change.dataset, [change.record_key])
        result = compare(self.manifest, change.dataset, change.role, [change], rows)[change.change_id]
        if not result[0] and (answer is None or answer.status >= 500):
            return silent
        near = near_misses(self.manifest, change.dataset, [(change, one.columns)], rows).get(change.change_id, ())
        return verdict(change.change_id, result, receipt=None, key=change.record_key, near=near, raw=raw)

    # --- addresses ------------------------------------------------------------------------------------------------

    def _path(self, one: Outgoing) -> str:
        dataset = self.manifest.dataset(one.change.dataset)
        if one.change.record_key is None:
            return self._sources[dataset.name].new_path or ""
        return self._edit_path(dataset, one.change.record_key)

    def _edit_path(self, dataset: Dataset, key: str) -> str:
        bare = "|".join(raw_key(self.manifest, dataset, key))
        return self._sources[dataset.name].edit_path.replace("{key}", quote(bare, safe=""))

    def _key_in(self, dataset: Dataset, path: str) -> str | None:
        """The key of the record whose edit page this is: where a site leads after a new record was saved."""
        before, _, after = self._sources[dataset.name].edit_path.partition("{key}")
        found = re.match(f"{re.escape(before)}([^/?&#]+){re.escape(after)}", path)
        return record_key(self.manifest, dataset.name, [unquote(found[1])]) if found else None

    def _malformed(self, path: str, what: str) -> Malformed:
        return Malformed(self.manifest.id, path, what, "Open the page in a browser and compare it with the manifest.")

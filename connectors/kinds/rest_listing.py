"""Reading a REST list completely although its rows change while it is read (边读边变不丢行).

Two things can lose a row, and each has its answer here.

*Numbered pages shift.* When a row leaves a page that was read, the rows behind it move up and one slips through between
two pages. So a walk over several numbered pages is repeated until a walk meets no row that slipped through before (unknown,
yet no newer than the newest of the first walk); the first walk already delivers, later ones only add what is new. If the
list does not settle in `MOST_WALKS`, the reading is no snapshot and the cursor stays. Paging by cursor has no such gap.

*The cursor overtakes a change.* The next reading starts at the greatest updated-at seen (inclusive: rows of that same
second come again and are dropped by `decode`). That is safe only if the list is in order of updated-at or came in one
answer; otherwise a row could change behind our back, older than the newest row met later. In that case the cursor stays
`MARGIN` before the server's clock at the start (more than any time zone differs from UTC, since sources write local
time), and where the server shows no clock it does not move at all. Either costs a repeated reading, never a row.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pyarrow as pa

from connectors.base import Malformed
from connectors.http import dig, malformed
from connectors.kinds.rest_session import Session
from connectors.manifest.model import Dataset
from connectors.manifest.sources import RestSource
from connectors.raw import drop_repeats
from schemas.records import PLACE, Page

MARGIN = timedelta(hours=15)
MOST_WALKS = 5
STAMP = "%Y-%m-%d %H:%M:%S"


@dataclass(slots=True)
class Watermark:
    """The greatest updated-at met so far, in the source's own spelling, and whether it may become the cursor."""

    formats: Sequence[str]
    greatest: datetime | None = None
    text: str | None = None
    ordered: bool = True
    pages: int = 0
    started: datetime | None = None
    settled: bool = True

    def add(self, stamps: Sequence[str | None]) -> None:
        """Take in the stamps of one page in their order."""
        self.pages += 1
        parsed = {text: parse_stamp(text, self.formats) for text in dict.fromkeys(stamps)}
        times = [t for text in stamps if (t := parsed[text]) is not None]
        if not times:
            return
        floor = self.greatest or times[0]
        self.ordered = self.ordered and times[0] >= floor and all(a <= b for a, b in pairwise(times))
        newest = max(times)
        if self.greatest is None or newest > self.greatest:
            self.greatest = newest
            self.text = next(text for text in stamps if parsed[text] == newest)

    def cursor(self, before: str | None) -> str | None:
        """The cursor after this reading, never earlier than the one `before`; see the module's words."""
        if self.greatest is None or not self.settled:
            return before
        if self.ordered or self.pages == 1:
            return self.text
        if self.started is None:
            return before
        safe = self.started.replace(tzinfo=None) - MARGIN
        if self.greatest <= safe:
            return self.text
        known = parse_stamp(before, self.formats)
        return before if known is not None and known >= safe else safe.strftime((*self.formats, STAMP)[0])


@dataclass(frozen=True, slots=True)
class Listing:
    """One list resource of a system."""

    session: Session
    dataset: Dataset
    source: RestSource

    def pull(self, before: str | None) -> Iterator[Page]:
        """Yield pages changed at or after the cursor; only the last carries a new cursor.

        A reading that breaks off in between thus starts over from the old cursor.
        """
        since = before if self.source.since_param else None
        stamp = self.dataset.updated_at
        mark = Watermark(stamp.formats if stamp else ())
        pages = self._numbered(since, mark) if self.source.paging.style == "page" else self._chained(since, mark)
        held: pa.Table | None = None
        repeats = 0
        for rows in pages:
            if held is not None:
                yield Page(self.dataset.name, held, before, duplicates=repeats)
            held, repeats = drop_repeats(rows)
        moved = mark.cursor(before) if stamp and self.source.since_param else None
        if held is not None:
            yield Page(self.dataset.name, held, moved, snapshot=since is None and mark.settled, duplicates=repeats)

    def by_ids(self, keys: Sequence[str]) -> list[dict[str, Any]]:
        """Read single rows by the texts of their key columns (several joined with `|`) in one request."""
        query = [("ids", ",".join(keys)), (self.source.paging.size_param, str(len(keys)))]
        return self._records(self.session.get(self.source.path, query).body)

    def first(self, size: int, page: int = 1) -> list[dict[str, Any]]:
        """Read one page of the given size."""
        query = [(self.source.paging.size_param, str(size))]
        query += [(self.source.paging.page_param, str(page))] if self.source.paging.style == "page" else []
        return self._records(self.session.get(self.source.path, query).body)

    def table(self, records: Sequence[dict[str, Any]], place: str) -> pa.Table:
        """Turn JSON records into raw rows: the manifest's columns as text, NULL where absent, and `_place`."""
        wanted = list(self.dataset.columns)
        wanted += [v for v in [self.source.version_column] if v and v not in wanted]
        columns = {name: pa.array([_text(dig(r, name)) for r in records], pa.string()) for name in wanted}
        return pa.table({**columns, PLACE: pa.array([f"{place}#{n}" for n in range(1, len(records) + 1)], pa.string())})

    def _chained(self, since: str | None, mark: Watermark) -> Iterator[pa.Table]:
        """Pages by the server's own cursor, until it names no next one."""
        paging, cursor, used = self.source.paging, "", set[str]()
        while True:
            query = self._since(since) + ([(paging.cursor_param, cursor)] if cursor else [])
            rows, following = self._page(query, f"{self.source.path}?{paging.cursor_param}={cursor}", mark)
            yield rows
            if not following:
                return
            if following in used:
                raise self._endless()
            used.add(following)
            cursor = following

    def _numbered(self, since: str | None, mark: Watermark) -> Iterator[pa.Table]:
        """Pages by number until a short one; walked again until no row turns up that had slipped through."""
        known: dict[str, int] = {}
        for walk in range(MOST_WALKS):
            slipped = False
            pages = 0
            for rows in self._walk(since, Watermark(mark.formats) if walk else mark):
                pages += 1
                new, unknown = self._news(rows, known)
                slipped = slipped or self._old(unknown, mark)
                if walk == 0 or new.num_rows:
                    yield new
            if pages == 1 or (walk > 0 and not slipped):
                return
        mark.settled = False

    def _walk(self, since: str | None, mark: Watermark) -> Iterator[pa.Table]:
        paging, number = self.source.paging, 1
        while True:
            query = [*self._since(since), (paging.page_param, str(number))]
            rows, _ = self._page(query, f"{self.source.path}?{paging.page_param}={number}", mark)
            yield rows
            if rows.num_rows < paging.size:
                return
            number += 1

    def _page(self, query: list[tuple[str, str]], place: str, mark: Watermark) -> tuple[pa.Table, str | None]:
        paging = self.source.paging
        answer = self.session.get(self.source.path, [*query, (paging.size_param, str(paging.size))])
        records = self._records(answer.body)
        self._promised(records, place)
        rows = self.table(records, place)
        mark.started = mark.started or answer.served_at
        stamp = self.dataset.updated_at
        mark.add(rows.column(stamp.column).to_pylist() if stamp else [])
        following = dig(answer.body, paging.next_field) if paging.style == "cursor" else None
        return rows, None if following in {None, "", "false"} or following is False else str(following)

    def _promised(self, records: Sequence[dict[str, Any]], place: str) -> None:
        """Raise `Malformed` where no record of a page has a mapped column: it was removed or renamed, not emptied."""
        if not records or self.source.omits_empty:
            return
        missing = [
            c for c in self.dataset.columns if c not in self.dataset.local and not any(_has(r, c) for r in records)
        ]
        if missing:
            near = difflib.get_close_matches(missing[0], [*records[0]], n=1)
            hint = f"{missing[0]} is nearest to {near[0]}. " if near else ""
            remedy = f"{hint}Correct the manifest, or set `omits_empty` where the system leaves out what is empty."
            what = f"no row of the list has the column {', '.join(missing)}"
            raise Malformed(self.session.system, place, what, remedy)

    def _news(self, rows: pa.Table, known: dict[str, int]) -> tuple[pa.Table, pa.Table]:
        """Rows not met before in this shape, and among them those whose key is unknown; remembers them."""
        names = [n for n in rows.column_names if n != PLACE]
        prints = [hash(values) for values in zip(*(rows.column(n).to_pylist() for n in names), strict=True)]
        parts = (rows.column(n).to_pylist() for n in self.dataset.key)
        keys = ["|".join(k or "" for k in texts) for texts in zip(*parts, strict=True)]
        new = [n for n, (key, shape) in enumerate(zip(keys, prints, strict=True)) if known.get(key) != shape]
        unknown = [n for n in new if keys[n] not in known]
        known.update((keys[n], prints[n]) for n in new)
        return rows.take(pa.array(new, pa.int64())), rows.take(pa.array(unknown, pa.int64()))

    def _old(self, unknown: pa.Table, mark: Watermark) -> bool:
        """True when a row slipped through: unknown, although it is no newer than what the first walk had met."""
        if unknown.num_rows == 0:
            return False
        if self.dataset.updated_at is None or mark.greatest is None:
            return True
        times = (parse_stamp(t, mark.formats) for t in unknown.column(self.dataset.updated_at.column).to_pylist())
        return any(t is None or t <= mark.greatest for t in times)

    def _since(self, since: str | None) -> list[tuple[str, str]]:
        return [(self.source.since_param, since)] if since and self.source.since_param else []

    def _records(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        found = dig(body, self.source.records)
        if not isinstance(found, list) or not all(isinstance(r, dict) for r in found):
            raise malformed(self.session.system, self.source.path, f"the answer has no list at {self.source.records}")
        return found

    def _endless(self) -> Malformed:
        return malformed(self.session.system, self.source.path, "the system repeats its page cursor without end")


def parse_stamp(text: str | None, formats: Sequence[str]) -> datetime | None:
    """Read an updated-at text as naive local time: the manifest's formats first, then ISO; None if it is neither."""
    if not text:
        return None
    for pattern in formats:
        try:
            return datetime.strptime(text, pattern).replace(tzinfo=None)  # noqa: DTZ007  # sources write local time
        except ValueError:
            continue
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        return None


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False)


def _has(record: dict[str, Any], dotted: str) -> bool:
    """True when a record has a column, filled or not; a parent that is null has all its columns."""
    if dotted in record:
        return True
    first, _, rest = dotted.partition(".")
    inner = record.get(first)
    if not rest or first not in record:
        return False
    return _has(inner, rest) if isinstance(inner, dict) else inner is None

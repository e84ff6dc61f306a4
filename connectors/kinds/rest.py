"""REST interfaces (REST 接口): lists read by page or cursor, records written in batches and read back at once.

What a system must offer stands in `connectors.manifest.sources.RestSource`. A batch write is
`POST batch_path {rows: [{key columns, changed columns, version, idempotency_key, op}]}` and answers for each row
`{key, code, message, receipt, idempotency_key}`; single rows are read with the list's `ids` parameter (keys joined by
commas). How rows survive changes during a reading: `connectors.kinds.rest_listing`; how a write is decided:
`connectors.kinds.rest_batch`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from connectors.base import Check, ConnectorError, Context
from connectors.kinds.rest_batch import BatchWriter
from connectors.kinds.rest_listing import Listing
from connectors.kinds.rest_session import Session
from connectors.manifest.model import Manifest
from connectors.manifest.sources import RestSource
from connectors.mapping.rows import raw_key
from connectors.outgoing import prepare, waves
from schemas.records import Change, Outcome, Page

IDS_AT_ONCE = 200
"""Keys in one address: 200 UUIDs are 7.4 kB, below the 8 kB that common gateways take."""


class RestConnector:
    """One system behind a REST interface."""

    def __init__(self, manifest: Manifest, context: Context) -> None:
        self.manifest, self.context = manifest, context
        self._session = Session(manifest, context)
        self._listings: dict[str, Listing] = {}
        for dataset in manifest.datasets:
            source = RestSource.model_validate(context.variables.resolve(manifest, dataset.source))
            self._listings[dataset.name] = Listing(self._session, dataset, source)

    def close(self) -> None:
        """Release connections."""
        self._session.close()

    def check(self) -> Check:
        """Try the login, and of each list the first row, its columns and whether pages come as long as asked for."""
        lines: list[tuple[str, bool, str]] = []
        try:
            self._session.log_in()
        except ConnectorError as error:
            return Check((("login", False, str(error)),))
        lines.append(("login", True, "credentials ready"))
        for name, listing in self._listings.items():
            try:
                lines += _check_list(name, listing)
            except ConnectorError as error:
                lines.append((name, False, str(error)))
        return Check(tuple(lines))

    def pull(self, dataset: str, cursor: str | None) -> Iterator[Page]:
        """Yield pages of rows changed at or after `cursor`, the source's own updated-at text (None = all rows).

        Raises `Unreachable`, `LoginRefused`, `Malformed`, or `BusinessError` (HTTP 200 with an error code).
        """
        return self._listings[dataset].pull(cursor)

    def read_back(self, dataset: str, record_keys: Sequence[str]) -> pa.Table:
        """Return the raw rows that the system now holds for these record keys; unknown keys are left out."""
        listing, spec = self._listings[dataset], self.manifest.dataset(dataset)
        keys = list(dict.fromkeys("|".join(raw_key(self.manifest, spec, key)) for key in record_keys))
        parts = [listing.table([], listing.source.path)]
        if self.manifest.capabilities.read != "none":
            for begin in range(0, len(keys), IDS_AT_ONCE):
                some = keys[begin : begin + IDS_AT_ONCE]
                parts.append(listing.table(listing.by_ids(some), f"{listing.source.path}?ids="))
        return pa.concat_tables(parts)

    def push(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Write changes in batches and yield one outcome each.

        Several changes of one record go into successive batches in their order, so that each sees the version that
        the one before it made. Raises when the system as a whole cannot be reached or refuses the login; changes
        without an outcome were then not sent.
        """
        ready, refused = prepare(
            self.manifest, changes, whole_rows=False, writable=lambda name: bool(self._listings[name].source.batch_path)
        )
        yield from refused
        for name, listing in self._listings.items():
            writer = BatchWriter(self.manifest, listing, self._session, self.read_back, self.context.at)
            mine = [one for one in ready if one.change.dataset == name]
            yield from writer.write(waves(mine, listing.source.batch_size))


def _check_list(name: str, listing: Listing) -> list[tuple[str, bool, str]]:
    records = listing.first(1)
    if not records:
        return [(name, True, "reachable; no row to compare columns with")]
    rows = listing.table(records, "check")
    absent = [c for c in listing.dataset.columns if c not in records[0] and rows.column(c).null_count]
    lines = [(name, not absent, f"no column {', '.join(absent)} in the first row" if absent else "columns found")]
    paging = listing.source.paging
    if paging.style == "page":
        # A system that quietly caps its pages would make the first full page look like the last one.
        count = len(listing.first(paging.size))
        if count < paging.size and listing.first(paging.size, page=2):
            lines.append((name, False, f"gives at most {count} rows a page: set paging.size to {count}"))
    return lines

"""The rows of one stand-in system: a SQLite file that every stand-in server reads and writes through `Store`.

A stand-in must behave as the real system does even though forty of them share one process, so the rules that belong to
the system itself live here and not in the servers: which columns exist, which spellings a code column takes, how long a
text may be, that each accepted write gets a receipt number, a new version and a fresh updated-at stamp in the system's
own format, and that a write repeated with the same idempotency key (幂等键) gets the same answer without a second effect.

Layout: `<home>/sandbox/state/<system>.sqlite` (WAL), one table per dataset
`rows(key, row JSON, updated_at ISO, version, deleted, seq)`, loaded once from
`<home>/sandbox/seed/<system>.<dataset>.parquet` (raw text columns exactly as the manifest names them).
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow.parquet as pq

from connectors.manifest.model import Dataset, Manifest
from sandbox.rules import Refused, Rules, parse_stamp

__all__ = ["NoSeed", "Receipt", "Refused", "Row", "Store", "parse_stamp"]


class NoSeed(Exception):
    """The seed file of a stand-in is missing; carries its path. Remedy: start the sandbox, which makes the town."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"The stand-in has no seed {path.name}. Run `onefact sandbox start`, which makes the town.")


@dataclass(frozen=True, slots=True)
class Row:
    """One row as the system holds it.

    Attributes:
        key: the key column's text (several joined with `|`), without dataset prefix.
        columns: every column, raw text or None, including key, updated-at and version columns.
        updated_at: ISO text for ordering and filtering (the system's own spelling is in `columns`).
        version: rises by one with each accepted change.
        deleted: the system regards the row as deleted.
        seq: rises over the whole file with each change; an event stream is `changes(dataset, after=seq)`.
    """

    key: str
    columns: Mapping[str, str | None]
    updated_at: str
    version: int
    deleted: bool
    seq: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """The system's answer to an accepted write: its receipt number, the row's key and version.

    `repeated` is True when the idempotency key had been seen: nothing was written again.
    """

    number: str
    key: str
    version: int
    repeated: bool = False


class Store:
    """The datasets of one stand-in. Safe for use from several threads; several processes may open the same file."""

    def __init__(self, manifest: Manifest, path: Path) -> None:
        self.manifest, self.path = manifest, path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=20)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._rules = {d.name: Rules.of(manifest, d) for d in manifest.datasets}

    @classmethod
    def open(cls, home: Path, manifest: Manifest) -> Store:
        """Open the state of a system, loading its seed at first start; raises `NoSeed` when a seed file is missing."""
        state = home / "sandbox" / "state" / f"{manifest.id}.sqlite"
        seeds = {d.name: home / "sandbox" / "seed" / f"{manifest.id}.{d.name}.parquet" for d in manifest.datasets}
        if not state.exists() and (missing := [seed for seed in seeds.values() if not seed.exists()]):
            raise NoSeed(missing[0])
        store = cls(manifest, state)
        try:
            for dataset in manifest.datasets:
                if not store._has(dataset.name):
                    store._load(dataset, seeds[dataset.name])
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def rows(
        self,
        dataset: str,
        since: datetime | None = None,
        keys: Sequence[str] | None = None,
        limit: int | None = None,
        after: tuple[str, str] | None = None,
        offset: int = 0,
        include_deleted: bool = True,
    ) -> list[Row]:
        """Return rows ordered by (updated_at, key).

        Args:
            dataset: name of the dataset in the manifest.
            since: only rows changed at or after this time (inclusive).
            keys: only these keys (unknown ones are left out); an empty list gives no rows.
            limit: at most so many.
            after: only rows behind this (updated_at, key), for cursor paging.
            offset: skip so many, for page paging.
            include_deleted: rows that the system flags as deleted are listed with their flag. Rows removed outright
                (`remove`) are listed only where the manifest has a delete-flag column.
        """
        wanted, values = ["1=1"], list[object]()
        if since is not None:
            wanted.append("updated_at >= ?")
            values.append(_iso(since))
        if keys is not None:
            wanted.append("key IN (SELECT value FROM json_each(?))")
            values.append(json.dumps(list(keys)))
        if after is not None:
            wanted.append("(updated_at, key) > (?, ?)")
            values.extend(after)
        if not include_deleted or not self._rules[dataset].deleted:
            wanted.append("deleted = 0")
        sql = f'SELECT * FROM "{dataset}" WHERE {" AND ".join(wanted)} ORDER BY updated_at, key LIMIT ? OFFSET ?'
        return self._query(sql, (*values, -1 if limit is None else limit, offset))

    def row(self, dataset: str, key: str) -> Row | None:
        """Return one row as the system's own user sees it, or None."""
        found = self._query(f'SELECT * FROM "{dataset}" WHERE key = ?', (key,))
        return found[0] if found else None

    def changes(self, dataset: str, after: int = 0, limit: int | None = None) -> list[Row]:
        """Return rows changed after sequence number `after`, in the order of change (for event streams and exports)."""
        sql = f'SELECT * FROM "{dataset}" WHERE seq > ? ORDER BY seq LIMIT ?'
        return self._query(sql, (after, -1 if limit is None else limit))

    def count(self, dataset: str) -> int:
        """Number of rows that are not deleted."""
        with self._lock:
            found = self._db.execute(f'SELECT count(*) FROM "{dataset}" WHERE deleted = 0').fetchone()
        return int(found[0])

    def seen(self, dataset: str, idem_key: str) -> Receipt | None:
        """Return the receipt of an earlier write with this idempotency key, or None."""
        with self._lock:
            found = self._db.execute(
                "SELECT number, key, version FROM _idempotency WHERE dataset = ? AND idem = ?", (dataset, idem_key)
            ).fetchone()
        return Receipt(found[0], found[1], found[2], repeated=True) if found else None

    def upsert(
        self,
        dataset: str,
        key: str | None,
        columns: Mapping[str, str | None],
        expected_version: int | None,
        idem_key: str | None,
        now: datetime,
    ) -> Receipt:
        """Change the row `key`, or create one when `key` is None, after checking it by the system's rules.

        A created row takes its key from the key columns where all of them are given (natural key), else the system
        numbers it. Columns not given keep their value. Raises `Refused`.
        """
        rules = self._rules[dataset]
        with self._lock, self._writing():
            if idem_key is not None and (earlier := self.seen(dataset, idem_key)):
                return earlier
            if key is None:
                rules.check(columns, None)
                new_key, merged, version = self._new(dataset, columns), dict(columns), 1
                merged = {**rules.empty(), **merged, **rules.key_columns(new_key)}
            else:
                new_key, old = key, self._existing(dataset, key)
                # What a row holds already is not refused when it comes back unchanged beside a change.
                rules.check({c: v for c, v in columns.items() if c not in old.columns or v != old.columns[c]}, key)
                if expected_version is not None and expected_version != old.version:
                    raise Refused(409, "数据已被他人修改，请刷新后重试")
                merged, version = {**old.columns, **columns}, old.version + 1
            seq = self._put(dataset, new_key, merged, version, now)
            receipt = Receipt(f"{self.manifest.id.upper()}-{now:%Y%m%d}-{seq:08d}", new_key, version)
            if idem_key is not None:
                self._db.execute(
                    "INSERT INTO _idempotency VALUES (?, ?, ?, ?, ?)",
                    (dataset, idem_key, receipt.number, receipt.key, receipt.version),
                )
        return receipt

    def edit(self, dataset: str, key: str, columns: Mapping[str, str | None], now: datetime) -> Row:
        """Change a row as the system's own user does at its screen: any column it has, no length or code check.

        Raises `Refused` 404 for an unknown key and 4001 for a column that the row does not have.
        """
        with self._lock, self._writing():
            old = self._existing(dataset, key)
            for column in columns:
                if column not in old.columns and column not in self._rules[dataset].known:
                    raise Refused(4001, f"字段不存在：{column}", column)
            self._put(dataset, key, {**old.columns, **columns}, old.version + 1, now)
        found = self.row(dataset, key)
        assert found is not None  # noqa: S101  # it was written two lines above
        return found

    def remove(self, dataset: str, key: str, now: datetime) -> None:
        """Delete a row: by its flag where the manifest has one, else it vanishes from listings. Raises `Refused` 404."""
        with self._lock, self._writing():
            old = self._existing(dataset, key)
            flag = self.manifest.dataset(dataset).deleted
            columns = {**old.columns, flag.column: flag.values[0]} if flag.column else old.columns
            self._put(dataset, key, columns, old.version + 1, now, gone=True)

    # --- inside ---------------------------------------------------------------------------------------------------

    def _has(self, table: str) -> bool:
        with self._lock:
            return bool(self._db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone())

    def _load(self, dataset: Dataset, seed: Path) -> None:
        if not seed.exists():
            raise NoSeed(seed)
        rules = self._rules[dataset.name]
        with self._lock, self._writing():
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS _idempotency "
                "(dataset TEXT, idem TEXT, number TEXT, key TEXT, version INT, PRIMARY KEY (dataset, idem)) WITHOUT ROWID"
            )
            self._db.execute("CREATE TABLE IF NOT EXISTS _sequence (value INT)")
            self._db.execute("INSERT INTO _sequence SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM _sequence)")
            self._db.execute(
                f'CREATE TABLE "{dataset.name}" '
                "(key TEXT PRIMARY KEY, row JSON, updated_at TEXT, version INT, deleted INT, seq INT) WITHOUT ROWID"
            )
            start = self._next(0)
            rows = _seed_rows(seed, rules, start)
            self._db.executemany(f'INSERT OR REPLACE INTO "{dataset.name}" VALUES (?, ?, ?, ?, ?, ?)', rows)
            self._next(pq.read_metadata(seed).num_rows)
            self._db.execute(f'CREATE INDEX "{dataset.name}_time" ON "{dataset.name}" (updated_at, key)')
            self._db.execute(f'CREATE INDEX "{dataset.name}_seq" ON "{dataset.name}" (seq)')

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _query(self, sql: str, values: Iterable[object]) -> list[Row]:
        with self._lock:
            found = self._db.execute(sql, tuple(values)).fetchall()
        return [Row(key, json.loads(row), at, version, bool(gone), seq) for key, row, at, version, gone, seq in found]

    def _existing(self, dataset: str, key: str) -> Row:
        found = self.row(dataset, key)
        if found is None:
            raise Refused(404, "记录不存在")
        return found

    def _next(self, by: int = 1) -> int:
        self._db.execute("UPDATE _sequence SET value = value + ?", (by,))
        return int(self._db.execute("SELECT value FROM _sequence").fetchone()[0])

    def _new(self, dataset: str, columns: Mapping[str, str | None]) -> str:
        """The key of a row to be created: natural where given, else the next free number of the system."""
        names = self.manifest.dataset(dataset).key
        if all(columns.get(name) for name in names):
            key = "|".join(str(columns[name]) for name in names)
            if self.row(dataset, key) is not None:
                raise Refused(409, "记录已存在", names[0])
            return key
        if len(names) > 1:
            missing = next(name for name in names if not columns.get(name))
            raise Refused(4004, f"缺少必填字段：{missing}", missing)
        number = self._next()
        while self.row(dataset, key := f"N{number:09d}") is not None:
            number = self._next()
        return key

    def _put(
        self, dataset: str, key: str, columns: Mapping[str, str | None], version: int, now: datetime, gone: bool = False
    ) -> int:
        rules, seq = self._rules[dataset], self._next()
        stamped = {**columns, **rules.stamp(now, version)}
        self._db.execute(
            f'INSERT OR REPLACE INTO "{dataset}" VALUES (?, ?, ?, ?, ?, ?)',
            (key, json.dumps(stamped, ensure_ascii=False), _iso(now), version, gone or rules.is_deleted(stamped), seq),
        )
        return seq


def _iso(when: datetime) -> str:
    return when.isoformat(sep=" ", timespec="microseconds")


def _seed_rows(seed: Path, rules: Rules, start: int) -> Iterator[tuple[str, str, str, int, bool, int]]:
    """Turn the seed's records into table rows; stamps are parsed once per distinct text."""
    stamps: dict[str | None, str] = {}
    dumps: Callable[[object], str] = json.JSONEncoder(ensure_ascii=False).encode
    number = start
    for batch in pq.ParquetFile(seed).iter_batches(batch_size=20_000):
        for record in batch.to_pylist():
            number += 1
            columns = {name: None if value is None else str(value) for name, value in record.items()}
            text = columns.get(rules.stamp_column) if rules.stamp_column else None
            if text not in stamps:
                parsed = parse_stamp(text, rules.formats)
                stamps[text] = _iso(parsed) if parsed else ""
            version = 1
            if rules.version_column:
                given = columns.get(rules.version_column) or "1"
                version = int(given) if given.isdigit() else 1
                columns[rules.version_column] = str(version)
            key = "|".join(columns.get(name) or "" for name in rules.key)
            yield key, dumps(columns), stamps[text], version, rules.is_deleted(columns), number

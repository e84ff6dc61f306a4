"""What a system itself checks and stamps when a row is written (业务规则), taken from its manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from connectors.manifest.model import Dataset, Manifest
from connectors.manifest.sources import SOURCES, RestSource

DEFAULT_STAMP = "%Y-%m-%d %H:%M:%S"
"""How a system writes its updated-at when the manifest names no format."""

MEASURED = frozenset({"text", "name", "address", "id_number", "uscc", "org_code", "phone"})
"""Kinds whose length is the length of the column; dates, codes and numbers have other rules."""


class Refused(Exception):  # named for what the clerk sees
    """The stand-in does not accept a write; servers turn it into their own protocol's error.

    Attributes:
        code: 4001 unknown column (字段不存在), 4002 code not in its dictionary (字典值不存在), 4003 text too long
            (超长), 4004 a column that a new row needs is missing, 404 no such row, 409 another version or key exists.
        message: Chinese sentence naming the column, never the value.
        column: the column concerned, if any.
    """

    def __init__(self, code: int, message: str, column: str | None = None) -> None:
        self.code, self.message, self.column = code, message, column
        super().__init__(f"{code} {message}")


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one dataset.

    Attributes:
        key: key columns.
        known: every column that the system has.
        spellings: code column -> the spellings it takes.
        lengths: text column -> greatest number of characters.
        stamp_column, formats: its updated-at and how that is written.
        version_column: where the row's version shows.
        deleted: flag column and the values that mean deleted.
    """

    key: tuple[str, ...]
    known: frozenset[str]
    spellings: Mapping[str, frozenset[str]]
    lengths: Mapping[str, int]
    stamp_column: str | None
    formats: tuple[str, ...]
    version_column: str | None
    deleted: tuple[str, frozenset[str]] | None

    @classmethod
    def of(cls, manifest: Manifest, dataset: Dataset) -> Rules:
        """Take the rules from the manifest."""
        spellings: dict[str, set[str]] = {}
        lengths: dict[str, int] = {}
        for entity in dataset.entities:
            for name, field_map in entity.fields.items():
                if len(field_map.column) != 1:
                    continue
                (column,) = field_map.column
                master = manifest.master_field(entity.type, name)
                codes = manifest.code_map(field_map)
                if codes is not None:
                    spellings.setdefault(column, set()).update(codes.codes, codes.write.values())
                elif (field_map.kind or master.kind) in MEASURED:
                    lengths[column] = max(master.length, lengths.get(column, 0))
        source = SOURCES[manifest.kind].model_validate(dataset.source)
        version_column = source.version_column if isinstance(source, RestSource) else None
        flag = dataset.deleted
        return cls(
            key=tuple(dataset.key),
            known=frozenset((*dataset.columns, *dataset.withheld, *([version_column] if version_column else []))),
            spellings={column: frozenset(found) for column, found in spellings.items()},
            lengths=lengths,
            stamp_column=dataset.updated_at.column if dataset.updated_at else None,
            formats=tuple(dataset.updated_at.formats) if dataset.updated_at else (),
            version_column=version_column,
            deleted=(flag.column, frozenset(flag.values)) if flag.column else None,
        )

    def check(self, columns: Mapping[str, str | None], key: str | None) -> None:
        """Raise `Refused` for the first column that may not be written so."""
        for column, value in columns.items():
            if column not in self.known:
                raise Refused(4001, f"字段不存在：{column}", column)
            if not value:
                continue
            if key is not None and column in self.key and value != self.key_columns(key)[column]:
                raise Refused(4001, f"主键不允许修改：{column}", column)
            if column in self.spellings and value not in self.spellings[column]:
                raise Refused(4002, f"字典值不存在：{column}", column)
            if len(value) > self.lengths.get(column, len(value)):
                raise Refused(4003, f"内容超长（最多{self.lengths[column]}个字符）：{column}", column)

    def key_columns(self, key: str) -> dict[str, str]:
        """The key columns of a key text (parts joined with `|`)."""
        parts = key.split("|", len(self.key) - 1)
        return dict(zip(self.key, parts, strict=True))

    def empty(self) -> dict[str, str | None]:
        """A row with nothing in it."""
        return dict.fromkeys(sorted(self.known))

    def stamp(self, now: datetime, version: int) -> dict[str, str]:
        """Updated-at and version columns as the system writes them itself."""
        stamped = {}
        if self.stamp_column:
            stamped[self.stamp_column] = now.strftime(self.formats[0] if self.formats else DEFAULT_STAMP)
        if self.version_column:
            stamped[self.version_column] = str(version)
        return stamped

    def is_deleted(self, columns: Mapping[str, str | None]) -> bool:
        """True when the row is flagged as deleted."""
        return self.deleted is not None and columns.get(self.deleted[0]) in self.deleted[1]


def parse_stamp(text: str | None, formats: Sequence[str] = ()) -> datetime | None:
    """Read an updated-at text in one of the manifest's formats, the default format or ISO; None when it is neither."""
    if not text:
        return None
    for pattern in (*formats, DEFAULT_STAMP):
        try:
            return datetime.strptime(text, pattern)  # noqa: DTZ007  # sources write their own local time
        except ValueError:
            continue
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        return None

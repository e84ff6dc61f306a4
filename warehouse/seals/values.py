"""Sealing values on their way into PostgreSQL and opening them on the way out (字段加密).

A sealed value is text, `~1~<key>~<base64>`, and stands in the column where the value stood. Which fields are sealed is said in
one place (`schemas.model.Field.sealed`). Numbers are sealed alike wherever they stand, so that equality finds them, as a
blind index does; every other value is sealed for its record, so that a column of few codes tells nothing by its counts.

Opening is done where values leave the driver (`warehouse.seals.driver`, `warehouse.reading`): row-level security and the
area come before it. What looks like a sealed value and is none is left as it is: it is somebody's text.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from schemas.entities import ENTITIES
from schemas.model import EntityType, Field
from warehouse.key_files import FOLDER
from warehouse.seals import ring as rings
from warehouse.seals.ciphers import NotOurs
from warehouse.seals.ring import INDEX, KeysLost, Ring
from warehouse.tables.keys import DATA_KEY

MARK: Final = "~1~"
"""How a sealed value begins."""

CLOSED: Final = "（受限）"
"""What a sealed value of a compartment says to whom that is closed."""

BLIND: Final = "#"
"""How a blind index begins; no folded key of a name or number does."""

LOOKED: Final = 1.0
"""Seconds for which the ring's file is not looked at again."""

EQUAL: Final = frozenset({"id_number", "phone"})
"""Kinds that are sealed alike wherever they stand."""


class Seals:
    """The seals of one installation; an empty one (no home) leaves values as they are.

    The ring is read again when its file changes, so that a portal that runs on uses the new keys after a rotation.

    Args:
        home: the working folder, None = values lie in clear.
    """

    def __init__(self, home: Path | None = None) -> None:
        self._home, self._lock = home, threading.Lock()
        self._ring: Ring | None = None
        self._read: int | None = None
        self._looked = -LOOKED

    @property
    def ring(self) -> Ring | None:
        """The keys as they are now, None where values lie in clear; raises `KeysLost`."""
        now = time.monotonic()
        if self._home is None or now - self._looked < LOOKED:
            return self._ring
        path = self._home / FOLDER / rings.FILE
        stamp = path.stat().st_mtime_ns if path.exists() else -1
        if stamp != self._read:
            with self._lock:
                self._ring = rings.load(self._home)
                self._read = path.stat().st_mtime_ns if path.exists() else -1
        self._looked = now
        return self._ring

    def again(self) -> None:
        """Look at the ring's file at the next use: it has just been replaced."""
        self._looked = -LOOKED

    def register(self, engine: sa.Engine) -> None:
        """Note in the master which keys it is sealed with; raises `KeysLost` where it is sealed with others."""
        ring = self.ring
        keys = ring.keys if ring is not None else {}
        with engine.begin() as connection:
            known = {r.key_id: r.mark for r in connection.execute(sa.select(DATA_KEY.c.key_id, DATA_KEY.c.mark))}
            strange = sorted(name for name, mark in known.items() if name not in keys or keys[name].mark != mark)
            if strange:
                raise KeysLost(f"主库用密钥 {strange[0]} 加密，本目录没有这把密钥")
            for name in keys.keys() - known.keys():
                line = {"key_id": name, "compartment": name.partition(".")[0], "cipher": keys[name].cipher}
                connection.execute(DATA_KEY.insert().values(**line, mark=keys[name].mark))

    def value(self, entity_type: EntityType, field: Field | str, master_id: str, text: str | None) -> str | None:
        """Return a value as it is to lie in PostgreSQL: sealed where its field says so.

        Args:
            entity_type: of the record.
            field: the field or its name.
            master_id: the record, without which a value of few codes would be told by its count.
            text: canonical value.
        """
        declared = ENTITIES[entity_type].field(field) if isinstance(field, str) else field
        ring = self.ring if declared.sealed and text is not None else None
        if ring is None or text is None:
            return text
        return _sealed(ring, declared.compartment, text, context(entity_type, declared, master_id))

    def secret(self, text: str, about: str, fields: Iterable[Field]) -> str:
        """Return a text that tells values of several fields, sealed for its row (`about`) and the closest of their compartments."""
        ring, closer = self.ring, sorted({f.compartment for f in fields} - {"base"})
        return text if ring is None else _sealed(ring, closer[0] if closer else "base", text, about)

    def column(self, entity_type: EntityType, field: Field, values: Any, master_ids: Any) -> pa.Array:
        """Return a column of values of one field, sealed; each distinct number once."""
        ring = self.ring
        if ring is None or not field.sealed or values.null_count == len(values):
            return values
        if field.kind in EQUAL:
            where = context(entity_type, field, "")
            return _each(values, lambda text: _sealed(ring, field.compartment, text, where))
        cells = zip(values.to_pylist(), master_ids.to_pylist(), strict=True)
        out = [
            None if v is None else _sealed(ring, field.compartment, str(v), context(entity_type, field, str(m)))
            for v, m in cells
        ]
        return pa.array(out, pa.string())

    def changes(
        self, entity_type: EntityType, master_id: str, items: Iterable[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """Return changes ({field, old, new}) as they lie in the outbox."""
        entity = ENTITIES[entity_type]
        return [
            {**c, **{k: self.value(entity_type, entity.field(c["field"]), master_id, c[k]) for k in ("old", "new")}}
            for c in items
        ]

    def equal(self, field: Field, text: str) -> list[str]:
        """Return the texts by which a value of a number may stand in the master: sealed by each key, and in clear."""
        ring = self.ring
        if ring is None or not field.sealed or field.kind not in EQUAL:
            return [text]
        keys = [k for n, k in ring.keys.items() if n.partition(".")[0] == field.compartment]
        where = f"{field.kind}".encode()
        return [text, *(f"{MARK}{k.name}~{_base64(k.seal(text.encode(), where))}" for k in keys)]

    def blind(self, text: str) -> str:
        """Return the blind index of a folded search key."""
        ring = self.ring
        return text if ring is None else BLIND + ring.of(INDEX).blind(text.encode())

    def blinded(self, keys: Any) -> pa.Array:
        """Return a column of folded search keys as blind indexes, each distinct one worked out once."""
        return keys if self.ring is None else _each(keys, self.blind)

    def open(self, text: str, compartments: Collection[str] | None = None) -> str:
        """Return what a text says: opened where it is sealed, as it is otherwise.

        Args:
            text: of the master.
            compartments: whose values may be opened, None = all; others become `CLOSED`.
        """
        if not text.startswith(MARK):
            return text
        name, _, sealed = text[len(MARK) :].partition("~")
        if compartments is not None and name.partition(".")[0] not in compartments:
            return CLOSED
        ring = self.ring
        if ring is not None and name not in ring.keys:
            self.again()  # sealed by another program since the keys were replaced
            ring = self.ring
        key = None if ring is None else ring.keys.get(name)
        if key is None:
            return text
        try:
            return key.open(base64.urlsafe_b64decode(sealed)).decode()
        except (NotOurs, ValueError):  # no base64, no UTF-8
            return text

    def loads(self, data: bytes, compartments: Collection[str] | None = None) -> Any:
        """Read JSON and open what is sealed in it, as `open` does."""
        found = json.loads(data)
        return self._opened(found, compartments) if MARK.encode() in data else found

    def _opened(self, found: Any, compartments: Collection[str] | None) -> Any:
        if isinstance(found, str):
            return self.open(found, compartments)
        if isinstance(found, list):
            return [self._opened(x, compartments) for x in found]
        return {k: self._opened(v, compartments) for k, v in found.items()} if isinstance(found, dict) else found

    def table(self, rows: pa.Table) -> pa.Table:
        """Return an Arrow table with every sealed value opened; columns without one are passed on as they are."""
        for i, name in enumerate(rows.column_names):
            column = rows.column(i)
            if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
                continue
            if pc.any(pc.starts_with(column, MARK)).as_py():
                rows = rows.set_column(i, name, _each(column, self.open))
        return rows


NONE: Final = Seals()
"""For a master that lies in clear."""

OPTION: Final = "onefact_seals"
"""Execution option of an engine that carries its seals."""


def seals_of(bind: sa.Connection | sa.Engine) -> Seals:
    """Return the seals with which values of a connection are sealed."""
    found = bind.get_execution_options().get(OPTION, NONE)
    assert isinstance(found, Seals)  # noqa: S101 - nobody else uses the option
    return found


def context(entity_type: EntityType, field: Field, master_id: str) -> str:
    """Return what a value is sealed for: numbers for their kind, everything else for its field and record."""
    return field.kind if field.kind in EQUAL else f"{entity_type}.{field.name}|{master_id}"


def sealed_fields(entity_type: EntityType) -> Sequence[Field]:
    """Return the fields of an entity that lie sealed."""
    return [f for f in ENTITIES[entity_type].fields if f.sealed]


def _sealed(ring: Ring, compartment: str, text: str, about: str) -> str:
    key = ring.of(compartment)
    return f"{MARK}{key.name}~{_base64(key.seal(text.encode(), about.encode()))}"


def _base64(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).decode()


def _each(values: Any, work: Any) -> pa.Array:
    """Apply a function to each distinct text of a column."""
    whole = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    coded = whole.dictionary_encode()
    done = pa.array([None if v is None else work(v) for v in coded.dictionary.to_pylist()], pa.string())
    return done.take(coded.indices)

"""The keys of a master (密钥管理): what they are, and replacing them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from onefact.acting import acted
from onefact.home import Home
from warehouse.seals import ring
from warehouse.seals.rewrite import rewrite
from warehouse.tables import DATA_KEY


@dataclass(frozen=True, slots=True)
class KeyLine:
    """One key, without the key.

    Attributes:
        key_id: compartment and number.
        compartment: whose values it seals; `index` for the blind indexes.
        cipher: sm4 or aes.
        mark: tells it from another key of that name.
        active: it seals what is written now; others only open what was written.
        made_at: when this master first knew it.
    """

    key_id: str
    compartment: str
    cipher: str
    mark: str
    active: bool
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation did: names of the keys that seal from now on, and how many values were sealed anew, by table."""

    active: tuple[str, ...]
    values: dict[str, int]
    master: bool


def lines(home: Home) -> list[KeyLine]:
    """Return the keys; empty where values lie in clear."""
    now = home.seals.ring
    with home.engine.connect() as connection:
        rows = connection.execute(sa.select(DATA_KEY).order_by(DATA_KEY.c.compartment, DATA_KEY.c.made_at)).mappings()
        active = set(now.active.values()) if now else set()
        return [KeyLine(**row, active=row["key_id"] in active) for row in rows]


def rotate(home: Home, *, master: bool = False, dry_run: bool = False) -> Rotated:
    """Give every compartment a new key and seal what can be changed anew; or wrap the ring by a new master key.

    Killed half-way the master is readable as before: the ring keeps every key, and the next rotation seals anew what this one
    did not come to.

    Args:
        home: the installation.
        master: replace the master key only; no value has to be sealed anew.
        dry_run: count what lies otherwise than the active keys would seal it; change nothing.

    Raises:
        KeysLost: there is no ring, or its master key is kept elsewhere.
    """
    dsn = home.database.dsn()
    if dry_run:
        return Rotated((), {} if master else rewrite(dsn, home.seals, dry_run=True), master)
    if master:
        ring.rewrap(home.path)
        acted(home, "rotate", "key", ["master"])
        return Rotated((), {}, master=True)
    fresh = ring.rotate(home.path)
    home.seals.again()
    home.seals.register(home.engine)
    names = tuple(name for of, name in fresh.active.items() if of != ring.INDEX)
    values = rewrite(dsn, home.seals)
    acted(home, "rotate", "key", names, count=sum(values.values()), tables=sorted(values))
    return Rotated(names, values, master=False)

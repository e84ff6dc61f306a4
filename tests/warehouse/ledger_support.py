"""A master whose runs a test writes itself: who each record is, which pairs are evidence, which questions are open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import psycopg
from psycopg.rows import dict_row

from onefact.home import Home
from schemas.entities import ENTITIES
from warehouse.judgements import Pair, Record
from warehouse.publish import Publisher

STATE = Path(__file__).parents[1] / "fixtures" / "state"
LINK = "system_id VARCHAR, record_key VARCHAR, entity_type VARCHAR, role VARCHAR"
NAMED = (
    "entity_type VARCHAR, left_system VARCHAR, left_key VARCHAR, left_role VARCHAR, right_system VARCHAR, right_key VARCHAR, "
    "right_role VARCHAR"
)

Who = Mapping[str, tuple[str, str]]
"""Record (`system/key`) -> (master letter, rule)."""
Weights = Mapping[tuple[str, str], float]
"""Two records -> match weight."""


def master(letter: str) -> str:
    """A master id that can be recognised: the letter stands at its end."""
    return str(UUID(int=(0x0199 << 112) | (7 << 76) | (8 << 60) | int.from_bytes(letter.encode(), "big")))


def record(text: str) -> Record:
    system, _, key = text.partition("/")
    return Record(system, key, "person")


def pair(one: str, other: str) -> Pair:
    return Pair.of("person", record(one), record(other))


def table(name: str) -> list[dict[str, str]]:
    lines = [x for x in (STATE / name).read_text(encoding="utf-8").splitlines() if not x.startswith("#")]
    head, *rows = (x.split("\t") for x in lines)
    return [dict(zip(head, r, strict=True)) for r in rows]


@dataclass(frozen=True)
class Asked:
    """A question as the linkage asks it."""

    one: str
    other: str
    masters: tuple[str, str]
    gain: float = 1.0
    weight: float = 4.0
    reason: str = "uncertain"


@dataclass
class Master:
    """Runs that a test writes: each says who is whom and what the evidence is; only the differences are published."""

    home: Home
    who: dict[str, tuple[str, str]] = field(default_factory=dict)
    weights: dict[tuple[str, str], float] = field(default_factory=dict)
    runs: int = 0

    def run(self, who: Who, weights: Weights | None = None, questions: Sequence[Asked] = (), model: str = "v1") -> None:
        """Publish what differs from the last run, as a consolidation does."""
        weights = dict(weights or {})
        self.runs += 1
        con = duckdb.connect()
        self._relation(con, "crosswalk_fresh", f"{LINK}, master_id UUID, rule VARCHAR", [
            (*_key(r), master(m), rule) for r, (m, rule) in who.items() if self.who.get(r) != (m, rule)
        ])  # fmt: skip
        self._relation(con, "crosswalk_gone", LINK, [_key(r) for r in self.who.keys() - who.keys()])
        self._relation(con, "edge_fresh", f"{NAMED}, weight DOUBLE, rule VARCHAR, model VARCHAR", [
            (*_pair(*p), w, "name_phone", model) for p, w in weights.items() if self.weights.get(p) != w
        ])  # fmt: skip
        self._relation(con, "edge_gone", NAMED, [_pair(*p) for p in self.weights.keys() - weights.keys()])
        self._relation(
            con,
            "review_now",
            f"{NAMED}, weight DOUBLE, reason VARCHAR, left_master UUID, right_master UUID, gain DOUBLE, model VARCHAR, compared VARCHAR",
            [(*_pair(q.one, q.other), q.weight, q.reason, *_masters(q), q.gain, model, None) for q in questions],
        )
        old, new = ({m for m, _ in x.values()} for x in (self.who, who))
        self._relation(
            con, "touched", "entity_type VARCHAR, master_id UUID", [("person", master(m)) for m in old | new]
        )
        heirs = [(master(m), next((master(who[r][0]) for r, (x, _) in self.who.items() if x == m and r in who), None)) for m in old - new]  # fmt: skip
        self._relation(con, "ended_person", "old_id UUID, new_id UUID", heirs)
        self._relation(
            con,
            "restored",
            "entity_type VARCHAR, old_id UUID",
            [("person", master(m)) for m in self._redirected() & new],
        )
        with Publisher(self.home.database.dsn(), con, f"run{self.runs}", self.home.now()) as publisher:
            publisher.ended("person", "ended_person")
            publisher.crosswalk("crosswalk_gone", "crosswalk_fresh")
            publisher.restored("person", "restored")
            publisher.edges("edge_fresh", "edge_gone")
            publisher.review("review_now", "touched")
        self.who, self.weights = dict(who), weights
        con.close()

    def _redirected(self) -> set[str]:
        return {_letter(str(r["old_id"])) for r in self.query("SELECT old_id FROM redirect")}

    def _relation(
        self, con: duckdb.DuckDBPyConnection, name: str, columns: str, rows: Iterable[Sequence[object]]
    ) -> None:
        con.execute(f"CREATE TEMP TABLE {name} ({columns})")
        for row in rows:
            con.execute(f"INSERT INTO {name} VALUES ({', '.join('?' * len(row))})", list(row))

    def query(self, sql: str, *values: object) -> list[dict[str, Any]]:
        with psycopg.connect(self.home.database.dsn(), row_factory=dict_row) as connection:
            return connection.execute(sql.encode(), values).fetchall()

    def write(self, sql: str, *values: object) -> None:
        with psycopg.connect(self.home.database.dsn()) as connection:
            connection.execute(sql.encode(), values)

    def golden(self, letter: str, **fields: str) -> None:
        """Write a golden person, so that a master id has a name."""
        assert fields.keys() <= set(ENTITIES["person"].names)
        names = ", ".join(fields)
        self.write(
            f"INSERT INTO person (master_id, {names}, provenance, run_id) VALUES (%s, {', '.join(['%s'] * len(fields))}, '{{}}', 'r')",
            master(letter), *fields.values(),
        )  # fmt: skip


def _letter(master_id: str) -> str:
    return (UUID(master_id).int & ((1 << 56) - 1)).to_bytes(7, "big").decode().strip("\0")


def _key(text: str) -> tuple[str, str, str, str]:
    r = record(text)
    return r.system_id, r.record_key, "person", r.role


def _pair(one: str, other: str) -> list[str]:
    return list(pair(one, other).columns().values())


def _masters(q: Asked) -> list[str]:
    """The masters in the order of the pair's sides."""
    ids = [master(m) for m in q.masters]
    return ids if record(q.one) < record(q.other) else ids[::-1]

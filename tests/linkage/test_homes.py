"""Houses and addresses linked step by step: whatever a delta does, the links are those of linking everything at once."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Self

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from linkage.homes.attach import HUB
from linkage.homes.relink import Changes, relink, state
from linkage.homes.rules import ADDRESS, HOUSE, Rules
from linkage.identity import assign

Row = tuple[str | None, str | None, str | None]
"""Address text, code, certificate."""

Places = dict[str, tuple[int, str, bool]]
"""Text: its node, the depth of it, and whether it can mean no other."""

Settled = dict[tuple[str, str], int]
"""Record and text: the flat on which its people settled it."""

COLUMNS = ("system_id", "record_key", "role", "text", "code", "certificate")


class Register:
    """Records of one entity and their links, in memory, brought up to date from one state of the world to the next."""

    def __init__(self, rules: Rules = HOUSE, *, whole: bool = False) -> None:
        self.rules, self.whole = rules, whole
        self.con = duckdb.connect()
        self.con.execute("SET threads = 1")
        self.con.execute(
            "CREATE TABLE crosswalk (rid UBIGINT, sid UBIGINT, master_id UUID, rule VARCHAR);"
            "CREATE TABLE former (rid UBIGINT, master_id UUID); CREATE TABLE follows (record VARCHAR, master_id UUID)"
        )
        self.rows: dict[str, Row] = {}
        self.places: Places = {}
        self.affected: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.con.close()

    def step(self, rows: dict[str, Row], places: Places, settled: Settled) -> None:
        """Make the world so and link."""
        names = sorted({name for name in {*rows, *self.rows} if rows.get(name) != self.rows.get(name)})
        again = [text for text, place in places.items() if self.places.get(text) != place]
        self.rows, self.places = dict(rows), dict(places)
        self._put("touched", {"system_id": [n[0] for n in names], "record_key": names})
        self._put("again", {"text": again})
        self._put("raw", dict(zip(COLUMNS, _columns(rows), strict=True)))
        node, depth, complete = zip(*places.values(), strict=True) if places else ((), (), ())
        self._put(
            "place",
            {
                "text": list(places),
                "node": pa.array(node, pa.uint64()),
                "depth": depth,
                "complete": pa.array(complete, pa.bool_()),
            },
        )
        self._put("place_settled", {"system_id": [r[0] for r, _ in settled], "record_key": [r for r, _ in settled],
                                    "text": [t for _, t in settled], "flat": pa.array(settled.values(), pa.uint64())})  # fmt: skip
        con, second = self.con, self.rules.keys[-1].field
        more = f', certificate AS "{second}"' if second != self.rules.code else ""
        con.execute(
            f'CREATE OR REPLACE TEMP TABLE records AS SELECT system_id, record_key, role, text AS "{self.rules.address}", '
            f'code AS "{self.rules.code}"{more}, hash(system_id, record_key, role) AS rid, hash(system_id, record_key) AS sid FROM raw'
        )
        con.execute("CREATE OR REPLACE TEMP TABLE touched AS SELECT hash(system_id, record_key) AS sid FROM touched")
        con.execute(
            "CREATE OR REPLACE TEMP TABLE together AS SELECT hash(left(record, 1), record, 'r') AS rid, master_id FROM follows"
        )
        if self.whole:
            con.execute("DROP TABLE IF EXISTS link_state")
        changes = Changes("touched", "again", "together", "crosswalk")
        everything = relink(con, self.rules, records="records", changes=changes)
        self.affected = {
            r for (r,) in con.execute("SELECT record_key FROM affected JOIN records USING (rid)").fetchall()
        }
        limit = "true" if everything else "rid IN (SELECT rid FROM affected)"
        con.execute(f"CREATE OR REPLACE TEMP TABLE known AS SELECT * FROM crosswalk WHERE {limit}")
        entity = self.rules.entity_type
        assign(con, entity, known="known", decisions="together", former="former")
        con.execute("DELETE FROM crosswalk WHERE rid IN (SELECT rid FROM known)")
        con.execute(
            f"INSERT INTO crosswalk SELECT rid, hash(system_id, record_key), master_id, rule FROM linked_{entity}"
        )
        con.execute(
            f"UPDATE follows f SET master_id = e.new_id FROM ended_{entity} e WHERE e.old_id = f.master_id AND e.new_id IS NOT NULL"
        )

    def crash(self, rows: dict[str, Row], places: Places, settled: Settled) -> None:
        """Link, and lose what the working copy made of it; the crosswalk is the master's and stands."""
        before, own = (self.rows, self.places), state(self.rules)
        first = self.con.execute(f"SELECT count(*) FROM duckdb_tables() WHERE table_name = '{own}'").fetchall() == [
            (0,)
        ]
        if not first:
            self.con.execute(f"CREATE OR REPLACE TABLE kept AS SELECT * FROM {own}")
        self.step(rows, places, settled)
        self.con.execute("DROP TABLE link_state" if first else f"CREATE OR REPLACE TABLE {own} AS SELECT * FROM kept")
        self.rows, self.places = before

    def follow(self, record: str, other: str) -> None:
        """Decide that a record follows the id of another."""
        self.con.execute("DELETE FROM follows WHERE record = ?", [record])
        self.con.execute(
            "INSERT INTO follows SELECT ?, master_id FROM crosswalk JOIN records USING (rid) WHERE record_key = ?",
            [record, other],
        )

    def links(self) -> set[tuple[frozenset[str], frozenset[tuple[str, str]]]]:
        """Groups of records, with the rule of each."""
        found: dict[object, set[tuple[str, str]]] = {}
        rows = self.con.execute("SELECT master_id, record_key, rule FROM crosswalk JOIN records USING (rid)").fetchall()
        assert len(rows) == self.con.execute("SELECT count(*) FROM records").fetchall()[0][0]
        for master, record, rule in rows:
            found.setdefault(master, set()).add((record, rule))
        return {(frozenset(r for r, _ in group), frozenset(group)) for group in found.values()}

    def remembered(self) -> list[tuple[object, ...]]:
        """The state that the next step starts from."""
        return self.con.execute(f"SELECT * FROM {state(self.rules)} ORDER BY ALL").fetchall()

    def _put(self, name: str, columns: dict[str, Iterable[object]]) -> None:
        arrays = {n: v if isinstance(v, pa.Array) else pa.array(v, pa.string()) for n, v in columns.items()}
        self.con.register("_put", pa.table(arrays))
        self.con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM _put")
        self.con.unregister("_put")


def _columns(rows: dict[str, Row]) -> list[list[str | None]]:
    names: list[str | None] = [*rows]
    said = [[row[i] for row in rows.values()] for i in range(3)]
    return [[n[0] for n in rows], names, ["r" for _ in rows], *said]


TEXTS = tuple("甲乙丙丁戊")
CODES = ("FW1", "FW2", "FW3", "FW4", "A11", "A12")
CERTIFICATES = ("c1", "c2", "c3", "c4")

World = tuple[dict[str, Row], Places, Settled]


def world(dice: random.Random, before: World) -> World:
    """What a day makes of a world: records come, change and go, places are resolved otherwise, flats are settled."""
    rows, places, settled = dict(before[0]), dict(before[1]), dict(before[2])
    for _ in range(dice.randint(0, 6)):
        name = f"{dice.choice('ab')}{dice.randint(0, 15)}"
        place = dice.choice((None, None, *TEXTS))
        rows[name] = (place, dice.choice((None, *CODES)), dice.choice((None, None, *CERTIFICATES)))
    for name in dice.sample(sorted(rows), min(len(rows), dice.randint(0, 3))):
        del rows[name]
    rows |= chain(dice) if dice.random() < 0.15 else {}
    if dice.random() < 0.25:
        rows = {name: row for name, row in rows.items() if name[0] != "h"} | crowd(dice)
    for text in TEXTS:
        if text not in places or dice.random() < 0.2:
            places[text] = (dice.randint(1, 3), dice.choice(("flat", "flat", "site", "area")), dice.random() < 0.7)
    settled = {key: flat for key, flat in settled.items() if dice.random() < 0.7 and key[0] in rows}
    for name, row in rows.items():
        if row[0] and dice.random() < 0.2:
            settled[name, row[0]] = dice.randint(1, 3)
    return rows, places, settled


def chain(dice: random.Random) -> dict[str, Row]:
    """Records longer in a row than there are rounds, without a place but for the first."""
    end = dice.choice((None, *TEXTS))
    return {f"c{n}": (None if n else end, f"L{(n + 1) // 2}", f"l{n // 2}") for n in range(6)}


def crowd(dice: random.Random) -> dict[str, Row]:
    """About as many records with one certificate as a hub has."""
    return {f"h{n}": (None, None, "c1") for n in range(HUB + dice.randint(-3, 2))}


LAWS = settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("rules", [HOUSE, ADDRESS], ids=["house", "address"])
@LAWS
@given(seed=st.integers(0, 2**32), days=st.integers(2, 5))
def test_step_by_step_is_what_all_at_once_gives(rules: Rules, seed: int, days: int) -> None:
    dice = random.Random(seed)
    now: World = ({}, {}, {})
    with Register(rules) as stepwise:
        for _ in range(days):
            now = world(dice, now)
            stepwise.step(*now)
            with Register(rules) as once:
                once.step(*now)
                assert stepwise.links() == once.links()
                assert stepwise.remembered() == once.remembered()


@LAWS
@given(seed=st.integers(0, 2**32), days=st.integers(2, 5))
def test_looking_at_what_is_affected_is_looking_at_everything(seed: int, days: int) -> None:
    """With records that follow an id by decision, and runs that the master has and the working copy has lost."""
    dice = random.Random(seed)
    now: World = ({}, {}, {})
    with Register() as few, Register(whole=True) as everything:
        for _ in range(days):
            now = world(dice, now)
            everything.step(*now)
            if dice.random() < 0.3:
                few.crash(*now)
            else:
                few.step(*now)
            assert few.links() == everything.links()
            present = sorted(now[0])
            for _ in range(min(2, len(present))):
                record, other = dice.choice(present), dice.choice(present)
                few.follow(record, other)
                everything.follow(record, other)


def test_a_delta_concerns_its_own_groups_only() -> None:
    places: Places = {text: (n, "flat", True) for n, text in enumerate(TEXTS, 1)}
    rows: dict[str, Row] = {f"a{n}": (text, f"FW{n}", None) for n, text in enumerate(TEXTS)}
    rows |= {f"b{n}": (None, f"FW{n}", f"c{n}") for n in range(5)} | {f"c{n}": (None, None, f"c{n}") for n in range(5)}
    with Register() as register:
        register.step(rows, places, {})
        register.step({**rows, "b1": (None, "FW2", "c1")}, places, {})
        assert register.affected == {"a1", "b1", "c1", "a2", "b2", "c2"}
        register.step({**rows, "b1": (None, "FW2", "c1")}, {**places, "丁": (1, "flat", True)}, {})
        assert register.affected == {"a0", "b0", "c0", "a3", "b3", "c3"}
        register.step({**rows, "b1": (None, "FW2", "c1")}, {**places, "丁": (1, "flat", True)}, {})
        assert register.affected == set()

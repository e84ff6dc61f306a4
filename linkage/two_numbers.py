"""Two valid identifiers on records that are otherwise very alike (两号疑似一人): never joined, but a person is asked.

A citizen number that was corrected, or a second registration (双重户口), gives one person two valid numbers. Such pairs
are not weighed with the others, for there the identifier decides; here they are, without it. To stay cheap the pairs come
from the blocking rules that look at the name, one record for each number under a key, and no key that is a hub: the
number of comparisons does not grow with how many systems know a person.

What was found is kept in the state by the key under which it was found. What is found under a key depends on the records
under it alone, so a delta finds anew under the keys of the records that moved, and nowhere else.
"""

from __future__ import annotations

from linkage.compare_pairs import levels_of
from linkage.engine import DuckEngine
from linkage.model import Blocking, Model
from linkage.state import State

NAMED = "name_"
"""Columns of the name begin so; two of one family share phone, home and even the birth date, but not the name."""


def find_all(engine: DuckEngine, model: Model, names: State) -> None:
    """Find the pairs of all records: fill the state's `two` (rule, k, l, r, weight), pairs that weigh as much as certain ones."""
    engine.con.execute(
        f"CREATE OR REPLACE TABLE {names.two} (rule VARCHAR, k UBIGINT, l UBIGINT, r UBIGINT, weight DOUBLE)"
    )
    engine.table("two_pair", _NO_PAIRS)
    rules = _rules(model)
    if not rules:
        return
    engine.con.execute("CREATE OR REPLACE TEMP TABLE holder (rule VARCHAR, k UBIGINT, label UBIGINT, rid UBIGINT)")
    for rule in rules:
        engine.con.execute(f"INSERT INTO holder {_holders(rule, names)}")
    engine.table("two_pair", _PAIRS)
    unused = ", ".join(f"k_{rule.name}" for rule in model.blocking)
    engine.table(
        "two_record",
        f"SELECT * EXCLUDE ({unused}) FROM {names.record} WHERE rid IN (SELECT unnest([l, r]) FROM two_pair)",
    )
    keep(engine, model, names, records="two_record")
    engine.drop("two_record")


def propose(engine: DuckEngine, model: Model, names: State) -> None:
    """Make `two_pair` (rule, k, l, r) of the records under the keys of those that moved.

    Reads `moved_key`, `block`, `new_key`, `delta` and `crossed` (`linkage.relink`).
    """
    named = ", ".join(f"'{rule.name}'" for rule in _rules(model))
    if not named:
        engine.table("two_pair", _NO_PAIRS)
        return
    under = f"SELECT rule, k, rid FROM {{}} JOIN (SELECT rule, k FROM crossed WHERE NOT is_hub AND rule IN ({named})) USING (rule, k)"
    engine.table("two_stay", under.format("block"))
    engine.table(
        "holder",
        "SELECT rule, k, label, min(rid) AS rid FROM (SELECT b.rule, b.k, b.rid, c.label FROM two_stay b JOIN ("
        f"SELECT rid, label FROM {names.record} WHERE rid IN (SELECT rid FROM two_stay)) c USING (rid) "
        f"UNION ALL SELECT n.rule, n.k, n.rid, d.label FROM ({under.format('new_key')}) n JOIN delta d USING (rid)) "
        "WHERE label IS NOT NULL GROUP BY rule, k, label",
    )
    engine.table("two_pair", _PAIRS)
    engine.drop("two_stay", "holder")


def keep(engine: DuckEngine, model: Model, names: State, *, records: str) -> None:
    """Weigh `two_pair`, of which `records` are the comparable records, and keep those that weigh as much as certain ones."""
    if engine.con.execute("SELECT 1 FROM two_pair LIMIT 1").fetchall():
        engine.table("two_once", "SELECT DISTINCT l, r FROM two_pair")
        levels_of(engine, model, pairs="two_once", records=records)
        engine.con.execute(
            f"INSERT INTO {names.two} SELECT p.rule, p.k, p.l, p.r, s.weight FROM two_pair p JOIN scored s USING (l, r) "
            f"WHERE s.weight >= {model.thresholds.certain}"
        )
    engine.drop("two_pair", "two_once", "holder", "scored")


def two_numbers_sql(names: State) -> str:
    """Return the SQL of the pairs (l, r, weight) of the records of `affected`."""
    mine = "(SELECT rid FROM affected)"
    return f"SELECT DISTINCT l, r, weight FROM {names.two} WHERE l IN {mine} OR r IN {mine}"


_NO_PAIRS = "SELECT '' AS rule, 0::UBIGINT AS k, 0::UBIGINT AS l, 0::UBIGINT AS r WHERE false"
_PAIRS = (
    "SELECT rule, k, least(a.rid, b.rid) AS l, greatest(a.rid, b.rid) AS r FROM holder a JOIN holder b USING (rule, k) "
    "WHERE a.label < b.label"
)
"""The pairs of records of different labels under one key."""


def _rules(model: Model) -> list[Blocking]:
    return [rule for rule in model.blocking if any(column.startswith(NAMED) for column in rule.on)]


def _holders(rule: Blocking, names: State) -> str:
    """For each key that two labels share: the first record of each label."""
    key = f"k_{rule.name}"
    held = f"SELECT {key} AS k, label, rid FROM {names.record} WHERE {key} IS NOT NULL"
    return (
        f"SELECT '{rule.name}' AS rule, k, label, min(rid) AS rid FROM ({held}) h JOIN (SELECT k FROM ({held}) GROUP BY k "
        f"HAVING count(*) <= {rule.cap} AND min(label) <> max(label)) s USING (k) WHERE label IS NOT NULL GROUP BY k, label"
    )

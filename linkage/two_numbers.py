"""Two valid identifiers on records that are otherwise very alike (两号疑似一人): never joined, but a person is asked.

A citizen number that was corrected, or a second registration (双重户口), gives one person two valid numbers. Such pairs
are not weighed with the others, for there the identifier decides; here they are, without it. To stay cheap the pairs come
from the blocking rules that look at the name, one record for each number under a key, and no key that is a hub: the
number of comparisons does not grow with how many systems know a person.
"""

from __future__ import annotations

from linkage.compare_pairs import levels_of
from linkage.engine import DuckEngine
from linkage.model import Blocking, Model
from linkage.state import State

NAMED = "name_"
"""Columns of the name begin so; two of one family share phone, home and even the birth date, but not the name."""


def find_two_numbers(engine: DuckEngine, model: Model, names: State) -> None:
    """Make `two_numbers` (l, r, weight): pairs of records with different labels that weigh as much as certain ones.

    Reads `affected` (rid) and the state. What is found of an affected record depends on nothing else that could change
    without affecting it: a key that becomes a hub moves all its records (`linkage.relink`).
    """
    rules = [rule for rule in model.blocking if any(column.startswith(NAMED) for column in rule.on)]
    keys = "".join(f", k_{rule.name}" for rule in rules)
    engine.table(
        "asking",
        f"SELECT label{keys} FROM {names.record} WHERE label IS NOT NULL AND rid IN (SELECT rid FROM affected)",
    )
    engine.con.execute("CREATE OR REPLACE TEMP TABLE holder (rule VARCHAR, k UBIGINT, label UBIGINT, rid UBIGINT)")
    for rule in rules:
        engine.con.execute(f"INSERT INTO holder {_holders(rule, names)}")
    engine.table("asking_label", "SELECT DISTINCT label FROM asking")
    engine.table(
        "two_pair",
        "SELECT DISTINCT least(a.rid, b.rid) AS l, greatest(a.rid, b.rid) AS r FROM holder a JOIN holder b USING (rule, k) "
        "WHERE a.label < b.label AND (a.label IN (SELECT label FROM asking_label) OR b.label IN (SELECT label FROM asking_label))",
    )
    unused = ", ".join(f"k_{rule.name}" for rule in model.blocking)
    engine.table(
        "two_record",
        f"SELECT * EXCLUDE ({unused}) FROM {names.record} WHERE rid IN (SELECT unnest([l, r]) FROM two_pair)",
    )
    levels_of(engine, model, pairs="two_pair", records="two_record")
    engine.table("two_numbers", f"SELECT l, r, weight FROM scored WHERE weight >= {model.thresholds.certain}")
    engine.drop("holder", "asking", "asking_label", "two_pair", "two_record", "scored")


def _holders(rule: Blocking, names: State) -> str:
    """For each key of affected records that two labels share: the first record of each label."""
    key = f"k_{rule.name}"
    return (
        # The records are many and read once, those under the keys are few.
        f"WITH held AS MATERIALIZED (SELECT {key} AS k, label, rid FROM {names.record} "
        f"WHERE {key} IN (SELECT {key} FROM asking WHERE {key} IS NOT NULL)) "
        f"SELECT '{rule.name}', k, label, min(rid) FROM held JOIN (SELECT k FROM held GROUP BY k "
        f"HAVING count(*) <= {rule.cap} AND min(label) <> max(label)) s USING (k) WHERE label IS NOT NULL GROUP BY k, label"
    )

"""Makes the comparable records of an entity, of all records or of a few."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from linkage.blocking import keys_sql
from linkage.comparable.specs import Spec
from linkage.engine import Engine
from linkage.foreign import find_foreign
from linkage.model import Model
from linkage.model.frequencies import rarest

RECORD: Final = ("system_id", "record_key", "role")
"""What names a record within an entity."""

MANY: Final = 4
"""A phone under which more people than this are known by name is an office's or a careless entry: it says less."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """The relations that comparable records are made from.

    Attributes:
        records: standardised records (`schemas.records.standardised_schema`).
        names: forms of every name (text, folded, surname, pinyin, pinyin_fuzzy).
        places: place of every address text (text, flat, building, site).
        frequencies: how common full names are (folded, sex, decade, rarity); '' where sex or decade is any.
    """

    records: str
    names: str
    places: str
    frequencies: str


def record_id(alias: str) -> str:
    """Return the SQL of a record's number: a hash of its name, so that it never depends on when the record came."""
    return f"hash({alias}.system_id, {alias}.record_key, {alias}.role)"


def record_name() -> str:
    """Return the SQL of a record's name as one text, which orders records alike in every engine, as no code does."""
    return "system_id || '/' || role || '/' || record_key"


def build(engine: Engine, spec: Spec, model: Model, inputs: Inputs, *, records: str, into: str) -> None:
    """Make the table `into` with the comparable records of `records`: rid, system_id, record_key, role, label, columns, keys.

    Votes on numbers and counts of shared phones look at all of `inputs.records` that share a number or phone with
    `records`, so a few records are judged as they would be among all.
    """
    if spec.vote:
        _vote(engine, inputs, records)
    for field in spec.phones:
        engine.table(
            f"many_{field}",
            f"SELECT s.{field} AS phone FROM {inputs.records} s JOIN {inputs.names} n ON n.text = s.name "
            f"WHERE s.{field} IN (SELECT {field} FROM {records}) GROUP BY s.{field} "
            f"HAVING count(DISTINCT n.folded) > {MANY}",
        )
    rare = {f"{c.name}_rarity": rarest(c) for c in model.comparisons if c.frequency}
    columns = ", ".join(
        f"{f'coalesce({sql}, {rare[name]})' if name in rare else sql} AS {name}" for name, sql in spec.columns
    )
    made = f"SELECT {record_id('s')} AS rid, {', '.join(f's.{c}' for c in RECORD)}, {spec.label} AS label, {columns} FROM {records} s {_joins(spec, inputs)}"
    engine.table(into, f"SELECT c.*, {keys_sql(model)} FROM ({made}) c")
    engine.drop(*(f"many_{f}" for f in spec.phones))


def _joins(spec: Spec, inputs: Inputs) -> str:
    joins = [f"LEFT JOIN {inputs.names} n_{f} ON n_{f}.text = s.{f}" for f in spec.names]
    joins += [f"LEFT JOIN {inputs.places} p_{f} ON p_{f}.text = s.{f}" for f in spec.places]
    joins += [f"LEFT JOIN many_{f} m_{f} ON m_{f}.phone = s.{f}" for f in spec.phones]
    if spec.vote:
        joins.append(f"LEFT JOIN foreign_rid f ON f.rid = {record_id('s')}")
    if any(name.endswith("_rarity") for name, _ in spec.columns):
        decade = "substr(s.birth_date, 1, 3)"
        joins.append(
            f"LEFT JOIN {inputs.frequencies} q ON q.folded = n_name.folded "
            f"AND q.sex = coalesce(CASE WHEN s.sex IN ('1', '2') THEN s.sex END, '') AND q.decade = coalesce({decade}, '')"
        )
    return " ".join(joins)


def _vote(engine: Engine, inputs: Inputs, records: str) -> None:
    engine.table(
        "numbered",
        f"SELECT {record_id('s')} AS rid, hash(s.id_number) AS number, n.folded AS name, u.folded AS used "
        f"FROM {inputs.records} s LEFT JOIN {inputs.names} n ON n.text = s.name "
        f"LEFT JOIN {inputs.names} u ON u.text = s.used_name "
        f"WHERE s.id_number IN (SELECT id_number FROM {records} WHERE id_number IS NOT NULL)",
    )
    find_foreign(engine)
    engine.drop("numbered")

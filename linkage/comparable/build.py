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


@dataclass(frozen=True, slots=True)
class Among:
    """What a few records are judged among: relations of `number` and `phone` codes, and of records without their label.

    Attributes:
        numbers: numbers whose rows vote; None = all.
        phones: phones whose names are counted; None = all.
        detached: records that a person took off their number's entity.
    """

    numbers: str | None = None
    phones: str | None = None
    detached: str | None = None


def record_id(alias: str) -> str:
    """Return the SQL of a record's number: a hash of its name, so that it never depends on when the record came."""
    return f"hash({alias}.system_id, {alias}.record_key, {alias}.role)"


def build(
    engine: Engine, spec: Spec, model: Model, inputs: Inputs, *, records: str, into: str, among: Among | None = None
) -> None:
    """Make the table `into` with the comparable records of `records`: rid, names, label, columns, blocking keys.

    Leaves `foreign_rid` (rid): records whose number is another's, and `many_<field>` (phone): phones that many share.

    Args:
        engine: where the tables are.
        spec: which entity.
        model: whose blocking keys and rarities the records get.
        inputs: what the records are made from.
        records: the standardised records to make comparable.
        into: name of the table.
        among: numbers and phones to which votes and counts are limited; None = all. They always look at all records that
            share a number or phone, so a few records are judged as they would be among all.
    """
    limits = among or Among()
    if spec.vote:
        _vote(engine, inputs, limits.numbers)
    for field in spec.phones:
        _many(engine, inputs, field, limits.phones)
    rare = {f"{c.name}_rarity": rarest(c) for c in model.comparisons if c.frequency}
    columns = ", ".join(
        f"{f'coalesce({sql}, {rare[name]})' if name in rare else sql} AS {name}" for name, sql in spec.columns
    )
    label = f"CASE WHEN d.rid IS NULL THEN {spec.label} END" if limits.detached else spec.label
    detached = f" LEFT JOIN {limits.detached} d ON d.rid = {record_id('s')}" if limits.detached else ""
    made = (
        f"SELECT {record_id('s')} AS rid, {', '.join(f's.{c}' for c in RECORD)}, {label} AS label, {columns} "
        f"FROM {records} s {_joins(spec, inputs)}{detached}"
    )
    engine.table(into, f"SELECT c.*, {keys_sql(model)} FROM ({made}) c")


def _joins(spec: Spec, inputs: Inputs) -> str:
    joins = [f"LEFT JOIN {inputs.names} n_{f} ON n_{f}.text = s.{f}" for f in spec.names]
    joins += [f"LEFT JOIN {inputs.places} p_{f} ON p_{f}.text = s.{f}" for f in spec.places]
    joins += [f"LEFT JOIN many_{f} m_{f} ON m_{f}.phone = hash(s.{f})" for f in spec.phones]
    if spec.vote:
        joins.append(f"LEFT JOIN foreign_rid f ON f.rid = {record_id('s')}")
    if any(name.endswith("_rarity") for name, _ in spec.columns):
        decade = "substr(s.birth_date, 1, 3)"
        joins.append(
            f"LEFT JOIN {inputs.frequencies} q ON q.folded = n_name.folded "
            f"AND q.sex = coalesce(CASE WHEN s.sex IN ('1', '2') THEN s.sex END, '') AND q.decade = coalesce({decade}, '')"
        )
    return " ".join(joins)


def _vote(engine: Engine, inputs: Inputs, numbers: str | None) -> None:
    rows = (
        f"SELECT {record_id('s')} AS rid, hash(s.id_number) AS number, n.folded AS name, n.pinyin_fuzzy AS sound, u.folded AS used, "
        f"CASE WHEN s.phone IS NOT NULL THEN hash(s.phone) END AS phone, p.flat FROM {inputs.records} s LEFT JOIN {inputs.names} n ON n.text = s.name "
        f"LEFT JOIN {inputs.names} u ON u.text = s.used_name LEFT JOIN {inputs.places} p ON p.text = s.residence_address "
        "WHERE s.id_number IS NOT NULL"
    )
    engine.table("numbered", rows + (f" AND hash(s.id_number) IN (SELECT number FROM {numbers})" if numbers else ""))
    find_foreign(engine, everybody="SELECT * FROM numbered" if numbers is None else rows)
    engine.drop("numbered")


def _many(engine: Engine, inputs: Inputs, field: str, phones: str | None) -> None:
    limit = f" AND hash(s.{field}) IN (SELECT phone FROM {phones})" if phones else ""
    # Most phones have few rows: names are only looked at where there are enough.
    engine.table(
        "busy",
        f"SELECT s.{field} AS phone FROM {inputs.records} s WHERE s.{field} IS NOT NULL{limit} "
        f"GROUP BY s.{field} HAVING count(*) > {MANY}",
    )
    engine.table(
        f"many_{field}",
        f"SELECT hash(s.{field}) AS phone FROM {inputs.records} s JOIN busy b ON b.phone = s.{field} "
        f"JOIN {inputs.names} n ON n.text = s.name GROUP BY s.{field} HAVING count(DISTINCT n.folded) > {MANY}",
    )
    engine.drop("busy")

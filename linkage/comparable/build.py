"""Makes the comparable records of an entity, of all records or of a few.

First what a record says by itself (`read`), then what the others make of it (`finish`): whether its number is its own,
whether its phone is shared by many.
"""

from __future__ import annotations

import re
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


def record_id(alias: str) -> str:
    """Return the SQL of a record's number: a hash of its name, so that it never depends on when the record came."""
    return f"hash({alias}.system_id, {alias}.record_key, {alias}.role)"


@dataclass(frozen=True, slots=True)
class Inputs:
    """The relations that comparable records are made from.

    Attributes:
        records: standardised records (`schemas.records.standardised_schema`).
        names: forms of every name (text, folded, surname, pinyin, pinyin_fuzzy).
        organisations: forms of every name of an organisation (text, name, plain, folded, place, family, branch, pinyin).
        places: place of every address text (text, flat, building, site).
        frequencies: how common full names are (folded, sex, decade, rarity); '' where sex or decade is any.
        rid: SQL of the number of a standardised record `s`.
        hints: what refused values still say (`schemas.records.HINT_SCHEMA`); None = there are none.
    """

    records: str
    names: str = "name_form"
    organisations: str = "org_form"
    places: str = "place"
    frequencies: str = "name_rarity"
    rid: str = record_id("s")
    hints: str | None = None


def build(engine: Engine, spec: Spec, model: Model, inputs: Inputs, *, into: str) -> None:
    """Make the table `into` of all comparable records, and `foreign_rid`."""
    read(engine, spec, model, inputs, records=inputs.records, into="said")
    judge(engine, spec, rows="said")
    finish(engine, spec, model, records="said", into=into)
    engine.drop("said", *(f"many_{phone}" for phone in spec.phones))


def read(engine: Engine, spec: Spec, model: Model, inputs: Inputs, *, records: str, into: str) -> None:
    """Make the table `into` with what each of `records` says by itself: rid, its names, the columns of the spec."""
    rare = {f"{c.name}_rarity": rarest(c) for c in model.comparisons if c.frequency}
    columns = ", ".join(
        f"{f'coalesce({sql}, {rare[name]})' if name in rare else sql} AS {name}"
        for name, sql in (spec.columns if inputs.hints else _without_hints(spec))
    )
    engine.table(
        into,
        f"SELECT {inputs.rid} AS rid, {', '.join(f's.{c}' for c in RECORD)}, {columns} FROM {records} s {_joins(spec, inputs)}",
    )


_NUMBER_HINTS: Final = "'typo', 'masked', 'truncated'"
_BORN: Final = "^[0-9]{6}(18|19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])"
"""The birth date of a number is visible."""


def hints_sql(inputs: Inputs, entity: str) -> str:
    """Return the SQL of what refused ID numbers say, one row per record: its name, `value`, `born`, `head`, `tail`.

    Of a number that fails its check any digit may be the wrong one, so no birth date is read out of it.
    """
    named = ", ".join(RECORD)
    born = "substr(said, 7, 4) || '-' || substr(said, 11, 2) || '-' || substr(said, 13, 2)"
    head, tail = "substr(said, 1, 14)", "substr(said, length(said) - 3, 4)"
    whole = "length(said) BETWEEN 17 AND 19"
    return (
        f"SELECT {named}, said AS value, CASE WHEN how <> 'typo' AND regexp_matches(said, '{_BORN}') THEN {born} END AS born, "
        f"CASE WHEN {whole} AND {head} NOT LIKE '%*%' THEN {head} END AS head, "
        f"CASE WHEN {whole} AND {tail} NOT LIKE '%*%' THEN {tail} END AS tail "
        # A record has one number; where a source gives two, neither is evidence. Names of their own: in HAVING, Spark
        # takes `value` for the aggregate of that name.
        f"FROM (SELECT {named}, min(value) AS said, min(kind) AS how FROM {inputs.hints} WHERE entity_type = '{entity}' "
        f"AND field = 'id_number' AND kind IN ({_NUMBER_HINTS}) GROUP BY {named} HAVING min(value) = max(value)) g"
    )


def _without_hints(spec: Spec) -> list[tuple[str, str]]:
    """The columns where nothing was refused; what only hints are compared with is then not even kept."""
    nothing = "CAST(NULL AS VARCHAR)"
    return [
        (name, re.sub(r"\b[hs]\.\w+" if name in spec.hinted else r"\bh\.\w+", nothing, sql))
        for name, sql in spec.columns
    ]


def name_joins(spec: Spec, inputs: Inputs) -> str:
    """Return the SQL that joins the forms of names to a standardised record `s`."""
    joins = [f"LEFT JOIN {inputs.names} n_{f} ON n_{f}.text = s.{f}" for f in spec.names]
    joins += [f"LEFT JOIN {inputs.organisations} o_{f} ON o_{f}.text = s.{f}" for f in spec.organisations]
    return " ".join(joins)


def _joins(spec: Spec, inputs: Inputs) -> str:
    joins = [name_joins(spec, inputs)]
    joins += [f"LEFT JOIN {inputs.places} p_{f} ON p_{f}.text = s.{f}" for f in spec.places]
    if inputs.hints and spec.hinted:
        same = " AND ".join(f"h.{c} = s.{c}" for c in RECORD)
        joins.append(f"LEFT JOIN ({hints_sql(inputs, spec.entity_type)}) h ON {same}")
    if spec.frequencies:
        folded, sex, decade = spec.frequencies
        joins.append(
            f"LEFT JOIN {inputs.frequencies} q ON q.folded = {folded} AND q.sex = {sex} AND q.decade = {decade}"
        )
    return " ".join(joins)


def judge(engine: Engine, spec: Spec, *, rows: str, numbers: str | None = None, phones: str | None = None) -> None:
    """Make `foreign_rid` (rid): records whose number is another's, and `many_<phone>` (phone): phones that many share.

    Args:
        engine: where the tables are.
        spec: which entity.
        rows: relation of all records (rid and the columns of the spec).
        numbers: relation (number) to which the votes are limited; None = all numbers.
        phones: relation (phone) to which the counts are limited; None = all phones.
    """
    if spec.vote:
        find_foreign(engine, rows=rows, numbers=numbers)
    for phone in spec.phones:
        limit = f" AND {phone} IN (SELECT phone FROM {phones})" if phones else ""
        # Most phones have few rows: names are only looked at where there are enough.
        engine.table(
            "busy",
            f"SELECT {phone} AS phone FROM {rows} WHERE {phone} IS NOT NULL{limit} GROUP BY {phone} HAVING count(*) > {MANY}",
        )
        engine.table(
            f"many_{phone}",
            f"SELECT s.{phone} AS phone FROM {rows} s JOIN busy b ON b.phone = s.{phone} GROUP BY s.{phone} "
            f"HAVING count(DISTINCT s.name_folded) > {MANY}",
        )
        engine.drop("busy")


def finish(engine: Engine, spec: Spec, model: Model, *, records: str, into: str) -> None:
    """Make the table `into` of comparable records: those of `read` with label, shared phones and blocking keys."""
    engine.table(into, f"SELECT c.*, {keys_sql(model)} FROM ({_finished(spec, records)}) c")


def _finished(spec: Spec, records: str) -> str:
    own = "f.rid IS NULL"
    columns = [
        f"CASE WHEN {own} THEN r.{name} END AS {name}" if spec.vote and name in spec.own else f"r.{name}"
        for name, _ in spec.columns
    ]
    columns.append(f"CASE WHEN {own} THEN r.number END AS label" if spec.vote else "r.number AS label")
    columns += [f"m_{phone}.phone IS NOT NULL AS {phone}_shared" for phone in spec.phones]
    joins = ["LEFT JOIN foreign_rid f ON f.rid = r.rid"] if spec.vote else []
    joins += [f"LEFT JOIN many_{phone} m_{phone} ON m_{phone}.phone = r.{phone}" for phone in spec.phones]
    named = ", ".join(f"r.{c}" for c in ("rid", *RECORD))
    return f"SELECT {named}, {', '.join(columns)} FROM {records} r {' '.join(joins)}"

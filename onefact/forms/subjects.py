"""Whom and what a form lists (填表对象): the golden records of a grid with what forms ask for, in the order of their doors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

import sqlalchemy as sa
import yaml

from onefact import grids
from schemas.entities import ENTITIES
from schemas.model import EntityType
from warehouse.publish import as_text

PARTS = {
    "@street": "street", "@community": "community", "@grid": "grid_code", "@compound": "compound", "@building": "building",
    "@unit": "unit", "@room": "room",
}  # fmt: skip
"""Computed meanings that are elements of the place's standard address."""

BEHIND: Mapping[str, Mapping[EntityType, str]] = {
    "@age": {"person": "birth_date"},
    "@birth_month": {"person": "birth_date"},
    "@head_name": {"person": "head_id_number"},
    "@head_phone": {"person": "head_id_number"},
    "@house_code": {"person": "residence_address"},
    "@house_status": {"person": "residence_address"},
    **{part: {"person": "residence_address", "house": "address", "organisation": "address"} for part in PARTS},
}
"""Computed meaning -> the field that has to be known for it."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which entities of the grid a form lists, and why it is proposed."""

    id: str
    cn: str
    where: str
    words: tuple[str, ...] = ()
    restricted: bool = False


ALL = Selection("all", "全部", "true")


class NoSuchSelection(Exception):
    """There is no selection of this name."""

    def __init__(self, context: EntityType, wanted: str) -> None:
        known = "、".join(f"{s.id}（{s.cn}）" for s in (ALL, *selections(context)))
        super().__init__(f"没有“{wanted}”这种范围。可用：{known}")


@dataclass(frozen=True, slots=True)
class Subject:
    """One golden record: canonical values by meaning, and where each field's value comes from."""

    master_id: str
    values: Mapping[str, str]
    sources: Mapping[str, str]


@cache
def selections(context: EntityType) -> tuple[Selection, ...]:
    """Return the selections of a context."""
    document = yaml.safe_load(files(__package__).joinpath("selections.yaml").read_text(encoding="utf-8"))
    return tuple(
        Selection(s["id"], s["cn"], s["where"], tuple(s["words"]), bool(s.get("restricted"))) for s in document[context]
    )


def selection(context: EntityType, wanted: str | None, form_title: str = "") -> Selection:
    """Return the named selection, or the one that the form's title speaks of; raises `NoSuchSelection`."""
    known = (ALL, *selections(context))
    if wanted:
        found = next((s for s in known if s.id == wanted), None)
        if found is None:
            raise NoSuchSelection(context, wanted)
        return found
    return next(
        (s for s in sorted(known, key=lambda s: not s.restricted) if any(w in form_title for w in s.words)), ALL
    )


def subjects(
    connection: sa.Connection, context: EntityType, wanted: Sequence[str], chosen: Selection, today: date
) -> list[Subject]:
    """Return the entities of some grids, door by door; the dead and the departed are not listed."""
    fields = ENTITIES[context].fields
    columns = ", ".join(
        f'{as_text(f).replace(chr(34) + f.name, "g." + chr(34) + f.name)} AS "{f.name}"' for f in fields
    )
    where = f"WHERE w.grid = ANY(:grids) AND ({chosen.where.format(today=':today')})"
    query = {"person": _PERSONS, "house": _HOUSES, "organisation": _ORGANISATIONS}[context]
    sql = query.format(columns=columns, place=grids.place_of(context), homes=grids.place_of("person"), where=where)
    given = {"grids": list(wanted)} | ({"today": today} if ":today" in where else {})
    typed = sa.text(sql).bindparams(sa.bindparam("today", type_=sa.Date)) if ":today" in where else sa.text(sql)
    return [_subject(r, [f.name for f in fields], today) for r in connection.execute(typed, given).mappings()]


def _subject(row: Any, names: Sequence[str], today: date) -> Subject:
    values = {n: row[n] for n in names} | {m: row[c] for m, c in PARTS.items()}
    values |= {
        f"@{n}": row[n]
        for n in ("head_name", "head_phone", "household_size", "house_code_at", "house_status_at", "residents")
        if n in row
    }
    values["@house_code"], values["@house_status"] = (
        values.pop("@house_code_at", None),
        values.pop("@house_status_at", None),
    )
    if born := values.get("birth_date"):
        values |= {"@age": str(_age(date.fromisoformat(born), today)), "@birth_month": born[:7]}
    values["@today"] = today.isoformat()
    told = {n: str(v) for n, v in values.items() if v is not None and v != ""}
    return Subject(row["id"], told, {n: str(s).split("|", 1)[0] for n, s in (row["provenance"] or {}).items()})


def _age(born: date, today: date) -> int:
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


_PARTS = ", ".join(f"a.{c}" for c in PARTS.values())

_PERSONS = f"""
WITH w AS MATERIALIZED ({{place}}),
size AS (SELECT w.node_id, count(*) AS n FROM w JOIN person p USING (master_id) WHERE p.death_date IS NULL GROUP BY w.node_id)
SELECT g.master_id::text AS id, g.provenance, {{columns}}, {_PARTS}, h.name AS head_name, h.phone AS head_phone,
  s.n AS household_size, d.house_code AS house_code_at, d.status AS house_status_at
FROM person g JOIN w USING (master_id) JOIN address_node n USING (node_id)
LEFT JOIN address a ON a.master_id = n.master_id
LEFT JOIN LATERAL (SELECT name, phone FROM person x WHERE x.id_number = g.head_id_number LIMIT 1) h ON true
LEFT JOIN size s ON s.node_id = w.node_id AND n.level = 'room'
LEFT JOIN LATERAL (SELECT house_code, status FROM address_point p JOIN house y USING (master_id)
  WHERE p.entity_type = 'house' AND p.node_id = w.node_id AND n.level = 'room' LIMIT 1) d ON true
{{where}} AND g.death_date IS NULL
ORDER BY n.full_text, g.household_no, (g.household_relation IN ('01', '02')) DESC NULLS LAST, g.birth_date, g.master_id
"""

_HOUSES = f"""
WITH w AS MATERIALIZED ({{place}}), home AS (SELECT node_id, count(*) AS n FROM ({{homes}}) x GROUP BY node_id)
SELECT g.master_id::text AS id, g.provenance, {{columns}}, {_PARTS}, coalesce(h.n, 0) AS residents
FROM house g JOIN w USING (master_id) JOIN address_node n USING (node_id) LEFT JOIN address a ON a.master_id = n.master_id
LEFT JOIN home h USING (node_id) {{where}} ORDER BY n.full_text, g.master_id
"""

_ORGANISATIONS = f"""
WITH w AS MATERIALIZED ({{place}})
SELECT g.master_id::text AS id, g.provenance, {{columns}}, {_PARTS}
FROM organisation g JOIN w USING (master_id) JOIN address_node n USING (node_id) LEFT JOIN address a ON a.master_id = n.master_id
{{where}} AND coalesce(g.status, '01') NOT IN ('03', '04', '05', '06') ORDER BY n.full_text, g.name, g.master_id
"""

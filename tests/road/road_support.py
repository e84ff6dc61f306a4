"""What the road's tests share: an installation of three small systems, and what one may ask of it."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from onefact.home import Home
from schemas.entities import ENTITIES
from schemas.identifiers.citizen_id import check_digit
from warehouse.seals import teach

MANIFESTS = Path(__file__).parents[1] / "fixtures" / "road"
COLUMNS = ("id", "name", "id_number", "sex", "phone", "home", "ethnicity", "religion", "changed")

MakeHome = Callable[[Path, Mapping[str, str]], Home]
Run = Callable[..., str]
"""What the fixture `say` gives: the words of a command, and the exit code that it must end with -> what it printed."""
Row = Mapping[str, str]
Group = frozenset[tuple[str, str]]


def manifests(*systems: str) -> dict[str, str]:
    return {s: (MANIFESTS / f"{s}.yaml").read_text(encoding="utf-8") for s in systems}


def citizen(number: int, birth: str = "19800101") -> str:
    """A valid citizen number of the area code that does not exist; odd numbers are men."""
    body = f"420199{birth}{number:03d}"
    return body + check_digit(body)


def flat(number: int) -> str:
    return f"武昌区中南路街道武珞路{number}号3栋2单元501室"


def row(key: str, name: str, **values: str) -> Row:
    return {"id": key, "name": name, "changed": "2026-10-01 10:00:00", **values}


@dataclass
class Town:
    """An installation whose source files a test writes."""

    home: Home

    def write(self, system: str, rows: Iterable[Row], file: str = "data.csv") -> Path:
        path = self.home.systems / system / file
        path.parent.mkdir(exist_ok=True)
        with path.open("w", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(out, COLUMNS, restval="")
            writer.writeheader()
            writer.writerows(rows)
        return path

    def query(self, sql: str, *values: object) -> list[dict[str, Any]]:
        with psycopg.connect(self.home.database.dsn(), row_factory=dict_row) as connection:
            teach(connection, self.home.seals)  # as every reader of ours
            return connection.execute(sql.encode(), values).fetchall()

    def ids(self, entity_type: str = "person") -> dict[Group, str]:
        """Which records are one entity -> its master id."""
        rows = self.query(
            "SELECT master_id::text AS id, system_id, record_key FROM crosswalk WHERE entity_type = %s", entity_type
        )
        groups: dict[str, set[tuple[str, str]]] = {}
        for r in rows:
            groups.setdefault(r["id"], set()).add((r["system_id"], r["record_key"]))
        return {frozenset(records): master for master, records in groups.items()}

    def id_of(self, system: str, key: str, entity_type: str = "person") -> str:
        return next(master for group, master in self.ids(entity_type).items() if (system, key) in group)

    def golden(self, entity_type: str = "person") -> dict[Group, dict[str, Any]]:
        """Which records are one entity -> its golden values with provenance (no ids: they are minted)."""
        rows = {str(r["master_id"]): r for r in self.query(f"SELECT * FROM {entity_type}")}
        ids = self.ids(entity_type)
        assert set(rows) == set(ids.values())  # every entity has a golden record and the other way round
        names = [*ENTITIES[entity_type].names, "provenance"]  # type: ignore[index]
        return {group: {n: rows[i][n] for n in names if rows[i][n] is not None} for group, i in ids.items()}

    def person(self, system: str, key: str) -> dict[str, Any]:
        return self.query("SELECT * FROM person WHERE master_id = %s", self.id_of(system, key))[0]

    def outbox(self, columns: str = "system_id, record_key, operation, state, changes") -> list[tuple[Any, ...]]:
        return [tuple(r.values()) for r in self.query(f"SELECT {columns} FROM outbox ORDER BY system_id, change_id")]

    def changes(self, state: str = "planned") -> set[tuple[str, str | None, str, str | None, str]]:
        """Open changes as (system, record, field, old, new)."""
        return {
            (system, key, c["field"], c["old"], c["new"])
            for system, key, _, found, changes in self.outbox()
            for c in changes
            if found == state
        }

    def whole(self) -> dict[str, Any]:
        """Everything the master says that does not depend on minted ids or times of runs."""
        ids = {master: sorted(group) for e in ENTITIES for group, master in self.ids(e).items()}
        links = [
            (link, ids[str(r["left_id"])], ids[str(r["right_id"])], r["relation"], r["system_id"], r["record_key"])
            for link in ("person_house", "person_organisation", "organisation_house", "person_person")
            for r in self.query(f"SELECT * FROM {link}")
        ]
        return {"links": sorted(map(str, links)), **{e: self.golden(e) for e in ENTITIES}}


def records(rows: Sequence[tuple[str, str]]) -> Group:
    return frozenset(rows)


WANG, LI = citizen(11), citizen(24, "20180601")
"""The persons of `with_files`."""


def with_files(town: Town) -> Town:
    """Two persons in three systems, who are spelled in several ways and live at two doors."""
    town.write("ybss", [
        row("Y1", "王伟", id_number=WANG, phone="13900000001", home=flat(1), religion="10"),
        row("Y2", "李小红", id_number=LI, phone="13900000002", home=flat(2)),
    ])  # fmt: skip
    town.write("sg_etong", [
        row("G1", "王玮", id_number=WANG, phone="13900000009", home="武汉市" + flat(1)),
        row("G2", "李小红", phone="13900000002", home=flat(2)),
    ])  # fmt: skip
    town.write("volunteer", [row("V1", "王伟", id_number=WANG, phone="13900000001", ethnicity="汉")])
    return town

"""A few people, houses and a firm at places of two grids, as golden records (people.tsv)."""

import csv
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from onefact.home import Home
from warehouse.tables import ADDRESS_NODE, ADDRESS_POINT, ENTITY_GRID, METADATA

PEOPLE = Path(__file__).parent.parent / "fixtures" / "forms" / "people.tsv"


def people() -> list[dict[str, str]]:
    with PEOPLE.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def settle_town(home: Home) -> dict[str, str]:
    """Load everything; returns name -> master id."""
    ids: dict[str, str] = {}
    with home.engine.begin() as connection:
        town = _Town(connection)
        for row in people():
            told = {n: v for n, v in row.items() if v and n not in {"grid", "case"}}
            node = town.place(row["residence_address"], row["grid"])
            ids[row["name"]] = town.add("person", told, {"residence_address": node})
        for i, (address, status) in enumerate([("示范路1号1栋1单元101室", "1"), ("示范路1号1栋1单元102室", "2")]):
            told = {
                "address": address,
                "status": status,
                "house_code": f"H{i}",
                "usage": "01",
                "owner_name": "钱老",
                "area_m2": "88.50",
            }
            ids[address] = town.add("house", told, {"address": town.place(address, "G1")})
        told = {
            "name": "武汉示范副食店",
            "address": "示范路1号",
            "phone": "13800000077",
            "status": "01",
            "org_class": "03",
        }
        ids["武汉示范副食店"] = town.add("organisation", told, {"address": town.place("示范路1号", "G1")})
    return ids


class _Town:
    def __init__(self, connection: sa.Connection) -> None:
        self.connection, self.made, self.places, self.grids = connection, 0, {}, {}

    def _id(self) -> str:
        self.made += 1
        return f"00000000-0000-7000-8000-{self.made:012}"

    def place(self, address: str, grid: str) -> str:
        if address not in self.places:
            node, golden = self._id(), self._id()
            room = address.endswith("室")
            parts: dict[str, Any] = {
                "community": "示范社区",
                "street": "示范街道",
                "building": "1栋",
                "unit": "1单元",
                "room": address[-4:],
            }
            self.connection.execute(
                sa.insert(METADATA.tables["address"]).values(
                    master_id=golden,
                    full_text=address,
                    grid_code=grid,
                    provenance={},
                    run_id="t",
                    **(parts if room else {}),
                )
            )
            self.connection.execute(
                sa.insert(ADDRESS_NODE).values(
                    node_id=node,
                    level="room" if room else "plate",
                    name=address[-4:],
                    full_text=address,
                    master_id=golden,
                )
            )
            self.places[address], self.grids[node] = node, grid
            self._point("address", golden, "full_text", node)
        return str(self.places[address])

    def add(self, entity: str, told: dict[str, str], points: dict[str, str]) -> str:
        master = self._id()
        source = dict.fromkeys(told, f"ybss|{master}|{entity}|2026-01-01T00:00:00")
        self.connection.execute(
            sa.insert(METADATA.tables[entity]).values(master_id=master, provenance=source, run_id="t", **told)
        )
        for field, node in points.items():
            self._point(entity, master, field, node)
        return master

    def _point(self, entity: str, master: str, field: str, node: str) -> None:
        self.connection.execute(
            sa.insert(ADDRESS_POINT).values(entity_type=entity, master_id=master, field=field, node_id=node, exact=True)
        )
        self.connection.execute(
            sa.insert(ENTITY_GRID).values(entity_type=entity, master_id=master, field=field, grid=self.grids[node])
        )

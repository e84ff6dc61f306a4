"""Look into the standard address tree (标准地址树): the way to a place, what lies below it, and how many point there."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import sqlalchemy as sa

from onefact.home import Home
from schemas import address

LEVEL_NAMES: Mapping[str, str] = MappingProxyType({
    "11": "省", "12": "市", "13": "区县", "20": "乡级", "21": "乡", "22": "镇", "23": "街道", "30": "居委会", "31": "社区", "33": "村",
    "41": "路街巷", "42": "小区(院落)", "plate": "门牌", "building": "楼栋", "unit": "单元", "floor": "楼层", "room": "户室",
})  # fmt: skip
"""Level of a node -> its Chinese name (GA/T 2000.32, domain README §1.6)."""

CHOICES = 20
"""Nodes shown when a text fits several."""

_ABOVE = (
    "WITH RECURSIVE way AS (SELECT *, 0 AS up FROM address_node WHERE node_id = CAST(:node AS uuid) "
    "UNION ALL SELECT n.*, w.up + 1 FROM address_node n JOIN way w ON n.node_id = w.parent_id) "
    "SELECT node_id::text, level, name, full_text, master_id::text FROM way ORDER BY up DESC"
)
_BELOW = (
    "WITH RECURSIVE under AS (SELECT node_id FROM address_node WHERE node_id = CAST(:node AS uuid) "
    "UNION ALL SELECT n.node_id FROM address_node n JOIN under u ON n.parent_id = u.node_id) "
    "SELECT p.entity_type, p.field, count(*) FILTER (WHERE p.node_id = CAST(:node AS uuid)), count(*) "
    "FROM address_point p JOIN under USING (node_id) GROUP BY p.entity_type, p.field ORDER BY p.entity_type, p.field"
)


class NoSuchPlace(Exception):
    """No node of the tree is this id or fits this text."""

    def __init__(self, wanted: str) -> None:
        self.wanted = wanted
        super().__init__(
            "标准地址树里没有这个地址。请写得少一些（例如只写小区名），或先运行 onefact consolidate。"
            "  No node fits; write less of the address, or run onefact consolidate first."
        )


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the tree; `master_id` names the golden address that is this place, if there is one."""

    node_id: str
    level: str
    name: str
    full_text: str
    master_id: str | None

    @property
    def level_name(self) -> str:
        """The level in Chinese."""
        return LEVEL_NAMES.get(self.level, self.level)


@dataclass(frozen=True, slots=True)
class Pointing:
    """How many golden records of an entity point with a field at a node itself, and at it or below it."""

    entity_type: str
    field: str
    here: int
    below: int


@dataclass(frozen=True, slots=True)
class Place:
    """A node with the way to it, its children, and who is there; `others` are further nodes that the text fits."""

    path: tuple[Node, ...]
    children: tuple[Node, ...]
    pointing: tuple[Pointing, ...]
    others: tuple[Node, ...]


def look(home: Home, wanted: str) -> Place:
    """Return the node of an id, or the one that a text fits best.

    A text fits a node when all its elements stand in the node's full text in order; of several the shortest is meant.

    Raises:
        NoSuchPlace: nothing fits.
    """
    with home.engine.connect() as connection:
        fitting = _fitting(connection, wanted)
        if not fitting:
            raise NoSuchPlace(wanted)
        node = {"node": fitting[0].node_id}
        path = connection.execute(sa.text(_ABOVE), node).all()
        children = connection.execute(
            sa.text(
                "SELECT node_id::text, level, name, full_text, master_id::text FROM address_node "
                "WHERE parent_id = CAST(:node AS uuid) ORDER BY length(name), name"
            ),
            node,
        ).all()
        pointing = connection.execute(sa.text(_BELOW), node).all()
    return Place(
        tuple(Node(*row) for row in path),
        tuple(Node(*row) for row in children),
        tuple(Pointing(*row) for row in pointing),
        tuple(fitting[1:]),
    )


def _fitting(connection: sa.Connection, wanted: str) -> list[Node]:
    columns = "SELECT node_id::text, level, name, full_text, master_id::text FROM address_node"
    try:
        identity = str(uuid.UUID(wanted))
    except ValueError:
        pass
    else:
        found = connection.execute(sa.text(f"{columns} WHERE node_id = CAST(:node AS uuid)"), {"node": identity}).all()
        return [Node(*row) for row in found]
    exact = connection.execute(sa.text(f"{columns} WHERE full_text = :text"), {"text": wanted}).all()
    if exact:
        return [Node(*row) for row in exact]
    row = address.parse([wanted]).to_pylist()[0]
    # The room tells its floor, which the tree leaves out.
    said = [row[name] for name in address.COLUMNS if row[name] and name not in {"note", "floor"}] or [wanted]
    pattern = "%" + "%".join(part.replace("\\", "").replace("%", "").replace("_", "") for part in said)
    found = connection.execute(
        sa.text(f"{columns} WHERE full_text LIKE :text ORDER BY length(full_text), full_text LIMIT :most"),
        {"text": pattern, "most": CHOICES},
    ).all()
    return [Node(*row) for row in found]

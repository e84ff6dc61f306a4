"""The tree of standard addresses (标准地址树) and who is where in it."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import UUID

from warehouse.tables.metadata import METADATA

ADDRESS_NODE = sa.Table(
    "address_node",
    METADATA,
    sa.Column("node_id", UUID(as_uuid=False), primary_key=True, comment="derived from the path"),
    sa.Column("parent_id", UUID(as_uuid=False), index=True),
    sa.Column("level", sa.String(10), nullable=False, comment="GA/T 2000.32, or plate, building, unit, floor, room"),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("full_text", sa.Text, nullable=False, index=True),
    sa.Column("master_id", UUID(as_uuid=False), comment="the golden address that is this node"),
    comment="标准地址树: one row for each element on the way to a place that somebody is at",
)

ADDRESS_POINT = sa.Table(
    "address_point",
    METADATA,
    sa.Column("entity_type", sa.String(20), primary_key=True),
    sa.Column("master_id", UUID(as_uuid=False), primary_key=True),
    sa.Column("field", sa.String(60), primary_key=True),
    sa.Column("node_id", UUID(as_uuid=False), nullable=False, index=True),
    sa.Column(
        "exact", sa.Boolean, nullable=False, comment="false: somewhere below this node, the address does not say where"
    ),
    comment="地址落点: where each golden person, house, organisation and address is in the tree",
)

"""PostgreSQL tables of the golden records and their links, derived from the declaration."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, UUID

from schemas.entities import ENTITIES, LINKS
from schemas.model import Entity, Field, Link


def column_type(field: Field) -> sa.types.TypeEngine[Any]:
    """Return the column type of a field: dates and numbers typed, everything else text of its declared length.

    What is sealed is text of any length, whatever its kind.
    """
    match "text" if field.sealed else field.kind:
        case "date":
            return sa.Date()
        case "datetime":
            return sa.DateTime()
        case "integer":
            return sa.Integer()
        case "decimal":
            return sa.Numeric(32 if field.scale == 8 else 18, field.scale or 0)
        case "boolean":
            return sa.String(1)
        case _:
            return sa.String(None if field.sealed else field.length)


def as_text(field: Field, of: str = "") -> str:
    """Return the PostgreSQL SQL of a golden field as canonical text: `85.5`, not the `85.50` of its column type.

    Args:
        field: the field.
        of: alias of its table; none when not given.
    """
    name = f'{of}."{field.name}"' if of else f'"{field.name}"'
    if field.sealed:
        return f"{name}::text"
    match field.kind:
        case "decimal":
            return f"trim_scale({name})::text"
        case "datetime":
            return f"to_char({name}, 'YYYY-MM-DD\"T\"HH24:MI:SS')"
        case _:
            return f"{name}::text"


def golden_table(entity: Entity, metadata: sa.MetaData) -> sa.Table:
    """Return the table of an entity's golden records (主数据表).

    Beside the master fields: `master_id`, `provenance` (field -> `system|record key|observed at` of the winning claim),
    `version` (counts changes, the base of optimistic locking), `run_id` (the run that wrote it last).
    """
    return sa.Table(
        entity.name,
        metadata,
        sa.Column("master_id", UUID(as_uuid=False), primary_key=True),
        *(sa.Column(f.name, column_type(f), comment=f.cn) for f in entity.fields),
        sa.Column("provenance", JSONB, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        sa.Column("run_id", sa.String(40), nullable=False),
        sa.Index(f"{entity.name}_run", "run_id", "master_id"),  # what a run wrote, for those who follow the changes
        comment=entity.cn,
    )


def link_table(link: Link, metadata: sa.MetaData) -> sa.Table:
    """Return the table of a relation (关联表): who is related to what, by which record, since when."""
    return sa.Table(
        link.name,
        metadata,
        sa.Column("left_id", UUID(as_uuid=False), primary_key=True),
        sa.Column("right_id", UUID(as_uuid=False), primary_key=True),
        sa.Column("relation", sa.String(30), primary_key=True),
        sa.Column("system_id", sa.String(60), nullable=False),
        sa.Column("record_key", sa.String(200), nullable=False),
        sa.Column("valid_from", sa.String(30)),
        sa.Column("valid_to", sa.String(30)),
        comment=link.cn,
    )


def master_metadata(schema: str | None = None) -> sa.MetaData:
    """Return the metadata with all golden and link tables."""
    metadata = sa.MetaData(schema=schema)
    for entity in ENTITIES.values():
        golden_table(entity, metadata)
    for link in LINKS:
        link_table(link, metadata)
    return metadata

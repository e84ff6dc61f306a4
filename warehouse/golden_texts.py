"""Golden values as canonical text, for a few entities (取主数据文本): what the master says of them now."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from schemas.entities import ENTITIES
from schemas.model import EntityType
from warehouse.publish import as_text


def golden_texts(engine: sa.Engine, wanted: Sequence[tuple[EntityType, str]]) -> dict[str, dict[str, str | None]]:
    """Return master id -> field -> text of the entities that are alive; a merged or ended one is missing."""
    found: dict[str, dict[str, str | None]] = {}
    with engine.connect() as connection:
        for entity_type, entity in ENTITIES.items():
            ids = sorted({i for e, i in wanted if e == entity_type})
            if not ids:
                continue
            columns = ", ".join(f'{as_text(f)} AS "{f.name}"' for f in entity.fields)
            query = sa.text(
                f"SELECT master_id::text AS master_id, {columns} FROM {entity_type} WHERE master_id = ANY(:ids)"
            )
            rows = connection.execute(query.bindparams(sa.bindparam("ids", ids, ARRAY(UUID(as_uuid=False))))).mappings()
            found |= {str(r["master_id"]): {f.name: r[f.name] for f in entity.fields} for r in rows}
    return found

"""Which record each golden value of a change comes from: the provenance that the master keeps."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from schemas.model import EntityType
from schemas.records import Change
from warehouse.tables import METADATA, OUTBOX

Source = tuple[str, EntityType, str]
"""(system, entity, role) of the record that gave a golden value."""


def sources_of(engine: sa.Engine, changes: Sequence[Change]) -> dict[str, dict[str, Source]]:
    """Return change id -> field -> where its golden value comes from."""
    found: dict[str, dict[str, Source]] = {}
    with engine.connect() as connection:
        for entity_type in dict.fromkeys(change.entity_type for change in changes):
            table = METADATA.tables[entity_type]
            ids = [int(c.change_id) for c in changes if c.entity_type == entity_type]
            query = (
                sa.select(OUTBOX.c.change_id, table.c.provenance)
                .join(table, table.c.master_id == OUTBOX.c.master_id)
                .where(OUTBOX.c.change_id.in_(ids))
            )
            for change_id, provenance in connection.execute(query):
                found[str(change_id)] = {name: _source(ref, entity_type) for name, ref in (provenance or {}).items()}
    return found


def _source(ref: str, entity_type: EntityType) -> Source:
    """Read `system|key|role|observed`; the key may hold bars itself."""
    parts = ref.split("|")
    return (parts[0], entity_type, parts[-2])

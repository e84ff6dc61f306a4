"""Golden records before they are published (待发布主数据), as tables of PostgreSQL: what a gate inside the database can look at."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from schemas.entities import ENTITIES
from schemas.model import EntityType
from warehouse.transfer import Transfer


def table_of(entity_type: EntityType) -> str:
    """Return the name of the table of candidates of an entity."""
    return f"candidate_{entity_type}"


class Candidates(Transfer):
    """Writes candidates; they are visible to others when the block ends, and must be dropped by whoever looked at them."""

    def put(self, entity_type: EntityType, changed: str, fields: Collection[str], numbers: Collection[str] = ()) -> int:
        """Write the golden records of a relation; return how many.

        Args:
            entity_type: which entity.
            changed: the relation, as `golden_<entity>`.
            fields: what is looked at; nothing else is written, and nothing that the master holds encrypted.
            numbers: fields to compare as numbers; all others are text, which is what they are in the warehouse too.
        """
        names = [n for n in ENTITIES[entity_type].names if n in fields]
        types = "".join(f', "{n}" {"double precision" if n in numbers else "text"}' for n in names)
        name = table_of(entity_type)
        self._execute(f"DROP TABLE IF EXISTS {name}")
        self._execute(f"CREATE UNLOGGED TABLE {name} (master_id text PRIMARY KEY{types})")
        columns = "".join(f', "{n}"' for n in names)
        return self._copy(name, f"SELECT master_id::VARCHAR AS master_id{columns} FROM {changed}")


def drop(engine: sa.Engine) -> None:
    """Drop all tables of candidates: they hold personal data, and nobody needs them twice."""
    with engine.begin() as connection:
        for entity_type in ENTITIES:
            connection.execute(sa.text(f"DROP TABLE IF EXISTS {table_of(entity_type)}"))

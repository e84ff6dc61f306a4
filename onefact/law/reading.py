"""What may be read (读取授权): fields whose line was revoked or ran out are emptied before anything sees them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pyarrow as pa

from connectors.base import NotAllowed
from connectors.manifest import Manifest
from connectors.mapping import Decoded
from schemas.model import EntityType

Authorised = Callable[[str, EntityType, str], bool]
"""(system, entity, field) -> whether it may be read today."""


def may_read(manifest: Manifest, authorised: Authorised) -> None:
    """Raise `NotAllowed` when no field of a system may be read any more."""
    mapped = _mapped(manifest)
    if mapped and not any(authorised(manifest.id, *one) for one in mapped):
        remedy = f"`onefact law list {manifest.id} --all` tells who ended it, and why."
        raise NotAllowed(manifest.id, "authorisation register", "reading it is not authorised any more", remedy)


def without_unauthorised(manifest: Manifest, decoded: Decoded, authorised: Authorised) -> Decoded:
    """Return a decoded page with the fields emptied that may not be read."""
    withheld = [one for one in _mapped(manifest) if not authorised(manifest.id, *one)]
    if not withheld:
        return decoded
    tables = dict(decoded.tables)
    for entity_type, name in withheld:
        if entity_type in tables:
            table = tables[entity_type]
            empty = pa.nulls(table.num_rows, pa.string())
            tables[entity_type] = table.set_column(table.schema.get_field_index(name), name, empty)
    return replace(decoded, tables=tables)


def _mapped(manifest: Manifest) -> list[tuple[EntityType, str]]:
    found = {
        (entity.type, name): None
        for dataset in manifest.datasets
        for entity in dataset.entities
        for name, mapped in entity.fields.items()
        if mapped.readable
    }
    return list(found)

"""What may be read (读取授权): fields whose line was revoked or ran out are emptied before anything sees them."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from connectors.base import NotAllowed
from connectors.manifest import Manifest
from connectors.mapping import Decoded, decode
from onefact.law.register import Authorised
from schemas.model import EntityType


def may_read(manifest: Manifest, authorised: Authorised) -> None:
    """Raise `NotAllowed` when no field of a system may be read any more."""
    mapped = _mapped(manifest)
    if mapped and not any(authorised(manifest.id, *one) for one in mapped):
        remedy = f"`onefact law list {manifest.id} --all` tells who ended it, and why."
        raise NotAllowed(manifest.id, "authorisation register", "reading it is not authorised any more", remedy)


def decode_lawful(manifest: Manifest, rows: pa.Table, dataset: str, read_at: str, authorised: Authorised) -> Decoded:
    """Decode raw rows, without the fields that may not be read; every reading of a system or of its landed rows goes here."""
    decoded = decode(rows, manifest, dataset, read_at)
    withheld = [one for one in _mapped(manifest) if not authorised(manifest.id, *one)]
    if not withheld:
        return decoded
    tables, hints = dict(decoded.tables), decoded.hints
    for entity_type, name in withheld:
        about = pc.and_(pc.equal(hints["entity_type"], entity_type), pc.equal(hints["field"], name))
        hints = hints.filter(pc.invert(about))
        if entity_type in tables:
            table = tables[entity_type]
            empty = pa.nulls(table.num_rows, pa.string())
            tables[entity_type] = table.set_column(table.schema.get_field_index(name), name, empty)
    return replace(decoded, tables=tables, hints=hints)


def _mapped(manifest: Manifest) -> list[tuple[EntityType, str]]:
    found = {
        (entity.type, name): None
        for dataset in manifest.datasets
        for entity in dataset.entities
        for name, mapped in entity.fields.items()
        if mapped.readable
    }
    return list(found)

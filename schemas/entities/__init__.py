"""The master schema of 一标三实, declared once; everything else is derived from `ENTITIES` and `LINKS`."""

from schemas.entities.address import ADDRESS
from schemas.entities.house import HOUSE
from schemas.entities.links import LINKS
from schemas.entities.organisation import ORGANISATION
from schemas.entities.person import PERSON
from schemas.model import Entity, EntityType

ENTITIES: dict[EntityType, Entity] = {
    "address": ADDRESS,
    "house": HOUSE,
    "organisation": ORGANISATION,
    "person": PERSON,
}
"""Entities in the order in which they are linked: addresses first, persons last."""

__all__ = ["ADDRESS", "ENTITIES", "HOUSE", "LINKS", "ORGANISATION", "PERSON"]

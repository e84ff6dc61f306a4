"""The rules for houses and addresses: the place is the anchor, keys attach where they point at one place only.

A key never overrules an anchor: records at two different places stay apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from schemas.model import EntityType


@dataclass(frozen=True, slots=True)
class Key:
    """An attaching key: a name (stored with each link as its rule) and the field of the record that holds it."""

    name: str
    field: str

    @property
    def column(self) -> str:
        """Column of the state with the number of the key's value."""
        return f"k_{self.name}"


@dataclass(frozen=True, slots=True)
class Rules:
    """How the records of one entity are grouped.

    Attributes:
        address: the field with the address.
        code: the field with a code that identifies: where one place bears several, they are several things.
        depths: depths of a place (`place.depth`) at which such a record can be.
        keys: attaching keys, strongest first.
    """

    entity_type: EntityType
    address: str
    code: str
    depths: tuple[str, ...]
    keys: tuple[Key, ...]


HOUSE: Final = Rules(
    "house",
    address="address",
    code="house_code",
    depths=("site", "building", "unit", "floor", "flat"),
    keys=(Key("house_code", "house_code"), Key("certificate", "property_certificate_no")),
)
"""实有房屋: the place of the address anchors, however it is written; codes attach what has no address or half of one."""

ADDRESS: Final = Rules(
    "address",
    address="full_text",
    code="standard_code",
    depths=("area", "road", "site", "building", "unit", "floor", "flat"),
    keys=(Key("standard_code", "standard_code"),),
)
"""标准地址: the place anchors; the code attaches what could be several places by its text."""

RULES: Final[Mapping[EntityType, Rules]] = {"address": ADDRESS, "house": HOUSE}

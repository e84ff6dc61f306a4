"""The dirt catalogue (脏数据目录) of domain README §1.9: every class by name, what it soils and where it can happen."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from sandbox.lens.dirt import addresses, codes, dates, id_numbers, names, phones, relations, spell
from sandbox.lens.dirt.relations import Mixup
from sandbox.lens.dirt.spell import Dirty
from schemas.model import EntityType

_SHEETS: Final = frozenset({"excel", "sftp_csv", "files"})
_LOOSE: Final = _SHEETS | {"rest", "form", "webhook", "export"}


@dataclass(frozen=True, slots=True)
class Class:
    """One class of dirt on the text of a column.

    Attributes:
        kinds: kinds of columns it soils; `element` is a part of an address, `code` a coded column.
        change: the function.
        channels: integration kinds where it can happen, None = everywhere (a typed date column refuses 90.1.1).
        canonical: True when it rewrites the canonical value and not the system's spelling (dates).
        removes: True when nothing is left; `change` then gives NULL for every value.
    """

    kinds: frozenset[str]
    change: Dirty
    channels: frozenset[str] | None = None
    canonical: bool = False
    removes: bool = False


def _classes(
    kinds: str,
    *functions: Dirty,
    channels: frozenset[str] | None = None,
    canonical: bool = False,
    removes: bool = False,
) -> dict[str, Class]:
    prefix = kinds.split(maxsplit=1)[0]
    return {
        f"{prefix}.{f.__name__}": Class(frozenset(kinds.split()), f, channels, canonical, removes) for f in functions
    }


_UNLISTED: Final = frozenset({"rest", "frontdb", "form", "queue", "webhook", "files"})
"""Channels where a code can be typed past the list; a template's drop-down and a checked file import let none through."""

CLASSES: Final = MappingProxyType(
    _classes("id_number", spell.not_collected, removes=True)
    | _classes("phone", spell.not_collected, removes=True)
    | _classes("id_number", id_numbers.fifteen_digits, id_numbers.lower_case_x, id_numbers.masked)
    | _classes("id_number uscc", id_numbers.full_width_digits, id_numbers.one_digit_wrong, id_numbers.two_digits_swapped)
    | _classes("id_number uscc", id_numbers.grouped_by_spaces)
    | _classes(
        "id_number uscc", id_numbers.leading_apostrophe, id_numbers.trailing_tab, id_numbers.scientific_notation, channels=_SHEETS
    )
    | _classes(
        "name", names.middle_dot_variant, names.space_in_short_name, names.traditional_form, names.homophone,
        names.rare_character_lost, names.head_of_household_note, names.similar_shape, names.character_left_out,
        names.parts_swapped,
    )
    | _classes("date", dates.other_separator, dates.without_zeros, dates.default_date, channels=_LOOSE, canonical=True)
    | _classes("date", dates.two_digit_year, dates.excel_serial, dates.chinese_numerals, channels=_SHEETS, canonical=True)
    | _classes("phone", phones.two_in_a_cell, phones.missing_area_code, phones.plus_eighty_six, phones.grouped)
    | _classes(
        "address", addresses.missing_upper_levels, addresses.district_only, addresses.without_community,
        addresses.committee_for_community, addresses.hyphenated_numbers, addresses.chinese_numerals,
        addresses.storey_and_side, addresses.another_building_word, addresses.estate_alias, addresses.nearby,
    )
    | _classes("element", addresses.bare_number)
    | _classes("code", codes.unknown_code, channels=_UNLISTED)
    | _classes("code", codes.left_empty)
)  # fmt: skip
"""Name (`phone.grouped`) -> class, in the order in which they are drawn."""

MIXUPS: Final = MappingProxyType[str, tuple[EntityType, str, Mixup]](
    {
        "id_number.spouse_id": ("person", "id_number", relations.spouse_id),
        "id_number.guardian_id": ("person", "id_number", relations.guardian_id),
        "name.used_name": ("person", "name", relations.used_name),
        "phone.childs_phone": ("person", "phone", relations.childs_phone),
        "phone.guardians_phone": ("person", "phone", relations.guardians_phone),
        "phone.recycled_phone": ("person", "phone", relations.recycled_phone),
        "birth_date.day_and_month_swapped": ("person", "birth_date", relations.swapped_birth),
        "birth_date.first_of_january": ("person", "birth_date", relations.first_of_january),
        "address.home_by_second_name": ("person", "residence_address", relations.home_by_second_name),
        "address.house_by_second_name": ("house", "address", relations.house_by_second_name),
        "address.place_by_second_name": ("address", "full_text", relations.place_by_second_name),
        "address.shop_sign": ("organisation", "address", relations.shop_sign),
        "organisation.without_region": ("organisation", "name", relations.firm_without_region),
        "organisation.another_form": ("organisation", "name", relations.firm_of_another_form),
        "organisation.by_its_sign": ("organisation", "name", relations.firm_by_its_sign),
    }
)
"""Name -> (entity, field, function) of the mistakes that need another person's facts."""

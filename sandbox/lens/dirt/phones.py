"""Dirt on telephone numbers (电话), one function per class of domain README §1.9."""

from __future__ import annotations

import pyarrow.compute as pc

from sandbox.lens.dirt.spell import Rng, attach
from sandbox.town.draw import Text, digits


def two_in_a_cell(values: Text, rng: Rng) -> Text:
    """A second number behind the first: 16312345678/027-2xxxxxxx."""
    return attach(values, "/027-2", digits(rng.integers(0, 10**7, len(values)), 7))


def missing_area_code(values: Text, rng: Rng) -> Text:  # noqa: ARG001
    """A landline as one dials it in town, without 027."""
    return pc.replace_substring_regex(values, "^027-", "")


def plus_eighty_six(values: Text, rng: Rng) -> Text:  # noqa: ARG001
    """With the country code: +8616312345678."""
    return pc.replace_substring_regex(values, r"^(1\d{10})$", r"+86\1")


def grouped(values: Text, rng: Rng) -> Text:  # noqa: ARG001
    """Written in groups: 163-1234-5678."""
    return pc.replace_substring_regex(values, r"^(1\d{2})(\d{4})(\d{4})$", r"\1-\2-\3")

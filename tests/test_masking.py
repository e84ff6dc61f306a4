"""Masking: record keys that are citizen numbers, in documents for machines."""

from __future__ import annotations

from onefact.masking import mask_keys

NUMBER = "420199198001010115"


def test_record_keys_are_masked_wherever_they_stand_and_nothing_else_is() -> None:
    document = {
        "record_key": NUMBER,
        "title": NUMBER,
        "pairs": [{"left": {"record_key": f"R-{NUMBER}"}}, ({"record_key": "Y1"},)],
        "weight": None,
    }
    masked = "420199********0115"
    assert mask_keys(document) == {
        "record_key": masked,
        "title": NUMBER,
        "pairs": [{"left": {"record_key": f"R-{masked}"}}, [{"record_key": "Y1"}]],
        "weight": None,
    }
    assert document["record_key"] == NUMBER

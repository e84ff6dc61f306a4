"""Before saving: a system whose conditions somebody new does not meet is not promised."""

from __future__ import annotations

from datetime import date

import pytest

from connectors.manifest.model import AgeRange, Condition
from onefact.reach import _fails

TODAY = date(2026, 11, 25)
OLD = Condition(field="birth_date", age=AgeRange(at_least=65))


@pytest.mark.parametrize(
    ("condition", "known", "fails"),
    [
        (OLD, {"birth_date": "1988-03-01"}, True),  # 38 years old
        (OLD, {"birth_date": "1961-11-25"}, False),  # 65 today
        (OLD, {"birth_date": "1961-11-26"}, True),  # 65 tomorrow
        (OLD, {}, False),  # not known: nothing is said
        (Condition(field="sex", one_of=["2"]), {"sex": "1"}, True),
        (Condition(field="sex", equals="2"), {"sex": "2"}, False),
        (Condition(field="registered_address", starts_with="湖北"), {"registered_address": "河南省"}, True),
    ],
)
def test_a_condition_is_decided_by_what_is_known(condition: Condition, known: dict[str, str], fails: bool) -> None:
    assert _fails(condition, known, TODAY) is fails

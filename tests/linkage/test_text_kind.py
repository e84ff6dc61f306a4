"""Latin texts with slips of typing: levels that anybody can check, and the laws that hold for any text."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linkage.evidence.texts import LEVELS, compare

WORDS = st.one_of(st.none(), st.text("abcdé 12", max_size=8))


def level(one: str | None, other: str | None) -> str | None:
    return compare(pa.array([one], pa.string()), pa.array([other], pa.string()))[0].as_py()


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("mccarthy", "mccarhty", "one_edit"),  # neighbours exchanged
        ("mccarthy", "mcarthy", "one_edit"),
        ("4220", "4221", "one_edit"),
        ("pridhamstreet", "pridham sttreet", "jw_92"),
        ("wilshire street", "wilshiredstret", "jw_92"),
        ("hoseason", "hosesn st", "jw_80"),
        ("green", "webb", None),
        ("7", "8", None),  # of one character nothing is left to recognise
        ("green", None, None),
    ],
)
def test_levels(one: str, other: str, expected: str | None) -> None:
    assert level(one, other) == expected


@given(st.lists(st.tuples(WORDS, WORDS), max_size=30))
def test_levels_do_not_depend_on_the_side_or_the_company(pairs: list[tuple[str | None, str | None]]) -> None:
    left, right = (pa.array([p[i] for p in pairs], pa.string()) for i in (0, 1))
    said = compare(left, right).to_pylist()
    assert said == compare(right, left).to_pylist()
    assert said == [level(one, other) for one, other in pairs]
    assert set(said) <= {None, *LEVELS}


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="1 values cannot be compared with 2"):
        compare(pa.array(["a"]), pa.array(["a", "b"]))

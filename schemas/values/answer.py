"""`Answer`: what the function of each kind gives back, and how rows become one."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from schemas.identifiers import columns

Row = tuple[str | None, str | None, str | None]
"""(value, issue, warning) of one text; issue and warning without the kind in front."""

NOTHING = pa.scalar(None, pa.string())


class Answer(NamedTuple):
    """Three string arrays of the same length as the column asked about."""

    value: pa.StringArray
    issue: pa.StringArray
    warning: pa.StringArray


def each(column: pa.StringArray, work: Callable[[str], Row]) -> Answer:
    """Run `work` on every text of a column of distinct texts."""
    rows = [work(text) for text in column.to_pylist()]
    value, issue, warning = zip(*rows, strict=True) if rows else ((), (), ())
    return Answer(pa.array(value, pa.string()), pa.array(issue, pa.string()), pa.array(warning, pa.string()))


def unless(column: pa.StringArray, canonical: str, work: Callable[[str], Row]) -> Answer:
    """Keep the texts that match `canonical` as they are, all at once; run `work` on the others."""
    done = columns.matches(column, canonical)
    value, issue, warning = (columns.where(~done, part) for part in each(column.filter(pa.array(~done)), work))
    return Answer(pc.if_else(pa.array(done), column, value), issue, warning)


def limited(answer: Answer, length: int | None) -> Answer:
    """Refuse values longer than the field; cutting one would make a different, plausible-looking value."""
    if length is None:
        return answer
    long = pc.fill_null(pc.greater(pc.utf8_length(answer.value), length), False)
    return Answer(
        pc.if_else(long, NOTHING, answer.value),
        pc.if_else(long, "too_long", answer.issue),
        pc.if_else(long, NOTHING, answer.warning),
    )

"""Whose number is it? A number on a row whose name has nothing in common with the number's other rows is another's.

The spouse's or guardian's number on a row is everyday dirt (domain README §1.9). The row is judged by its other evidence,
and neither the number nor what was read out of it (kind of document, birth date, sex) is a claim about the person of the
row. Only a clear majority may outvote a row, and a former name (曾用名) is no other name.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from linkage import names
from linkage.engine import Engine

FROM_ID_NUMBER: Final = ("id_type", "id_number", "birth_date", "sex")
"""Fields of a person that a citizen number carries: where it is somebody else's, so are they."""

MAJORITY: Final = 2
"""The commonest name of a number must have more than this many times the rows of a name that it outvotes."""

STRANGER: Final = pa.schema([("name", pa.string()), ("top", pa.string())])


def find_foreign(engine: Engine) -> None:
    """Make the table `foreign_rid` (rid) from `numbered` (rid, number, name, used): rows whose number is another's."""
    engine.table(
        "disputed",
        "SELECT number FROM numbered WHERE name IS NOT NULL GROUP BY number HAVING min(name) <> max(name)",
    )
    engine.table(
        "vote",
        "SELECT v.number, v.name, count(*) AS n FROM numbered v JOIN disputed d ON d.number = v.number "
        "WHERE v.name IS NOT NULL GROUP BY v.number, v.name",
    )
    engine.table(
        "outvoted",
        "SELECT v.number, v.name, t.name AS top FROM vote v JOIN (SELECT number, name, n, row_number() OVER "
        "(PARTITION BY number ORDER BY n DESC, name DESC) AS place FROM vote) t ON t.number = v.number AND t.place = 1 "
        f"LEFT JOIN (SELECT DISTINCT number, used FROM numbered WHERE used IS NOT NULL) u ON u.number = v.number AND u.used = v.name "
        f"WHERE v.name <> t.name AND t.n > {MAJORITY} * v.n AND u.used IS NULL",
    )
    engine.apply("stranger", "SELECT DISTINCT name, top FROM outvoted", _strangers, STRANGER)
    engine.table(
        "foreign_rid",
        "SELECT r.rid FROM numbered r JOIN outvoted o ON o.number = r.number AND o.name = r.name "
        "JOIN stranger x ON x.name = o.name AND x.top = o.top WHERE coalesce(r.used, '') <> o.top",
    )
    engine.drop("disputed", "vote", "outvoted", "stranger")


def _strangers(pairs: pa.Table) -> pa.Table:
    """Return the pairs of names of different people: no character shared but a family name, and no sound of the given name.

    李军 and 李君 may be one person written by two hands, 陈波 and 陈知辰 may not.
    """
    one, other = pairs["name"].combine_chunks(), pairs["top"].combine_chunks()
    far = pc.is_in(names.compare(one, other), pa.array(["surname_only", "different"]))
    pairs = pairs.filter(far)
    sides = [names.standardise(pairs[c].combine_chunks()) for c in ("name", "top")]
    apart = [
        _apart(a, b)
        for a, b in zip(sides[0].to_pylist(), sides[1].to_pylist(), strict=True)  # distinct pairs in dispute are few
    ]
    return pairs.filter(pa.array(np.array(apart, bool)))


def _apart(one: dict[str, str | None], other: dict[str, str | None]) -> bool:
    same_surname = one["surname"] is not None and one["surname"] == other["surname"]
    skip = 1 if same_surname else 0
    shared = set((one["folded"] or "")[skip:]) & set((other["folded"] or "")[skip:])
    sounds = set((one["pinyin_fuzzy"] or "").split()[skip:]) & set((other["pinyin_fuzzy"] or "").split()[skip:])
    if same_surname:
        return not shared and not sounds
    return not shared and one["pinyin_fuzzy"] != other["pinyin_fuzzy"]

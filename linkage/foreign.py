"""Whose number is it? A number on a row of somebody else (误用他人证号) names nobody on that row.

The spouse's number on a row, the mother's on her child's, is everyday dirt (domain README §1.9). Two signs tell it, when a
number stands beside several names: the name of the row has a number of its own elsewhere, at the same phone or home; or
the name has nothing in common with the number's other rows, by a clear majority, nor have phone and home (or not even
the family name). A former name
(曾用名) is no other name. The row is then judged by its other evidence, and neither the number nor what was read out of it
(kind of document, birth date, sex) is a claim about its person.
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

STRANGER: Final = pa.schema([("name_text", pa.string()), ("top_text", pa.string())])
"""Pairs of names of different people."""


def find_foreign(engine: Engine, *, rows: str, numbers: str | None = None) -> None:
    """Make the table `foreign_rid` (rid): rows whose number is another's.

    Args:
        engine: where the tables are.
        rows: relation of all records (rid, number, name_folded, name_sound, name_surname, name_used, name_text, phone,
            residence_flat).
        numbers: relation (number) of the numbers in question; None = all.
    """
    limit = f" AND number IN (SELECT number FROM {numbers})" if numbers else ""
    engine.table("numbered", f"{_SAID} FROM {rows} WHERE number IS NOT NULL{limit}")
    engine.table(
        "disputed",
        "SELECT number FROM numbered WHERE name IS NOT NULL GROUP BY number HAVING min(name) <> max(name)",
    )
    engine.table(
        "vote",
        "SELECT v.number, v.name, count(*) AS n, min(v.name_text) AS name_text, min(v.surname) AS surname FROM numbered v JOIN disputed d ON d.number = v.number "
        "WHERE v.name IS NOT NULL AND NOT EXISTS (SELECT 1 FROM numbered u WHERE u.number = v.number AND u.used = v.name) "
        "GROUP BY v.number, v.name",
    )
    engine.table(
        "ranked",
        "SELECT number, name, name_text, surname, n, row_number() OVER (PARTITION BY number ORDER BY n DESC, name_text DESC) AS place FROM vote",
    )
    everybody = "numbered" if numbers is None else f"({_SAID} FROM {rows} WHERE number IS NOT NULL)"
    _elsewhere(engine, everybody)
    _outvoted(engine)
    engine.table(
        "foreign_rid",
        "SELECT r.rid FROM numbered r JOIN elsewhere e ON e.number = r.number AND e.name = r.name "
        "UNION SELECT r.rid FROM numbered r JOIN outvoted o ON o.number = r.number AND o.name = r.name "
        "JOIN stranger x ON x.name_text = o.name_text AND x.top_text = o.top_text WHERE r.used IS NULL OR r.used <> o.top",
    )
    engine.drop("numbered", "disputed", "vote", "ranked", "doubt", "elsewhere", "outvoted", "stranger")


_SAID = "SELECT rid, number, name_folded AS name, name_sound AS sound, name_surname AS surname, name_used AS used, phone, residence_flat AS flat, name_text"
"""What a row says about its number's holder; all codes but the text."""


def _elsewhere(engine: Engine, everybody: str) -> None:
    """Make `elsewhere` (number, name): names in dispute that have a number of their own at the same phone or home.

    The sound decides (杨皓雨 typed for 杨浩宇). One name of each number stays: the commonest, if all have another number.
    """
    engine.table("doubt", "SELECT v.* FROM numbered v JOIN ranked k ON k.number = v.number AND k.name = v.name")
    engine.table(
        "elsewhere",
        "WITH own AS (SELECT DISTINCT d.number, d.name FROM doubt d "
        f"JOIN (SELECT e.* FROM {everybody} e WHERE e.sound IN (SELECT sound FROM doubt)) o ON o.sound = d.sound "
        "AND o.number <> d.number AND (o.phone = d.phone OR o.flat = d.flat) "
        # A row that is itself in dispute speaks for a number only where its name is the number's commonest.
        "LEFT JOIN ranked k ON k.number = o.number AND k.name = o.name WHERE k.place IS NULL OR k.place = 1), "
        "left_over AS (SELECT k.number, count(*) AS n FROM ranked k LEFT JOIN own w ON w.number = k.number AND w.name = k.name "
        "WHERE w.name IS NULL GROUP BY k.number) "
        "SELECT w.number, w.name FROM own w JOIN ranked k ON k.number = w.number AND k.name = w.name "
        "LEFT JOIN left_over l ON l.number = w.number WHERE l.n IS NOT NULL OR k.place > 1",
    )


def _outvoted(engine: Engine) -> None:
    """Make `outvoted` (number, name, top) and `stranger` (name_text, top_text): names that a clear majority of rows stands against."""
    engine.table(
        "outvoted",
        "SELECT v.number, v.name, t.name AS top, v.name_text, t.name_text AS top_text FROM ranked v JOIN ranked t ON t.number = v.number AND t.place = 1 "
        f"WHERE v.name <> t.name AND t.n > {MAJORITY} * v.n "
        # Who is renamed keeps phone, home and, nearly always, the family name.
        "AND (v.surname <> t.surname OR NOT EXISTS (SELECT 1 FROM doubt a JOIN doubt b "
        "ON b.number = a.number AND (b.phone = a.phone OR b.flat = a.flat) "
        "WHERE a.number = v.number AND a.name = v.name AND b.name = t.name))",
    )
    engine.apply("stranger", "SELECT DISTINCT name_text, top_text FROM outvoted", _strangers, STRANGER)


def _strangers(pairs: pa.Table) -> pa.Table:
    """Return the pairs of names of different people: no character shared but a family name, and no sound of the given name.

    李军 and 李君 may be one person written by two hands, 陈波 and 陈知辰 may not.
    """
    one, other = pairs["name_text"].combine_chunks(), pairs["top_text"].combine_chunks()
    far = pc.is_in(names.compare(one, other), pa.array(["surname_only", "different"]))
    pairs = pairs.filter(far)
    sides = [names.standardise(pairs[c].combine_chunks()) for c in ("name_text", "top_text")]
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

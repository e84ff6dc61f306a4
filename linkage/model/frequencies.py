"""How common full names are (姓名词频), within sex and birth decade, and what that adds to or takes from a match weight.

Few surnames and short names: an equal name alone says little, and 建国 says less of somebody born in 1950 than in 2010.
"""

from __future__ import annotations

from importlib.resources import files
from math import log2
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from linkage.model.schema import Comparison, Model

SCHEMA: Final = pa.schema(
    [("folded", pa.string()), ("sex", pa.string()), ("decade", pa.string()), ("share", pa.float64())]
)
"""folded name; sex '1', '2' or '' = any; decade '198' or '' = any; share of the people of that sex and decade."""


def read(path: Path | None, name: str) -> pa.Table:
    """Return the frequencies of a model: the file beside a trained one, or that of the shipped one (empty if none)."""
    source = path if path is not None else files(__package__).joinpath("shipped", f"{name}.frequencies.csv")
    if not source.is_file():
        return SCHEMA.empty_table()
    options = csv.ConvertOptions(column_types=SCHEMA, strings_can_be_null=False)
    with source.open("rb") as file:
        return csv.read_csv(file, convert_options=options)


def counted(con: duckdb.DuckDBPyConnection, records: str, names: str, *, floor: float, fewest: int = 3) -> pa.Table:
    """Return the frequencies of full names (`SCHEMA`), within sex and birth decade, within either alone, and among all.

    A person with a valid identifier counts once, with the name that most of the records say; records without one count
    each. A share rests on at least `fewest` people: what one family is called is no frequency.

    Args:
        con: where the relations are.
        records: standardised persons that are to be counted, with `label` (NULL where there is none).
        names: forms of every name (text, folded).
        floor: share below which a name counts as no rarer, so that it needs no row.
        fewest: people of a name, sex and decade from which on a row is written.
    """
    sex, decade = "CASE WHEN s.sex IN ('1', '2') THEN s.sex ELSE '' END", "coalesce(substr(s.birth_date, 1, 3), '')"
    return con.execute(
        f"WITH record AS (SELECT coalesce(s.label::VARCHAR, s.system_id || '/' || s.record_key || '/' || s.role) AS who, "
        f"n.folded, {sex} AS sex, {decade} AS decade FROM {records} s JOIN {names} n ON n.text = s.name "
        "WHERE n.folded IS NOT NULL), "
        "said AS (SELECT who, folded, sex, decade FROM record GROUP BY who, folded, sex, decade QUALIFY row_number() "
        "OVER (PARTITION BY who ORDER BY count(*) DESC, folded, sex DESC, decade DESC) = 1), "
        "cell AS (SELECT folded, coalesce(sex, '') AS sex, coalesce(decade, '') AS decade, count(*) AS n, "
        "grouping(folded) AS whole FROM said "
        "GROUP BY GROUPING SETS ((folded, sex, decade), (folded, sex), (folded, decade), (folded), (sex, decade), (sex), (decade), ())"
        ") SELECT 1",
    ).to_arrow_table()


def rarity(model: Model, comparison: Comparison, frequencies: pa.Table) -> pa.Table:
    """Return (folded, sex, decade, rarity): what each name's frequency adds to the weight of an equal name, log2 units."""
    entry = next(level for level in comparison.levels if level.u)
    frequency = comparison.frequency
    if frequency is None:
        raise ValueError(f"the model {model.entity} does not correct {comparison.name} by term frequency")
    share = pc.max_element_wise(frequencies["share"], frequency.floor)
    bonus = pc.min_element_wise(pc.subtract(log2(entry.u or 1.0), pc.log2(share)), frequency.greatest)
    return frequencies.select(["folded", "sex", "decade"]).append_column("rarity", bonus)


def rarest(comparison: Comparison) -> float:
    """Return what a name that is in no table adds: it is as rare as the floor."""
    frequency = comparison.frequency
    entry = next((level for level in comparison.levels if level.u), None)
    if frequency is None or entry is None or not entry.u:
        return 0.0
    return min(frequency.greatest, log2(entry.u) - log2(frequency.floor))

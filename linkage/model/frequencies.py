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

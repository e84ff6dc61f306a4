"""How common full names are (姓名词频), within sex and birth decade, and what that adds to or takes from a match weight.

Few surnames and short names: an equal name alone says little, and 建国 says less of somebody born in 1950 than in 2010.
"""

from __future__ import annotations

from importlib.resources import files
from math import log2
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from linkage.model.schema import Comparison, Level, Model, TermFrequency

SCHEMA: Final = pa.schema(
    [("folded", pa.string()), ("sex", pa.string()), ("decade", pa.string()), ("share", pa.float64())]
)
"""folded name; sex '1', '2' or '' = any; decade '198' or '' = any; share of the people of that sex and decade."""

FEWEST: Final = 5
"""People who bear a name from which on it has a frequency; a rarer one counts as the floor."""

STEADY: Final = 500
"""People of average names added to each sex and decade."""


def read(path: Path | None, name: str) -> pa.Table:
    """Return the frequencies of a model: the file beside a trained one, or that of the shipped one (empty if none)."""
    source = path if path is not None else files(__package__).joinpath("shipped", f"{name}.frequencies.csv")
    if not source.is_file():
        return SCHEMA.empty_table()
    options = csv.ConvertOptions(column_types=SCHEMA, strings_can_be_null=False)
    with source.open("rb") as file:
        return csv.read_csv(file, convert_options=options)


def counted(
    con: duckdb.DuckDBPyConnection, records: str, comparable: str, joins: str, by: tuple[str, ...], *, floor: float
) -> pa.Table:
    """Return how common full names are among the people (or organisations) of `records`, as `SCHEMA`, in its order.

    Who has a valid identifier counts once, with the name that most of the records say; a record without one counts
    by itself. The share within a sex and decade is drawn towards the share among all, as if `STEADY` more people of that
    sex and decade bore names as all do: what a few people are called is no frequency yet.

    Args:
        con: where the relations are.
        records: standardised records.
        comparable: their comparable records, for the label.
        joins: SQL that joins what `by` reads to the record `s`.
        by: SQL of the folded name, the sex and the decade (`linkage.comparable.Spec.frequencies`).
        floor: share up to which a name counts as no rarer; it needs no row.
    """
    fields = " AND ".join(f"s.{c} = c.{c}" for c in ("system_id", "record_key", "role"))
    name, sex, decade = by
    return (
        con.sql(f"""
        WITH said AS (
            SELECT coalesce(c.label, c.rid) AS who, {name} AS folded, {sex} AS sex, {decade} AS decade
            FROM {records} s JOIN {comparable} c ON {fields} {joins} WHERE {name} IS NOT NULL),
        person AS (
            SELECT who, folded, sex, decade FROM said GROUP BY who, folded, sex, decade
            QUALIFY row_number() OVER (PARTITION BY who ORDER BY count(*) DESC, sex DESC, decade DESC, folded) = 1),
        placed AS (
            SELECT folded, CASE WHEN by_sex THEN sex ELSE '' END AS sex, CASE WHEN by_decade THEN decade ELSE '' END AS decade
            FROM person, (VALUES (true), (false)) x(by_sex), (VALUES (true), (false)) y(by_decade)
            WHERE (sex <> '' OR NOT by_sex) AND (decade <> '' OR NOT by_decade)),
        cell AS (SELECT sex, decade, count(*) AS people FROM placed GROUP BY sex, decade),
        borne AS (SELECT folded, sex, decade, count(*) AS people FROM placed GROUP BY folded, sex, decade),
        common AS (
            SELECT b.folded, b.people / c.people AS share FROM borne b, cell c
            WHERE b.sex = '' AND b.decade = '' AND c.sex = '' AND c.decade = '' AND b.people >= {FEWEST}),
        drawn AS (
            SELECT a.folded, c.sex, c.decade,
                (coalesce(b.people, 0) + {STEADY} * a.share) / (c.people + {STEADY}) AS share
            FROM common a CROSS JOIN cell c
            LEFT JOIN borne b ON b.folded = a.folded AND b.sex = c.sex AND b.decade = c.decade)
        SELECT folded, sex, decade, round(share, 7) AS share FROM drawn WHERE share > {floor} ORDER BY folded, sex, decade
        """)
        .to_arrow_table()
        .cast(SCHEMA)
    )


def beside(model: Path) -> Path:
    """Return the file with the frequencies that belong to a model file."""
    return model.with_suffix(".frequencies.csv")


def write(table: pa.Table, path: Path) -> None:
    """Write frequencies beside the model that they belong to."""
    with path.open("wb") as file:
        file.write(f"{','.join(table.column_names)}\n".encode())  # Arrow would quote the names
        csv.write_csv(table, file, csv.WriteOptions(include_header=False, quoting_style="needed"))


def rarity(model: Model, comparison: Comparison, frequencies: pa.Table) -> pa.Table:
    """Return (folded, sex, decade, rarity): what each name's frequency adds to the weight of an equal name, log2 units."""
    frequency = comparison.frequency
    if frequency is None:
        raise ValueError(f"the model {model.entity} does not correct {comparison.name} by term frequency")
    entry = _equal(comparison, frequency)
    if entry is None:
        return SCHEMA.empty_table().rename_columns(["folded", "sex", "decade", "rarity"])
    share = pc.max_element_wise(frequencies["share"], frequency.floor)
    bonus = pc.min_element_wise(pc.subtract(log2(entry.u or 1.0), pc.log2(share)), frequency.greatest)
    return frequencies.select(["folded", "sex", "decade"]).append_column("rarity", bonus)


def _equal(comparison: Comparison, frequency: TermFrequency) -> Level | None:
    """The level of an equal name: the first of those that the correction applies to."""
    return next((level for level in comparison.levels if level.u and level.name in frequency.levels), None)


def rarest(comparison: Comparison) -> float:
    """Return what a name that is in no table adds: it is as rare as the floor."""
    frequency = comparison.frequency
    entry = _equal(comparison, frequency) if frequency else None
    if frequency is None or entry is None or not entry.u:
        return 0.0
    return min(frequency.greatest, log2(entry.u) - log2(frequency.floor))

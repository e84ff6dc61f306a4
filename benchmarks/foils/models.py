"""The settings of the Splink models, and how they are trained (模型设定与训练)."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Final

import duckdb
import splink.comparison_level_library as cll
import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

KINDS: Final = ("stock", "lean", "wide")

LEAN: Final = (("id_number",), ("phone",), ("name", "birth_date"), ("birth_date", "road_no"), ("name", "road_no"))
"""Five rules: 1.3 distinct pairs per record."""

WIDE: Final = (*LEAN, ("birth_date", "sex"), ("pinyin", "sex"))
"""Two loose rules more: 16.5 distinct pairs per record in a set of a million."""

STOCK: Final = (
    ("id_number",),
    ("phone",),
    ("name", "birth_date"),
    ("birth_date", "residence_address"),
    ("name", "residence_address"),
)
"""What one can block on without preparing anything."""


def settings(kind: str) -> SettingsCreator:
    """Return the untrained settings of a model."""
    rules = {"stock": STOCK, "lean": LEAN, "wide": WIDE}[kind]
    return SettingsCreator(
        link_type="dedupe_only",
        comparisons=_stock() if kind == "stock" else _strong(),
        blocking_rules_to_generate_predictions=[block_on(*rule) for rule in rules],
        retain_matching_columns=False,
        retain_intermediate_calculation_columns=False,
    )


def _stock() -> list[Any]:
    return [
        cl.NameComparison("name"),
        cl.DateOfBirthComparison("birth_date", input_is_string=True),
        cl.LevenshteinAtThresholds("id_number", [1, 2]),
        cl.ExactMatch("phone"),
        cl.JaroWinklerAtThresholds("residence_address"),
        cl.ExactMatch("sex"),
    ]


def _strong() -> list[Any]:
    """Levels that survive distances in bytes: a character is three of them; sounds and elements are columns."""
    return [
        _comparison(
            "name",
            cll.ExactMatchLevel("name", term_frequency_adjustments=True),
            cll.ExactMatchLevel("pinyin"),
            cll.CustomLevel("levenshtein(name_l, name_r) <= 3", "one character"),
        ),
        _comparison(
            "birth_date",
            cll.ExactMatchLevel("birth_date"),
            cll.DamerauLevenshteinLevel("birth_date", 1),
            cll.CustomLevel("left(birth_date_l, 4) = left(birth_date_r, 4)", "same year"),
        ),
        _comparison(
            "id_number", cll.ExactMatchLevel("id_number"), cll.DamerauLevenshteinLevel("id_number", 1)
        ),
        _comparison("phone", cll.ExactMatchLevel("phone", term_frequency_adjustments=True), cll.DamerauLevenshteinLevel("phone", 1)),
        _comparison(
            "residence_address",
            cll.ExactMatchLevel("residence_address"),
            cll.CustomLevel("road_no_l = road_no_r AND flat_l = flat_r", "same flat"),
            cll.CustomLevel("road_no_l = road_no_r", "same door"),
        ),
        _comparison("sex", cll.ExactMatchLevel("sex")),
    ]  # fmt: skip


def _comparison(column: str, *levels: Any) -> cl.CustomComparison:
    return cl.CustomComparison([cll.NullLevel(column), *levels, cll.ElseLevel()], output_column_name=column)


def linker(con: duckdb.DuckDBPyConnection, table: str, model: SettingsCreator | dict[str, Any] | Path) -> Linker:
    """Return a linker over a prepared table, silent but for errors."""
    logging.getLogger("splink").setLevel(logging.ERROR)
    return Linker(DuckDBAPI(connection=con).register(table), model, log_level=logging.ERROR)


def _with_frequencies(model: dict[str, Any]) -> set[str]:
    levels = [level for comparison in model["comparisons"] for level in comparison["comparison_levels"]]
    return {level["tf_adjustment_column"] for level in levels if level.get("tf_adjustment_column")}


def linker_between(
    con: duckdb.DuckDBPyConnection, existing: str, fresh: str, model: dict[str, Any]
) -> tuple[Linker, Any, Any]:
    """Return a linker over the existing records with its term frequencies computed, and both tables registered."""
    logging.getLogger("splink").setLevel(logging.ERROR)
    api = DuckDBAPI(connection=con)
    old, new = api.register(existing), api.register(fresh)
    link = Linker(old, model, log_level=logging.ERROR)
    for column in sorted(_with_frequencies(model)):
        link.table_management.compute_tf_table(column)
    return link, old, new


def train(con: duckdb.DuckDBPyConnection, table: str, kind: str, seed: int = 1) -> dict[str, Any]:
    """Train a model on a prepared table: a prior by sure rules, u by sampling, m by three rounds of expectation-maximisation."""
    model = linker(con, table, settings(kind))
    sure = [block_on("id_number"), block_on("name", "birth_date", "phone")]
    model.training.estimate_probability_two_random_records_match(sure, recall=0.65)
    model.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=seed)
    for rule in (("id_number",), ("name", "birth_date"), ("birth_date",)):
        model.training.estimate_parameters_using_expectation_maximisation(block_on(*rule), max_pairs=2e6)
    trained: dict[str, Any] = model.misc.save_model_to_json()
    return trained


def with_rules(model: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return a trained model with the blocking rules of another (lean and wide share one training)."""
    rules = settings(kind).create_settings_dict("duckdb")["blocking_rules_to_generate_predictions"]
    return {**model, "blocking_rules_to_generate_predictions": rules}

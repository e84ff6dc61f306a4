"""The six dimensions of GB/T 36344-2018 (数据质量评价指标) and the codes of their indicators, as data.

The codes are those that DB31 assessments of public data use; the wording is to be checked against the printed standard.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

DIMENSIONS = ("01", "02", "03", "04", "05", "06")
"""规范性, 完整性, 准确性, 一致性, 时效性, 可访问性."""


@dataclass(frozen=True, slots=True)
class Indicator:
    """One dimension (two digits) or indicator (six digits)."""

    code: str
    name: str
    dimension: str


@cache
def indicators() -> dict[str, Indicator]:
    """Return all dimensions and indicators by code."""
    with (Path(__file__).parent / "dimensions.csv").open(encoding="utf-8", newline="") as file:
        return {r["code"]: Indicator(r["code"], r["name"], r["parent"] or r["code"]) for r in csv.DictReader(file)}


def dimension_name(code: str) -> str:
    """Return the Chinese name of the dimension that a code belongs to."""
    return indicators()[code[:2]].name

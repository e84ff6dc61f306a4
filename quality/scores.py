"""Scores (评分) by the six dimensions of GB/T 36344, for the whole, each system, department, street, grid and field.

A rule's score is the share of right rows among those it is about. A dimension's score is the mean of its rules' scores, an
error counting twice and a critical rule three times as much as a warning; the total is the mean of the dimensions. What no
rule could evaluate has no score: 未评价, not 100.
"""

from __future__ import annotations

import math

import duckdb

from quality.dimensions import DIMENSIONS

TOTAL = "00"
"""The pseudo-dimension of the total."""

LEVELS = ("all", "system", "department", "street", "grid", "field")

WEIGHTS = {"critical": 3, "error": 2, "warning": 1}

NOT_EVALUATED = "未评价"

GRADES = ((0.95, "优"), (0.85, "良"), (0.70, "中"), (0.60, "低"), (0.0, "差"))
"""Five grades by total score."""


def grade(score: float | None) -> str:
    """Return the grade of a score, 未评价 where there is none."""
    if score is None:
        return NOT_EVALUATED
    return next(name for least, name in GRADES if score >= least)


def points(score: float | None) -> str:
    """Return a score as points of 100, rounded down: 94.97 is not 95.0, which would be another grade, and 99.98 is not all."""
    return NOT_EVALUATED if score is None else f"{math.floor(score * 1000 + 1e-9) / 10:.1f}"


def compute(con: duckdb.DuckDBPyConnection) -> None:
    """Create `q_score` (level, unit, dimension, score, evaluated, failed) from what `quality.run.run` left behind.

    Every unit has a row for each dimension and the total; `score` is NULL where nothing was evaluated. Units that no street
    or grid is known for are left out of those two levels. All systems of `q_department` are listed, also those without a record.
    """
    weight = " ".join(f"WHEN '{severity}' THEN {w}" for severity, w in WEIGHTS.items())
    sums = "sum(c.evaluated)::BIGINT AS evaluated, sum(c.failed)::BIGINT AS failed"
    con.execute(
        "CREATE OR REPLACE TEMP TABLE q_unit AS "
        "SELECT level, unit, rule_no, evaluated::BIGINT AS evaluated, failed::BIGINT AS failed FROM q_count WHERE unit IS NOT NULL AND evaluated > 0 "
        f"UNION ALL SELECT 'all', '', c.rule_no, {sums} FROM q_count c WHERE level = 'system' GROUP BY c.rule_no "
        f"UNION ALL SELECT 'department', d.department, c.rule_no, {sums} FROM q_count c JOIN q_department d ON d.system_id = c.unit "
        "WHERE c.level = 'system' GROUP BY d.department, c.rule_no "
        f"UNION ALL SELECT 'field', r.entity_type || '.' || r.field, c.rule_no, {sums} FROM q_count c JOIN q_rule r USING (rule_no) "
        "WHERE c.level = 'system' AND r.field <> '' GROUP BY r.entity_type, r.field, c.rule_no"
    )
    dimensions = ", ".join(f"('{d}')" for d in DIMENSIONS)
    con.execute(
        "CREATE OR REPLACE TEMP TABLE q_score AS WITH units AS ("
        "SELECT DISTINCT level, unit FROM q_unit WHERE evaluated > 0 UNION SELECT 'all', '' "
        "UNION SELECT 'system', system_id FROM q_department UNION SELECT 'department', department FROM q_department), "
        "judged AS (SELECT u.level, u.unit, left(r.code, 2) AS dimension, "
        f"sum((CASE r.severity {weight} END) * (1 - u.failed / u.evaluated)) / sum(CASE r.severity {weight} END) AS score, "
        "sum(u.evaluated)::BIGINT AS evaluated, sum(u.failed)::BIGINT AS failed "
        "FROM q_unit u JOIN q_rule r USING (rule_no) WHERE u.evaluated > 0 GROUP BY ALL), "
        "each AS (SELECT t.level, t.unit, d.dimension, j.score, coalesce(j.evaluated, 0) AS evaluated, coalesce(j.failed, 0) AS failed "
        f"FROM units t CROSS JOIN (VALUES {dimensions}) d(dimension) LEFT JOIN judged j USING (level, unit, dimension)) "
        "SELECT * FROM each UNION ALL "
        f"SELECT level, unit, '{TOTAL}', avg(score), sum(evaluated)::BIGINT, sum(failed)::BIGINT FROM each GROUP BY level, unit"
    )

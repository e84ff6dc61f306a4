"""Quality in a period (质量): the grade, six bars, the heat map, the worst rules, those that did not run, rows that fail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import sqlalchemy as sa

from onefact.home import Home
from onefact.masking import mask_key
from onefact.quality.settings import catalogue
from onefact.report.period.span import Period
from onefact.report.sharing import brief, families, family
from quality.catalogue import Catalogue
from quality.dimensions import DIMENSIONS, dimension_name
from quality.rule import Rule
from quality.scores import TOTAL, WEIGHTS, grade
from schemas.entities import ENTITIES
from warehouse.tables import QUALITY_RULE, QUALITY_RUN, QUALITY_SCORE

WORST = 10
TREND_RUNS = 12
"""Runs that a trend looks back on."""

NO_RUN = "本期没有质量检查（onefact quality run）"
NO_RUN_BEFORE = "上期没有质量检查"
NOTHING = "没有规则适用的数据"

OWNERS: Mapping[str, str] = {"source": "来源系统主管部门", "authority": "权威源主管部门", "grid": "所在网格"}
"""Who answers for a rule, in words; others are names of departments."""

SEVERITIES: Mapping[str, str] = {"critical": "阻断", "error": "错误", "warning": "提示"}


@dataclass(frozen=True, slots=True)
class Run:
    """The quality run that speaks for a period: its last one."""

    run_id: str
    at: datetime
    catalogue: str
    consolidated: str | None
    failing: int
    folder: Path


@dataclass(frozen=True, slots=True)
class Mark:
    """A score, with that of the last period; None = 未评价, and `why` says why."""

    code: str
    name: str
    score: float | None
    before: float | None
    evaluated: int = 0
    failed: int = 0
    why: str = ""

    @property
    def grade(self) -> str:
        """The grade in one word."""
        return grade(self.score)

    @property
    def change(self) -> float | None:
        """How much better (points of 100) than in the last period."""
        return None if self.score is None or self.before is None else (self.score - self.before) * 100


@dataclass(frozen=True, slots=True)
class SystemMarks:
    """One row of the heat map: the six dimensions and the total of a system."""

    system_id: str
    name: str
    department: str
    family: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class RuleMark:
    """What became of a rule.

    `past`: the share of right rows in the last runs, oldest first, None = not evaluated; `department`: who answers for most of the
    failing rows.
    """

    rule_id: str
    name: str
    code: str
    severity: str
    owner: str
    threshold: float
    state: str
    evaluated: int
    failed: int
    reason: str
    past: tuple[float | None, ...] = ()
    department: str = ""

    @property
    def right(self) -> float | None:
        """The share of right rows."""
        return None if not self.evaluated else 1 - self.failed / self.evaluated

    @property
    def trend(self) -> str:
        """Better, worse or alike, beside the evaluated run before, in one word."""
        known = [p for p in self.past if p is not None]
        if len(known) < 2:
            return "首次"
        step = known[-1] - known[-2]
        return "持平" if abs(step) < 0.0005 else ("改善" if step > 0 else "变差")


@dataclass(frozen=True, slots=True)
class FailingRow:
    """A row that fails a rule: where it is, never what it holds; the record key is masked."""

    rule_id: str
    rule: str
    severity: str
    system_id: str
    record_key: str
    entity: str
    field: str
    street: str
    grid: str
    department: str


@dataclass(frozen=True, slots=True)
class Quality:
    """All that a report says about quality; `run` is None when there was none, and `why` says so."""

    run: Run | None
    before: Run | None
    why: str
    total: Mark
    dimensions: tuple[Mark, ...]
    systems: tuple[SystemMarks, ...]
    rules: tuple[RuleMark, ...]
    failing: tuple[FailingRow, ...]
    failing_why: str

    @property
    def worst(self) -> tuple[RuleMark, ...]:
        """The ten worst: share of wrong rows times the weight of the severity (3, 2, 1)."""
        wrong = [r for r in self.rules if r.state == "failed"]
        return tuple(sorted(wrong, key=lambda r: (-(1 - (r.right or 0)) * WEIGHTS[r.severity], -r.failed, r.rule_id)))[
            :WORST
        ]

    @property
    def did_not_run(self) -> tuple[RuleMark, ...]:
        """Rules that did not run."""
        return tuple(r for r in self.rules if r.state == "did_not_run")


def quality(home: Home, period: Period, rows: int) -> Quality:
    """Read the quality of a period; `rows` failing rows at most."""
    rules = catalogue(home)
    with home.engine.connect() as connection:
        run, before = _last(connection, home, period), _last(connection, home, period.before)
        now, past = _scores(connection, run), _scores(connection, before)
        marks = _rules(connection, run, rules, _departments(run))
    why = "" if run else NO_RUN
    systems = tuple(
        SystemMarks(m.id, brief(m.name), m.department, family(m.department), _marks(now, past, "system", m.id, why))
        for m in home.manifests.values()
    )
    order = {name: i for i, name in enumerate(families())}
    found, gone = _failing(run, rules, rows)
    overall = _marks(now, past, "all", "", why)
    return Quality(
        run, before, why, overall[-1], overall[:-1],
        tuple(sorted(systems, key=lambda s: (order.get(s.family, len(order)), s.system_id))), marks, found, gone,
    )  # fmt: skip


def _last(connection: sa.Connection, home: Home, period: Period) -> Run | None:
    query = sa.select(QUALITY_RUN).where(QUALITY_RUN.c.at >= period.begin, QUALITY_RUN.c.at < period.end)
    row = (
        connection.execute(query.order_by(QUALITY_RUN.c.at.desc(), QUALITY_RUN.c.run_id.desc()).limit(1))
        .mappings()
        .first()
    )
    if row is None:
        return None
    return Run(
        row["run_id"], row["at"], row["catalogue"], row["consolidated"], row["failing"], home.path / row["folder"]
    )


Scores = dict[tuple[str, str, str], Any]


def _scores(connection: sa.Connection, run: Run | None) -> Scores:
    if run is None:
        return {}
    query = sa.select(QUALITY_SCORE).where(
        QUALITY_SCORE.c.run_id == run.run_id, QUALITY_SCORE.c.level.in_(("all", "system"))
    )
    return {(r["level"], r["unit"], r["dimension"]): r for r in connection.execute(query).mappings()}


def _marks(now: Scores, past: Scores, level: str, unit: str, why: str) -> tuple[Mark, ...]:
    """The six dimensions of a unit and, last, its total."""
    made = []
    for code in (*DIMENSIONS, TOTAL):
        row, old = now.get((level, unit, code)), past.get((level, unit, code))
        score = row["score"] if row else None
        made.append(
            Mark(
                code, "总分" if code == TOTAL else dimension_name(code), score, old["score"] if old else None,
                row["evaluated"] if row else 0, row["failed"] if row else 0, "" if score is not None else (why or NOTHING),
            )
        )  # fmt: skip
    return tuple(made)


def _departments(run: Run | None) -> dict[str, str]:
    """Return rule -> the department with most of its failing rows, where the snapshot is still there."""
    path = run.folder / "failing.parquet" if run else None
    if path is None or not path.exists():
        return {}
    with duckdb.connect() as con:
        query = (
            "SELECT rule_id, arg_max(department, (n, department)) FROM (SELECT rule_id, department, count(*) AS n "
            "FROM read_parquet(?) WHERE department <> '' GROUP BY ALL) GROUP BY rule_id"
        )
        return dict(con.execute(query, [str(path)]).fetchall())


def _rules(
    connection: sa.Connection, run: Run | None, rules: Catalogue, departments: Mapping[str, str]
) -> tuple[RuleMark, ...]:
    if run is None:
        return ()
    known = {r.id: r for r in rules.rules}
    recent = sa.select(QUALITY_RUN.c.run_id).where(QUALITY_RUN.c.at <= run.at)
    ids = (
        connection.execute(recent.order_by(QUALITY_RUN.c.at.desc(), QUALITY_RUN.c.run_id.desc()).limit(TREND_RUNS))
        .scalars()
        .all()
    )
    place = {run_id: i for i, run_id in enumerate(reversed(ids))}
    past: dict[str, list[float | None]] = {}
    mine = {}
    for row in connection.execute(sa.select(QUALITY_RULE).where(QUALITY_RULE.c.run_id.in_(ids))).mappings():
        trend = past.setdefault(row["rule_id"], [None] * len(ids))
        ran = row["state"] in {"passed", "failed"} and row["evaluated"]
        trend[place[row["run_id"]]] = 1 - row["failed"] / row["evaluated"] if ran else None
        if row["run_id"] == run.run_id:
            mine[row["rule_id"]] = row
    return tuple(
        _rule(row, known.get(rule_id), tuple(past[rule_id]), departments.get(rule_id, ""))
        for rule_id, row in sorted(mine.items())
    )


def _rule(row: Any, rule: Rule | None, past: tuple[float | None, ...], department: str) -> RuleMark:
    """A rule that has left the catalogue since keeps its id as its name."""
    shared = (row["state"], row["evaluated"], row["failed"], row["reason"], past, department)
    if rule is None:
        return RuleMark(row["rule_id"], row["rule_id"], "", "warning", "（规则已不在目录中）", 1.0, *shared)
    return RuleMark(
        rule.id, rule.name, rule.code, rule.severity, OWNERS.get(rule.owner, rule.owner), rule.threshold, *shared
    )


def _failing(run: Run | None, rules: Catalogue, limit: int) -> tuple[tuple[FailingRow, ...], str]:
    if run is None:
        return (), NO_RUN
    path = run.folder / "failing.parquet"
    if not path.exists():
        return (), f"本次检查的明细快照（{run.folder.name}）已按设置删除，只留汇总数字"
    names = {r.id: r.name for r in rules.rules}
    with duckdb.connect() as con:
        found = con.execute(
            "SELECT rule_id, severity, system_id, record_key, entity_type, field, street, grid, department FROM read_parquet(?) "
            "ORDER BY CASE severity WHEN 'critical' THEN 0 WHEN 'error' THEN 1 ELSE 2 END, rule_id, system_id, record_key LIMIT ?",
            [str(path), limit],
        ).fetchall()
    return tuple(
        FailingRow(
            rule, names.get(rule, rule), SEVERITIES[severity], system, mask_key(key), _entity(entity), field or "",
            street or "", grid or "", department or "",
        )
        for rule, severity, system, key, entity, field, street, grid, department in found
    ), ""  # fmt: skip


def _entity(entity_type: str | None) -> str:
    return next((e.cn for n, e in ENTITIES.items() if n == entity_type), "系统")

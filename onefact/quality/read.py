"""Reading quality results: scores with their trend, failing rows of the last run, agreement per field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import sqlalchemy as sa

from onefact.home import Home
from onefact.quality.check import FOLDER
from warehouse.tables import QUALITY_AGREEMENT, QUALITY_RULE, QUALITY_RUN, QUALITY_SCORE


class NoRunYet(Exception):
    """Quality has not been checked here."""

    def __init__(self) -> None:
        super().__init__("还没有质量检查结果。先运行：onefact quality run")


class SnapshotGone(Exception):
    """The rows of a run are no longer in the home; its numbers are."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"快照 {folder.name} 已不在本机。重新运行：onefact quality run")


@dataclass(frozen=True, slots=True)
class Run:
    """One quality run."""

    run_id: str
    at: datetime
    catalogue: str
    failing: int
    folder: Path


@dataclass(frozen=True, slots=True)
class Score:
    """A unit's score in a dimension; None = 未评价. `before`: that of the run before, `past`: of the runs looked at, oldest first."""

    level: str
    unit: str
    dimension: str
    score: float | None
    evaluated: int
    failed: int
    before: float | None
    past: tuple[float | None, ...]


def runs(home: Home, limit: int = 12) -> list[Run]:
    """Return the last runs, newest first."""
    query = sa.select(QUALITY_RUN).order_by(QUALITY_RUN.c.at.desc(), QUALITY_RUN.c.run_id.desc()).limit(limit)
    with home.engine.connect() as connection:
        return [
            Run(r["run_id"], r["at"], r["catalogue"], r["failing"], home.path / r["folder"])
            for r in connection.execute(query).mappings()
        ]


def last(home: Home) -> Run:
    """Return the last run; raises `NoRunYet`."""
    found = runs(home, 1)
    if not found:
        raise NoRunYet
    return found[0]


def scores(home: Home, level: str = "all", unit: str | None = None, history: int = 12) -> list[Score]:
    """Return the scores of the last run with the trend over the runs before; raises `NoRunYet`."""
    known = runs(home, history)
    if not known:
        raise NoRunYet
    order = {r.run_id: i for i, r in enumerate(reversed(known))}
    query = sa.select(QUALITY_SCORE).where(QUALITY_SCORE.c.level == level, QUALITY_SCORE.c.run_id.in_(order))
    if unit is not None:
        query = query.where(QUALITY_SCORE.c.unit == unit)
    found: dict[tuple[str, str], dict[int, Any]] = {}
    with home.engine.connect() as connection:
        for row in connection.execute(query).mappings():
            found.setdefault((row["unit"], row["dimension"]), {})[order[row["run_id"]]] = row
    newest = len(known) - 1
    return [
        Score(
            level, name, dimension, rows[newest]["score"], rows[newest]["evaluated"], rows[newest]["failed"],
            rows[newest - 1]["score"] if newest - 1 in rows else None,
            tuple(rows[i]["score"] if i in rows else None for i in range(len(known))),
        )
        for (name, dimension), rows in sorted(found.items())
        if newest in rows
    ]  # fmt: skip


def rule_results(home: Home) -> dict[str, dict[str, Any]]:
    """Return rule id -> state, evaluated, failed, reason of the last run; empty when there was none."""
    known = runs(home, 1)
    if not known:
        return {}
    query = sa.select(QUALITY_RULE).where(QUALITY_RULE.c.run_id == known[0].run_id)
    with home.engine.connect() as connection:
        return {r["rule_id"]: dict(r) for r in connection.execute(query).mappings()}


def failing(
    home: Home,
    *,
    rule: str | None = None,
    system: str | None = None,
    grid: str | None = None,
    department: str | None = None,
    limit: int = 50,
) -> tuple[int, list[dict[str, Any]]]:
    """Return how many rows of the last run fail, and the first of them; raises `NoRunYet`, `SnapshotGone`."""
    run = last(home)
    path = home.path / FOLDER / run.folder.name / "failing.parquet"
    if not path.exists():
        raise SnapshotGone(run.folder)
    wanted = {"rule_id": rule, "system_id": system, "grid": grid, "department": department}
    given = {k: v for k, v in wanted.items() if v is not None}
    where = " AND ".join(f"{k} = ?" for k in given) or "true"
    with duckdb.connect() as con:
        source, values = f"read_parquet(?) WHERE {where}", [str(path), *given.values()]
        total = con.execute(f"SELECT count(*) FROM {source}", values).fetchall()[0][0]
        cursor = con.execute(
            f"SELECT * FROM {source} ORDER BY rule_id, system_id, record_key LIMIT {int(limit)}", values
        )
        names = [d[0] for d in cursor.description or ()]
        return int(total), [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far the systems agree with the golden values of one field; `laggards`: (system, records, median days), most first."""

    entity_type: str
    field: str
    systems: int
    agreeing: int
    compared: int
    same: int
    laggards: tuple[tuple[str, int, float], ...]


def agreement(home: Home, entity_type: str | None = None, system: str | None = None) -> list[Agreement]:
    """Return the agreement per field, the worst first; raises `NoRunYet`. `agreeing` counts systems with no other value."""
    run = last(home)
    query = sa.select(QUALITY_AGREEMENT).where(QUALITY_AGREEMENT.c.run_id == run.run_id)
    if entity_type:
        query = query.where(QUALITY_AGREEMENT.c.entity_type == entity_type)
    if system:
        query = query.where(QUALITY_AGREEMENT.c.system_id == system)
    fields: dict[tuple[str, str], list[Any]] = {}
    with home.engine.connect() as connection:
        for row in connection.execute(query).mappings():
            fields.setdefault((row["entity_type"], row["field"]), []).append(row)
    return sorted(
        (_agreement(*key, rows) for key, rows in fields.items()), key=lambda a: (a.same / a.compared, a.field)
    )


def _agreement(entity_type: str, field: str, rows: Sequence[Any]) -> Agreement:
    late = sorted((r for r in rows if r["lagging"]), key=lambda r: -r["lagging"])
    return Agreement(
        entity_type, field, len(rows), sum(r["agreeing"] == r["compared"] for r in rows), sum(r["compared"] for r in rows),
        sum(r["agreeing"] for r in rows), tuple((r["system_id"], r["lagging"], r["lag_days_median"]) for r in late),
    )  # fmt: skip

"""Data quality (数据质量): scores by the six dimensions, by system, rule by rule, and the rows that fail."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from onefact.masking import mask_key
from onefact.quality import read
from onefact.quality.settings import catalogue
from portal.access import Current, Database, OfHome, Unknown, logged, settings_of
from portal.view import export, page
from portal.view.charts import Line, line
from quality.catalogue import UnknownRule
from quality.dimensions import DIMENSIONS, dimension_name
from quality.scores import grade

router = APIRouter(include_in_schema=False)

LEVELS = {"system": "系统", "department": "部门", "street": "街道", "grid": "网格"}
SHOWN = 100


@router.get("/quality", name="quality")
def show(
    request: Request,
    home: OfHome,
    level: Annotated[Literal["system", "department", "street", "grid"], Query()] = "system",
) -> Response:
    """Show the scores of the last run with their trend, and of each unit of a level."""
    try:
        run, whole, units = read.last(home), read.scores(home), read.scores(home, level, history=2)
    except read.NoRunYet:
        return page(request, "quality/none.html")
    table: dict[str, dict[str, read.Score]] = {}
    for score in units:
        table.setdefault(score.unit, {})[score.dimension] = score
    trends: dict[str, Line] = {s.dimension: line(s.past, low=0.0, high=1.0) for s in whole}
    worst = sorted(
        table.items(), key=lambda u: u[1]["00"].score if "00" in u[1] and u[1]["00"].score is not None else 2.0
    )
    states = [r["state"] for r in read.rule_results(home).values()]
    return page(
        request, "quality/show.html", run=run, scores={s.dimension: s for s in whole}, trends=trends, dimensions=DIMENSIONS,
        name=dimension_name, units=worst, level=level, levels=LEVELS, manifests=home.manifests, grade=grade, states=states,
    )  # fmt: skip


@router.get("/quality/rules", name="quality.rules")
def rules(request: Request, home: OfHome, state: Annotated[str, Query(max_length=15)] = "failed") -> Response:
    """List the rules of the catalogue with what became of each; those that did not run are a state of their own."""
    results, known = read.rule_results(home), catalogue(home)
    found = [(known.rule(i), r) for i, r in results.items() if r["state"] == state and i in {x.id for x in known.rules}]
    found.sort(key=lambda x: -x[1]["failed"])
    counts = {
        s: sum(r["state"] == s for r in results.values()) for s in ("failed", "did_not_run", "not_evaluated", "passed")
    }
    return page(request, "quality/rules.html", found=found, state=state, counts=counts, name=dimension_name)


@router.get("/quality/rules/{rule_id}", name="quality.rule")
def rule(request: Request, home: OfHome, account: Current, connection: Database, rule_id: str) -> Response:
    """Show a rule and the rows that fail it: where they are, without values."""
    try:
        declared = catalogue(home).rule(rule_id)
        total, rows = read.failing(home, rule=rule_id, limit=SHOWN)
    except UnknownRule as unknown:
        raise Unknown from unknown
    except (read.NoRunYet, read.SnapshotGone):
        total, rows = 0, []
    result = read.rule_results(home).get(rule_id)
    answer = page(
        request, "quality/rule.html", rule=declared, result=result, total=total, rows=rows, limit=SHOWN, mask_key=mask_key,
        manifests=home.manifests, name=dimension_name,
    )  # fmt: skip
    logged(connection, account, "read", "rule", [rule_id], purpose="核查数据质量", count=len(rows))
    return answer


@router.get("/quality/rules/{rule_id}/failing.xlsx", name="quality.export")
def take(request: Request, home: OfHome, account: Current, connection: Database, rule_id: str) -> Response:
    """Take the failing rows of a rule as a file: places, no values; numbers within record keys are masked."""
    try:
        catalogue(home).rule(rule_id)
        _, rows = read.failing(home, rule=rule_id, limit=export.MOST)
    except (UnknownRule, read.NoRunYet, read.SnapshotGone) as unknown:
        raise Unknown from unknown
    columns = ("规则", "系统", "记录", "数据项", "部门", "街道", "网格")
    lines = [
        (rule_id, home.manifests[r["system_id"]].name if r["system_id"] in home.manifests else r["system_id"],
         mask_key(r["record_key"]), r["field"], r["department"], r["street"], r["grid"])
        for r in rows
    ]  # fmt: skip
    return export.sheet(
        connection,
        account,
        f"不合格记录-{rule_id}",
        columns,
        lines,
        subject_type="rule",
        purpose="核查数据质量",
        now=home.now(),
        settings=settings_of(request),
        what=f"rule {rule_id}",
    )

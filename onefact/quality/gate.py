"""The gate (质量闸门): a critical rule that fails on what a system has just delivered stops publishing, never pulling.

Only the records that wait to be consolidated are looked at, so the gate costs what the delta costs. Nothing is lost while it
is closed: records stay landed, standardised and waiting. It opens when the source is corrected, the rule waived, or the
setting changed (`quality.yaml`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import duckdb
import sqlalchemy as sa

from onefact.home import Home
from onefact.quality.settings import catalogue, load_settings
from quality.catalogue import Catalogue
from quality.inputs import Inputs
from quality.run import run
from warehouse.tables import RUN


@dataclass(frozen=True, slots=True)
class Stopped:
    """A critical rule that fails for one system."""

    rule_id: str
    name: str
    system_id: str
    evaluated: int
    failed: int
    threshold: float

    def __str__(self) -> str:
        return (
            f"{self.system_id}：{self.name}（{self.rule_id}），{self.evaluated} 行中 {self.failed} 行不合格，"
            f"应有 {self.threshold:.0%} 合格"
        )


class GateClosed(Exception):
    """The gate is closed: nothing was published, what was pulled waits."""

    def __init__(self, stopped: Sequence[Stopped]) -> None:
        self.stopped = tuple(stopped)
        super().__init__(
            "质量闸门已关闭，未发布任何数据，已采集的数据保留待处理。"
            + "；".join(map(str, stopped))
            + "。请更正来源后重新采集；或在 quality.yaml 中豁免该规则（waivers），或改为 gate: {state: warn}。"
        )


def hold(home: Home, con: duckdb.DuckDBPyConnection, run_id: str) -> list[Stopped]:
    """Look at the waiting records; return what fails (settings `warn`), raise where that stops publishing.

    Raises:
        GateClosed: a critical rule fails for some system, and the gate is on.
    """
    settings = load_settings(home)
    if settings.gate.state == "off":
        return []
    rules = Catalogue(
        tuple(r for r in catalogue(home, settings).rules if r.severity == "critical" and r.relation == "records")
    )
    run(con, rules, Inputs(home.now()), only="touched_record")
    found = con.execute(
        "SELECT c.rule_no, c.unit, c.evaluated, c.failed FROM q_count c WHERE c.level = 'system' AND c.failed > 0 ORDER BY 1, 2"
    ).fetchall()
    stopped = [
        Stopped(rule.id, rule.name, unit, int(evaluated), int(failed), rule.threshold)
        for number, unit, evaluated, failed in found
        if evaluated >= settings.gate.floor and evaluated - failed < (rule := rules.rules[number]).threshold * evaluated
    ]
    if stopped:
        summary = {"run_id": run_id, "state": settings.gate.state, "stopped": [asdict(s) for s in stopped]}
        with home.engine.begin() as connection:
            connection.execute(sa.insert(RUN).values(run_id=home.new_run("gate"), verb="gate", summary=summary))
        if settings.gate.state == "on":
            raise GateClosed(stopped)
    return stopped

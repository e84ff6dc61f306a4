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
from quality.verdicts import VERDICT, verdicts
from schemas.entities import ENTITIES
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


class GateDisagrees(Exception):
    """Great Expectations and the SQL do not judge alike: one of them is wrong, so nothing is published."""

    def __init__(self, system_id: str, rule_id: str, sql: int, gx: int) -> None:
        self.system_id, self.rule_id = system_id, rule_id
        super().__init__(
            f"质量闸门：{system_id} 的规则 {rule_id}，SQL 判 {sql} 行不合格，Great Expectations 判 {gx} 行，两者不一致。"
            "未发布任何数据。请报告此问题；在此之前可在 quality.yaml 中设 gate: {great_expectations: false}。"
        )


def hold(home: Home, con: duckdb.DuckDBPyConnection, run_id: str) -> list[Stopped]:
    """Look at the waiting records; return what fails (settings `warn`), raise where that stops publishing.

    Raises:
        GateClosed: a critical rule fails for some system, and the gate is on.
        GateDisagrees: Great Expectations was asked too and judges otherwise; nothing is published.
        quality.gx.NotInstalled: it was asked for and is not there.
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
    if settings.gate.great_expectations:
        _agree(con, rules, home, settings.gate.floor, stopped)
    if stopped:
        summary = {"run_id": run_id, "state": settings.gate.state, "stopped": [asdict(s) for s in stopped]}
        with home.engine.begin() as connection:
            connection.execute(sa.insert(RUN).values(run_id=home.new_run("gate"), verb="gate", summary=summary))
        if settings.gate.state == "on":
            raise GateClosed(stopped)
    return stopped


def _agree(
    con: duckdb.DuckDBPyConnection, rules: Catalogue, home: Home, floor: int, stopped: Sequence[Stopped]
) -> None:
    """Run the checkpoint on the waiting records of each system; raise where it names other rows or stops at other rules."""
    from quality import gx  # imports Great Expectations, when it is used: seconds

    now = home.now()
    found: dict[tuple[str, str], set[tuple[str, str, str]]] = {}
    for rule, system, key, role in con.execute("SELECT rule_id, system_id, record_key, role FROM q_failing").fetchall():
        found.setdefault((system, rule), set()).add((system, key, role))
    ours = {(s.system_id, s.rule_id) for s in stopped}
    for entity_type in ENTITIES:
        asked = [
            r
            for r in rules.rules
            if r.entity == entity_type and r.in_force(now.date()) and r.waived(now.date()) is not None
        ]
        if not asked:
            continue
        table = verdicts(con, entity_type, asked, now, "touched_record")
        for system, frame in table.to_pandas().groupby("system_id"):
            for rule, (kept, keys) in gx.gate(asked, frame.reset_index(drop=True)).items():
                sql = found.get((str(system), rule), set())
                enough = int(frame[f"{VERDICT}{rule}"].notna().sum()) >= floor
                if keys != sql or (enough and (not kept) != ((str(system), rule) in ours)):
                    raise GateDisagrees(str(system), rule, len(sql), len(keys))

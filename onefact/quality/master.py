"""The gate on PostgreSQL (主数据闸门): Great Expectations looks at golden records inside the database before they are published.

By setting (`gate: {postgres: true}`). What is about to be published is written into tables of its own there; the checkpoint runs
natively, as SQL of PostgreSQL; a rule below its threshold stops publishing, never pulling. DuckDB judges the same rows by the same
rules: where the two do not name the same ones, nothing is published either.
"""

from __future__ import annotations

from dataclasses import asdict, replace

import duckdb
import sqlalchemy as sa

from onefact.home import Home
from onefact.quality.gate import GateClosed, GateDisagrees, Stopped
from onefact.quality.settings import catalogue, load_settings
from quality.compile import compile_rule
from quality.rule import Rule
from schemas.entities import ENTITIES
from schemas.model import EntityType
from warehouse import candidates
from warehouse.duck import count
from warehouse.tables import RUN

MASTER = "master"
"""The system of golden records, in results."""

ROW_BY_ROW = ("codes", "regex", "length", "range")
"""Forms that can be judged on the changed records alone."""


def rules_of(home: Home, entity_type: EntityType) -> list[Rule]:
    """Return the rules that golden records are held to: native row-by-row rules of errors, in force and not waived for the master.

    Fields that the master holds encrypted are left out: PostgreSQL never has them in clear, not for a gate either.
    """
    from quality import gx  # imports nothing of the library until it is used

    today, encrypted = home.now().date(), home.seals.ring is not None
    return [
        replace(rule, relation="golden")
        for rule in gx.native(catalogue(home).rules)
        if rule.entity == entity_type and rule.check.kind in ROW_BY_ROW and rule.severity in {"critical", "error"}
        if not (encrypted and ENTITIES[entity_type].field(rule.field).sealed)
        if rule.in_force(today) and (waived := rule.waived(today)) is not None and MASTER not in waived
    ]


def hold(home: Home, con: duckdb.DuckDBPyConnection, run_id: str) -> list[Stopped]:
    """Look at the golden records that are about to be published (`changed_<entity>`); return what fails, raise where that stops.

    Raises:
        GateClosed: a rule fails, and the gate is on.
        GateDisagrees: PostgreSQL and DuckDB name other rows.
        quality.gx.NotInstalled: Great Expectations is asked for and is not there.
    """
    settings = load_settings(home).gate
    if settings.state == "off" or not settings.postgres:
        return []
    stopped: list[Stopped] = []
    try:
        for entity_type in ENTITIES:
            if count(con, f"SELECT count(*) FROM changed_{entity_type}"):
                stopped += _judge(home, con, run_id, entity_type, settings.floor)
    finally:
        candidates.drop(home.engine)
    if stopped:
        summary = {"run_id": run_id, "state": settings.state, "stopped": [asdict(s) for s in stopped]}
        with home.engine.begin() as connection:
            connection.execute(sa.insert(RUN).values(run_id=home.new_run("gate"), verb="gate", summary=summary))
        if settings.state == "on":
            raise GateClosed(stopped)
    return stopped


def _judge(
    home: Home, con: duckdb.DuckDBPyConnection, run_id: str, entity_type: EntityType, floor: int
) -> list[Stopped]:
    from quality import gx

    rules = rules_of(home, entity_type)
    if not rules:
        return []
    numbers = {r.field for r in rules if r.check.kind == "range"}
    with candidates.Candidates(home.database.dsn(), con, run_id) as sender:
        rows = sender.put(entity_type, f"changed_{entity_type}", {r.field for r in rules}, numbers)
    theirs = gx.on_postgres(rules, home.database.url(), candidates.table_of(entity_type))
    stopped = []
    for rule in rules:
        evaluated, ours = failing(con, rule, f"changed_{entity_type}", home)
        kept, keys = theirs[rule.id]
        if keys != ours:
            raise GateDisagrees(MASTER, rule.id, len(ours), len(keys))
        if rows >= floor and not kept:
            stopped.append(Stopped(rule.id, rule.name, MASTER, evaluated, len(ours), rule.threshold))
    return stopped


def failing(con: duckdb.DuckDBPyConnection, rule: Rule, relation: str, home: Home) -> tuple[int, set[str]]:
    """Return (rows that the rule is about, master ids of those that are wrong), by the SQL of the catalogue."""
    made = compile_rule(rule, home.now())
    rows = con.execute(f"SELECT master_id::VARCHAR, {made.wrong} FROM {relation} WHERE {made.applies}").fetchall()
    return len(rows), {master_id for master_id, wrong in rows if wrong}

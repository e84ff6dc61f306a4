"""Running the rules (质量检查): every failing row of every rule, in two passes over each relation.

The first pass judges all row-by-row rules of a relation at once and keeps only rows that fail something (a bit for each
rule); the second counts what the rules were about, by system, street and grid. Rules on groups take a pass of their own.
A rule that cannot run is `did_not_run` with its reason; it neither passes nor fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import duckdb

from quality import relations
from quality.catalogue import Catalogue
from quality.compile import Compiled, compile_rule
from quality.inputs import Inputs
from quality.rule import Rule
from schemas.entities import ENTITIES
from schemas.model import EntityType
from warehouse.duck import count

State = Literal["passed", "failed", "not_evaluated", "did_not_run"]
"""not_evaluated (未评价): it ran, but there was no row that it is about."""

BITS = 63
"""Rules in one word of the mask."""

KEY = "system_id, record_key, role, rid, master_id"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one rule: rows it was about, rows that fail, and why it did not run."""

    rule: Rule
    state: State
    evaluated: int = 0
    failed: int = 0
    reason: str = ""

    @property
    def share(self) -> float | None:
        """Share of right rows; None = 未评价."""
        return (self.evaluated - self.failed) / self.evaluated if self.evaluated else None


@dataclass(frozen=True, slots=True)
class _Pass:
    """Rules that look at one relation, with the SELECT of that relation."""

    entity: EntityType | None
    relation: str
    rules: tuple[tuple[int, Compiled], ...]
    source: str


def run(
    con: duckdb.DuckDBPyConnection, catalogue: Catalogue, inputs: Inputs, *, only: str | None = None
) -> list[Result]:
    """Run all rules; leaves the temporary tables `q_failing` and `q_count`.

    `q_failing`: rule_no, rule_id, severity, code, entity_type, relation, system_id, record_key, role, master_id, field, street,
    community, grid, department, ordered (who gets a work order). `q_count`: rule_no, level (system, street, grid), unit, evaluated, failed.

    Args:
        con: the warehouse.
        catalogue: the rules.
        inputs: see there.
        only: relation (sid) of source records; rules on records look at those alone and no others run (the gate).
    """
    relations.prepare(con, inputs, only)
    today = inputs.now.date()
    reasons: dict[int, str] = {}
    ready: list[tuple[int, Compiled]] = []
    for number, rule in enumerate(catalogue.rules):
        reason = "" if rule.in_force(today) else "未生效或已失效"
        reason = reason or ("已豁免" if rule.waived(today) is None else "") or _missing(con, rule, inputs)
        if only and rule.relation != "records":
            reason = reason or "只检查本批记录"
        if reason:
            reasons[number] = reason
        else:
            ready.append((number, compile_rule(rule, inputs.now, inputs.expected)))
    _begin(con, catalogue)
    for made in _passes(ready, only):
        sound, broken = _sound(con, made)
        reasons |= broken
        if sound.rules:
            _judge(con, sound)
            _count(con, sound, places=only is None)
    _finish(con)
    return _results(con, catalogue, reasons)


def _missing(con: duckdb.DuckDBPyConnection, rule: Rule, inputs: Inputs) -> str:
    for need in rule.needs:
        kind, _, name = need.partition(":")
        if kind == "system":
            here = any(count(con, f"SELECT count(*) FROM std_{e} WHERE system_id = '{name}'") for e in ENTITIES)
            if not here:
                return f"缺少依据：系统 {name} 没有记录"
        elif need not in inputs.available:
            return f"缺少依据：{need}"
    if "ghost" in rule.check.sql and inputs.ghosts is None:
        return "缺少依据：findings"
    return ""


def _begin(con: duckdb.DuckDBPyConnection, catalogue: Catalogue) -> None:
    con.execute(
        "CREATE OR REPLACE TEMP TABLE q_rule (rule_no INTEGER, rule_id VARCHAR, severity VARCHAR, code VARCHAR, entity_type VARCHAR, "
        "relation VARCHAR, field VARCHAR, owner VARCHAR, authority VARCHAR, ordered VARCHAR)"
    )
    rows = [
        [n, r.id, r.severity, r.code, r.entity, r.relation, r.field, r.owner, _authority(r), r.order]
        for n, r in enumerate(catalogue.rules)
    ]
    if rows:
        con.executemany("INSERT INTO q_rule VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    con.execute(
        "CREATE OR REPLACE TEMP TABLE q_found (rule_no INTEGER, system_id VARCHAR, record_key VARCHAR, role VARCHAR, "
        "rid UBIGINT, master_id UUID)"
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE q_count (rule_no INTEGER, level VARCHAR, unit VARCHAR, evaluated BIGINT, failed BIGINT)"
    )


def _authority(rule: Rule) -> str:
    return ENTITIES[rule.entity].field(rule.field).authority if rule.entity and rule.field else ""


def _passes(ready: Sequence[tuple[int, Compiled]], only: str | None) -> Iterator[_Pass]:
    """Gather rules that can share a pass; those that need golden values beside the record have a pass of their own."""
    gathered: dict[tuple[EntityType | None, str, object], list[tuple[int, Compiled]]] = {}
    for number, compiled in ready:
        rule = compiled.rule
        text = f"{compiled.applies} {compiled.wrong}"
        wide = any(mark in text for mark in ("g_", "from_", "since_", "key_"))
        alone = ("group", number) if compiled.by else wide
        gathered.setdefault((rule.entity, rule.relation, alone), []).append((number, compiled))
    for (entity, relation, _), rules in gathered.items():
        texts = [f"{c.applies} {c.wrong} {' '.join(c.by)}" for _, c in rules]
        if relation == "systems":
            source = relations.SYSTEMS
        elif relation == "golden":
            source = relations.golden(_entity(entity), texts)
        else:
            source = relations.records(_entity(entity), texts, only)
        yield _Pass(entity, relation, tuple(rules), source)


def _entity(entity: EntityType | None) -> EntityType:
    if entity is None:
        raise ValueError("a rule on records or golden records has an entity")
    return entity


def _sound(con: duckdb.DuckDBPyConnection, made: _Pass) -> tuple[_Pass, dict[int, str]]:
    """Leave out rules whose SQL is no SQL here; one broken rule must not stop its neighbours."""
    if not _problem(con, made, made.rules):
        return made, {}
    problems = {number: _problem(con, made, [(number, compiled)]) for number, compiled in made.rules}
    sound = tuple((n, c) for n, c in made.rules if not problems[n])
    return _Pass(made.entity, made.relation, sound, made.source), {n: p for n, p in problems.items() if p}


def _problem(con: duckdb.DuckDBPyConnection, made: _Pass, rules: Sequence[tuple[int, Compiled]]) -> str:
    """Return what DuckDB says against rules of a pass, '' when it understands them."""
    tried = ", ".join(c.applies if c.by else f"{c.applies} AND {c.wrong}" for _, c in rules)
    try:
        con.execute(f"EXPLAIN SELECT {tried} FROM ({made.source})").fetchall()
        for _, compiled in rules:
            if compiled.by:
                con.execute(f"EXPLAIN {_groups(made, compiled)}").fetchall()
    except duckdb.Error as problem:
        return f"规则有误：{str(problem).splitlines()[0]}"
    return ""


def _groups(made: _Pass, compiled: Compiled) -> str:
    by = ", ".join(f"{column} AS by{i}" for i, column in enumerate(compiled.by))
    listed = ", ".join(str(i + 1) for i in range(len(compiled.by)))
    return f"SELECT {by} FROM ({made.source}) WHERE {compiled.applies} GROUP BY {listed} HAVING {compiled.wrong}"


def _columns(made: _Pass) -> str:
    """The key of a row; the master id of a record is joined at the end, to the few that fail."""
    return KEY if made.relation != "records" else KEY.replace("master_id", "NULL::UUID AS master_id")


def _judge(con: duckdb.DuckDBPyConnection, made: _Pass) -> None:
    """Add the failing rows of a pass to `q_found`."""
    number, compiled = made.rules[0]
    if compiled.by:
        same = " AND ".join(f"b.by{i} = s.by{i}" for i in range(len(compiled.by)))
        named = ", ".join(f"{column} AS by{i}" for i, column in enumerate(compiled.by))
        con.execute(
            f"INSERT INTO q_found SELECT {number}, {KEY} FROM (SELECT {_columns(made)}, {named} FROM ({made.source}) "
            f"WHERE {compiled.applies}) s SEMI JOIN ({_groups(made, compiled)}) b ON {same}"
        )
        return
    words = [made.rules[i : i + BITS] for i in range(0, len(made.rules), BITS)]
    masks = ", ".join(f"{_mask(word)} AS m{i}" for i, word in enumerate(words))
    some = " OR ".join(f"m{i} <> 0" for i in range(len(words)))
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE q_bad AS SELECT * FROM (SELECT {_columns(made)}, {masks} FROM ({made.source})) WHERE {some}"
    )
    for i, word in enumerate(words):
        parts = " UNION ALL ".join(
            f"SELECT {number}, {KEY} FROM q_bad WHERE m{i} & {1 << bit}::UBIGINT <> 0"
            for bit, (number, _) in enumerate(word)
        )
        con.execute(f"INSERT INTO q_found {parts}")
    con.execute("DROP TABLE q_bad")


def _mask(word: Sequence[tuple[int, Compiled]]) -> str:
    return " | ".join(
        f"CASE WHEN {c.applies} AND {c.wrong} THEN {1 << bit}::UBIGINT ELSE 0::UBIGINT END"
        for bit, (_, c) in enumerate(word)
    )


def _count(con: duckdb.DuckDBPyConnection, made: _Pass, *, places: bool) -> None:
    """Add to `q_count` how many rows the rules of a pass were about, by system and by street and grid."""
    places = places and made.relation != "systems"
    counts = ", ".join(f"count(*) FILTER (WHERE {c.applies}) AS n{number}" for number, c in made.rules)
    where = ""
    if places and made.relation == "records":
        where = (
            f"LEFT JOIN crosswalk qx ON qx.entity_type = '{made.entity}' AND qx.rid = s.rid "
            f"LEFT JOIN q_place qp ON qp.entity_type = '{made.entity}' AND qp.master_id = qx.master_id"
        )
    elif places:
        where = f"LEFT JOIN q_place qp ON qp.entity_type = '{made.entity}' AND qp.master_id = s.master_id"
    inner = (
        f"SELECT s.*{', qp.street AS at_street, qp.grid AS at_grid' if places else ''} FROM ({made.source}) s {where}"
    )
    sets = "(system_id), (at_street), (at_grid)" if places else "(system_id)"
    level = (
        "CASE WHEN grouping(system_id) = 0 THEN 'system' WHEN grouping(at_street) = 0 THEN 'street' ELSE 'grid' END"
        if places
        else "'system'"
    )
    unit = "coalesce(system_id, at_street, at_grid)" if places else "system_id"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE q_wide AS SELECT {level} AS level, {unit} AS unit, {counts} FROM ({inner}) "
        f"GROUP BY GROUPING SETS ({sets})"
    )
    parts = " UNION ALL ".join(
        f"SELECT {number}, level, unit, n{number}, 0 FROM q_wide WHERE n{number} > 0" for number, _ in made.rules
    )
    con.execute(f"INSERT INTO q_count {parts}")
    con.execute("DROP TABLE q_wide")


def _finish(con: duckdb.DuckDBPyConnection) -> None:
    """Create `q_failing` from `q_found`: where the row is, who is responsible; and set the failed counts."""
    con.execute(
        "CREATE OR REPLACE TEMP TABLE q_failing AS SELECT f.rule_no, r.rule_id, r.severity, r.code, r.entity_type, r.relation, f.system_id, "
        "f.record_key, f.role, coalesce(f.master_id, x.master_id) AS master_id, r.field, p.street, p.community, p.grid, "
        "CASE r.owner WHEN 'source' THEN coalesce(d.department, a.department, '数据主管部门') "
        "WHEN 'authority' THEN coalesce(a.department, '系统外的权威部门') "
        "WHEN 'grid' THEN coalesce(p.street, '街道未定') ELSE r.owner END AS department, r.ordered "
        "FROM q_found f JOIN q_rule r USING (rule_no) "
        "LEFT JOIN crosswalk x ON x.entity_type = r.entity_type AND x.rid = f.rid "
        "LEFT JOIN q_place p ON p.entity_type = r.entity_type AND p.master_id = coalesce(f.master_id, x.master_id) "
        "LEFT JOIN q_department d ON d.system_id = f.system_id LEFT JOIN q_department a ON a.system_id = r.authority"
    )
    con.execute("DROP TABLE q_found")
    units: dict[str, Callable[[str], str]] = {
        "system": lambda t: f"{t}.system_id",
        "street": lambda t: f"{t}.street",
        "grid": lambda t: f"{t}.grid",
    }
    failed = " UNION ALL ".join(
        f"SELECT rule_no, '{level}' AS level, {of('f')} AS unit, count(*) AS n FROM q_failing f GROUP BY ALL"
        for level, of in units.items()
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE q_count AS SELECT c.rule_no, c.level, c.unit, c.evaluated, coalesce(f.n, 0) AS failed "
        f"FROM q_count c LEFT JOIN ({failed}) f ON f.rule_no = c.rule_no AND f.level = c.level AND f.unit IS NOT DISTINCT FROM c.unit"
    )


def _results(con: duckdb.DuckDBPyConnection, catalogue: Catalogue, reasons: dict[int, str]) -> list[Result]:
    rows = con.execute(
        "SELECT rule_no, sum(evaluated), sum(failed) FROM q_count WHERE level = 'system' GROUP BY rule_no"
    ).fetchall()
    counts = {number: (int(evaluated), int(failed)) for number, evaluated, failed in rows}
    results = []
    for number, rule in enumerate(catalogue.rules):
        if number in reasons:
            results.append(Result(rule, "did_not_run", reason=reasons[number]))
            continue
        evaluated, failed = counts.get(number, (0, 0))
        if not evaluated:
            results.append(Result(rule, "not_evaluated"))
            continue
        kept = evaluated - failed >= rule.threshold * evaluated - 1e-9
        results.append(Result(rule, "passed" if kept else "failed", evaluated, failed))
    return results

"""What each system lacks: compare every record with its golden record, field by field, and plan the changes.

The comparison is made in the values the system can hold: a code is folded as the system would fold it, an address is
equal when its parsed elements are equal, and an unknown golden value never erases a known one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import duckdb
import pyarrow as pa

from schemas.entities import ENTITIES
from schemas.model import EntityType
from warehouse.duck import count, standardised_table
from warehouse.shadow import LATE_WRITE


@dataclass(frozen=True, slots=True)
class Target:
    """One entity role of one dataset of a system that may be written.

    Attributes:
        fields: the writable fields.
        held: the fields that a created record gets.
        folds: field -> {golden code: code the system would give back}; a code without an entry cannot be written.
        creates: entities of the master that lack a record here are created.
        where: SQL condition on the golden record `g` for `creates`; built from the manifest's scope.
        requires: fields that a created record must have.
    """

    system_id: str
    dataset: str
    entity_type: EntityType
    role: str
    fields: tuple[str, ...]
    held: tuple[str, ...] = ()
    folds: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    creates: bool = False
    where: str = "true"
    requires: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    """Fields that are written but never read: what they hold is what we last wrote (`pushed_now`)."""

    repeats: bool = False
    """True for a one-way export: nothing can be read back, so each new state of an entity is sent once more."""


def plan(con: duckdb.DuckDBPyConnection, targets: Sequence[Target], *, touched: str, crosswalk: str) -> int:
    """Create temporary table `plan` with one row per record to change; return how many.

    Columns as `warehouse.tables.OUTBOX`. Reads `foreign_<entity>` (fields of a record that speak of somebody else), `pushed_now`, `fresh_<entity>` (the golden records of the touched entities) and the
    standardised records; `touched` (entity_type, master_id) and `crosswalk` as in `warehouse.golden`.
    """
    con.execute(
        "CREATE OR REPLACE TEMP TABLE plan (system_id VARCHAR, dataset VARCHAR, entity_type VARCHAR, role VARCHAR, "
        "master_id UUID, record_key VARCHAR, operation VARCHAR, changes VARCHAR, base_version VARCHAR, idempotency_key VARCHAR)"
    )
    moved = {row[0] for row in con.execute(f"SELECT DISTINCT entity_type FROM {touched}").fetchall()}
    concerned = [target for target in targets if target.entity_type in moved]
    _load_folds(con, concerned)
    con.execute(f"CREATE TEMP TABLE IF NOT EXISTS late_write ({LATE_WRITE})")
    held = set(
        con.execute(
            f"SELECT DISTINCT entity_type, system_id, role FROM {crosswalk} SEMI JOIN {touched} USING (entity_type, master_id)"
        ).fetchall()
    )
    for target in concerned:
        # Most deltas touch few systems, and binding a statement of seventy fields takes longer than running it.
        if target.fields and (target.entity_type, target.system_id, target.role) in held:
            con.execute(_updates(target, touched, crosswalk))
        if target.creates:
            con.execute(_creates(target, touched, crosswalk))
    return count(con, "SELECT count(*) FROM plan")


def _load_folds(con: duckdb.DuckDBPyConnection, targets: Sequence[Target]) -> None:
    """Make `fold` (target, field, golden, held) of all targets at once."""
    rows = [
        (_name(target), field, golden, held)
        for target in targets
        for field, table in target.folds.items()
        for golden, held in table.items()
    ]
    columns = zip(*rows, strict=True) if rows else ((), (), (), ())
    names = ("target", "field", "golden", "held")
    con.register("_fold", pa.table({n: pa.array(c, pa.string()) for n, c in zip(names, columns, strict=True)}))
    con.execute("CREATE OR REPLACE TEMP TABLE fold AS SELECT DISTINCT * FROM _fold")
    con.unregister("_fold")


def _name(target: Target) -> str:
    return f"{target.system_id}/{target.dataset}/{target.entity_type}/{target.role}"


def _expected(target: Target, name: str) -> str:
    return f"f_{name}.held" if name in target.folds else f'g."{name}"'


def _fold_joins(target: Target, names: Sequence[str]) -> str:
    return " ".join(
        f"LEFT JOIN fold f_{n} ON f_{n}.target = '{_name(target)}' AND f_{n}.field = '{n}' AND f_{n}.golden = g.\"{n}\""
        for n in names
        if n in target.folds
    )


def _held(target: Target, name: str) -> str:
    return f"w_{name}.value" if name in target.unread else f's."{name}"'


def _shadow_joins(target: Target) -> str:
    return " ".join(
        f"LEFT JOIN pushed_now w_{n} ON w_{n}.system_id = s.system_id AND w_{n}.record_key = s.record_key AND w_{n}.role = s.role "
        f"AND w_{n}.entity_type = '{target.entity_type}' AND w_{n}.field = '{n}'"
        for n in target.fields
        if n in target.unread
    )


def _differs(target: Target, name: str) -> str:
    """Return the SQL that is true when the system's value must change."""
    expected = _expected(target, name)
    plain = f"{expected} IS NOT NULL AND {_held(target, name)} IS DISTINCT FROM {expected}"
    field = ENTITIES[target.entity_type].field(name)
    foreign = f"list_contains(o.fields, '{name}')"
    if field.identifies:
        return f'{plain} AND (s."{name}" IS NULL OR {foreign})'
    if field.kind == "address":
        return f"{plain} AND NOT coalesce(as_{name}.normal_key = ag_{name}.normal_key, false)"
    return f"{plain} AND (NOT coalesce({foreign}, false) OR {_corrects_identity(target)})"


def _corrects_identity(target: Target) -> str:
    """Return SQL: this change also replaces the number that belongs to somebody else.

    What was read out of a foreign number (birth date, sex) can only be put right together with the number itself; the
    system would derive the wrong values from it again.
    """
    names = [f.name for f in ENTITIES[target.entity_type].fields if f.identifies and f.name in target.fields]
    tests = [f"(list_contains(o.fields, '{n}') AND {_expected(target, n)} IS NOT NULL)" for n in names]
    return f"({' OR '.join(tests)})" if tests else "false"


def _address_joins(target: Target) -> str:
    names = [n for n in target.fields if ENTITIES[target.entity_type].field(n).kind == "address"]
    return " ".join(
        f'LEFT JOIN address_text as_{n} ON as_{n}.text = s."{n}" LEFT JOIN address_text ag_{n} ON ag_{n}.text = g."{n}"'
        for n in names
    )


def _returns(target: Target, name: str) -> str:
    """Return the SQL that is true when we have written another value since the reading, and the one read is right again."""
    written = f"l.held['{name}']"
    return f"(map_contains(l.held, '{name}') AND {_held(target, name)} = {_expected(target, name)} AND {written} IS DISTINCT FROM {_expected(target, name)})"


def _updates(target: Target, touched: str, crosswalk: str) -> str:
    change = "CASE WHEN {} THEN {{'field': '{}', 'old': {}, 'new': {}}} END"
    changes = ", ".join(
        change.format(_differs(target, n), n, _held(target, n), _expected(target, n)) for n in target.fields
    )
    returns = ", ".join(
        change.format(_returns(target, n), n, f"l.held['{n}']", _expected(target, n)) for n in target.fields
    )
    # The moment of observation is part of the version: a record that falls back to an old state is a new state.
    base = ", ".join(["s.observed_at", *(f"coalesce(s.\"{n}\", '')" for n in target.fields)])
    return (
        "INSERT INTO plan WITH d AS (SELECT s.record_key, x.master_id, "
        f"list_filter([{changes}], lambda c: c IS NOT NULL) AS changed, list_filter([{returns}], lambda c: c IS NOT NULL) AS returned, "
        f"concat_ws('|', {base}) AS base, l.written_at FROM {standardised_table(target.entity_type)} s "
        f"JOIN {crosswalk} x ON x.entity_type = '{target.entity_type}' AND x.system_id = s.system_id "
        "AND x.record_key = s.record_key AND x.role = s.role "
        f"JOIN {touched} t ON t.entity_type = '{target.entity_type}' AND t.master_id = x.master_id "
        f"JOIN fresh_{target.entity_type} g ON g.master_id = x.master_id "
        "LEFT JOIN late_write l ON l.system_id = s.system_id AND l.record_key = s.record_key AND l.role = s.role "
        f"AND l.entity_type = '{target.entity_type}' "
        f"LEFT JOIN foreign_{target.entity_type} o ON o.system_id = s.system_id AND o.record_key = s.record_key AND o.role = s.role "
        f"{_fold_joins(target, target.fields)} {_address_joins(target)} {_shadow_joins(target)} "
        f"WHERE s.system_id = '{target.system_id}' AND s.dataset = '{target.dataset}' AND s.role = '{target.role}'), "
        # What is taken back before the system was read again is a new state each time.
        "e AS (SELECT record_key, master_id, changed || returned AS changes, "
        "md5(concat_ws('|', base, CASE WHEN len(returned) > 0 THEN written_at::VARCHAR END)) AS base FROM d) "
        f"SELECT '{target.system_id}', '{target.dataset}', '{target.entity_type}', '{target.role}', master_id, record_key, "
        "'update', to_json(changes)::VARCHAR, base, "
        f"concat_ws(':', '{target.system_id}', record_key, '{target.role}', md5(to_json(changes)::VARCHAR), base) "
        "FROM e WHERE len(changes) > 0"
    )


def _creates(target: Target, touched: str, crosswalk: str) -> str:
    names = target.held or target.fields
    values = ", ".join(
        f"CASE WHEN {_expected(target, n)} IS NOT NULL THEN {{'field': '{n}', 'old': NULL::VARCHAR, 'new': {_expected(target, n)}}} END"
        for n in names
    )
    needs = " AND ".join([target.where, *(f"{_expected(target, n)} IS NOT NULL" for n in target.requires)])
    joins = _fold_joins(target, list(dict.fromkeys([*names, *target.requires])))
    payload = ", md5(to_json(changes)::VARCHAR)" if target.repeats else ""
    return (
        "INSERT INTO plan WITH d AS (SELECT g.master_id, "
        f"list_filter([{values}], lambda c: c IS NOT NULL) AS changes FROM fresh_{target.entity_type} g "
        f"JOIN {touched} t ON t.entity_type = '{target.entity_type}' AND t.master_id = g.master_id {joins} "
        f"WHERE {needs} AND NOT EXISTS (SELECT 1 FROM {crosswalk} x WHERE x.master_id = g.master_id "
        f"AND x.entity_type = '{target.entity_type}' AND x.system_id = '{target.system_id}')) "
        f"SELECT '{target.system_id}', '{target.dataset}', '{target.entity_type}', '{target.role}', master_id, NULL, "
        "'create', to_json(changes)::VARCHAR, NULL, "
        f"concat_ws(':', '{target.system_id}', 'new', '{target.dataset}', master_id::VARCHAR, '{target.role}'{payload}) "
        "FROM d WHERE len(changes) > 0"
    )


def age_condition(name: str, at_least: int | None, at_most: int | None, today: date) -> str:
    """Return SQL for an age in completed years on `today` from an ISO birth date."""
    age = f"date_sub('year', CAST(g.\"{name}\" AS DATE), DATE '{today.isoformat()}')"
    tests = [f"{age} >= {at_least}"] if at_least is not None else []
    tests += [f"{age} <= {at_most}"] if at_most is not None else []
    return " AND ".join(tests) or "true"

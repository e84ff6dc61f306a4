"""Cross-system agreement (跨系统一致性): per field and system, how many values are the golden one, who lags and by how long.

A copy lags when it differs and was last changed before the golden value was observed; it lags since then. A copy that
differs and is newer lost by authority: it differs, it does not lag.
"""

from __future__ import annotations

from datetime import datetime

import duckdb

from schemas.entities import ENTITIES
from schemas.model import EntityType
from warehouse.duck import first

COLUMNS = (
    "entity_type VARCHAR, field VARCHAR, system_id VARCHAR, compared BIGINT, agreeing BIGINT, lagging BIGINT, "
    "lag_days_median DOUBLE, lag_days_most BIGINT"
)
"""Columns of `q_agreement`; days are whole days, NULL where nothing lags."""


def compute(con: duckdb.DuckDBPyConnection, now: datetime) -> None:
    """Create `q_agreement`, one pass over the records of each entity; needs `quality.relations.prepare`."""
    con.execute(f"CREATE OR REPLACE TEMP TABLE q_agreement ({COLUMNS})")
    for entity_type in ENTITIES:
        fields = _filled(con, entity_type)
        if not fields:
            continue
        con.execute(f"CREATE OR REPLACE TEMP TABLE q_wide AS {_wide(entity_type, fields, now)}")
        parts = " UNION ALL ".join(
            f"SELECT '{entity_type}', '{f}', system_id, n_{f}, same_{f}, lag_{f}, median_{f}, most_{f} FROM q_wide WHERE n_{f} > 0"
            for f in fields
        )
        con.execute(f"INSERT INTO q_agreement {parts}")
        con.execute("DROP TABLE q_wide")


def _filled(con: duckdb.DuckDBPyConnection, entity_type: EntityType) -> list[str]:
    names = ENTITIES[entity_type].names
    counts = ", ".join(f'count("{n}")' for n in names)
    row = first(con, f"SELECT {counts} FROM golden_{entity_type}") or ()
    return [n for n, some in zip(names, row, strict=True) if some]


def _wide(entity_type: EntityType, fields: list[str], now: datetime) -> str:
    columns, joins = [], []
    for name in fields:
        mine, golden = f's."{name}"', f'g."{name}"'
        if ENTITIES[entity_type].field(name).kind == "address":
            joins.append(f"LEFT JOIN address_text a_{name} ON a_{name}.text = {mine}")
            joins.append(f"LEFT JOIN address_text b_{name} ON b_{name}.text = {golden}")
            same = f"({mine} = {golden} OR coalesce(a_{name}.normal_key = b_{name}.normal_key, false))"
        else:
            same = f"{mine} = {golden}"
        both = f"{mine} IS NOT NULL AND {golden} IS NOT NULL"
        # The provenance is read for values that differ only: to parse it for each would cost more than all the rest.
        since = f"split_part(json_extract_string(g.provenance, '$.{name}'), '|', -1)"
        behind = f"CASE WHEN {both} AND NOT {same} THEN CASE WHEN s.observed_at < {since} THEN days({since}, '{now.isoformat()}') END END"
        columns.append(
            f"count(*) FILTER (WHERE {both}) AS n_{name}, count(*) FILTER (WHERE {both} AND {same}) AS same_{name}, "
            f"count({behind}) AS lag_{name}, median({behind}) AS median_{name}, max({behind}) AS most_{name}"
        )
    return (
        f"SELECT s.system_id, {', '.join(columns)} FROM std_{entity_type} s "
        f"JOIN crosswalk x ON x.entity_type = '{entity_type}' AND x.rid = s.rid "
        f"JOIN golden_{entity_type} g ON g.master_id = x.master_id {' '.join(joins)} GROUP BY s.system_id"
    )

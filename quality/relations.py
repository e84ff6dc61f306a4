"""The relations that rules look at, with only those extra columns that some rule of a pass names.

Beside the master fields of a record a predicate may name: `g_<field>` the golden value of the same entity, `from_<field>`
the system it came from and `since_<field>` when that was observed, `key_<field>` and `gkey_<field>` normal keys of addresses
(equal when they mean the same place), `refused` (issues of values that were nulled), `ghost`. A golden record has `held_by`
(the systems that hold it), `node_id`, `node_level` and `node_exact` (where its address stands in the tree).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import duckdb

from quality.inputs import Inputs
from quality.macros import install
from schemas.entities import ENTITIES
from schemas.model import EntityType
from warehouse.duck import SOURCE_ID

_EXTRA = re.compile(r"\b(g|from|since|key|gkey)_([a-z0-9_]+)\b")
_TREE = re.compile(r"\bnode_(id|level|exact)\b")

PLACE_FIELDS = {
    "address": ("full_text",),
    "house": ("address",),
    "organisation": ("address", "registered_address"),
    "person": ("residence_address", "registered_address"),
}
"""Which address says where an entity is, the first that is known."""

_GRIDS = """
CREATE OR REPLACE TEMP TABLE q_node AS
WITH RECURSIVE said AS (
  SELECT p.node_id, any_value(g.grid_code) AS grid FROM address_point p JOIN golden_address g USING (master_id)
  WHERE p.entity_type = 'address' AND p.field = 'full_text' AND g.grid_code IS NOT NULL
  GROUP BY p.node_id HAVING count(DISTINCT g.grid_code) = 1),
up AS (
  SELECT n.node_id, n.parent_id, n.level, s.grid FROM said s JOIN address_node n USING (node_id)
  UNION
  SELECT n.node_id, n.parent_id, n.level, u.grid FROM up u JOIN address_node n ON n.node_id = u.parent_id
  WHERE n.level IN ('unit', 'building', '42', 'plate')),
own AS (SELECT node_id, any_value(grid) AS grid FROM up GROUP BY node_id HAVING count(DISTINCT grid) = 1),
down AS (
  SELECT n.node_id, n.level, NULL::VARCHAR AS street, NULL::VARCHAR AS community, NULL::VARCHAR AS grid
  FROM address_node n WHERE n.parent_id IS NULL
  UNION ALL
  SELECT n.node_id, n.level, CASE WHEN n.level LIKE '2_' THEN n.name ELSE d.street END,
         CASE WHEN n.level LIKE '3_' THEN n.name ELSE d.community END, coalesce(o.grid, d.grid)
  FROM down d JOIN address_node n ON n.parent_id = d.node_id LEFT JOIN own o ON o.node_id = n.node_id)
SELECT * FROM down
"""
"""Every node with its street, community and grid: a building is of a grid when all its known addresses are."""


def prepare(con: duckdb.DuckDBPyConnection, inputs: Inputs, only: str | None = None) -> None:
    """Create the temporary tables that all passes share: where entities are, refused values, departments, systems.

    With `only` (sid) nothing is done that costs more than those records: nobody asks for the places of a gate's rows.
    """
    install(con)
    _places(con, known=only is None)
    among = f"AND {SOURCE_ID} IN (SELECT sid FROM {only})" if only else ""
    con.execute(
        "CREATE OR REPLACE TEMP TABLE q_refused AS SELECT entity_type, system_id, record_key, role, "
        "list(DISTINCT field || ':' || rule) AS refused FROM reject "
        f"WHERE level IN ('value', 'warning') AND record_key IS NOT NULL AND field IS NOT NULL {among} GROUP BY ALL"
    )
    con.execute("CREATE OR REPLACE TEMP TABLE q_department (system_id VARCHAR, department VARCHAR)")
    if inputs.departments:
        con.executemany("INSERT INTO q_department VALUES (?, ?)", list(inputs.departments.items()))
    for name, table in (("q_system", inputs.systems), ("q_ghost", inputs.ghosts)):
        if table is not None:
            con.register("_given", table)
            con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM _given")
            con.unregister("_given")


def _places(con: duckdb.DuckDBPyConnection, *, known: bool) -> None:
    if not known:
        con.execute(
            "CREATE OR REPLACE TEMP TABLE q_place (entity_type VARCHAR, master_id UUID, node_id UUID, node_level VARCHAR, "
            "node_exact BOOLEAN, street VARCHAR, community VARCHAR, grid VARCHAR)"
        )
        return
    con.execute(_GRIDS)
    ranks = " ".join(
        f"WHEN entity_type = '{e}' AND field = '{f}' THEN {i}"
        for e, fs in PLACE_FIELDS.items()
        for i, f in enumerate(fs)
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE q_place AS SELECT p.entity_type, p.master_id, p.node_id, n.level AS node_level, "
        "p.exact AS node_exact, n.street, n.community, n.grid FROM address_point p LEFT JOIN q_node n USING (node_id) "
        f"QUALIFY row_number() OVER (PARTITION BY entity_type, master_id ORDER BY CASE {ranks} ELSE 9 END) = 1"
    )


def records(entity_type: EntityType, expressions: Iterable[str], only: str | None = None) -> str:
    """Return the SELECT of an entity's records with the extra columns that these expressions name.

    Args:
        entity_type: which entity.
        expressions: SQL of the rules of a pass.
        only: relation (sid) of source records to look at; all when None.
    """
    text = " ".join(expressions)
    fields = set(ENTITIES[entity_type].names)
    extras = sorted({(k, f) for k, f in _EXTRA.findall(text) if f in fields})
    columns, joins = ["s.*"], [f"FROM std_{entity_type} s"]
    if only:
        joins.append(f"SEMI JOIN {only} USING (sid)")
    key = "{0}.system_id = s.system_id AND {0}.record_key = s.record_key AND {0}.role = s.role"
    if re.search(r"\brefused\b", text):
        columns.append("r.refused")
        joins.append(f"LEFT JOIN q_refused r ON r.entity_type = '{entity_type}' AND {key.format('r')}")
    if re.search(r"\bghost\b", text):
        columns.append("h.system_id IS NOT NULL AS ghost")
        joins.append(f"LEFT JOIN q_ghost h ON h.entity_type = '{entity_type}' AND {key.format('h')}")
    if any(k != "key" for k, _ in extras):
        joins.append(f"LEFT JOIN crosswalk x ON x.entity_type = '{entity_type}' AND x.rid = s.rid")
        joins.append(f"LEFT JOIN golden_{entity_type} g ON g.master_id = x.master_id")
    for kind, field in extras:
        ref = f"split_part(json_extract_string(g.provenance, '$.{field}'), '|', {{}})"
        match kind:
            case "g":
                columns.append(f'g."{field}" AS g_{field}')
            case "from":
                columns.append(f"{ref.format(1)} AS from_{field}")
            case "since":
                columns.append(f"{ref.format(-1)} AS since_{field}")
            case _:
                side = "g" if kind == "gkey" else "s"
                columns.append(f'coalesce(t_{kind}_{field}.normal_key, {side}."{field}") AS {kind}_{field}')
                joins.append(f'LEFT JOIN address_text t_{kind}_{field} ON t_{kind}_{field}.text = {side}."{field}"')
    return f"SELECT {', '.join(columns)} {' '.join(joins)}"


def golden(entity_type: EntityType, expressions: Iterable[str]) -> str:
    """Return the SELECT of an entity's golden records, as records of the system `master`."""
    text = " ".join(expressions)
    columns = [
        "g.* EXCLUDE (provenance)", "'master' AS system_id", "g.master_id::VARCHAR AS record_key", f"'{entity_type}' AS role",
        "NULL::UBIGINT AS rid",
    ]  # fmt: skip
    joins = [f"FROM golden_{entity_type} g"]
    if _TREE.search(text):
        columns += ["p.node_id", "p.node_level", "p.node_exact"]
        joins.append(f"LEFT JOIN q_place p ON p.entity_type = '{entity_type}' AND p.master_id = g.master_id")
    if re.search(r"\bheld_by\b", text):
        columns.append("b.held_by")
        joins.append(
            "LEFT JOIN (SELECT master_id, list(DISTINCT system_id) AS held_by FROM crosswalk "
            f"WHERE entity_type = '{entity_type}' GROUP BY master_id) b ON b.master_id = g.master_id"
        )
    return f"SELECT {', '.join(columns)} {' '.join(joins)}"


SYSTEMS = (
    "SELECT *, system_id AS record_key, 'system' AS role, NULL::UBIGINT AS rid, NULL::UUID AS master_id FROM q_system"
)
"""The SELECT of the systems."""

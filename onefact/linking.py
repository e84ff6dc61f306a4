"""Linking within a consolidation (归集中的链接): each entity's records to groups, groups to persistent ids.

Addresses come first, then houses and organisations, then persons. Only what changed since the last run is looked at; the
result is what linking everything would give (`linkage.relink`).
"""

from __future__ import annotations

import duckdb

from linkage.comparable import SPECS, Inputs
from linkage.identity import assign
from linkage.model import Model
from linkage.model import frequencies as name_frequencies
from linkage.relink import Changes, relink
from linkage.resolve import resolve
from linkage.state import State
from schemas.entities import ENTITIES
from schemas.model import EntityType
from warehouse.duck import RECORD_ID, standardised_table


def link_entity(con: duckdb.DuckDBPyConnection, entity_type: EntityType, model: Model | None) -> None:
    """Link one entity: make `linked_`, `ended_`, `restored_`, `known_` and `foreign_<entity>`.

    Reads `touched_record`, `judgement_now`, `decision_now`, `former_now` and the last `crosswalk`.
    """
    decisions = _of(con, "decision_now", entity_type)
    former = _of(con, "former_now", entity_type)
    if model is not None:
        everything = _relink(con, entity_type, model, decisions)
    else:
        everything = True
        _resolve(con, entity_type)
    limit = "" if everything else " AND rid IN (SELECT rid FROM affected)"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE known_{entity_type} AS SELECT * FROM crosswalk WHERE entity_type = '{entity_type}'{limit}"
    )
    assign(con, entity_type, known=f"known_{entity_type}", decisions=decisions, former=former)
    con.execute("DROP TABLE IF EXISTS affected_record")


def _of(con: duckdb.DuckDBPyConnection, relation: str, entity_type: EntityType) -> str:
    """Number the records that a relation names, for one entity."""
    name = f"{relation}_{entity_type}"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT {RECORD_ID} AS rid, master_id FROM {relation} "
        f"WHERE entity_type = '{entity_type}'"
    )
    return name


def _relink(con: duckdb.DuckDBPyConnection, entity_type: EntityType, model: Model, decisions: str) -> bool:
    spec, names = SPECS[entity_type], State(entity_type)
    inputs = Inputs(standardised_table(entity_type), rid="s.rid")
    con.execute(
        f"CREATE OR REPLACE TEMP VIEW judged_now AS SELECT * FROM judgement_now WHERE entity_type = '{entity_type}'"
    )
    con.execute(f"CREATE OR REPLACE TEMP VIEW known_now AS SELECT * FROM crosswalk WHERE entity_type = '{entity_type}'")
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE touched_rid AS SELECT rid FROM {standardised_table(entity_type)} "
        "WHERE sid IN (SELECT sid FROM touched_record) UNION SELECT rid FROM crosswalk "
        f"WHERE entity_type = '{entity_type}' AND sid IN (SELECT sid FROM touched_record)"
    )
    changes = Changes("touched_rid", "judged_now", decisions, "known_now", texts="place_again")
    everything = relink(con, spec, model, inputs, changes)
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE grouped_{entity_type} AS SELECT c.rid, r.system_id, r.record_key, r.role, "
        f"c.cluster AS label, c.rule FROM clustered c JOIN {names.record} r USING (rid)"
    )
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE foreign_{entity_type} AS SELECT r.system_id, r.record_key, r.role, "
        f"['id_type', 'id_number', 'birth_date', 'sex'] AS fields FROM {names.foreign} JOIN {names.record} r USING (rid) "
        "WHERE rid IN (SELECT rid FROM affected)"
    )
    return everything


def _resolve(con: duckdb.DuckDBPyConnection, entity_type: EntityType) -> None:
    resolve(con, entity_type, records=standardised_table(entity_type), addresses="address_text", names="name_form")
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE grouped_{entity_type} AS SELECT {RECORD_ID} AS rid, * FROM grouped_{entity_type}"
    )


def load_rarity(con: duckdb.DuckDBPyConnection, model: Model) -> None:
    """Make `name_rarity` from the name frequencies of the persons' model."""
    table = name_frequencies.rarity(model, model.comparison("name"), name_frequencies.read(None, model.entity))
    con.register("_rarity", table)
    con.execute("CREATE OR REPLACE TEMP TABLE name_rarity AS SELECT * FROM _rarity")
    con.unregister("_rarity")


def order() -> tuple[EntityType, ...]:
    """Entities in the order in which they are linked."""
    return tuple(ENTITIES)

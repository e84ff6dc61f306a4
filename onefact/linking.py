"""Linking within a consolidation (归集中的链接): each entity's records to groups, groups to persistent ids.

Addresses come first, then houses and organisations, then persons. Only what changed since the last run is looked at; the
result is what linking everything would give (`linkage.relink`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from linkage.comparable import SPECS, Inputs
from linkage.engine import DuckEngine
from linkage.foreign import FROM_ID_NUMBER
from linkage.homes import relink as homes
from linkage.homes.rules import RULES as HOMES
from linkage.identity import assign
from linkage.model import Model, shipped
from linkage.model import frequencies as name_frequencies
from linkage.questions import ask, tell_evidence
from linkage.relink import Changes, Scope, relink
from linkage.state import State, outdated
from schemas.model import EntityType
from warehouse.addresses import saying_again
from warehouse.duck import RECORD_ID, count, standardised_table


def link_entity(con: duckdb.DuckDBPyConnection, entity_type: EntityType, model: Model | None) -> None:
    """Link one entity: make `linked_`, `ended_`, `restored_`, `known_` and `foreign_<entity>`.

    Reads `touched_record`, `judgement_now`, `decision_now`, `former_now` and the last `crosswalk`.
    """
    decisions = _of(con, "decision_now", entity_type)
    former = _of(con, "former_now", entity_type)
    scope = _relink(con, entity_type, model, decisions) if model else _link_homes(con, entity_type, decisions)
    if scope == "nothing":
        _leave(con, entity_type)
        return
    limit = "" if scope == "everything" else " AND rid IN (SELECT rid FROM affected)"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE known_{entity_type} AS SELECT * FROM crosswalk WHERE entity_type = '{entity_type}'{limit}"
    )
    assign(con, entity_type, known=f"known_{entity_type}", decisions=decisions, former=former)
    if model is not None:
        _tell(con, entity_type, model)
    con.execute("DROP TABLE IF EXISTS affected_record")


def _leave(con: duckdb.DuckDBPyConnection, entity_type: EntityType) -> None:
    """Make the relations of an entity of which nothing changed: empty."""
    for name, columns in (
        ("linked", "rid UBIGINT, system_id VARCHAR, record_key VARCHAR, role VARCHAR, master_id UUID, rule VARCHAR"),
        ("ended", "old_id UUID, new_id UUID"),
        ("restored", "old_id UUID"),
        ("foreign", "system_id VARCHAR, record_key VARCHAR, role VARCHAR, fields VARCHAR[]"),
    ):
        con.execute(f"CREATE OR REPLACE TEMP TABLE {name}_{entity_type} ({columns})")
    con.execute(f"CREATE OR REPLACE TEMP TABLE known_{entity_type} AS SELECT * FROM crosswalk LIMIT 0")


def _of(con: duckdb.DuckDBPyConnection, relation: str, entity_type: EntityType) -> str:
    """Number the records that a relation names, for one entity."""
    name = f"{relation}_{entity_type}"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT {RECORD_ID} AS rid, master_id FROM {relation} "
        f"WHERE entity_type = '{entity_type}'"
    )
    return name


def _relink(con: duckdb.DuckDBPyConnection, entity_type: EntityType, model: Model, decisions: str) -> Scope:
    spec, names = SPECS[entity_type], State(entity_type)
    inputs = Inputs(
        standardised_table(entity_type), rid="s.rid", hints="std_hint", frequencies=f"name_rarity_{entity_type}"
    )
    con.execute(
        f"CREATE OR REPLACE TEMP VIEW judged_now AS SELECT * FROM judgement_now WHERE entity_type = '{entity_type}'"
    )
    con.execute(f"CREATE OR REPLACE TEMP VIEW known_now AS SELECT * FROM crosswalk WHERE entity_type = '{entity_type}'")
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE touched_rid AS SELECT rid FROM {standardised_table(entity_type)} "
        "WHERE sid IN (SELECT sid FROM touched_record) UNION SELECT rid FROM crosswalk "
        f"WHERE entity_type = '{entity_type}' AND sid IN (SELECT sid FROM touched_record)"
    )
    con.execute(
        f"CREATE OR REPLACE TEMP VIEW placed_rid AS SELECT rid FROM {standardised_table(entity_type)} "
        f"WHERE sid IN ({saying_again('place_again')})"
    )
    changes = Changes("touched_rid", "judged_now", decisions, "known_now", placed="placed_rid")
    scope = relink(con, spec, model, inputs, changes)
    if scope == "nothing":
        return scope
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE grouped_{entity_type} AS SELECT c.rid, r.system_id, r.record_key, r.role, "
        f"c.cluster AS label, c.rule FROM clustered c JOIN {names.record} r USING (rid)"
    )
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE foreign_{entity_type} AS SELECT r.system_id, r.record_key, r.role, "
        f"{list(FROM_ID_NUMBER)} AS fields FROM {names.foreign} JOIN {names.record} r USING (rid) "
        "WHERE rid IN (SELECT rid FROM affected)"
    )
    return scope


def _link_homes(con: duckdb.DuckDBPyConnection, entity_type: EntityType, decisions: str) -> Scope:
    con.execute(f"CREATE OR REPLACE TEMP VIEW known_now AS SELECT * FROM crosswalk WHERE entity_type = '{entity_type}'")
    nothing = "system_id VARCHAR, record_key VARCHAR, role VARCHAR, fields VARCHAR[]"
    con.execute(f"CREATE OR REPLACE TEMP TABLE foreign_{entity_type} ({nothing})")
    changes = homes.Changes("touched_record", "place_again", decisions, "known_now")
    if homes.relink(con, HOMES[entity_type], records=standardised_table(entity_type), changes=changes):
        return "everything"
    return "changes" if count(con, "SELECT count(*) FROM affected") else "nothing"


_SIDES = ("left", "right")
_PAIR_TYPES = ", ".join(f"{side}_{part} VARCHAR" for side in _SIDES for part in ("system", "key", "role"))


def begin_telling(con: duckdb.DuckDBPyConnection) -> None:
    """Make the empty relations that the entities' evidence and questions go to: `edge_fresh`, `edge_gone`, `review_now`."""
    named = f"entity_type VARCHAR, {_PAIR_TYPES}"
    con.execute(f"CREATE OR REPLACE TEMP TABLE edge_fresh ({named}, weight DOUBLE, rule VARCHAR, model VARCHAR)")
    con.execute(f"CREATE OR REPLACE TEMP TABLE edge_gone ({named})")
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE review_now ({named}, weight DOUBLE, reason VARCHAR, left_master UUID, right_master UUID, "
        "gain DOUBLE, model VARCHAR, compared VARCHAR)"
    )


def _tell(con: duckdb.DuckDBPyConnection, entity_type: EntityType, model: Model) -> None:
    """Add an entity's evidence and questions to `edge_fresh`, `edge_gone` and `review_now`, by the names of the records."""
    engine, names = DuckEngine(con), State(entity_type)
    tell_evidence(engine, names)
    ask(engine, model, names)
    engine.table(
        "named_record",
        "SELECT n.rid, n.system_id, n.record_key, n.role, n.master_id FROM ("
        f"SELECT rid, system_id, record_key, role, master_id FROM linked_{entity_type} UNION ALL "
        f"SELECT rid, system_id, record_key, role, master_id FROM crosswalk WHERE entity_type = '{entity_type}' "
        f"AND rid NOT IN (SELECT rid FROM linked_{entity_type})) n WHERE n.rid IN (SELECT unnest([l, r]) FROM evidence_fresh "
        "UNION SELECT unnest([l, r]) FROM evidence_gone UNION SELECT unnest([l, r]) FROM question)",
    )
    for table, relation, more in (
        ("edge_fresh", "evidence_fresh", f", p.weight, p.rule, '{model.version}'"),
        ("edge_gone", "evidence_gone", ""),
        (
            "review_now",
            "question",
            f", p.weight, p.reason, x.master_id, y.master_id, p.gain, '{model.version}', p.compared",
        ),
    ):
        con.execute(
            f"INSERT INTO {table} SELECT '{entity_type}', x.system_id, x.record_key, x.role, y.system_id, y.record_key, y.role{more} "
            f"FROM (SELECT * FROM {relation} UNION ALL BY NAME SELECT * RENAME (l AS r, r AS l) FROM {relation}) p "
            "JOIN named_record x ON x.rid = p.l JOIN named_record y ON y.rid = p.r "
            # A pair is named by its smaller record first.
            "WHERE (x.system_id, x.record_key, x.role) < (y.system_id, y.record_key, y.role)"
        )
    engine.drop("named_record", "evidence_fresh", "evidence_gone", "question")


@dataclass(frozen=True, slots=True)
class Models:
    """The models that a consolidation links with and how common names are (`linkage.model.frequencies`), by entity."""

    by_entity: Mapping[EntityType, Model]
    frequencies: Mapping[EntityType, pa.Table]

    @classmethod
    def shipped(cls) -> Models:
        """The models that ship with onefact."""
        return cls(
            {entity: shipped(entity) for entity in SPECS},
            {entity: name_frequencies.read(None, entity) for entity in SPECS},
        )

    def changed(self, con: duckdb.DuckDBPyConnection) -> bool:
        """Return whether the working copy was linked by other models or rules."""
        return any(outdated(con, SPECS[entity], model) for entity, model in self.by_entity.items()) or any(
            homes.outdated(con, rules) for rules in HOMES.values()
        )


def load_rarity(con: duckdb.DuckDBPyConnection, models: Models) -> None:
    """Make `name_rarity_<entity>`: what the frequency of a name adds to the weight of an equal one, by the entity's model."""
    for entity_type, model in models.by_entity.items():
        rarity = name_frequencies.rarity(model, model.comparison("name"), models.frequencies[entity_type])
        con.register("_rarity", rarity)
        con.execute(f"CREATE OR REPLACE TEMP TABLE name_rarity_{entity_type} AS SELECT * FROM _rarity")
        con.unregister("_rarity")

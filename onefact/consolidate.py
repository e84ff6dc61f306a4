"""Consolidate (归集): link the standardised records, recompute the golden records they touch, plan what systems lack.

Everything is a pure function of the current records, the decisions and the policy; it can be run again at any time with
the same result. Only entities touched since the last run are recomputed, compared and published.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import duckdb

from linkage import names, organisations
from linkage.address.occupants import settle
from linkage.address.places import resolve_new
from linkage.comparable import SPECS
from onefact import models, policies, policy
from onefact.acting import acted
from onefact.forms import tasks as form_tasks
from onefact.home import Home
from onefact.law import register, tickets
from onefact.linking import Models, begin_telling, link_entity, load_rarity
from onefact.quality import gate
from onefact.quality import master as master_gate
from schemas.entities import ENTITIES
from schemas.model import EntityType
from warehouse import address_tree, entries, findings, golden, judgements, shadow, withdrawn, working_copy
from warehouse.addresses import follow_uses, parse_new
from warehouse.duck import count
from warehouse.names import standardise_new, standardise_organisations_new
from warehouse.planning import plan
from warehouse.publish import Publisher
from warehouse.reading import MasterReader

AWAITING = (
    "SELECT change_id, entity_type, system_id, record_key, role, c ->> 'field' AS field, c ->> 'new' AS value "
    "FROM outbox, jsonb_array_elements(changes) AS c WHERE (state = 'awaiting_person' OR (state = 'sent' AND code IN ('no_receipt', 'typed_by_person'))) AND record_key IS NOT NULL "
    "AND NOT coalesce(jsonb_exists(withheld, c ->> 'field'), false)"
)
"""Changes that only a reading can confirm, one row per field: assisted entries, and files to a folder without receipts."""


@dataclass(frozen=True, slots=True)
class Consolidated:
    """What a consolidation changed."""

    run_id: str
    golden: Mapping[EntityType, int] = field(default_factory=dict)
    entities: Mapping[EntityType, int] = field(default_factory=dict)
    ended: int = 0
    planned: int = 0
    superseded: int = 0
    new_texts: int = 0

    @property
    def changed(self) -> int:
        """Golden records that were written or ended."""
        return sum(self.golden.values()) + self.ended


def consolidate(home: Home, *, dry_run: bool = False) -> Consolidated:
    """Bring golden records, crosswalk and outbox up to date with the standardised records and entries.

    With `dry_run` everything is worked out and taken back: the result says what would change.

    Raises:
        onefact.quality.gate.GateClosed: a critical quality rule fails on what waits; nothing is published.
    """
    run_id = home.new_run("consolidate")
    lines, today = register.load(home), home.now().date()
    with home.warehouse() as con, MasterReader(home.database.dsn(), home.seals) as master:
        fresh = entries.stage(con, master, home.stamp())  # first: a rebuilt copy has to hold them when it is compared
        working_copy.refresh(con, master)
        judgements.load(con, master)
        linked_by = models_of(home)
        if not _any_touched(con) and not linked_by.changed(con):
            if dry_run:
                return Consolidated(run_id, entities=_totals(con))
            _taken(home, con, run_id, fresh)
            return Consolidated(run_id, entities=_totals(con), planned=_planned_beside(home, run_id))
        gate.hold(home, con, run_id)
        _load_inputs(home, con, master)
        texts = derive(con, linked_by, lambda: shadow.load(con, master))
        working_copy.find_confirmed(con)
        plan(
            con,
            list(policy.targets(home.manifests.values(), today, lines.may("out", today))),
            touched="touched",
            crosswalk="crosswalk_now",
        )
        master_gate.hold(home, con, run_id)
        result = _publish(home, con, run_id, texts, fresh, dry_run=dry_run)
        if dry_run:
            con.execute("ROLLBACK")
            return replace(result, entities=_totals(con))
        tickets.settle(home, run_id)
        form_tasks.settle(home)
        working_copy.commit(con, run_id)
        judgements.applied(con)
        beside = _planned_beside(home, run_id)
        done = replace(result, entities=_totals(con), planned=result.planned + beside)
    acted(home, "consolidate", "run", [run_id], count=done.changed, planned=done.planned)
    return done


def _planned_beside(home: Home, run_id: str) -> int:
    """Plan what no comparison of golden records finds: values lost silently, and records whose creation was undone."""
    deletes = [m.id for m in home.manifests.values() if m.capabilities.delete]
    return findings.plan_lost(home.engine, run_id) + withdrawn.plan_deletions(home.engine, run_id, deletes)


def models_of(home: Home) -> Models:
    """Return the models that count in an installation: its own trained ones before the shipped."""
    return Models(
        {entity: models.current(home, entity) for entity in SPECS},
        {entity: models.name_frequencies(home, entity) for entity in SPECS},
    )


def derive(
    con: duckdb.DuckDBPyConnection, linked_by: Models | None = None, load_shadow: Callable[[], None] | None = None
) -> int:
    """Link all records and recompute the golden records they touch; return how many address texts were new.

    Needs nothing but the warehouse: the standardised records, the last state (`crosswalk`, `golden_<entity>`) and the
    inputs of the run (`authority`, `decision_now`, `pushed_now`). Leaves the new state in temporary tables.

    Args:
        con: the warehouse.
        linked_by: the models to link with; the shipped ones when not given.
        load_shadow: loads `pushed_now` once the touched entities are known; it is there already when not given.
    """
    texts = parse_new(con)
    standardise_new(con, names.standardise)
    standardise_organisations_new(con, organisations.standardise)
    working_copy.begin(con)
    follow_uses(con)
    resolve_new(con, addresses="address_said", gone="address_gone")
    settle(con)
    linked_by = linked_by or Models.shipped()
    load_rarity(con, linked_by)
    begin_telling(con)
    for entity_type in ENTITIES:
        link_entity(con, entity_type, linked_by.by_entity.get(entity_type))
        withdrawn.drop(con, entity_type)
    working_copy.gather_links(con)
    if load_shadow:
        load_shadow()
    working_copy.find_echoes(con)
    for entity_type in ENTITIES:
        golden.survive(
            con,
            entity_type,
            touched=f"touched_{entity_type}",
            crosswalk=f"linked_{entity_type}",
            foreign=f"foreign_{entity_type}",
        )
        if entity_type == "address":
            golden.complete_addresses(con)
        working_copy.apply_fresh(con, entity_type)
    address_tree.plant(con)
    return texts


def _any_touched(con: duckdb.DuckDBPyConnection) -> bool:
    return bool(count(con, "SELECT count(*) FROM touched_record"))


def _totals(con: duckdb.DuckDBPyConnection) -> dict[EntityType, int]:
    return {e: count(con, f"SELECT count(*) FROM golden_{e}") for e in ENTITIES}


def _load_inputs(home: Home, con: duckdb.DuckDBPyConnection, master: MasterReader) -> None:
    """Load authority ranks, decisions and what waits for a reading for this run."""
    golden.load_authority(con, policy.authorities(home.manifests.values()))
    con.register(
        "_decision",
        master.fetch("SELECT system_id, record_key, entity_type, role, master_id::text AS master_id FROM decision"),
    )
    con.execute(
        "CREATE OR REPLACE TEMP TABLE decision_now AS SELECT * REPLACE (master_id::UUID AS master_id) FROM _decision"
    )
    con.unregister("_decision")
    withdrawn.load(con, master)
    con.register("_awaiting", master.fetch(AWAITING))
    con.execute("CREATE OR REPLACE TEMP TABLE awaiting_now AS SELECT * FROM _awaiting")
    con.unregister("_awaiting")


def _taken(home: Home, con: duckdb.DuckDBPyConnection, run_id: str, fresh: Sequence[str]) -> None:
    """Say of entries that they were looked at, where they changed nothing."""
    if fresh:
        with Publisher(home.database.dsn(), con, run_id, home.now(), seals=home.seals) as publisher:
            publisher.taken(fresh)


def _publish(
    home: Home, con: duckdb.DuckDBPyConnection, run_id: str, texts: int, fresh: Sequence[str], *, dry_run: bool = False
) -> Consolidated:
    decided_by = None if dry_run else policies.keep(home, run_id)
    with Publisher(home.database.dsn(), con, run_id, home.now(), dry_run=dry_run, seals=home.seals) as publisher:
        written = {e: publisher.golden(e, f"changed_{e}") for e in ENTITIES}
        ended = sum(publisher.ended(e, f"ended_{e}") for e in ENTITIES)
        publisher.crosswalk("crosswalk_gone", "crosswalk_fresh")
        for entity_type in ENTITIES:
            publisher.restored(entity_type, f"restored_{entity_type}")
        publisher.edges("edge_fresh", "edge_gone")
        publisher.review("review_now", "touched")
        publisher.links("relation_now", "touched")
        publisher.tree(("node_gone", "node_fresh"), ("point_gone", "point_fresh"))
        publisher.found_by()
        publisher.candidates("touched")
        publisher.taken(fresh)
        publisher.confirm("confirmed")
        planned, superseded = publisher.outbox("plan", "touched")
        result = Consolidated(run_id, written, {}, ended, planned, superseded, texts)
        told = {"golden": written, "ended": ended, "planned": planned, "superseded": superseded, "policy": decided_by}
        publisher.run("consolidate", told)
    return result

"""The demo: forty stand-ins, the whole road, one fact entered once and seen to arrive everywhere it belongs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import sqlalchemy as sa

from linkage.score import Score, pairwise
from onefact import enter as entry
from onefact import road, status
from onefact.consolidate import consolidate
from onefact.delivery import guards
from onefact.home import Home
from onefact.push import push
from onefact.status import Status
from schemas.entities import ENTITIES
from warehouse.duck import count
from warehouse.reading import fetch
from warehouse.standardised import ADDRESS_PARTS
from warehouse.tables import METADATA, OUTBOX

FIELD = "phone"
"""The fact that the demo enters: the most duplicated one after the name (domain README §2.3)."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """Where the entered fact went: the system, the state of its delivery, the receipt."""

    system_id: str
    name: str
    state: str
    receipt: str | None


@dataclass(frozen=True, slots=True)
class Burden:
    """What entering facts costs: fields forty systems ask for against facts known once (填报负担)."""

    asked: int
    """Filled fields over all source records: what forty systems made somebody type."""
    once: int
    """Filled fields of the golden records: each fact once."""

    @property
    def saved(self) -> float:
        """Share of typing that entering once would have saved."""
        return 1 - self.once / self.asked if self.asked else 0.0


@dataclass(frozen=True, slots=True)
class DemoResult:
    """Everything the demo shows; `report.html` is made from it."""

    people: int
    systems: int
    records: int
    entities: Mapping[str, int]
    duplicates: Mapping[str, int]
    """Per entity: source descriptions minus master entities."""
    burden: Burden
    states: Mapping[str, int]
    """Outcomes of all deliveries."""
    readable_equal: float
    """Share of pushed fields that were read back equal, of those that can be read back."""
    awaiting_person: int
    exported: int
    scores: Mapping[str, Score]
    arrivals: tuple[Arrival, ...]
    second_run_pushed: int
    errors: tuple[str, ...]
    seconds: Mapping[str, float]
    status: Status
    sharing: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """System id -> the facts (`person.phone`) it holds; for the picture of shared facts."""

    @property
    def passed(self) -> bool:
        """True when the demo kept its promises."""
        return (
            not self.errors
            and self.readable_equal == 1.0
            and self.second_run_pushed == 0
            and bool(self.arrivals)
            and self.status.balanced
        )


class Narrator(Protocol):
    """Tells the user what happens while it happens."""

    def step(self, title: str) -> None:
        """A new step begins."""
        ...

    def progress(self, step: str, system: str, count: int) -> None:
        """Something was done within the step."""
        ...

    def note(self, sentence: str) -> None:
        """A result worth a line."""
        ...


def demo(home: Home, people: int, seed: int, narrator: Narrator) -> DemoResult:
    """Run the whole demo in a home; the sandbox is left running so that it can be looked at."""
    from sandbox import supervisor  # the sandbox's servers are needed by nothing else in onefact

    clock = time.perf_counter
    seconds: dict[str, float] = {}
    start = clock()
    narrator.step("Starting forty stand-in systems")
    supervisor.start(home.path, people, seed, None)
    guards.let_first_through(home)
    seconds["sandbox"] = clock() - start
    narrator.step("Running the road: pull → consolidate → push")
    first = road.run(home, None, narrator.progress)
    seconds.update(first.seconds)
    narrator.note(
        f"{first.received} records from {len(first.pulled)} systems, {first.consolidated.changed} golden records, {first.sent} changes sent"
    )
    narrator.step("Running the road again: what comes back are our own values")
    echo = road.run(home, None, narrator.progress)
    narrator.step("Entering one new phone number for one person")
    start = clock()
    arrivals = _enter_once(home, seed)
    seconds["enter"] = clock() - start
    narrator.note(f"written to {len(arrivals)} systems in {seconds['enter']:.1f} s")
    narrator.step("Running the road again: the new number comes back from everywhere")
    back = road.run(home, None, narrator.progress)
    narrator.step("And once more: nothing has changed")
    start = clock()
    last = road.run(home, None, narrator.progress)
    seconds["second_run"] = clock() - start
    result = _result(home, people, (first, echo, back, last), arrivals, seconds)
    from onefact.report.demo import write  # Jinja is only needed here

    write(Path.cwd() / "report.html", home, result)
    return result


def _enter_once(home: Home, seed: int) -> tuple[Arrival, ...]:
    """Give the person whom most systems know a new phone number and push it; return where it went."""
    with home.engine.connect() as connection:
        person = connection.execute(
            sa.text(
                "SELECT p.master_id::text FROM person p JOIN crosswalk c USING (master_id) WHERE p.phone IS NOT NULL "
                "AND p.death_date IS NULL AND c.entity_type = 'person' "
                "GROUP BY p.master_id ORDER BY count(DISTINCT c.system_id) DESC, p.master_id LIMIT 1"
            )
        ).scalar_one()
    number = f"1390000{seed % 10000:04d}"
    entry.enter(home, person, FIELD, number, actor="demo")
    consolidate(home)
    push(home)
    told = {"field": FIELD, "new": home.seals.value("person", FIELD, person, number)}
    query = (
        sa.select(OUTBOX.c.system_id, OUTBOX.c.state, OUTBOX.c.receipt)
        .where(OUTBOX.c.master_id == person, OUTBOX.c.changes.contains([told]))
        .order_by(OUTBOX.c.system_id)
    )
    with home.engine.connect() as connection:
        return tuple(
            Arrival(system, home.manifests[system].name, state, receipt)
            for system, state, receipt in connection.execute(query)
        )


def _result(
    home: Home, people: int, runs: tuple[road.Road, ...], arrivals: tuple[Arrival, ...], seconds: Mapping[str, float]
) -> DemoResult:
    now = status.status(home)
    states: dict[str, int] = {}
    for system in now.systems:
        for state, n in system.outbox.items():
            states[state] = states.get(state, 0) + n
    verified, failed, awaiting, exported = _fields_by_outcome(home)
    return DemoResult(
        people=people,
        systems=len(home.manifests),
        records=runs[0].received,
        entities={str(e): n for e, n in now.entities.items()},
        duplicates=_duplicates(home),
        burden=_burden(home),
        states=states,
        readable_equal=verified / (verified + failed) if verified + failed else 1.0,
        awaiting_person=awaiting,
        exported=exported,
        scores=score(home),
        arrivals=arrivals,
        second_run_pushed=runs[-1].sent,
        errors=tuple(e for r in runs for e in r.errors),
        seconds=seconds,
        status=now,
        sharing={
            m.id: tuple(sorted({f"{e.type}.{n}" for d in m.datasets for e in d.entities for n in e.fields}))
            for m in home.manifests.values()
        },
    )


def _fields_by_outcome(home: Home) -> tuple[int, int, int, int]:
    """Return pushed fields (verified, not equal, awaiting a person, exported without read path)."""
    query = sa.text(
        "SELECT coalesce(sum(n) FILTER (WHERE state = 'verified'), 0), "
        "coalesce(sum(n) FILTER (WHERE state IN ('rejected', 'conflict', 'no_answer', 'planned', 'pending') "
        "OR (state = 'sent' AND code <> 'exported')), 0), coalesce(sum(n) FILTER (WHERE state = 'awaiting_person'), 0), "
        "coalesce(sum(n) FILTER (WHERE state = 'sent' AND code = 'exported'), 0) "
        "FROM (SELECT state, code, jsonb_array_length(changes) AS n FROM outbox) o"
    )
    with home.engine.connect() as connection:
        row = connection.execute(query).one()
    return int(row[0]), int(row[1]), int(row[2]), int(row[3])


def _duplicates(home: Home) -> dict[str, int]:
    query = sa.text(
        "SELECT entity_type, count(*) - count(DISTINCT master_id) FROM crosswalk WHERE system_id <> 'entry' GROUP BY entity_type"
    )
    with home.engine.connect() as connection:
        return {row[0]: int(row[1]) for row in connection.execute(query)}


DERIVED: Mapping[str, frozenset[str]] = {
    "person": frozenset({"id_type", "sex", "birth_date"}),
    "address": frozenset(ADDRESS_PARTS),
}
"""Fields that nobody needs to type: the ID number says them, or the text of the address."""


def _burden(home: Home) -> Burden:
    """Count what forty systems made somebody type (filled columns) and what has to be typed once (golden, not derived)."""
    asked = once = 0
    with home.warehouse() as con:
        for manifest in home.manifests.values():
            for dataset in manifest.datasets:
                for entity in dataset.entities:
                    counts = " + ".join(f'count("{n}")' for n, f in entity.fields.items() if f.column and f.readable)
                    if counts:
                        asked += count(
                            con,
                            f"SELECT {counts} FROM std_{entity.type} WHERE system_id = '{manifest.id}' "
                            f"AND dataset = '{dataset.name}' AND role = '{entity.role}'",
                        )
        for name, golden in ENTITIES.items():
            typed = [f.name for f in golden.fields if f.name not in DERIVED.get(name, ())]
            once += count(
                con, f"SELECT {' + '.join(f'count({chr(34)}{n}{chr(34)})' for n in typed)} FROM golden_{name}"
            )
    return Burden(asked, once)


def score(home: Home) -> dict[str, Score]:
    """Return pairwise precision and recall per entity against the sandbox's truth."""
    return score_against(home, pq.read_table(home.path / "sandbox" / "truth.parquet"))


def score_against(home: Home, truth: pa.Table) -> dict[str, Score]:
    """Return pairwise precision and recall per entity against a truth (system_id, record_key, entity_type, role, truth_id)."""
    links = fetch(
        home.database.dsn(),
        "SELECT system_id, record_key, entity_type, role, master_id::text AS master FROM crosswalk WHERE system_id <> 'entry'",
    )
    scores = {}
    for name in METADATA.tables.keys() & ENTITIES.keys():
        scores[name] = pairwise(_records(links, name, "master", "master"), _records(truth, name, "truth_id", "truth"))
    return dict(sorted(scores.items()))


def _records(table: pa.Table, entity_type: str, column: str, name: str) -> pa.Table:
    chosen = table.filter(pc.equal(table["entity_type"], entity_type))
    record = pc.binary_join_element_wise(chosen["system_id"], chosen["record_key"], chosen["role"], "\x1f")
    return pa.table({"record": record, name: chosen[column]})

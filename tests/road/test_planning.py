"""What is planned for a target, and what may never be; the SQL that decides it, as snapshots."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest
import yaml
from road_support import citizen, manifests
from workbench import Workbench, person

from connectors.manifest.model import Manifest
from onefact.policy import authorities, may_write, targets
from schemas.entities import ENTITIES
from warehouse.golden import Authority, claims_sql, winners_sql
from warehouse.planning import Target, _creates, _updates, plan

WHO = {"id_number": citizen(11), "name": "王伟"}
TODAY = date(2026, 11, 1)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    ranks = [Authority("truth", "person", "person", f, 90) for f in ENTITIES["person"].names]
    with Workbench(tmp_path / "warehouse.duckdb", ranks) as bench:
        yield bench


def planned(bench: Workbench, target: Target) -> list[tuple[str, dict[str, tuple[str | None, str]]]]:
    bench.run()
    plan(bench.con, [target], touched="touched", crosswalk="crosswalk_now")
    rows = bench.con.execute("SELECT operation, changes FROM plan ORDER BY record_key").fetchall()
    return [(o, {c["field"]: (c["old"], c["new"]) for c in json.loads(changes)}) for o, changes in rows]


def target(*fields: str, **more: object) -> Target:
    return Target("poor", "all", "person", "person", fields, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("truth", "held", "expected"),
    [
        ({"phone": "13900000001"}, {"phone": "13900000002"}, {"phone": ("13900000002", "13900000001")}),
        ({"phone": "13900000001"}, {}, {"phone": (None, "13900000001")}),
        ({}, {"phone": "13900000002"}, {}),  # it is the only one who knows
        ({"ethnicity": "01"}, {"ethnicity": "97"}, {"ethnicity": ("97", "01")}),
        ({"ethnicity": "02"}, {"ethnicity": "97"}, {}),  # 蒙古 is 其他 there: nothing to tell
        ({"ethnicity": "05"}, {"ethnicity": "01"}, {}),  # no spelling: cannot be told
        ({"residence_address": "武珞路1号3栋2单元501室"}, {"residence_address": "武汉市武珞路1号3幢2单元501"}, {}),
        (
            {"residence_address": "武珞路1号3栋2单元501室"},
            {"residence_address": "武珞路1号3栋2单元502室"},
            {"residence_address": ("武珞路1号3栋2单元502室", "武珞路1号3栋2单元501室")},
        ),
    ],
)
def test_what_is_told_to_a_record(
    bench: Workbench, truth: dict[str, str], held: dict[str, str], expected: dict[str, object]
) -> None:
    bench.load([person("truth", "1", **WHO, **truth), person("poor", "1", **WHO, **held)])
    folds = {"ethnicity": {"01": "01", "02": "97", "97": "97"}}
    found = planned(bench, target("phone", "ethnicity", "residence_address", folds=folds))
    assert found == ([("update", expected)] if expected else [])


def test_a_field_that_is_only_written_is_compared_with_what_was_written(bench: Workbench) -> None:
    bench.load([person("truth", "1", **WHO, phone="13900000001"), person("poor", "1", **WHO)])
    assert planned(bench, target("phone", unread=("phone",))) == [("update", {"phone": (None, "13900000001")})]
    bench.pushed.append(("poor", "1", "person", "person", "phone", "13900000001"))
    bench.load(
        [person("poor", "1", "2026-12-01", **WHO)]
    )  # the target stamps its row; that is no reason to write again
    assert planned(bench, target("phone", unread=("phone",))) == []


def test_a_code_that_a_new_record_requires_may_be_missing_from_what_it_gets(bench: Workbench) -> None:
    bench.load([person("truth", "1", **WHO, ethnicity="02", phone="13900000001")])
    wanted = target(creates=True, held=("phone",), requires=("ethnicity",), folds={"ethnicity": {"01": "01"}})
    assert planned(bench, wanted) == []  # 蒙古 cannot be spelled there, so the record would be refused


def test_compartments_and_restricted_facts_do_not_leave() -> None:
    base = yaml.safe_load(manifests("volunteer")["volunteer"])
    plain, health = (Manifest.model_validate({**base, "compartment": c}) for c in ("base", "health"))
    field = ENTITIES["person"].field
    assert may_write(plain, "person", field("phone"))
    assert not may_write(plain, "person", field("religion"))  # never propagated, to nobody
    assert not may_write(health, "person", field("religion"))
    assert not may_write(plain, "person", field("health_file_no"))  # another compartment
    assert may_write(health, "person", field("health_file_no"))
    assert not may_write(health, "person", field("mental_disorder"))  # restricted
    for entity in ENTITIES.values():
        assert not any(may_write(plain, entity.name, f) for f in entity.fields if f.sensitivity == 4 or not f.propagate)


def readable(sql: str) -> str:
    """One clause on a line, so that a difference can be read."""
    return (
        re.sub(r" (?=(?:WITH|SELECT|FROM|JOIN|LEFT JOIN|WHERE|GROUP BY|arg_max\w*|CASE)\b)", "\n", sql).strip() + "\n"
    )


def test_survivorship_sql(snapshot: Callable[[str, str], None]) -> None:
    entity, filled = ENTITIES["person"], ["id_type", "id_number", "phone", "residence_address"]
    snapshot("survivorship_claims.sql", readable(claims_sql(entity, filled, "foreign_person")))
    winners = winners_sql(entity, filled)
    snapshot("survivorship_winners.sql", readable(winners))


def test_planning_sql(snapshot: Callable[[str, str], None]) -> None:
    volunteer = Manifest.model_validate(yaml.safe_load(manifests("volunteer")["volunteer"]))
    (found,) = targets([volunteer], TODAY)
    assert found.fields == found.held == ("name", "id_number", "phone", "residence_address", "ethnicity")
    snapshot("planning_updates.sql", readable(_updates(found, "touched", "crosswalk_now")))
    snapshot("planning_creates.sql", readable(_creates(found, "touched", "crosswalk_now")))


def test_authority_comes_from_the_declaration_and_the_manifest() -> None:
    volunteer = yaml.safe_load(manifests("volunteer")["volunteer"])
    claimed = {**volunteer, "authority": ["person.ethnicity"]}
    ranks = {(a.system_id, a.field): a.rank for a in authorities([Manifest.model_validate(claimed)])}
    assert ranks["volunteer", "ethnicity"] == 90
    assert ranks["volunteer", "phone"] == 20
    assert (ranks["entry", "phone"], ranks["entry", "name"]) == (90, 10)

"""The forty manifests against the inventory of the forty systems (`tests/fixtures/inventory.csv`, `forty_systems.csv`).

The fixtures say what each system holds, who is right about it and how it is reached; the manifests must say the same,
hold every fact, and leave no way out for a fact that must not flow.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

import pytest

import connectors
from connectors.manifest import load_all
from connectors.manifest.model import Dataset, EntityMap, FieldMap, Manifest
from schemas.codes import code_set
from schemas.entities import ENTITIES
from schemas.model import Field

FIXTURES = Path(__file__).parents[1] / "fixtures"
SYSTEMS = Path(connectors.__file__).parent / "systems"
NAMED_BY_THE_USER = ("sg_etong", "volunteer", "fltong", "poverty_net", "wei_linli", "econ_census", "press_sub", "ybss")
CREATING = {"sg_etong", "zz_9x", "elder_care", "econ_census"}
"""Systems that records are created in; everywhere else only existing records are kept up to date."""

MASTER: dict[str, str] = {
    f.inventory: f"{entity.name}.{f.name}" for entity in ENTITIES.values() for f in entity.fields if f.inventory
} | {"e.party": "person.name", "e.party_id": "person.id_number", "e.party_phone": "person.phone"}
"""Inventory id -> entity.field; a party to a dispute (当事人) is a person."""


class Mapped(NamedTuple):
    """A mapped field with its surroundings."""

    manifest: Manifest
    dataset: Dataset
    entity: EntityMap
    declared: Field
    field: FieldMap

    @property
    def name(self) -> str:
        return f"{self.entity.type}.{self.declared.name}"

    @property
    def place(self) -> str:
        return f"{self.manifest.id}/{self.dataset.name} {self.entity.role}.{self.declared.name}"


def _rows(name: str) -> list[dict[str, str]]:
    with (FIXTURES / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


FORTY = _rows("forty_systems.csv")
INVENTORY = _rows("inventory.csv")


@pytest.fixture(scope="module")
def manifests() -> dict[str, Manifest]:
    return load_all(SYSTEMS)


@pytest.fixture(scope="module")
def mapped(manifests: dict[str, Manifest]) -> list[Mapped]:
    return list(_mapped(manifests))


def _mapped(manifests: dict[str, Manifest]) -> Iterator[Mapped]:
    for manifest in manifests.values():
        for dataset in manifest.datasets:
            for entity in dataset.entities:
                for name, field in entity.fields.items():
                    yield Mapped(manifest, dataset, entity, ENTITIES[entity.type].field(name), field)


def test_there_is_one_manifest_for_each_of_the_forty_systems(manifests: dict[str, Manifest]) -> None:
    assert sorted(manifests) == sorted(row["system"] for row in FORTY)
    assert len(manifests) == 40
    assert set(NAMED_BY_THE_USER) <= set(manifests)


@pytest.mark.parametrize("row", FORTY, ids=lambda row: row["system"])
def test_kind_and_cadence_are_those_of_the_inventory(row: dict[str, str], manifests: dict[str, Manifest]) -> None:
    manifest = manifests[row["system"]]
    assert manifest.kind == row["kind"], row["integration"]
    assert (manifest.cadence == "realtime") == (row["realtime"] == "yes")


def test_mix_of_integrations(manifests: dict[str, Manifest]) -> None:
    assert Counter(m.kind for m in manifests.values()) == {
        "rest": 13, "frontdb": 9, "form": 7, "excel": 6, "queue": 1, "webhook": 1, "sftp_csv": 2, "export": 1,
    }  # fmt: skip
    assert sum(m.cadence == "realtime" for m in manifests.values()) == 30


@pytest.mark.parametrize("system", sorted({row["system"] for row in INVENTORY}))
def test_every_inventory_field_is_mapped_local_or_withheld(system: str, manifests: dict[str, Manifest]) -> None:
    manifest = manifests[system]
    held = {
        f"{e.type}.{name}" for d in manifest.datasets for e in d.entities for name, f in e.fields.items() if f.column
    }
    local = {c.inventory for d in manifest.datasets for c in d.local.values()}
    withheld = [reason for d in manifest.datasets for reason in d.withheld.values()]
    missing = [
        f"{row['field']} {row['name']}"
        for row in INVENTORY
        if row["system"] == system
        and MASTER.get(row["field"]) not in held
        and row["field"] not in local
        and not any(reason.startswith(row["name"]) for reason in withheld)
    ]
    assert missing == []


def test_inventory_numbers_of_local_columns_exist(manifests: dict[str, Manifest]) -> None:
    known = {(row["system"], row["field"]) for row in INVENTORY}
    for m in manifests.values():
        for dataset in m.datasets:
            for column, local in dataset.local.items():
                assert local.inventory is None or (m.id, local.inventory) in known, f"{m.id} {column}"


def test_authority_of_the_master_agrees_with_the_inventory() -> None:
    authorities = {row["field"]: row["system"] for row in INVENTORY if row["authority"] and row["field"] in MASTER}
    for number, system in authorities.items():
        entity, _, name = MASTER[number].partition(".")
        assert ENTITIES[entity].field(name).authority == system, number  # type: ignore[index]


def test_an_authority_is_read_and_only_overridden_at_the_doorstep(mapped: list[Mapped]) -> None:
    for m in mapped:
        if m.declared.authority == m.manifest.id and not m.declared.worker:
            assert m.field.readable, m.place
            assert not m.field.writable, m.place


def test_restricted_facts_are_never_read_or_written(mapped: list[Mapped]) -> None:
    assert [m.place for m in mapped if m.declared.sensitivity == 4] == []


def test_facts_that_do_not_propagate_are_never_written(mapped: list[Mapped]) -> None:
    there = [m for m in mapped if not m.declared.propagate]
    assert {m.name for m in there} == {"person.aid_amount", "person.chronic_disease", "person.followup_date"}
    assert [m.place for m in there if m.field.writable] == []


def test_religion_is_nowhere(mapped: list[Mapped]) -> None:
    assert [m.place for m in mapped if m.declared.name == "religion"] == []


def test_compartments_are_not_left(mapped: list[Mapped]) -> None:
    outside = [m for m in mapped if m.declared.compartment not in {"base", m.manifest.compartment}]
    assert [m.place for m in outside if m.field.writable] == []
    # Volunteers and patrols state their political status themselves: it is read there and never written.
    assert {(m.manifest.id, m.name) for m in outside} == {
        ("volunteer", "person.political_status"),
        ("patrol", "person.political_status"),
    }


def test_each_legal_reason_for_withholding_names_its_law(manifests: dict[str, Manifest]) -> None:
    withheld = {(m.id, c): reason for m in manifests.values() for d in m.datasets for c, reason in d.withheld.items()}
    assert {system for system, _ in withheld} == {"health_file", "correction", "youth_league", "econ_census"}
    for place, reason in withheld.items():
        assert re.search(r"《[^》]+法》第[一二三四五六七八九十百]+条", reason), place


def test_the_census_is_one_way(manifests: dict[str, Manifest], mapped: list[Mapped]) -> None:
    census = manifests["econ_census"]
    assert census.kind == "export"
    assert census.capabilities.read == "none"
    assert [m.place for m in mapped if m.manifest is census and m.field.readable] == []


def test_the_police_register_is_read_only(manifests: dict[str, Manifest], mapped: list[Mapped]) -> None:
    police = manifests["ybss"]
    can = police.capabilities
    assert (can.update, can.create, can.delete) == (False, False, False)
    assert [m.place for m in mapped if m.manifest is police and m.field.writable] == []
    assert [d.name for d in police.datasets if "in_table" in d.source] == []


def test_only_one_form_is_automated(manifests: dict[str, Manifest]) -> None:
    assert [m.id for m in manifests.values() if m.authorisation.automation] == ["street_order"]


def test_every_system_is_authorised_with_purpose_and_legal_basis(manifests: dict[str, Manifest]) -> None:
    for m in manifests.values():
        assert "示例" in m.authorisation.document, m.id  # invented numbers are marked as examples
        assert m.authorisation.expires == date(2028, 12, 31), m.id
        assert m.purpose, m.id
        assert "《" in m.legal_basis, m.id
    documents = [m.authorisation.document for m in manifests.values()]
    assert len(set(documents)) == len(documents)


def test_records_are_created_only_where_everyone_belongs(manifests: dict[str, Manifest]) -> None:
    everyone = {m.id for m in manifests.values() for d in m.datasets for e in d.entities if e.scope.members == "all"}
    assert everyone == CREATING
    assert {m.id for m in manifests.values() if m.capabilities.create} == CREATING
    for system in CREATING:
        scopes = [e.scope for d in manifests[system].datasets for e in d.entities if e.scope.members == "all"]
        assert all(scope.where and scope.requires for scope in scopes), system


def test_conditions_and_requirements_of_scopes_use_codes_that_exist(manifests: dict[str, Manifest]) -> None:
    for m in manifests.values():
        for entity in (e for d in m.datasets for e in d.entities):
            for condition in entity.scope.where:
                declared = ENTITIES[entity.type].field(condition.field)
                values = {condition.equals, *(condition.one_of or [])} - {None}
                if declared.code_set:
                    assert values <= set(code_set(declared.code_set).codes), (m.id, condition.field)


def test_what_is_required_for_creation_can_be_written(manifests: dict[str, Manifest]) -> None:
    for m in manifests.values():
        for entity in (e for d in m.datasets for e in d.entities):
            for name in entity.scope.requires:
                assert entity.fields[name].writable, (m.id, name)


def test_keys_are_never_written(mapped: list[Mapped]) -> None:
    assert [m.place for m in mapped if m.field.writable and m.field.column[0] in m.dataset.key] == []


def test_no_record_key_is_a_persons_number(mapped: list[Mapped]) -> None:
    """Record keys stand in logs and messages, where no personal data may be."""
    personal = {"id_number", "phone", "name"}
    assert [m.place for m in mapped if set(m.field.column) & set(m.dataset.key) and m.declared.kind in personal] == []


def test_no_column_is_written_from_two_facts(mapped: list[Mapped]) -> None:
    written = Counter((m.manifest.id, m.dataset.name, m.field.column[0]) for m in mapped if m.field.writable)
    assert [place for place, times in written.items() if times > 1] == []


def test_every_code_map_round_trips(mapped: list[Mapped]) -> None:
    """Spelling -> code -> spelling -> code is stable, and a map that is written knows or folds every code."""
    checked = 0
    for m in mapped:
        table = m.manifest.code_map(m.field)
        if table is None:
            continue
        checked += 1
        reverse = table.reverse()
        for spelling, code in table.codes.items():
            assert table.codes[reverse[code]] == code, f"{m.place}: {spelling}"
        if not m.field.writable:
            continue
        known = set(code_set(m.declared.code_set).codes) if m.declared.code_set else {"0", "1"}
        assert known <= set(reverse), f"{m.place}: no spelling for {sorted(known - set(reverse))}"
        folded = {code for code in known if table.codes[reverse[code]] != code}
        assert bool(folded) == bool(table.lossy), f"{m.place}: {sorted(folded)}"
    assert checked > 25


def test_folded_codes_fold_into_their_group(mapped: list[Mapped]) -> None:
    """A code that a system does not have is written as the group that the standard puts it in, never as a neighbour."""
    for m in mapped:
        table = m.manifest.code_map(m.field)
        if table is None or not m.field.writable or m.declared.code_set is None:
            continue
        parents = code_set(m.declared.code_set).parents
        for code, spelling in table.write.items():
            assert table.codes[spelling] in {code, parents.get(code)}, f"{m.place}: {code}"


def test_forms_and_templates_title_every_column_in_order(manifests: dict[str, Manifest]) -> None:
    for m in manifests.values():
        if m.kind not in {"form", "excel", "export"}:
            continue
        for dataset in m.datasets:
            assert set(dataset.titles) == set(dataset.columns), f"{m.id}/{dataset.name}"
            assert len(set(dataset.titles.values())) == len(dataset.titles), f"{m.id}/{dataset.name}"
            assert next(iter(dataset.titles)) == dataset.key[0], f"{m.id}/{dataset.name}"


def test_no_manifest_holds_a_host_or_a_secret(manifests: dict[str, Manifest]) -> None:
    for m in manifests.values():
        text = (SYSTEMS / f"{m.id}.yaml").read_text(encoding="utf-8")
        variables = set(re.findall(r"\$\{(\w+)\}", text))
        assert variables, m.id
        assert all(name.startswith(f"{m.id.upper()}_") for name in variables), m.id
        assert "://" not in text, m.id
        for key in ("secret", "client_secret", "password", "app_key", "base_url", "url", "host", "key", "username"):
            value = m.connection.get(key) or m.connection.get("auth", {}).get(key)
            assert value is None or value.startswith("${"), f"{m.id} {key}"


def test_each_file_says_what_is_odd_about_its_system(manifests: dict[str, Manifest]) -> None:
    for m in manifests.values():
        lines = (SYSTEMS / f"{m.id}.yaml").read_text(encoding="utf-8").splitlines()
        header = [line for line in lines[: lines.index(f"id: {m.id}")] if line.startswith("# ")]
        assert 2 <= len(header) <= 4, m.id
        assert any(re.search("[\u4e00-\u9fff]", line) for line in header), m.id
        assert any(re.search("[a-z]{4,} [a-z]{2,}", line) for line in header), m.id


def test_the_systems_do_not_speak_one_language(manifests: dict[str, Manifest], mapped: list[Mapped]) -> None:
    """Different column names, sexes, dates and encodings: the reason for a mapping layer."""
    names = Counter(m.field.column[0] for m in mapped if m.name == "person.name")
    assert len(names) >= 12
    sexes = {tuple(t.codes.items()) for m in mapped if m.name == "person.sex" and (t := m.manifest.code_map(m.field))}
    assert len(sexes) >= 6
    formats = {f for m in mapped if m.declared.kind == "date" for f in m.field.formats}
    assert {"%Y%m%d", "%Y-%m-%d", "%Y/%m/%d", "%Y年%m月%d日", "%Y-%m-%dT%H:%M:%S"} <= formats
    encodings = {m.id: d.source.get("encoding") for m in manifests.values() if m.kind == "sftp_csv" for d in m.datasets}
    assert encodings == {"disabled": "gbk", "veteran": None}

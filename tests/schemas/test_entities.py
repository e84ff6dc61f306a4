"""The master schema: declared once, everything else follows from it."""

from __future__ import annotations

import csv
from pathlib import Path

import pyarrow as pa
import pytest
import sqlalchemy as sa

from schemas.codes import code_sets
from schemas.derive.catalogue import page
from schemas.derive.sql import master_metadata
from schemas.entities import ENTITIES, LINKS
from schemas.model import UnknownField
from schemas.records import RECORD_COLUMNS, standardised_schema

INVENTORY = Path(__file__).parents[1] / "fixtures" / "inventory.csv"
SETS = set(code_sets())
FIELDS = [(e.name, f) for e in ENTITIES.values() for f in e.fields]


def test_four_entities_and_four_links() -> None:
    assert set(ENTITIES) == {"person", "address", "house", "organisation"}
    assert {link.name for link in LINKS} == {
        "person_house", "person_organisation", "organisation_house", "person_person",
    }  # fmt: skip


@pytest.mark.parametrize(("entity", "field"), FIELDS, ids=[f"{e}.{f.name}" for e, f in FIELDS])
def test_every_field_is_declared_whole(entity: str, field) -> None:
    assert field.cn
    assert field.length > 0
    assert field.authority
    assert (field.code_set in SETS) == (field.kind == "code")
    assert field.propagate is False or field.sensitivity < 4, "a restricted field may never travel"


def test_every_master_fact_of_the_inventory_has_a_field() -> None:
    with INVENTORY.open(encoding="utf-8") as file:
        wanted = {row["field"] for row in csv.DictReader(file) if row["field"][0] in "paho"}
    assert wanted <= {f.inventory for _, f in FIELDS}


def test_names_that_other_programs_rely_on() -> None:
    assert {
        "id_type", "id_number", "name", "sex", "birth_date", "ethnicity", "education", "marital_status", "phone",
        "household_relation", "registered_address", "residence_address", "employer_name",
    } <= set(ENTITIES["person"].names)  # fmt: skip
    assert {"uscc", "name", "legal_representative", "phone", "address", "industry"} <= set(
        ENTITIES["organisation"].names
    )
    assert {
        "address", "property_certificate_no", "owner_name", "owner_id_number", "area_m2", "usage",
    } <= set(ENTITIES["house"].names)  # fmt: skip
    assert {
        "full_text", "district", "street", "community", "road", "road_no", "compound", "building", "unit", "floor", "room",
    } <= set(ENTITIES["address"].names)  # fmt: skip


def test_tables_follow_the_declaration() -> None:
    tables = master_metadata().tables
    for entity in ENTITIES.values():
        columns = tables[entity.name].columns
        assert set(entity.names) <= set(columns.keys())
        for field in entity.fields:
            kind = columns[field.name].type
            typed = {"date": sa.Date, "integer": sa.Integer, "decimal": sa.Numeric}.get(field.kind, sa.String)
            expected = sa.String if field.sealed else typed
            assert isinstance(kind, expected), field.name


def test_standardised_records_are_text() -> None:
    for name, entity in ENTITIES.items():
        schema = standardised_schema(name)
        assert schema.names == [n for n, _ in RECORD_COLUMNS] + list(entity.names)
        assert {schema.field(n).type for n in entity.names} == {pa.string()}


def test_catalogue_names_every_field() -> None:
    text = page()
    for _, field in FIELDS:
        assert f"| `{field.name}` | {field.cn} |" in text


def test_unknown_field_suggests_the_right_one() -> None:
    with pytest.raises(UnknownField, match="did you mean name"):
        ENTITIES["person"].field("nmae")

"""The town's standardised records without servers: the shape of the road's, with a truth for every record."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from connectors.manifest import load_all
from sandbox.standardised import Seen, attainable, bare, record_of, standardised
from sandbox.town import make_town
from schemas.entities import ENTITIES
from schemas.records import standardised_schema

MANIFESTS = load_all(Path(__file__).parents[2] / "connectors" / "systems")


@pytest.fixture(scope="module")
def seen() -> Seen:
    return standardised(make_town(500, 1), MANIFESTS)


def test_every_entity_has_records_in_the_standard_shape(seen: Seen) -> None:
    assert set(seen.tables) == set(ENTITIES)
    for entity, table in seen.tables.items():
        assert table.schema == standardised_schema(entity)
        assert table.num_rows > 100
        assert not pc.any(table["deleted"]).as_py()


def test_every_record_has_one_truth(seen: Seen) -> None:
    for entity, table in seen.tables.items():
        known = record_of(seen.truth.filter(pc.equal(seen.truth["entity_type"], entity))).to_pylist()
        records = record_of(table).to_pylist()
        assert len(set(records)) == len(records)
        assert len(set(known)) == len(known)
        assert set(records) <= set(known)


def test_a_system_that_may_not_be_read_says_nothing(seen: Seen) -> None:
    assert "econ_census" not in {system for system, _ in seen.rows}
    assert "econ_census" not in set(seen.truth["system_id"].to_pylist())


def test_a_rejected_value_can_be_looked_up(seen: Seen) -> None:
    wrong = seen.rejects.filter(pc.equal(seen.rejects["rule"], "id_number.check_digit")).to_pylist()
    assert wrong
    for reject in wrong:
        rows = seen.rows[reject["system_id"], reject["dataset"]].to_pylist()
        assert rows[int(reject["place"])][reject["column"]]


def test_a_name_alone_cannot_be_linked() -> None:
    empty = standardised_schema("person").empty_table()
    row = {"system_id": "s", "record_key": "1", "role": "person", "name": "张三"}
    rows = [
        row,
        {**row, "record_key": "2", "phone": "16312345678"},
        {**row, "record_key": "3", "birth_date": "1990-01-01"},
    ]
    persons = pa.Table.from_pylist(rows, schema=empty.schema)
    assert bare(persons).to_pylist() == [True, False, False]
    truth = pa.table({"record": record_of(persons), "truth": ["P", "P", "P"]})
    assert attainable(persons, truth) == pytest.approx(1 / 3)


def test_few_of_the_towns_records_say_nothing_but_a_name(seen: Seen) -> None:
    truth = seen.truth.filter(pc.equal(seen.truth["entity_type"], "person"))
    share = attainable(seen.tables["person"], pa.table({"record": record_of(truth), "truth": truth["truth_id"]}))
    assert 0.985 < share < 1

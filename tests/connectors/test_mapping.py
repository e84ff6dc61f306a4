"""Mapping: what becomes of each row and value, and that what is encoded is decoded to the same value."""

from __future__ import annotations

from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.manifest import Manifest, load_all
from connectors.manifest.codemaps import lost
from connectors.manifest.model import Dataset, EntityMap
from connectors.mapping import Decoded, Inexpressible, MissingColumn, decode, encode, encode_table
from connectors.mapping.encode import speller
from connectors.mapping.reasons import reason
from connectors.mapping.rows import raw_key
from schemas.codes import code_set
from schemas.identifiers.citizen_id import check_digit
from schemas.records import HINT_SCHEMA, PLACE, REJECT_SCHEMA, standardised_schema

CASES = yaml.safe_load((Path(__file__).parents[1] / "fixtures" / "mapping.yaml").read_text(encoding="utf-8"))
SYSTEMS = Path(__file__).parents[2] / "connectors" / "systems"
PULLED = "2026-03-05T08:00:00"
FRONT = len(["system_id", "record_key", "role", "dataset", "observed_at", "deleted", "place"])


def manifest(**dataset: Any) -> Manifest:
    return Manifest.model_validate({**CASES["manifest"], "datasets": [{**CASES["dataset"], **dataset}]})


def table(rows: list[dict[str, str | None]]) -> pa.Table:
    columns = manifest().datasets[0].columns
    data = {c: pa.array([row.get(c) for row in rows], pa.string()) for c in columns}
    return pa.table({**data, PLACE: pa.array([f"f!{i}" for i in range(1, len(rows) + 1)], pa.string())})


def facts(decoded: Decoded) -> dict[str, dict[str, str]]:
    """`key role` -> the facts that are there; a deleted record has `deleted`."""
    found = {}
    for records in decoded.tables.values():
        for record in records.to_pylist():
            values = {k: v for k, v in list(record.items())[FRONT:] if v is not None}
            marks = {"deleted": "yes"} if record["deleted"] else {}
            found[f"{record['record_key']} {record['role']}"] = {**values, **marks}
    return found


@pytest.mark.parametrize("case", CASES["cases"], ids=lambda c: c["name"])
def test_case(case: dict[str, Any]) -> None:
    decoded = decode(table(case["rows"]), manifest(), "houses", PULLED)
    assert facts(decoded) == case["facts"]
    told = [
        " ".join(filter(None, (r["level"], r["rule"], r["role"], r["field"], r["column"], r["place"])))
        for r in decoded.rejects.to_pylist()
    ]
    assert sorted(told) == sorted(case.get("rejects", []))
    links = [f"{r['record_key']} {r['left_role']} {r['relation']} {r['right_role']}" for r in decoded.links.to_pylist()]
    assert links == case.get("links", [])
    hints = [f"{r['record_key']} {r['role']} {r['field']} {r['kind']} {r['value']}" for r in decoded.hints.to_pylist()]
    assert sorted(hints) == sorted(case.get("hints", []))
    counts = decoded.counts
    assert counts.rows == len(case["rows"]) == counts.taken + counts.rejected + counts.duplicates
    expected = case.get("counts", f"{len(case['rows'])} taken, 0 rejected, 0 duplicates")
    assert f"{counts.taken} taken, {counts.rejected} rejected, {counts.duplicates} duplicates" == expected


def test_shapes_are_those_agreed_between_the_rooms() -> None:
    decoded = decode(table([{"编号": "1", "房屋编码": "H1", "租客证件": "1"}]), manifest(), "houses", PULLED)
    assert decoded.rejects.schema == REJECT_SCHEMA
    assert decoded.hints.schema == HINT_SCHEMA
    for entity_type, records in decoded.tables.items():
        assert records.schema == standardised_schema(entity_type)
    assert decoded.tables["house"]["observed_at"].to_pylist() == [None]
    empty = decode(table([]), manifest(), "houses", PULLED)
    assert {k: t.num_rows for k, t in empty.tables.items()} == {"house": 0, "person": 0}


def test_several_key_columns_and_several_datasets_make_a_prefixed_key() -> None:
    two = Manifest.model_validate(
        {
            **CASES["manifest"],
            "datasets": [{**CASES["dataset"], "key": ["编号", "房屋编码"]}, {**CASES["dataset"], "name": "others"}],
        }
    )
    rows = table([{"编号": "1", "房屋编码": "H1"}, {"编号": "2"}])
    decoded = decode(rows, two, "houses", PULLED)
    assert decoded.tables["house"]["record_key"].to_pylist() == ["houses/1|H1"]
    assert decoded.counts.rejected == 1  # a key with a hole is no key
    assert raw_key(two, two.datasets[0], "houses/1|H1") == ("1", "H1")


def test_a_page_without_a_mapped_column_is_refused() -> None:
    with pytest.raises(MissingColumn, match="demo: the rows of houses lack 租客姓名"):
        decode(table([{"编号": "1"}]).drop_columns(["租客姓名"]), manifest(), "houses", PULLED)


def test_fields_that_are_only_written_are_read_for_comparison_only() -> None:
    spec = yaml.safe_load(yaml.safe_dump(CASES["dataset"]))
    spec["entities"][0]["fields"]["status"]["direction"] = "out"
    one_way = manifest(**spec)
    rows = table([{"编号": "1", "房屋编码": "H1", "状态": "出租"}])
    assert decode(rows, one_way, "houses", PULLED).tables["house"]["status"].to_pylist() == [None]
    again = decode(rows, one_way, "houses", PULLED, written_too=True)
    assert again.tables["house"]["status"].to_pylist() == ["2"]


def test_encode_writes_the_systems_spelling_and_only_what_may_be_written() -> None:
    values = {
        "status": "2",
        "area_m2": "88.50",
        "lease_end": "2027-01-31",
        "property_company": None,
        "built_year": "1999",
    }
    assert encode(manifest(), "houses", "house", values) == {
        "状态": "出租", "面积": "88.50", "租期止": "2027年01月31日", "物业": "",
    }  # fmt: skip


def test_encode_tells_what_the_system_cannot_say_and_hands_over_the_rest() -> None:
    with pytest.raises(Inexpressible) as raised:
        encode(manifest(), "houses", "tenant", {"sex": "9", "name": "张三"})
    assert (raised.value.field, dict(raised.value.columns)) == ("sex", {"租客姓名": "张三"})
    assert "张三" not in str(raised.value)


def test_encode_table_makes_a_systems_own_rows_in_any_direction() -> None:
    houses = pa.table({"built_year": ["1999", None], "status": ["3", "2"], "address": ["一路1号", "二路2号"]})
    tenants = pa.table({"name": [None, "张三"], "sex": ["1", "9"], "residence_address": ["", ""]})
    made = encode_table(manifest(), "houses", {"house": houses, "tenant": tenants})
    assert made.to_pydict() == {
        "建成": ["1999", None], "状态": ["空置", "出租"], "租客姓名": [None, "张三"], "租客性别": ["男", None],
    }  # fmt: skip
    split = encode_table(
        manifest(), "houses", {"house": houses}, lambda _, mapped, values: [values, pa.nulls(len(values), pa.string())]
    )
    assert split["路"].to_pylist() == ["一路1号", "二路2号"]


# --- what is encoded is decoded to the same value, on every manifest there is -------------------------------------------


@cache
def systems() -> dict[str, Manifest]:
    return load_all(SYSTEMS)


DAYS = st.dates(date(1930, 1, 1), date(2026, 3, 4)).map(date.isoformat)
NAMES = st.text("张王李赵陈建国华秀英明丽", min_size=2, max_size=4)


@st.composite
def id_numbers(draw: st.DrawFn) -> str:
    day = draw(st.dates(date(1930, 1, 1), date(2020, 12, 31)))
    body = f"420199{day:%Y%m%d}{draw(st.integers(1, 998)):03}"
    return body + check_digit(body)


def canonical(system: Manifest, entity: EntityMap, name: str) -> st.SearchStrategy[str] | None:
    """Canonical values that the field claims to carry both ways; None where a kind is checked elsewhere."""
    declared = system.master_field(entity.type, name)
    mapped = entity.fields[name]
    kind = mapped.kind or declared.kind
    codes = system.code_map(mapped)
    if kind in {"code", "boolean"}:
        known = set(code_set(declared.code_set or "boolean").codes)
        return st.sampled_from(sorted(known - set(lost(codes, frozenset(known)) if codes else ())))
    if codes is not None:
        return st.sampled_from(sorted(set(codes.codes.values())))
    kinds = {
        "date": DAYS,
        "name": NAMES,
        "id_number": id_numbers(),
        "phone": st.integers(13000000000, 19999999999).map(str),
        "integer": st.integers(0, 10 ** min(declared.length, 6) - 1).map(str),
    }
    return kinds.get(kind)


def lossless() -> list[tuple[str, str, str]]:
    return [
        (system.id, dataset.name, entity.role)
        for system in systems().values()
        for dataset in system.datasets
        for entity in dataset.entities
        if any(f.writable and canonical(system, entity, n) is not None for n, f in entity.fields.items())
    ]


@pytest.mark.parametrize(("system_id", "dataset", "role"), lossless())
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_decode_of_encode_is_the_same_value(system_id: str, dataset: str, role: str, data: st.DataObject) -> None:
    system = systems()[system_id]
    spec = system.dataset(dataset)
    entity = spec.entity(role)
    choices = {n: canonical(system, entity, n) for n, f in entity.fields.items() if f.writable}
    values = {n: data.draw(s, label=n) for n, s in choices.items() if s is not None}
    if {"id_number", "birth_date", "sex"} & set(values) and entity.type == "person":
        values = consistent(values)
    columns = encode(system, dataset, role, values)
    decoded = decode(one_row(spec, columns), system, dataset, PULLED, written_too=True)
    records = [r for r in decoded.tables[entity.type].to_pylist() if r["role"] == role]
    assert {n: records[0][n] for n in values} == values
    own = [
        r for r in decoded.rejects.to_pylist() if r["role"] == role and r["field"] in values and r["level"] != "warning"
    ]
    assert own == []


def consistent(values: dict[str, str]) -> dict[str, str]:
    """The values of a person whose birth date and sex agree with the ID number, as far as the system holds them."""
    if "id_number" not in values:
        return values
    number = values["id_number"]
    right = {
        "birth_date": f"{number[6:10]}-{number[10:12]}-{number[12:14]}",
        "sex": "1" if int(number[16]) % 2 else "2",
        "id_type": "111",
    }
    return {n: right.get(n, v) for n, v in values.items()}


def one_row(spec: Dataset, columns: dict[str, str]) -> pa.Table:
    required = {c for e in spec.entities for n in e.required for c in e.fields[n].column}
    row = {c: columns.get(c, "键1" if c in (*spec.key, *required) else None) for c in spec.columns}
    return pa.table({**{c: pa.array([v], pa.string()) for c, v in row.items()}, PLACE: ["f!1"]})


@given(day=DAYS)
def test_every_date_format_of_the_systems_gives_the_day_back(day: str) -> None:
    for system in systems().values():
        for dataset in system.datasets:
            for entity in dataset.entities:
                for name, mapped in entity.fields.items():
                    if system.master_field(entity.type, name).kind == "date" and mapped.writable:
                        assert speller(system, entity, name)(day), (system.id, name)


def test_every_rule_has_a_sentence() -> None:
    for rule in ("record.no_key", "record.empty", "cross.birth_id", "cross.sex_id", "file.ragged", "excel.numeric_id"):
        assert reason(rule)
    with pytest.raises(KeyError):
        reason("no.such_rule")


def test_numbers_of_neighbouring_columns_do_not_run_into_one() -> None:
    """Building 1 and room 402 are 1-402; glued together they would be the room 1402."""
    estate = load_all(SYSTEMS)["property_mgmt"]
    columns = estate.dataset("houses").columns
    parts = [
        ("紫阳花园", "1", "402室"),
        ("紫阳花园", "1栋", "402"),
        ("紫阳花园2", None, "402"),
        ("紫阳花园", "A", None),
    ]
    rows = {c: pa.nulls(len(parts), pa.string()) for c in columns} | {
        "houseGuid": pa.array([f"g{n}" for n in range(len(parts))]),
        PLACE: pa.array([f"row {n}" for n in range(len(parts))]),
        **{c: pa.array([p[n] for p in parts]) for n, c in enumerate(("estateName", "buildingNo", "roomNo"))},
    }
    decoded = decode(pa.table(rows), estate, "houses", PULLED)
    assert decoded.tables["house"]["address"].to_pylist() == [
        "紫阳花园1-402室", "紫阳花园1栋402", "紫阳花园2-402", "紫阳花园A",
    ]  # fmt: skip

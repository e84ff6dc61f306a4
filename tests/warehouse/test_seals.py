"""Numbers and sensitive values lie encrypted in PostgreSQL, are found by equality, and survive a rotation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onefact import keys
from onefact.home import Home
from schemas.entities import ENTITIES
from warehouse.seals import MARK, KeysLost, Seals, parquet, ring
from warehouse.seals.ciphers import Key, NotOurs
from warehouse.seals.values import sealed_fields

MakeHome = Callable[[Path, Mapping[str, str]], Home]

SECRET = bytes(range(32))
ANA, BEN = "0198a000-0000-7000-8000-00000000000a", "0198a000-0000-7000-8000-00000000000b"
NUMBER = "420199199001011234"


@pytest.mark.parametrize("cipher", ["sm4", "aes"])
@given(text=st.binary(), context=st.binary(), where=st.integers(0), bit=st.integers(0, 7))
def test_what_is_sealed_opens_and_what_was_touched_does_not(
    cipher: str, text: bytes, context: bytes, where: int, bit: int
) -> None:
    key = Key("base.1", cipher, SECRET)  # type: ignore[arg-type]
    sealed = key.seal(text, context)
    assert key.open(sealed) == text
    touched = bytearray(sealed)
    touched[where % len(sealed)] ^= 1 << bit
    for other, content in ((key, bytes(touched)), (Key("base.2", cipher, SECRET), sealed), (key, sealed[:20])):  # type: ignore[arg-type]
        with pytest.raises(NotOurs):
            other.open(content)


@given(st.text())
def test_a_text_that_only_looks_sealed_is_left_as_it_is(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    seals = Seals(tmp_path_factory.getbasetemp() / "seals")
    for hostile in (text, MARK + text, f"{MARK}base.1~{text}"):
        assert seals.open(hostile) == hostile


def test_numbers_are_found_by_equality_and_few_codes_tell_nothing_by_their_counts(tmp_path: Path) -> None:
    seals = Seals(tmp_path)
    number, grade = (ENTITIES["person"].field(n) for n in ("id_number", "disability_grade"))
    assert seals.value("person", number, ANA, NUMBER) == seals.value("house", "owner_id_number", BEN, NUMBER)
    assert seals.value("person", number, ANA, NUMBER) in seals.equal(number, NUMBER)
    assert seals.value("person", grade, ANA, "1") != seals.value("person", grade, BEN, "1")
    assert seals.value("person", grade, ANA, "1") == seals.value("person", grade, ANA, "1"), (
        "unchanged is seen to be so"
    )
    assert seals.value("person", "name", ANA, "王玮") == "王玮"


def test_a_column_is_sealed_as_its_values_are(tmp_path: Path) -> None:
    seals = Seals(tmp_path)
    for field in sealed_fields("person"):
        values, ids = pa.array(["1", None, "1"]), pa.array([ANA, ANA, BEN])
        told = seals.column("person", field, values, ids).to_pylist()
        assert told == [seals.value("person", field, ANA, "1"), None, seals.value("person", field, BEN, "1")]
        assert seals.table(pa.table({"x": told}))["x"].to_pylist() == ["1", None, "1"]


@pytest.mark.parametrize("given", [{}, {ring.MASTER_VARIABLE: "0f" * 32}], ids=["file", "environment"])
def test_the_ring_opens_by_its_master_key_only(tmp_path: Path, given: Mapping[str, str]) -> None:
    made = ring.load(tmp_path, given)
    assert made is not None
    assert set(made.active) == {*ring.COMPARTMENTS, ring.INDEX, ring.LANDING}
    again = ring.load(tmp_path, given)
    assert again is not None
    assert {n: k.mark for n, k in again.keys.items()} == {n: k.mark for n, k in made.keys.items()}
    file = tmp_path / "keys" / ring.FILE
    assert not any(k.secret.hex() in file.read_text() for k in made.keys.values())
    assert [oct(p.stat().st_mode & 0o777) for p in file.parent.iterdir()] == ["0o600"] * len(
        list(file.parent.iterdir())
    )
    with pytest.raises(KeysLost):
        ring.load(tmp_path, {ring.MASTER_VARIABLE: "ab" * 32})


def test_a_new_master_key_changes_no_data_key(tmp_path: Path) -> None:
    before, master = ring.load(tmp_path, {}), ring.master_key(tmp_path, {})
    ring.rewrap(tmp_path, environment={})
    after = ring.load(tmp_path, {})
    assert before is not None
    assert after is not None
    assert after.active == before.active
    assert ring.master_key(tmp_path, {}) != master
    with pytest.raises(KeysLost):
        ring.load(tmp_path, {ring.MASTER_VARIABLE: master.hex()})


def test_the_environment_may_ask_for_clear_values_and_for_nothing_unknown(tmp_path: Path) -> None:
    assert ring.load(tmp_path, {ring.CIPHER_VARIABLE: "off"}) is None
    with pytest.raises(KeysLost):
        ring.load(tmp_path, {ring.CIPHER_VARIABLE: "rot13"})


def test_a_landing_file_is_read_with_its_ring_and_without_it_not_at_all(tmp_path: Path) -> None:
    rows, seals = pa.table({"id_number": [NUMBER, None], "name": ["王玮", "李"]}), Seals(tmp_path / "home")
    path = tmp_path / "people.parquet"
    with parquet.writer(path, rows.schema, seals) as out:
        out.write_table(rows)
    assert NUMBER.encode() not in path.read_bytes()
    assert b"id_number" not in path.read_bytes()
    ring.rotate(tmp_path / "home")
    seals.again()
    assert parquet.read(path, seals).equals(rows)
    assert parquet.names(path, seals) == rows.column_names
    for stranger in (Seals(), Seals(tmp_path / "other")):
        with pytest.raises(KeysLost):
            parquet.read(path, stranger)
    with parquet.writer(tmp_path / "clear.parquet", rows.schema) as out:
        out.write_table(rows)
    assert parquet.read(tmp_path / "clear.parquet", seals, ["name"]).equals(rows.select(["name"]))


def test_other_keys_than_those_of_the_master_are_refused(make_home: MakeHome, tmp_path: Path) -> None:
    home = make_home(tmp_path, {})
    assert [line.key_id for line in keys.lines(home) if line.compartment == "health"] == ["health.1"]
    (home.path / "keys" / ring.FILE).unlink()
    with pytest.raises(KeysLost, match="master"):
        Seals(home.path).register(home.engine)

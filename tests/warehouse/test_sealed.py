"""The sealed log: what it writes, that nobody can change it unseen, and that the row that was touched is named."""

from __future__ import annotations

import json
import random
import stat
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from warehouse import postgres, sealed
from warehouse.sealed import Act, checkpoint, keys, signing
from warehouse.sealed.chain import GENESIS, hashing
from warehouse.sealed.walk import MOST, Row, of_lines
from warehouse.tables import SEALED_LOG

AT = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)


@pytest.fixture
def engine(server: postgres.Postgres, database_names: Iterator[str]) -> Iterator[sa.Engine]:
    name = next(database_names)
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE with_tables'.encode())
    made = sa.create_engine(server.url(name))
    yield made
    made.dispose()


def fill(engine: sa.Engine, rows: int) -> None:
    acts = [
        Act(f"worker{n % 3}", "read", "person", (f"p{n}",), purpose="入户走访", via="portal")
        for n in range(1, rows + 1)
    ]
    with engine.begin() as connection:
        sealed.append(connection, *acts, at=AT)


def verdict(engine: sa.Engine, *marks: checkpoint.Checkpoint, key: Any = None) -> sealed.Verdict:
    with engine.connect() as connection:
        return sealed.verify(sealed.stored(connection), marks, key)


def told(found: sealed.Verdict) -> list[tuple[str, int, int]]:
    return [(f.kind, f.seq, f.last or f.seq) for f in found.findings]


def chain(rows: int) -> list[Row]:
    """A log in memory."""
    made, last = [], GENESIS
    for n in range(1, rows + 1):
        body = sealed.canonical(Act("a", "read", "person", (f"p{n}",)).document(n, AT))
        digest = hashing("sha256")(last + body)
        made.append(Row(n, "sha256", last, digest, body))
        last = digest
    return made


def renumbered(rows: Sequence[Row]) -> list[Row]:
    """What somebody makes of a log who takes care that no number is missing."""
    return [row._replace(seq=n) for n, row in enumerate(rows, start=1)]


def forged(row: Row, prev: bytes, seq: int) -> Row:
    """A row that was never written, with a right hash."""
    body = row.body.replace(b'"read"', b'"look"').replace(f'"seq":{row.seq}'.encode(), f'"seq":{seq}'.encode())
    return Row(seq, "sha256", prev, hashing("sha256")(prev + body), body)


# --- what a row says


def test_an_act_is_chained_and_can_be_read_again(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        end = sealed.append(
            connection,
            Act("wang", "read", "person", ("b", "a"), purpose="核实电话", detail={"fields": ["phone"]}, via="portal"),
            at=AT,
        )
    assert (end.seq, end.algorithm) == (1, "sha256")
    with engine.connect() as connection:
        [row] = sealed.entries(connection)
        stored = connection.execute(sa.select(SEALED_LOG)).mappings().one()
    assert (row.seq, row.at, row.actor, row.act, row.subjects, row.count) == (
        1, "2026-11-25T08:00:00.000000Z", "wang", "read", ("a", "b"), 2,
    )  # fmt: skip
    assert (row.purpose, row.detail, row.via, row.outcome) == ("核实电话", {"fields": ["phone"]}, "portal", "done")
    assert stored["prev"] == GENESIS
    assert stored["body"].startswith('{"act":"read","actor":"wang","at":"2026-11-25T08:00:00.000000Z","count":2,')


def test_what_people_type_is_cleaned_of_numbers_of_persons(engine: sa.Engine) -> None:
    typed = "查42019919800101123X，电话13871234567，旧号420199800101123，工单20261125001"
    with engine.begin() as connection:
        sealed.append(connection, Act("wang", "read", purpose=typed, detail={"words": [typed]}), at=AT)
        body = connection.execute(sa.select(SEALED_LOG.c.body)).scalar_one()
    assert "19800101" not in body
    assert "13871234567" not in body
    assert "420199*****1123" in body
    assert "420199********123X，电话138****4567" in body
    assert "20261125001" in body  # eleven digits that begin no mobile number


def test_a_value_that_must_be_named_is_named_by_its_hmac(tmp_path: Path) -> None:
    mine, other = keys.load(tmp_path / "a", {}), keys.load(tmp_path / "b", {})
    first = mine.named("420199198001011234", "420199********1234")
    assert first == mine.named("420199198001011234", "420199********1234")
    assert first["hmac"] != other.named("420199198001011234", "420199********1234")["hmac"]
    assert "19800101" not in json.dumps(first)


def test_an_act_on_very_many_is_one_on_all() -> None:
    document = Act("a", "export", "person", [f"p{n}" for n in range(1001)]).document(1, AT)
    assert (document["subjects"], document["count"]) == ([sealed.ALL], 1001)


def test_who_has_seen_somebody(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        sealed.append(
            connection,
            Act("wang", "read", "person", ("p1",)), Act("li", "read", "person", ("p2",)), Act("li", "enter", "person", ("p1",)),
            Act("zhao", "export", "person", (sealed.ALL,), count=9), Act("zhao", "export", "house", (sealed.ALL,), count=9),
            Act("sun", "read", "person", ("p0", "p1")), at=AT,
        )  # fmt: skip
        assert [(r.actor, r.act) for r in sealed.seen_by(connection, "person", ["p1"])] == [
            ("sun", "read"), ("zhao", "export"), ("wang", "read"),
        ]  # fmt: skip
        assert [r.seq for r in sealed.entries(connection, actor="li")] == [3, 2]
        assert [r.seq for r in sealed.entries(connection, before=3, limit=1)] == [2]
        assert [r.seq for r in sealed.entries(connection, act=["enter"], subject="p1")] == [3]


@pytest.mark.parametrize("value", [1.5, float("nan"), 2**60, {1: "a"}, "\ud800", b"x"])
def test_what_cannot_be_written_in_one_way_is_refused(value: object) -> None:
    with pytest.raises(sealed.NotCanonical):
        sealed.canonical({"k": value})


def test_canonical_json_is_that_of_the_standard() -> None:
    """The example of RFC 8785 §3.2.3 (sorting by UTF-16 units) and its escapes of §3.2.2.2."""
    keys_ = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7}
    text = sealed.canonical(keys_).decode()
    assert text == '{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\U0001f600":5,"\ufb33":3}'
    assert sealed.canonical({"s": "\u20ac$\u000f\nA'B\"\\/"}) == '{"s":"€$\\u000f\\nA\'B\\"\\\\/"}'.encode()


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), JSONS, max_size=4), st.randoms())
def test_canonical_json_does_not_depend_on_order_and_loses_nothing(
    document: dict[str, Any], dice: random.Random
) -> None:
    text = sealed.canonical(document)
    assert json.loads(text) == document
    shuffled = list(document.items())
    dice.shuffle(shuffled)
    assert sealed.canonical(dict(shuffled)) == text


# --- nobody changes it, and writers do not fork it


@pytest.mark.parametrize("statement", [
    "UPDATE sealed_log SET body = replace(body, 'p2', 'p9') WHERE seq = 2", "DELETE FROM sealed_log WHERE seq = 2",
    "TRUNCATE sealed_log", "UPDATE sealed_log SET actor = 'x'",
])  # fmt: skip
def test_the_database_refuses_to_change_it(engine: sa.Engine, statement: str) -> None:
    fill(engine, 3)
    with pytest.raises(sa.exc.DBAPIError), engine.begin() as connection:
        connection.execute(sa.text(statement))
    assert verdict(engine).rows == 3


def test_many_writers_make_one_chain(engine: sa.Engine) -> None:
    """Eight at once, some of which roll back: no number is missing, none is there twice, every row continues another."""
    trouble: list[Exception] = []

    def write(name: int) -> None:
        try:
            for n in range(15):
                with engine.connect() as connection:
                    transaction = connection.begin()
                    sealed.append(connection, Act(f"w{name}", "read", "person", (f"p{n}",)))
                    transaction.rollback() if n % 5 == 4 else transaction.commit()
        except Exception as problem:  # noqa: BLE001 - told to the test's own thread
            trouble.append(problem)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert trouble == []
    found = verdict(engine)
    assert (found.rows, found.last, told(found)) == (96, 96, [])


def test_the_hash_may_be_changed_to_sm3_by_an_act(engine: sa.Engine) -> None:
    fill(engine, 2)
    with engine.begin() as connection:
        sealed.append(connection, Act("sec", "hash", "log", detail={"algorithm": "sm3"}))
    fill(engine, 2)
    with engine.connect() as connection:
        used = connection.execute(sa.select(SEALED_LOG.c.algorithm).order_by(SEALED_LOG.c.seq)).scalars().all()
    assert used == ["sha256", "sha256", "sm3", "sm3", "sm3"]
    assert verdict(engine).sound
    # GB/T 32905-2016, example 1
    assert hashing("sm3")(b"abc").hex() == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    with pytest.raises(sealed.NoSuchAlgorithm), engine.begin() as connection:
        sealed.append(connection, Act("sec", "hash", "log", detail={"algorithm": "md5"}))


# --- who changes it all the same is found out


def tamper(engine: sa.Engine, *statements: str) -> None:
    """What the owner of the database can do: switch the triggers off first."""
    with engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE sealed_log DISABLE TRIGGER USER"))
        for statement in statements:
            connection.execute(sa.text(statement))


ROWS = 12
PLACES = [1, 2, 6, ROWS - 1]


@pytest.mark.parametrize("k", [*PLACES, ROWS])
def test_a_one_byte_edit_is_named(engine: sa.Engine, k: int) -> None:
    fill(engine, ROWS)
    tamper(engine, f"UPDATE sealed_log SET body = replace(body, '\"p{k}\"', '\"p_\"') WHERE seq = {k}")
    assert told(verdict(engine)) == [("altered", k, k)]


@pytest.mark.parametrize("k", PLACES)
def test_a_removed_row_is_named(engine: sa.Engine, k: int) -> None:
    fill(engine, ROWS)
    tamper(engine, f"DELETE FROM sealed_log WHERE seq = {k}")
    assert told(verdict(engine)) == [("unproven" if k == 1 else "missing", k, k)]


@pytest.mark.parametrize("k", PLACES)
def test_a_removed_row_is_named_when_what_follows_was_renumbered(engine: sa.Engine, k: int) -> None:
    fill(engine, ROWS)
    tamper(
        engine,
        f"DELETE FROM sealed_log WHERE seq = {k}",
        f"UPDATE sealed_log SET seq = -seq WHERE seq > {k}",
        "UPDATE sealed_log SET seq = -seq - 1 WHERE seq < 0",
    )
    assert told(verdict(engine)) == [("missing", k, k)]


@pytest.mark.parametrize("k", PLACES)
def test_an_inserted_row_is_named(engine: sa.Engine, k: int) -> None:
    fill(engine, ROWS)
    with engine.connect() as connection:
        rows = [Row(*r) for r in sealed.stored(connection)]
    new = forged(rows[k - 1], rows[k - 1].prev, k)
    tamper(
        engine,
        f"UPDATE sealed_log SET seq = -seq WHERE seq >= {k}",
        "UPDATE sealed_log SET seq = -seq + 1 WHERE seq < 0",
        "INSERT INTO sealed_log (seq, algorithm, prev, hash, body) VALUES "
        f"({k}, 'sha256', '\\x{new.prev.hex()}', '\\x{new.hash.hex()}', '{new.body.decode()}')".replace(":", "\\:"),
    )
    assert told(verdict(engine)) == [("inserted", k, k)]


@pytest.mark.parametrize(("i", "k"), [(1, 2), (1, 7), (3, 4), (3, 9), (11, 12), (2, 12), (1, 12)])
def test_swapped_rows_are_named(engine: sa.Engine, i: int, k: int) -> None:
    fill(engine, ROWS)
    tamper(
        engine,
        f"UPDATE sealed_log SET seq = -{i} WHERE seq = {i}",
        f"UPDATE sealed_log SET seq = {i} WHERE seq = {k}",
        f"UPDATE sealed_log SET seq = {k} WHERE seq = -{i}",
    )
    assert told(verdict(engine)) == [("moved", i, i), ("moved", k, k)]


@given(st.integers(3, 40), st.randoms())
def test_a_single_change_anywhere_is_named_exactly(rows: int, dice: random.Random) -> None:
    log, k = chain(rows), dice.randrange(1, rows)  # the last row has nobody to contradict: see the checkpoint
    row = log[k - 1]
    byte = dice.randrange(len(row.body))
    flipped = row.body[:byte] + bytes([row.body[byte] ^ 1]) + row.body[byte + 1 :]
    assert told(sealed.verify([*log[: k - 1], row._replace(body=flipped), *log[k:]])) == [("altered", k, k)]
    for part in ("prev", "hash"):
        wrong = row._replace(**{part: bytes([row.hash[0] ^ 1]) + row.hash[1:]})
        assert told(sealed.verify([*log[: k - 1], wrong, *log[k:]])) == [("altered", k, k)]
    assert told(sealed.verify([*log[: k - 1], row._replace(algorithm="md5"), *log[k:]])) == [("altered", k, k)]
    again = row._replace(body=row.body.replace(b'"a"', b'"b"'))
    again = again._replace(hash=hashing("sha256")(again.prev + again.body))
    assert told(sealed.verify([*log[: k - 1], again, *log[k:]])) == [("replaced", k, k)]
    last = dice.randrange(k, rows)
    assert told(sealed.verify(renumbered([*log[: k - 1], *log[last:]]))) == [("missing", k, last)]
    linked = forged(row, row.prev, k)
    loose = forged(row, bytes(32) if k > 1 else bytes([1] * 32), k)
    for new in (linked, loose, linked._replace(hash=bytes([7] * 32))):
        assert told(sealed.verify(renumbered([*log[: k - 1], new, *log[k - 1 :]]))) == [("inserted", k, k)], new
    two = sorted(dice.sample(range(1, rows + 1), 2))
    swapped = list(log)
    swapped[two[0] - 1], swapped[two[1] - 1] = swapped[two[1] - 1], swapped[two[0] - 1]
    assert told(sealed.verify(renumbered(swapped))) == [("moved", n, n) for n in two]


def test_a_log_written_anew_from_a_row_on_names_that_row() -> None:
    log = chain(200)
    wrong = [r._replace(body=r.body.replace(b'"a"', b'"b"')) for r in log[49:]]
    found = sealed.verify([*log[:49], *wrong])
    assert len(found.findings) == MOST
    assert told(found)[0] == ("altered", 50, 50)


def test_an_exported_log_is_verified_without_the_database(engine: sa.Engine) -> None:
    fill(engine, 5)
    with engine.connect() as connection:
        file = b"".join(sealed.lines(connection))
    assert sealed.verify(of_lines(file.splitlines())).sound
    assert told(sealed.verify(of_lines(file.replace(b"p3", b"p9").splitlines()))) == [("altered", 3, 3)]


# --- checkpoints


def issue(engine: sa.Engine, home: Path) -> tuple[checkpoint.Checkpoint, Path]:
    with engine.begin() as connection:
        return checkpoint.issue(connection, keys.load(home, {}), home / "checkpoints", actor="timer", at=AT)


def test_a_checkpoint_is_signed_and_noted(engine: sa.Engine, tmp_path: Path) -> None:
    fill(engine, 4)
    made, path = issue(engine, tmp_path)
    assert checkpoint.load(path) == made == checkpoint.newest(path.parent)
    public = keys.public_of((path.parent / keys.PUBLIC.format("ed25519")).read_bytes())
    assert made.signed_by(public)
    assert not replace(made, seq=3).signed_by(public)
    assert not made.signed_by(keys.load(tmp_path / "other", {}).public)
    found = verdict(engine, made, key=public)
    assert (found.rows, found.checkpoints, found.covered, told(found)) == (5, 1, 4, [])
    with engine.connect() as connection:
        assert sealed.entries(connection)[0].detail["hash"] == made.hash


def test_a_log_cut_off_at_its_end_is_seen_from_the_checkpoint(engine: sa.Engine, tmp_path: Path) -> None:
    fill(engine, 8)
    made, _ = issue(engine, tmp_path)
    tamper(engine, "DELETE FROM sealed_log WHERE seq > 6")
    assert verdict(engine).sound  # the chain alone does not know
    assert told(verdict(engine, made)) == [("cut_off", 7, 8)]


def test_a_log_written_anew_is_seen_from_the_checkpoint(engine: sa.Engine, tmp_path: Path) -> None:
    fill(engine, 8)
    made, _ = issue(engine, tmp_path)
    tamper(engine, "DELETE FROM sealed_log")
    fill(engine, 7)
    with engine.begin() as connection:
        sealed.append(connection, Act("x", "read"))
    assert told(verdict(engine, made)) == [("rewritten", 8, 8)]


def test_a_checkpoint_of_somebody_else_proves_nothing(engine: sa.Engine, tmp_path: Path) -> None:
    fill(engine, 2)
    made, _ = issue(engine, tmp_path)
    found = verdict(engine, made, key=keys.load(tmp_path / "other", {}).public)
    assert [f.kind for f in found.findings] == ["forged"]
    assert found.checkpoints == 0


def test_keys_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    first, again = keys.load(tmp_path, {}), keys.load(tmp_path, {})
    assert first.public == again.public
    assert {stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / keys.FOLDER).iterdir()} == {0o600}
    assert stat.S_IMODE((tmp_path / keys.FOLDER).stat().st_mode) == 0o700
    pem = (tmp_path / keys.FOLDER / keys.SIGNING.format("ed25519")).read_text(encoding="ascii")
    given_ = keys.load(tmp_path / "none", {keys.SIGNING_VARIABLE: pem, keys.NAMING_VARIABLE: "ab" * 32})
    assert given_.public == first.public
    assert not (tmp_path / "none").exists()
    assert "ab" * 8 not in repr(given_)
    with pytest.raises(keys.KeyUnreadable):
        keys.load(tmp_path / "none", {keys.SIGNING_VARIABLE: "no key", keys.NAMING_VARIABLE: "ab" * 32})


# --- SM2 (GB/T 32918)

SM2 = {keys.SCHEME_VARIABLE: "sm2"}


@pytest.mark.skipif(not signing.sm2_here(), reason="this machine's openssl has no SM2")
def test_a_checkpoint_is_signed_by_sm2_and_older_ones_stay_good(engine: sa.Engine, tmp_path: Path) -> None:
    fill(engine, 3)
    before, _ = issue(engine, tmp_path)
    with engine.begin() as connection:
        mine = keys.load(tmp_path, SM2)
        made, path = checkpoint.issue(connection, mine, tmp_path / "checkpoints", actor="timer", at=AT)
    assert (made.scheme, before.scheme) == ("sm2", "ed25519")
    public = keys.public_of((path.parent / "log-sm2.pub").read_bytes())
    assert made.signed_by(public)
    assert not replace(made, seq=2).signed_by(public)
    assert not made.signed_by(keys.load(tmp_path / "other", SM2).public)
    assert not replace(made, scheme="ed25519").signed_by(public, *mine.publics)
    found = verdict(engine, before, made, key=mine.publics)
    assert (found.checkpoints, found.covered, told(found)) == (2, 4, [])
    assert keys.load(tmp_path, SM2).public == mine.public, "made once"
    assert "PRIVATE" not in repr(mine)


@pytest.mark.skipif(not signing.sm2_here(), reason="this machine's openssl has no SM2")
def test_a_key_of_another_scheme_is_refused(tmp_path: Path) -> None:
    pem = {s: signing.fresh(s).decode() for s in signing.SCHEMES}
    for scheme, other in (("sm2", "ed25519"), ("ed25519", "sm2")):
        given_ = {keys.SCHEME_VARIABLE: scheme, keys.SIGNING_VARIABLE: pem[other], keys.NAMING_VARIABLE: "ab" * 32}
        with pytest.raises(keys.KeyUnreadable):
            keys.load(tmp_path, given_)


def test_what_this_machine_cannot_sign_is_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no openssl on it
    signing.sm2_here.cache_clear()
    try:
        with pytest.raises(keys.NoSuchScheme, match=r"openssl 3\.0"):
            keys.load(tmp_path, SM2)
        assert not (tmp_path / keys.FOLDER).exists(), "nothing was made instead"
    finally:
        signing.sm2_here.cache_clear()
    with pytest.raises(keys.NoSuchScheme, match="rsa"):
        keys.load(tmp_path, {keys.SCHEME_VARIABLE: "rsa"})

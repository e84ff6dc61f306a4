"""Retention: floors of the law, what goes when, that nothing goes without proof, and that what is left is still sound."""

from __future__ import annotations

import shutil

import pytest
import sqlalchemy as sa
from road_support import Town, citizen, flat, row

from onefact import log, retention
from onefact.consolidate import consolidate
from onefact.enter import enter
from onefact.past.answer import SAME, trace_on
from onefact.pull import pull
from onefact.push import push
from onefact.rebuild import rebuild
from onefact.retention.rules import MONTHS_6, YEARS_3
from onefact.retention.run import LogUnsound
from onefact.retention.settings import RetentionUnreadable
from onefact.scheduled import inventory, verbs
from onefact.scheduled.errors import NeedsAPerson
from warehouse import outbox, sealed
from warehouse.sealed import ledgers

WANG = citizen(1)


@pytest.fixture
def lived(town: Town) -> Town:
    """Two systems, a change that was called off, three entries of one fact, a refused ticket, a checkpoint."""
    home = town.home
    town.write("ybss", [row(WANG, "王伟", id_number=WANG, phone="13900000001", home=flat(1))])
    town.write("sg_etong", [row("G1", "王伟", id_number=WANG, phone="13900000009", home=flat(1))])
    town.write("volunteer", [row("V1", "李娜", phone="13900000003")])
    pull(home)
    consolidate(home)
    for phone in ("13900000004", "13900000005", "13900000006"):
        enter(home, WANG, "phone", phone, actor="lin")
        consolidate(home)
    outbox.cancel(home.engine, [r.change_id for r in outbox.rows(home.engine, None, None, 100)], "lin")
    log.issue(home)
    return town


def later(town: Town, days: float = 4 * 366) -> None:
    town.home.now.advance(hours=24 * days)  # type: ignore[attr-defined]


def left(town: Town, table: str) -> int:
    return int(town.query(f"SELECT count(*) AS n FROM {table}")[0]["n"])


def gone(found: list[retention.Expired]) -> dict[str, int]:
    return {e.what: e.count for e in found if e.count}


@pytest.mark.parametrize(("text", "law"), [
    (f"log: {MONTHS_6 - 1}", "网络安全法"), (f"sharing: {YEARS_3 - 1}", "网络数据安全管理条例"), ("entries: 30", "网络安全法"),
])  # fmt: skip
def test_a_setting_below_the_floor_is_refused_with_the_law(town: Town, text: str, law: str) -> None:
    town.home.path.mkdir(parents=True, exist_ok=True)
    (town.home.path / "retention.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(retention.TooShort, match=law):
        retention.load(town.home)


@pytest.mark.parametrize("text", ["日志: 400", "log: 三年", "log: true", "[1, 2]", "landing: 0", "log: ["])
def test_settings_that_are_none_delete_nothing(town: Town, text: str) -> None:
    town.home.path.mkdir(parents=True, exist_ok=True)
    (town.home.path / "retention.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(RetentionUnreadable):
        retention.run(town.home)


def test_nothing_has_run_out_at_first(lived: Town) -> None:
    assert gone(retention.due(lived.home)) == {}
    assert gone(retention.run(lived.home)) == {}


def test_what_has_run_out_goes_with_its_proof(lived: Town) -> None:
    later(lived)
    town, home = lived, lived.home
    before = {t: left(town, t) for t in ("delivery", "outbox", "refusal", "entry", "golden_history")}
    assert before["delivery"] > 0
    assert before["outbox"] > 0
    assert before["golden_history"] > 0
    announced = gone(retention.due(home))
    assert {t: left(town, t) for t in before} == before  # only said
    done = gone(retention.run(home))
    # A change has run out only when its steps have gone; the announcement cannot know that yet.
    assert done == announced | {"outbox": before["outbox"]}
    assert (left(town, "delivery"), left(town, "outbox"), left(town, "entry")) == (0, 0, 1)
    assert left(town, "golden_history") == 0
    with home.engine.connect() as connection:
        proofs = {r.subjects[0]: r for r in sealed.entries(connection, act="expire")}
    assert proofs["delivery"].count == before["delivery"]
    assert proofs["delivery"].detail["rule"] == "sharing"
    assert "三年" in proofs["delivery"].detail["law"]
    assert len(proofs["delivery"].detail["hash"]) == 64
    assert log.verify(home).sound  # the sealed ledgers too: what went is known
    assert gone(retention.run(home)) == {}


def test_an_entry_goes_only_when_a_newer_one_stands(lived: Town) -> None:
    (lived.home.path / "retention.yaml").write_text("entries: 200", encoding="utf-8")
    later(lived, 201)
    assert gone(retention.run(lived.home))["entry"] == 2
    assert lived.query("SELECT value FROM entry") == [{"value": "13900000006"}]
    consolidate(lived.home)
    assert lived.person("sg_etong", "G1")["phone"] == "13900000006"


def test_a_batch_stays_while_a_record_rests_on_it(lived: Town) -> None:
    home = lived.home
    asked = home.now()
    lived.write(
        "sg_etong",
        [
            row(
                "G1",
                "王伟",
                id_number=WANG,
                phone="13900000010",
                home=flat(1),
            )
        ],
    )
    later(lived, 31)
    pull(home, ["sg_etong"])
    consolidate(home)
    golden = lived.golden()
    held = lived.query(
        "SELECT batch_id, folder FROM batch WHERE system_id = 'sg_etong' AND folder IS NOT NULL ORDER BY 1"
    )
    assert len(held) == 2
    folder, elsewhere = home.landing / held[0]["folder"], home.path / "elsewhere"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    with pytest.raises(OSError):  # noqa: PT011 - a link is not followed: what cannot be deleted is not said to be gone
        retention.run(home)
    assert (elsewhere.exists(), gone(retention.due(home))["batch"]) == (True, 1)
    folder.unlink()
    elsewhere.rename(folder)
    assert gone(retention.run(home))["batch"] == 1  # the first of sg_etong; the first of ybss is still what we know
    assert not (home.landing / held[0]["folder"]).exists()
    assert (home.landing / held[1]["folder"]).exists()
    with home.engine.connect() as connection:
        [proof] = sealed.entries(connection, act="expire")
    register = lived.query("SELECT sha256, folder FROM batch WHERE batch_id = %s", held[0]["batch_id"])[0]
    assert (register["folder"], register["sha256"]) == (None, proof.detail["hash"])
    told = trace_on(home, WANG, asked.isoformat(), "phone").fields[0]
    assert (told.value, told.check) == ("13900000006", SAME)  # an entry decided it, and that stands
    assert any(c.claim.system_id == "sg_etong" for c in told.claims) is False  # what was deleted cannot be shown
    rebuild(home)  # what is left is enough
    assert lived.golden() == golden


def test_the_log_is_cut_at_a_checkpoint_and_stays_sound(lived: Town) -> None:
    home = lived.home
    (home.path / "retention.yaml").write_text(f"log: {MONTHS_6}\nlanding: 4000", encoding="utf-8")
    with home.engine.connect() as connection:
        at = sealed.entries(connection, act="checkpoint")[0].detail["seq"]
    later(lived, MONTHS_6 + 60)
    pull(home)
    log.issue(home)
    assert gone(retention.due(home))["sealed_log"] == at
    assert gone(retention.run(home))["sealed_log"] == at
    found = log.verify(home)
    assert found.sound
    assert found.log.first == at + 1
    # Without the proof of the cut, or with somebody else's, a log that begins late is not believed.
    shutil.rmtree(home.path / "keys")
    assert [f.kind for f in log.verify(home).log.findings if f.kind == "unproven"] == ["unproven"]


def test_no_checkpoint_no_cut(town: Town) -> None:
    home = town.home
    town.write("volunteer", [row("V1", "李娜", phone="13900000003")])
    pull(home)
    later(town)
    pull(home)
    assert "sealed_log" not in gone(retention.run(home))


def test_an_unsound_log_stops_the_deletion(lived: Town) -> None:
    later(lived)
    with lived.home.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE sealed_log DISABLE TRIGGER USER"))
        connection.execute(sa.text("UPDATE sealed_log SET body = replace(body, 'lin', 'lim') WHERE actor = 'lin'"))
    before = left(lived, "delivery")
    with pytest.raises(LogUnsound):
        retention.run(lived.home)
    assert left(lived, "delivery") == before


@pytest.mark.parametrize("how", ["no proof", "proof of another table", "proof of before"])
def test_the_database_lets_nothing_go_without_its_proof(lived: Town, how: str) -> None:
    home = lived.home
    proof = sealed.Act("mallory", "expire", "table", ["delivery" if how == "proof of before" else "refusal"])
    with home.engine.begin() as connection:
        end = sealed.append(connection, proof)
    with home.engine.connect() as connection:
        if how == "proof of another table":
            end = sealed.append(connection, proof)
        if how != "no proof":
            connection.execute(sa.text(f"SELECT set_config('onefact.expiry', '{end.seq}', true)"))
        with pytest.raises(sa.exc.DBAPIError, match="append-only"):
            connection.execute(sa.text("DELETE FROM delivery"))


def test_a_scheduler_signs_and_deletes_and_stops_for_a_person(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    home = town.home
    town.write("volunteer", [row("V1", "李娜", phone="13900000003")])
    pull(home)
    monkeypatch.setenv("ONEFACT_HOME", str(home.path))
    monkeypatch.setenv(inventory.VARIABLE, str(home.systems))
    monkeypatch.setenv("ONEFACT_DATABASE_URL", str(home.database_url))
    monkeypatch.setenv("ONEFACT_CHECKPOINTS", str(home.path / "elsewhere"))
    monkeypatch.delenv("ONEFACT_ACTOR", raising=False)
    told = verbs.checkpoint()
    assert told["rows"] == told["seq"] + 1  # the checkpoint is noted behind what it signs
    assert list((home.path / "elsewhere").glob("checkpoint-*.json"))
    with home.engine.connect() as connection:
        last = sealed.entries(connection, limit=1)[0]
    assert (last.act, last.actor, last.via) == ("checkpoint", "airflow", "schedule")
    assert verbs.retention() == {"expired": {}}
    (home.path / "retention.yaml").write_text("sharing: 30", encoding="utf-8")
    with pytest.raises(NeedsAPerson, match="法定下限"):
        verbs.retention()
    with home.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE sealed_log DISABLE TRIGGER USER"))
        connection.execute(sa.text("UPDATE sealed_log SET body = replace(body, 'airflow', 'nobody1')"))
    with pytest.raises(NeedsAPerson, match="onefact log verify"):
        verbs.checkpoint()


def test_a_change_in_a_sealed_ledger_is_seen_in_its_portion(lived: Town) -> None:
    home = lived.home
    assert log.verify(home).sound
    last = lived.query("SELECT max(delivery_id) AS n FROM delivery")[0]["n"]
    with home.engine.begin() as connection:
        assert {p.table for p in ledgers.portions(connection)} >= {"delivery"}
        connection.execute(sa.text("ALTER TABLE delivery DISABLE TRIGGER USER"))
        connection.execute(sa.text("UPDATE delivery SET actor = 'somebody else' WHERE delivery_id = :n"), {"n": last})
    found = log.verify(home)
    assert found.log.sound
    assert [(p.table, p.last) for p in found.ledgers] == [("delivery", last)]


def test_a_seal_takes_only_what_is_new_and_does_not_wait_for_a_writer(lived: Town) -> None:
    home = lived.home
    assert ledgers.seal(home.engine, actor="timer") == 0
    push(home)
    with home.engine.begin() as writer:
        writer.execute(sa.text("UPDATE outbox SET code = 'busy' WHERE change_id = (SELECT min(change_id) FROM outbox)"))
        assert ledgers.seal(home.engine, actor="timer") == 0  # the step is not committed: left for the next time
    assert ledgers.seal(home.engine, actor="timer") == 1
    assert ledgers.seal(home.engine, actor="timer") == 0
    assert log.verify(home).sound


def test_an_entry_that_went_without_its_proof_is_named(lived: Town) -> None:
    (lived.home.path / "retention.yaml").write_text("entries: 200", encoding="utf-8")
    later(lived, 201)
    gone_ids = {
        r["id"] for r in lived.query("SELECT entry_id::text AS id FROM entry ORDER BY entered_at DESC OFFSET 1")
    }
    assert gone(retention.run(lived.home))["entry"] == 2
    assert log.verify(lived.home).entries == ()
    with lived.home.engine.begin() as connection:  # somebody deletes another, and writes it down as if it had run out
        connection.execute(
            sa.text("INSERT INTO entry_expired SELECT e.entry_id, x.seq FROM entry e, entry_expired x LIMIT 1")
        )
        connection.execute(sa.text("DELETE FROM entry"))
    found = log.verify(lived.home).entries
    assert {f.kind for f in found} == {"missing"}
    assert {f.entry_id for f in found} > gone_ids

"""Every act and every reading of personal data on the command line is in the sealed log: who, what, for what, how many."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from road_support import Run, Town, citizen, flat, row

from onefact.cli import errors
from onefact.cli.app import app
from onefact.consolidate import consolidate
from onefact.enter import enter
from onefact.pull import pull
from warehouse import sealed
from warehouse.sealed import keys

WANG = citizen(1)
PHONE = "13900000001"


@pytest.fixture
def peopled(town: Town) -> Town:
    town.write("ybss", [row(WANG, "王伟", id_number=WANG, phone=PHONE, home=flat(1))])
    town.write("sg_etong", [row("G1", "王伟", id_number=WANG, phone=PHONE, home=flat(1))])
    town.write("volunteer", [row("V1", "李娜", phone="13900000003")])
    pull(town.home)
    consolidate(town.home)
    return town


@pytest.fixture
def say(peopled: Town, say: Run) -> Run:
    return say


def log(town: Town, limit: int = 500) -> list[sealed.Sealed]:
    with town.home.engine.connect() as connection:
        return sealed.entries(connection, limit=limit)[::-1]


def bodies(town: Town) -> str:
    return "\n".join(r["body"] for r in town.query("SELECT body FROM sealed_log"))


def test_runs_are_noted_by_counts(peopled: Town) -> None:
    assert next((r.act, r.count) for r in log(peopled)) == ("pull", 3)
    assert log(peopled)[1].act == "consolidate"
    consolidate(peopled.home)  # nothing to do, nothing to note
    assert len(log(peopled)) == 2


READINGS = {
    "trace": ("trace", WANG), "trace --full": ("trace", WANG, "phone", "--full"), "whois": ("whois", "sg_etong", "G1"),
    "outbox list": ("outbox", "list"), "review": ("review",), "task list": ("task", "list"), "ticket list": ("ticket", "list"),
    "law sharing": ("law", "sharing"), "rejects": ("rejects",), "push --dry-run": ("push", "--dry-run"),
    "reconcile": ("reconcile",),
}  # fmt: skip


@pytest.mark.parametrize("name", [n for n in READINGS if n != "outbox list" and n != "push --dry-run"])
def test_a_reading_is_noted_with_who_and_for_what(peopled: Town, say: Run, name: str) -> None:
    say("--actor", "审计王", "--purpose", "抽查", *READINGS[name])
    noted = [r for r in log(peopled) if r.act == "read"]
    assert [(r.actor, r.detail["what"], r.detail["full"]) for r in noted] == [
        ("审计王", name.removesuffix(" --full"), name.endswith("--full")),
    ]  # fmt: skip
    if name.startswith(("trace", "whois")):
        assert peopled.id_of("sg_etong", "G1") in noted[0].subjects
        assert noted[0].count == len(noted[0].subjects)


def test_who_has_seen_somebody_can_be_asked(peopled: Town, say: Run) -> None:
    wang, li = peopled.id_of("sg_etong", "G1"), peopled.id_of("volunteer", "V1")
    say("--actor", "wang", "trace", WANG, "--purpose", "入户核实")
    say("--actor", "zhao", "export", "golden", "--out", str(peopled.home.path / "out"))
    with peopled.home.engine.connect() as connection:
        seen = {i: [(r.actor, r.act) for r in sealed.seen_by(connection, "person", [i])] for i in (wang, li)}
    assert seen == {wang: [("zhao", "export"), ("wang", "read")], li: [("zhao", "export")]}
    exports = [r for r in log(peopled) if r.act == "export"]
    assert {(r.subject_type, r.count) for r in exports} >= {("person", 2), ("organisation", 0)}


def test_an_entry_and_its_note_are_one_transaction(peopled: Town, say: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    wang = peopled.id_of("sg_etong", "G1")
    say("enter", WANG, "phone", "13900000002", "--actor", "lin")
    noted = next(r for r in log(peopled) if r.act == "enter")
    assert (noted.actor, noted.subject_type, noted.subjects, noted.detail["field"]) == (
        "lin",
        "person",
        (wang,),
        "phone",
    )

    def refuse(*_: object, **__: object) -> None:
        raise sealed.NotCanonical("no log, no entry")

    monkeypatch.setattr("onefact.acting.sealed.append", refuse)
    with pytest.raises(sealed.NotCanonical):
        enter(peopled.home, WANG, "phone", "13900000007", actor="lin")
    assert peopled.query("SELECT count(*) AS n FROM entry") == [{"n": 1}]


def test_decisions_are_noted(peopled: Town, say: Run) -> None:
    wang, li = peopled.id_of("sg_etong", "G1"), peopled.id_of("volunteer", "V1")
    before = len(log(peopled))
    say("merge", wang, li, "--actor", "李主任", "--later")
    say("target", "hold", "volunteer", "--reason", "检修", "--actor", "科技员")
    say("target", "release", "volunteer", "--actor", "科技员")
    say("law", "revoke", "volunteer", "person.phone", "--why", "协议到期", "--actor", "法务")
    say("law", "grant", "volunteer", "person.phone", "--document", "武数〔2026〕9号", "--expires", "2027-12-31", "--actor", "法务")  # fmt: skip
    assert [(r.actor, r.act, r.subjects) for r in log(peopled)[before:]] == [
        ("李主任", "merge", tuple(sorted((wang, li)))), ("科技员", "hold", ("volunteer",)), ("科技员", "release", ("volunteer",)),
        ("法务", "revoke", ("volunteer",)), ("法务", "grant", ("volunteer",)),
    ]  # fmt: skip


def test_nothing_personal_is_in_the_log(peopled: Town, say: Run) -> None:
    """After a day's work no name, number or phone of the town's people stands in it."""
    say("trace", WANG, "--full", "--purpose", f"群众{WANG}来电{PHONE}")
    say("whois", "ybss", WANG, "--full")
    say("explain", f"ybss/{WANG}/person", "sg_etong/G1/person", code=0)
    say("enter", WANG, "phone", "13900000002")
    say("export", "links", "--out", str(peopled.home.path / "out"))
    text = bodies(peopled)
    assert [part for part in (WANG, PHONE, "13900000002", "王伟", "李娜", "武珞路") if part in text] == []


def test_who_tries_numbers_and_what_is_refused_is_noted(peopled: Town, say: Run) -> None:
    other = citizen(77)
    say("--actor", "好奇", "trace", other, code=1)
    say("enter", WANG, "phone", "1390000", "--actor", "lin", code=1)
    say("enter", "查无此人", "phone", PHONE, "--actor", "lin", code=1)
    tried = [(r.actor, r.act, r.outcome, r.count) for r in log(peopled)[-3:]]
    assert tried == [("好奇", "read", "done", 0), ("lin", "enter", "refused", 0), ("lin", "enter", "refused", 0)]
    asked = log(peopled)[-3].detail["wanted"]
    assert asked == keys.load(peopled.home.path).named(
        other, asked["masked"]
    )  # who holds the number can show that it was meant
    assert other[6:14] not in bodies(peopled)
    assert "查无" not in bodies(peopled)


def test_what_is_not_noted_is_not_shown(peopled: Town, say: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise sealed.NotCanonical("the log cannot be written")

    monkeypatch.setattr("onefact.acting.sealed.append", refuse)
    assert PHONE not in say("trace", WANG, "--full", code=1)
    out = peopled.home.path / "out"
    say("export", "golden", "--out", str(out), code=1)
    assert not out.exists()


def test_the_actor_is_who_is_named_then_the_environment_then_the_login(
    peopled: Town, say: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    say("enter", WANG, "phone", "13900000002")
    monkeypatch.setenv("ONEFACT_ACTOR", "环境中人")
    say("enter", WANG, "phone", "13900000003")
    say("--actor", "前", "enter", WANG, "phone", "13900000004", "--actor", "后")
    entered = [r["actor"] for r in peopled.query("SELECT actor FROM entry ORDER BY entered_at")]
    assert entered == [peopled.home.actor, "环境中人", "后"]
    assert [r.actor for r in log(peopled) if r.act == "enter"] == entered


def test_the_log_of_a_town_is_sound(peopled: Town, say: Run) -> None:
    say("trace", WANG)
    assert "核验通过" in say("log", "verify")


def test_the_log_is_shown_and_exported(peopled: Town, say: Run, capsys: pytest.CaptureFixture[str]) -> None:
    say("--actor", "wang", "trace", WANG, "--purpose", "入户核实")
    wang = peopled.id_of("sg_etong", "G1")
    assert "入户核实" in say("log", "show", "--subject", wang)
    shown = json.loads(say("log", "show", "--act", "read", "--json"))
    assert shown[-1]["subjects"] == [wang]
    assert {r.act for r in log(peopled)} >= {"log"}  # reading the log is noted too
    file = peopled.home.path / "log.jsonl"
    say("log", "export", "--out", str(file))
    assert "核验通过" in say("log", "verify", "--file", str(file))
    file.write_text(file.read_text(encoding="utf-8").replace("入户核实", "入户走访"), encoding="utf-8")
    assert errors.guarded(lambda: app(["log", "verify", "--file", str(file)], standalone_mode=False)) == 1
    assert "内容被改动" in capsys.readouterr().out


def test_a_checkpoint_shows_a_log_that_was_cut_off(peopled: Town, say: Run, capsys: pytest.CaptureFixture[str]) -> None:
    say("trace", WANG)
    made = json.loads(say("log", "checkpoint", "--json"))
    assert Path(made["file"]).parent == peopled.home.path / "checkpoints"
    assert "核验通过" in say("log", "verify")
    with peopled.home.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE sealed_log DISABLE TRIGGER USER"))
        connection.execute(sa.text("DELETE FROM sealed_log WHERE seq >= :seq"), {"seq": made["seq"]})
    assert errors.guarded(lambda: app(["log", "verify"], standalone_mode=False)) == 1
    assert "末尾被截掉" in capsys.readouterr().out

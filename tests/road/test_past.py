"""Any golden value on any past day: what was written down is what was true, and the claims of that day give it again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from road_support import MakeHome, Town, citizen, flat, manifests, row
from typer.testing import CliRunner

from onefact import consolidate, enter, merge, pull, push
from onefact.cli.app import app
from onefact.past.answer import DIFFERENT, SAME, UNSURE, trace_on
from onefact.past.landed import row_hash
from onefact.whois import NobodyThen
from schemas.derive.sql import as_text
from schemas.entities import ENTITIES

Golden = Mapping[tuple[str, str], Mapping[str, tuple[str | None, str | None]]]
"""(entity, master id) -> field -> (value, provenance)."""

Lived = tuple[Town, list[tuple[datetime, Golden]]]


def golden(town: Town) -> Golden:
    found: dict[tuple[str, str], dict[str, tuple[str | None, str | None]]] = {}
    for entity_type, entity in ENTITIES.items():
        columns = ", ".join(f'{as_text(f)} AS "{f.name}"' for f in entity.fields)
        for r in town.query(f"SELECT master_id::text AS id, provenance, {columns} FROM {entity_type}"):
            found[entity_type, r["id"]] = {n: (r[n], r["provenance"].get(n)) for n in entity.names}
    return found


def day(town: Town, **systems: list[Mapping[str, str]]) -> datetime:
    """One day: files are written, pulled, consolidated; return its last moment."""
    for system, rows in systems.items():
        town.write(system, rows)
    pull.pull(town.home)
    consolidate.consolidate(town.home)
    asked: datetime = town.home.now()
    town.home.now.advance(24)  # type: ignore[attr-defined]
    return asked


MING = {"id_number": citizen(1), "phone": "13900000001", "home": flat(1)}
HONG = {"id_number": citizen(2), "phone": "13900000002", "home": flat(2)}


@pytest.fixture(scope="module")
def lived(make_home: MakeHome, tmp_path_factory: pytest.TempPathFactory) -> Lived:
    """A town with eight days behind it, and what golden was on each of them; a test leaves it as it was."""
    town = Town(make_home(tmp_path_factory.mktemp("lived"), manifests("ybss", "sg_etong", "volunteer")))
    days = []

    def end(**systems: list[Mapping[str, str]]) -> None:
        at = day(town, **systems)
        days.append((at, golden(town)))

    end(ybss=[row("1", "张明", **MING), row("2", "李红", **HONG)])
    end(
        sg_etong=[
            row("7", "张明", **{**MING, "phone": "13900000011"}),
            row("9", "王强", home=flat(9), phone="13900000003"),
        ]
    )
    enter.enter(town.home, citizen(1), "phone", "13900000012", actor="王网格员")
    end()
    end(
        ybss=[row("1", "张鸣", **MING), row("2", "李红", **{**HONG, "home": flat(5)})]
    )  # the authority corrects a name, a flat
    enter.enter(town.home, citizen(1), "phone", "13900000013", actor="李网格员")
    end(volunteer=[row("v1", "李红", **{**HONG, "phone": "13900000022", "ethnicity": "汉"})])
    merge.merge(town.home, town.id_of("ybss", "2"), town.id_of("sg_etong", "9"), actor="赵复核", reason="改名")
    end()
    merge.unmerge(town.home, ids_ended(town)[-1], actor="赵复核", reason="认错人")
    end()
    enter.enter(town.home, citizen(1), "phone", "", actor="李网格员")  # the entry is taken back
    end(ybss=[row("1", "张鸣", **MING)])  # the second record is gone
    return town, days


def ids_ended(town: Town) -> list[str]:
    return [
        r["id"]
        for r in town.query(
            "SELECT old_id::text AS id FROM redirect WHERE entity_type = 'person' AND new_id IS NOT NULL"
        )
    ]


def test_every_golden_value_of_every_day(lived: Lived) -> None:
    town, days = lived
    asked = differing = 0
    for at, truth in days:
        for (entity_type, master_id), fields in truth.items():
            told = trace_on(town.home, master_id, at.isoformat())
            assert (told.entity_type, told.master_id) == (entity_type, master_id)
            said = {f.field: (f.value, f.source) for f in told.fields}
            assert said == {n: v for n, v in fields.items() if v[0] is not None}
            asked += len(said)
            differing += sum(f.check != SAME for f in told.fields)
            for field in told.fields:
                won = [c for c in field.claims if c.claim.wins]
                assert [c.claim.value for c in won] == [field.value] or entity_type == "address"
    assert asked > 150
    assert differing == 0  # the pure recomputation gives the same, on every day


def test_a_field_that_was_empty_says_so(lived: Lived) -> None:
    town, days = lived
    first = days[0][0]
    (field,) = trace_on(town.home, citizen(2), first.isoformat(), "ethnicity").fields
    assert (field.value, field.claims) == (None, ())
    later = days[4][0]
    (field,) = trace_on(town.home, citizen(2), later.isoformat(), "ethnicity").fields
    assert field.value is not None
    assert field.spell.since is not None
    assert first.astimezone() < field.spell.since < later.astimezone()


def test_an_entity_that_stood_again_began_then(lived: Lived) -> None:
    town, days = lived
    (restored,) = [i for (e, i) in days[6][1] if e == "person" and (e, i) not in days[5][1]]
    (name,) = trace_on(town.home, restored, days[6][0].isoformat(), "name").fields
    assert name.spell.since is not None
    assert days[5][0].astimezone() < name.spell.since < days[6][0].astimezone()
    (before,) = trace_on(town.home, restored, days[4][0].isoformat(), "name").fields
    assert before.value == name.value
    assert before.spell.since is not None
    assert before.spell.since < days[1][0].astimezone()
    with pytest.raises(NobodyThen):
        trace_on(town.home, restored, days[5][0].isoformat(), "name")  # then it was part of another


def test_the_winner_of_a_day_leads_to_the_row_and_its_hash(lived: Lived) -> None:
    town, days = lived
    told = trace_on(town.home, citizen(1), days[1][0].isoformat(), "name")
    (field,) = told.fields
    assert field.value == "张明"
    assert field.spell.until is not None  # it was corrected two days later
    raw = next(c.raw for c in field.claims if c.claim.wins)
    assert raw is not None
    assert (raw.system_id, raw.record_key, raw.intact) == ("ybss", "1", True)
    (batch,) = town.query("SELECT * FROM batch WHERE batch_id = %s", raw.batch_id)
    assert batch["sha256"] == raw.batch_sha256
    assert len(raw.sha256) == 64
    assert told.run_id is not None


def test_an_entry_names_who_typed_it_and_when(lived: Lived) -> None:
    town, days = lived
    actors = {}
    for at, _ in days[2:7]:
        (field,) = trace_on(town.home, citizen(1), at.isoformat(), "phone").fields
        won = next(c for c in field.claims if c.claim.wins)
        assert won.entry is not None
        actors[field.value] = won.entry.actor
    assert actors == {"13900000012": "王网格员", "13900000013": "李网格员"}
    (field,) = trace_on(town.home, citizen(1), days[-1][0].isoformat(), "phone").fields
    assert not any(c.entry for c in field.claims)


def test_a_batch_that_was_tampered_with_is_seen(lived: Lived) -> None:
    town, days = lived
    (batch,) = town.query(
        "SELECT folder FROM batch WHERE system_id = 'ybss' AND folder IS NOT NULL ORDER BY batch_id LIMIT 1"
    )
    added = town.home.landing / batch["folder"] / "zz.parquet"
    added.write_bytes(b"x")
    (field,) = trace_on(town.home, citizen(1), days[0][0].isoformat(), "name").fields
    added.unlink()
    assert [c.raw.intact for c in field.claims if c.raw] == [False]


def test_when_the_landed_files_are_gone_the_value_is_still_known(lived: Lived, request: pytest.FixtureRequest) -> None:
    town, days = lived
    town.home.landing.rename(aside := town.home.path / "aside")
    request.addfinalizer(lambda: aside.rename(town.home.landing))
    for at, truth in days[:2]:
        (master,) = [i for (e, i), f in truth.items() if e == "person" and f["id_number"][0] == citizen(1)]
        told = trace_on(town.home, master, at.isoformat(), "name")
        (field,) = told.fields
        assert (field.value, field.check) == ("张明", UNSURE)
        assert told.missing
        assert "删除" in field.why


@contextmanager
def as_before_policies_were_kept(town: Town) -> Iterator[None]:
    def renamed(old: str, new: str) -> None:
        change = "UPDATE run SET summary = summary - :old || jsonb_build_object(CAST(:new AS text), summary -> :old) WHERE summary ? :old"
        with town.home.engine.begin() as connection:
            connection.execute(sa.text(change), {"old": old, "new": new})

    renamed("policy", "kept")
    try:
        yield
    finally:
        renamed("kept", "policy")


def test_a_past_day_is_read_by_the_manifests_of_that_day(lived: Lived, request: pytest.FixtureRequest) -> None:
    town, days = lived
    path = town.home.systems / "ybss.yaml"
    text = path.read_text(encoding="utf-8")
    assert "name: name" in text
    request.addfinalizer(lambda: path.write_text(text, encoding="utf-8"))
    path.write_text(text.replace("name: name", "name: ethnicity"), encoding="utf-8")
    changed = type(town.home)(
        path=town.home.path, systems=town.home.systems, now=town.home.now, database_url=town.home.database_url
    )
    (field,) = trace_on(changed, citizen(1), days[0][0].isoformat(), "name").fields
    told = trace_on(changed, citizen(1), days[0][0].isoformat(), "name")
    assert (field.value, field.check) == ("张明", SAME)
    assert told.policy.changed == ("manifest/ybss",)
    with as_before_policies_were_kept(town):
        told = trace_on(changed, citizen(1), days[0][0].isoformat(), "name")
    changed.close()
    assert told.policy.sha256 is None
    assert (told.fields[0].value, told.fields[0].check) == ("张明", DIFFERENT)
    assert told.fields[0].why


def test_a_day_names_its_policy_and_shows_the_rule_as_it_was(town: Town) -> None:
    """Another system becomes more trusted: days before are still judged by what held then."""
    town.write("ybss", [row("1", "张明", **MING)])
    town.write("sg_etong", [row("7", "张明", **{**MING, "phone": "13900000011"})])
    before = day(town)
    path = town.home.systems / "ybss.yaml"
    text = path.read_text(encoding="utf-8")
    trust = re.search(r"^trust: (\d+)", text, re.MULTILINE)
    assert trust
    path.write_text(text.replace(trust[0], "trust: 1"), encoding="utf-8")
    town.home.__dict__.pop("manifests")  # as the next command reads them
    after = day(town, sg_etong=[row("7", "张明明", **{**MING, "phone": "13900000012"})])
    then, now = (trace_on(town.home, citizen(1), at.isoformat(), "phone") for at in (before, after))
    assert then.policy.sha256 != now.policy.sha256
    assert then.policy.changed == ("manifest/ybss", "ranks")
    assert now.policy.changed == ()
    assert dict(then.fields[0].order)["ybss"] == int(trust[1])
    assert dict(now.fields[0].order)["ybss"] == 1
    assert (then.fields[0].check, now.fields[0].check) == (SAME, SAME)
    day(town, sg_etong=[row("7", "张明亮", **{**MING, "phone": "13900000013"})])
    assert len(town.query("SELECT sha256 FROM policy")) == 2, "the same rules are kept once"
    with pytest.raises(sa.exc.IntegrityError), town.home.engine.begin() as connection:
        connection.execute(sa.text("UPDATE policy SET run_id = 'x'"))


def test_nobody_then(lived: Lived) -> None:
    town, days = lived
    with pytest.raises(NobodyThen, match="还未建立"):
        trace_on(town.home, citizen(1), "2026-10-01")
    with pytest.raises(NobodyThen, match="没有主数据"):
        trace_on(town.home, "13999999999", days[0][0].isoformat())
    with pytest.raises(NobodyThen, match="不是日期"):
        trace_on(town.home, citizen(1), "yesterday")


def test_the_history_refuses_to_be_changed(lived: Lived) -> None:
    town, _ = lived
    assert town.query("SELECT count(*) AS n FROM golden_history")[0]["n"] > 0
    for statement in ("UPDATE golden_history SET value = 'x'", "DELETE FROM golden_history", "TRUNCATE golden_history"):
        with pytest.raises(sa.exc.IntegrityError, match="append-only"), town.home.engine.begin() as connection:
            connection.execute(sa.text(statement))


def test_a_run_without_changes_adds_nothing(lived: Lived) -> None:
    town, _ = lived
    before = town.query("SELECT count(*) AS n FROM golden_history")
    day(town)
    assert town.query("SELECT count(*) AS n FROM golden_history") == before


def test_the_hash_of_a_row_does_not_hang_on_its_order_or_empty_columns() -> None:
    one: dict[str, Any] = {"a": "1", "b": "张", "c": None}
    assert row_hash(one) == row_hash({"b": "张", "a": "1"})
    assert row_hash(one) != row_hash({"a": "1", "b": "章"})


def test_who_had_received_it_by_then(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    town.home.now.moment = datetime.now()  # type: ignore[attr-defined]  # noqa: DTZ005 - deliveries carry PostgreSQL's time
    town.write("ybss", [row("1", "张明", **MING)])
    town.write("sg_etong", [row("7", "张明", **{**MING, "phone": "13900000011"})])
    pull.pull(town.home)
    consolidate.consolidate(town.home)
    enter.enter(town.home, citizen(1), "phone", "13900000012", actor="王网格员")
    town.home.now.advance(1 / 3600)  # type: ignore[attr-defined]
    consolidate.consolidate(town.home)
    before = datetime.now().astimezone()
    push.push(town.home)
    after = town.home.now() + timedelta(hours=1)
    (field,) = trace_on(town.home, citizen(1), after.isoformat(), "phone").fields
    sent = {(r.system_id, r.value): r.state for r in field.received}
    assert sent["sg_etong", "13900000012"] in {"sent", "verified"}
    states = {r["state"] for r in town.query("SELECT state FROM delivery WHERE at <= %s", before)}
    assert states <= {"planned", "dead"}  # nothing had left by then
    monkeypatch.setenv("ONEFACT_DATABASE_URL", town.home.database_url or "")
    base = [
        "--home",
        str(town.home.path),
        "--systems",
        str(town.home.systems),
        "trace",
        citizen(1),
        "phone",
        "--on",
        after.isoformat(),
    ]
    told = CliRunner().invoke(app, base)
    assert told.exit_code == 0, told.output
    for said in ("139****0012", "录入：王网格员", "sg_etong：", "重算：一致", "谁看过"):
        assert said in told.output
    assert "13900000012" not in told.output
    assert "13900000012" not in CliRunner().invoke(app, [*base, "--json"]).output
    assert "13900000012" in CliRunner().invoke(app, [*base, "--full", "--purpose", "信访核查"]).output
    seen = trace_on(town.home, citizen(1), (after + timedelta(hours=1)).isoformat(), "phone").seen
    assert [s.act for s in seen] == ["read"] * 3
    assert seen[-1].purpose == "信访核查"
    assert trace_on(town.home, citizen(1), before.isoformat(), "phone").seen == ()

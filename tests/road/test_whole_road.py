"""From files to files: what arrives, what is decided, what goes out, and that a second run does nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from road_support import LI, WANG, MakeHome, Town, citizen, flat, manifests, row, with_files

from onefact import enter, export, pull, push, rebuild, status
from onefact.consolidate import consolidate
from onefact.trace import trace
from schemas.entities import ENTITIES


@pytest.fixture
def running(town: Town) -> Town:
    """Wang is known to all three, the child Li to two; the systems disagree about a name and a phone."""
    return with_files(town)


@pytest.fixture(scope="module")
def decided(make_home: MakeHome, tmp_path_factory: pytest.TempPathFactory) -> Town:
    """The same, pulled and consolidated: for tests that only look."""
    town = with_files(Town(make_home(tmp_path_factory.mktemp("decided"), manifests("ybss", "sg_etong", "volunteer"))))
    assert [p.error for p in pull.pull(town.home)] == [None, None, None]
    consolidate(town.home)
    return town


def run(town: Town) -> tuple[list[pull.Pulled], int, dict[str, dict[str, int]]]:
    town.home.now.advance()  # type: ignore[attr-defined]
    pulled = pull.pull(town.home)
    planned = consolidate(town.home).planned
    return pulled, planned, {p.system_id: dict(p.states) for p in push.push(town.home)}


def test_the_authority_decides_and_the_others_are_told(decided: Town) -> None:
    wang = decided.person("ybss", "Y1")
    assert (wang["name"], wang["phone"]) == ("王伟", "13900000009")  # identity: 一标三实; phone: 社管e通
    assert wang["provenance"]["phone"].startswith("sg_etong|G1|person|")
    assert decided.changes() == {
        ("sg_etong", "G1", "name", "王玮", "王伟"),
        ("sg_etong", "G2", "id_number", None, LI),
        ("volunteer", "V1", "phone", "13900000001", "13900000009"),
        ("volunteer", "V1", "residence_address", None, "武汉市" + flat(1)),
    }  # 一标三实 takes no changes; a house address equal by its elements is none; a child of 8 is no volunteer


def test_religion_never_travels(decided: Town) -> None:
    assert decided.person("ybss", "Y1")["religion"] == "10"
    assert "religion" not in {field for _, _, field, _, _ in decided.changes()}


def test_a_dry_run_writes_nothing(decided: Town) -> None:
    before = decided.outbox()
    shown = push.preview(decided.home)
    assert {(c.system_id, c.record_key, f.field, f.old, f.new) for c in shown for f in c.changes} == decided.changes()
    assert decided.outbox() == before
    assert not list(decided.home.systems.glob("*_out/*"))


def test_changes_leave_once_and_a_second_run_does_nothing(running: Town) -> None:
    _, planned, pushed = run(running)
    assert (planned, pushed) == (3, {"sg_etong": {"sent": 2}, "volunteer": {"sent": 1}})
    files = sorted(p.name for p in running.home.systems.glob("*_out/*.csv"))
    assert len(files) == 2
    pulled, planned, pushed = run(running)
    assert [(p.counts.received, p.error) for p in pulled] == [(0, None)] * 3
    assert planned == 0
    assert sum(sum(states.values()) for states in pushed.values()) == 0
    assert sorted(p.name for p in running.home.systems.glob("*_out/*.csv")) == files


def test_an_echo_keeps_the_provenance_and_never_wins(running: Town) -> None:
    run(running)
    running.write("volunteer", [
        row("V1", "王伟", id_number=WANG, phone="13900000009", home="武汉市" + flat(1), ethnicity="汉") | {"changed": "2026-10-30 10:00:00"}
    ])  # fmt: skip
    _, planned, _ = run(running)
    assert planned == 0
    assert running.person("ybss", "Y1")["provenance"]["phone"].startswith("sg_etong|G1|")
    running.write("sg_etong", [
        row("G1", "王伟", id_number=WANG, phone="13900000003", home="武汉市" + flat(1)) | {"changed": "2026-10-02 10:00:00"},
        row("G2", "李小红", id_number=LI, phone="13900000002", home=flat(2)),
    ])  # fmt: skip
    run(running)
    assert running.person("ybss", "Y1")["phone"] == "13900000003"  # older than the echo, and it counts


def test_a_record_that_falls_back_is_told_again(running: Town) -> None:
    run(running)
    for moment, phone, planned in (("02", "13900000009", 0), ("03", "13900000001", 1)):
        changed = row("V1", "王伟", id_number=WANG, phone=phone, home=flat(1), ethnicity="汉")
        running.write("volunteer", [changed | {"changed": f"2026-11-{moment} 10:00:00"}])
        running.home.now.advance(72)  # type: ignore[attr-defined]
        assert run(running)[1] == planned


def test_a_newer_plan_replaces_an_open_one_and_the_first_may_come_back(running: Town) -> None:
    pull.pull(running.home)
    consolidate(running.home)
    for phone in ("13900000005", "13900000006", "13900000005"):
        running.home.now.advance()  # type: ignore[attr-defined]
        enter.enter(running.home, WANG, "phone", phone)
        consolidate(running.home)
        open_ = {new for system, _, field, _, new in running.changes() if (system, field) == ("volunteer", "phone")}
        assert open_ == {phone}
    sg = {
        new for system, key, field, _, new in running.changes() if (system, key, field) == ("sg_etong", "G1", "phone")
    }
    assert sg == {"13900000005"}


def test_what_a_worker_may_decide_counts_and_the_rest_waits(running: Town) -> None:
    pull.pull(running.home)
    consolidate(running.home)
    assert enter.enter(running.home, WANG, "phone", "139 0000 0007").counts
    assert not enter.enter(running.home, WANG, "name", "汪伟").counts
    consolidate(running.home)
    wang = running.person("ybss", "Y1")
    assert (wang["phone"], wang["name"]) == ("13900000007", "王伟")
    running.home.now.advance()  # type: ignore[attr-defined]
    enter.enter(running.home, WANG, "phone", "")
    consolidate(running.home)
    assert running.person("ybss", "Y1")["phone"] == "13900000009"


@pytest.mark.parametrize(
    ("wanted", "field", "value", "words"),
    [
        (WANG, "phone", "1390000", "phone"),
        ("13912345678", "phone", "13900000001", "没有这个编号"),
        (WANG, "fone", "13900000001", "是否指 phone"),
        (WANG, "uscc", "x", "没有字段 uscc"),
    ],
)
def test_a_wrong_entry_is_refused_without_telling_who(
    decided: Town, wanted: str, field: str, value: str, words: str
) -> None:
    with pytest.raises(enter.EntryRefused) as refused:
        enter.enter(decided.home, wanted, field, value)
    assert words in str(refused.value)
    assert wanted not in str(refused.value)
    assert "1390000" not in str(refused.value)
    assert decided.query("SELECT 1 FROM entry") == []


def test_trace_leads_from_the_value_to_the_landed_file(decided: Town) -> None:
    found = enter.find(decided.home, WANG)[0]
    phone = trace(decided.home, found, "phone").fields[0]
    assert [(c.system_id, c.value, c.wins) for c in phone.claims] == [
        ("sg_etong", "13900000009", True), ("ybss", "13900000001", False), ("volunteer", "13900000001", False),
    ]  # fmt: skip
    assert phone.rule == "权威源优先"
    assert [(d.system_id, d.state) for d in phone.deliveries] == [("volunteer", "planned")]
    folder, digest = trace(decided.home, found, "phone").batches[phone.claims[0].batch_id]
    assert (decided.home.landing / folder / "people.parquet").exists()
    assert len(digest) == 64
    assert phone.claims[0].place.startswith("data.csv")
    everything = trace(decided.home, found)
    assert everything.records == 3
    assert {f.field for f in everything.fields} >= {"name", "id_number", "phone", "residence_address", "birth_date"}


def test_exports_have_the_promised_columns(decided: Town, tmp_path: Path) -> None:
    export.export_links(decided.home, tmp_path)
    export.export_golden(decided.home, tmp_path)
    links = pq.read_table(tmp_path / "links.parquet")
    assert links.column_names == ["system_id", "record_key", "entity_type", "master_id"]
    assert sorted((r["system_id"], r["record_key"], r["entity_type"]) for r in links.to_pylist()) == [
        ("sg_etong", "G1", "house"), ("sg_etong", "G1", "person"), ("sg_etong", "G2", "house"),
        ("sg_etong", "G2", "person"), ("volunteer", "V1", "person"), ("ybss", "Y1", "person"), ("ybss", "Y2", "person"),
    ]  # fmt: skip
    for name, entity in ENTITIES.items():
        table = pq.read_table(tmp_path / f"{name}.parquet")
        assert table.column_names == ["master_id", *entity.names]
        assert {str(t) for t in table.schema.types} <= {"string", "large_string"}
    people = {p["id_number"]: p for p in pq.read_table(tmp_path / "person.parquet").to_pylist()}
    assert (people[WANG]["sex"], people[WANG]["birth_date"], people[WANG]["id_type"]) == ("1", "1980-01-01", "111")


def test_rebuild_gives_the_same_ids_and_rows_and_plans_nothing(running: Town, tmp_path: Path) -> None:
    running.write("ybss", [row("", "无号")], "broken.csv")  # a row without key: its reject must survive too
    running.write("volunteer", [row("V9", "赵六", id_number=citizen(31))], "more.csv")
    run(running)
    enter.enter(running.home, WANG, "phone", "13900000007")
    running.write("volunteer", [row("V8", "赵六", id_number=citizen(33))], "more.csv")
    run(running)
    before = running.query("SELECT * FROM person ORDER BY master_id"), running.whole(), running.outbox()
    rejects = rejected(running)
    assert rejects
    rebuilt = rebuild.rebuild(running.home)
    assert (running.query("SELECT * FROM person ORDER BY master_id"), running.whole(), running.outbox()) == before
    assert (rebuilt.consolidated.planned, rebuilt.consolidated.superseded, rebuilt.consolidated.changed) == (0, 0, 0)
    assert rejected(running) == rejects


def rejected(town: Town) -> list[tuple[str, ...]]:
    with town.home.warehouse() as con:
        return con.execute("SELECT system_id, dataset, place, level, rule FROM reject ORDER BY ALL").fetchall()


def test_a_lost_warehouse_file_stops_the_run_instead_of_ending_everybody(running: Town) -> None:
    from warehouse.working_copy import WorkingCopyLost

    run(running)
    before = running.whole()
    (running.home.path / "warehouse.duckdb").unlink()
    running.write("volunteer", [row("V2", "钱七", id_number=citizen(35))], "new.csv")
    pull.pull(running.home)
    with pytest.raises(WorkingCopyLost, match="onefact rebuild"):
        consolidate(running.home)
    assert running.whole() == before
    rebuild.rebuild(running.home)
    assert set(running.ids()) == set(before["person"]) | {frozenset({("volunteer", "V2")})}


def test_a_changed_landing_file_is_no_evidence(running: Town) -> None:
    run(running)
    path = next(running.home.landing.glob("ybss/*/people.parquet"))
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(rebuild.LandingMissing, match="SHA-256"):
        rebuild.rebuild(running.home)


def test_a_system_in_trouble_does_not_stop_the_others(running: Town) -> None:
    (running.home.systems / "ybss" / "data.csv").unlink()
    (running.home.systems / "ybss").rmdir()
    path = running.home.systems / "volunteer" / "data.csv"
    path.write_text(path.read_text("utf-8").replace("id_number", "something_else"), "utf-8")
    pulled = {p.system_id: p for p in pull.pull(running.home)}
    assert pulled["sg_etong"].counts.taken == 2
    for system in ("ybss", "volunteer"):
        sentence = pulled[system].error
        assert sentence is not None
        assert sentence.startswith(f"{system}: ")
        assert "Traceback" not in sentence
        assert WANG not in sentence
    consolidate(running.home)
    assert len(running.ids()) == 2
    shown = {s.system_id: s for s in status.status(running.home).systems}
    assert shown["ybss"].error == pulled["ybss"].error
    assert (shown["sg_etong"].received, shown["sg_etong"].error) == (2, None)


def test_an_authorisation_that_ran_out_stops_reading_and_writing(running: Town) -> None:
    pull.pull(running.home)
    consolidate(running.home)
    running.home.now.advance(24 * 365 * 3)  # type: ignore[attr-defined]
    assert all("authorisation ended" in (p.error or "") for p in pull.pull(running.home))
    assert all("authorisation ended" in (p.error or "") for p in push.push(running.home))
    assert not list(running.home.systems.glob("*_out/*"))


def test_status_counts_every_change_once(running: Town, tmp_path: Path) -> None:
    run(running)
    enter.enter(running.home, WANG, "phone", "13900000007")
    consolidate(running.home)
    counted = {s.system_id: dict(s.outbox) for s in status.status(running.home).systems}
    rows = running.query("SELECT count(*) AS n FROM outbox")[0]["n"]
    assert sum(n for states in counted.values() for n in states.values()) == rows
    assert counted["sg_etong"] == {"sent": 2, "planned": 1}
    ((path, count),) = export.export_links(running.home, tmp_path)
    assert (path.name, count) == ("links.parquet", 7)  # an entry is no record of a system


def test_a_new_member_is_created_once_with_the_newest_values(town: Town) -> None:
    grown, child = citizen(41), citizen(43, "20180601")
    town.write("ybss", [
        row("Y1", "孙八", id_number=grown, phone="13900000001"), row("Y2", "孙小", id_number=child, phone="13900000001"),
        row("Y3", "无机", id_number=citizen(45)),
    ])  # fmt: skip
    for system in ("sg_etong", "volunteer"):
        town.write(system, [])
    pull.pull(town.home)
    consolidate(town.home)
    created = [
        json.dumps(c, ensure_ascii=False) for s, _, o, _, c in town.outbox() if (s, o) == ("volunteer", "create")
    ]
    assert len(created) == 1  # not the child, not the one without phone
    enter.enter(town.home, grown, "phone", "13900000002")
    consolidate(town.home)
    push.push(town.home)
    written = "".join(p.read_text("utf-8") for p in town.home.systems.glob("volunteer_out/*.csv"))
    assert "13900000002" in written
    assert "13900000001" not in written
    town.home.now.advance()  # type: ignore[attr-defined]
    enter.enter(town.home, grown, "phone", "13900000003")
    consolidate(town.home)
    assert [o for s, _, o, _, _ in town.outbox() if s == "volunteer"] == ["create"]

"""The front-end database connector against real staging tables with a working gatekeeper."""

from __future__ import annotations

import asyncio
import csv
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest
from support import change_of, context_of, manifest_of, seed

from connectors.base import Context, LoginRefused, Malformed, NotAllowed, Unreachable
from connectors.kinds.frontdb import FrontdbConnector, guid_of
from connectors.manifest.model import Manifest
from connectors.told import records
from sandbox.servers.frontdb import FrontdbServer
from schemas.records import Change, FieldChange, Outcome, Page
from warehouse import postgres

FIXTURES = Path(__file__).parents[1] / "fixtures" / "connectors"


@dataclass
class Station:
    """A running stand-in and everything needed to look behind the scenes."""

    home: Path
    manifest: Manifest
    server: FrontdbServer
    context: Context
    dsn: str
    connector: FrontdbConnector

    def sql(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        with psycopg.connect(self.dsn, autocommit=True, options="-csearch_path=testdb") as connection:
            done = connection.execute(statement, values)
            return done.fetchall() if done.description else []

    def edit(self, dataset: str, key: str, **columns: str | None) -> None:
        asyncio.run(self.server.edit("testdb", dataset, key, columns))
        time.sleep(0.4)  # the gatekeeper looks ten times a second

    def known(self, key: str, fields: dict[str, tuple[None, str]], number: str = "1") -> Change:
        """A change by somebody who knows what the system holds now."""
        held = records(self.manifest, "persons", self.connector.read_back("persons", [key]))
        now = held.get((key, "person"), {})
        return change_of(self.manifest, key, {f: (now.get(f), new) for f, (_, new) in fields.items()}, number=number)

    def push(self, *changes: Change) -> dict[str, Outcome]:
        outcomes = list(self.connector.push(changes))
        assert len(outcomes) == len(changes)
        return {outcome.change_id: outcome for outcome in outcomes}


def start(home: Path, delay: float = 0.0) -> Station:
    manifest = manifest_of("frontdb")
    persons = list(csv.DictReader((FIXTURES / "persons.csv").open(encoding="utf-8")))
    seed(home, manifest, [{k: v or None for k, v in row.items()} for row in persons], "persons")
    seed(home, manifest, [{"LH": "2", "SH": "301", "FWBM": "F1", "FZXM": "张三"}], "rooms")
    seed(home, manifest, [{"BH": "H1", "XM": "张三"}], "register")
    server = FrontdbServer([manifest], home, delay_seconds=delay)
    variables = asyncio.run(server.start())
    context = replace(context_of(home, variables), sleep=time.sleep)
    dsn = postgres.open(home, url="").dsn("sandbox")
    return Station(home, manifest, server, context, dsn, FrontdbConnector(manifest, context, wait_seconds=3))


def end(station: Station) -> None:
    station.connector.close()
    asyncio.run(station.server.stop())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("frontdb")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(postgres.URL_VARIABLE, raising=False)
        yield folder
    postgres.stop(folder)


@pytest.fixture
def station(home: Path) -> Iterator[Station]:
    for left in (home / "sandbox").rglob("testdb*"):
        left.unlink()  # a new town for each test
    running = start(home)
    yield running
    end(running)


def pulled(pages: list[Page], column: str = "RYBH") -> list[str]:
    return [key for page in pages for key in page.rows.column(column).to_pylist()]


def test_check_passes_and_then_names_a_missing_column(station: Station) -> None:
    assert station.connector.check().ok
    station.sql('ALTER TABLE "RY_OUT" RENAME COLUMN "LXDH" TO "LXDHHM"')
    bad = [line for line in station.connector.check().lines if not line[1]]
    assert bad == [("persons out", False, "RY_OUT lacks LXDH; did you mean LXDHHM, LYDM?")]


def test_first_pull_takes_all_rows_and_flags_them_only_after_the_page_was_handed_over(station: Station) -> None:
    generator = station.connector.pull("persons", None)
    page = next(generator)
    assert page.rows.column("XM").to_pylist() == ["张三", "李四", "王五", "赵六"]
    assert page.rows.column("_place").to_pylist()[0] == "RY_OUT#1"
    waiting = """SELECT count(*) FROM "RY_OUT" WHERE sync_flag = '0'"""
    assert station.sql(waiting) == [(4,)]
    assert list(generator) == []
    assert station.sql(waiting) == [(0,)]
    assert list(station.connector.pull("persons", page.cursor)) == []


def test_a_rehearsed_reading_flags_nothing(station: Station) -> None:
    looking = FrontdbConnector(station.manifest, replace(station.context, looks=True), wait_seconds=3)
    assert len(pulled(list(looking.pull("persons", None)))) == 4
    looking.close()
    assert station.sql("""SELECT count(*) FROM "RY_OUT" WHERE sync_flag = '0'""") == [(4,)]


def test_an_edit_at_the_source_comes_as_a_new_row(station: Station) -> None:
    (page,) = station.connector.pull("persons", None)
    station.edit("persons", "R2", LXDH="13900000002")
    (delta,) = station.connector.pull("persons", page.cursor)
    assert pulled([delta]) == ["R2"]
    assert delta.rows.column("LXDH").to_pylist() == ["13900000002"]
    assert int(delta.cursor or 0) > int(page.cursor or 0)


def test_a_row_that_a_dead_run_left_unflagged_comes_again(station: Station) -> None:
    generator = station.connector.pull("persons", None)
    page = next(generator)
    generator.close()  # the process dies before it stored the page
    assert pulled(list(station.connector.pull("persons", page.cursor))) == ["R1", "R2", "R3", "R4"]


def test_a_row_committed_late_with_a_lower_number_is_not_lost(station: Station) -> None:
    station.sql("""UPDATE "RY_OUT" SET seq_no = 900 WHERE "RYBH" = 'R4'""")
    (page,) = station.connector.pull("persons", None)
    station.sql(
        """INSERT INTO "RY_OUT" (seq_no, row_guid, op_flag, sync_flag, "RYBH", "XM")
           VALUES (500, 'late', 'I', '0', 'R9', '钱七'), (501, 'old', 'U', '0', 'R4', '旧名')"""
    )
    (late,) = station.connector.pull("persons", page.cursor)
    assert pulled([late]) == ["R9"]  # R4 has a newer row: its late old one must not win
    assert late.cursor == page.cursor
    assert station.sql("""SELECT count(*) FROM "RY_OUT" WHERE sync_flag = '0'""") == [(0,)]


def test_a_row_that_appears_while_a_page_is_handled_is_not_flagged_unread(station: Station) -> None:
    station.sql("""UPDATE "RY_OUT" SET seq_no = 900 WHERE "RYBH" = 'R4'""")
    generator = station.connector.pull("persons", None)
    page = next(generator)
    station.sql(
        """INSERT INTO "RY_OUT" (seq_no, row_guid, op_flag, sync_flag, "RYBH") VALUES (500, 'l', 'I', '0', 'R9')"""
    )
    assert list(generator) == []
    assert station.sql("""SELECT "RYBH" FROM "RY_OUT" WHERE sync_flag = '0'""") == [("R9",)]
    assert pulled(list(station.connector.pull("persons", page.cursor))) == ["R9"]


def test_a_batch_sent_twice_is_counted_once(station: Station) -> None:
    columns = '"RYBH","GMSFHM","XM","LXDH","XB","XZZ","GXSJ","ZXBZ","LYDM",op_flag,sync_flag'
    station.sql(f"""INSERT INTO "RY_OUT" ({columns}, row_guid) SELECT {columns}, row_guid || 'b' FROM "RY_OUT" """)
    (page,) = station.connector.pull("persons", None)
    assert (page.rows.num_rows, page.duplicates) == (4, 4)


def test_a_deleted_row_carries_the_delete_flag_of_the_manifest(station: Station) -> None:
    station.sql("""INSERT INTO "RY_OUT" (row_guid, op_flag, sync_flag, "RYBH") VALUES ('d', 'D', '0', 'R1')""")
    (page,) = station.connector.pull("persons", None)
    last = page.rows.slice(page.rows.num_rows - 1).to_pylist()[0]
    assert (last["RYBH"], last["ZXBZ"], last["XM"]) == ("R1", "1", None)


def test_a_deletion_that_the_manifest_cannot_express_is_rejected_not_taken_as_alive(station: Station) -> None:
    station.sql(
        """INSERT INTO "HJ_OUT" (row_guid, op_flag, sync_flag, "BH", "XM") VALUES ('d', 'D', '0', 'H1', '张三')"""
    )
    (page,) = station.connector.pull("register", None)
    assert pulled([page], "BH") == ["H1"]
    assert page.rejects.column("rule").to_pylist() == ["frontdb.delete_unmapped"]


def test_many_rows_come_in_pages(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.kinds.frontdb.PAGE_ROWS", 3)
    pages = list(station.connector.pull("persons", None))
    assert [page.rows.num_rows for page in pages] == [3, 1]
    assert [page.cursor for page in pages] == ["3", "4"]


def test_an_update_is_verified_by_reading_it_back(station: Station) -> None:
    change = change_of(station.manifest, "persons/R1", {"phone": ("13800000001", "13911112222"), "sex": (None, "1")})
    outcome = station.push(change)["1"]
    assert (outcome.state, outcome.receipt) == ("verified", guid_of(change.key))
    rows = station.connector.read_back("persons", ["persons/R1", "persons/没有"]).to_pylist()
    assert [(row["LXDH"], row["XB"], row["XM"]) for row in rows] == [("13911112222", "男", "张三")]
    assert rows[0]["GXSJ"] > "20260101080000"


def test_clearing_a_field_is_verified_and_other_fields_stay(station: Station) -> None:
    assert (
        station.push(change_of(station.manifest, "persons/R1", {"phone": ("13800000001", None)}))["1"].state
        == "verified"
    )
    (row,) = station.connector.read_back("persons", ["persons/R1"]).to_pylist()
    assert (row["LXDH"], row["XZZ"]) == (None, "粮道街胭脂路1号2栋301室")


def test_a_new_record_gets_its_key_from_the_system_and_local_defaults(station: Station) -> None:
    change = change_of(station.manifest, None, {"name": (None, "孙八")}, current={"sex": "1"})
    outcome = station.push(change)["1"]
    assert outcome.state == "verified"
    assert outcome.record_key is not None
    (row,) = station.connector.read_back("persons", [outcome.record_key]).to_pylist()
    assert (row["XM"], row["XB"], row["LYDM"]) == ("孙八", "男", "网格")


def test_a_key_of_two_columns(station: Station) -> None:
    change = change_of(station.manifest, "rooms/2|301", {"owner_name": ("张三", "李四")}, dataset="rooms")
    assert station.push(change)["1"].state == "verified"
    assert station.connector.read_back("rooms", ["rooms/2|301"]).column("FZXM").to_pylist() == ["李四"]


def test_refusals_are_per_row_with_the_systems_own_words(station: Station) -> None:
    good = station.known("persons/R1", {"phone": (None, "13911112222")}, number="1")
    long = station.known("persons/R2", {"name": (None, "长" * 81)}, number="2")
    unknown = station.known("persons/R77", {"phone": (None, "13911112222")}, number="3")
    code = change_of(station.manifest, "persons/R3", {"sex": ("1", "9")}, number="4")
    outcomes = station.push(good, long, unknown, code)
    assert [outcomes[n].state for n in "1234"] == ["verified", "rejected", "rejected", "rejected"]
    assert [outcomes[n].code for n in "234"] == ["staging_error", "staging_error", "inexpressible"]
    assert "超长" in outcomes["2"].message
    assert "标志9" in outcomes["3"].message
    assert "长长" not in outcomes["2"].message


def test_a_system_that_only_sends_refuses_every_change(station: Station) -> None:
    outcome = station.push(change_of(station.manifest, "register/H1", {"name": ("张三", "李四")}, dataset="register"))[
        "1"
    ]
    assert (outcome.state, outcome.code) == ("rejected", "no_write_path")


def test_pushing_the_same_change_again_writes_nothing_twice(station: Station) -> None:
    change = station.known("persons/R1", {"phone": (None, "13911112222")})
    first, second = station.push(change)["1"], station.push(change)["1"]
    assert first == second
    assert station.sql('SELECT count(*) FROM "RY_IN"') == [(1,)]


def test_what_somebody_changed_there_meanwhile_is_a_conflict_and_stays(station: Station) -> None:
    change = station.known("persons/R1", {"phone": (None, "13911112222")})
    station.edit("persons", "R1", LXDH="13977778888")
    outcome = station.push(change)["1"]
    assert (outcome.state, outcome.held) == ("conflict", {"phone": "13977778888"})
    assert station.sql('SELECT count(*) FROM "RY_IN"') == [(0,)]


def test_what_we_wrote_ourselves_since_the_last_reading_is_no_foreign_edit(station: Station) -> None:
    first = station.known("persons/R1", {"phone": (None, "13911112222")})
    assert station.push(first)["1"].state == "verified"
    [was] = first.changes
    stale = replace(first, change_id="2", key="2", changes=(FieldChange("phone", was.old, "13911113333", was.new),))
    assert station.push(stale)["2"].state == "verified"


def test_a_value_that_the_system_changes_on_its_way_in_is_not_called_verified(station: Station) -> None:
    station.sql(
        """CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW."XZZ" = left(NEW."XZZ", 5); RETURN NEW; END $$;
           CREATE TRIGGER cut BEFORE INSERT ON "RY_OUT" FOR EACH ROW EXECUTE FUNCTION cut()"""
    )
    change = station.known("persons/R1", {"residence_address": (None, "粮道街得胜桥15号3栋502室")})
    outcome = station.push(change)["1"]
    assert (outcome.state, outcome.code) == ("rejected", "readback_differs")
    assert "residence_address" in outcome.message
    assert "得胜桥" not in outcome.message


def test_a_slow_gatekeeper_answers_at_the_follow_up(home: Path) -> None:
    for left in (home / "sandbox").rglob("testdb*"):
        left.unlink()
    station = start(home, delay=1.0)
    try:
        station.connector = FrontdbConnector(station.manifest, station.context, wait_seconds=0.1)
        good = station.known("persons/R1", {"phone": (None, "13911112222")}, number="1")
        bad = station.known("persons/R77", {"phone": (None, "13911112222")}, number="2")
        sent = station.push(good, bad)
        assert {o.state for o in sent.values()} == {"sent"}
        receipts = [(n, sent[n].receipt or "") for n in "12"]
        assert {o.state for o in station.connector.follow_up(receipts)} == {"sent"}
        time.sleep(2)
        later = {o.change_id: o for o in station.connector.follow_up([*receipts, ("3", "unknown")])}
        assert [later[n].state for n in "123"] == ["verified", "rejected", "no_answer"]
        assert later["1"].record_key == "persons/R1"
    finally:
        end(station)


def test_the_stand_in_keeps_its_state_over_a_restart(station: Station) -> None:
    station.push(station.known("persons/R1", {"phone": (None, "13911112222")}))
    count = station.sql('SELECT count(*) FROM "RY_OUT"')
    asyncio.run(station.server.stop())
    station.server = FrontdbServer([station.manifest], station.home)
    asyncio.run(station.server.start())
    assert station.sql('SELECT count(*) FROM "RY_OUT"') == count
    again = station.push(station.known("persons/R2", {"phone": (None, "13911113333")}, number="2"))
    assert again["2"].state == "verified"


def test_trouble_is_named_without_password_or_values(station: Station) -> None:
    def broken(url: str) -> FrontdbConnector:
        return FrontdbConnector(station.manifest, context_of(station.home, {"TESTDB_URL": url}))

    with pytest.raises(Unreachable) as down:
        list(broken("postgresql+psycopg://u:geheim@127.0.0.1:9/x").pull("persons", None))
    with pytest.raises(LoginRefused):
        broken("nonsense://u:geheim@host/x")
    station.sql('ALTER TABLE "RY_OUT" DROP COLUMN "LXDH"')
    with pytest.raises(Malformed) as moved:
        list(station.connector.pull("persons", None))
    assert "systems check" in moved.value.remedy
    for error in (down.value, moved.value):
        assert "geheim" not in str(error)
        assert "13800000001" not in str(error)


def test_a_missing_right_is_named(station: Station) -> None:
    station.sql("DROP OWNED BY reader") if station.sql("SELECT 1 FROM pg_roles WHERE rolname = 'reader'") else None
    station.sql("DROP ROLE IF EXISTS reader")
    station.sql("CREATE ROLE reader LOGIN")
    station.sql("GRANT USAGE ON SCHEMA testdb TO reader")
    station.sql("GRANT SELECT ON ALL TABLES IN SCHEMA testdb TO reader")
    url = station.context.variables.values["TESTDB_URL"].replace("://onefact@", "://reader@")
    reader = FrontdbConnector(station.manifest, context_of(station.home, {"TESTDB_URL": url}))
    with pytest.raises(NotAllowed, match="lacks a right"):
        list(reader.pull("persons", None))
    reader.close()


def test_a_row_that_the_database_refuses_does_not_hold_up_the_others(station: Station) -> None:
    station.sql('ALTER TABLE "RY_IN" ALTER COLUMN "LXDH" TYPE varchar(12)')
    good = change_of(station.manifest, "R1", {"phone": ("13800000001", "13911112222")}, number="1")
    bad = change_of(station.manifest, "R2", {"phone": ("13800000002", "+8613911113333")}, number="2")
    last = change_of(station.manifest, "R4", {"phone": ("13800000004", "13911114444")}, number="3")
    outcomes = station.push(good, bad, last)
    assert {n: (o.state, o.code) for n, o in outcomes.items()} == {
        "1": ("verified", "ok"), "2": ("rejected", "sql_22001"), "3": ("verified", "ok"),
    }  # fmt: skip


def test_errors_of_the_database_are_told_by_their_sqlstate(station: Station) -> None:
    station.sql('ALTER TABLE "RY_OUT" RENAME TO "RY_OUT2"')
    with pytest.raises(Malformed, match="refuses the statement"):
        list(station.connector.pull("persons", None))
    station.sql('ALTER TABLE "RY_OUT2" RENAME TO "RY_OUT"')

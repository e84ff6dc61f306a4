"""The SFTP connector against a real SFTP server with an inbox, receipts and GBK files."""

from __future__ import annotations

import base64
import csv
import hashlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from running import Loop, until
from support import change_of, context_of, manifest_of, seed

from connectors.base import Context, LoginRefused, Malformed, Unreachable
from connectors.kinds.sftp_csv import SftpCsvConnector
from connectors.manifest.model import Manifest
from sandbox.servers.sftp import SftpServer
from schemas.records import Change, Outcome, Page

FIXTURES = Path(__file__).parents[1] / "fixtures" / "connectors"


@dataclass
class Office:
    """A running stand-in, its folders, and a connector."""

    home: Path
    manifest: Manifest
    server: SftpServer
    loop: Loop
    context: Context
    connector: SftpCsvConnector

    @property
    def out(self) -> Path:
        return self.home / "sandbox/sftp/testsftp/out"

    def exports(self) -> list[Path]:
        return sorted(self.out.glob("RY_*.csv"))

    def drop(self, name: str, text: str, marker: str | None = "sha256", encoding: str = "gbk") -> None:
        """Put an export there by hand, with the marker last."""
        content = text.encode(encoding)
        (self.out / name).write_bytes(content)
        if marker is not None:
            ok = hashlib.sha256(content).hexdigest() if marker == "sha256" else marker
            (self.out / f"{name}.ok").write_text(ok)

    def edit(self, key: str, **columns: str | None) -> None:
        before = len(self.exports())
        self.loop.run(self.server.edit("testsftp", "persons", key, columns))
        until(lambda: len(list(self.out.glob("*.ok"))) > before)

    def push(self, *changes: Change) -> dict[str, Outcome]:
        outcomes = list(self.connector.push(changes))
        assert len(outcomes) == len(changes)
        return {outcome.change_id: outcome for outcome in outcomes}

    def settled(self, sent: dict[str, Outcome]) -> dict[str, Outcome]:
        """Ask for receipts until nothing is waiting any more."""
        pending = [(n, o.receipt or "") for n, o in sent.items() if o.state == "sent"]
        answers: dict[str, Outcome] = {}

        def asked() -> bool:
            answers.update({o.change_id: o for o in self.connector.follow_up(pending)})
            return all(o.state != "sent" for o in answers.values())

        until(asked)
        return answers


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    manifest = manifest_of("sftp_csv")
    persons = csv.DictReader((FIXTURES / "persons.csv").open(encoding="utf-8"))
    names = ("RYBH", "GMSFHM", "XM", "LXDH", "XB", "XZZ", "GXSJ", "LYDM")
    seed(tmp_path, manifest, [{name: row[name] or None for name in names} | {"JHR": "张父"} for row in persons])
    loop, server = Loop(), SftpServer([manifest], tmp_path, poll_seconds=0.05)
    context = context_of(tmp_path, loop.run(server.start()))
    connector = SftpCsvConnector(manifest, context)
    yield Office(tmp_path, manifest, server, loop, context, connector)
    connector.close()
    loop.run(server.stop())
    loop.close()


def names(pages: list[Page]) -> list[str]:
    return [name for page in pages for name in page.rows.column("XM").to_pylist()]


def test_check_names_folders_and_exports(office: Office) -> None:
    check = office.connector.check()
    assert check.ok
    assert check.lines[-1] == ("persons export", True, "1 finished file(s), the newest has 4 row(s)")


def test_the_newest_full_export_is_read_once(office: Office) -> None:
    (page,) = office.connector.pull("persons", None)
    assert page.rows.column("XM").to_pylist() == ["张三", "李四", "王五", "赵六"]
    assert page.snapshot
    assert page.rows.column("_place").to_pylist()[0].endswith(".csv!2")
    assert list(office.connector.pull("persons", page.cursor)) == []


def test_an_edit_shows_in_the_next_export(office: Office) -> None:
    (page,) = office.connector.pull("persons", None)
    office.edit("R2", LXDH="13900000002")
    (following,) = office.connector.pull("persons", page.cursor)
    phones = {row["RYBH"]: row["LXDH"] for row in following.rows.to_pylist()}
    assert phones == {"R1": "13800000001", "R2": "13900000002", "R3": None, "R4": "13800000004"}
    assert following.snapshot


def test_a_file_without_marker_is_still_being_written(office: Office) -> None:
    (page,) = office.connector.pull("persons", None)
    office.drop("RY_29991231.csv", "RYBH|XM\r\nR1|半", marker=None)
    assert list(office.connector.pull("persons", page.cursor)) == []


@pytest.mark.parametrize("marker", ["0" * 64, "f" * 32, "7"])
def test_a_partial_file_is_named_and_the_one_before_it_is_read(office: Office, marker: str) -> None:
    whole = office.exports()[0].read_text(encoding="gbk")
    office.drop("RY_29991231.csv", whole, marker)
    pages: list[Page] = []
    with pytest.raises(Malformed) as caught:
        deque(map(pages.append, office.connector.pull("persons", None)))
    assert caught.value.place == "RY_29991231.csv"
    assert names(pages) == ["张三", "李四", "王五", "赵六"]


def test_a_marker_may_promise_the_number_of_rows(office: Office) -> None:
    whole = office.exports()[0].read_text(encoding="gbk")
    office.drop("RY_29991231.csv", whole.replace("张三", "张叁"), "4")
    assert names(list(office.connector.pull("persons", None)))[0] == "张叁"


def test_delta_exports_are_all_read_and_a_batch_sent_again_is_not(office: Office) -> None:
    manifest = manifest_of("sftp_csv", capabilities={"read": "delta", "create": True, "receipt": "later"})
    connector = SftpCsvConnector(manifest, office.context)
    header = "RYBH|GMSFHM|XM|LXDH|XB|XZZ|JHR|GXSJ\r\n"
    office.drop("RY_29990101.csv", header + "R1||张三|13911110001||||\r\n")
    office.drop("RY_29990102.csv", header + "R2||李四|13911110002||||\r\n")
    pages = list(connector.pull("persons", None))
    assert len(pages) == 3
    assert not any(page.snapshot for page in pages)
    office.drop("RY_29990103.csv", header + "R1||张三|13911110001||||\r\n")
    (again,) = connector.pull("persons", pages[-1].cursor)
    assert again.rows.num_rows == 0
    connector.close()


def test_columns_may_change_places_but_not_disappear(office: Office) -> None:
    office.drop("RY_29991231.csv", "XM|RYBH|LXDH|XB|XZZ|JHR|GMSFHM|GXSJ\r\n钱七|R9||||||\r\n")
    (page,) = office.connector.pull("persons", None)
    assert page.rows.select(["RYBH", "XM"]).to_pylist() == [{"RYBH": "R9", "XM": "钱七"}]
    office.drop("RY_29991232.csv", "XM|RYBH|LXDHHM|XB|XZZ|JHR|GMSFHM|GXSJ\r\n钱七|R9||||||\r\n")
    with pytest.raises(Malformed, match="LXDH is nearest to LXDHHM"):
        list(office.connector.pull("persons", page.cursor))


def test_a_ragged_line_is_rejected_and_the_file_is_no_snapshot(office: Office) -> None:
    header = "RYBH|GMSFHM|XM|LXDH|XB|XZZ|JHR|GXSJ\r\n"
    office.drop("RY_29991231.csv", f"{header}R1||张三|||||\r\nR2|zu|viel|||||||||\r\nR3||王五|||||\r\n")
    pages = list(office.connector.pull("persons", None))
    assert names(pages) == ["张三", "王五"]
    assert [place for p in pages for place in p.rejects.column("place").to_pylist()] == ["RY_29991231.csv!3"]
    assert not any(page.snapshot for page in pages)


def test_the_wrong_encoding_is_named(office: Office) -> None:
    office.drop("RY_29991231.csv", office.exports()[0].read_text(encoding="gbk"), encoding="utf-8")
    with pytest.raises(Malformed, match="encoding: utf-8"):
        list(office.connector.pull("persons", None))


def test_an_update_is_sent_answered_and_verified(office: Office) -> None:
    change = change_of(office.manifest, "R1", {"phone": ("13800000001", "13911112222")})
    sent = office.push(change)
    assert sent["1"].state == "sent"
    assert (sent["1"].receipt or "").startswith("OF_persons_")
    outcome = office.settled(sent)["1"]
    assert (outcome.state, outcome.record_key) == ("verified", "R1")
    (row,) = office.connector.read_back("persons", ["R1"]).to_pylist()
    assert (row["LXDH"], row["XM"], row["JHR"]) == ("13911112222", "张三", "张父")  # the rest of the row stayed


def test_two_changes_of_one_record_share_a_row(office: Office) -> None:
    phone = change_of(office.manifest, "R1", {"phone": ("13800000001", "13911112222")}, number="1")
    address = change_of(office.manifest, "R1", {"guardian_name": ("张父", None)}, number="2")
    sent = office.push(phone, address)
    assert sent["1"].receipt == sent["2"].receipt
    assert {o.state for o in office.settled(sent).values()} == {"verified"}
    (row,) = office.connector.read_back("persons", ["R1"]).to_pylist()
    assert (row["LXDH"], row["JHR"]) == ("13911112222", None)


def test_a_new_record_gets_its_key_from_the_receipt(office: Office) -> None:
    change = change_of(office.manifest, None, {"name": (None, "孙八"), "phone": (None, "13911112222")})
    outcome = office.settled(office.push(change))["1"]
    assert outcome.state == "verified"
    (row,) = office.connector.read_back("persons", [outcome.record_key or ""]).to_pylist()
    assert (row["XM"], row["LYDM"]) == ("孙八", "网格")


def test_refused_rows_are_told_apart_from_accepted_ones(office: Office) -> None:
    good = change_of(office.manifest, "R1", {"phone": ("13800000001", "13911112222")}, number="1")
    long = change_of(office.manifest, "R2", {"name": ("李四", "长" * 81)}, number="2")
    rare = change_of(office.manifest, "R3", {"name": ("王五", "王𠮷")}, number="3")
    sent = office.push(good, long, rare)
    assert (sent["3"].state, sent["3"].code) == ("rejected", "unencodable")
    answers = office.settled(sent)
    assert answers["1"].state == "verified"
    assert (answers["2"].state, answers["2"].code) == ("rejected", "row_refused")
    assert "超长" in answers["2"].message


def test_what_somebody_changed_there_is_a_conflict_and_what_is_there_already_is_verified(office: Office) -> None:
    conflict = change_of(office.manifest, "R1", {"phone": ("13700000000", "13911112222")}, number="1")
    already = change_of(office.manifest, "R2", {"phone": (None, "13800000002")}, number="2")
    outcomes = office.push(conflict, already)
    assert [outcomes[n].state for n in "12"] == ["conflict", "verified"]
    assert not list((office.home / "sandbox/sftp/testsftp/in").rglob("OF_*"))


def test_without_receipt_it_stays_sent_and_without_our_copy_it_is_unknown(office: Office) -> None:
    office.loop.run(office.server.stop())  # closes the office, too: no receipts any more
    server = SftpServer([office.manifest], office.home, poll_seconds=3600)
    context = context_of(office.home, office.loop.run(server.start()))
    connector = SftpCsvConnector(office.manifest, context)
    (sent,) = connector.push([change_of(office.manifest, "R1", {"phone": ("13800000001", "13911112222")})])
    answers = list(connector.follow_up([("1", sent.receipt or ""), ("2", "OF_persons_unknown.csv#1")]))
    assert [(o.change_id, o.state) for o in answers] == [("1", "sent"), ("2", "no_answer")]
    connector.close()
    office.loop.run(server.stop())
    office.server = SftpServer([], office.home)


def test_the_host_key_is_remembered_and_a_foreign_one_refused(office: Office) -> None:
    list(office.connector.pull("persons", None))
    known = office.home / "known_hosts"
    kind, key = known.read_text().split()[1:3]
    fingerprint = "SHA256:" + base64.b64encode(hashlib.sha256(base64.b64decode(key)).digest()).decode().rstrip("=")
    pinned = {**office.manifest.connection, "host_key": fingerprint}
    assert SftpCsvConnector(manifest_of("sftp_csv", connection=pinned), office.context).check().ok
    foreign = {**office.manifest.connection, "host_key": "SHA256:" + "A" * 43}
    with pytest.raises(LoginRefused, match="host key"):
        list(SftpCsvConnector(manifest_of("sftp_csv", connection=foreign), office.context).pull("persons", None))
    changed = base64.b64encode(base64.b64decode(key)[:-2] + b"zz").decode()
    known.write_text(known.read_text().replace(key, changed))
    with pytest.raises(LoginRefused, match="host key"):
        list(SftpCsvConnector(office.manifest, office.context).pull("persons", None))
    assert kind == "ssh-ed25519"


def test_a_wrong_password_and_a_closed_port_are_told_apart(office: Office) -> None:
    values = dict(office.context.variables.values)
    wrong = context_of(office.home, {**values, "TESTSFTP_PASSWORD": "geheim"})
    with pytest.raises(LoginRefused) as refused:
        list(SftpCsvConnector(office.manifest, wrong).pull("persons", None))
    assert "geheim" not in str(refused.value)
    closed = context_of(office.home, {**values, "TESTSFTP_PORT": "9"})
    with pytest.raises(Unreachable):
        list(SftpCsvConnector(office.manifest, closed).pull("persons", None))


def test_an_account_sees_only_its_own_folder(office: Office) -> None:
    (office.home / "sandbox/sftp/other").mkdir()
    listed = office.connector._session.list("/../..")
    assert set(listed) == set()
    with pytest.raises(Malformed):
        office.connector._session.read("/../host_key")

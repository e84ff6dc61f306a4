"""The contract, inherited by every kind of connector; what a kind lacks is said with its reason."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, ClassVar, get_args

import nats
import pytest
import xlsxwriter
from contract import CASES, Bench, Contract, Ticking

from connectors.kinds.queue import token
from connectors.kinds.webhook_receiver import spool_files
from connectors.manifest.model import IntegrationKind, Manifest
from sandbox.servers.excel import ExcelServer
from sandbox.servers.form import FormServer
from sandbox.servers.frontdb import FrontdbServer
from sandbox.servers.queue import QueueServer
from sandbox.servers.rest import RestServer
from sandbox.servers.sftp import SftpServer
from warehouse import postgres

NO_DELIVERY = "nothing can be delivered past the stand-in; what a list or table may do stands in the kind's own tests"
BY_HAND = dict.fromkeys([*CASES, "a_clock_that_is_wrong_loses_nothing", "what_comes_late_does_not_win"], NO_DELIVERY)
numbers = itertools.count(1)


class TestRest(Contract):
    manifest_file = "rest_token"
    lacks: ClassVar[Mapping[str, str]] = {
        **BY_HAND,
        "nothing_new_is_an_empty_page_or_none": "a list by time shows the rows of the last second again",
    }

    def server(self, manifest: Manifest, home: Path) -> Any:
        return RestServer([manifest], home, now=Ticking())


class TestForm(Contract):
    manifest_file = "t_form"
    changed: ClassVar[Mapping[str, Any]] = {
        "authorisation": {"document": "测试函", "expires": date(2099, 12, 31), "automation": True}
    }
    lacks: ClassVar[Mapping[str, str]] = {
        **BY_HAND,
        "the_cursor_resumes": "a list page has no cursor: every pull is whole",
        "nothing_new_is_an_empty_page_or_none": "a list page has no cursor: every pull is whole",
    }

    def server(self, manifest: Manifest, home: Path) -> Any:
        return FormServer([manifest], home, now=Ticking())


class TestFrontdb(Contract):
    manifest_file = "frontdb"
    lacks: ClassVar[Mapping[str, str]] = {
        **BY_HAND,
        "a_record_that_is_not_there_is_not_written": "the out table shows only what changed; the gatekeeper refuses it",
    }

    @pytest.fixture(scope="class")
    def database(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
        folder = tmp_path_factory.mktemp("contract")
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv(postgres.URL_VARIABLE, raising=False)
            yield folder
        postgres.stop(folder)

    @pytest.fixture
    def home(self, database: Path) -> Path:
        for left in (database / "sandbox").rglob("testdb*"):
            left.unlink()  # a new town for each test
        return database

    def server(self, manifest: Manifest, home: Path) -> Any:
        return FrontdbServer([manifest], home, delay_seconds=0)


class TestQueue(Contract):
    manifest_file = "t_queue"

    def server(self, manifest: Manifest, home: Path) -> Any:
        return QueueServer([manifest], home, now=Ticking())

    def deliver(self, bench: Bench, rows: Sequence[Mapping[str, Any] | None]) -> None:
        async def work() -> None:
            client = await nats.connect(bench.running.server.owner_url)
            for subject, body in events(bench, rows):
                await client.jetstream().publish(f"test.place.changed.{token(subject)}", body.encode())
            await client.close()

        asyncio.run(work())


class TestWebhook(Contract):
    manifest_file = "t_webhook"

    def server(self, manifest: Manifest, home: Path) -> Any:
        return QueueServer([manifest], home, now=Ticking())

    def deliver(self, bench: Bench, rows: Sequence[Mapping[str, Any] | None]) -> None:
        spool = spool_files(bench.home / "inbox/t_webhook")[-1]
        with spool.open("a", encoding="utf-8") as file:
            file.writelines(f"{body}\n" for _, body in events(bench, rows, type="resident.changed"))


class TestSftp(Contract):
    manifest_file = "sftp_csv"
    lacks: ClassVar[Mapping[str, str]] = {
        "rare_character": "its files are GBK; what that cannot spell is refused before it is sent (test_sftp_csv)",
        "what_comes_late_does_not_win": "rows of a full export have no versions; the newest file counts",
    }

    def server(self, manifest: Manifest, home: Path) -> Any:
        return SftpServer([manifest], home, poll_seconds=0.05)

    def deliver(self, bench: Bench, rows: Sequence[Mapping[str, Any] | None]) -> None:
        lines = ["|".join(map(str, line)) for line in cells(rows)]
        content = "".join(f"{line}\r\n" for line in lines).encode("gbk")
        name = f"RY_2999{next(numbers):04d}.csv"
        out = bench.home / "sandbox/sftp/testsftp/out"
        (out / name).write_bytes(content)
        (out / f"{name}.ok").write_text(hashlib.sha256(content).hexdigest())


class TestExcel(Contract):
    manifest_file = "excel"
    lacks: ClassVar[Mapping[str, str]] = {
        "what_comes_late_does_not_win": "rows of a full export have no versions; the newest file counts",
        "poison_row": "a workbook has cells, not lines: what a cell may hide stands in test_excel",
    }

    def server(self, manifest: Manifest, home: Path) -> Any:
        return ExcelServer([manifest], home, poll_seconds=0.05)

    def deliver(self, bench: Bench, rows: Sequence[Mapping[str, Any] | None]) -> None:
        name = f"花名册_2999{next(numbers):04d}.xlsx"
        with xlsxwriter.Workbook(str(bench.home / "sandbox/trays/testexcel/out" / name)) as book:
            sheet = book.add_worksheet("花名册")
            for at, line in enumerate(cells(rows), start=1):
                sheet.write_row(at, 0, line)


def test_every_kind_stands_here_or_says_why_not() -> None:
    elsewhere = {
        "export": "one way only: nothing is read, nothing can be compared (test_export)",
        "files": "a folder without a system behind it: nasty/expected.yaml and test_files",
    }
    files = [kind.manifest_file for kind in Contract.__subclasses__()]
    kinds = {kind_of(name) for name in files}
    assert kinds | set(elsewhere) == set(get_args(IntegrationKind))


def kind_of(name: str) -> str:
    from support import manifest_of  # the manifests of the tests

    return manifest_of(name).kind


def events(bench: Bench, rows: Sequence[Mapping[str, Any] | None], **more: str) -> Iterator[tuple[str, str]]:
    """(key, JSON) of each row as an event; the very same row is the very same event."""
    ids: dict[str, str] = {}
    for row in rows:
        if row is None:
            yield "poison", '{"event_id": "", ' if not more else json.dumps({**more, "event_id": "x", "row": []})
            continue
        columns = {name: value for name, value in row.items() if name != "version"}
        same = json.dumps(columns, sort_keys=True)
        key = row[bench.dataset.key[0]]
        event_id = ids.setdefault(same, f"contract{next(numbers)}")
        body = {**more, "event_id": event_id, "op": "U", "key": key, "version": row.get("version", 5), "row": columns}
        yield key, json.dumps(body, ensure_ascii=False)


def cells(rows: Sequence[Mapping[str, Any] | None]) -> Iterator[list[Any]]:
    """Header and lines of a file; poison is a line with too many cells."""
    names = [name for name in dict.fromkeys(n for row in rows if row for n in row) if name != "version"]
    yield names
    for row in rows:
        yield ["x"] * (len(names) + 3) if row is None else [row.get(name) or "" for name in names]

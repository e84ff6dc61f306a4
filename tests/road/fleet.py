"""One installation with a system of every kind, each with its real stand-in, and a log of every effect on its rows.

The log is written by a trigger in the stand-in's own file, so that a doubled write is seen even when it changes nothing.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import secrets
import sqlite3
import sys
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
import yaml
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import SM4
from cryptography.hazmat.primitives.ciphers.modes import GCM

sys.path.insert(0, str(Path(__file__).parents[1] / "connectors"))

from support import MANIFESTS, Running, seed

from connectors.manifest import Manifest
from onefact.delivery.backoff import Backoff
from onefact.delivery.pusher import Pushed, Settings
from onefact.home import Home
from onefact.law import register
from onefact.law.register import Register
from onefact.push import push
from sandbox.faults import Fault
from sandbox.servers.excel import ExcelServer
from sandbox.servers.form import FormServer
from sandbox.servers.frontdb import FrontdbServer
from sandbox.servers.queue import QueueServer
from sandbox.servers.rest import RestServer
from sandbox.servers.sftp import SftpServer
from warehouse import postgres
from warehouse.tables import OUTBOX

RECORDS = 60
"""Records of each stand-in."""

POLL = 0.02
"""How often stand-ins that work through folders look, in seconds."""

EXPORT_KEY = bytes(range(16))

FILES = """
id: t_files
name: 测试文件夹
department: 测试局
kind: files
cadence: daily
purpose: 测试
legal_basis: 测试
authorisation: {document: 测试, expires: 2099-12-31}
capabilities: {read: none, update: true, create: true, receipt: none}
connection: {folder: "${T_FILES_DIR}", out_dir: "${T_FILES_DIR}/out"}
datasets:
  - name: persons
    title: 人员
    source: {pattern: "人员*.csv", format: csv}
    key: id
    entities:
      - type: person
        fields: {name: xm, phone: dh}
"""


@dataclass(frozen=True)
class Kind:
    """A kind of connector and the system that stands for it here.

    Attributes:
        manifest: file of the test manifest, or its text.
        dataset, entity, role, column: where the phone number lies that the proof writes.
        row: what a record holds beside key and phone.
        server: class of the stand-in; None where nobody answers (one-way export, folder).
        changes: top-level keys of the manifest that are replaced.
    """

    manifest: str
    dataset: str
    entity: str
    key: str
    column: str
    row: Mapping[str, str | None]
    server: Callable[..., Any] | None = None
    options: Mapping[str, Any] | None = None
    changes: Mapping[str, Any] | None = None

    @property
    def reads(self) -> bool:
        return self.server is not None


PERSON = {"GMSFHM": None, "XM": "张三", "XB": "男", "XZZ": "粮道街胭脂路1号2栋301室", "LYDM": "派出所"}
KINDS: Mapping[str, Kind] = {
    "rest": Kind(
        "rest_token", "persons", "person", "rkid", "contact.lxdh",
        {"xm": "张三", "xb": "男", "gxsj": "2026-01-01T08:00:00", "bbh": "1", "zxbz": "0"}, RestServer,
    ),
    "frontdb": Kind(
        "frontdb", "persons", "person", "RYBH", "LXDH", {**PERSON, "GXSJ": "20260101080000", "ZXBZ": "0"}, FrontdbServer
    ),
    "sftp_csv": Kind(
        "sftp_csv", "persons", "person", "RYBH", "LXDH", {**PERSON, "JHR": "张父", "GXSJ": "20260101080000"}, SftpServer,
        {"poll_seconds": POLL},
    ),
    "excel": Kind(
        "excel", "persons", "person", "RYBH", "LXDH", {**PERSON, "GXSJ": "2026年01月01日"}, ExcelServer,
        {"poll_seconds": POLL},
    ),
    "form": Kind(
        "t_form", "places", "organisation", "bh", "dh",
        {"mc": "测试场所", "zt": "在业", "mj": "9.5", "gxsj": "2026-02-01 08:00:00", "bz": None}, FormServer,
        changes={"authorisation": {"document": "测试函4号", "expires": "2099-12-31", "automation": True}},
    ),
    "queue": Kind(
        "t_queue", "places", "organisation", "no", "tel",
        {"unit": "测试单位", "state": "在业", "ts": "2026-02-01T08:00:00", "gone": "0", "remark": "无"}, QueueServer,
    ),
    "webhook": Kind(
        "t_webhook", "residents", "person", "memberId", "mobile",
        {"userName": "住户", "updatedAt": "2026-02-01T08:00:00", "unbound": "false"}, QueueServer,
    ),
    "export": Kind("t_export", "units", "organisation", "XH", "DH", {}),
    "files": Kind(FILES, "persons", "person", "id", "dh", {}),
}  # fmt: skip


def phone(number: int) -> str:
    return f"139{number:08d}"


class Fleet:
    """The installation; `with Fleet(folder) as fleet`."""

    def __init__(self, folder: Path, kinds: Mapping[str, Kind] = KINDS, records: int = RECORDS) -> None:
        self.kinds, self.records = kinds, records
        self.path, systems = folder / "home", folder / "systems"
        systems.mkdir(parents=True)
        self.manifests: dict[str, Manifest] = {}
        for name, kind in kinds.items():
            text = kind.manifest if "\n" in kind.manifest else (MANIFESTS / f"{kind.manifest}.yaml").read_text("utf-8")
            data = {**yaml.safe_load(text), **(kind.changes or {})}
            (systems / f"{data['id']}.yaml").write_text(yaml.safe_dump(data, allow_unicode=True), "utf-8")
            self.manifests[name] = Manifest.model_validate(data)
        self.home = Home(path=self.path, systems=systems, threads=1, memory="400MB")
        # These manifests are made for tests: some know fewer codes than an installation's may.
        self.home.__dict__["manifests"] = {m.id: m for m in self.manifests.values()}
        self._running: dict[str, Running] = {}
        self._numbers = count(1_000)
        self._lines: Register | None = None

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.home.close()
        for running in reversed(self._running.values()):
            running.__exit__()
        postgres.stop(self.path)

    # --- what a schedule needs ------------------------------------------------------------------------------------

    def system(self, name: str) -> str:
        return self.manifests[name].id

    def key(self, name: str, number: int) -> str:
        """The key of a record in the outbox."""
        manifest, kind = self.manifests[name], self.kinds[name]
        return f"{kind.dataset}/{self.raw(number)}" if manifest.prefixed else self.raw(number)

    def raw(self, number: int) -> str:
        return f"R{number % self.records}"

    def fresh(self) -> str:
        """A phone number that nobody has had."""
        return phone(next(self._numbers))

    def plan(self, name: str, number: int, old: str | None, new: str | None) -> int:
        """Put a change of a record's phone number into the outbox; return its id."""
        kind, key = self.kinds[name], self.key(name, number)
        values = {
            "run_id": "proof", "system_id": self.system(name), "dataset": kind.dataset, "entity_type": kind.entity,
            "role": kind.entity, "master_id": str(uuid.uuid4()), "record_key": key, "operation": "update",
            "changes": [{"field": "phone", "old": old, "new": new}], "base_version": "v1",
            "idempotency_key": f"{self.system(name)}:{key}:{new}:{old}",
        }  # fmt: skip
        with self.home.engine.begin() as connection:
            return int(connection.execute(sa.insert(OUTBOX).values(values).returning(OUTBOX.c.change_id)).scalar_one())

    def plan_new(self, name: str, number: str) -> int:
        """Ask for a new record with this phone number and a name; return the change's id."""
        kind, master = self.kinds[name], str(uuid.uuid4())
        changes = [{"field": f, "old": None, "new": v} for f, v in (("name", "王伟"), ("phone", number))]
        values = {
            "run_id": "proof", "system_id": self.system(name), "dataset": kind.dataset, "entity_type": kind.entity,
            "role": kind.entity, "master_id": master, "record_key": None, "operation": "create", "changes": changes,
            "base_version": None, "idempotency_key": f"{self.system(name)}:{master}:new",
        }  # fmt: skip
        with self.home.engine.begin() as connection:
            return int(connection.execute(sa.insert(OUTBOX).values(values).returning(OUTBOX.c.change_id)).scalar_one())

    def made(self, name: str, number: str, after: int) -> int:
        """How many records were made with this phone number."""
        with sqlite3.connect(self._state(name)) as db:
            found = db.execute("SELECT DISTINCT key, row FROM _log WHERE n > ?", (after,))
            return len({key for key, row in found if json.loads(row)[self.kinds[name].column] == number})

    def push(self, name: str, at: Callable[[str], None] = lambda _: None, lease: float = 0.0) -> list[Pushed]:
        """Push one system; leases run out and pauses end at once."""
        settings = Settings(f"p-{secrets.token_hex(4)}", Backoff(lambda: 0.0), lease=lease, settle_seconds=0.0, at=at)
        if self._lines is None:
            self._lines = register.load(self.home)  # the manifests stay as they are: their lines enter once
        return push(self.home, [self.system(name)], settings=settings, lines=self._lines)

    def states(self, changes: list[int]) -> list[tuple[str, str | None]]:
        query = sa.select(OUTBOX.c.change_id, OUTBOX.c.state, OUTBOX.c.code).where(OUTBOX.c.change_id.in_(changes))
        with self.home.engine.connect() as connection:
            found = {i: (state, code) for i, state, code in connection.execute(query)}
        return [found[i] for i in changes]

    def shadow(self, name: str, number: int) -> str | None:
        """What we remember to have written."""
        query = sa.text("SELECT value FROM pushed WHERE system_id = :s AND record_key = :k AND field = 'phone'")
        with self.home.engine.connect() as connection:
            return connection.execute(query, {"s": self.system(name), "k": self.key(name, number)}).scalar()

    def edit(self, name: str, number: int, value: str) -> None:
        """The system's own user changes the phone number."""
        server, kind = self._running[name].server, self.kinds[name]
        self._running[name].run(server.edit(self.system(name), kind.dataset, self.raw(number), {kind.column: value}))

    def fault(self, name: str, *faults: Fault | None) -> None:
        """Switch faults of a stand-in on."""
        self._running[name].server.fault(self.system(name), *faults)

    def effects(self, name: str, number: int, after: int = 0) -> list[str | None]:
        """Phone numbers that were written into a record, in order."""
        if not self.kinds[name].reads:
            return [value for key, value in self._delivered(name)[after:] if key == self.raw(number)]
        with sqlite3.connect(self._state(name)) as db:
            found = db.execute("SELECT row FROM _log WHERE n > ? AND key = ? ORDER BY n", (after, self.raw(number)))
            return [json.loads(row)[self.kinds[name].column] for (row,) in found]

    def position(self, name: str) -> int:
        """How many effects there were so far."""
        if not self.kinds[name].reads:
            return len(self._delivered(name))
        with sqlite3.connect(self._state(name)) as db:
            return int(db.execute("SELECT coalesce(max(n), 0) FROM _log").fetchone()[0])

    def held(self, name: str, number: int) -> str | None:
        with sqlite3.connect(self._state(name)) as db:
            table = self.kinds[name].dataset
            row = db.execute(f'SELECT row FROM "{table}" WHERE key = ?', (self.raw(number),)).fetchone()
        return json.loads(row[0])[self.kinds[name].column]

    # --- inside ---------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        variables = {
            "T_EXPORT_DIR": str(self.path / "export"), "T_EXPORT_KEY": base64.b64encode(EXPORT_KEY).decode(),
            "T_FILES_DIR": str(self.path / "files"),
        }  # fmt: skip
        (self.path / "files").mkdir(parents=True)
        postgres.open(self.path)  # also the home of the front-end databases
        for name, kind in self.kinds.items():
            if kind.server is None:
                continue
            manifest = self.manifests[name]
            for dataset in manifest.datasets:
                rows = [{kind.key: f"R{n}", kind.column: phone(n), **kind.row} for n in range(self.records)]
                if dataset.name != kind.dataset:
                    rows = [dict.fromkeys(dataset.columns, "1")]
                seed(self.path, manifest, rows, dataset.name)
            running = Running(kind.server([manifest], self.path, **(kind.options or {})))
            running.__enter__()
            self._running[name] = running
            variables |= running.variables
            with sqlite3.connect(self._state(name)) as db:
                db.execute("CREATE TABLE _log (n INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT, row JSON)")
                db.execute(
                    f'CREATE TRIGGER _effect AFTER INSERT ON "{kind.dataset}" '
                    "BEGIN INSERT INTO _log (key, row) VALUES (new.key, new.row); END"
                )
        (self.path / "endpoints.json").write_text(json.dumps(variables), "utf-8")
        with self.home.engine.begin() as connection:  # a process is cut off here, never the machine
            connection.exec_driver_sql("ALTER DATABASE onefact SET synchronous_commit = off")
        self.home.engine.dispose()

    def _state(self, name: str) -> Path:
        return self.path / "sandbox" / "state" / f"{self.system(name)}.sqlite"

    def _delivered(self, name: str) -> list[tuple[str, str]]:
        """(key, phone) of every row in every file that was handed over, oldest first."""
        kind = self.kinds[name]
        folder = self.path / ("export" if name == "export" else "files/out")
        paths = sorted(folder.glob("*.sm4" if name == "export" else "*.csv"), key=lambda p: p.stat().st_mtime_ns)
        texts = [_opened(p) if name == "export" else p.read_bytes() for p in paths]
        rows = [row for text in texts for row in csv.DictReader(io.StringIO(text.decode("utf-8-sig")))]
        return [(row[kind.key], row[kind.column]) for row in rows]


def _opened(path: Path) -> bytes:
    """What the receiver's tool does."""
    line, _, sealed = path.read_bytes().partition(b"\n")
    decryptor = Cipher(SM4(EXPORT_KEY), GCM(bytes.fromhex(json.loads(line)["nonce"]), sealed[-16:])).decryptor()
    decryptor.authenticate_additional_data(line + b"\n")
    return decryptor.update(sealed[:-16]) + decryptor.finalize()

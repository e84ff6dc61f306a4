"""Stand-in for systems that exchange CSV files over SFTP (SFTP 文件交换).

One SFTP server, one account per system, each locked into its own folder. Behind it works what the real system does at
night, only sooner: exports appear with their `.ok` marker, files in the inbox are taken row by row, and a receipt for
each file appears in the reply folder. Characters that the system's encoding lacks become question marks on export.
"""

from __future__ import annotations

import asyncio
import contextlib
import csv
import hashlib
import io
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import asyncssh

from connectors.manifest.model import Dataset, Manifest
from connectors.manifest.sources import SftpSource
from sandbox.store import Refused, Row, Store

HOST = "127.0.0.1"
KEEP = 5
"""Exports that stay in the folder."""


class SftpServer:
    """The SFTP server of all `sftp_csv` systems.

    Args:
        manifests: manifests of kind `sftp_csv`.
        home: working folder; files lie below `<home>/sandbox/sftp/<system>`.
        poll_seconds: how often the systems look into their inbox and export what changed.
        now: the systems' clock.
    """

    def __init__(
        self,
        manifests: Sequence[Manifest],
        home: Path,
        *,
        poll_seconds: float = 0.15,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._manifests, self._home, self._poll, self._now = list(manifests), home, poll_seconds, now
        self._root = home / "sandbox" / "sftp"
        self._offices: dict[str, _Office] = {}
        self._passwords: dict[str, str] = {}
        self._guests: set[asyncssh.SSHServerConnection] = set()
        self._listener: asyncssh.SSHAcceptor | None = None
        self._work: asyncio.Task[None] | None = None

    async def start(self) -> dict[str, str]:
        """Load the systems, write their first exports, listen; return `<ID>_HOST`, `_PORT`, `_USER`, `_PASSWORD`."""
        self._root.mkdir(parents=True, exist_ok=True)
        for manifest in self._manifests:
            office = await asyncio.to_thread(_Office.open, manifest, self._home, self._root / manifest.id, self._now)
            self._offices[manifest.id] = office
            self._passwords[manifest.id] = secrets.token_urlsafe(16)
        self._listener = await asyncssh.listen(
            HOST, 0, server_host_keys=[self._host_key()], server_factory=lambda: _Login(self._passwords, self._guests),
            sftp_factory=self._session, line_editor=False,
        )  # fmt: skip
        self._work = asyncio.create_task(self._office_hours())
        port = str(self._listener.get_port())
        variables: dict[str, str] = {}
        for system, password in self._passwords.items():
            values = {"HOST": HOST, "PORT": port, "USER": system, "PASSWORD": password}
            variables |= {f"{system.upper()}_{name}": value for name, value in values.items()}
        return variables

    async def stop(self) -> None:
        """Close the server; raises what the systems' own work died of, if it died."""
        if self._listener is not None:
            self._listener.close()
            await self._listener.wait_closed()
            for guest in self._guests:
                guest.close()
                await guest.wait_closed()
            self._guests.clear()
        try:
            if self._work is not None:
                self._work.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await self._work
        finally:
            for office in self._offices.values():
                office.store.close()
            self._offices.clear()

    async def edit(self, system: str, dataset: str, key: str, columns: Mapping[str, str | None]) -> Row:
        """Change a row as the system's own user does; the next export shows it."""
        return await asyncio.to_thread(self._offices[system].store.edit, dataset, key, columns, self._now())

    async def _office_hours(self) -> None:
        while True:
            for office in self._offices.values():
                await asyncio.to_thread(office.work)
            await asyncio.sleep(self._poll)

    def _session(self, channel: asyncssh.SSHServerChannel[bytes]) -> asyncssh.SFTPServer:
        user = channel.get_extra_info("username")
        return asyncssh.SFTPServer(channel, chroot=os.fsencode(self._root / user))

    def _host_key(self) -> asyncssh.SSHKey:
        """The server keeps its key over restarts, as a real one does."""
        path = self._root / "host_key"
        if not path.exists():
            asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(path))
        return asyncssh.read_private_key(str(path))


class _Login(asyncssh.SSHServer):
    """Password login per system."""

    def __init__(self, passwords: Mapping[str, str], guests: set[asyncssh.SSHServerConnection]) -> None:
        self._passwords, self._guests = passwords, guests

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._guests.add(conn)

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return secrets.compare_digest(self._passwords.get(username, secrets.token_hex()), password)


class _Office:
    """What one system does by itself: export, take files, answer."""

    def __init__(self, manifest: Manifest, store: Store, folder: Path, now: Callable[[], datetime]) -> None:
        self.manifest, self.store, self._folder, self._now = manifest, store, folder, now
        self._exported: dict[str, int] = {}
        self._number = 0

    @classmethod
    def open(cls, manifest: Manifest, home: Path, folder: Path, now: Callable[[], datetime]) -> _Office:
        office = cls(manifest, Store.open(home, manifest), folder, now)
        for dataset in manifest.datasets:
            source = SftpSource.model_validate(dataset.source)
            for name in (source.out_dir, source.in_dir, source.receipt_dir):
                office._at(name).mkdir(parents=True, exist_ok=True)
            office._export(dataset, full=True)
        return office

    def work(self) -> None:
        """Take what lies in the inbox, then export what changed."""
        for dataset in self.manifest.datasets:
            source = SftpSource.model_validate(dataset.source)
            for marker in sorted(self._at(source.in_dir).glob(f"*_{dataset.name}_*.csv.ok")):
                self._take(dataset, source, marker)
            if self.store.changes(dataset.name, self._exported.get(dataset.name, 0), limit=1):
                self._export(dataset, full=self.manifest.capabilities.read == "full")

    def _export(self, dataset: Dataset, *, full: bool) -> None:
        source = SftpSource.model_validate(dataset.source)
        after = self._exported.get(dataset.name, 0)
        changed = self.store.changes(dataset.name, 0 if full else after)
        shown = [row for row in changed if not row.deleted or dataset.deleted.column is not None]
        columns = list(dict.fromkeys((*dataset.columns, *dataset.withheld)))
        lines = [columns, *([row.columns.get(name) or "" for name in columns] for row in shown)]
        # errors=replace: 生僻字 that GBK lacks leave such a system as question marks.
        content = _csv(lines, source.delimiter).encode(source.encoding, errors="replace")
        self._number += 1
        name = source.out_pattern.replace("*", f"{self._now():%Y%m%d%H%M%S}{self._number:04d}")
        _write(self._at(source.out_dir) / name, content)
        self._exported[dataset.name] = max((row.seq for row in changed), default=after)
        finished = sorted(self._at(source.out_dir).glob(source.out_pattern), key=lambda p: p.stat().st_mtime_ns)
        for old in finished[:-KEEP] if full else ():
            old.unlink(missing_ok=True)
            old.with_name(f"{old.name}.ok").unlink(missing_ok=True)

    def _take(self, dataset: Dataset, source: SftpSource, marker: Path) -> None:
        path = marker.with_name(marker.name.removesuffix(".ok"))
        content = path.read_bytes() if path.exists() else b""
        if hashlib.sha256(content).hexdigest() != marker.read_text(encoding="ascii").strip():
            answers = [("0", "", "error", "文件不完整：校验值不符")]
        else:
            answers = self._rows(dataset, source, path.name, content)
        receipt = [("row_no", "key", "status", "error"), *answers]
        target = self._at(source.receipt_dir) / f"{path.name}.receipt.csv"
        _write(target, _csv(receipt, source.delimiter).encode(source.encoding, "replace"), marked=False)
        done = self._at(source.in_dir) / "done"
        done.mkdir(exist_ok=True)
        path.replace(done / path.name)
        marker.unlink()

    def _rows(self, dataset: Dataset, source: SftpSource, file: str, content: bytes) -> list[tuple[str, str, str, str]]:
        try:
            reader = csv.DictReader(io.StringIO(content.decode(source.encoding)), delimiter=source.delimiter)
            return [self._row(dataset, file, number, row) for number, row in enumerate(reader, start=1)]
        except UnicodeDecodeError:
            return [("0", "", "error", f"文件编码应为{source.encoding}")]

    def _row(self, dataset: Dataset, file: str, number: int, row: Mapping[str, str]) -> tuple[str, str, str, str]:
        parts = [row.get(name) or "" for name in dataset.key]
        key = "|".join(parts) if all(parts) else None
        if key is not None and self.store.row(dataset.name, key) is None and self.manifest.capabilities.create:
            key = None  # a natural key of a new record
        columns = {name: value or None for name, value in row.items() if name not in dataset.key or value}
        try:
            if key is None and not self.manifest.capabilities.create:
                return (str(number), "", "error", f"缺少主键：{dataset.key[0]}")
            done = self.store.upsert(dataset.name, key, columns, None, f"{file}#{number}", self._now())
        except Refused as refused:
            return (str(number), key or "", "error", refused.message)
        return (str(number), done.key, "ok", "")

    def _at(self, folder: str) -> Path:
        return self._folder / folder.strip("/")


def _csv(lines: Sequence[Sequence[str]], delimiter: str) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerows(lines)
    return text.getvalue()


def _write(path: Path, content: bytes, *, marked: bool = True) -> None:
    """Write a file as a careful system does: under another name, renamed, then its marker."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.replace(path)
    if marked:
        path.with_name(f"{path.name}.ok").write_text(hashlib.sha256(content).hexdigest(), encoding="ascii")

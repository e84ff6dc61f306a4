"""One SFTP login: connected at first use, host key checked, every error in our own words."""

from __future__ import annotations

import base64
import hashlib
import socket
import stat
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

import paramiko

from connectors.answers import ruling
from connectors.base import ConnectorError, LoginRefused, Malformed, NotAllowed, Unreachable
from connectors.manifest.sources import SftpConnection
from connectors.quota import Quota

T = TypeVar("T")
TIMEOUT_SECONDS = 20


@dataclass(frozen=True, slots=True)
class About:
    """Size in bytes and modification time in seconds (server's clock, whole seconds) of a remote file."""

    size: int
    changed: float


class Session:
    """A lazily opened SFTP session.

    The server's key must have the pinned fingerprint; without one the key seen first is remembered in `known_hosts` and
    must stay the same, as with ssh itself.
    """

    def __init__(self, system: str, connection: SftpConnection, known_hosts: Path, quota: Quota | None = None) -> None:
        self._system, self._connection, self._known_hosts = system, connection, known_hosts
        self._quota = quota
        self._client: paramiko.SSHClient | None = None
        self._sftp: paramiko.SFTPClient | None = None

    def close(self) -> None:
        """Close the connection if there is one."""
        if self._client is not None:
            self._client.close()
        self._client = self._sftp = None

    def list(self, folder: str) -> dict[str, About]:
        """Return the files of a folder; names that would lead out of it are left out."""
        listed = self._try(folder, lambda sftp: sftp.listdir_attr(folder))
        return {
            entry.filename: About(entry.st_size or 0, float(entry.st_mtime or 0))
            for entry in listed
            if stat.S_ISREG(entry.st_mode or stat.S_IFREG) and PurePosixPath(entry.filename).name == entry.filename
        }

    def read(self, path: str) -> bytes:
        """Return the content of a small file."""

        def content(sftp: paramiko.SFTPClient) -> bytes:
            with sftp.open(path, "rb") as file:
                return file.read()

        return self._try(path, content)

    def get(self, path: str, local: Path) -> None:
        """Download a file."""
        self._try(path, lambda sftp: sftp.get(path, str(local)))

    def put(self, path: str, content: bytes) -> None:
        """Upload a file under another name and rename it, so that nobody meets half of it."""

        def send(sftp: paramiko.SFTPClient) -> None:
            with sftp.open(f"{path}.part", "wb") as file:
                file.set_pipelined(pipelined=True)
                file.write(content)
            sftp.posix_rename(f"{path}.part", path)

        self._try(path, send)

    def _try(self, place: str, action: Callable[[paramiko.SFTPClient], T]) -> T:
        try:
            with self._quota.request() if self._quota else nullcontext():
                return action(self._connected())
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise self._trouble(place, error) from error

    def _trouble(self, place: str, error: Exception) -> ConnectorError:
        """Our error for what the server says, by the table of answers."""
        told = ruling("sftp", _status(error))
        if told.code == "sftp_2":
            remedy = "Compare the folders with the manifest; ask the system to create what is missing."
            return Malformed(self._system, place, "the server has no such file or folder", remedy)
        if told.code == "sftp_3":
            remedy = "Ask for read rights on exports and receipts, write rights on the inbox."
            return NotAllowed(self._system, place, "the account may not do this here", remedy)
        self.close()
        return Unreachable(self._system, place, "the SFTP connection broke", "Try again later.")

    def _connected(self) -> paramiko.SFTPClient:
        if self._sftp is None:
            self._client = self._connect()
            self._sftp = self._client.open_sftp()
            channel = self._sftp.get_channel()
            if channel is not None:
                channel.settimeout(TIMEOUT_SECONDS)
        return self._sftp

    def _connect(self) -> paramiko.SSHClient:
        connection, where = self._connection, f"{self._connection.host}:{self._connection.port}"
        client = paramiko.SSHClient()
        if connection.host_key:
            client.set_missing_host_key_policy(_Pinned(connection.host_key))
        else:
            self._known_hosts.parent.mkdir(parents=True, exist_ok=True)
            self._known_hosts.touch(mode=0o600)
            client.load_host_keys(str(self._known_hosts))
            client.set_missing_host_key_policy(_Remember(self._known_hosts))
        try:
            client.connect(
                connection.host,
                int(connection.port),
                connection.username,
                connection.password,
                look_for_keys=False,
                allow_agent=False,
                timeout=TIMEOUT_SECONDS,
                banner_timeout=TIMEOUT_SECONDS,
                auth_timeout=TIMEOUT_SECONDS,
            )
        except (paramiko.BadHostKeyException, _WrongKey) as error:
            remedy = "Find out from the system whether it changed its key; if so correct host_key or known_hosts."
            raise LoginRefused(self._system, where, "the server's host key is not the known one", remedy) from error
        except paramiko.AuthenticationException as error:
            raise LoginRefused(
                self._system, where, "the server refuses the login", "Check user and password."
            ) from error
        except (paramiko.SSHException, socket.gaierror, OSError, EOFError) as error:
            client.close()
            raise Unreachable(self._system, where, "the SFTP server does not answer", "Check that it is up.") from error
        return client


def _status(error: Exception) -> str:
    """The status of the SFTP protocol behind an error of the library, or what happened to the connection."""
    if isinstance(error, FileNotFoundError):
        return "2"
    if isinstance(error, PermissionError):
        return "3"
    return "timeout" if isinstance(error, TimeoutError) else "closed"


class _WrongKey(paramiko.SSHException):
    """The key is not the pinned one."""


class _Remember(paramiko.MissingHostKeyPolicy):
    """Remembers the key of a server that was never met; from then on another key is refused."""

    def __init__(self, known_hosts: Path) -> None:
        self._known_hosts = known_hosts

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:
        client.get_host_keys().add(hostname, key.get_name(), key)
        client.save_host_keys(str(self._known_hosts))


class _Pinned(paramiko.MissingHostKeyPolicy):
    """Accepts exactly the key with this fingerprint (`SHA256:...`, as ssh-keygen prints it)."""

    def __init__(self, fingerprint: str) -> None:
        self._fingerprint = fingerprint.strip().rstrip("=")

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> None:  # noqa: ARG002
        if fingerprint(key.asbytes()) != self._fingerprint:
            raise _WrongKey


def fingerprint(key: bytes) -> str:
    """Return the OpenSSH fingerprint of a public key in wire format."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")

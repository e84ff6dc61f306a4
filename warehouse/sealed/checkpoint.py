"""Signed checkpoints (检查点): how far the log had come and its hash then, signed, in a file kept somewhere else.

A chain shows a change in its middle, but whoever may write the database can drop its end, or write all of it anew. A
checkpoint that lies with somebody else shows that too. The idea is the signed tree head of Certificate Transparency
(RFC 9162), with a chain instead of a tree: the whole log is read anyway when it is verified.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from warehouse.sealed.canonical import canonical
from warehouse.sealed.chain import Act, append, head
from warehouse.sealed.keys import PUBLIC, Keys, PublicKey

FOLDER = "checkpoints"
"""In the home, unless the setting names another place."""


class CheckpointUnreadable(Exception):
    """A file is no checkpoint."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path}: 不是检查点文件。")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One checkpoint: the log had `seq` rows, the last one with `hash` (hex), at `at` (UTC)."""

    seq: int
    hash: str
    algorithm: str
    at: str
    key: str
    signature: str
    scheme: str

    def text(self) -> bytes:
        """Return what is signed."""
        return canonical({k: v for k, v in self.document().items() if k != "signature"})

    def document(self) -> dict[str, Any]:
        """Return the file's content."""
        return {
            "what": "onefact sealed log checkpoint", "seq": self.seq, "hash": self.hash, "algorithm": self.algorithm,
            "at": self.at, "key": self.key, "scheme": self.scheme, "signature": self.signature,
        }  # fmt: skip

    def signed_by(self, *keys: PublicKey) -> bool:
        """Tell whether one of the keys signed exactly this."""
        try:
            signature = base64.b64decode(self.signature, validate=True)
        except (binascii.Error, ValueError):
            return False
        mine = [k for k in keys if (k.scheme, k.fingerprint) == (self.scheme, self.key)]
        return any(k.verifies(signature, self.text()) for k in mine)


def sign(seq: int, digest: bytes, algorithm: str, at: datetime, keys: Keys) -> Checkpoint:
    """Return the signed checkpoint of an end of the log."""
    moment = f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    bare = Checkpoint(seq, digest.hex(), algorithm, moment, keys.public.fingerprint, "", keys.public.scheme)
    return replace(bare, signature=base64.b64encode(keys.signing.sign(bare.text())).decode())


def issue(
    connection: sa.Connection, keys: Keys, folder: Path, *, actor: str, at: datetime | None = None, via: str = ""
) -> tuple[Checkpoint, Path]:
    """Sign the present end of the log, write the file, and note in the log that this was done.

    The public key is written beside it: whoever keeps the folder elsewhere can verify without this machine.
    """
    moment = at or datetime.now(UTC)
    end = head(connection)
    made = sign(end.seq, end.hash, end.algorithm, moment, keys)
    folder.mkdir(parents=True, exist_ok=True)
    for key in keys.publics:
        (folder / PUBLIC.format(key.scheme)).write_bytes(key.pem)
    path = folder / f"checkpoint-{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}-{end.seq:010d}.json"
    beside = path.with_name(f".{path.name}")
    beside.write_text(json.dumps(made.document(), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    beside.replace(path)
    told = {"seq": made.seq, "hash": made.hash, "key": made.key, "file": path.name}
    append(connection, Act(actor, "checkpoint", "log", (), count=made.seq, detail=told, via=via), at=moment)
    return made, path


def parse(document: Any, path: Path) -> Checkpoint:
    """Return the checkpoint of a document; raises `CheckpointUnreadable`."""
    try:
        made = Checkpoint(**{k: document[k] for k in ("seq", "hash", "algorithm", "at", "key", "signature", "scheme")})
        bytes.fromhex(made.hash)
        int(made.seq)
    except (KeyError, TypeError, ValueError) as problem:
        raise CheckpointUnreadable(path) from problem
    return made


def load(path: Path) -> Checkpoint:
    """Return the checkpoint of a file; raises `CheckpointUnreadable`."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise CheckpointUnreadable(path) from problem
    return parse(document, path)


def files(folder: Path) -> list[Path]:
    """Return the checkpoint files of a folder, oldest first."""
    return sorted(folder.glob("checkpoint-*.json"))


def newest(folder: Path) -> Checkpoint | None:
    """Return the newest checkpoint of a folder, for a report's cover; None where there is none."""
    found = files(folder)
    return load(found[-1]) if found else None


def all_of(paths: Iterable[Path]) -> list[Checkpoint]:
    """Return the checkpoints of files and folders."""
    return [load(f) for p in paths for f in ([p] if p.is_file() else files(p))]

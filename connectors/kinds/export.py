"""One-way export (单向导出): an encrypted file for the receiver's own tool, and no way back.

统计法 art. 28 forbids any other use of what a firm reports to a census. The surest way to obey is not to be able to
read: this module has no reading code at all, and a test keeps it so.

The file: one line of JSON (the header, authenticated but not secret), then the ciphertext with its 16-byte tag.
The plaintext is a CSV (UTF-8 with byte order mark, CRLF) in the columns of the manifest, one whole row per record.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import NoReturn

import pyarrow as pa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from connectors.base import Check, Context, Malformed, NotAllowed, Unreachable
from connectors.manifest.model import Dataset, Manifest
from connectors.manifest.sources import ExportConnection, ExportSource
from connectors.outgoing import Outgoing, prepare
from connectors.raw import empty
from schemas.records import Change, FieldChange, Outcome

KEY_BYTES = {"sm4-gcm": 16, "aes-256-gcm": 32}
NONCE_BYTES = 12
RESTRICTED = 4
"""Sensitivity from which a value never leaves in an export."""


class ExportConnector:
    """Writes changes of a push into one encrypted file per dataset; it cannot read."""

    def __init__(self, manifest: Manifest, context: Context) -> None:
        self.manifest, self.context = manifest, context
        resolved = context.variables.resolve(manifest, manifest.connection)
        self._connection = ExportConnection.model_validate(resolved)
        self._folder = context.folder / self._connection.out_dir
        self._key = self._agreed_key()

    def check(self) -> Check:
        """Try that files can be put into the folder; the key was tried when the connector was made."""
        writable = self._folder.is_dir() and os.access(self._folder, os.W_OK)
        remark = "files can be put here" if writable else f"make the folder {self._connection.out_dir} writable"
        key = f"{self._connection.algorithm}, key id {key_id(self._key)}"
        return Check((("folder", writable, remark), ("key", True, key), ("read", True, "no read path, by law")))

    def pull(self, dataset: str, cursor: str | None) -> NoReturn:  # noqa: ARG002
        """Raise `NotAllowed`: there is no read path."""
        remedy = "Remove this system from the pull; only `onefact push` serves it."
        raise NotAllowed(self.manifest.id, dataset, "a one-way export is never read (统计法 art. 28)", remedy)

    def read_back(self, dataset: str, record_keys: Sequence[str]) -> pa.Table:  # noqa: ARG002
        """Return no rows: nothing comes back from the receiver."""
        return empty(self.manifest.dataset(dataset).columns)

    def push(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Write all changes as whole rows into one new file per dataset.

        Outcomes are `sent` with code `exported` and the receipt `file name#first 16 digits of the plaintext's SHA-256`:
        there is nothing to verify against. A repeated push makes a further file; the receiver's tool replaces rows.
        Raises `Unreachable` when the folder cannot be written.
        """
        allowed = [replace(c, current=self._exportable(c), changes=self._changed(c)) for c in changes]
        ready, refused = prepare(self.manifest, allowed, whole_rows=True, writable=lambda _: True)
        yield from refused
        by_dataset: dict[str, list[Outgoing]] = {}
        for one in ready:
            by_dataset.setdefault(one.change.dataset, []).append(one)
        for name, outgoing in by_dataset.items():
            receipt = self._export(self.manifest.dataset(name), outgoing)
            for one in outgoing:
                yield Outcome(one.change.change_id, "sent", "exported", "已写入加密导出文件", receipt=receipt)

    def close(self) -> None:
        """Nothing is held open."""

    def _agreed_key(self) -> bytes:
        wanted = KEY_BYTES[self._connection.algorithm]
        remedy = f"Set it to the base64 text of the {wanted}-byte key agreed with the receiver."
        try:
            key = base64.b64decode(self._connection.key, validate=True)
        except ValueError as error:
            raise Malformed(self.manifest.id, "connection.key", "the key is not base64", remedy) from error
        if len(key) != wanted:
            raise Malformed(self.manifest.id, "connection.key", f"the key has {len(key)} bytes", remedy)
        return key

    def _exportable(self, change: Change) -> dict[str, str]:
        return {name: value for name, value in change.current.items() if self._may_leave(change, name)}

    def _changed(self, change: Change) -> tuple[FieldChange, ...]:
        return tuple(c for c in change.changes if self._may_leave(change, c.field))

    def _may_leave(self, change: Change, name: str) -> bool:
        """The manifest's gate is asked first by others; a file that leaves the house is guarded once more."""
        field = self.manifest.master_field(change.entity_type, name)
        own = field.compartment in {"base", self.manifest.compartment}
        return field.propagate and own and field.sensitivity < RESTRICTED

    def _export(self, dataset: Dataset, outgoing: Sequence[Outgoing]) -> str:
        source = ExportSource.model_validate(self.context.variables.resolve(self.manifest, dataset.source))
        now = self.context.now()
        rows = _rows(outgoing)
        plain = _csv([c for c in dataset.columns if c not in dataset.withheld], rows)
        digest = hashlib.sha256(plain).hexdigest()
        header = {
            "format": "onefact-export-1", "system": self.manifest.id, "dataset": dataset.name, "rows": len(rows),
            "created_at": now.isoformat(timespec="seconds"), "algorithm": self._connection.algorithm,
            "key_id": key_id(self._key), "sha256": digest,
        }  # fmt: skip
        sealed = seal(plain, header, self._key, secrets.token_bytes(NONCE_BYTES))
        self.context.at("send")
        try:
            path = _put(self._folder, source.file, now, sealed)
        except OSError as error:
            remedy = "Make the folder writable and free some space; nothing was exported."
            what = f"the export cannot be written ({error.strerror})"
            raise Unreachable(self.manifest.id, self._connection.out_dir, what, remedy) from error
        self.context.at("sent")
        return f"{path.name}#{digest[:16]}"


def seal(plain: bytes, header: Mapping[str, object], key: bytes, nonce: bytes) -> bytes:
    """Return header line and ciphertext with tag; the header line is authenticated with the ciphertext (GCM)."""
    line = json.dumps({**header, "nonce": nonce.hex()}, ensure_ascii=False, sort_keys=True).encode() + b"\n"
    algorithm = algorithms.SM4(key) if header["algorithm"] == "sm4-gcm" else algorithms.AES(key)
    encryptor = Cipher(algorithm, modes.GCM(nonce)).encryptor()
    encryptor.authenticate_additional_data(line)
    return line + encryptor.update(plain) + encryptor.finalize() + encryptor.tag


def key_id(key: bytes) -> str:
    """Return a name of the key that tells nothing about it: the first 16 digits of its SHA-256."""
    return hashlib.sha256(key).hexdigest()[:16]


def _rows(outgoing: Sequence[Outgoing]) -> list[dict[str, str]]:
    """One row per record: changes of several entities of one record stand in the same row."""
    rows: dict[str, dict[str, str]] = {}
    for one in outgoing:
        rows.setdefault(one.change.record_key or one.change.change_id, {}).update(one.columns)
    return list(rows.values())


def _csv(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([row.get(column, "") for column in columns] for row in rows)
    return text.getvalue().encode("utf-8-sig")


def _put(folder: Path, pattern: str, now: datetime, content: bytes) -> Path:
    """Place a whole file under the first free name; an existing export is never replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{secrets.token_hex(8)}.part"
    with part.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    try:
        for sequence in count(1):
            path = folder / _name(pattern, now, sequence)
            try:
                os.link(part, path)  # fails where the name is taken, and shows the file only when it is whole
            except FileExistsError:
                continue
            return path
    finally:
        part.unlink()
    raise AssertionError  # count() never ends


def _name(pattern: str, now: datetime, sequence: int) -> str:
    number = f"{sequence:03d}"
    if "{seq}" in pattern:
        return pattern.replace("{date}", f"{now:%Y%m%d}").replace("{seq}", number)
    stem, dot, suffix = pattern.partition(".")
    return f"{stem}_{number}{dot}{suffix}".replace("{date}", f"{now:%Y%m%d}")

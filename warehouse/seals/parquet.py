"""Landing files with Parquet modular encryption (着陆文件加密): footer and every column under keys of our ring.

The Parquet standard knows AES only (AES_GCM_V1, 128 bits); each file draws its own keys, which are wrapped by the ring's key for
landing files and stand, wrapped, in the file. pyarrow writes and reads it; a file of before, in clear, is read as well.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from warehouse.seals.ciphers import Key, NotOurs
from warehouse.seals.ring import LANDING, KeysLost
from warehouse.seals.values import NONE, Seals

CLOSED: Final = b"PARE"
"""How a file with an encrypted footer begins; one in clear begins with PAR1."""


def writer(path: Path, schema: pa.Schema, seals: Seals = NONE) -> pq.ParquetWriter:
    """Return a writer of one file, encrypted where the ring is there."""
    ring = seals.ring
    if ring is None:
        return pq.ParquetWriter(path, schema, compression="zstd")
    import pyarrow.parquet.encryption as pe  # half a second that verbs without landing files do without

    key = ring.of(LANDING)
    asked = pe.EncryptionConfiguration(
        footer_key=key.name, uniform_encryption=True, encryption_algorithm="AES_GCM_V1", plaintext_footer=False,
        double_wrapping=False, data_key_length_bits=128,
    )  # fmt: skip
    properties = _factory(ring.keys).file_encryption_properties(pe.KmsConnectionConfig(), asked)
    return pq.ParquetWriter(path, schema, compression="zstd", encryption_properties=properties)


def read(path: Path, seals: Seals = NONE, columns: Sequence[str] | None = None) -> pa.Table:
    """Return a file's rows; raises `KeysLost` where it was written with a key that is not in the ring."""
    with _opened(path, seals) as file:
        return file.read(columns=None if columns is None else list(columns))


def names(path: Path, seals: Seals = NONE) -> list[str]:
    """Return the columns of a file; raises `KeysLost` as `read` does."""
    with _opened(path, seals) as file:
        return list(file.schema_arrow.names)


def _opened(path: Path, seals: Seals) -> pq.ParquetFile:
    with path.open("rb") as file:
        closed = file.read(len(CLOSED)) == CLOSED
    if not closed:
        return pq.ParquetFile(path)
    import pyarrow.parquet.encryption as pe

    ring = seals.ring
    factory = _factory(ring.keys if ring is not None else {})
    properties = factory.file_decryption_properties(pe.KmsConnectionConfig(), pe.DecryptionConfiguration())
    try:
        return pq.ParquetFile(path, decryption_properties=properties)
    except (KeysLost, NotOurs, OSError) as problem:
        raise KeysLost(f"着陆文件 {path.parent.name}/{path.name} 不是用本目录的密钥写的") from problem


def _factory(keys: Mapping[str, Key]) -> Any:
    import pyarrow.parquet.encryption as pe

    class Ours(pe.KmsClient):  # type: ignore[misc]
        """Wraps the keys of files by those of the ring; nothing leaves this machine."""

        def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> str:
            sealed = keys[master_key_identifier].seal(key_bytes, b"landing")
            return base64.b64encode(sealed).decode()

        def unwrap_key(self, wrapped_key: bytes, master_key_identifier: str) -> bytes:
            if master_key_identifier not in keys:
                raise KeysLost(master_key_identifier)
            return keys[master_key_identifier].open(base64.b64decode(wrapped_key))

    return pe.CryptoFactory(lambda _: Ours())

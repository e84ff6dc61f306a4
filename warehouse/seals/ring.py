"""The ring of data keys (密钥环): one key for each compartment, wrapped by a master key, replaced without losing the old ones.

`<home>/keys/data-keys.json` holds the wrapped keys and is worthless without the master key. That comes from the environment
(ONEFACT_MASTER_KEY, 64 hex digits, where a key service or an encryption machine puts it), else from a file of the home that
only its owner reads. A rotation adds a key to each compartment; what was sealed before is still opened by its old key.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, get_args

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from schemas.model import Compartment
from warehouse.key_files import FOLDER, kept, replaced
from warehouse.seals.ciphers import SECRET, CipherName, Key, available

FILE: Final = "data-keys.json"
MASTER: Final = "master.key"
MASTER_VARIABLE: Final = "ONEFACT_MASTER_KEY"
CIPHER_VARIABLE: Final = "ONEFACT_DATA_CIPHER"
"""Environment: sm4, aes, or off for a master that is to lie in clear."""

COMPARTMENTS: Final[tuple[Compartment, ...]] = get_args(Compartment)
INDEX: Final = "index"
"""The ring's key for blind indexes; it is no compartment's and is not rotated with them."""

LANDING: Final = "landing"
"""The ring's key for landing files, which hold what a system says of all compartments."""


class KeysLost(Exception):
    """The keys of this home are not those that the values were sealed with."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"数据密钥不可用：{why}。请从备份恢复主密钥（{MASTER_VARIABLE} 或 {FOLDER}/{MASTER}）和 {FOLDER}/{FILE}；"
            "没有它们，已加密的证件号码和电话无法读取。"
        )


@dataclass(frozen=True)
class Ring:
    """The keys of one installation.

    Attributes:
        keys: name -> key, the retired ones too.
        active: compartment (and `index`) -> name of the key that seals from now on.
    """

    keys: Mapping[str, Key] = field(repr=False)
    active: Mapping[str, str]

    def of(self, compartment: str) -> Key:
        """Return the key that seals for a compartment."""
        return self.keys[self.active[compartment]]


def wanted_cipher(environment: Mapping[str, str] | None = None) -> CipherName | None:
    """Return the cipher that the environment asks for, None for none.

    Raises:
        KeysLost: the variable names no cipher that we have.
    """
    asked = (os.environ if environment is None else environment).get(CIPHER_VARIABLE, "").strip().lower()
    if asked == "off":
        return None
    if asked in ("", "sm4", "aes"):
        return asked or available()  # type: ignore[return-value]
    raise KeysLost(f"{CIPHER_VARIABLE} 应为 sm4、aes 或 off")


def load(home: Path, environment: Mapping[str, str] | None = None) -> Ring | None:
    """Return the ring of a home, made now where there is none; None where values are to lie in clear.

    Raises:
        KeysLost: the ring cannot be unwrapped.
    """
    path = home / FOLDER / FILE
    if not path.exists():
        cipher = wanted_cipher(environment)
        if cipher is None:
            return None
        ring = _added(Ring({}, {}), (*COMPARTMENTS, LANDING, INDEX), cipher)
        kept(path, lambda: _wrapped(ring, master_key(home, environment)))
    return _unwrapped(path.read_bytes(), master_key(home, environment))


def rotate(home: Path, environment: Mapping[str, str] | None = None) -> Ring:
    """Give every compartment a new key, and the ring a new master key where it comes from the home's own file.

    Nothing is sealed anew by this alone; `onefact keys rotate` does that and then calls nothing old any more.

    Raises:
        KeysLost: the ring cannot be unwrapped, or encryption is off.
    """
    ring, cipher = load(home, environment), wanted_cipher(environment)
    if ring is None or cipher is None:
        raise KeysLost(f"{CIPHER_VARIABLE}=off，没有可轮换的密钥")
    fresh = _added(ring, (*COMPARTMENTS, LANDING), cipher)
    save(home, fresh, environment)
    return fresh


def save(home: Path, ring: Ring, environment: Mapping[str, str] | None = None) -> None:
    """Write the ring in place of the one that is there; a crash leaves the one or the other."""
    replaced(home / FOLDER / FILE, _wrapped(ring, master_key(home, environment)))


def rewrap(home: Path, fresh: bytes | None = None, environment: Mapping[str, str] | None = None) -> None:
    """Wrap the ring by another master key: `fresh`, or one that is drawn now and kept in the home's file.

    Raises:
        KeysLost: the ring cannot be unwrapped by the present master key, or the environment holds that one: then
            only its service can replace it.
    """
    given = os.environ if environment is None else environment
    ring = load(home, environment)
    if ring is None:
        raise KeysLost("没有密钥环")
    if given.get(MASTER_VARIABLE) and fresh is None:
        raise KeysLost(f"主密钥由 {MASTER_VARIABLE} 提供，请在密钥服务中更换")
    master, folder = fresh or secrets.token_bytes(SECRET), home / FOLDER
    # The ring first holds both wrappings, so that whichever of the two files a crash leaves old still opens it.
    both = json.loads(_wrapped(ring, master)) | {"before": json.loads((folder / FILE).read_bytes())}
    both["before"].pop("before", None)
    replaced(folder / FILE, json.dumps(both, indent=1).encode())
    if not given.get(MASTER_VARIABLE):
        replaced(folder / MASTER, master.hex().encode())
    replaced(folder / FILE, _wrapped(ring, master))


def master_key(home: Path, environment: Mapping[str, str] | None = None) -> bytes:
    """Return the key that wraps the ring; raises `KeysLost` where it is no such key."""
    given = (os.environ if environment is None else environment).get(MASTER_VARIABLE)
    text = given or kept(home / FOLDER / MASTER, lambda: secrets.token_hex(SECRET).encode()).decode()
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != SECRET:
        raise KeysLost("主密钥应为 64 位十六进制数")
    return key


def _added(ring: Ring, compartments: tuple[str, ...], cipher: CipherName) -> Ring:
    keys, active = dict(ring.keys), dict(ring.active)
    for compartment in compartments:
        number = int(active[compartment].rpartition(".")[2]) + 1 if compartment in active else 1
        key = Key(f"{compartment}.{number}", cipher, secrets.token_bytes(SECRET))
        keys[key.name], active[compartment] = key, key.name
    return Ring(keys, active)


def _wrapped(ring: Ring, master: bytes) -> bytes:
    lines = {}
    for name, key in ring.keys.items():
        nonce = secrets.token_bytes(12)
        sealed = nonce + AESGCM(master).encrypt(nonce, key.secret, f"{name} {key.cipher}".encode())
        lines[name] = {"cipher": key.cipher, "wrapped": sealed.hex()}
    return json.dumps({"active": dict(ring.active), "keys": lines}, indent=1).encode()


def _unwrapped(content: bytes, master: bytes) -> Ring:
    try:
        document = json.loads(content)
        for read in (document, document.get("before")):
            try:
                return _ring(read, master)
            except InvalidTag:
                if read is not document or "before" not in document:
                    raise
    except (InvalidTag, ValueError, KeyError, TypeError) as problem:
        raise KeysLost(f"{FILE} 与主密钥不符") from problem
    raise AssertionError  # the loop returns or raises


def _ring(document: Mapping[str, Mapping[str, Mapping[str, str]]], master: bytes) -> Ring:
    keys = {}
    for name, line in document["keys"].items():
        sealed = bytes.fromhex(line["wrapped"])
        secret = AESGCM(master).decrypt(sealed[:12], sealed[12:], f"{name} {line['cipher']}".encode())
        keys[name] = Key(name, line["cipher"], secret)  # type: ignore[arg-type]
    return Ring(keys, document["active"])  # type: ignore[arg-type]

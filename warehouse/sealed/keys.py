"""The keys of the log (密钥): one to sign checkpoints, one to name a value without showing it.

They come from the environment where a key service puts them there, else from files of the home that only its owner reads,
made the first time they are needed.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

FOLDER = "keys"
"""In the home; the folder is closed to others."""

SIGNING, PUBLIC, NAMING = "log-ed25519.pem", "log-ed25519.pub", "log-hmac.key"

SIGNING_VARIABLE, NAMING_VARIABLE, SCHEME_VARIABLE = "ONEFACT_LOG_KEY", "ONEFACT_LOG_HMAC", "ONEFACT_LOG_SIGNATURE"
"""Environment: the signing key (PEM), the HMAC key (hex), the scheme of signatures."""


class NoSuchScheme(Exception):
    """Checkpoints cannot be signed so on this machine."""

    def __init__(self, scheme: str) -> None:
        super().__init__(
            f"检查点签名方案 {scheme} 在本机不可用：所用的 cryptography 库不含 SM2。请用 ed25519，或在检查点导出后由密码机另行加签。"
        )


class KeyUnreadable(Exception):
    """A key is not what it should be; the message never repeats it."""

    def __init__(self, where: str) -> None:
        super().__init__(f"{where}: not a key of the expected kind (密钥无法读取).")


@dataclass(frozen=True)
class Keys:
    """The keys of one installation; nothing of them is shown when this is printed."""

    signing: Ed25519PrivateKey = field(repr=False)
    naming: bytes = field(repr=False)

    @property
    def public(self) -> Ed25519PublicKey:
        """What others verify checkpoints with."""
        return self.signing.public_key()

    def named(self, value: str, masked: str) -> dict[str, str]:
        """Return what may stand in the log for a value that must be named: its HMAC and its masked form.

        Whoever holds the value and the key can show that it was meant; nobody can read it out of the log, and when a person
        has to be forgotten the log need not change.
        """
        return {"hmac": hmac.new(self.naming, value.encode(), hashlib.sha256).hexdigest(), "masked": masked}


def load(home: Path, environment: Mapping[str, str] | None = None) -> Keys:
    """Return the keys of a home, made now where there are none.

    Raises:
        NoSuchScheme: the scheme of signatures asked for is not to be had.
        KeyUnreadable: a file or variable holds no such key.
    """
    given = os.environ if environment is None else environment
    scheme = given.get(SCHEME_VARIABLE) or "ed25519"
    if scheme != "ed25519":
        raise NoSuchScheme(scheme)
    folder = home / FOLDER
    pem = given.get(SIGNING_VARIABLE, "").encode() or _kept(folder / SIGNING, _fresh_signing)
    named = given.get(NAMING_VARIABLE) or _kept(folder / NAMING, lambda: secrets.token_hex(32).encode()).decode()
    try:
        signing = serialization.load_pem_private_key(pem, password=None)
        naming = bytes.fromhex(named.strip())
    except ValueError as problem:
        raise KeyUnreadable(str(folder)) from problem
    if not isinstance(signing, Ed25519PrivateKey) or len(naming) < 16:
        raise KeyUnreadable(str(folder))
    return Keys(signing, naming)


def _fresh_signing() -> bytes:
    kind, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return Ed25519PrivateKey.generate().private_bytes(serialization.Encoding.PEM, kind, none)


def _kept(path: Path, fresh: Callable[[], bytes]) -> bytes:
    """Return a key file's content, written now when it is missing; of two that write at once one wins for both."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(fresh())
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(beside, path)
        except FileExistsError:
            pass
        finally:
            beside.unlink()
    return path.read_bytes()


def public_text(key: Ed25519PublicKey) -> bytes:
    """Return a public key as PEM."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def public_of(pem: bytes, where: str = "key") -> Ed25519PublicKey:
    """Return the public key of a PEM; raises `KeyUnreadable`."""
    try:
        key = serialization.load_pem_public_key(pem)
    except ValueError as problem:
        raise KeyUnreadable(where) from problem
    if not isinstance(key, Ed25519PublicKey):
        raise KeyUnreadable(where)
    return key


def fingerprint(key: Ed25519PublicKey) -> str:
    """Return the short name of a key: the beginning of the SHA-256 of its PEM."""
    return hashlib.sha256(public_text(key)).hexdigest()[:16]


def signed_by(key: Ed25519PublicKey, signature: bytes, text: bytes) -> bool:
    """Tell whether a signature over a text is this key's."""
    try:
        key.verify(signature, text)
    except InvalidSignature:
        return False
    return True

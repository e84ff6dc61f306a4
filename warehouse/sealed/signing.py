"""Signing checkpoints (签名): Ed25519 (RFC 8032), or SM2 (GB/T 32918) with SM3 by setting.

SM2 comes from the system's `openssl` (3.0 or newer), since the library has none; where that is missing it is refused, never
replaced by something else. The private key goes to it through a pipe: it stands on no command line and in no file of its own.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SCHEMES: Final = ("ed25519", "sm2")

FIRST: Final = "ed25519"

_OPENSSL: Final = "openssl"

_SM2: Final = ("-rawin", "-digest", "sm3", "-pkeyopt", "distid:1234567812345678")
"""SM3 over the message with the signer's identity that GB/T 35276 gives where none is agreed."""

_PATIENCE: Final = 20


class NoSuchScheme(Exception):
    """Checkpoints cannot be signed so on this machine."""

    def __init__(self, scheme: str) -> None:
        super().__init__(
            f"检查点签名方案 {scheme} 在本机不可用：可用 ed25519，或 sm2（需要系统命令 openssl 3.0 以上，且带国密算法；"
            "Debian、Ubuntu：apt-get install openssl）。不会改用别的方案代签。"
        )


class KeyUnreadable(Exception):
    """A key is not what it should be; the message never repeats it."""

    def __init__(self, where: str) -> None:
        super().__init__(f"{where}: not a key of the expected kind (密钥无法读取).")


@cache
def sm2_here() -> bool:
    """Tell whether this machine's `openssl` makes, uses and checks SM2 keys."""
    if shutil.which(_OPENSSL) is None:
        return False
    try:
        pem = _fresh_sm2()
        public = _openssl("pkey", "-in", "/dev/stdin", "-pubout", given=pem)
        return _sm2_verified(public, _sm2_signed(pem, b"onefact"), b"onefact")
    except KeyUnreadable:
        return False


def fresh(scheme: str) -> bytes:
    """Return a new private key (PEM); raises `NoSuchScheme`."""
    needs(scheme)
    if scheme == "sm2":
        return _fresh_sm2()
    kind, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return Ed25519PrivateKey.generate().private_bytes(serialization.Encoding.PEM, kind, none)


def needs(scheme: str) -> None:
    """Raise `NoSuchScheme` unless this machine can sign so."""
    if scheme not in SCHEMES or (scheme == "sm2" and not sm2_here()):
        raise NoSuchScheme(scheme)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """What others verify checkpoints with."""

    scheme: str
    pem: bytes

    @property
    def fingerprint(self) -> str:
        """The short name of the key: the beginning of the SHA-256 of its PEM."""
        return hashlib.sha256(self.pem).hexdigest()[:16]

    def verifies(self, signature: bytes, text: bytes) -> bool:
        """Tell whether a signature over a text is this key's; raises `NoSuchScheme` where that cannot be told here."""
        if self.scheme == "sm2":
            needs("sm2")
            return _sm2_verified(self.pem, signature, text)
        key = serialization.load_pem_public_key(self.pem)
        assert isinstance(key, Ed25519PublicKey)  # noqa: S101 - as it was made
        try:
            key.verify(signature, text)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The private key of an installation; nothing of it is shown when this is printed."""

    public: PublicKey
    pem: bytes = field(repr=False)

    def sign(self, text: bytes) -> bytes:
        """Return the signature over a text."""
        if self.public.scheme == "sm2":
            return _sm2_signed(self.pem, text)
        key = serialization.load_pem_private_key(self.pem, password=None)
        assert isinstance(key, Ed25519PrivateKey)  # noqa: S101 - as it was read
        return key.sign(text)


def private_of(pem: bytes, scheme: str, where: str) -> SigningKey:
    """Return the signing key of a PEM.

    Raises:
        NoSuchScheme: this machine cannot sign so.
        KeyUnreadable: it is no key of the scheme.
    """
    needs(scheme)
    if scheme == "sm2":
        public = public_of(_openssl("pkey", "-in", "/dev/stdin", "-pubout", given=pem, where=where), where)
        if public.scheme != "sm2":
            raise KeyUnreadable(where)
        return SigningKey(public, pem)
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, UnsupportedAlgorithm) as problem:
        raise KeyUnreadable(where) from problem
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyUnreadable(where)
    text = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return SigningKey(PublicKey("ed25519", text), pem)


def public_of(pem: bytes, where: str = "key") -> PublicKey:
    """Return the public key of a PEM; raises `KeyUnreadable`."""
    try:
        if isinstance(serialization.load_pem_public_key(pem), Ed25519PublicKey):
            return PublicKey("ed25519", pem)
    except (ValueError, UnsupportedAlgorithm):
        pass
    told = _openssl("pkey", "-pubin", "-in", "/dev/stdin", "-noout", "-text", given=pem, where=where)
    if b"OID: SM2" not in told:
        raise KeyUnreadable(where)
    return PublicKey("sm2", pem)


def _fresh_sm2() -> bytes:
    return _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:SM2")


def _sm2_signed(pem: bytes, text: bytes) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        (message := Path(folder) / "text").write_bytes(text)
        return _openssl("pkeyutl", "-sign", "-inkey", "/dev/stdin", *_SM2, "-in", str(message), given=pem)


def _sm2_verified(pem: bytes, signature: bytes, text: bytes) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        (message := Path(folder) / "text").write_bytes(text)
        (signed := Path(folder) / "signature").write_bytes(signature)
        words = ("-verify", "-pubin", "-inkey", "/dev/stdin", *_SM2, "-in", str(message), "-sigfile", str(signed))
        try:
            _openssl("pkeyutl", *words, given=pem)
        except KeyUnreadable:
            return False
        return True


def _openssl(*words: str, given: bytes = b"", where: str = _OPENSSL) -> bytes:
    """Run `openssl`; raises `KeyUnreadable` when it does not do what it is told (its words may hold the key: they are dropped)."""
    program = shutil.which(_OPENSSL)
    if program is None:
        raise KeyUnreadable(where)
    try:
        done = subprocess.run([program, *words], input=given, capture_output=True, timeout=_PATIENCE, check=True)  # noqa: S603 - our own words
    except (subprocess.SubprocessError, OSError) as problem:
        raise KeyUnreadable(where) from problem
    return done.stdout

"""The ciphers that seal a value (密码算法): SM4-GCM or AES-256-GCM, both through `cryptography`.

GCM breaks when one nonce meets two texts under one key, so a nonce is not drawn but derived: HMAC over context and text
(the idea of SIV, RFC 5297). The same text in the same context gives the same sealed text, which lets PostgreSQL tell whether a
value has changed without reading it; two texts share a nonce with a chance of one in 2^96.
"""

from __future__ import annotations

import hmac
from typing import Final, Literal

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

CipherName = Literal["sm4", "aes"]

NONCE: Final = 12
TAG: Final = 16
SECRET: Final = 32
"""Bytes of nonce and tag (GB/T 36624, NIST SP 800-38D) and of a key before it is derived."""


class NotOurs(Exception):
    """A text was not sealed with this key, or was changed since."""


class Key:
    """One key, derived into a part that encrypts and a part that makes nonces; nothing of it is shown when it is printed.

    Args:
        name: compartment and number, e.g. `base.1`; authenticated with every text.
        cipher: sm4 or aes.
        secret: 32 random bytes.
    """

    __slots__ = ("_aes", "_encrypt", "_hash", "_mark", "_nonce", "cipher", "name", "secret")

    def __init__(self, name: str, cipher: CipherName, secret: bytes) -> None:
        self.name, self.cipher, self.secret = name, cipher, secret
        self._encrypt = self._derived("encrypt", 16 if cipher == "sm4" else 32)
        self._nonce, self._mark = self._derived("nonce", 32), self._derived("mark", 16)
        self._hash = "sm3" if cipher == "sm4" else "sha256"
        self._aes = AESGCM(self._encrypt) if cipher == "aes" else None

    def __repr__(self) -> str:
        return f"Key({self.name!r}, {self.cipher!r})"

    @property
    def mark(self) -> str:
        """What tells this key from another of its name and may be shown."""
        return self._mark.hex()

    def seal(self, text: bytes, context: bytes) -> bytes:
        """Return nonce, sealed text and tag."""
        nonce = hmac.digest(self._nonce, context + b"\x00" + text, self._hash)[:NONCE]
        if self._aes is not None:
            return nonce + self._aes.encrypt(nonce, text, self.name.encode())
        sealer = Cipher(algorithms.SM4(self._encrypt), modes.GCM(nonce)).encryptor()
        sealer.authenticate_additional_data(self.name.encode())
        return nonce + sealer.update(text) + sealer.finalize() + sealer.tag

    def open(self, sealed: bytes) -> bytes:
        """Return the text; raises `NotOurs`."""
        if len(sealed) < NONCE + TAG:
            raise NotOurs
        try:
            if self._aes is not None:
                return self._aes.decrypt(sealed[:NONCE], sealed[NONCE:], self.name.encode())
            opener = Cipher(
                algorithms.SM4(self._encrypt), modes.GCM(sealed[:NONCE], sealed[-TAG:])
            ).decryptor()  # the tag is checked when it is finalised
            opener.authenticate_additional_data(self.name.encode())
            return opener.update(sealed[NONCE:-TAG]) + opener.finalize()
        except InvalidTag as problem:
            raise NotOurs from problem

    def blind(self, text: bytes) -> str:
        """Return the keyed hash of a text: equal texts are found by it, and nothing is read out of it (盲索引)."""
        return hmac.digest(self._nonce, b"blind\x00" + text, self._hash)[:16].hex()

    def _derived(self, purpose: str, length: int) -> bytes:
        return HKDF(hashes.SHA256(), length, None, f"onefact {self.cipher} {purpose}".encode()).derive(self.secret)


def available() -> CipherName:
    """Return the cipher to begin with: SM4 where the library has it, else AES."""
    try:
        Cipher(algorithms.SM4(bytes(16)), modes.GCM(bytes(NONCE))).encryptor().update(b"")
    except UnsupportedAlgorithm:
        return "aes"
    return "sm4"

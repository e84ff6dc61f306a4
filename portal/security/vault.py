"""The portal's key (门户密钥): what seals secrets of accounts in the database, kept in a file that only the owner reads.

AES-256-GCM with a random nonce; what is sealed is bound to the account it belongs to, so that a row copied to another account
opens nothing. `ONEFACT_PORTAL_KEY` (64 hex digits) takes the place of the file where a key service provides it.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from warehouse.key_files import kept

VARIABLE: Final = "ONEFACT_PORTAL_KEY"
FILE: Final = Path("portal") / "accounts.key"
NONCE: Final = 12


class KeyLost(Exception):
    """What was sealed cannot be opened: the key is another, or the row was tampered with."""

    def __init__(self) -> None:
        super().__init__("门户密钥与数据库不符：请恢复密钥文件，或由安全管理员重置账号。")


def key(home: Path, environment: Mapping[str, str] | None = None) -> bytes:
    """Return the key of a home, made now where there is none."""
    given = (os.environ if environment is None else environment).get(VARIABLE)
    if given:
        return bytes.fromhex(given)
    return kept(home / FILE, lambda: AESGCM.generate_key(256))


def seal(key: bytes, content: bytes, owner: str) -> bytes:
    """Seal a secret of an owner."""
    nonce = secrets.token_bytes(NONCE)
    return nonce + AESGCM(key).encrypt(nonce, content, owner.encode())


def unseal(key: bytes, sealed: bytes, owner: str) -> bytes:
    """Open a secret of an owner; raises `KeyLost`."""
    try:
        return AESGCM(key).decrypt(sealed[:NONCE], sealed[NONCE:], owner.encode())
    except InvalidTag as problem:
        raise KeyLost from problem

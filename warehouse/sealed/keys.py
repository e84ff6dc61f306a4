"""The keys of the log (密钥): one to sign checkpoints, one to name a value without showing it.

They come from the environment where a key service puts them there, else from files of the home that only its owner reads,
made the first time they are needed.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from warehouse.key_files import FOLDER, kept
from warehouse.sealed.signing import (
    FIRST,
    SCHEMES,
    KeyUnreadable,
    NoSuchScheme,
    PublicKey,
    SigningKey,
    fresh,
    needs,
    private_of,
    public_of,
)

__all__ = ["KeyUnreadable", "Keys", "NoSuchScheme", "PublicKey", "SigningKey", "load", "public_of"]

SIGNING, PUBLIC, NAMING = "log-{}.pem", "log-{}.pub", "log-hmac.key"
"""Names of the files; the first two with the scheme."""

SIGNING_VARIABLE, NAMING_VARIABLE, SCHEME_VARIABLE = "ONEFACT_LOG_KEY", "ONEFACT_LOG_HMAC", "ONEFACT_LOG_SIGNATURE"
"""Environment: the signing key (PEM), the HMAC key (hex), the scheme of signatures."""


@dataclass(frozen=True)
class Keys:
    """The keys of one installation; nothing of them is shown when this is printed."""

    signing: SigningKey = field(repr=False)
    naming: bytes = field(repr=False)
    former: tuple[PublicKey, ...] = ()

    @property
    def public(self) -> PublicKey:
        """What others verify checkpoints with."""
        return self.signing.public

    @property
    def publics(self) -> tuple[PublicKey, ...]:
        """All public keys with which checkpoints were signed here: the present one, and those of schemes used before."""
        return (self.public, *self.former)

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
    scheme = given.get(SCHEME_VARIABLE) or FIRST
    needs(scheme)
    folder = home / FOLDER
    pem = given.get(SIGNING_VARIABLE, "").encode() or kept(folder / SIGNING.format(scheme), lambda: fresh(scheme))
    named = given.get(NAMING_VARIABLE) or kept(folder / NAMING, lambda: secrets.token_hex(32).encode()).decode()
    try:
        naming = bytes.fromhex(named.strip())
    except ValueError as problem:
        raise KeyUnreadable(str(folder)) from problem
    if len(naming) < 16:
        raise KeyUnreadable(str(folder))
    return Keys(private_of(pem, scheme, str(folder)), naming, _former(folder, scheme))


def _former(folder: Path, scheme: str) -> tuple[PublicKey, ...]:
    """The public keys of the schemes used before; one that this machine can no longer use is left out."""
    found = []
    for other in SCHEMES:
        path = folder / SIGNING.format(other)
        if other != scheme and path.exists():
            try:
                found.append(private_of(path.read_bytes(), other, str(folder)).public)
            except NoSuchScheme:
                continue
    return tuple(found)

"""The second factor (动态口令): time-based one-time passwords by RFC 6238, as every authenticator app makes them.

SHA-1, six digits, thirty seconds: the one combination that all apps know. A code counts once, and one step early or late.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import struct
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlencode

STEP: Final = 30
"""Seconds for which a code stands."""

DIGITS: Final = 6

DRIFT: Final = 1
"""Steps that the clock of a phone may be off."""


def fresh() -> bytes:
    """Return a new secret of 160 bits (RFC 4226, section 4)."""
    return secrets.token_bytes(20)


def code(secret: bytes, step: int) -> str:
    """Return the code of a time step (RFC 4226, section 5.3)."""
    digest = hmac.new(secret, struct.pack(">Q", step), hashlib.sha1).digest()
    offset = digest[-1] & 0x0F
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}d}"


def accepted(secret: bytes, given: str, now: datetime, last_step: int | None) -> int | None:
    """Return the time step of a code that is right now and later than the last one used; None when it is not."""
    typed, present = given.replace(" ", ""), int(now.timestamp()) // STEP
    found = None
    for step in range(present - DRIFT, present + DRIFT + 1):
        right = hmac.compare_digest(code(secret, step).encode(), typed.encode())
        if right and (last_step is None or step > last_step):
            found = step
    return found


def spelled(secret: bytes) -> str:
    """Return the secret in Base32, in groups of four, to type into an app."""
    text = base64.b32encode(secret).decode().rstrip("=")
    return " ".join(text[i : i + 4] for i in range(0, len(text), 4))


def address(secret: bytes, login: str, issuer: str) -> str:
    """Return the `otpauth://` address that apps take."""
    label = quote(f"{issuer}:{login}")
    text = base64.b32encode(secret).decode().rstrip("=")
    return f"otpauth://totp/{label}?{urlencode({'secret': text, 'issuer': issuer})}"

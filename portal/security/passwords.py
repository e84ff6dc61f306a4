"""Passwords (口令): argon2id, and the rule for new ones."""

from __future__ import annotations

import secrets
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

LEAST: Final = 12
"""Characters that a password has at least; length is worth more than mixed signs."""

LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"
"""Signs of a password that is read from paper: none that looks like another."""


class PasswordTooWeak(ValueError):
    """A new password that is too short or says the login."""


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()  # RFC 9106, low memory: 64 MiB, 3 passes


@cache
def _decoy() -> str:
    return _hasher().hash(secrets.token_hex(16))


def hashed(password: str) -> str:
    """Return the argon2id hash of a password, with its own salt and parameters in it."""
    return _hasher().hash(password)


def fits(kept: str | None, password: str) -> bool:
    """Return whether a password is right; takes the same time where there is none, so that logins cannot be listed."""
    try:
        return _hasher().verify(kept or _decoy(), password) and kept is not None
    except (VerifyMismatchError, InvalidHashError):
        return False


def check_new(login: str, password: str) -> None:
    """Raise `PasswordTooWeak` with a sentence for the person when a new password will not do."""
    if len(password) < LEAST:
        raise PasswordTooWeak(f"口令至少 {LEAST} 个字符。")
    if login.lower() in password.lower() or len(set(password)) < 5:
        raise PasswordTooWeak("口令不能包含账号，也不能只用很少几个字符。")


def given() -> str:
    """Return a password to hand out on paper, 16 signs in groups of four."""
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(4))

"""How a portal is set up (门户设置): what an installation may change, with safe values where nothing is said."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Lockout:
    """How guessing is slowed down.

    Attributes:
        tries: wrong passwords or codes in a row before the account is locked.
        minutes: how long it stays locked.
        address_tries: wrong tries from one address within `minutes`, whatever the account.
    """

    tries: int = 5
    minutes: int = 15
    address_tries: int = 50


@dataclass(frozen=True, slots=True)
class Provider:
    """An identity provider (统一身份认证) that speaks OpenID Connect.

    Attributes:
        name: what the button says.
        discovery: URL of its `.well-known/openid-configuration`.
        client_id, client_secret: as registered there; the secret comes from the environment.
    """

    name: str
    discovery: str
    client_id: str
    client_secret: str


@dataclass(frozen=True, slots=True)
class Settings:
    """The portal's settings.

    Attributes:
        title: shown in the head of every page.
        place: the installation's place, beside the title.
        idle, longest: when a session ends by itself.
        second_factor: roles that must have a second factor before they may go on.
        upload_bytes: greatest body of a request.
        reveals_per_hour: single fields that one account may have shown unmasked.
        provider: the identity provider; None = local accounts only.
        local_accounts: whether a password opens the portal where a provider is set.
    """

    title: str = "一数一源"
    place: str = ""
    idle: timedelta = timedelta(minutes=30)
    longest: timedelta = timedelta(hours=8)
    lockout: Lockout = field(default_factory=Lockout)
    second_factor: frozenset[str] = frozenset({"sysadmin", "secadmin", "auditor"})
    upload_bytes: int = 20_000_000
    reveals_per_hour: int = 30
    provider: Provider | None = None
    local_accounts: bool = True

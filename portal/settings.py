"""How a portal is set up (门户设置): `portal.yaml` in the home, with safe values where nothing is said."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

FILE: Final = "portal.yaml"
SECRET_VARIABLE: Final = "ONEFACT_OIDC_SECRET"  # noqa: S105 - the name of a variable


class SettingsUnreadable(Exception):
    """The file of the settings is not what it should be; a portal is not opened by guessed settings."""

    def __init__(self, why: str) -> None:
        super().__init__(f"{FILE}: {why}. Correct it, or remove it: the defaults count then.")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Lockout(_Part):
    """How guessing is slowed down.

    Attributes:
        tries: wrong passwords or codes in a row before the account is locked.
        minutes: how long it stays locked.
        address_tries: wrong tries from one address within `minutes`, whatever the account.
    """

    tries: int = Field(default=5, ge=1)
    minutes: int = Field(default=15, ge=1)
    address_tries: int = Field(default=50, ge=1)


class Provider(_Part):
    """An identity provider (统一身份认证) that speaks OpenID Connect.

    Attributes:
        name: what the button says.
        issuer: URL whose `.well-known/openid-configuration` describes it.
        client_id, client_secret: as registered there; the secret comes from the environment (ONEFACT_OIDC_SECRET).
        authority: PEM file of the authority that signed its certificate, where the system does not know it.
    """

    name: str = "统一身份认证"
    issuer: str
    client_id: str
    client_secret: str = Field(default="", repr=False)
    authority: Path | None = None


class Settings(_Part):
    """The portal's settings.

    Attributes:
        title: shown in the head of every page.
        place: the installation's place, beside the title.
        idle, longest: when a session ends by itself.
        second_factor: roles that must have a second factor before they may go on.
        upload_bytes: greatest body of a request.
        reveals_per_hour: single fields that one account may have shown unmasked.
        exported_rows_alone: rows of one file that need no second person's yes.
        searches_per_minute: searches of one account through the JSON interface.
        exported_rows_per_day: rows that one account may take out as files within 24 hours without such a yes.
        provider: the identity provider; None = local accounts only.
        local_accounts: whether a password opens the portal where a provider is set.
    """

    title: str = "一数一源"
    place: str = ""
    idle: timedelta = timedelta(minutes=30)
    longest: timedelta = timedelta(hours=8)
    lockout: Lockout = Lockout()
    second_factor: frozenset[str] = frozenset({"sysadmin", "secadmin", "auditor"})
    upload_bytes: int = Field(default=20_000_000, ge=100_000)
    reveals_per_hour: int = Field(default=30, ge=0)
    exported_rows_alone: int = Field(default=1_000, ge=0)
    searches_per_minute: int = Field(default=60, ge=1)
    exported_rows_per_day: int = Field(default=20_000, ge=0)
    provider: Provider | None = None
    local_accounts: bool = True


def load(home: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of a home; raises `SettingsUnreadable`."""
    given = os.environ if environment is None else environment
    path = home / FILE
    if not path.exists():
        return Settings()
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        settings = Settings.model_validate(document)
    except yaml.YAMLError as problem:
        raise SettingsUnreadable("no valid YAML") from problem
    except ValidationError as problem:
        first = problem.errors()[0]
        raise SettingsUnreadable(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from problem
    if settings.provider is None or SECRET_VARIABLE not in given:
        return settings
    secret = {"client_secret": given[SECRET_VARIABLE]}
    return settings.model_copy(update={"provider": settings.provider.model_copy(update=secret)})

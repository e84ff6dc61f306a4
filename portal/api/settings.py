"""Settings of the API (`api.yaml` in the home): which hosts may be told of changes, and how patiently."""

from __future__ import annotations

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from onefact.home import Home

FILE = "api.yaml"


class SettingsUnreadable(Exception):
    """The file of the settings is not what it should be."""

    def __init__(self, why: str) -> None:
        super().__init__(f"{FILE}: {why}. Correct it, or remove it: the defaults count then.")


class ApiSettings(BaseModel):
    """What an installation may change.

    Attributes:
        webhook_hosts: `host` or `host:port` that may be called; none by default, so that no account makes the portal
            call an address of its choice inside the network.
        webhook_plain: hosts that may be called without TLS (an internal bus on the same machine).
        timeout_seconds: of one call.
        retry_minutes: pauses between the tries; after the last one the subscription is paused.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    webhook_hosts: tuple[str, ...] = ()
    webhook_plain: tuple[str, ...] = ()
    timeout_seconds: float = Field(default=10, gt=0, le=60)
    retry_minutes: tuple[float, ...] = (1, 5, 30, 120, 360, 1440)


def load(home: Home) -> ApiSettings:
    """Return the settings of a home; raises `SettingsUnreadable`."""
    path = home.path / FILE
    if not path.exists():
        return ApiSettings()
    try:
        return ApiSettings.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except yaml.YAMLError as problem:
        raise SettingsUnreadable("no valid YAML") from problem
    except ValidationError as problem:
        first = problem.errors()[0]
        raise SettingsUnreadable(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from problem

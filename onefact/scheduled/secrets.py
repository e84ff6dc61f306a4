"""Addresses and passwords from the scheduler's own store (连接与密钥): its connections become the manifests' variables.

A connection `onefact_master` is the PostgreSQL master; the extra of `onefact_<system>` holds that system's `${NAME}` values.
They are put into the environment of the task's own process and nowhere else.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Protocol

MASTER = "onefact_master"


class Connected(Protocol):
    """What of a scheduler's connection is used."""

    @property
    def extra(self) -> str | None:
        """JSON of further values."""
        ...

    def get_uri(self) -> str:
        """The connection as a URI."""
        ...


def into_environment(master: Connected | None, systems: Iterable[Connected]) -> list[str]:
    """Set `ONEFACT_DATABASE_URL` and the variables of the systems for this process; return their names, never values."""
    values: dict[str, str] = {}
    if master is not None:
        values["ONEFACT_DATABASE_URL"] = master.get_uri().replace("postgres://", "postgresql://", 1)
    for system in systems:
        values |= {str(name): str(value) for name, value in json.loads(system.extra or "{}").items()}
    os.environ.update(values)
    return sorted(values)

"""Settings of quality (`quality.yaml` in the home): the gate, work orders, waivers, an installation's own rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from onefact.home import Home
from quality.catalogue import OWN_RULES, Catalogue, WaiverText, load

FILE = "quality.yaml"
"""In the home; without it the defaults count."""

RULES = "rules"
"""Folder in the home with an installation's own rules, beside the shipped ones."""


class SettingsUnreadable(Exception):
    """The file of the settings is not what it should be; nothing is judged by guessed settings."""

    def __init__(self, why: str) -> None:
        super().__init__(f"{FILE}: {why}. Correct it, or remove it: the defaults count then.")


class Gate(BaseModel):
    """The gate (闸门) before publishing.

    Attributes:
        state: `on` = a failed critical rule stops the consolidation; `warn` = it is only said; `off` = not looked at.
        floor: with fewer rows than this from a system nothing is said: one bad record in three is no broken source.
        great_expectations: a checkpoint of Great Expectations decides, batch by batch; the SQL has to name the same rows.
        postgres: Great Expectations looks at the golden records inside PostgreSQL too, before they are published.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: Literal["on", "warn", "off"] = "on"
    floor: int = Field(default=20, ge=0)
    great_expectations: bool = False
    postgres: bool = False


class WorkOrders(BaseModel):
    """Work orders (工单): working days until they are due, and how many one run may open."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    grid_days: int = Field(default=5, ge=1)
    authority_days: int = Field(default=10, ge=1)
    most: int = Field(default=2000, ge=0)


class Settings(BaseModel):
    """All settings of quality; `keep` is the number of snapshots that stay in the home."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gate: Gate = Gate()
    orders: WorkOrders = WorkOrders()
    keep: int = Field(default=30, ge=1)
    waivers: Mapping[str, tuple[WaiverText, ...]] = Field(default_factory=dict)


def load_settings(home: Home) -> Settings:
    """Return the settings of a home; raises `SettingsUnreadable`."""
    path = home.path / FILE
    if not path.exists():
        return Settings()
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        if (
            isinstance(document, dict)
            and isinstance(gate := document.get("gate"), dict)
            and isinstance(gate.get("state"), bool)
        ):
            gate["state"] = "on" if gate["state"] else "off"  # YAML reads on and off as true and false
        return Settings.model_validate(document)
    except yaml.YAMLError as problem:
        raise SettingsUnreadable("no valid YAML") from problem
    except ValidationError as problem:
        first = problem.errors()[0]
        raise SettingsUnreadable(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from problem


def catalogue(home: Home, settings: Settings | None = None) -> Catalogue:
    """Return the rules that count in an installation: the shipped ones, its own (`rules/` in the home), its waivers."""
    own = home.path / RULES
    folders = (OWN_RULES, own) if own.is_dir() else (OWN_RULES,)
    return load(*folders, waivers=(settings or load_settings(home)).waivers)

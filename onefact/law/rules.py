"""What must never flow (禁止流动的规则), read from `rules.yaml`: each rule has an id, a Chinese name and its article.

A rule of a field and a system is known before anything is planned; a rule about the person concerned (a child, a sealed
source) can only be applied to the change itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml

from connectors.manifest import Manifest
from schemas.model import EntityType, Field


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: its id, its name and article as auditors read them, how it is tested and with what."""

    id: str
    cn: str
    article: str
    kind: str
    with_: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Concerned:
    """What is known of the person a change is about: birth date, guardian, and the systems its values come from."""

    birth_date: str | None = None
    guardian: str | None = None
    sources: Mapping[str, str] = field(default_factory=dict)

    def under(self, years: int, today: date) -> bool:
        """Tell whether the person has not completed so many years; somebody without birth date counts as grown up."""
        if not self.birth_date:
            return False
        born = date.fromisoformat(self.birth_date)
        age = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
        return age < years


@lru_cache(1)
def rules() -> tuple[Rule, ...]:
    """Return all rules."""
    document = yaml.safe_load(files(__package__).joinpath("rules.yaml").read_text(encoding="utf-8"))
    named = ("id", "cn", "article", "kind")
    return tuple(
        Rule(r["id"], r["cn"], r["article"], r["kind"], {k: v for k, v in r.items() if k not in named})
        for r in document
    )


def rule(rule_id: str) -> Rule:
    """Return a rule by its id."""
    return next(r for r in rules() if r.id == rule_id)


def forbids_field(manifest: Manifest, entity_type: EntityType, field: Field) -> Rule | None:
    """Return the rule by which a field may not be written to a system, whomever it is about."""
    return next((r for r in rules() if _field_test(r, manifest, entity_type, field)), None)


def _field_test(r: Rule, manifest: Manifest, entity_type: EntityType, field: Field) -> bool:
    match r.kind:
        case "not_propagated":
            return not field.propagate
        case "sensitivity":
            return field.sensitivity >= int(r.with_["at_least"])
        case "compartment":
            return field.compartment not in {"base", manifest.compartment}
        case "only_to":
            return f"{entity_type}.{field.name}" in r.with_["fields"] and manifest.id not in r.with_["systems"]
    return False


def forbids_reading(manifest: Manifest) -> Rule | None:
    """Return the rule by which a system may not be read."""
    for r in rules():
        if (
            r.kind == "write_only"
            and manifest.compartment == r.with_["compartment"]
            and manifest.capabilities.read != "none"
        ):
            return r
    return None


def forbids_about(manifest: Manifest, name: str, concerned: Concerned, today: date) -> Rule | None:
    """Return the rule by which this value of this person may not be written to a system."""
    for r in rules():
        if r.kind == "sealed_source":
            source = concerned.sources.get(name)
            sealed = source in r.with_["sources"] and source != manifest.id
            if sealed and concerned.under(int(r.with_["under"]), today):
                return r
        if r.kind == "child" and manifest.id not in r.with_["register_systems"]:
            alone = concerned.under(int(r.with_["under"]), today) and not concerned.guardian
            if alone:
                return r
    return None

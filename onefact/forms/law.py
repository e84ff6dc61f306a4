"""What may stand in a form (依法不填): the rules of flows, applied to a table that goes to a department.

Where the receiver is one of the systems, its compartment and the authorisation register decide, as for every push. Where
nobody is named, only base facts that are not sensitive go into the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from connectors.manifest import Manifest
from onefact.forms.vocabulary import field_of
from onefact.home import Home
from onefact.law.register import load
from onefact.law.rules import Concerned, forbids_about, forbids_field, rule
from schemas.model import EntityType, Field

CHILD = 14


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who receives a form: a system's department, or nobody in particular."""

    manifest: Manifest | None
    authorised: Callable[[str, EntityType, str], bool]
    today: date

    @property
    def name(self) -> str:
        """The receiver as the form's notes name it."""
        return self.manifest.department if self.manifest else "未指明"

    def forbids(self, context: EntityType, meaning: str) -> str | None:
        """Return why a column stays empty; None when it may be filled."""
        if meaning.startswith("@"):
            return None
        return _by_register(self, context, meaning) if self.manifest else _by_default(field_of(context, meaning))

    def omits(self, context: EntityType, values: Mapping[str, str]) -> str | None:
        """Return why an entity is not listed: a child without a guardian goes to the registers only."""
        if context != "person":
            return None
        about = Concerned(values.get("birth_date"), values.get("guardian_name"))
        if self.manifest is not None:
            broken = forbids_about(self.manifest, "name", about, self.today)
        else:
            broken = rule("child_without_guardian") if about.under(CHILD, self.today) and not about.guardian else None
        return f"{broken.cn}（{broken.article}）" if broken else None


def _by_register(to: Receiver, context: EntityType, meaning: str) -> str | None:
    if to.manifest is None:
        return None
    broken = forbids_field(to.manifest, context, field_of(context, meaning))
    if broken is not None:
        return f"{broken.cn}（{broken.article}）"
    own = field_of(context, meaning).authority == to.manifest.id  # what it gave us itself, it may have back
    if not own and not to.authorised(to.manifest.id, context, meaning):
        return f"授权登记中没有向{to.manifest.department}提供该项的有效授权"
    return None


def _by_default(field: Field) -> str | None:
    """Nobody is named: only base facts that are not sensitive."""
    broken = (
        "never_propagated" if not field.propagate
        else "restricted" if field.sensitivity >= 4
        else "compartment" if field.compartment != "base"
        else None
    )  # fmt: skip
    if broken:
        return f"{rule(broken).cn}（{rule(broken).article}）"
    if field.sensitivity >= 3:
        return "敏感个人信息，未指明接收单位和授权（《个人信息保护法》第二十九条）"
    return None


class NoSuchReceiver(Exception):
    """No system has this id."""

    def __init__(self, wanted: str) -> None:
        super().__init__(f"没有编号为“{wanted}”的系统。清单：onefact systems list")


def receiver(home: Home, system: str | None) -> Receiver:
    """Return the receiver of a form; raises `NoSuchReceiver`."""
    today = home.now().date()
    manifest = home.manifests.get(system) if system else None
    if system and manifest is None:
        raise NoSuchReceiver(system)
    lines = load(home) if manifest else None
    return Receiver(manifest, lines.may("out", today) if lines else lambda *_: True, today)

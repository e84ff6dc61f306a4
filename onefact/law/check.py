"""The last look before a change leaves (发送前核验): field by field, by the rules and by the register of this moment."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

import sqlalchemy as sa

from connectors.manifest import Manifest
from onefact.law.register import Register
from onefact.law.rules import Concerned, forbids_about, forbids_field
from schemas.entities import ENTITIES
from schemas.model import EntityType
from schemas.records import Change
from warehouse.outbox.sources import sources_of

UNAUTHORISED: Final = "not_authorised"
"""Rule id of a flow without a line in the register, or with one that was revoked or ran out."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A field of a change that may not leave, and the rule."""

    change: Change
    field: str
    rule: str


def look(
    engine: sa.Engine, manifest: Manifest, register: Register, changes: Sequence[Change], today: date
) -> tuple[list[Change], list[Refused]]:
    """Return the changes without the fields that may not leave, and these fields; a change may be left empty.

    Where a system repeats whole records, golden values that may not leave are taken out of `current` too.
    """
    told = sources_of(engine, [c for c in changes if c.entity_type == "person"])
    forbidden = _forbidden(manifest, changes)
    kept: list[Change] = []
    refused: list[Refused] = []
    for change in changes:
        concerned = _concerned(change, {f: s[0] for f, s in told.get(change.change_id, {}).items()})
        asked = {c.field for c in change.changes}
        rules: dict[str, str] = {}
        for name in {*change.current, *asked}:
            rule = forbidden.get((change.entity_type, name))
            if rule is None and change.entity_type == "person":
                about = forbids_about(manifest, name, concerned, today)
                rule = about.id if about else None
            if (
                rule is None
                and name in asked
                and not register.holds((manifest.id, change.entity_type, name, "out"), today)
            ):
                rule = UNAUTHORISED
            if rule is not None:
                rules[name] = rule
        refused += [Refused(change, c.field, rules[c.field]) for c in change.changes if c.field in rules]
        kept.append(
            replace(
                change,
                changes=tuple(c for c in change.changes if c.field not in rules),
                current={n: v for n, v in change.current.items() if n not in rules},
            )
        )
    return kept, refused


def _forbidden(manifest: Manifest, changes: Sequence[Change]) -> dict[tuple[EntityType, str], str]:
    """(entity, field) -> the rule that forbids it whomever it is about; looked up once for each field of a batch."""
    found = {(c.entity_type, name) for c in changes for name in (*c.current, *(f.field for f in c.changes))}
    rules = {(e, n): forbids_field(manifest, e, ENTITIES[e].field(n)) for e, n in found}
    return {key: rule.id for key, rule in rules.items() if rule is not None}


def _concerned(change: Change, sources: Mapping[str, str]) -> Concerned:
    golden = {**change.current, **{c.field: c.new for c in change.changes if c.new}}
    return Concerned(golden.get("birth_date"), golden.get("guardian_name"), sources)


def write_down(engine: sa.Engine, manifest: Manifest, refused: Sequence[Refused], run_id: str) -> None:
    """Add a row for each refused field, once for a change however often it is taken up; no value is kept."""
    if not refused:
        return
    rows = [{"change_id": int(r.change.change_id), "field": r.field, "rule": r.rule} for r in refused]
    values = {"rows": json.dumps(rows), "run": run_id, "purpose": manifest.purpose}
    with engine.begin() as connection:
        connection.execute(sa.text(REFUSED), values)


REFUSED = """
INSERT INTO refusal (run_id, system_id, entity_type, field, rule, purpose, stage, master_id)
SELECT :run, o.system_id, o.entity_type, v.field, v.rule, :purpose, 'send', o.master_id
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS v(change_id bigint, field text, rule text) JOIN outbox o USING (change_id)
WHERE NOT EXISTS (
    SELECT 1 FROM refusal r WHERE r.at >= o.created_at AND r.stage = 'send' AND r.system_id = o.system_id
    AND r.entity_type = o.entity_type AND r.master_id = o.master_id AND r.field = v.field AND r.rule = v.rule)
"""

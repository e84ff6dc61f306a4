"""Edits on both sides (双向修改): three-way merge per field by authority, after the record was read again.

Base is what we last knew of the record, ours is the golden value, theirs is what the system holds now. Nothing is ever
overwritten because a write was refused: a field is written on the new base only where the golden value's source outranks
the system for this field (一数一源); where the system outranks it, the field is left alone and its value comes in with the
next reading; where neither does, a person or the newer observation decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from schemas.records import Change, FieldChange, Outcome

Rank = Callable[[str, str, str, str], int]
"""(system, entity, role, field) -> authority rank of the system for the field."""


@dataclass(frozen=True, slots=True)
class Merged:
    """What became of a conflict.

    Attributes:
        write: the fields that are still to be written, on the base that the system holds now.
        theirs: fields in which the system is right; its value comes in with the next reading.
        open: fields that nobody can decide here.
    """

    write: tuple[FieldChange, ...] = ()
    theirs: tuple[str, ...] = ()
    open: tuple[str, ...] = ()

    @property
    def outcome(self) -> str:
        """`again` = write what is left, `theirs` = nothing is left to write, `open` = a conflict for a person."""
        return "open" if self.open else "again" if self.write else "theirs"


def merge(change: Change, outcome: Outcome, rank: Rank, source_rank: Callable[[str], int | None]) -> Merged:
    """Merge a change with what the system holds.

    Args:
        change: what was to be written.
        outcome: the conflict, with `held`.
        rank: how much the system speaks for a field.
        source_rank: field -> rank of the source that the golden value comes from; None when unknown.
    """
    write: list[FieldChange] = []
    theirs: list[str] = []
    undecided: list[str] = []
    for field in change.changes:
        held = outcome.held.get(field.field, field.old)
        if held == field.new:
            continue
        if not field.foreign(held):
            write.append(FieldChange(field.field, held, field.new, field.pushed))
            continue
        system = rank(change.system_id, change.entity_type, change.role, field.field)
        source = source_rank(field.field)
        if source is None or source == system:
            undecided.append(field.field)
        elif source > system:
            write.append(FieldChange(field.field, held, field.new, field.pushed))
        else:
            theirs.append(field.field)
    return Merged(tuple(write), tuple(theirs), tuple(undecided))

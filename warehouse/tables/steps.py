"""The states of a change on its way to a system (投递状态), and which may follow which, as data.

PostgreSQL itself refuses any other step (`warehouse.tables.delivery`), whoever asks for it, and writes each step down.
"""

from __future__ import annotations

from typing import Final

TRANSITIONS: Final[dict[str, tuple[str, ...]]] = {
    "planned": ("pending", "dead"),
    "pending": ("planned", "sent", "verified", "rejected", "conflict", "no_answer", "awaiting_person", "dead"),
    "sent": ("verified", "rejected", "conflict", "no_answer", "planned", "dead"),
    "no_answer": ("verified", "sent", "planned", "rejected", "conflict", "dead"),
    "awaiting_person": ("planned", "sent", "verified", "rejected", "dead"),
    "rejected": ("planned", "verified", "dead"),
    "conflict": ("planned", "verified", "dead"),
    "verified": ("planned",),
    "dead": ("planned",),
}
"""State -> the states that may follow.

- planned (待发): waits; pending (在途): in a pusher's hands until its lease runs out; sent (已发): accepted, the receipt or
  the reading that shows it is still due; verified (已核实): read back equal.
- no_answer (无应答): whether it happened is unknown; it is read back before anything is sent again.
- rejected (被拒), conflict (冲突), awaiting_person (待人工录入), dead (终止: superseded, cancelled, or tried too often).
- verified goes back to planned only when the system has lost the value silently (reconciliation).
"""

OPEN: Final = ("planned", "pending", "sent", "no_answer", "awaiting_person")
"""States in which something is still to come without a decision."""

UNANSWERED: Final = ("exported", "no_receipt", "typed_by_person")
"""Codes of `sent` changes to which no answer will ever come: a one-way export, a folder without receipts, a form that a
person has filled in and nobody has read back."""

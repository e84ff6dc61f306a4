"""The outbox (发件箱): what each system lacks, on its way there.

`claim` takes changes into a pusher's hands, `settle` records what became of them, `queries` looks, `decide` is what a
person may do with a change, `targets` keeps the breaker and the holds of the systems.
"""

from __future__ import annotations

from warehouse.outbox.claim import LEASE_SECONDS, Claimed, claim, doubtful, renew, withhold
from warehouse.outbox.decide import cancel, retry
from warehouse.outbox.queries import (
    Row,
    Step,
    find,
    in_state,
    last_sent,
    named,
    next_due,
    of_run,
    overdue,
    peek,
    rows,
    states,
    steps,
    unanswered,
    waiting,
)
from warehouse.outbox.settle import Pause, settle

__all__ = [
    "LEASE_SECONDS",
    "Claimed",
    "Pause",
    "Row",
    "Step",
    "cancel",
    "claim",
    "doubtful",
    "find",
    "in_state",
    "last_sent",
    "named",
    "next_due",
    "of_run",
    "overdue",
    "peek",
    "renew",
    "retry",
    "rows",
    "settle",
    "states",
    "steps",
    "unanswered",
    "waiting",
    "withhold",
]

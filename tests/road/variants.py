"""Deliveries with a safeguard taken out, to see that the proof notices (破坏性变体)."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from connectors.kinds.frontdb import FrontdbConnector
from onefact.delivery import pusher
from onefact.delivery.recover import NOT_THERE
from schemas.records import Change, FieldChange, Outcome
from warehouse.outbox.changes import change_of

CLAIM = sys.modules["warehouse.outbox.claim"]  # the package shows its function under this name
VARIANTS = ("no compare before write", "no idempotency key", "no read-back", "no echo compare")


@contextmanager
def broken(variant: str) -> Iterator[None]:
    """Take a safeguard out while the block runs."""
    match variant:
        case "no compare before write":
            with patch.object(FieldChange, "foreign", lambda *_: False):
                yield
        case "no idempotency key":
            with patch.object(CLAIM, "change_of", _without_key), patch.object(FrontdbConnector, "_due", _all_due):
                yield
        case "no read-back":
            with patch.object(pusher, "recover", _blind), _writing_blindly():
                yield
        case "no echo compare":
            with patch.object(FieldChange, "foreign", lambda self, held: held not in {self.old, self.new}):
                yield
        case _:
            raise ValueError(variant)


def _without_key(*given: Any) -> Change:
    return replace(change_of(*given), key=secrets.token_hex(8))


def _all_due(_: object, __: str, ready: Sequence[Any]) -> tuple[list[Any], list[Outcome]]:
    return list(ready), []


def _blind(_: object, __: object, doubtful: Sequence[Any]) -> list[Outcome]:
    return [Outcome(c.change.change_id, "planned", "sent_again", NOT_THERE) for c in doubtful]


@contextmanager
def _writing_blindly() -> Iterator[None]:
    """Nothing is looked at before it is written either, and every try is a new one to the target."""

    def due(
        _: object, __: str, changes: Sequence[Change], ___: object
    ) -> Mapping[str, tuple[str, dict[str, str | None]]]:
        return {c.change_id: ("due", {}) for c in changes}

    with ExitStack() as stack:
        for place, other in (
            ("connectors.late.standings", due),
            *((f"connectors.kinds.{m}.standings", due) for m in ("form", "queue", "webhook", "frontdb")),
            ("connectors.kinds.rest_batch.BatchWriter._before", lambda *_: None),
        ):
            stack.enter_context(patch(place, other))
        stack.enter_context(patch.object(CLAIM, "change_of", _without_key))
        yield

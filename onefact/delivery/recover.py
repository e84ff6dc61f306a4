"""Unknown is not failed (不明不等于失败): what nobody answered is read back before anything is sent again."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

import pyarrow as pa

from connectors.base import Connector
from connectors.manifest import Manifest
from connectors.readback import compare
from schemas.records import Change, Outcome
from warehouse.outbox import Claimed

NOT_THERE = "回读：系统中尚无新值，稍后重发"
THERE = "回读：系统中已是新值"
UNSEEN = "无法回读，等待下一次采集核对"


@runtime_checkable
class Resumes(Protocol):
    """A connector that keeps what it sent: it knows of a change in doubt that it is on its way (files and workbooks)."""

    def resume(self, changes: Sequence[Change], withheld: Collection[str] = ()) -> Iterator[Outcome]:
        """Yield an outcome for each change that was sent before and is not shown yet; none for the others.

        A file with a change whose key is `withheld` (it may not leave any more) is not put there again.
        """
        ...


def recover(
    manifest: Manifest, connector: Connector, doubtful: Sequence[Claimed], withheld: Collection[str] = ()
) -> list[Outcome]:
    """Return one outcome for each doubtful change: verified where the system holds it, else planned again.

    What a connector itself knows to be on its way comes first: a file may not show in a reading for a day.

    Sending again is safe: the idempotency key is the same, and every connector compares before it writes. A record that
    was perhaps created cannot be looked up by its key, since the target makes the key. It is sent again only where the
    target recognises a repeated key; elsewhere it stays without answer, until a reading of the system shows it.

    `withheld` has the keys of changes that the law holds back by now: they are looked for, and not sent by this.
    """
    outcomes: list[Outcome] = []
    if isinstance(connector, Resumes):
        outcomes += connector.resume([c.change for c in doubtful], withheld)
        known = {o.change_id for o in outcomes}
        doubtful = [c for c in doubtful if c.change.change_id not in known]
    by_place: dict[tuple[str, str], list[Change]] = {}
    for claimed in doubtful:
        change = claimed.change
        if change.record_key is None:
            outcomes.append(_created(manifest, change))
        elif manifest.capabilities.read == "none":
            outcomes.append(Outcome(change.change_id, "planned", "sent_again", NOT_THERE))
        else:
            by_place.setdefault((change.dataset, change.role), []).append(change)
    for (dataset, role), changes in by_place.items():
        rows = connector.read_back(dataset, list(dict.fromkeys(c.record_key or "" for c in changes)))
        outcomes += _judged(manifest, dataset, role, changes, rows)
    return outcomes


def _judged(manifest: Manifest, dataset: str, role: str, changes: Sequence[Change], rows: pa.Table) -> list[Outcome]:
    result: Mapping[str, tuple[bool, list[str]]] = compare(manifest, dataset, role, changes, rows)
    return [
        Outcome(c.change_id, "verified", "read_back", THERE, record_key=c.record_key)
        if result[c.change_id][0]
        else Outcome(c.change_id, "planned", "not_there", NOT_THERE)
        for c in changes
    ]


def _created(manifest: Manifest, change: Change) -> Outcome:
    if manifest.recognises_keys:
        return Outcome(change.change_id, "planned", "sent_again", NOT_THERE)
    return Outcome(change.change_id, "no_answer", "create_unseen", UNSEEN)

"""Keeping the results of a quality run: history in the master, work orders opened and closed, all in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from warehouse.transfer import Transfer

ORDERED = "rule_id, relation, entity_type, system_id, record_key, role, field, master_id, department, street, grid"

DISMISSED_DAYS = 90
"""A row that a person found to be right is not asked about again for so many days."""

_ORDER_TYPES = (
    "rule_id varchar, kind varchar, relation varchar, entity_type varchar, system_id varchar, record_key varchar, role varchar, field varchar, "
    "master_id uuid, department varchar, street varchar, grid varchar, urgency int"
)

_SAME = "f.rule_id = o.rule_id AND f.system_id = o.system_id AND f.record_key = o.record_key AND f.role = o.role"

TABLES = {
    "quality_run": "q_run", "quality_rule": "q_result", "quality_score": "q_score", "quality_agreement": "q_agreement",
}  # fmt: skip
"""Table of the master -> relation of the working copy that fills it."""


class Orders:
    """How many work orders a run opened and closed; `held` more would have been opened, were there not a limit."""

    def __init__(self, opened: int = 0, closed: int = 0, held: int = 0) -> None:
        self.opened, self.closed, self.held = opened, closed, held


class QualityWriter(Transfer):
    """One PostgreSQL transaction with the results of a run; see `quality.run` and `quality.scores` for the relations."""

    def history(self) -> None:
        """Add the run, its rules, scores and agreement."""
        for table, relation in TABLES.items():
            self._copy(table, f"SELECT '{self._run}' AS run_id, * FROM {relation}")

    def orders(
        self, ran: Sequence[str], ended: Mapping[str, Sequence[str]], due: Mapping[str, datetime], most: int
    ) -> Orders:
        """Open orders for failing rows and close those whose row is right by now.

        Args:
            ran: rules that ran: an open order of theirs that has no failing row is closed as `right`.
            ended: rules that are no more in force or waived -> for which systems (none = all): their orders are closed as
                `ended`. Of a rule that did not run for another reason nothing is known: its orders stay.
            due: kind of order -> when it is due.
            most: at most so many are opened at once, the most severe first.
        """
        self._send(
            "fresh_order",
            _ORDER_TYPES,
            "SELECT rule_id, ordered AS kind, relation, entity_type, system_id, record_key, role, field, master_id, department, street, grid, "
            "CASE severity WHEN 'critical' THEN 0 WHEN 'error' THEN 1 ELSE 2 END AS urgency FROM q_failing WHERE ordered <> 'none' "
            "QUALIFY row_number() OVER (PARTITION BY rule_id, system_id, record_key, role) = 1",
        )
        closed = sum(self._close("ended", [rule], systems, "") for rule, systems in ended.items())
        closed += self._close("right", ran, [], f"AND NOT EXISTS (SELECT 1 FROM fresh_order f WHERE {_SAME})")
        gone = (
            "SELECT f.* FROM fresh_order f WHERE NOT EXISTS (SELECT 1 FROM work_order o WHERE o.closed_at IS NULL "
            f"AND {_SAME}) AND NOT EXISTS (SELECT 1 FROM work_order o WHERE o.closing = 'dismissed' "
            f"AND o.closed_at > {self._at} - interval '{DISMISSED_DAYS} days' AND {_SAME})"
        )
        days = " ".join(f"WHEN '{kind}' THEN TIMESTAMPTZ '{at.isoformat()}'" for kind, at in due.items())
        found = self._pg.execute(f"SELECT count(*) FROM ({gone}) n".encode()).fetchone()
        wanted = int(found[0]) if found else 0
        opened = self._execute(
            f"INSERT INTO work_order (kind, {ORDERED}, opened_at, opened_by, due_at) SELECT kind, {ORDERED}, {self._at}, '{self._run}', "
            f"CASE kind {days} END FROM ({gone}) n ORDER BY urgency, rule_id, system_id, record_key, role LIMIT {most}"
        )
        return Orders(opened, closed, wanted - opened)

    def _close(self, why: str, rules: Sequence[str], systems: Sequence[str], condition: str) -> int:
        if not rules:
            return 0
        done = self._pg.execute(
            (
                f"UPDATE work_order o SET closed_at = {self._at}, closed_by = %s, closing = %s "
                f"WHERE closed_at IS NULL AND rule_id = ANY(%s) AND (%s OR system_id = ANY(%s)) {condition}"
            ).encode(),
            (self._run, why, list(rules), not systems, list(systems)),
        )
        return max(done.rowcount, 0)

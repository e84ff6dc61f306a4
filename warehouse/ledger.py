"""Who is whom, with history (对照表与证据账): crosswalk, edges, review questions and redirects of a publication.

Nothing is forgotten: a crosswalk row that is replaced goes to `crosswalk_history`, an edge that no longer holds is closed,
a question that is no longer one is closed. So it can be asked later who a record was on a day, and why.
"""

from __future__ import annotations

from schemas.model import EntityType
from warehouse import golden_history
from warehouse.tables import CROSSWALK, EDGE, PAIR
from warehouse.transfer import Transfer, matches

LINKED = ("system_id", "record_key", "entity_type", "role")
"""What a crosswalk row is about."""

_LINKED = ", ".join(LINKED)
_LINKED_TYPES = ", ".join(f"{c} varchar" for c in LINKED)
_ROW = f"{_LINKED}, master_id, rule, since, run_id"

RECORD = {"system_id": "system", "record_key": "key", "role": "role"}
"""Column of the crosswalk -> ending of the column of an edge."""

NAMED = ("entity_type", *PAIR)
"""What an edge or a question is about."""

_NAMED = ", ".join(NAMED)
_NAMED_TYPES = ", ".join(f"{c} varchar" for c in NAMED)
_WEIGHED = "weight, rule, model"
_ASKED = ("weight", "reason", "left_master", "right_master", "gain", "model", "compared")
_ASKED_TYPES = (
    "weight float8, reason varchar, left_master uuid, right_master uuid, gain float8, model varchar, compared jsonb"
)


MANY = 1000
"""Rows after which a table has to be analysed again for good plans."""


class Ledger(Transfer):
    """The part of a publication that says who is whom."""

    def crosswalk(self, gone: str, fresh: str) -> int:
        """Apply crosswalk changes: remove the rows of `gone`, insert or update those of `fresh`; return how many.

        Rows that are removed or replaced move to `crosswalk_history` with the time and the run that ended them.
        """
        values = f"SELECT {_LINKED}, master_id, rule FROM {fresh}"
        if self._empty("crosswalk"):
            return self._fill_all(CROSSWALK, values, {"since": self._at, "run_id": f"'{self._run}'"})
        removed = self._send("gone_link", _LINKED_TYPES, f"SELECT {_LINKED} FROM {gone}")
        self._execute(
            f"WITH old AS (DELETE FROM crosswalk c USING gone_link g WHERE {matches(LINKED, 'c', 'g')} RETURNING c.*) "
            f"{self._into_history('old')}"
        )
        added = self._send("fresh_link", f"{_LINKED_TYPES}, master_id uuid, rule varchar", values)
        self._execute(
            f"WITH old AS (SELECT c.* FROM crosswalk c JOIN fresh_link f ON {matches(LINKED, 'c', 'f')} "
            f"WHERE (c.master_id, c.rule) <> (f.master_id, f.rule)) {self._into_history('old')}"
        )
        self._execute(
            f"INSERT INTO crosswalk ({_ROW}) SELECT {_LINKED}, master_id, rule, {self._at}, '{self._run}' FROM fresh_link "
            f"ON CONFLICT ({_LINKED}) DO UPDATE SET master_id = excluded.master_id, rule = excluded.rule, "
            "since = excluded.since, run_id = excluded.run_id "
            "WHERE (crosswalk.master_id, crosswalk.rule) <> (excluded.master_id, excluded.rule)"
        )
        return removed + added

    def _into_history(self, relation: str) -> str:
        return f"INSERT INTO crosswalk_history ({_ROW}, until, ended_by) SELECT {_ROW}, {self._at}, '{self._run}' FROM {relation}"

    def edges(self, fresh: str, gone: str) -> tuple[int, int]:
        """Write the evidence of a run; return (added, closed).

        Args:
            fresh: DuckDB relation (entity_type, left triple, right triple, weight, rule, model) of new or changed
                evidence. A row equal to the open edge is left alone, so that a rebuild does not write the ledger anew.
            gone: DuckDB relation (entity_type, left triple, right triple) of evidence that no longer holds.
        """
        values = f"SELECT {_NAMED}, {_WEIGHED} FROM {fresh}"
        if self._empty("edge"):
            return self._fill_all(EDGE, values, {"created_at": self._at, "run_id": f"'{self._run}'"}), 0
        auto = "e.ended_at IS NULL AND e.judgement = 'auto'"
        close = f"UPDATE edge e SET ended_at = {self._at}, ended_by = '{self._run}'"
        self._send("gone_edge", _NAMED_TYPES, f"SELECT {_NAMED} FROM {gone}")
        closed = self._execute(f"{close} FROM gone_edge g WHERE {auto} AND {matches(NAMED, 'e', 'g')}")
        self._send("fresh_edge", f"{_NAMED_TYPES}, weight float8, rule varchar, model varchar", values)
        self._execute(
            f"DELETE FROM fresh_edge f USING edge e WHERE {auto} AND {matches(NAMED, 'e', 'f')} "
            "AND (e.weight, e.rule, e.model) IS NOT DISTINCT FROM (f.weight, f.rule, f.model)"
        )
        closed += self._execute(f"{close} FROM fresh_edge f WHERE {auto} AND {matches(NAMED, 'e', 'f')}")
        added = self._execute(
            f"INSERT INTO edge ({_NAMED}, {_WEIGHED}, run_id, created_at) "
            f"SELECT {_NAMED}, {_WEIGHED}, '{self._run}', {self._at} FROM fresh_edge"
        )
        return added, closed

    def review(self, review_now: str, touched: str) -> tuple[int, int]:
        """Bring the open questions up to date, after the crosswalk; return (opened, closed).

        A question that is asked again keeps its number. What a person has answered is not asked again, neither about
        this pair nor, while the answer stands, about two other records of the same two entities.

        Args:
            review_now: DuckDB relation of the questions of the touched entities (columns as table `review`).
            touched: DuckDB relation (entity_type, master_id): entities whose older open questions these replace.
        """
        columns = ", ".join(_ASKED)
        asked = self._send(
            "question", f"{_NAMED_TYPES}, {_ASKED_TYPES}", f"SELECT {_NAMED}, {columns} FROM {review_now}"
        )
        if asked:
            self._drop_answered()
        closed = 0 if self._empty("review") else self._close_questions(touched)
        again = ", ".join(f"{c} = q.{c}" for c in _ASKED)
        self._execute(
            f"UPDATE review r SET {again} FROM question q WHERE r.state = 'open' AND {matches(NAMED, 'q', 'r')}"
        )
        opened = self._execute(
            f"INSERT INTO review ({_NAMED}, {columns}, run_id, created_at) "
            f"SELECT {_NAMED}, {columns}, '{self._run}', {self._at} FROM question q "
            f"WHERE NOT EXISTS (SELECT 1 FROM review r WHERE r.state = 'open' AND {matches(NAMED, 'q', 'r')}) "
            f"ORDER BY gain DESC NULLS LAST, {_NAMED}"
        )
        if opened > MANY:
            self._execute("ANALYZE review")
        return opened, closed

    def _close_questions(self, touched: str) -> int:
        """Close the open questions of touched entities that are not asked again."""
        about = f"SELECT DISTINCT entity_type, master_id AS id FROM {touched}"
        self._send("asked_about", "entity_type varchar, id uuid", about)
        sides = " UNION ".join(
            f"SELECT x.review_id FROM review x JOIN asked_about a ON a.id = x.{side}_master AND a.entity_type = x.entity_type"
            for side in ("left", "right")
        )
        return self._execute(
            f"UPDATE review r SET state = 'closed', decided_by = '{self._run}', decided_at = {self._at} "
            f"WHERE r.state = 'open' AND r.review_id IN ({sides}) "
            f"AND NOT EXISTS (SELECT 1 FROM question q WHERE {matches(NAMED, 'q', 'r')})"
        )

    def _drop_answered(self) -> None:
        """Take questions out that a standing judgement answers."""
        judged = "e.ended_at IS NULL AND e.judgement <> 'auto'"
        self._execute(f"DELETE FROM question q USING edge e WHERE {judged} AND {matches(NAMED, 'e', 'q')}")
        left, right = (_end("e", c, side) for c, side in (("l", "left"), ("r", "right")))
        self._execute(
            "CREATE TEMP TABLE answered ON COMMIT DROP AS SELECT l.master_id AS one, r.master_id AS other "
            f"FROM edge e JOIN crosswalk l ON {left} JOIN crosswalk r ON {right} "
            f"WHERE {judged} AND e.judgement <> 'positive' AND l.master_id <> r.master_id"
        )
        self._execute(
            "DELETE FROM question q USING answered a "
            "WHERE (a.one, a.other) IN ((q.left_master, q.right_master), (q.right_master, q.left_master))"
        )

    def ended(self, entity_type: EntityType, relation: str) -> int:
        """Remove golden records of ended ids and leave a redirect for each; return how many."""
        rows = self._send(f"ended_{entity_type}", "old_id uuid, new_id uuid", f"SELECT old_id, new_id FROM {relation}")
        if rows:
            self._execute(golden_history.ended_sql(entity_type, f"ended_{entity_type}", self._at, self._run))
            self._execute(f"DELETE FROM {entity_type} WHERE master_id IN (SELECT old_id FROM ended_{entity_type})")
            self._execute(
                f"INSERT INTO redirect SELECT old_id, new_id, '{entity_type}', '{self._run}' "
                f"FROM ended_{entity_type} ON CONFLICT (old_id) DO UPDATE SET new_id = excluded.new_id, run_id = excluded.run_id"
            )
            self._execute(
                f"UPDATE decision d SET master_id = e.new_id FROM ended_{entity_type} e "
                "WHERE d.master_id = e.old_id AND e.new_id IS NOT NULL"
            )
        return rows

    def restored(self, entity_type: EntityType, relation: str) -> int:
        """Let redirected ids stand again, as a split found; return how many.

        Args:
            entity_type: which entity.
            relation: DuckDB relation (old_id). Links that were known of the id (an entry typed for it) follow
                it back; the merge had moved them to its heir.
        """
        rows = self._send(f"restored_{entity_type}", "old_id uuid", f"SELECT DISTINCT old_id FROM {relation}")
        if rows:
            self._execute(
                f"UPDATE decision d SET master_id = h.master_id FROM crosswalk_history h JOIN restored_{entity_type} s ON s.old_id = h.master_id "
                f"WHERE {matches(LINKED, 'd', 'h')} AND {_last('h')}"
            )
            self._execute(f"DELETE FROM redirect r USING restored_{entity_type} s WHERE r.old_id = s.old_id")
        return rows


def _end(edge: str, row: str, side: str) -> str:
    """SQL: the crosswalk row is that of one end of an edge."""
    same = " AND ".join(f"{row}.{c} = {edge}.{side}_{s}" for c, s in RECORD.items())
    return f"{row}.entity_type = {edge}.entity_type AND {same}"


def _last(history: str) -> str:
    """SQL: this row of the history ended when its id did, so the record was among the last that the id stood for."""
    return f"{history}.until = (SELECT max(x.until) FROM crosswalk_history x WHERE x.master_id = {history}.master_id)"


FORMER = (
    "SELECT h.system_id, h.record_key, h.entity_type, h.role, h.master_id::text AS master_id FROM crosswalk_history h "
    f"JOIN redirect r ON r.old_id = h.master_id WHERE {_last('h')}"
)
"""Who a record was before: the records for which each redirected id stood when it ended."""

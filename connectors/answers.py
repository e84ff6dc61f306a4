"""What a system says, and what is done about it (应答对照): one table as data for every kind of system.

`answers.yaml` beside this module is the table: channel (HTTP status, business code in a 200, SQLSTATE, receipt ...) and what
was said -> a stable code for the outbox and one of six actions. Connectors ask `ruling`; whoever has only the stable code
(the outbox, a report) asks `action`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from connectors.base import ConnectorError
from connectors.manifest.model import Action, Manifest
from schemas.records import Outcome, OutcomeState

TABLE = Path(__file__).with_suffix(".yaml")

Channel = Literal[
    "http", "page", "body", "row", "command", "ack", "receipt", "staging", "form", "sql", "sftp", "broker", "ours"
]

STATES: Mapping[Action, OutcomeState] = {
    "retry": "planned",
    "reject": "rejected",
    "refresh_login": "planned",
    "stop_target": "planned",
    "unknown": "no_answer",
    "conflict": "conflict",
}
"""What becomes of a change: a refused login or a stopped target did nothing to it, so it stays planned."""


class TargetStopped(ConnectorError):
    """A system said that nothing will succeed until somebody repairs it; the push to it ends (停止推送)."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What an answer means: stable code, action, and the meaning in Chinese."""

    code: str
    action: Action
    means: str = ""

    @property
    def state(self) -> OutcomeState:
        """The state of the change that was answered so."""
        return STATES[self.action]

    def outcome(
        self,
        change_id: str,
        message: str,
        *,
        receipt: str | None = None,
        record_key: str | None = None,
        raw: bytes | None = None,
    ) -> Outcome:
        """Return the outcome of a change that was answered so."""
        return Outcome(change_id, self.state, self.code, message, receipt, record_key, raw=raw)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table; see the head of `answers.yaml`."""

    says: tuple[str, ...]
    words: tuple[str, ...]
    code: str
    action: Action
    means: str

    def fits(self, said: str, words: str) -> bool:
        """True when this line speaks of the answer."""
        return any(fnmatchcase(said, one) for one in self.says) or any(one in words for one in self.words)

    def gives(self, code: str) -> bool:
        """True when this line gives that stable code."""
        patterns = [self.code.replace("{said}", one) for one in self.says or ("*",)]
        return any(fnmatchcase(code, one) for one in patterns)


@lru_cache(maxsize=1)
def table() -> Mapping[str, Sequence[Line]]:
    """Return the whole table: channel -> its lines in order."""
    loaded: Mapping[str, Any] = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return {channel: tuple(_line(one, block["code"]) for one in block["answers"]) for channel, block in loaded.items()}


def ruling(channel: Channel, said: object, words: str = "", own: Mapping[str, Action] | None = None) -> Ruling:
    """Return what an answer means.

    Args:
        channel: how it was said.
        said: status, code or SQLSTATE as the system wrote it.
        words: the message beside it.
        own: the manifest's own reading of stable codes (`answers`), which comes before the table.
    """
    text = str(said)
    line = next((one for one in table()[channel] if one.fits(text, words)), None)
    if line is None:
        return Ruling(text, "unknown")
    code = line.code.replace("{said}", text)
    return Ruling(code, (own or {}).get(code, line.action), line.means)


def action(code: str, own: Mapping[str, Action] | None = None) -> Action | None:
    """Return the action behind a stable code; None for codes that ask for none (`ok`, `already`, `waiting` ...).

    A line without wildcard counts before one with; words that decided at the time are not asked again.
    """
    if own and code in own:
        return own[code]
    return _action(code)


@lru_cache(maxsize=4096)
def _action(code: str) -> Action | None:
    """Asked for each change of each delivery, and there are few codes."""
    lines = [line for channel in table().values() for line in channel]
    exact = [line for line in lines if code in {line.code.replace("{said}", one) for one in line.says or ("",)}]
    said = [line for line in lines if line.says and line.code != "{said}" and line.gives(code)]
    return next((line.action for line in (*exact, *said)), None)


def stop(manifest: Manifest, outcomes: Sequence[Outcome], place: str) -> None:
    """Raise `TargetStopped` when one of the outcomes says so; the caller has handed out all of them by then."""
    told = next((o.code for o in outcomes if action(o.code, manifest.answers) == "stop_target"), None)
    if told is not None:
        remedy = "Look the code up in connectors/answers.yaml and in the interface document; repair, then push again."
        raise TargetStopped(manifest.id, place, f"the system says {told}: nothing more is sent", remedy)


def _line(data: Mapping[str, Any], code: str) -> Line:
    wanted: Action = data["action"]
    if wanted not in get_args(Action):
        raise ValueError(f"{TABLE.name}: {wanted!r} is no action; actions are {', '.join(get_args(Action))}")
    says, words = (tuple(str(one) for one in data.get(key, ())) for key in ("says", "words"))
    return Line(says, words, str(data.get("code", code)), wanted, str(data["means"]))

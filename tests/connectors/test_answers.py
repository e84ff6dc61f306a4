"""What systems say and what is done about it: the table as data, and that every connector's code stands in it."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import get_args

import pytest
import yaml

import connectors
from connectors.answers import STATES, Channel, action, ruling, table
from connectors.manifest.model import Action

SAID = Path(__file__).parents[1] / "fixtures" / "connectors" / "answers.yaml"
KINDS = Path(connectors.__file__).parent
PENDING = {
    "waiting",
    "sent_before",
    "not_shown_yet",
    "no_ack_yet",
    "no_receipt",
    "exported",
    "assisted_entry",
    "already",
    "ok",
}
"""Codes that ask for nothing: it was done, or the answer is still to come."""


@pytest.mark.parametrize("case", yaml.safe_load(SAID.read_text(encoding="utf-8")), ids=str)
def test_what_a_system_says_has_a_code_and_an_action(case: dict[str, str]) -> None:
    found = ruling(case["channel"], case["said"], case.get("words", ""))  # type: ignore[arg-type]
    assert (found.code, found.action) == (case["code"], case["action"])
    assert found.outcome("1", "").state == STATES[found.action]


def test_the_stable_code_alone_gives_the_same_action() -> None:
    for case in yaml.safe_load(SAID.read_text(encoding="utf-8")):
        if "words" not in case or not case["code"].endswith(str(case["said"])):
            assert action(case["code"]) == case["action"], case


def test_every_channel_has_a_last_line_for_whatever_else_is_said() -> None:
    assert set(table()) == set(get_args(Channel))
    for channel, lines in table().items():
        if channel not in {"page", "ours"}:
            assert lines[-1].says == ("*",), channel


def test_a_manifest_may_mean_something_else() -> None:
    own: dict[str, Action] = {"code_7001": "retry"}
    assert ruling("body", "7001").action == "reject"
    assert ruling("body", "7001", own=own).action == action("code_7001", own) == "retry"


def codes_given() -> list[tuple[str, str, str]]:
    """(module, state, code) of every `Outcome(change, "state", "code", ...)` in the connectors."""
    found = []
    for path in sorted(KINDS.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Outcome" and len(node.args) > 2:
                state, code = node.args[1:3]
                if isinstance(state, ast.Constant) and isinstance(code, ast.Constant):
                    found.append((path.name, str(state.value), str(code.value)))
    return found


def test_every_code_that_a_connector_gives_stands_in_the_table_with_its_state() -> None:
    given = codes_given()
    assert len(given) > 20
    for module, state, code in given:
        if state not in {"sent", "verified", "awaiting_person"}:
            meant = action(code)
            assert meant is not None, f"{module} gives {code}, which is not in answers.yaml"
            assert STATES[meant] == state, f"{module}: {code} is {state}, but its action is {meant}"
        else:
            assert code in PENDING, f"{module}: {code}"
            assert action(code) is None

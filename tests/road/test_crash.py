"""A consolidation that dies at any step leaves a state from which the next run ends where it would have ended anyway."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from road_support import Town, citizen, flat, row

from onefact import consolidate, enter, linking, pull
from warehouse import working_copy
from warehouse.publish import Publisher

WANG = citizen(11)


STEPS = (
    "while linking", "before the master is asked", "with golden records sent", "with the outbox sent",
    "when the master has committed", "while the copy is brought up to date",
)  # fmt: skip


class PowerCut(BaseException):
    """Nothing may catch it."""


def fail_at(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the consolidation die when it comes to a step."""
    places = {
        "while linking": (linking, "assign"),
        "before the master is asked": (consolidate, "_publish"),
        "with golden records sent": (Publisher, "crosswalk"),
        "with the outbox sent": (Publisher, "run"),
        "when the master has committed": (working_copy, "commit"),
        "while the copy is brought up to date": (working_copy, "_mark"),
    }
    owner, name = places[step]

    def die(*_: object, **__: object) -> None:
        raise PowerCut

    monkeypatch.setattr(owner, name, die)


def first_state(town: Town) -> None:
    town.write("ybss", [row("Y1", "王伟", id_number=WANG, phone="13900000001", home=flat(1))])
    town.write("sg_etong", [
        row("G1", "王玮", id_number=WANG, phone="13900000002", home=flat(1)),
        row("G2", "李娜", phone="13900000003", home=flat(2)),
    ])  # fmt: skip
    town.write("volunteer", [row("V1", "李娜", phone="13900000003")])


def second_state(town: Town) -> None:
    town.write("sg_etong", [row("G1", "王玮", id_number=WANG, phone="13900000009", home=flat(2))])  # G2 has gone
    enter.enter(town.home, WANG, "phone", "13900000008")
    town.home.now.advance()  # type: ignore[attr-defined]


def outbox(town: Town) -> list[str]:
    return sorted(map(str, town.outbox()))


@pytest.fixture
def undisturbed(make_town: Callable[[str], Town]) -> tuple[Town, list[object]]:
    town = make_town("undisturbed")
    states: list[object] = []
    for prepare in (first_state, second_state):
        prepare(town)
        pull.pull(town.home)
        consolidate.consolidate(town.home)
        states.append((without_entries(town), outbox(town)))
    return town, states


def without_entries(town: Town) -> str:
    """The whole master; the keys of entries hold minted ids and are left out."""
    whole = town.whole()
    person = {
        str(sorted(r for r in group if r[0] != "entry")): {
            k: v for k, v in values.items() if k != "provenance"
        } | {f: p.split("|")[0] for f, p in values["provenance"].items()}
        for group, values in whole.pop("person").items()
    }  # fmt: skip
    return str(sorted(person.items())) + str({k: v for k, v in whole.items() if k != "links"})


def test_every_step_may_die(
    undisturbed: tuple[Town, list[object]], make_town: Callable[[str], Town], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, expected = undisturbed
    town = make_town("disturbed")
    for prepare, wanted in zip((first_state, second_state), expected, strict=True):
        prepare(town)
        pull.pull(town.home)
        for step in STEPS if prepare is second_state else STEPS[-2:]:
            with monkeypatch.context() as patch:
                fail_at(step, patch)
                with pytest.raises(PowerCut):
                    consolidate.consolidate(town.home)
        # The master has it all since the last death but one. Dates, codes and provenance came back letter for letter, therefore:
        again = consolidate.consolidate(town.home)
        assert (again.planned, again.superseded, again.changed) == (0, 0, 0)
        assert (without_entries(town), outbox(town)) == wanted

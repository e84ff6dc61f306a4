"""What a scheduler needs to know of a failure: whether waiting helps (可重试) or a person has to look (需人工).

No engine is imported here: a scheduler names these classes in its retry rules whenever it reads its files.
"""

from __future__ import annotations


class NotNow(Exception):
    """A system or the warehouse cannot be reached now; trying again later may help. Nothing is lost."""


class NeedsAPerson(Exception):
    """Waiting does not help: a login, a manifest, an authorisation or a guard needs a person. The message says which."""


class VerbMissing(NeedsAPerson):
    """This installation of onefact has no such verb; carries its module."""

    def __init__(self, module: str) -> None:
        self.module = module
        super().__init__(f"onefact has no verb {module!r} in this version. Update onefact, or pause this DAG.")


class Unbalanced(NeedsAPerson):
    """Records or changes that are not counted exactly once; carries the systems."""

    def __init__(self, systems: tuple[str, ...]) -> None:
        self.systems = systems
        super().__init__(f"The counts of {', '.join(systems)} do not add up. See: onefact status.")


class Overdue(NeedsAPerson):
    """Answers of systems that should have come by now; carries how many of which system."""

    def __init__(self, counts: dict[str, int]) -> None:
        self.counts = counts
        words = ", ".join(f"{system} {n}" for system, n in counts.items())
        super().__init__(f"Answers are overdue: {words}. See: onefact outbox overdue.")


class Disagreement(NeedsAPerson):
    """Systems that do not hold what the master says, and nothing explains it; carries the counts by kind."""

    def __init__(self, counts: dict[str, int]) -> None:
        self.counts = counts
        words = ", ".join(f"{kind} {n}" for kind, n in counts.items())
        super().__init__(f"Systems disagree with the master: {words}. See: onefact reconcile.")

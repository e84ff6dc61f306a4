"""What a check of a manifest finds."""

from __future__ import annotations

from dataclasses import dataclass

from connectors.manifest.refusal import Location


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem of meaning: the place, what is wrong and what the data engineer can do."""

    at: Location
    what: str
    remedy: str

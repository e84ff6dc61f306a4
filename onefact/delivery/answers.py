"""What the systems said, as received (原始应答): kept once under its hash, as evidence for a dispute.

An answer may hold personal data, so it lies in the home beside the landing files, readable by the owner only, and the
database knows nothing but its hash.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from schemas.records import Outcome


def keep(home: Path, outcomes: Sequence[Outcome]) -> dict[str, str]:
    """Store the answers of outcomes that carry one; return change id -> SHA-256."""
    hashes: dict[str, str] = {}
    for outcome in outcomes:
        if outcome.raw is not None:
            hashes[outcome.change_id] = _stored(home, outcome.raw)
    return hashes


def path_of(home: Path, sha256: str) -> Path:
    """Return where an answer is kept."""
    return home / "answers" / sha256[:2] / sha256


def _stored(home: Path, answer: bytes) -> str:
    name = hashlib.sha256(answer).hexdigest()
    path = path_of(home, name)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Of its own name, since several systems say the same at once; nobody else may read it, not even for a moment.
        number, part = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(number, "wb") as file:
            file.write(answer)
        Path(part).replace(path)  # whole or not at all
    return name

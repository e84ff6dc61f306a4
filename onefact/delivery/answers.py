"""What the systems said, as received (原始应答): kept once under its hash, as evidence for a dispute.

An answer may hold personal data, so it lies in the home beside the landing files, readable by the owner only, and the
database knows nothing but its hash. What came in one delivery lies in one file: a file for each of a thousand short
answers costs more than the delivery.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from schemas.records import Outcome

BUNDLES = "bundles"
"""Folder of the zip files that hold several answers, each under its SHA-256."""


def keep(home: Path, outcomes: Sequence[Outcome]) -> dict[str, str]:
    """Store the answers of outcomes that carry one; return change id -> SHA-256."""
    hashes: dict[str, str] = {}
    said: dict[str, bytes] = {}
    for outcome in outcomes:
        if outcome.raw is not None:
            name = hashlib.sha256(outcome.raw).hexdigest()
            hashes[outcome.change_id], said[name] = name, outcome.raw
    if len(said) == 1:
        [(name, answer)] = said.items()
        _written(path_of(home, name), answer)
    elif said:
        _bundled(home, said)
    return hashes


def path_of(home: Path, sha256: str) -> Path:
    """Return where an answer is kept that came alone."""
    return home / "answers" / sha256[:2] / sha256


def read(home: Path, sha256: str) -> bytes | None:
    """Return an answer by its hash, None when it is not kept here (any more); bundles are looked through, newest first."""
    path = path_of(home, sha256)
    if path.exists():
        return path.read_bytes()
    bundles = sorted((home / "answers" / BUNDLES).glob("*.zip"), key=lambda p: p.stat().st_mtime, reverse=True)
    for bundle in bundles:
        with zipfile.ZipFile(bundle) as file:
            if sha256 in file.namelist():
                return file.read(sha256)
    return None


def _bundled(home: Path, said: Mapping[str, bytes]) -> None:
    """Keep several answers in one file, named by what it holds: the same answers again add nothing."""
    name = hashlib.sha256("".join(sorted(said)).encode()).hexdigest()
    place = home / "answers" / BUNDLES / f"{name}.zip"
    if place.exists():
        return
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for sha256, answer in said.items():
            file.writestr(sha256, answer)
    _written(place, whole.getvalue())


def _written(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, if it is not there yet."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Of its own name, since several systems say the same at once; nobody else may read it, not even for a moment.
    number, part = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(number, "wb") as file:
        file.write(content)
    Path(part).replace(path)

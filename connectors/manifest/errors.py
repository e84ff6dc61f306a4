"""The errors of a manifest: each names file, line and key, what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Sequence


class ManifestError(Exception):
    """One problem of one manifest.

    Attributes:
        file: path of the manifest as it was given.
        line: line in the file, counted from 1; 0 when the whole file is meant.
        key: dotted place, e.g. `datasets[0].entities[0].fields.nmae`; empty when the file is no YAML.
        what: what is wrong, without any value of a record.
        remedy: what the data engineer can do; may be empty where `what` says it.
    """

    def __init__(self, file: str, line: int, key: str, what: str, remedy: str = "") -> None:
        self.file, self.line, self.key, self.what, self.remedy = file, line, key, what, remedy
        place = f"{file}:{line}" if line else file
        super().__init__(": ".join(part for part in (place, key, "; ".join(p for p in (what, remedy) if p)) if part))


class ManifestErrors(Exception):
    """All problems found in one manifest or in a folder of them, in the order of file and line."""

    def __init__(self, errors: Sequence[ManifestError]) -> None:
        self.errors = tuple(sorted(errors, key=lambda e: (e.file, e.line)))
        super().__init__("\n".join(map(str, self.errors)))

"""Passwords and keys of the stand-ins: made from one random seed per working folder, so that they survive a restart."""

from __future__ import annotations

import hmac
import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connectors.manifest.model import Manifest

_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


@dataclass(frozen=True, slots=True)
class Keyring:
    """Gives every variable name its own secret."""

    seed: bytes

    @classmethod
    def of(cls, home: Path) -> Keyring:
        """Open `<home>/sandbox/secrets.json`, making it at first (readable by its owner only)."""
        path = home / "sandbox" / "secrets.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return cls(bytes.fromhex(json.loads(path.read_text(encoding="utf-8"))["seed"]))
        seed = secrets.token_bytes(32)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({"seed": seed.hex()}, file)
        return cls(seed)

    def secret(self, name: str) -> str:
        """The secret of a variable, e.g. `SG_ETONG_SECRET`: 40 hex digits, always the same in this folder."""
        return self.raw(name).hex()[:40]

    def raw(self, name: str) -> bytes:
        """32 secret bytes of a variable."""
        return hmac.digest(self.seed, name.encode(), "sha256")

    def variables(self, manifest: Manifest) -> dict[str, str]:
        """A secret for every `${NAME}` of the manifest's connection except the address (`_URL`)."""
        names = {name for name, _ in _VARIABLE.findall(json.dumps(manifest.connection))}
        return {name: self.secret(name) for name in sorted(names) if not name.endswith("_URL")}


def fill(value: Any, variables: Mapping[str, str]) -> Any:
    """Replace `${NAME}` and `${NAME:-default}` in a nested structure; a name without value stays as it is."""
    if isinstance(value, str):
        return _VARIABLE.sub(lambda m: variables.get(m[1], m[2] if m[2] is not None else m[0]), value)
    if isinstance(value, dict):
        return {key: fill(inner, variables) for key, inner in value.items()}
    if isinstance(value, list):
        return [fill(inner, variables) for inner in value]
    return value

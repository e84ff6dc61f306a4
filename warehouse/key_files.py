"""Files that hold keys (密钥文件): closed to others, whole or not there at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final

FOLDER: Final = "keys"
"""In the home; the folder is closed to others."""


def kept(path: Path, fresh: Callable[[], bytes]) -> bytes:
    """Return a file's content, written now where it is missing; of two that write at once one wins for both."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = _beside(path, fresh())
        try:
            os.link(beside, path)
        except FileExistsError:
            pass
        finally:
            beside.unlink()
    return path.read_bytes()


def replaced(path: Path, content: bytes) -> None:
    """Put a new content in a file's place; a crash leaves the old one or the new one."""
    _beside(path, content).replace(path)


def _beside(path: Path, content: bytes) -> Path:
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return beside

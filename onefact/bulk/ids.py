"""New master ids (新标识): UUIDv7, so that ids of one day lie side by side in an index."""

from __future__ import annotations

import secrets
import uuid
from datetime import datetime


def uuid7(now: datetime) -> str:
    """Return a new UUIDv7 (RFC 9562): the time in milliseconds, then 74 random bits."""
    milliseconds = int(now.timestamp() * 1000) & ((1 << 48) - 1)
    bits = secrets.randbits(74)
    number = milliseconds << 80 | 0x7 << 76 | (bits >> 62) << 64 | 0x2 << 62 | bits & ((1 << 62) - 1)
    return str(uuid.UUID(int=number))

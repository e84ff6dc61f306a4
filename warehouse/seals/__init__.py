"""Encryption of fields at rest (字段加密存储): keys for each compartment, sealed values, blind indexes.

- `ciphers`: SM4-GCM and AES-GCM, a key and what it does.
- `ring`: the keys of an installation, wrapped by a master key, rotated.
- `values`: which values are sealed, and opening them.
- `driver`: connections that open what is sealed.
"""

from __future__ import annotations

from warehouse.seals.driver import engine_with, open_only, teach
from warehouse.seals.ring import KeysLost
from warehouse.seals.values import MARK, NONE, Seals, seals_of

__all__ = ["MARK", "NONE", "KeysLost", "Seals", "engine_with", "open_only", "seals_of", "teach"]

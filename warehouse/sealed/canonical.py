"""Canonical JSON (规范化 JSON, RFC 8785): one text for one document, so that its hash says whether it is the same.

The log's documents hold texts, whole numbers, truth values, lists and objects. Fractions are refused: their text is where
implementations of RFC 8785 differ, and no act needs one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

EXACT = 2**53
"""Whole numbers beyond it are not exact in JSON as RFC 8785 understands it."""

_HIDDEN = (
    (re.compile(r"(?<![0-9A-Za-z])(\d{6})\d{8}(\d{3}[\dXx])(?![0-9A-Za-z])"), r"\1********\2"),
    (re.compile(r"(?<![0-9A-Za-z])(\d{6})\d{5}(\d{4})(?![0-9A-Za-z])"), r"\1*****\2"),
    (re.compile(r"(?<![0-9A-Za-z])(1[3-9]\d)\d{4}(\d{4})(?![0-9A-Za-z])"), r"\1****\2"),
)
"""Citizen numbers of 18 and of 15 digits (公民身份号码) and mobile numbers, wherever they stand in a text."""


class NotCanonical(ValueError):
    """A document that has no canonical text here: a fraction, a number too large, a key that is no text."""


def canonical(document: Mapping[str, Any]) -> bytes:
    """Return the canonical JSON of a document as UTF-8.

    Raises:
        NotCanonical: the document holds what cannot be written in one way only.
    """
    text = json.dumps(_plain(document), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    try:
        return text.encode()
    except UnicodeEncodeError as problem:
        raise NotCanonical("half a character (lone surrogate)") from problem


def clean(value: Any) -> Any:
    """Return a value with every citizen number and mobile number in it masked, however deep it stands.

    What people type as a purpose or a reason may name a person; the log must not. NUL is dropped: PostgreSQL has none.
    """
    if isinstance(value, str):
        text = value.replace("\0", "")
        for pattern, masked in _HIDDEN:
            text = pattern.sub(masked, text)
        return text
    if isinstance(value, Mapping):
        return {clean(k): clean(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean(v) for v in value]
    return value


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, int):
        if abs(value) > EXACT:
            raise NotCanonical("a number beyond 2^53")
        return value
    if isinstance(value, Mapping):
        if not all(isinstance(k, str) for k in value):
            raise NotCanonical("a key that is no text")
        # By UTF-16 units as the RFC says; Python's own order differs only beyond the basic plane.
        return {k: _plain(value[k]) for k in sorted(value, key=lambda k: k.encode("utf-16-be", "surrogatepass"))}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    raise NotCanonical(f"a {type(value).__name__}")

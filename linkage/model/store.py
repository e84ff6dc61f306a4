"""Models as files: the shipped ones in this package, the trained ones of an installation beside its data."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from linkage.model.schema import Model, ModelInvalid, document, read


def load(path: Path) -> Model:
    """Read a model file.

    Raises:
        ModelInvalid: the file is no JSON or no model.
    """
    return read(_parsed(path.name, path.read_text(encoding="utf-8")))


def shipped(name: str) -> Model:
    """Return the model that ships with onefact under this name (an entity, as a rule)."""
    return read(_parsed(name, files(__package__).joinpath("shipped", f"{name}.json").read_text(encoding="utf-8")))


def shipped_names() -> tuple[str, ...]:
    """Return the names of the models that ship with onefact."""
    folder = files(__package__).joinpath("shipped")
    return tuple(sorted(entry.name.removesuffix(".json") for entry in folder.iterdir() if entry.name.endswith(".json")))


def save(model: Model, path: Path) -> None:
    """Write a model so that a person can read and compare it: one level a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_pretty(document(model)), encoding="utf-8")


def _parsed(name: str, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise ModelInvalid(name, f"line {error.lineno}", "this is not JSON") from error
    if not isinstance(found, dict):
        raise ModelInvalid(name, "document", "a model is a JSON object")
    return found


def _pretty(value: Any, indent: int = 0) -> str:
    """JSON in which innermost objects and lists take one line each."""
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, (dict, list)) or (len(flat) <= 140 and not _nested(value)):
        return flat + ("" if indent else "\n")
    inside = " " * (indent + 2)
    if isinstance(value, dict):
        parts = [f"{inside}{json.dumps(k, ensure_ascii=False)}: {_pretty(v, indent + 2)}" for k, v in value.items()]
        opened, closed = "{", "}"
    else:
        parts = [inside + _pretty(v, indent + 2) for v in value]
        opened, closed = "[", "]"
    body = ",\n".join(parts)
    return f"{opened}\n{body}\n{' ' * indent}{closed}" + ("" if indent else "\n")


def _nested(value: Any) -> bool:
    inner = value.values() if isinstance(value, dict) else value
    return any(isinstance(v, (dict, list)) for v in inner)

"""Manifests from YAML files: `load` one, `load_all` of a folder; every problem with its file, line and key."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from connectors.manifest.checks import check
from connectors.manifest.errors import ManifestError, ManifestErrors
from connectors.manifest.model import Manifest, unknown_field
from connectors.manifest.refusal import Location, Refused, part_refused
from connectors.manifest.sources import CONNECTIONS, SOURCES
from connectors.manifest.text import Document, dotted, read
from schemas.entities import ENTITIES


def load(path: Path | str) -> Manifest:
    """Return the manifest in a YAML file; raises `ManifestErrors` with all problems found.

    First the shape is checked (keys, types, known fields and codes), and when it is right, what it means
    (`connectors.manifest.checks`: code maps that lose something, columns written twice, facts that must not flow).
    """
    path = Path(path)
    try:
        document = read(path)
    except ManifestError as error:
        raise ManifestErrors([error]) from error
    if not isinstance(document.data, dict):
        what = "a manifest is a mapping of keys (id, name, kind, ...)"
        raise ManifestErrors([ManifestError(str(path), 1, "", what, "see docs/add-a-system.md")])
    try:
        manifest = Manifest.model_validate(document.data)
    except ValidationError as error:
        raise ManifestErrors(_shape_errors(str(path), document, error)) from error
    problems = [ManifestError(str(path), document.line(p.at), dotted(p.at), p.what, p.remedy) for p in check(manifest)]
    if problems:
        raise ManifestErrors(problems)
    return manifest


def load_all(folder: Path | str) -> dict[str, Manifest]:
    """Return all `*.yaml` manifests of a folder by id, sorted.

    Raises `ManifestErrors` with the problems of all files together, also for an id that two files claim.
    """
    manifests: dict[str, Manifest] = {}
    files: dict[str, str] = {}
    errors: list[ManifestError] = []
    for path in sorted(Path(folder).glob("*.yaml")):
        try:
            manifest = load(path)
        except ManifestErrors as broken:
            errors.extend(broken.errors)
            continue
        if manifest.id in files:
            what = f"the id {manifest.id!r} is taken by {files[manifest.id]}"
            errors.append(ManifestError(str(path), read(path).line(("id",)), "id", what, "give each system its own"))
        files[manifest.id] = path.name
        manifests[manifest.id] = manifest
        other = next((m for m in manifests.values() if m.holder == manifest.holder), manifest)
        if (other.rate_limit, other.concurrency) != (manifest.rate_limit, manifest.concurrency):
            what = f"the quota {manifest.quota!r} has another size in {files[other.id]}"
            remedy = "give `rate_limit` and `concurrency` alike in all systems that share it"
            errors.append(ManifestError(str(path), read(path).line(("quota",)), "quota", what, remedy))
    if errors:
        raise ManifestErrors(errors)
    return dict(sorted(manifests.items()))


def _shape_errors(file: str, document: Document, error: ValidationError) -> list[ManifestError]:
    found: dict[str, ManifestError] = {}
    told = [Refused(e["loc"], e["msg"], e["type"]) for e in error.errors()]
    for at, message, kind in (*told, *_inner(document.data)):
        key = dotted(_in_file(document, at, kind))
        what, remedy = _wording(document.data, kind, message, at)
        # A union reports one error for each alternative; the first says what is needed.
        found.setdefault(key, ManifestError(file, document.line(at), key, what, remedy))
    return list(found.values())


def _inner(data: dict[str, Any]) -> Iterator[Refused]:
    """What pydantic leaves unsaid when a key elsewhere is wrong: kind-specific blocks and unknown fields."""
    kind = str(data.get("kind"))
    if kind in CONNECTIONS and isinstance(data.get("connection", {}), dict):
        yield from part_refused(CONNECTIONS[kind], data.get("connection", {}), ("connection",))
    for i, dataset in _mappings(data.get("datasets")):
        if kind in SOURCES and isinstance(dataset.get("source", {}), dict):
            yield from part_refused(SOURCES[kind], dataset.get("source", {}), ("datasets", i, "source"))
        for j, entity in _mappings(dataset.get("entities")):
            for name in entity.get("fields") or {} if entity.get("type") in ENTITIES else ():
                yield from unknown_field(entity["type"], name, ("datasets", i, "entities", j, "fields", name))


def _mappings(items: Any) -> list[tuple[int, dict[str, Any]]]:
    return [(i, item) for i, item in enumerate(items) if isinstance(item, dict)] if isinstance(items, list) else []


def _in_file(document: Document, at: Location, kind: str) -> Location:
    place = document.place(at)
    return (*place, at[-1]) if kind == "missing" else place


def _wording(data: dict[str, Any], kind: str, message: str, at: Location) -> tuple[str, str]:
    if kind == "extra_forbidden":
        known = _keys(data, at[:-1])
        near = difflib.get_close_matches(str(at[-1]), known, n=2, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"keys here are {', '.join(known)}"
        return f"unknown key {at[-1]!r}", hint
    if kind == "missing":
        return "this key is missing", "see docs/add-a-system.md for what it holds"
    what, _, remedy = message.removeprefix("Value error, ").partition("; ")
    return what[:1].lower() + what[1:] if what.startswith(("Input ", "String ")) else what, remedy


def _keys(data: dict[str, Any], at: Location) -> list[str]:
    """The keys that the block at a place may have."""
    for model in _models(data, at):
        return [f.alias or name for name, f in model.model_fields.items()]
    return []


def _models(data: dict[str, Any], at: Location) -> Iterator[type[BaseModel]]:
    """The model of the block at a place, found by walking the annotations of `Manifest`."""
    current: Any = Manifest
    steps = list(at)
    kind = str(data.get("kind"))
    if at[:1] == ("connection",) and kind in CONNECTIONS:
        current, steps = CONNECTIONS[kind], steps[1:]
    elif len(at) > 2 and at[0] == "datasets" and at[2] == "source" and kind in SOURCES:
        current, steps = SOURCES[kind], steps[3:]
    for step in steps:
        options = _classes(current)
        tagged = [
            m for m in options if "type" in m.model_fields and step in get_args(m.model_fields["type"].annotation)
        ]
        if tagged:
            current = tagged[0]
            continue
        fields = [m.model_fields[str(step)].annotation for m in options if str(step) in m.model_fields]
        current = fields[0] if fields else current  # a list position or a free key: same annotation
    yield from _classes(current)


def _classes(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) is None:
        return []
    return [model for part in get_args(annotation) for model in _classes(part)]

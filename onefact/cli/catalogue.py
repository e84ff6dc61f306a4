"""`onefact systems …`: the manifests, and checking one."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

from onefact.cli import show
from onefact.cli.errors import PartlyFailed
from onefact.cli.session import Session
from schemas.entities import ENTITIES


def systems(session: Session) -> None:
    """List all systems."""
    manifests = session.home.manifests
    if session.as_json:
        session.emit(
            [
                {"id": m.id, "name": m.name, "department": m.department, "kind": m.kind, "cadence": m.cadence}
                for m in manifests.values()
            ]
        )
        return
    rows = [
        [
            m.id, m.name, m.department, m.kind, m.cadence,
            "→ " + "".join(sorted({ENTITIES[e.type].cn[-1] for d in m.datasets for e in d.entities})),
            sum(len(e.fields) for d in m.datasets for e in d.entities),
        ]
        for m in manifests.values()
    ]  # fmt: skip
    session.console.print(
        show.table(
            f"{len(rows)} systems",
            ["id", "name", "department", "kind", "cadence", "entities", "fields"],
            rows,
            numeric=["fields"],
        )
    )


def system(session: Session, wanted: str) -> None:
    """Show one system's datasets and fields."""
    manifest = session.home.chosen([wanted])[0]
    if session.as_json:
        session.emit(manifest.model_dump(mode="json", by_alias=True))
        return
    session.console.print(f"{manifest.id}  {manifest.name}  ({manifest.department})", highlight=False)
    session.console.print(
        f"{manifest.kind}, {manifest.cadence}; purpose: {manifest.purpose}; basis: {manifest.legal_basis}",
        highlight=False,
    )
    for dataset in manifest.datasets:
        rows = [
            [entity.role, name, ENTITIES[entity.type].field(name).cn, " + ".join(f.column) or f"= {f.value}", f.way,
             "yes" if ENTITIES[entity.type].field(name).authority == manifest.id else ""]
            for entity in dataset.entities
            for name, f in entity.fields.items()
        ]  # fmt: skip
        rows += [["(local)", "", local.title, column, "", ""] for column, local in dataset.local.items()]
        rows += [["(withheld)", "", reason, column, "", ""] for column, reason in dataset.withheld.items()]
        session.console.print(
            show.table(
                f"{dataset.name} {dataset.title}", ["role", "field", "名称", "column", "direction", "authority"], rows
            )
        )


def check(session: Session, file: Path, sample: int, full: bool) -> None:
    """Check a manifest file, or a known system by id."""
    from connectors.base import Context, Variables
    from connectors.check import inspect

    known = session.home.systems / f"{file}.yaml"
    path = file if file.exists() or not known.exists() else known
    home = session.home
    context = Context(home.path, path.parent.resolve(), Variables.load(home.path), home.now)
    result = inspect(path, context, sample=sample, masked=not full)
    if full:
        session.read("systems check", "system", [file.stem], full=True)
    if session.as_json:
        session.emit(
            {**asdict(replace(result, problems=())), "problems": [str(p) for p in result.problems], "ok": result.ok}
        )
    else:
        for line in result.lines():
            session.console.print(line, highlight=False, markup=False)
    if not result.ok:
        raise PartlyFailed

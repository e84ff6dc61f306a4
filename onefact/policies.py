"""The policy as it was (政策版本): what each consolidation decided by, kept by content, so that a past day is judged by its own rules.

A version has parts: the catalogue (which system is right about which field), the ranks of all systems, and each manifest as it
was written. A part is stored once; a run under the same rules adds nothing.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from connectors.manifest import Manifest, ManifestErrors, load_all
from onefact import policy
from onefact.home import Home
from schemas.entities import ENTITIES
from warehouse.golden import Authority
from warehouse.tables import POLICY, POLICY_PART, RUN

CATALOGUE: Final = "catalogue"
RANKS: Final = "ranks"
MANIFEST: Final = "manifest/"
"""Names of the parts; a manifest's ends with its file's name."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the policy; `parts`: name -> SHA-256."""

    sha256: str
    kept_at: datetime
    run_id: str
    parts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Policy:
    """What a day was judged by: its manifests and its ranks.

    Attributes:
        sha256: the version; None where none was kept, then it is today's.
        since: when the version was first used.
        changed: parts that are not the same today.
    """

    manifests: Mapping[str, Manifest]
    ranks: tuple[Authority, ...]
    sha256: str | None = None
    since: datetime | None = None
    changed: tuple[str, ...] = ()

    def order(self, entity_type: str, field: str) -> tuple[tuple[str, int], ...]:
        """Return who counts for a field, the greatest rank first; systems that may make no claim are left out."""
        best: dict[str, int] = {}
        for a in self.ranks:
            if (a.entity_type, a.field) == (entity_type, field) and a.rank >= 0:
                best[a.system_id] = max(best.get(a.system_id, 0), a.rank)
        return tuple(sorted(best.items(), key=lambda s: (-s[1], s[0])))


def keep(home: Home, run_id: str) -> str:
    """Keep today's policy, when it is not kept yet, and return its SHA-256."""
    parts = _today(home)
    names = {name: _hash(text) for name, text in parts.items()}
    digest = _hash(json.dumps(names, sort_keys=True))
    with home.engine.begin() as connection:
        if connection.execute(sa.select(POLICY.c.sha256).where(POLICY.c.sha256 == digest)).scalar() is None:
            rows = [{"sha256": names[name], "content": text} for name, text in parts.items()]
            connection.execute(insert(POLICY_PART).on_conflict_do_nothing(), rows)
            version = {"sha256": digest, "kept_at": home.now().astimezone(), "run_id": run_id, "parts": names}
            connection.execute(insert(POLICY).on_conflict_do_nothing(), [version])
    return digest


def of_run(connection: sa.Connection, run_id: str | None) -> Version | None:
    """Return the policy that a consolidation decided by; None for one of before policies were kept."""
    query = (
        sa.select(POLICY)
        .join(RUN, RUN.c.summary["policy"].as_string() == POLICY.c.sha256)
        .where(RUN.c.run_id == run_id)
    )
    row = connection.execute(query).mappings().first()
    return Version(row["sha256"], row["kept_at"], row["run_id"], row["parts"]) if row else None


def as_it_was(home: Home, run_id: str | None) -> Policy:
    """Return what a consolidation decided by: the kept version, today's where none was kept or it cannot be read any more."""
    with home.engine.connect() as connection:
        version = of_run(connection, run_id)
        if version is None:
            return Policy(home.manifests, tuple(policy.authorities(home.manifests.values())))
        query = sa.select(POLICY_PART).where(POLICY_PART.c.sha256.in_(set(version.parts.values())))
        texts = {r["sha256"]: r["content"] for r in connection.execute(query).mappings()}
    today = {name: _hash(text) for name, text in _today(home).items()}
    changed = tuple(sorted(n for n in {*today, *version.parts} if today.get(n) != version.parts.get(n)))
    ranks = tuple(Authority(*row) for row in json.loads(texts[version.parts[RANKS]]))
    manifests = home.manifests
    if any(n.startswith(MANIFEST) for n in changed):
        manifests = _read({n: texts[h] for n, h in version.parts.items() if n.startswith(MANIFEST)}) or home.manifests
    return Policy(manifests, ranks, version.sha256, version.kept_at, changed)


def _read(texts: Mapping[str, str]) -> Mapping[str, Manifest]:
    """Return the manifests of a version; none when this onefact cannot read them any more."""
    with tempfile.TemporaryDirectory(prefix="onefact-policy-") as folder:
        for name, text in texts.items():
            (Path(folder) / f"{name.removeprefix(MANIFEST)}.yaml").write_text(text, encoding="utf-8")
        try:
            return load_all(folder)
        except ManifestErrors:
            return {}


def _today(home: Home) -> Mapping[str, str]:
    """The parts of today's policy, as texts."""
    files = sorted(home.systems.glob("*.yaml"))
    ranks = sorted(
        [a.system_id, a.entity_type, a.role, a.field, a.rank] for a in policy.authorities(home.manifests.values())
    )
    catalogue = {
        f"{e.name}.{f.name}": [f.cn, f.authority, f.worker, f.group or f.name]
        for e in ENTITIES.values()
        for f in e.fields
    }
    return {
        **{f"{MANIFEST}{f.stem}": f.read_text(encoding="utf-8") for f in files},
        RANKS: json.dumps(ranks, ensure_ascii=False),
        CATALOGUE: json.dumps(catalogue, ensure_ascii=False),
    }


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()

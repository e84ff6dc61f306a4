"""Guided acts as a device reads them (情景办理的说明): what is asked and what follows, so that it makes the same act."""

from __future__ import annotations

from typing import Any

from onefact.guided import Guide
from portal.view.cards import options


def spec(guide: Guide) -> dict[str, Any]:
    """Return a guide as JSON; `portal/static/guides.js` makes facts of it as `onefact.guided.facts` does."""
    return {
        "kind": guide.kind, "title": guide.title, "lead": guide.lead, "on": guide.on, "mate": guide.mate,
        "asks": [
            {
                "name": a.name, "of": a.of, "type": a.entity_type, "field": a.field, "cn": a.declared.cn, "kind": a.declared.kind,
                "required": a.required, "hint": a.hint, "length": 18 if a.declared.kind == "id_number" else a.declared.length,
                "options": options(a.declared) if a.declared.kind in {"code", "boolean"} else [],
            }
            for a in guide.asks
        ],
        "follows": [list(f) for f in guide.follows],
    }  # fmt: skip

"""The burden meter (减负) and the map of fields and systems (字段与系统)."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from onefact.burden import burden
from onefact.report.matrix import matrix
from onefact.report.sharing import shared
from portal.access import OfHome
from portal.view import page
from portal.view.charts import columns
from schemas.entities import ENTITIES

router = APIRouter(include_in_schema=False)


@router.get("/burden", name="burden")
def show(request: Request, home: OfHome) -> Response:
    """Show what was typed once and what was written from it."""
    meter = burden(home)
    chart = columns(
        [m.month for m in meter.months], [[m.typed for m in meter.months], [m.written for m in meter.months]]
    )
    return page(request, "burden/show.html", meter=meter, chart=chart, manifests=home.manifests)


@router.get("/map", name="map")
def fields(request: Request, home: OfHome) -> Response:
    """Show which system holds which field, and who is its authority."""
    held = {
        m.id: tuple(sorted({f"{e.type}.{n}" for d in m.datasets for e in d.entities for n in e.fields}))
        for m in home.manifests.values()
    }
    sharing = shared(held, home.manifests)
    return page(request, "map/show.html", sharing=sharing, matrix=matrix(sharing), entities=ENTITIES)

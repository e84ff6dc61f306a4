"""The demo's report (演示报告): one Chinese page that opens without network, made from the result of a demo.

The page loads nothing: style and pictures are in it, and its content security policy forbids everything else. It shows
counts, systems and rules, never a person.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from onefact.home import Home
from onefact.report import view
from onefact.report.matrix import matrix
from onefact.report.page import environment, style_source
from onefact.report.sharing import shared
from onefact.report.wheel import wheel
from schemas.entities import ENTITIES

if TYPE_CHECKING:
    from onefact.demo import DemoResult

HERE = Path(__file__).parent


def write(path: Path, home: Home, result: DemoResult) -> Path:
    """Write the report of a demo and return its path.

    Args:
        path: the HTML file to write; replaced when it exists.
        home: the installation, for the names of its systems and the rejects of its working copy.
        result: what the demo found.
    """
    sharing = shared(result.sharing, home.manifests)
    style = (HERE / "report.css").read_text(encoding="utf-8")
    text = environment(HERE).get_template("report.html").render(
        result=result, made_at=home.now(), sharing=sharing, matrix=matrix(sharing), wheel=wheel(sharing),
        systems=view.system_rows(home, result.status.systems), entities=view.entity_rows(result),
        arrivals=view.arrival_rows(home, result), rejects=view.reject_rows(home), promises=view.promises(result),
        entity_names={e.name: e.cn for e in ENTITIES.values()}, system_names={m.id: m.name for m in home.manifests.values()},
        steps=view.steps(result), terms=view.terms(), style=Markup(style), style_hash=style_source(style),  # noqa: S704 - our own file
    )  # fmt: skip
    path.write_text(text, encoding="utf-8")
    return path

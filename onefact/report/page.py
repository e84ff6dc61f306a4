"""What the reports' pages share: the template environment, how numbers are written, the page's own style and nothing else."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

HERE = Path(__file__).parent


def environment(folder: Path) -> Environment:
    """Return the environment of a folder of templates, with those beside it that all reports share.

    Everything is escaped, a missing name is an error.
    """
    made = Environment(
        loader=FileSystemLoader([folder, HERE]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["number"] = lambda n: f"{n:,}"
    made.filters["share"] = share
    return made


def share(value: float) -> str:
    """Per cent with one decimal, never rounded up to 100 %."""
    return "100%" if value == 1 else f"{min(value * 100, 99.9):.1f}%"


def style_source(style: str) -> str:
    """The source expression that lets exactly this style sheet through the page's content security policy."""
    return "sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()

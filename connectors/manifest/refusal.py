"""How a validator of the manifest model says *where* in its block something is wrong.

Pydantic places an error of a model validator at the block, not at the key; a manifest is read by people, so the key
and its line must be named.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

Location = tuple[str | int, ...]
"""Keys and list positions from the block downwards, e.g. `("fields", "nmae")`."""


class Refused(NamedTuple):
    """One refused place: `what` is the sentence `what is wrong; what to do`, `kind` pydantic's type of error."""

    at: Location
    what: str
    kind: str = "manifest"


def refuse(title: str, refused: Sequence[Refused]) -> None:
    """Raise one `ValidationError` with every refused place below the present block; do nothing for an empty list."""
    if refused:
        details = [InitErrorDetails(type=_error(r), loc=r.at, input=None) for r in refused]
        raise ValidationError.from_exception_data(title, details)


def part_refused(part: type[BaseModel], data: dict[str, Any], at: Location) -> list[Refused]:
    """What is wrong with a kind-specific block, placed below `at`."""
    try:
        part.model_validate(data)
    except ValidationError as error:
        return [Refused((*at, *e["loc"]), e["msg"], e["type"]) for e in error.errors()]
    return []


def _error(refused: Refused) -> PydanticCustomError:
    return PydanticCustomError(refused.kind, "{what}", {"what": refused.what})

"""What goes in and out of the API (接口数据), as the OpenAPI document describes it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from schemas.model import EntityType


def _writable(text: str) -> str:
    """No database takes the character NUL in a text, and half a character (a lone surrogate) is none."""
    if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
        raise ValueError("the text holds characters that cannot be kept")
    return text


Text = Annotated[str, AfterValidator(_writable)]

Kind = Literal["correct", "check", "move_in", "move_out", "birth", "death", "marriage", "new_owner", "create"]
"""What an act is: see `onefact.acts.Act`."""


class In(BaseModel):
    """Something sent to us: an unknown key is a mistake, not a wish."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Out(BaseModel):
    """Something that we answer."""

    model_config = ConfigDict(frozen=True)


class Problem(Out):
    """An error: one sentence, and for an act what is wrong with which fact; never a value."""

    error: str
    problems: list[FactProblem] = Field(default_factory=list)


class FactProblem(Out):
    """What is wrong with one fact."""

    entity: str
    field: str
    sentence: str


class Hit(Out):
    """One golden record that fits; values masked."""

    entity_type: EntityType
    id: str
    found_by: str
    title: str
    details: dict[str, str]


class Hits(Out):
    """The records found, best first."""

    hits: list[Hit]


class ValueOut(Out):
    """One field: what stands, who says so, since when, how sure."""

    field: str
    name: str
    value: str | None
    masked: bool
    source: str
    observed_at: str
    confidence: str | None
    missing: bool
    stale: bool
    disputed: bool
    worker: bool
    stamp: str


class EntityOut(Out):
    """One golden record; `version` counts its changes."""

    entity_type: EntityType
    id: str
    version: int
    values: list[ValueOut]


class FactIn(In):
    """One fact; `entity` is a master id, or a name that begins with `new`; an empty value takes an earlier entry back."""

    entity_type: EntityType
    entity: Annotated[Text, Field(min_length=1, max_length=60)]
    field: Annotated[Text, Field(min_length=1, max_length=60)]
    value: Annotated[Text, Field(max_length=500)]
    seen: Annotated[Text, Field(max_length=200)] | None = None


class ActIn(In):
    """Facts that are taken together or not at all; sent again under the same id they change nothing."""

    act_id: UUID
    kind: Kind = "correct"
    facts: Annotated[list[FactIn], Field(min_length=1, max_length=500)]


class SearchIn(In):
    """What is looked for."""

    q: Annotated[Text, Field(max_length=100)] = ""
    entity_type: EntityType | None = None
    limit: Annotated[int, Field(ge=1, le=20)] = 20


class UndoIn(In):
    """The id of the act that takes another back."""

    act_id: UUID


class DeliveryOut(Out):
    """What became of a fact at one system."""

    system: str
    name: str
    state: str
    word: str
    at: datetime | None
    receipt: str
    why: str


class LineOut(Out):
    """One fact of a receipt; `counts`: it holds at once, else it waits for the authority."""

    entity_type: EntityType
    id: str
    field: str
    counts: bool
    taken: bool
    deliveries: list[DeliveryOut]


class Receipt(Out):
    """What became of an act."""

    act_id: str
    kind: str
    at: datetime
    repeated: bool
    created: dict[str, str]
    undone_by: str | None
    facts: list[LineOut]


class Event(Out):
    """Something that changed: which record, to which version; what it says is read with the account's own rights."""

    type: Literal["changed", "merged"]
    entity_type: EntityType
    id: str
    version: int | None
    heir: str | None
    run: str
    at: datetime


class Changes(Out):
    """Changes since a cursor; send `cursor` with the next question."""

    events: list[Event]
    cursor: str
    more: bool


class WebhookIn(In):
    """Where changes are told; the host has to be on the installation's list."""

    url: Annotated[Text, Field(max_length=500, pattern=r"^https?://")]
    entity_types: Annotated[list[EntityType], Field(min_length=1, max_length=4)]


class WebhookOut(Out):
    """A subscription; `secret` is shown once, when it is made."""

    id: str
    url: str
    entity_types: list[EntityType]
    created_at: datetime
    paused_at: datetime | None
    failures: int
    secret: str | None = None


class WebhooksOut(Out):
    """The subscriptions of the account."""

    webhooks: list[WebhookOut]


Problem.model_rebuild()

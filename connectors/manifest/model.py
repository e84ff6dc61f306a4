"""The typed model of a manifest: everything onefact knows about one system, as data.

A system is onboarded by one YAML file; no Python is written. Each class below is one block of that file, each attribute
one key; unknown keys are refused so that a typing mistake is found when the file is checked, not when it runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from connectors.manifest.refusal import Location, Refused, part_refused, refuse
from connectors.manifest.sources import CONNECTIONS, SOURCES
from connectors.manifest.windows import Window, local_time, opens_at
from schemas.entities import ENTITIES, LINKS
from schemas.model import Compartment, EntityType, Kind, UnknownField
from schemas.model import Field as MasterField

IntegrationKind = Literal["rest", "frontdb", "sftp_csv", "excel", "form", "queue", "webhook", "export", "files"]
"""rest REST 接口 · frontdb 前置库 · sftp_csv SFTP 文件 · excel 模板 · form 网页表单 · queue 消息队列 · webhook 回调 ·
export 单向导出 · files 文件夹."""

Direction = Literal["both", "in", "out", "none"]
"""both = pull and push; in = pull only (the system is the authority or may not be written); out = push only;
none = the column is read for display, its value never becomes a claim and is never written."""

Cadence = Literal["realtime", "hourly", "daily", "weekly", "monthly", "yearly"]

Action = Literal["retry", "reject", "refresh_login", "stop_target", "unknown", "conflict"]
"""What is done about an answer; `connectors/answers.yaml` explains each."""

RECEIPT_HOURS: Mapping[Cadence, float] = {
    "realtime": 1, "hourly": 3, "daily": 36, "weekly": 8 * 24, "monthly": 32 * 24, "yearly": 370 * 24,
}  # fmt: skip
"""Hours within which an answer that comes later is expected where the manifest says nothing."""


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Columns = Annotated[list[str], BeforeValidator(_as_list)]


class Block(BaseModel):
    """A block of a manifest: frozen, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CodeMap(Block):
    """A translation between a system's spelling and a GB code (代码对照), both ways.

    Attributes:
        codes: system spelling -> GB code (many spellings may mean one code).
        write: GB code -> the spelling to write; needed where several spellings mean one code, or to fold a code that
            the system does not have into one it has (then `lossy` must say so).
        lossy: why a round trip cannot give every value back; absent = the map is claimed lossless and checked.
    """

    codes: dict[str, str]
    write: dict[str, str] = Field(default_factory=dict)
    lossy: str | None = None

    def reverse(self) -> dict[str, str]:
        """GB code -> spelling to write: `write` first, then the first spelling of each code."""
        table: dict[str, str] = {}
        for spelling, code in self.codes.items():
            table.setdefault(code, spelling)
        return {**table, **self.write}


class FieldMap(Block):
    """Where one master field lives in the system's row.

    Attributes:
        column: the column, or several columns that together make the value (`join` between them; read only).
        value: a constant instead of a column (e.g. every document is an ID card: `id_type: {value: "111"}`).
        direction: see `Direction`; default `both`, or `in` for a composed value.
        codes: name of a map in `code_maps`, or the translations themselves.
        formats: date formats tried in order (strptime); the common ones and Excel serials are known without it.
        write_format: the date format to write; default: the first of `formats`, else `%Y-%m-%d`.
        kind: overrides the master field's kind (`as: text` for a number that is not Chinese).
    """

    column: Columns = Field(default_factory=list)
    value: str | None = None
    join: str = ""
    direction: Direction | None = None
    codes: str | dict[str, str] | None = None
    formats: list[str] = Field(default_factory=list)
    write_format: str | None = None
    kind: Kind | None = Field(default=None, alias="as")

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if bool(self.column) == (self.value is not None):
            raise ValueError("give either `column` or `value`")
        if len(self.column) > 1 and self.direction in {"both", "out"}:
            raise ValueError("a value made of several columns can only be read: remove `direction` or set it to `in`")
        return self

    @property
    def way(self) -> Direction:
        """The effective direction."""
        if self.direction is not None:
            return self.direction
        return "in" if len(self.column) > 1 or self.value is not None else "both"

    @property
    def readable(self) -> bool:
        """True when the value becomes a claim."""
        return self.way in {"both", "in"}

    @property
    def writable(self) -> bool:
        """True when golden values may be written back."""
        return self.way in {"both", "out"} and len(self.column) == 1


def _field_map(value: Any) -> Any:
    return {"column": [value]} if isinstance(value, str) else value


class AgeRange(Block):
    """Age in completed years on the day of the run."""

    at_least: int | None = None
    at_most: int | None = None


class Condition(Block):
    """One condition of a scope on a golden field; all given tests must hold."""

    field: str
    equals: str | None = None
    one_of: list[str] | None = None
    present: bool | None = None
    starts_with: str | None = None
    age: AgeRange | None = None


class Scope(Block):
    """Which master entities belong in this system (纳管范围).

    Attributes:
        members: `existing` = only records the system already has are kept up to date; `all` = entities of the master
            that the system lacks are created there too (needs the capability `create`).
        where: conditions that an entity must meet to belong.
        requires: fields without which the system does not take a record; a candidate lacking one is not created.
    """

    members: Literal["existing", "all"] = "existing"
    where: list[Condition] = Field(default_factory=list)
    requires: list[str] = Field(default_factory=list)


def unknown_field(entity_type: EntityType, name: str, at: Location) -> list[Refused]:
    """Return why `name` is no field of the entity, with the nearest names; empty when it is one."""
    try:
        ENTITIES[entity_type].field(name)
    except UnknownField as error:
        return [Refused(at, str(error))]
    return []


class EntityMap(Block):
    """One entity that each row of the dataset describes.

    Attributes:
        type: person, address, house or organisation.
        role: name of this entity within the row (`tenant`); default: the type.
        required: columns or fields of which at least one must be filled for the entity to exist in the row;
            default: any mapped field.
    """

    type: EntityType
    role: str = Field(default="", max_length=40, pattern=r"^[^'\"|:/\s]*$")
    fields: dict[str, Annotated[FieldMap, BeforeValidator(_field_map)]]
    required: list[str] = Field(default_factory=list)
    scope: Scope = Scope()

    @model_validator(mode="after")
    def _known_fields(self) -> Self:
        if not self.role:
            object.__setattr__(self, "role", self.type)
        named: list[tuple[Location, str]] = [(("fields", name), name) for name in self.fields]
        named += [(("required", i), name) for i, name in enumerate(self.required)]
        named += [(("scope", "requires", i), name) for i, name in enumerate(self.scope.requires)]
        named += [(("scope", "where", i, "field"), c.field) for i, c in enumerate(self.scope.where)]
        refuse("entity", [r for at, name in named for r in unknown_field(self.type, name, at)])
        return self


class LinkMap(Block):
    """A relation between two entities of one row: `{link: person_house, left: tenant, right: house, relation: tenant}`."""

    link: str
    left: str
    right: str
    relation: str

    @model_validator(mode="after")
    def _known(self) -> Self:
        known = {link.name: {code for code, _ in link.relations} for link in LINKS}
        if self.link not in known:
            raise ValueError(f"unknown link {self.link!r}; links are {', '.join(known)}")
        if self.relation not in known[self.link]:
            raise ValueError(
                f"{self.link} has no relation {self.relation!r}; it has {', '.join(sorted(known[self.link]))}"
            )
        return self


class UpdatedAt(Block):
    """The column that says when the source last changed the row."""

    column: str
    formats: list[str] = Field(default_factory=list)


class Deleted(Block):
    """How a deleted row shows: a flag column, or absence from a complete reading."""

    column: str | None = None
    values: list[str] = Field(default_factory=list)
    when_absent: bool = False

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if bool(self.column) != bool(self.values):
            raise ValueError("`column` and `values` belong together")
        return self


class LocalColumn(Block):
    """A column of the system that is no master fact (its own event number, photo, score): landed, never propagated."""

    title: str
    inventory: str | None = None
    default: str | None = None
    """What a new record gets in this column when onefact creates it."""


def _local(value: Any) -> Any:
    return {"title": value} if isinstance(value, str) else value


class Dataset(Block):
    """One table, resource, sheet, file pattern or topic of the system.

    Attributes:
        name: short English name; part of the record key when a system has several datasets.
        title: Chinese title.
        source: where it is within the connection; its keys depend on the kind (`connectors.manifest.sources`).
        key: column(s) that identify a row.
        local: columns that are no master facts; withheld: columns that exist but are not read, with the reason (law).
        titles: Chinese column titles (for forms and templates), column -> title.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)
    title: str
    source: dict[str, Any] = Field(default_factory=dict)
    key: Columns = Field(min_length=1)
    updated_at: UpdatedAt | None = None
    deleted: Deleted = Deleted()
    entities: list[EntityMap] = Field(min_length=1)
    links: list[LinkMap] = Field(default_factory=list)
    local: dict[str, Annotated[LocalColumn, BeforeValidator(_local)]] = Field(default_factory=dict)
    withheld: dict[str, str] = Field(default_factory=dict)
    titles: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _roles(self) -> Self:
        roles = [e.role for e in self.entities]
        wrong: list[Refused] = [
            Refused(("entities", i, "role"), f"two entities have the role {role!r}; give each its own `role`")
            for i, role in enumerate(roles)
            if role in roles[:i]
        ]
        by_role = {e.role: e.type for e in self.entities}
        sides = {link.name: (link.left, link.right) for link in LINKS}
        for i, link in enumerate(self.links):
            for side, role, wanted in zip(("left", "right"), (link.left, link.right), sides[link.link], strict=True):
                if by_role.get(role) != wanted:
                    known = ", ".join(r for r, t in by_role.items() if t == wanted) or "none"
                    what = f"{role!r} is not the role of a {wanted} in this dataset; roles of a {wanted}: {known}"
                    wrong.append(Refused(("links", i, side), what))
        refuse("dataset", wrong)
        return self

    def entity(self, role: str) -> EntityMap:
        """Return the entity map with this role."""
        return next(e for e in self.entities if e.role == role)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column onefact reads: key, updated-at, delete flag, mapped and local columns, each once, in order."""
        wanted = [*self.key]
        wanted += [self.updated_at.column] if self.updated_at else []
        wanted += [self.deleted.column] if self.deleted.column else []
        wanted += [c for e in self.entities for f in e.fields.values() for c in f.column]
        wanted += [*self.local]
        return tuple(dict.fromkeys(wanted))


class Authorisation(Block):
    """The document that allows this connection (DESIGN.md: a connector without one does not start)."""

    document: str
    expires: date
    automation: bool = False
    """True only where the document also allows automatic submission to a form without an interface."""


class RateLimit(Block):
    """Token bucket of the quota holder."""

    per_second: float = Field(gt=0)
    burst: int = Field(default=1, ge=1)


class Capabilities(Block):
    """What the channel can do, as data (DESIGN.md: not `if name ==`)."""

    read: Literal["delta", "full", "none"] = "full"
    update: bool = True
    create: bool = False
    delete: bool = False
    receipt: Literal["immediate", "later", "none"] = "immediate"
    idempotent: bool = True
    """False where the system does not recognise a repeated idempotency key: a creation that nobody answered is then not
    repeated, but waits until a reading shows the record."""
    receipt_hours: float | None = Field(default=None, gt=0)
    """Hours until an answer that comes later is overdue; default by the cadence (`RECEIPT_HOURS`)."""


def _claim_refused(claim: str, at: Location) -> list[Refused]:
    entity_type, _, name = claim.partition(".")
    if entity_type not in ENTITIES:
        return [Refused(at, f"{claim!r} names no field; write entity.field, e.g. person.phone")]
    return unknown_field(entity_type, name, at)


class Manifest(Block):
    """One system.

    Attributes:
        trust: default authority rank of its values where it is not the authority of a field (greater wins; 0-89).
        authority: fields for which this system is right beyond the master declaration's own (`person.phone`).
        purpose, legal_basis: why onefact may process these facts (PIPL art. 13, 34).
        quota: the quota holder, where several systems share one; default the system itself.
        concurrency: requests of the quota holder at the same time.
        maintenance: times in which the system is left alone.
        answers: stable code -> action, where this system means something else than `connectors/answers.yaml`.
        sandbox: free-form hints for the stand-in (never read in production).
    """

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=30)
    name: str
    department: str
    kind: IntegrationKind
    cadence: Cadence
    purpose: str
    legal_basis: str
    authorisation: Authorisation
    compartment: Compartment = "base"
    trust: int = Field(default=20, ge=0, le=89)
    authority: list[str] = Field(default_factory=list)
    rate_limit: RateLimit | None = None
    quota: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9_]*$", max_length=30)
    concurrency: int | None = Field(default=None, ge=1)
    maintenance: list[Window] = Field(default_factory=list)
    answers: dict[str, Action] = Field(default_factory=dict)
    capabilities: Capabilities = Capabilities()
    connection: dict[str, Any] = Field(default_factory=dict)
    datasets: list[Dataset] = Field(min_length=1)
    code_maps: dict[str, CodeMap] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        wrong = part_refused(CONNECTIONS[self.kind], self.connection, ("connection",))
        names = [d.name for d in self.datasets]
        for i, dataset in enumerate(self.datasets):
            wrong += part_refused(SOURCES[self.kind], dataset.source, ("datasets", i, "source"))
            if dataset.name in names[:i]:
                wrong.append(Refused(("datasets", i, "name"), f"two datasets have the name {dataset.name!r}"))
            for j, entity in enumerate(dataset.entities):
                if entity.scope.members == "all" and not self.capabilities.create:
                    at: Location = ("datasets", i, "entities", j, "scope", "members")
                    wrong.append(Refused(at, "`members: all` creates records; set `capabilities: {create: true}` too"))
        for i, claim in enumerate(self.authority):
            wrong += _claim_refused(claim, ("authority", i))
        wrong += self._pace_refused()
        if self.kind == "export" and self.capabilities.read != "none":
            at = ("capabilities", "read")
            wrong.append(Refused(at, "a one-way export has no read path; set `capabilities: {read: none}`"))
        refuse("manifest", wrong)
        return self

    def _pace_refused(self) -> list[Refused]:
        wrong: list[Refused] = []
        if self.quota and self.rate_limit is None and self.concurrency is None:
            what = "a shared quota needs its size; give `rate_limit` or `concurrency`, the same in all its systems"
            wrong.append(Refused(("quota",), what))
        monday = datetime(2024, 1, 1)  # noqa: DTZ001 - local time of the systems
        if opens_at(self.maintenance, monday) is None:
            wrong.append(Refused(("maintenance",), "these windows never leave the system open; shorten one of them"))
        return wrong

    @property
    def holder(self) -> str:
        """Who holds the quota: a name that several systems share, or the system itself."""
        return f"quota:{self.quota}" if self.quota else self.id

    def open_at(self, moment: datetime) -> bool:
        """Return whether the system may be asked at a moment (without zone: local time), i.e. is not maintained."""
        return all(window.last(local_time(moment)) is None for window in self.maintenance)

    def readable_at(self, moment: datetime) -> bool:
        """Return whether the system may be read at a moment: no window is on that forbids reading too."""
        return all(window.last(local_time(moment)) is None for window in self._unread)

    def readable_from(self, moment: datetime) -> datetime:
        """Return when the system may be read (again), local time without zone."""
        return opens_at(self._unread, moment) or local_time(moment)

    @property
    def _unread(self) -> list[Window]:
        return [window for window in self.maintenance if not window.reading]

    def opens_at(self, moment: datetime) -> datetime:
        """Return when the system may be asked again, local time: the moment itself when it is open."""
        return opens_at(self.maintenance, moment) or local_time(moment)

    def due(self, now: datetime) -> str:
        """Return when an answer that comes later is expected (ISO with offset), seen from `now`."""
        hours = self.capabilities.receipt_hours or RECEIPT_HOURS[self.cadence]
        return (now.astimezone() + timedelta(hours=hours)).isoformat(timespec="seconds")

    def dataset(self, name: str) -> Dataset:
        """Return the dataset called `name`."""
        return next(d for d in self.datasets if d.name == name)

    @property
    def recognises_keys(self) -> bool:
        """True where a repeated idempotency key changes nothing; a website's form has no place for a key."""
        return self.capabilities.idempotent and self.kind != "form"

    @property
    def prefixed(self) -> bool:
        """True when record keys carry the dataset's name (`persons/123`), i.e. there are several datasets."""
        return len(self.datasets) > 1

    def master_field(self, entity_type: EntityType, name: str) -> MasterField:
        """The declaration behind a mapped field."""
        return ENTITIES[entity_type].field(name)

    def code_map(self, field_map: FieldMap) -> CodeMap | None:
        """The code map of a mapped field, named or written in place."""
        if field_map.codes is None:
            return None
        if isinstance(field_map.codes, dict):
            return CodeMap(codes=field_map.codes)
        return self.code_maps[field_map.codes]

"""Reading the rule catalogue (规则目录): YAML files, one per theme, checked so that a mistake is named and not ignored."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from quality.dimensions import indicators
from quality.families import FamilyError, expand
from quality.rule import Check, Order, Relation, Rule, Severity, Waiver
from schemas.codes import UnknownCodeSet, code_set
from schemas.entities import ENTITIES
from schemas.model import EntityType, UnknownField

OWN_RULES = Path(__file__).parent / "rules"
"""The rules that ship with onefact."""


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The safe loader, in C where libyaml is there: ten times as fast."""


class CatalogueError(Exception):
    """A mistake in the rule catalogue: file, rule, and what to do about it."""

    def __init__(self, file: str, rule: str, why: str) -> None:
        self.file, self.rule, self.why = file, rule, why
        super().__init__(f"{file}{f', rule {rule}' if rule else ''}: {why}")


class UnknownRule(Exception):
    """No rule of the catalogue has this id."""

    def __init__(self, wanted: str, known: Sequence[str]) -> None:
        import difflib  # only to word the error

        self.wanted = wanted
        near = difflib.get_close_matches(wanted, known, n=3)
        super().__init__(
            f"No rule has the id {wanted!r}."
            + (f" Did you mean {', '.join(near)}?" if near else " See: onefact quality rules.")
        )


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WaiverText(_Strict):
    """A waiver as it is written."""

    systems: tuple[str, ...] = ()
    until: date
    by: str = Field(min_length=1)
    why: str = Field(min_length=1)


class UniqueText(_Strict):
    """`unique:` of a rule."""

    within: Literal["system", "all"] = "system"


class GroupText(_Strict):
    """`group:` of a rule."""

    by: tuple[str, ...] = Field(min_length=1)
    having: str


class RangeText(_Strict):
    """`range:` of a rule."""

    least: float | None = None
    most: float | None = None


class Defaults(_Strict):
    """What the rules of a file share when they say nothing else."""

    entity: EntityType | None = None
    relation: Relation = "records"
    severity: Severity = "error"
    threshold: float = Field(default=0.98, ge=0, le=1)
    owner: str = "source"
    order: Order = "none"
    since: date | None = None
    until: date | None = None
    approver: str = ""
    systems: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


class RuleText(Defaults):
    """A rule as it is written; exactly one of the checks, or `refused` alone."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)+$")
    name: str = Field(min_length=4)
    code: str = Field(pattern=r"^0[1-6]\d{4}$")
    fields: tuple[str, ...] = ()
    when: str = ""
    fails: str = ""
    not_null: bool = False
    codes: str | None = None
    regex: str = ""
    length: int | None = None
    range: RangeText | None = None
    unique: UniqueText | None = None
    group: GroupText | None = None
    refused: tuple[str, ...] = ()
    waivers: tuple[WaiverText, ...] = ()


@dataclass(frozen=True)
class Catalogue:
    """All rules, in the order of the files."""

    rules: tuple[Rule, ...]

    def rule(self, rule_id: str) -> Rule:
        """Return a rule; raises `UnknownRule`."""
        for rule in self.rules:
            if rule.id == rule_id:
                return rule
        raise UnknownRule(rule_id, [r.id for r in self.rules])

    @cached_property
    def version(self) -> str:
        """Twelve hexadecimal digits of the content: the same rules have the same version."""
        document = [{k: v for k, v in asdict(r).items() if k != "file"} for r in sorted(self.rules, key=lambda r: r.id)]
        text = json.dumps(document, ensure_ascii=False, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def only(self, rules: Sequence[str]) -> Catalogue:
        """Return the catalogue with these rules alone; raises `UnknownRule`."""
        return Catalogue(tuple(self.rule(r) for r in rules))


def load(*folders: Path, waivers: Mapping[str, Sequence[WaiverText]] | None = None) -> Catalogue:
    """Read the rules of these folders (the shipped ones when none is given), with an installation's own waivers.

    Raises:
        CatalogueError: a file is no valid YAML, or a rule says something that does not exist; with the name of the rule.
        UnknownRule: a waiver speaks of no rule.
    """
    rules: dict[str, Rule] = {}
    for folder in folders or (OWN_RULES,):
        for path in sorted(folder.glob("*.y*ml")):
            for rule in _file(path):
                if rule.id in rules:
                    raise CatalogueError(path.name, rule.id, f"the id is taken already in {rules[rule.id].file}")
                rules[rule.id] = rule
    for rule_id, given in (waivers or {}).items():
        if rule_id not in rules:
            raise UnknownRule(rule_id, list(rules))
        known = rules[rule_id]
        rules[rule_id] = replace(known, waivers=(*known.waivers, *(Waiver(**w.model_dump()) for w in given)))
    return Catalogue(tuple(rules.values()))


def _file(path: Path) -> list[Rule]:
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, UnicodeDecodeError) as problem:
        raise CatalogueError(path.name, "", "no valid YAML") from problem
    if not isinstance(document, dict) or set(document) - {"defaults", "rules", "families"}:
        raise CatalogueError(path.name, "", "a file of rules holds `defaults`, `rules` and `families`, nothing else")
    try:
        shared = Defaults.model_validate(document.get("defaults") or {}).model_dump(exclude_unset=True)
        texts = [*(document.get("rules") or ()), *expand(document.get("families") or ())]
    except ValidationError as problem:
        raise CatalogueError(path.name, "", _first(problem)) from problem
    except FamilyError as problem:
        raise CatalogueError(path.name, problem.family, problem.why) from problem
    return [_rule(path.name, shared, text) for text in texts]


def _first(problem: ValidationError) -> str:
    error = problem.errors()[0]
    return f"{'.'.join(map(str, error['loc'])) or 'rule'}: {error['msg']}"


def _rule(file: str, shared: Mapping[str, Any], text: Any) -> Rule:
    name = str(text.get("id", "")) if isinstance(text, dict) else ""
    try:
        said = RuleText.model_validate({**shared, **text} if isinstance(text, dict) else text)
        rule = _checked(file, said)
    except ValidationError as problem:
        raise CatalogueError(file, name, _first(problem)) from problem
    except (UnknownField, UnknownCodeSet) as problem:
        raise CatalogueError(file, name, str(problem)) from problem
    except ValueError as problem:
        raise CatalogueError(file, name, str(problem)) from problem
    return rule


def _checked(file: str, said: RuleText) -> Rule:
    if said.code not in indicators():
        raise ValueError(f"GB/T 36344 has no indicator {said.code}; see quality/dimensions.csv")
    if said.since is None:
        raise ValueError("since: a rule says from which day on it counts")
    if not said.approver:
        raise ValueError("approver: a rule says who approved it")
    if said.relation == "systems":
        if said.entity is not None:
            raise ValueError("a rule on systems is about no entity")
    elif said.entity is None:
        raise ValueError("entity: which of person, address, house, organisation?")
    else:
        for name in said.fields:
            ENTITIES[said.entity].field(name)
        if not said.fields:
            raise ValueError("fields: a rule names the fields it looks at")
    order, owner = _addressee(said)
    return Rule(
        said.id, said.name, said.code, said.entity, said.relation, _check(said), said.when.strip(), said.systems, said.needs,
        said.severity, said.threshold, owner, order, said.since, said.until, said.approver,
        tuple(Waiver(**w.model_dump()) for w in said.waivers), file,
    )  # fmt: skip


def _addressee(said: RuleText) -> tuple[Order, str]:
    """Return who gets an order and who is responsible.

    A grid worker can settle at the door only what a worker decides. Where no field of the rule is one of those, the order
    goes to the department that decides them: sent to the grid it would stay open whatever the worker does.
    """
    if said.order != "grid" or said.entity is None:
        return said.order, said.owner
    if any(ENTITIES[said.entity].field(name).worker for name in said.fields):
        return "grid", said.owner
    return "authority", "authority" if said.owner == "grid" else said.owner


def _check(said: RuleText) -> Check:  # noqa: PLR0911 - one way out for each form
    forms = {
        "sql": said.fails, "not_null": said.not_null, "codes": said.codes, "regex": said.regex, "length": said.length,
        "range": said.range, "unique": said.unique, "group": said.group,
    }  # fmt: skip
    given = [name for name, value in forms.items() if value]
    if len(given) > 1 or not (given or said.refused):
        found = ", ".join(given) or "none"
        raise ValueError(
            f"a rule has one check (fails, not_null, codes, regex, length, range, unique, group); found {found}"
        )
    common: dict[str, Any] = {"fields": said.fields, "refused": said.refused}
    match given[0] if given else "refused":
        case "sql":
            return Check("sql", sql=said.fails.strip(), **common)
        case "not_null":
            return Check("not_null", **common)
        case "codes":
            return Check("codes", values=tuple(code_set(str(said.codes)).codes), **common)
        case "regex":
            return Check("regex", pattern=said.regex, **common)
        case "length":
            return Check("length", most=said.length, **common)
        case "range":
            bounds = said.range or RangeText()
            return Check("range", least=bounds.least, most=bounds.most, **common)
        case "unique":
            return Check("unique", within=(said.unique or UniqueText()).within, **common)
        case "group":
            group = said.group or GroupText(by=("",), having="")
            return Check("group", by=group.by, sql=group.having, **common)
        case _:
            return Check("refused", **common)

"""The rules of access, read from `rules.yaml` and held against the routes that exist."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, model_validator
from starlette.routing import BaseRoute, Mount, Route

from portal.security.accounts import Account
from warehouse.tables.portal import ROLES

FILE = Path(__file__).with_name("rules.yaml")


class NoRule(Exception):
    """Routes without a rule, or rules without a route: the portal does not start."""

    def __init__(self, routes: Iterable[str], rules: Iterable[str]) -> None:
        self.routes, self.rules = sorted(routes), sorted(rules)
        super().__init__(
            f"portal/access/rules.yaml does not fit the routes. Without a rule: {', '.join(self.routes) or 'none'}; "
            f"without a route: {', '.join(self.rules) or 'none'}."
        )


class Record(BaseModel):
    """Which path parameter names a golden record, of which entity, and which of its fields where one is asked for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: str
    id: str
    field: str | None = None

    def named(self, parameters: Mapping[str, object]) -> tuple[str, str]:
        """Return (entity type, master id) of a request."""
        entity = str(parameters[self.type[1:-1]]) if self.type.startswith("{") else self.type
        return entity, str(parameters[self.id])


class Rule(BaseModel):
    """Who may use one route."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    public: bool = False
    signed_in: bool = False
    roles: tuple[str, ...] = ()
    record: Record | None = None
    stage: Literal["full", "password"] = "full"
    api: bool = False
    scope: str | None = None

    @model_validator(mode="after")
    def _one_way_in(self) -> Rule:
        if sum((self.public, self.signed_in, bool(self.roles))) != 1:
            raise ValueError("say exactly one of public, signed_in, roles")
        if unknown := set(self.roles) - set(ROLES):
            raise ValueError(f"unknown roles {sorted(unknown)}")
        return self

    def allows(self, account: Account | None) -> bool:
        """Return whether an account of this role (None = nobody) may use the route."""
        return self.public or (account is not None and (self.signed_in or account.role in self.roles))


class Rules(Mapping[str, Rule]):
    """All rules by route name."""

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        self._rules = dict(rules)

    def __getitem__(self, name: str) -> Rule:
        return self._rules[name]

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self._rules)

    def __len__(self) -> int:
        return len(self._rules)

    def fit(self, routes: Iterable[BaseRoute]) -> None:
        """Raise `NoRule` unless every route has a rule and every rule a route; files under /static are nobody's secret."""
        names = set()
        for route in routes:
            if isinstance(route, Mount) and route.path == "/static":
                continue
            names.add(route.name if isinstance(route, (APIRoute, Route)) else repr(route))
        if names != set(self._rules):
            raise NoRule(names - set(self._rules), set(self._rules) - names)


@cache
def load(file: Path = FILE) -> Rules:
    """Read the rules; a mistake in one is an error at the start, not at the first request."""
    raw = yaml.safe_load(file.read_text(encoding="utf-8"))
    return Rules({name: Rule.model_validate(rule) for name, rule in raw.items()})

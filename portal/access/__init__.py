"""Who may see and do what (访问控制): role x route x area, checked in one place before any page function runs.

A page names itself (`name="person.show"`); `rules.yaml` says who may use it and which path parameter names a record. The
same place checks the session, the second factor, the token against forged requests, the role and the worker's grids.
PostgreSQL checks the grids once more (`portal.access.area`).
"""

from portal.access.acts import logged
from portal.access.gate import (
    Current,
    Database,
    OfHome,
    Refused,
    SignInFirst,
    Unknown,
    current,
    database,
    gate,
    home_of,
    settings_of,
)
from portal.access.rules import NoRule, Rule, Rules
from portal.security.accounts import Account

__all__ = [
    "Account",
    "Current",
    "Database",
    "NoRule",
    "OfHome",
    "Refused",
    "Rule",
    "Rules",
    "SignInFirst",
    "Unknown",
    "current",
    "database",
    "gate",
    "home_of",
    "logged",
    "settings_of",
]

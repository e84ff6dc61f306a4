"""Retention (保存期限): how long each kind of record is kept, and the job that deletes what has run out, with proof."""

from __future__ import annotations

from onefact.retention.rules import RULES, Rule
from onefact.retention.run import Expired, due, run
from onefact.retention.settings import Retention, TooShort, load

__all__ = ["RULES", "Expired", "Retention", "Rule", "TooShort", "due", "load", "run"]

"""The PostgreSQL master: every table, by what it is about."""

from __future__ import annotations

from warehouse.tables.address import ADDRESS_NODE, ADDRESS_POINT
from warehouse.tables.create import create_all, default_of
from warehouse.tables.delivery import DELIVERY, OUTBOX, PUSHED, TARGET, WAKE
from warehouse.tables.finding import FINDING
from warehouse.tables.history import GOLDEN_HISTORY
from warehouse.tables.identity import CROSSWALK, CROSSWALK_HISTORY, DECISION, EDGE, PAIR, REDIRECT, REVIEW
from warehouse.tables.intake import BATCH, CURSOR, ENTRY, ENTRY_WAKE, RUN
from warehouse.tables.keys import DATA_KEY
from warehouse.tables.law import AUTHORISATION, REFUSAL, TICKET, TICKET_EVENT
from warehouse.tables.metadata import METADATA
from warehouse.tables.policy import POLICY, POLICY_PART
from warehouse.tables.portal import ACCOUNT, ACCOUNT_GRID, ENTITY_GRID, EXPORT_REQUEST, SESSION
from warehouse.tables.portal_api import API_TOKEN, WEBHOOK, WEBHOOK_DELIVERY
from warehouse.tables.portal_forms import BULK_UPLOAD, FORM_FILLED, FORM_HEADING, FORM_TASK
from warehouse.tables.quality import QUALITY_AGREEMENT, QUALITY_RULE, QUALITY_RUN, QUALITY_SCORE, WORK_ORDER
from warehouse.tables.sealed import ENTRY_EXPIRED, ENTRY_SEAL, SEALED_LOG
from warehouse.tables.search import ACT, CANDIDATE, SEARCH_KEY

__all__ = [
    "ACCOUNT",
    "ACCOUNT_GRID",
    "ACT",
    "ADDRESS_NODE",
    "ADDRESS_POINT",
    "API_TOKEN",
    "AUTHORISATION",
    "BATCH",
    "BULK_UPLOAD",
    "CANDIDATE",
    "CROSSWALK",
    "CROSSWALK_HISTORY",
    "CURSOR",
    "DATA_KEY",
    "DECISION",
    "DELIVERY",
    "EDGE",
    "ENTITY_GRID",
    "ENTRY",
    "ENTRY_EXPIRED",
    "ENTRY_SEAL",
    "ENTRY_WAKE",
    "EXPORT_REQUEST",
    "FINDING",
    "FORM_FILLED",
    "FORM_HEADING",
    "FORM_TASK",
    "GOLDEN_HISTORY",
    "METADATA",
    "OUTBOX",
    "PAIR",
    "POLICY",
    "POLICY_PART",
    "PUSHED",
    "QUALITY_AGREEMENT",
    "QUALITY_RULE",
    "QUALITY_RUN",
    "QUALITY_SCORE",
    "REDIRECT",
    "REFUSAL",
    "REVIEW",
    "RUN",
    "SEALED_LOG",
    "SEARCH_KEY",
    "SESSION",
    "TARGET",
    "TICKET",
    "TICKET_EVENT",
    "WAKE",
    "WEBHOOK",
    "WEBHOOK_DELIVERY",
    "WORK_ORDER",
    "create_all",
    "default_of",
]

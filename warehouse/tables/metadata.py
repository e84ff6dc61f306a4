"""Where every table of the PostgreSQL master is declared: golden and link tables are derived from the schemas."""

from __future__ import annotations

from schemas.derive.sql import master_metadata

METADATA = master_metadata()
"""Every table of the master; `create_all` makes what is missing."""

"""Which keys the values of this master are sealed with (数据密钥登记): their names and marks, never the keys."""

from __future__ import annotations

import sqlalchemy as sa

from warehouse.tables.metadata import METADATA

DATA_KEY = sa.Table(
    "data_key",
    METADATA,
    sa.Column("key_id", sa.String(40), primary_key=True, comment="compartment and number, e.g. base.1"),
    sa.Column("compartment", sa.String(20), nullable=False),
    sa.Column("cipher", sa.String(10), nullable=False, comment="sm4, aes"),
    sa.Column("mark", sa.String(32), nullable=False, comment="tells the key from another of that name; opens nothing"),
    sa.Column("made_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    comment="数据密钥登记: without the ring that has these keys the sealed values cannot be read",
)

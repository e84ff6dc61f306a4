"""PostgreSQL keeps a worker to the own grids even where a query forgot to."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from portal_support import FOREIGN, OWN, Portal

from portal.access import logged, rows
from portal.security import accounts
from schemas.entities import ENTITIES
from warehouse.tables import METADATA


def seen(portal: Portal, login: str, query: str) -> set[str]:
    with portal.home.engine.begin() as connection:
        account = accounts.by_login(connection, login)
        assert account
        rows.enter(connection, account)
        return {str(value) for value in connection.execute(sa.text(query)).scalars()}


@pytest.mark.parametrize("entity", ENTITIES)
def test_a_query_without_a_condition_returns_the_own_grid_only(portal: Portal, entity: str) -> None:
    own, foreign = portal.ids(entity)[OWN], portal.ids(entity)[FOREIGN]
    query = f"SELECT master_id FROM {entity}"
    assert own in seen(portal, "worker", query)
    assert foreign not in seen(portal, "worker", query)
    assert foreign in seen(portal, "neighbour", query)
    assert {own, foreign} <= seen(portal, "steward", query)
    assert seen(portal, "sysadmin", query) == seen(portal, "secadmin", query) == set()


@pytest.mark.parametrize("table", [name for name, _ in rows.conditions()])
def test_who_has_no_grid_sees_no_row_of_any_table_about_entities(portal: Portal, table: str) -> None:
    assert seen(portal, "sysadmin", f"SELECT count(*) FROM {table}") == {"0"}


def test_every_table_is_decided_on(portal: Portal) -> None:
    about_nobody = {
        "act", "authorisation", "batch", "bulk_upload", "form_filled", "form_heading", "quality_agreement", "quality_rule", "quality_run", "quality_score", "redirect", "run",
        "source_cursor", "target", "entry_expired", "policy", "policy_part",
    }  # fmt: skip
    decided = {name for name, _ in rows.conditions()} | rows.CLOSED | rows.OPEN | about_nobody
    assert set(METADATA.tables) <= decided


@pytest.mark.parametrize("table", ["account", "portal_session", "account_grid"])
def test_pages_cannot_read_passwords_and_sessions(portal: Portal, table: str) -> None:
    with pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
        seen(portal, "steward", f"SELECT 1 FROM {table}")


@pytest.mark.parametrize(
    "statement", ["UPDATE person SET phone = '1'", "DELETE FROM entry", "UPDATE outbox SET state = 'dead'"]
)
def test_pages_cannot_change_the_master(portal: Portal, statement: str) -> None:
    with pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
        seen(portal, "steward", statement + " RETURNING 1")


def test_pages_can_add_to_the_sealed_log_and_not_read_it(portal: Portal) -> None:
    with portal.home.engine.begin() as connection:
        account = accounts.by_login(connection, "worker")
        assert account
        rows.enter(connection, account)
        logged(connection, account, "read", "person", ["00000000-0000-0000-0000-000000000000"], purpose="测试")
    with pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
        seen(portal, "worker", "SELECT body FROM sealed_log")


def test_the_role_ends_with_the_transaction(portal: Portal) -> None:
    seen(portal, "worker", "SELECT 1")
    with portal.home.engine.begin() as connection:
        assert connection.execute(sa.text("SELECT current_user")).scalar_one() != rows.ROLE

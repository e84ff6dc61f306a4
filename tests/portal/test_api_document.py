"""The OpenAPI document holds: whatever is sent by it, right or wrong, never ends in a server error, and answers as described."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from portal_support import ADDRESS, Portal, filled, opened
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from portal.api.v1 import PREFIX
from portal.security import tokens

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 25


@pytest.fixture(scope="module")
def api(make_home, tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    made = opened(filled(make_home, tmp_path_factory.mktemp("api")))
    made.headers = {
        "Authorization": f"Bearer {tokens.make(made.home, 'worker', '测试', list(tokens.SCOPES), 30, 'test')}"
    }
    return schemathesis.openapi.from_asgi(f"{PREFIX}/openapi.json", made.app, base_url=ADDRESS), made


schema = schemathesis.pytest.from_fixture("document")


@pytest.fixture(scope="module")
def document(api):  # type: ignore[no-untyped-def]
    return api[0]


@schema.parametrize()
@settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
def test_no_server_error_and_answers_as_described(case, api) -> None:  # type: ignore[no-untyped-def]
    case.call_and_validate(checks=CHECKS, headers=api[1].headers)


def test_the_document_describes_every_route_and_asks_for_a_token(portal: Portal) -> None:
    answer = portal.nobody().get(f"{PREFIX}/openapi.json").json()
    paths = {r.path for r in portal.app.routes if getattr(r, "path", "").startswith(PREFIX)} - {
        f"{PREFIX}/openapi.json"
    }
    assert set(answer["paths"]) == paths
    assert answer["security"] == [{"token": []}]

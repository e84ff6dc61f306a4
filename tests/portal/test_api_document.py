"""The OpenAPI document holds: whatever is sent by it, right or wrong, never ends in a server error, and answers as described."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from portal_support import MakeHome, Portal, filled, opened
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from portal.api.v1 import PREFIX
from portal.security import tokens

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
EXAMPLES = 20


@pytest.fixture(scope="module")
def api(make_home: MakeHome, tmp_path_factory: pytest.TempPathFactory) -> Portal:
    return opened(filled(make_home, tmp_path_factory.mktemp("api")))


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_no_server_error_and_answers_as_described(api: Portal, mode: GenerationMode) -> None:
    token = tokens.make(api.home, "worker", "测试", list(tokens.SCOPES), 30, "test")
    document = schemathesis.openapi.from_asgi(f"{PREFIX}/openapi.json", api.app)
    tried = []
    for result in document.get_all_operations():
        operation = result.ok()

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            case.call_and_validate(checks=CHECKS, headers={"Authorization": f"Bearer {token}"})

        try:
            ask()
        except Unsatisfiable:
            continue  # nothing can be wrong in a request without parameters
        tried.append(operation.label)
    assert len(tried) >= 8


def test_the_document_describes_every_route_and_asks_for_a_token(portal: Portal) -> None:
    answer = portal.nobody().get(f"{PREFIX}/openapi.json").json()
    paths = {r.path for r in portal.app.routes if getattr(r, "path", "").startswith(PREFIX)} - {
        f"{PREFIX}/openapi.json"
    }
    assert set(answer["paths"]) == paths
    assert answer["security"] == [{"token": []}]

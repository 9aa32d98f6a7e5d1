"""schemathesis against the HTTP doors: what deploy/openapi.yaml allows and what it does not, over real sockets.

Nothing but the doors' own answers comes back, in the documented form; no defect is counted; and a question that was
answered before is answered alike afterwards.
"""

from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest
import schemathesis
import yaml
from envoy_stack import ROOT
from http_worlds import AUTHZEN, configure, running, write_cluster_world, write_records_world
from hypothesis import HealthCheck, Phase, given, seed, settings
from requests import Session
from schemathesis import checks
from schemathesis.core.result import Ok

from pdp.app import App

DOCUMENT: Final = yaml.safe_load((ROOT / "deploy/openapi.yaml").read_text("utf-8"))

QUESTION: Final = {
    "subject": {"type": "user", "id": "alice"},
    "action": {"name": "read"},
    "resource": {"type": "record", "id": "record-1"},
}
REVIEW: Final = {
    "apiVersion": "authorization.k8s.io/v1",
    "kind": "SubjectAccessReview",
    "spec": {
        "user": "ana",
        "groups": ["viewers"],
        "resourceAttributes": {"verb": "get", "version": "v1", "resource": "pods", "namespace": "apps", "name": "a"},
    },
}
CHECKS: Final = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
"""What is asked of every answer."""

KUBERNETES: Final = "/kubernetes/authorize"

FOUND: Final = [
    found for found in schemathesis.openapi.from_dict(DOCUMENT).get_all_operations() if isinstance(found, Ok)
]
OPERATIONS: Final = {found.ok().label: found.ok() for found in FOUND}
POSITIVE, NEGATIVE = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
CASES: Final = [
    (name, mode)
    for name, operation in OPERATIONS.items()
    # With some operations there is nothing to get wrong.
    for mode in ((POSITIVE, NEGATIVE) if operation.body or operation.headers or operation.query else (POSITIVE,))
]


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[App, httpx.Client]]:
    world = write_records_world(tmp_path_factory.mktemp("records") / "world")
    text = world.config.read_text("utf-8").replace(AUTHZEN["url"], "https://pdp.example")
    world.write("pdp.yaml", text)
    configure(world, forward_auth={})
    with running(world) as started:
        yield started


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[App, httpx.Client]]:
    with running(write_cluster_world(tmp_path_factory.mktemp("cluster") / "world")) as started:
        yield started


def state(client: httpx.Client, path: str) -> Any:
    """What must not change: the answer to a control question, what decides, and the number of defects."""
    asked = client.post(path, json=REVIEW if path == KUBERNETES else QUESTION, headers={"x-request-id": "control"})
    exposed = client.get("/metrics").text.splitlines()
    defects = [line for line in exposed if line.startswith(("pdp_unexpected_errors_total{", "pdp_reload"))]
    return asked.status_code, asked.json(), client.get("/readyz").json(), defects


@pytest.mark.parametrize(("name", "mode"), CASES, ids=[f"{name}, {mode.value}" for name, mode in CASES])
def test_every_operation_answers_in_its_own_form(
    doors: tuple[App, httpx.Client], cluster: tuple[App, httpx.Client], name: str, mode: schemathesis.GenerationMode
) -> None:
    operation = OPERATIONS[name]
    _, client = cluster if operation.path == KUBERNETES else doors
    control = KUBERNETES if operation.path == KUBERNETES else "/access/v1/evaluation"
    before = state(client, control)
    assert before[0] == 200
    asked = 0
    with Session() as session:
        session.trust_env = False

        @seed(20261125)
        @settings(
            max_examples=budget(),
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: schemathesis.Case[Any]) -> None:
            nonlocal asked
            case.call_and_validate(base_url=str(client.base_url), session=session, checks=CHECKS, timeout=20)
            asked += 1

        ask()
    assert asked > 0
    assert state(client, control) == before


def budget() -> int:
    """Requests for each operation and mode: more under the profile `nightly`."""
    return 400 if settings().max_examples > 1_000 else 12


def test_the_document_names_every_path_that_is_served(
    doors: tuple[App, httpx.Client], cluster: tuple[App, httpx.Client]
) -> None:
    served = {route.path for app, _ in (doors, cluster) for route in app._doors.routes}
    assert served == set(DOCUMENT["paths"]) - {"/healthz", "/readyz", "/metrics"}

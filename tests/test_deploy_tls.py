"""The files of deploy/tls are read as they are."""

from pathlib import Path
from typing import Final

import pytest

from pdp.cedar.entities import Entity
from pdp.cedar.source import Source
from pdp.cedar.values import EntityUID, Set, Value
from pdp.config import read_config
from pdp.engine.callers.judging import CallerAction, CallerDoor, Switches, builtin_schema, load_caller_policies

FILES: Final = Path(__file__).parents[1] / "deploy" / "tls"
SAMPLE: Final = Path(__file__).parents[1] / "policies" / "pdp.yaml"


def test_the_sections_fit_into_a_configuration() -> None:
    sample = SAMPLE.read_text("utf-8")
    others = "".join(
        f"{section}"
        for section in sample.replace("\n\n", "\n\0").split("\0")
        if not any(line.startswith(("grpc:", "http:")) for line in section.splitlines())
    )
    config = read_config(Source("pdp.yaml", others + (FILES / "pdp.yaml").read_text("utf-8")), FILES)
    assert config.callers.policies == FILES / "callers"
    assert config.grpc.tls is not None
    assert config.grpc.tls.client_ca is not None
    assert config.http.tls is not None
    assert not config.http.tls.require_client_certificate


EDGE: Final = "spiffe://consortium.example/ns/edge/sa/envoy"
ROWS: Final[dict[str, tuple[str, dict[str, Value], set[tuple[CallerAction, CallerDoor]]]]] = {
    "the edge": (EDGE, {"spiffe_id": EDGE}, {(CallerAction.CHECK, CallerDoor.EXT_AUTHZ)}),
    "a partner": (
        "spiffe://partners.consortium.example/gateway",
        {"trust_domain": "partners.consortium.example"},
        {(CallerAction.CHECK, CallerDoor.DECISIONS), (CallerAction.CHECK, CallerDoor.AUTHZEN)},
    ),
    "nginx": (
        "x509:CN=nginx",
        {"dns_names": Set(["nginx.consortium.example"])},
        {(CallerAction.CHECK, CallerDoor.FORWARD_AUTH)},
    ),
    "the API server": (
        "x509:CN=kube-apiserver",
        {"subject": "CN=kube-apiserver"},
        {(CallerAction.CHECK, CallerDoor.KUBERNETES), (CallerAction.ASSERT_SUBJECT, CallerDoor.KUBERNETES)},
    ),
    "Prometheus": (
        "x509:CN=prometheus",
        {"dns_names": Set(["prometheus.consortium.example"])},
        {(CallerAction.READ_METRICS, CallerDoor.METRICS)},
    ),
    "somebody": ("x509:CN=somebody", {"subject": "CN=somebody"}, set()),
}


@pytest.mark.parametrize("name", ROWS)
def test_the_policies_let_in_whom_they_say(name: str) -> None:
    id, attributes, may = ROWS[name]
    policies = load_caller_policies(FILES / "callers")
    caller = Entity(EntityUID("Pdp::Caller", id), {"way": "mtls", "dns_names": Set(), **attributes})
    assert builtin_schema().accepts_entity(caller)
    found = {
        (action, door)
        for action in CallerAction
        for door in CallerDoor
        if policies.permits(caller, action, door, Switches())
    }
    assert found == may

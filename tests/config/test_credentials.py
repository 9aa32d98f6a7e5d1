"""The sections `identity.dpop` and `identity.spiffe`: defaults, bounds, and what is refused with its place."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from pdp.cedar.errors import CedarError
from pdp.cedar.source import Source
from pdp.config.credentials import PROOF_ALGORITHMS, DpopConfig, NonceConfig, read_dpop
from pdp.config.identity import IdentityConfig, read_identity
from pdp.config.spiffe import SpiffeConfig, TrustDomainConfig, read_spiffe
from pdp.documents import parse_yaml

BASE = Path("base")
NO_NONCES: list[object] = [True, [], {"period": "9s"}, {"period": "1h1ms"}, {"secret": ""}, {"key": "a"}]
NO_ATTRIBUTES: list[object] = [[], {"a": "b"}, {"a": ""}, "path"]
NO_FEDERATIONS: list[object] = [[], {"a": {}}, {"a": "b.json"}, {"a": {"bundle": "b", "audience": "c"}}]
ISSUER: dict[str, Any] = {
    "issuer": "https://issuer.example/",
    "audience": "pdp",
    "algorithms": ["ES256"],
    "jwks": "keys.json",
}
SPIFFE: dict[str, Any] = {"trust_domain": "consortium.example", "bundle": "own.json"}


def dpop(section: object) -> DpopConfig | None:
    return read_dpop(parse_yaml(Source("pdp.yaml", yaml.safe_dump(section))), BASE)


def spiffe(section: object) -> SpiffeConfig | None:
    return read_spiffe(parse_yaml(Source("pdp.yaml", yaml.safe_dump(section))), BASE)


def refused(read: Any, section: object) -> CedarError:
    with pytest.raises(CedarError) as caught:
        read(section)
    assert caught.value.span is not None
    return caught.value


def test_without_the_sections_nothing_is_configured() -> None:
    assert read_dpop(None, BASE) is None
    assert read_spiffe(None, BASE) is None


def test_dpop_by_default() -> None:
    assert dpop({}) == DpopConfig()
    assert DpopConfig() == DpopConfig(PROOF_ALGORITHMS, 60_000, 100_000, None)
    assert not any(name.startswith(("HS", "none")) for name in PROOF_ALGORITHMS)


def test_dpop_in_full() -> None:
    section = {
        "algorithms": ["ES256", "EdDSA"],
        "window": "30s",
        "places": 5000,
        "nonce": {"period": "1m", "secret": "nonce.txt"},
    }
    assert dpop(section) == DpopConfig(("ES256", "EdDSA"), 30_000, 5_000, NonceConfig(60_000, BASE / "nonce.txt"))
    assert dpop({"nonce": {}}) == DpopConfig(nonce=NonceConfig(300_000, None))


@pytest.mark.parametrize(
    "section",
    [
        *([], "yes", {"enabled": True}, {"algorithms": []}, {"algorithms": ["none"]}, {"algorithms": ["HS256"]}),
        *({"window": value} for value in ("999ms", "10m1ms", "0s", "-1s", 60, "a minute")),
        *({"places": value} for value in (999, 10_000_001, "many", True, -1)),
        *({"nonce": value} for value in NO_NONCES),
    ],
    ids=str,
)
def test_what_dpop_cannot_be(section: object) -> None:
    refused(dpop, section)


@pytest.mark.parametrize(("key", "value"), [("window", "1s"), ("window", "10m"), ("places", 1_000)])
def test_bounds_are_included(key: str, value: object) -> None:
    assert dpop({key: value}) is not None


def test_spiffe_by_default() -> None:
    assert spiffe(SPIFFE) == SpiffeConfig(
        "consortium.example", {"consortium.example": TrustDomainConfig(BASE / "own.json", "Workload", "spiffe_id")}
    )


def test_spiffe_in_full() -> None:
    section = {
        **SPIFFE,
        "type": "Service",
        "id": "path",
        "audience": "pdp",
        "attributes": {"realm": "trust_domain", "path": "path", "name": "spiffe_id"},
        "federation": {
            "partner.example": {"bundle": "partner.json", "type": "Partner::Service"},
            "other.example": {"bundle": "other.json", "type": "Other", "id": "path"},
        },
    }
    domains = {
        "consortium.example": TrustDomainConfig(BASE / "own.json", "Service", "path"),
        "partner.example": TrustDomainConfig(BASE / "partner.json", "Partner::Service", "spiffe_id"),
        "other.example": TrustDomainConfig(BASE / "other.json", "Other", "path"),
    }
    attributes = {"realm": "trust_domain", "path": "path", "name": "spiffe_id"}
    assert spiffe(section) == SpiffeConfig("consortium.example", domains, "pdp", attributes)


@pytest.mark.parametrize("key", ["trust_domain", "bundle"])
def test_our_own_trust_domain_is_needed(key: str) -> None:
    assert key in refused(spiffe, {name: value for name, value in SPIFFE.items() if name != key}).message


@pytest.mark.parametrize(
    "name",
    ["spiffe://a", "A", "a/b", "a:443", "ä", "a b", "", "a" * 256, 1, None, "a\n"],
    ids=lambda name: ascii(name)[:12],
)
def test_names_of_trust_domains(name: object) -> None:
    refused(spiffe, {**SPIFFE, "trust_domain": name})
    if isinstance(name, str):
        refused(spiffe, {**SPIFFE, "federation": {name: {"bundle": "b.json"}}})


@pytest.mark.parametrize(
    "changes",
    [
        *({"id": value} for value in ("sub", "trust_domain", "", None)),
        *({"type": value} for value in ("", "no type", "a::", None)),
        *({"audience": value} for value in ("", None, [], ["pdp"])),
        *({"attributes": value} for value in NO_ATTRIBUTES),
        *({"federation": value} for value in NO_FEDERATIONS),
        *({"unknown": 1}, {"bundle": ""}),
    ],
    ids=str,
)
def test_what_spiffe_cannot_be(changes: dict[str, object]) -> None:
    refused(spiffe, {**SPIFFE, **changes})


def test_our_own_trust_domain_is_not_federated() -> None:
    error = refused(spiffe, {**SPIFFE, "federation": {"consortium.example": {"bundle": "b.json", "type": "Other"}}})
    assert "our own" in error.message


@pytest.mark.parametrize(("own", "foreign"), [("path", "spiffe_id"), ("spiffe_id", "path"), ("path", "path")])
def test_workloads_of_two_trust_domains_cannot_be_one_entity(own: str, foreign: str) -> None:
    federation: dict[str, Any] = {"partner.example": {"bundle": "b.json", "id": foreign}}
    assert "could be taken for" in refused(spiffe, {**SPIFFE, "id": own, "federation": federation}).message
    federation["partner.example"]["type"] = "PartnerWorkload"
    assert spiffe({**SPIFFE, "id": own, "federation": federation}) is not None


def test_of_one_type_with_whole_ids_they_cannot_either() -> None:
    assert spiffe({**SPIFFE, "federation": {"partner.example": {"bundle": "b.json"}}}) is not None


@pytest.mark.parametrize("type", ["Workload", "PartnerWorkload"])
def test_two_trust_domains_have_two_bundles(type: str) -> None:
    federation = {"partner.example": {"bundle": "own.json", "type": type}}
    assert "another trust domain" in refused(spiffe, {**SPIFFE, "federation": federation}).message


def identity(section: object) -> IdentityConfig:
    return read_identity(parse_yaml(Source("pdp.yaml", yaml.safe_dump(section))), BASE)


def test_the_sections_stand_in_identity() -> None:
    config = identity({**ISSUER, "dpop": {}, "spiffe": SPIFFE})
    assert config.dpop == DpopConfig()
    assert config.spiffe == spiffe(SPIFFE)
    assert (identity(ISSUER).dpop, identity(ISSUER).spiffe) == (None, None)


SAME: list[tuple[dict[str, object], dict[str, object]]] = [
    ({"type": "Workload"}, {}),
    ({"type_claim": "kind", "types": {"service": "Workload"}}, {}),
    ({"groups_claim": "groups", "groups_type": "Workload"}, {}),
    ({"device_claim": "device", "device_type": "Workload"}, {}),
    ({"type": "Workload", "id_prefix": "spiffe://"}, {}),
    ({"type": "Workload", "id_prefix": "spiffe://consortium.example/people/"}, {}),
    ({"type": "Workload", "id_prefix": "/people/"}, {"id": "path"}),
    ({"type": "User"}, {"type": "User"}),
]
APART: list[tuple[dict[str, object], dict[str, object]]] = [
    ({"type": "User"}, {}),
    ({"type": "Workload"}, {"type": "Service"}),
    ({"type": "Workload", "id_prefix": "corp:"}, {}),
    ({"type": "Workload", "id_prefix": "spiffe://partner.example/"}, {}),
    ({"type": "Workload", "id_prefix": "spiffe://"}, {"id": "path"}),
]


@pytest.mark.parametrize(("principal", "workloads"), SAME, ids=str)
def test_an_issuer_of_tokens_cannot_name_workloads(principal: dict[str, object], workloads: dict[str, object]) -> None:
    section = {**ISSUER, "principal": principal, "spiffe": {**SPIFFE, **workloads}}
    error = refused(identity, section)
    assert "can both name" in error.message
    assert identity({**section, "shared_principals": True}).spiffe is not None


@pytest.mark.parametrize(("principal", "workloads"), APART, ids=str)
def test_where_it_cannot_nothing_is_said(principal: dict[str, object], workloads: dict[str, object]) -> None:
    assert identity({**ISSUER, "principal": principal, "spiffe": {**SPIFFE, **workloads}}).spiffe is not None

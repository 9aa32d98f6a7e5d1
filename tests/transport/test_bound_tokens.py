"""Tokens that are bound to their sender, at the doors that see a client's request; workloads at `pdp.v1`."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pytest
from callers import FAR, LOCAL, UNIX, admission
from doors import FakeDecider, Reports, an_allow
from ext_authz_doors import FakeRoutes, door_with, question, told
from issuer import Signer, key_set, verifier
from prover import Prover
from spiffe_world import NOW, OWN, SECONDS, anchor, bundles, der, of_authority, spiffe_config

from pdp.cedar.policy import Effect
from pdp.cedar.response import Decision
from pdp.cedar.values import EntityUID
from pdp.config.credentials import DpopConfig
from pdp.config.doors import ForwardAuthConfig
from pdp.config.issuers import IssuerConfig
from pdp.engine.decider import DeterminingPolicy, Obligation, ReasonClass, Verdict
from pdp.identity import base64url
from pdp.identity.binding import Bindings
from pdp.identity.credentials import CredentialVerifier
from pdp.identity.dpop import ProofVerifier
from pdp.identity.nonces import Nonces
from pdp.identity.replay import ReplayMemory
from pdp.identity.workloads import CertificateVerifier
from pdp.telemetry.metrics import Metrics
from pdp.transport.authentication import Authentication
from pdp.transport.callers import Caller
from pdp.transport.challenges import Challenges
from pdp.transport.grpc.batch import BatchDoor
from pdp.transport.grpc.gen.v1 import decision_pb2 as pb
from pdp.transport.grpc.service import DecisionService
from pdp.transport.http.endpoint import HttpAsk
from pdp.transport.http.forward_auth import NGINX, ForwardAuth
from pdp.transport.http_obligations import NO_NAMES

ISSUER = "https://issuer.example/"
SIGNER, PROVER = Signer("ES256", "key-1"), Prover()
ROOT = anchor("own root")
BILLING = f"spiffe://{OWN}/billing"
URL = "https://api.example/orders?x=1"


def token(**claims: object) -> str:
    return SIGNER.token({"iss": ISSUER, "aud": "pdp", "sub": "ana", "exp": SECONDS + 300, **claims})


BOUND = token(cnf={"jkt": PROVER.jkt})


@dataclass
class Doors:
    """The doors over one authentication that knows bound tokens and workloads."""

    decider: FakeDecider
    authentication: Authentication
    metrics: Metrics

    def __post_init__(self) -> None:
        self.service = DecisionService(self.decider, self.authentication)
        self.envoy = door_with(self.decider, self.authentication)
        self.envoy.routes = FakeRoutes()  # type: ignore[assignment]  # a fake of the same shape
        self.nginx = ForwardAuth(NGINX, ForwardAuthConfig(), self.decider, self.authentication, lambda: NO_NAMES)
        self.nginx.routes = FakeRoutes()  # type: ignore[assignment]  # a fake of the same shape

    def check(self, caller: Caller = LOCAL, **fields: Any) -> pb.CheckResponse:
        return pb.CheckResponse.FromString(self.service.check(asked(**fields).SerializeToString(), caller)[1])

    def batch(self, *items: pb.CheckRequest) -> list[pb.CheckResponse]:
        data = pb.CheckBatchRequest(items=items).SerializeToString()
        reply = BatchDoor(self.service, self.metrics, Reports())(data, LOCAL)
        return list(pb.CheckBatchResponse.FromString(reply).results)

    def at_nginx(self, *headers: tuple[str, str]) -> tuple[int, Mapping[str, str]]:
        own = {"method": "GET", "scheme": "https", "host": "api.example", "uri": "/orders?x=1", "ip": "192.0.2.1"}
        family = [(f"x-original-{name}", value) for name, value in own.items()]
        reply = self.nginx.check(HttpAsk((*family, ("x-original-client", "cert="), *headers), b"", "")).reply
        return reply.status, reply.headers

    def at_envoy(self, *headers: tuple[str, str]) -> tuple[int, Mapping[str, str]]:
        response = told(self.envoy, question(list(headers), scheme="https"))
        denied = response.denied_response
        return denied.status.code or 200, {option.header.key: option.header.value for option in denied.headers}


def doors(verdict: Verdict | None = None, nonces: Nonces | None = None) -> Doors:
    metrics = Metrics()
    proofs = ProofVerifier(DpopConfig(("EdDSA", "ES256")), 5_000, ReplayMemory(1_000), nonces)
    config = IssuerConfig(ISSUER, "pdp", ("ES256",))
    tokens = verifier(config, key_set(SIGNER.jwk()), bindings=Bindings(proofs))
    challenges = Challenges(proofs.algorithms)
    authentication = Authentication(lambda: NOW, metrics, admission(metrics), challenges)
    trusted = bundles(own=[ROOT.jwk()])
    authentication.verifier = CredentialVerifier(tokens, CertificateVerifier(spiffe_config(), trusted))
    return Doors(FakeDecider(verdict or an_allow()), authentication, metrics)


def asked(**fields: Any) -> pb.CheckRequest:
    return pb.CheckRequest(
        action=pb.EntityUid(type="Action", id="read"), resource=pb.EntityUid(type="Doc", id="d"), **fields
    )


def client(proof: str | None = None, **fields: Any) -> pb.ClientRequest:
    """The client's request for URL, by DPoP with this proof."""
    proofs = [PROVER.proof(BOUND, SECONDS, htm="GET", htu=URL) if proof is None else proof]
    return pb.ClientRequest(**{"scheme": "DPoP", "proofs": proofs, "method": "GET", "url": URL, **fields})


# pdp.v1


def test_a_bound_token_is_accepted_with_its_proof_once() -> None:
    world, shown = doors(), client()
    assert world.check(token=BOUND, client=shown).decision == pb.DECISION_ALLOW
    again = world.check(token=BOUND, client=shown)
    assert (again.decision, again.reason_class) == (pb.DECISION_DENY, "unauthenticated")
    assert again.challenge.startswith('DPoP error="invalid_dpop_proof", error_description="')
    assert again.challenge.endswith('algs="EdDSA ES256"')
    assert len(world.decider.asked) == 1


@pytest.mark.parametrize(
    "shown",
    [
        None,
        pb.ClientRequest(),
        pb.ClientRequest(scheme="Bearer"),
        client(scheme=""),
        client(scheme="Bearer"),
        client(proofs=[]),
        client("x.y.z"),
        client(method="POST"),
        client(method=""),
        client(url="https://api.example/other"),
        client(url=""),
        client(proofs=[PROVER.proof(BOUND, SECONDS, htm="GET", htu=URL)] * 2),
        client(PROVER.proof(token(), SECONDS, htm="GET", htu=URL)),
        client(Prover(Signer(kid=None, number=8)).proof(BOUND, SECONDS, htm="GET", htu=URL)),
    ],
)
def test_a_bound_token_is_refused_otherwise(shown: pb.ClientRequest | None) -> None:
    world = doors()
    response = world.check(token=BOUND, client=shown)
    assert (response.decision, response.reason_class) == (pb.DECISION_DENY, "unauthenticated")
    assert "error=" in response.challenge
    assert "DPoP" in response.challenge
    assert world.decider.asked == []


def test_schemes_have_any_case_and_none_is_bearer() -> None:
    world = doors()
    assert world.check(token=BOUND, client=client(scheme="dpop")).decision == pb.DECISION_ALLOW
    for scheme in ("", "bearer", "BEARER"):
        assert world.check(token=token(), client=pb.ClientRequest(scheme=scheme)).decision == pb.DECISION_ALLOW


@pytest.mark.parametrize("scheme", ["Basic", "DPoP ", "Bearer token", "é"])
def test_another_scheme_is_no_question(scheme: str) -> None:
    assert doors().check(token=token(), client=pb.ClientRequest(scheme=scheme)).reason_class == "invalid_request"


def test_a_bearer_token_with_the_scheme_of_dpop_is_refused() -> None:
    bearer = token()
    shown = client(PROVER.proof(bearer, SECONDS, htm="GET", htu=URL))
    response = doors().check(token=bearer, client=shown)
    assert response.challenge.startswith('DPoP error="invalid_token"')


def test_the_questions_of_one_batch_share_one_proof() -> None:
    world, shown = doors(), client()
    first = [asked(token=BOUND, client=shown) for _ in range(3)]
    results = world.batch(*first, asked(token=BOUND))
    assert [result.decision for result in results] == [pb.DECISION_ALLOW] * 3 + [pb.DECISION_DENY]
    assert {result.reason_class for result in world.batch(*first)} == {"unauthenticated"}


def test_the_nonce_that_is_demanded_is_told() -> None:
    nonces = Nonces(b"a secret of at least 32 characters", 60_000)
    world = doors(nonces=nonces)
    response = world.check(token=BOUND, client=client())
    assert response.challenge.startswith('DPoP error="use_dpop_nonce"')
    assert response.dpop_nonce == nonces.current(NOW)
    proof = PROVER.proof(BOUND, SECONDS, htm="GET", htu=URL, nonce=response.dpop_nonce)
    allowed = world.check(token=BOUND, client=client(proof))
    assert (allowed.decision, allowed.challenge, allowed.dpop_nonce) == (pb.DECISION_ALLOW, "", "")


def test_a_token_that_is_bound_to_a_certificate() -> None:
    certificate = b"the certificate of the client"
    bound = token(cnf={"x5t#S256": base64url.encode(sha256(certificate).digest())})
    world = doors()
    assert world.check(token=bound, client=pb.ClientRequest(certificate=certificate)).decision == pb.DECISION_ALLOW
    for other in (None, pb.ClientRequest(), pb.ClientRequest(certificate=b"x"), pb.ClientRequest(chain=[certificate])):
        response = world.check(token=bound, client=other)
        assert (response.decision, response.reason_class) == (pb.DECISION_DENY, "unauthenticated")


def test_without_a_credential_both_schemes_are_named() -> None:
    assert doors().check().challenge == 'Bearer realm="pdp", DPoP algs="EdDSA ES256"'


@pytest.mark.parametrize(("scheme", "proved"), [("Bearer", False), ("DPoP", True)])
def test_step_up_is_asked_for_by_the_scheme_of_the_client(scheme: str, proved: bool) -> None:
    policy, duty = DeterminingPolicy("p", Effect.FORBID), Obligation("step-up", "max_age=5", "p")
    verdict = Verdict(Decision.DENY, ReasonClass.FORBIDDEN, "too old", (policy,), (), (duty,))
    response = doors(verdict).check(
        token=BOUND if proved else token(), client=client() if proved else pb.ClientRequest(scheme=scheme)
    )
    assert response.challenge == (
        f'{scheme} error="insufficient_user_authentication", error_description="too old", max_age="5"'
    )


def test_a_deny_that_no_credential_would_lift_has_no_challenge() -> None:
    verdict = Verdict(Decision.DENY, ReasonClass.NOT_PERMITTED, "no")
    assert doors(verdict).check(token=token()).challenge == ""


# Workloads


def test_a_certificate_without_a_token_names_the_principal() -> None:
    world = doors()
    middle = ROOT.intermediate("middle", of_authority())
    for leaf, chain in ((ROOT.workload(BILLING), []), (middle.workload(BILLING), [der(middle.certificate)])):
        shown = pb.ClientRequest(certificate=leaf, chain=chain)
        assert world.check(client=shown).decision == pb.DECISION_ALLOW
        assert world.check(UNIX, client=shown).decision == pb.DECISION_ALLOW
    assert {request.subject.uid for request in world.decider.asked} == {EntityUID("Workload", BILLING)}


def test_only_who_may_name_principals_may_say_whose_certificate_it_is() -> None:
    world, shown = doors(), pb.ClientRequest(certificate=ROOT.workload(BILLING))
    response = world.check(FAR, client=shown)
    assert (response.decision, response.reason_class) == (pb.DECISION_DENY, "unauthenticated")
    assert world.decider.asked == []


def test_an_empty_token_does_not_make_a_certificate_the_credential() -> None:
    world, shown = doors(), pb.ClientRequest(certificate=ROOT.workload(BILLING))
    for caller in (LOCAL, FAR):
        response = world.check(caller, token="", client=shown)
        assert (response.decision, response.reason_class) == (pb.DECISION_DENY, "unauthenticated")


def test_a_principal_that_is_named_stands_before_a_certificate() -> None:
    world = doors()
    shown = pb.ClientRequest(certificate=ROOT.workload(BILLING))
    world.check(principal=pb.EntityUid(type="User", id="ana"), client=shown)
    assert world.decider.asked[0].subject.uid == EntityUID("User", "ana")


@pytest.mark.parametrize("certificate", [b"x", b"\x30\x82" + bytes(20)])
def test_a_certificate_that_is_none_is_a_deny(certificate: bytes) -> None:
    response = doors().check(client=pb.ClientRequest(certificate=certificate))
    assert (response.decision, response.message) == (pb.DECISION_DENY, "this is not a certificate")


def test_old_messages_are_read_as_before() -> None:
    """The numbers of the fields are the wire: none has another meaning than it had."""
    numbers = {field.name: field.number for field in pb.CheckRequest.DESCRIPTOR.fields}
    assert numbers == {
        "token": 1,
        "principal": 2,
        "action": 3,
        "resource": 4,
        "context": 5,
        "device": 6,
        "min_revision": 7,
        "request_id": 8,
        "client": 9,
    }
    answers = {field.name: field.number for field in pb.CheckResponse.DESCRIPTOR.fields}
    assert (answers["decision"], answers["request_id"], answers["challenge"], answers["dpop_nonce"]) == (1, 10, 11, 12)


# Proxies


def by_dpop(proof: str, credential: str = BOUND) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"DPoP {credential}"), ("dpop", proof))


@pytest.mark.parametrize("door", ["nginx", "envoy"])
def test_a_bound_token_at_the_doors_of_proxies(door: str) -> None:
    world = doors()
    ask = world.at_nginx if door == "nginx" else world.at_envoy
    proof = PROVER.proof(BOUND, SECONDS, htm="GET", htu=URL)
    assert ask(*by_dpop(proof))[0] == 200
    status, headers = ask(*by_dpop(proof))
    assert status == 401
    assert headers["www-authenticate"].startswith('DPoP error="invalid_dpop_proof"')
    status, headers = ask(("authorization", f"Bearer {BOUND}"))
    assert status == 401
    assert headers["www-authenticate"].startswith('Bearer error="invalid_token"')
    assert headers["www-authenticate"].endswith(', DPoP algs="EdDSA ES256"')
    proofs = (PROVER.proof(BOUND, SECONDS, htm="GET", htu=URL), PROVER.proof(BOUND, SECONDS, htm="GET", htu=URL))
    assert ask(*by_dpop(proofs[0]), ("dpop", proofs[1]))[0] == 401
    assert ask(*by_dpop(f"{proofs[0]},{proofs[1]}"))[0] == 401


@pytest.mark.parametrize("door", ["nginx", "envoy"])
def test_a_nonce_at_the_doors_of_proxies(door: str) -> None:
    nonces = Nonces(b"a secret of at least 32 characters", 60_000)
    world = doors(nonces=nonces)
    ask = world.at_nginx if door == "nginx" else world.at_envoy
    status, headers = ask(*by_dpop(PROVER.proof(BOUND, SECONDS, htm="GET", htu=URL)))
    assert (status, headers["dpop-nonce"]) == (401, nonces.current(NOW))
    assert headers["www-authenticate"].startswith('DPoP error="use_dpop_nonce"')
    assert ask(*by_dpop(PROVER.proof(BOUND, SECONDS, htm="GET", htu=URL, nonce=headers["dpop-nonce"])))[0] == 200


@pytest.mark.parametrize("door", ["nginx", "envoy"])
def test_step_up_at_the_doors_of_proxies_is_by_the_scheme_of_the_client(door: str) -> None:
    policy, duty = DeterminingPolicy("p", Effect.FORBID), Obligation("step-up", "gold", "p")
    world = doors(Verdict(Decision.DENY, ReasonClass.FORBIDDEN, "stronger", (policy,), (), (duty,)))
    ask = world.at_nginx if door == "nginx" else world.at_envoy
    status, headers = ask(*by_dpop(PROVER.proof(BOUND, SECONDS, htm="GET", htu=URL)))
    assert status == 401
    assert headers["www-authenticate"] == (
        'DPoP error="insufficient_user_authentication", error_description="stronger", acr_values="gold"'
    )

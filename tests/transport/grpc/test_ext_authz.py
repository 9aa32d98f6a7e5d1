"""Envoy's door over bytes: what is believed of an HTTP request, and that every failure is an explicit deny."""

import json
import random
from typing import Any, Final
from urllib.parse import quote

import pytest
from callers import FAR
from certificates import authority
from doors import ALICE, FakeDecider, Reports, an_allow
from envoy.service.auth.v3 import external_auth_pb2
from ext_authz_doors import ENVOY, GOOD, ORDERS, FakeRoutes, door_with, question, told
from fuzzing import rounds

from pdp.cedar.entities import Entity
from pdp.cedar.errors import CedarError
from pdp.cedar.values import IPAddr, Record
from pdp.engine.decider import ReasonClass, deny
from pdp.identity.presented import Presented, Scheme
from pdp.identity.subject import Method, Subject
from pdp.telemetry.metrics import Door, Metrics
from pdp.transport.authentication import Authentication
from pdp.transport.door import GuardedDoor
from pdp.transport.grpc.ext_authz import LAST_RESORT, NAME, ExtAuthz
from pdp.transport.http_obligations import PolicyNames


@pytest.fixture
def routes() -> FakeRoutes:
    return FakeRoutes()


@pytest.fixture
def door(decider: FakeDecider, authentication: Authentication, routes: FakeRoutes) -> ExtAuthz:
    made = door_with(decider, authentication, names=PolicyNames(frozenset({"x-scope"})))
    made.routes = routes  # type: ignore[assignment] # a fake of the same shape
    return made


def challenge(response: Any) -> str | None:
    headers = {option.header.key: option.header.value for option in response.denied_response.headers}
    return headers.get("www-authenticate")


def test_a_request_is_mapped_and_the_engine_asked(door: ExtAuthz, decider: FakeDecider, routes: FakeRoutes) -> None:
    data = question({**GOOD, "x-request-id": "7f-1", "x-region": "us"}, {"region": "eu", "other": "x"})
    response = told(door, data)
    assert response.status.code == 0
    assert routes.asked == [("GET", "api.example", "/orders?x=1")]
    [request] = decider.asked
    assert (request.subject.uid, request.action, request.resource) == (ALICE, ORDERS.action, ORDERS.resource)
    assert request.context == Record({"region": "eu", "ip": IPAddr(4, 0xC0000207, 32)})
    assert (request.device, request.min_revision, request.request_id) == (None, 0, "7f-1")
    assert response.dynamic_metadata["request_id"] == "7f-1"
    assert list(response.ok_response.headers_to_remove) == ["x-pdp-obligations", "x-scope"]


def test_nothing_of_the_context_comes_from_headers(door: ExtAuthz, decider: FakeDecider) -> None:
    told(door, question({**GOOD, "x-forwarded-for": "10.0.0.1", "region": "eu"}, source="@unix"))
    assert decider.asked[0].context == Record()


class Witness:
    """A verifier that believes everybody, and remembers what was presented."""

    def __init__(self) -> None:
        self.seen: list[Presented] = []

    def verify(self, presented: Presented, now: int) -> Subject:
        self.seen.append(presented)
        return Subject(Entity(ALICE), Method.JWT)


SHOP: Final = authority("clients").issue("shop", uris=("spiffe://a/shop",))


def shown_with_a_certificate(*headers: tuple[str, str]) -> Any:
    request = question(list(headers), scheme="https", method="POST")
    request.attributes.source.certificate = quote(SHOP.pem, safe="")
    return request


def test_what_proves_that_a_token_may_be_used_goes_with_it(door: ExtAuthz, authentication: Authentication) -> None:
    witness = authentication.verifier = Witness()
    proofs = (("DPoP", "first"), ("dpop", "second"))
    assert told(door, shown_with_a_certificate(("authorization", "dPoP good"), *proofs)).status.code == 0
    assert told(door, question()).status.code == 0
    url = "https://api.example/orders?x=1"
    assert witness.seen == [
        Presented("good", Scheme.DPOP, ("first", "second"), "POST", url, SHOP.der),
        Presented("good", method="GET", url="://api.example/orders?x=1"),
    ]


def test_a_certificate_alone_names_somebody_where_that_is_configured(
    decider: FakeDecider, authentication: Authentication, door: ExtAuthz, metrics: Metrics
) -> None:
    witness = authentication.verifier = Witness()
    alone = shown_with_a_certificate()
    assert told(door, alone).denied_response.status.code == 401
    assert witness.seen == []
    trusting = door_with(decider, authentication, config="certificate_subjects: true")
    assert told(trusting, alone).status.code == 0
    assert witness.seen == [Presented(certificate=SHOP.der)]
    # A token is never passed over, and without a certificate there is nobody.
    assert told(trusting, shown_with_a_certificate(("authorization", "nonsense"))).denied_response.status.code == 401
    assert told(trusting, question([])).denied_response.status.code == 401
    # It is Envoy's word, and this Envoy's is not taken.
    verdict, _ = trusting.check(alone.SerializeToString(), FAR)
    assert verdict.reason is ReasonClass.UNAUTHENTICATED
    assert len(witness.seen) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "bearer good"},
        {"authorization": "BEARER   good "},
        [("Authorization", "Bearer good")],
    ],
)
def test_forms_of_a_bearer_token(door: ExtAuthz, headers: dict[str, str] | list[tuple[str, str]]) -> None:
    assert told(door, question(headers)).status.code == 0


@pytest.mark.parametrize("headers", [{}, [], {"x-authorization": "Bearer good"}, {"cookie": "token=good"}])
def test_no_credential_is_401_with_a_bare_challenge(
    door: ExtAuthz, decider: FakeDecider, headers: dict[str, str]
) -> None:
    response = told(door, question(headers))
    assert (response.status.code, response.denied_response.status.code) == (16, 401)
    assert challenge(response) == 'Bearer realm="pdp"'
    assert decider.asked == []


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": ""},
        {"authorization": "good"},
        {"authorization": "Basic good"},
        {"authorization": "Bearer"},
        {"authorization": "Bearer good good"},
        {"authorization": "Bearer good,Bearer good"},
        {"authorization": "Bearer good\n"},
        {"authorization": "Bearer é"},
        {"authorization": "Bearer bad"},
        [("authorization", "Bearer good"), ("authorization", "Bearer good")],
        [("authorization", "Bearer good"), ("Authorization", "Basic x")],
        [("authorization", "Bearer good\0")],
    ],
)
def test_a_bad_credential_is_401_invalid_token(
    door: ExtAuthz, decider: FakeDecider, headers: dict[str, str] | list[tuple[str, str]]
) -> None:
    response = told(door, question(headers))
    assert (response.status.code, response.denied_response.status.code) == (16, 401)
    assert (challenge(response) or "").startswith('Bearer error="invalid_token", ')
    assert json.loads(response.denied_response.body)["reason"] == "unauthenticated"
    assert decider.asked == []


def test_the_two_forms_of_headers_together_do_not_hide_a_duplicate(door: ExtAuthz) -> None:
    request = question()
    request.attributes.request.http.header_map.headers.add(key="authorization", value="Bearer good")
    assert told(door, request).denied_response.status.code == 401


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        question(path=""),
        question(method=""),
        question(path="/orders\0"),
        question(path="/orders\r\nx: y"),
        question(host="a\nb"),
        question(method="GET\t"),
    ],
)
def test_what_is_not_a_request_is_403(door: ExtAuthz, decider: FakeDecider, data: bytes) -> None:
    response = told(door, data)
    assert (response.status.code, response.denied_response.status.code) == (7, 403)
    assert json.loads(response.denied_response.body)["reason"] == "invalid_request"
    assert decider.asked == []


def test_before_anything_is_loaded_the_answer_is_503(
    door: ExtAuthz, decider: FakeDecider, authentication: Authentication
) -> None:
    authentication.verifier = None
    assert told(door, question()).denied_response.status.code == 503
    door.routes = None
    assert told(door, question()).denied_response.status.code == 503
    assert decider.asked == []


def test_a_deny_of_the_engine_is_a_deny(door: ExtAuthz, decider: FakeDecider) -> None:
    decider.verdict = deny(ReasonClass.NOT_PERMITTED, "no policy permits this", policy_revision="ab")
    response = told(door, question())
    assert (response.status.code, response.denied_response.status.code) == (7, 403)
    body = json.loads(response.denied_response.body)
    assert (body["decision"], body["message"]) == ("deny", "no policy permits this")
    assert body["request_id"]


def test_an_allow_that_cannot_be_carried_out_is_a_deny(door: ExtAuthz, decider: FakeDecider) -> None:
    decider.verdict = an_allow(("header", "host=evil"))
    response = told(door, question())
    assert (response.status.code, response.denied_response.status.code) == (7, 403)
    assert json.loads(response.denied_response.body)["reason"] == "policy_error"


@pytest.mark.parametrize("id", ["", "x" * 129, "a b", "a\n", "é", '"'])
def test_an_odd_request_id_is_replaced(door: ExtAuthz, decider: FakeDecider, id: str) -> None:
    told(door, question([*GOOD.items(), ("x-request-id", id)]))
    assert len(decider.asked[0].request_id) == 32


def test_random_and_damaged_bytes_raise_nothing_and_none_is_allowed(
    decider: FakeDecider, authentication: Authentication, routes: FakeRoutes
) -> None:
    decider.verdict = deny(ReasonClass.NOT_PERMITTED, "no")
    door = door_with(decider, authentication)
    door.routes = routes  # type: ignore[assignment] # a fake of the same shape
    source = random.Random(20261124)
    asked = (question(extensions={"region": "eu"}), question([*GOOD.items(), ("x-request-id", "1")], source="::1"))
    known = [request.SerializeToString() for request in asked]
    for number in range(rounds(20_000)):
        if number % 4 == 0:
            data = source.randbytes(source.randrange(64))
        else:
            damaged = bytearray(source.choice(known))
            for _ in range(source.randrange(1, 4)):
                damaged[source.randrange(len(damaged))] = source.randrange(256)
            data = bytes(damaged)
        try:
            _, reply = door.check(data, ENVOY)
        except CedarError as error:  # pragma: no cover
            pytest.fail(f"escaped: {error}")
        assert reply.startswith(b"\x0a")  # the field `status`; its code is never the default
    assert len(decider.asked) > 1_000
    assert routes.asked


def test_every_exception_on_the_way_is_an_explicit_deny(
    door: ExtAuthz, decider: FakeDecider, metrics: Metrics, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    guarded = GuardedDoor(Door.EXT_AUTHZ, door.check, LAST_RESORT, metrics, reports)

    def fail(*_: object) -> Any:
        raise RuntimeError("secret")

    decider.failure = RuntimeError("secret")
    replies = [guarded(question().SerializeToString(), ENVOY)]
    decider.failure = None
    monkeypatch.setattr(door, "_policy_names", fail)
    replies.append(guarded(question().SerializeToString(), ENVOY))
    monkeypatch.setattr(door, "routes", object())
    replies.append(guarded(question().SerializeToString(), ENVOY))
    monkeypatch.setattr(door, "_authentication", object())
    replies.append(guarded(question().SerializeToString(), ENVOY))
    assert len(reports.seen) == 4
    for reply in replies:
        response = external_auth_pb2.CheckResponse.FromString(reply)
        assert (response.status.code, response.denied_response.status.code) == (7, 503)
        assert b"secret" not in reply


def test_the_last_resort_in_bytes_and_the_name_of_the_service() -> None:
    assert LAST_RESORT.startswith(b"\x0a\x12\x08\x07\x12\x0einternal_error")  # status { code: 7 ... }
    service = external_auth_pb2.DESCRIPTOR.services_by_name["Authorization"]
    assert service.full_name == NAME

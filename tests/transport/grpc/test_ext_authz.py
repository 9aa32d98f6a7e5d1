"""Envoy's door over bytes: what is believed of an HTTP request, and that every failure is an explicit deny."""

import json
import random
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pytest
from doors import ALICE, FakeDecider, Reports, an_allow
from envoy.service.auth.v3 import external_auth_pb2

from pdp.cedar.errors import CedarError
from pdp.cedar.values import EntityUID, IPAddr, Record
from pdp.engine.decider import ReasonClass, deny
from pdp.telemetry.metrics import Door, Metrics
from pdp.transport.authentication import Authentication
from pdp.transport.door import GuardedDoor
from pdp.transport.grpc.ext_authz import LAST_RESORT, NAME, ExtAuthz


class FoundRoute(NamedTuple):
    """What an inventory says of a request."""

    action: EntityUID
    resource: EntityUID


ORDERS = FoundRoute(EntityUID("Action", "list"), EntityUID("Api", "orders"))


@dataclass
class FakeRoutes:
    """An inventory with one route; remembers what it was asked."""

    asked: list[tuple[str, str, str]] = field(default_factory=list)

    def match(self, method: str, host: str, path: str) -> Any:
        self.asked.append((method, host, path))
        return ORDERS


@pytest.fixture
def routes() -> FakeRoutes:
    return FakeRoutes()


@pytest.fixture
def door(decider: FakeDecider, authentication: Authentication, routes: FakeRoutes) -> ExtAuthz:
    made = ExtAuthz(decider, authentication, lambda: {"x-scope"})
    made.routes = routes  # type: ignore[assignment] # a fake of the same shape
    return made


GOOD = {"authorization": "Bearer good"}


def question(
    headers: dict[str, str] | list[tuple[str, str]] = GOOD,
    extensions: dict[str, str] | None = None,
    source: str = "192.0.2.7",
    **http: str,
) -> bytes:
    request = external_auth_pb2.CheckRequest()
    attributes = request.attributes
    attributes.source.address.socket_address.address = source
    attributes.context_extensions.update(extensions or {})
    said = {"method": "GET", "host": "api.example", "path": "/orders?x=1", **http}
    for name, value in said.items():
        setattr(attributes.request.http, name, value)
    if isinstance(headers, dict):
        attributes.request.http.headers.update(headers)
    else:
        for name, value in headers:
            attributes.request.http.header_map.headers.add(key=name, raw_value=value.encode("latin-1"))
    data: bytes = request.SerializeToString()
    return data


def ask(door: ExtAuthz, data: bytes) -> Any:
    verdict, reply = door.check(data, "unix:")
    response = external_auth_pb2.CheckResponse.FromString(reply)
    assert (response.status.code == 0) == (verdict.reason is ReasonClass.ALLOWED)
    assert response.WhichOneof("http_response") == ("ok_response" if response.status.code == 0 else "denied_response")
    return response


def challenge(response: Any) -> str | None:
    headers = {option.header.key: option.header.value for option in response.denied_response.headers}
    return headers.get("www-authenticate")


def test_a_request_is_mapped_and_the_engine_asked(door: ExtAuthz, decider: FakeDecider, routes: FakeRoutes) -> None:
    data = question({**GOOD, "x-request-id": "7f-1", "x-region": "us"}, {"region": "eu", "other": "x"})
    response = ask(door, data)
    assert response.status.code == 0
    assert routes.asked == [("GET", "api.example", "/orders?x=1")]
    [request] = decider.asked
    assert (request.subject.uid, request.action, request.resource) == (ALICE, ORDERS.action, ORDERS.resource)
    assert request.context == Record({"region": "eu", "ip": IPAddr(4, 0xC0000207, 32)})
    assert (request.device, request.min_revision, request.request_id) == (None, 0, "7f-1")
    assert response.dynamic_metadata["request_id"] == "7f-1"
    assert list(response.ok_response.headers_to_remove) == ["x-pdp-obligations", "x-scope"]


def test_nothing_of_the_context_comes_from_headers(door: ExtAuthz, decider: FakeDecider) -> None:
    ask(door, question({**GOOD, "x-forwarded-for": "10.0.0.1", "region": "eu"}, source="@unix"))
    assert decider.asked[0].context == Record()


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "bearer good"},
        {"authorization": "BEARER   good "},
        [("Authorization", "Bearer good")],
    ],
)
def test_forms_of_a_bearer_token(door: ExtAuthz, headers: dict[str, str] | list[tuple[str, str]]) -> None:
    assert ask(door, question(headers)).status.code == 0


@pytest.mark.parametrize("headers", [{}, [], {"x-authorization": "Bearer good"}, {"cookie": "token=good"}])
def test_no_credential_is_401_with_a_bare_challenge(
    door: ExtAuthz, decider: FakeDecider, headers: dict[str, str]
) -> None:
    response = ask(door, question(headers))
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
    response = ask(door, question(headers))
    assert (response.status.code, response.denied_response.status.code) == (16, 401)
    assert (challenge(response) or "").startswith('Bearer error="invalid_token", ')
    assert json.loads(response.denied_response.body)["reason"] == "unauthenticated"
    assert decider.asked == []


def test_the_two_forms_of_headers_together_do_not_hide_a_duplicate(door: ExtAuthz) -> None:
    request = external_auth_pb2.CheckRequest.FromString(question())
    request.attributes.request.http.header_map.headers.add(key="authorization", value="Bearer good")
    assert ask(door, request.SerializeToString()).denied_response.status.code == 401


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
    response = ask(door, data)
    assert (response.status.code, response.denied_response.status.code) == (7, 403)
    assert json.loads(response.denied_response.body)["reason"] == "invalid_request"
    assert decider.asked == []


def test_before_anything_is_loaded_the_answer_is_503(
    door: ExtAuthz, decider: FakeDecider, authentication: Authentication
) -> None:
    authentication.verifier = None
    assert ask(door, question()).denied_response.status.code == 503
    door.routes = None
    assert ask(door, question()).denied_response.status.code == 503
    assert decider.asked == []


def test_a_deny_of_the_engine_is_a_deny(door: ExtAuthz, decider: FakeDecider) -> None:
    decider.verdict = deny(ReasonClass.NOT_PERMITTED, "no policy permits this", policy_revision="ab")
    response = ask(door, question())
    assert (response.status.code, response.denied_response.status.code) == (7, 403)
    body = json.loads(response.denied_response.body)
    assert (body["decision"], body["message"]) == ("deny", "no policy permits this")
    assert body["request_id"]


def test_an_allow_that_cannot_be_carried_out_is_a_deny(door: ExtAuthz, decider: FakeDecider) -> None:
    decider.verdict = an_allow(("header", "host=evil"))
    response = ask(door, question())
    assert (response.status.code, response.denied_response.status.code) == (7, 403)
    assert json.loads(response.denied_response.body)["reason"] == "policy_error"


@pytest.mark.parametrize("id", ["", "x" * 129, "a b", "a\n", "é", '"'])
def test_an_odd_request_id_is_replaced(door: ExtAuthz, decider: FakeDecider, id: str) -> None:
    ask(door, question([*GOOD.items(), ("x-request-id", id)]))
    assert len(decider.asked[0].request_id) == 32


def test_a_hundred_thousand_byte_strings_raise_nothing_and_none_is_allowed(
    decider: FakeDecider, authentication: Authentication, routes: FakeRoutes
) -> None:
    decider.verdict = deny(ReasonClass.NOT_PERMITTED, "no")
    door = ExtAuthz(decider, authentication, lambda: ())
    door.routes = routes  # type: ignore[assignment] # a fake of the same shape
    source = random.Random(20261124)
    known = [question(extensions={"region": "eu"}), question([*GOOD.items(), ("x-request-id", "1")], source="::1")]
    for number in range(100_000):
        if number % 4 == 0:
            data = source.randbytes(source.randrange(64))
        else:
            damaged = bytearray(source.choice(known))
            for _ in range(source.randrange(1, 4)):
                damaged[source.randrange(len(damaged))] = source.randrange(256)
            data = bytes(damaged)
        try:
            _, reply = door.check(data, "unix:")
        except CedarError as error:  # pragma: no cover
            pytest.fail(f"escaped: {error}")
        assert reply.startswith(b"\x0a")  # the field `status`; its code is never the default
    assert len(decider.asked) > 5_000
    assert routes.asked


def test_every_exception_on_the_way_is_an_explicit_deny(
    door: ExtAuthz, decider: FakeDecider, metrics: Metrics, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    guarded = GuardedDoor(Door.EXT_AUTHZ, door.check, LAST_RESORT, metrics, reports)

    def fail(*_: object) -> Any:
        raise RuntimeError("secret")

    decider.failure = RuntimeError("secret")
    replies = [guarded(question(), "unix:")]
    decider.failure = None
    monkeypatch.setattr(door, "_policy_headers", fail)
    replies.append(guarded(question(), "unix:"))
    monkeypatch.setattr(door, "routes", object())
    replies.append(guarded(question(), "unix:"))
    monkeypatch.setattr(door, "_authentication", object())
    replies.append(guarded(question(), "unix:"))
    assert len(reports.seen) == 4
    for reply in replies:
        response = external_auth_pb2.CheckResponse.FromString(reply)
        assert (response.status.code, response.denied_response.status.code) == (7, 503)
        assert b"secret" not in reply


def test_the_last_resort_in_bytes_and_the_name_of_the_service() -> None:
    assert LAST_RESORT.startswith(b"\x0a\x12\x08\x07\x12\x0einternal_error")  # status { code: 7 ... }
    service = external_auth_pb2.DESCRIPTOR.services_by_name["Authorization"]
    assert service.full_name == NAME

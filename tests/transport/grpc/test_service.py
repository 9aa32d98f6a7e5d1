"""The decision service over bytes: who is asked for, what is refused before the engine, and that every call is
answered."""

from typing import Any

import pytest
from doors import ALICE, FakeDecider

from pdp.cedar.values import EntityUID, Record
from pdp.engine.decider import ReasonClass
from pdp.identity.subject import Method
from pdp.transport.authentication import Authentication
from pdp.transport.callers import Caller, caller_at
from pdp.transport.grpc.gen.v1 import decision_pb2 as pb
from pdp.transport.grpc.service import LAST_RESORT, NAME, DecisionService

LOCAL = caller_at("127.0.0.1")
UID = pb.EntityUid(type="User", id="alice")


@pytest.fixture
def service(decider: FakeDecider, authentication: Authentication) -> DecisionService:
    return DecisionService(decider, authentication)


def question(**fields: Any) -> bytes:
    sent: bytes = pb.CheckRequest(
        action=pb.EntityUid(type="Action", id="read"), resource=pb.EntityUid(type="Doc", id="d"), **fields
    ).SerializeToString()
    return sent


def ask(service: DecisionService, data: bytes, caller: Caller = LOCAL) -> pb.CheckResponse:
    verdict, reply = service.check(data, caller)
    response = pb.CheckResponse.FromString(reply)
    assert response.reason_class == verdict.reason.value
    assert (response.decision == pb.DECISION_ALLOW) == (response.reason_class == "allowed")
    assert response.request_id
    return response


def test_a_token_is_verified_and_the_engine_asked(service: DecisionService, decider: FakeDecider) -> None:
    fields = pb.Record(fields={"region": pb.Value(string_value="eu")})
    response = ask(service, question(token="good", context=fields, min_revision=3, request_id="r1"))
    assert (response.decision, response.request_id) == (pb.DECISION_ALLOW, "r1")
    [request] = decider.asked
    assert (request.subject.uid, request.subject.method) == (ALICE, Method.JWT)
    assert (request.action, request.resource) == (EntityUID("Action", "read"), EntityUID("Doc", "d"))
    assert request.context == Record({"region": "eu"})
    assert (request.min_revision, request.request_id) == (3, "r1")


def test_an_asserted_principal_is_believed_from_this_machine(service: DecisionService, decider: FakeDecider) -> None:
    assert ask(service, question(principal=UID)).decision == pb.DECISION_ALLOW
    assert decider.asked[0].subject.method is Method.ASSERTED
    far = ask(service, question(principal=UID), caller_at("192.0.2.1"))
    assert (far.decision, far.reason_class) == (pb.DECISION_DENY, "unauthenticated")
    assert len(decider.asked) == 1


def test_a_request_without_an_id_gets_one_that_the_engine_sees(service: DecisionService, decider: FakeDecider) -> None:
    first, second = ask(service, question(token="good")), ask(service, question(token="good"))
    assert first.request_id == decider.asked[0].request_id
    assert first.request_id != second.request_id


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", ReasonClass.UNAUTHENTICATED),
        (b"\xff\xff", ReasonClass.INVALID_REQUEST),
        (question(), ReasonClass.UNAUTHENTICATED),
        (question(token=""), ReasonClass.UNAUTHENTICATED),
        (question(token="bad"), ReasonClass.UNAUTHENTICATED),
        (question(principal=pb.EntityUid()), ReasonClass.INVALID_REQUEST),
        (pb.CheckRequest(token="good").SerializeToString(), ReasonClass.INVALID_REQUEST),
        (question(token="good", request_id="x" * 129), ReasonClass.INVALID_REQUEST),
    ],
)
def test_what_cannot_be_asked_is_a_deny(
    service: DecisionService, decider: FakeDecider, data: bytes, reason: ReasonClass
) -> None:
    response = ask(service, data)
    assert response.decision == pb.DECISION_DENY
    assert response.reason_class == reason.value
    assert response.message
    assert decider.asked == []


def test_before_the_keys_are_loaded_the_answer_is_a_deny(
    service: DecisionService, authentication: Authentication
) -> None:
    authentication.verifier = None
    assert ask(service, question(token="good")).reason_class == "not_ready"


def test_the_last_resort_is_a_deny() -> None:
    response = pb.CheckResponse.FromString(LAST_RESORT)
    assert (response.decision, response.reason_class) == (pb.DECISION_DENY, "internal_error")


def test_the_name_is_the_definitions() -> None:
    assert pb.DESCRIPTOR.services_by_name["DecisionService"].full_name == NAME

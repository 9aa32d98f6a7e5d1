"""Who may be believed: a verified token, or a caller on this machine where that is allowed."""

import pytest
from callers import FAR, LOCAL, admission
from doors import ALICE

from pdp.engine.callers.judging import CallerDoor
from pdp.identity.presented import Presented
from pdp.identity.subject import Method
from pdp.telemetry.metrics import Metrics
from pdp.transport.authentication import Authentication
from pdp.transport.errors import NotReady, Unauthenticated

DOOR = CallerDoor.DECISIONS


def causes(metrics: Metrics) -> list[str]:
    text = metrics.exposition().decode()
    return [line for line in text.splitlines() if line.startswith("pdp_identity_failures_total{")]


def test_a_token_is_verified_at_the_time_of_the_clock(authentication: Authentication) -> None:
    subject = authentication.by_credential(Presented("good"))
    assert (subject.uid, subject.authenticated_at) == (ALICE, 1_000_000)


def test_a_bad_token_is_refused_and_counted_by_cause(authentication: Authentication, metrics: Metrics) -> None:
    with pytest.raises(Unauthenticated, match="has expired") as caught:
        authentication.by_credential(Presented("bad"))
    assert caught.value.shown
    assert len(causes(metrics)) == 1
    assert "bad" not in caught.value.message


def test_before_the_keys_are_loaded_nothing_is_verified(metrics: Metrics) -> None:
    with pytest.raises(NotReady):
        Authentication(lambda: 0, metrics, admission(metrics)).by_credential(Presented("good"))


def test_an_assertion_is_believed_from_this_machine_alone(authentication: Authentication, metrics: Metrics) -> None:
    subject = authentication.by_assertion(ALICE, LOCAL, DOOR)
    assert (subject.uid, subject.method, subject.authenticated_at) == (ALICE, Method.ASSERTED, None)
    with pytest.raises(Unauthenticated):
        authentication.by_assertion(ALICE, FAR, DOOR)
    assert causes(metrics) == ['pdp_identity_failures_total{cause="assertion_not_accepted"} 1.0']


def test_an_assertion_is_believed_only_where_the_configuration_says_so(metrics: Metrics) -> None:
    strict = Authentication(lambda: 0, metrics, admission(metrics, accept_asserted=False))
    with pytest.raises(Unauthenticated):
        strict.by_assertion(ALICE, LOCAL, DOOR)


def test_who_is_believed_without_a_proof_can_be_asked_first(authentication: Authentication, metrics: Metrics) -> None:
    authentication.refuse_assertion(LOCAL, DOOR)
    assert authentication.accepts_assertions(LOCAL, DOOR)
    assert not authentication.accepts_assertions(FAR, DOOR)
    assert causes(metrics) == []
    with pytest.raises(Unauthenticated):
        authentication.refuse_assertion(FAR, DOOR)
    assert len(causes(metrics)) == 1
    assert not Authentication(lambda: 0, metrics, admission(metrics, accept_asserted=False)).accepts_assertions(
        LOCAL, DOOR
    )


def test_a_missing_credential_is_told_from_a_bad_one(authentication: Authentication, metrics: Metrics) -> None:
    assert not authentication.missing().shown
    assert authentication.malformed().shown
    assert causes(metrics) == [
        'pdp_identity_failures_total{cause="missing"} 1.0',
        'pdp_identity_failures_total{cause="malformed_header"} 1.0',
    ]

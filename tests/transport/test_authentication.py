"""Who may be believed: a verified token, or a caller on this machine where that is allowed."""

import pytest
from doors import ALICE

from pdp.identity.subject import Method
from pdp.telemetry.metrics import Metrics
from pdp.transport.authentication import Authentication, is_local
from pdp.transport.errors import NotReady, Unauthenticated

LOCAL = "ipv4:127.0.0.1:4711"


def causes(metrics: Metrics) -> list[str]:
    text = metrics.exposition().decode()
    return [line for line in text.splitlines() if line.startswith("pdp_identity_failures_total{")]


@pytest.mark.parametrize(
    "peer",
    [
        *(
            "ipv4:127.0.0.1:4711",
            "ipv4:127.8.9.1:1",
            "ipv6:[::1]:4711",
            "ipv6:%5B::1%5D:4711",
            "unix:",
            "unix:/run/pdp",
        ),
        "ipv6:%5B::ffff:127.0.0.1%5D:4711",
    ],
)
def test_peers_on_this_machine(peer: str) -> None:
    assert is_local(peer)


@pytest.mark.parametrize(
    "peer",
    [
        *(
            "ipv4:10.0.0.1:4711",
            "ipv6:[2001:db8::1]:4711",
            "ipv6:%5B::ffff:10.0.0.1%5D:1",
            "ipv4:0.0.0.0:1",
            "ipv6:[::]:1",
        ),
        *("", "127.0.0.1:4711", "ipv4:", "ipv4:localhost:1", "dns:127.0.0.1:1", "unknown", "ipv4:127.0.0.1", "UNIX:"),
    ],
)
def test_all_other_peers_are_not(peer: str) -> None:
    assert not is_local(peer)


def test_a_token_is_verified_at_the_time_of_the_clock(authentication: Authentication) -> None:
    subject = authentication.by_token("good")
    assert (subject.uid, subject.authenticated_at) == (ALICE, 1_000_000)


def test_a_bad_token_is_refused_and_counted_by_cause(authentication: Authentication, metrics: Metrics) -> None:
    with pytest.raises(Unauthenticated, match="has expired") as caught:
        authentication.by_token("bad")
    assert caught.value.shown
    assert len(causes(metrics)) == 1
    assert "bad" not in caught.value.message


def test_before_the_keys_are_loaded_nothing_is_verified(metrics: Metrics) -> None:
    with pytest.raises(NotReady):
        Authentication(lambda: 0, metrics, accept_asserted=True).by_token("good")


def test_an_assertion_is_believed_from_this_machine_alone(authentication: Authentication, metrics: Metrics) -> None:
    subject = authentication.by_assertion(ALICE, LOCAL)
    assert (subject.uid, subject.method, subject.authenticated_at) == (ALICE, Method.ASSERTED, None)
    with pytest.raises(Unauthenticated):
        authentication.by_assertion(ALICE, "ipv4:10.0.0.1:4711")
    assert causes(metrics) == ['pdp_identity_failures_total{cause="assertion_not_accepted"} 1.0']


def test_an_assertion_is_believed_only_where_the_configuration_says_so(metrics: Metrics) -> None:
    strict = Authentication(lambda: 0, metrics, accept_asserted=False)
    with pytest.raises(Unauthenticated):
        strict.by_assertion(ALICE, LOCAL)


def test_who_is_believed_without_a_proof_can_be_asked_first(authentication: Authentication, metrics: Metrics) -> None:
    authentication.refuse_assertion(LOCAL)
    assert authentication.accepts_assertions(LOCAL)
    assert not authentication.accepts_assertions("ipv4:10.0.0.1:4711")
    assert causes(metrics) == []
    with pytest.raises(Unauthenticated):
        authentication.refuse_assertion("ipv4:10.0.0.1:4711")
    assert len(causes(metrics)) == 1
    assert not Authentication(lambda: 0, metrics, accept_asserted=False).accepts_assertions(LOCAL)


def test_a_missing_credential_is_told_from_a_bad_one(authentication: Authentication, metrics: Metrics) -> None:
    assert not authentication.missing().shown
    assert authentication.malformed().shown
    assert causes(metrics) == [
        'pdp_identity_failures_total{cause="missing"} 1.0',
        'pdp_identity_failures_total{cause="malformed_header"} 1.0',
    ]

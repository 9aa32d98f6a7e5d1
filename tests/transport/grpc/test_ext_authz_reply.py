"""Golden replies: the whole message, after serialization, for each way to answer Envoy."""

import json
from dataclasses import replace
from typing import Any

import pytest
from doors import ALICE, an_allow
from envoy.service.auth.v3 import external_auth_pb2
from google.protobuf.json_format import MessageToDict

from pdp.cedar.policy import Effect
from pdp.cedar.response import Decision
from pdp.cedar.values import EntityUID
from pdp.engine.decider import DeterminingPolicy, Obligation, ReasonClass, Verdict, deny
from pdp.transport.grpc import ext_authz_reply as replies
from pdp.transport.http_reply import Unfulfillable


def sent(message: Any) -> dict[str, Any]:
    """What Envoy reads from the reply's bytes."""
    received = external_auth_pb2.CheckResponse.FromString(message.SerializeToString())
    found: dict[str, Any] = MessageToDict(received, preserving_proto_field_name=True)
    return found


def header(name: str, value: str) -> dict[str, Any]:
    return {"header": {"key": name, "value": value}, "append": False}


def allowed(verdict: Verdict, *client: str, removable: tuple[str, ...] = (), who: EntityUID = ALICE) -> dict[str, Any]:
    return sent(replies.allowed(verdict, who, "r1", client, removable))


def forbidden(*duties: tuple[str, str, str], policies: tuple[str, ...] = ("g1",)) -> Verdict:
    return Verdict(
        Decision.DENY,
        ReasonClass.FORBIDDEN,
        'needs "strong" authentication',
        tuple(DeterminingPolicy(id, Effect.FORBID) for id in policies),
        obligations=tuple(Obligation(*duty) for duty in duties),
        policy_revision="ab12",
        context_revision=7,
    )


def test_an_allow() -> None:
    assert allowed(an_allow(("header", "x-data-scope=own"), ("mask", "iban"))) == {
        "status": {},
        "ok_response": {
            "headers": [
                header("x-pdp-principal", 'User::"alice"'),
                header("x-pdp-policy-revision", "ab12"),
                header("x-data-scope", "own"),
                header("x-pdp-obligations", "mask:iban"),
            ],
        },
        "dynamic_metadata": {
            "request_id": "r1",
            "decision": "allow",
            "reason": "allowed",
            "policies": ["p"],
            "obligations": ["header:x-data-scope=own", "mask:iban"],
            "policy_revision": "ab12",
            "context_revision": 7.0,
        },
    }


def test_an_allow_in_bytes_says_append_false_on_every_header() -> None:
    reply = replies.allowed(an_allow(("header", "a=1")), ALICE, "r1", [], ["a", "b"])
    options = external_auth_pb2.CheckResponse.FromString(reply.SerializeToString()).ok_response.headers
    assert [option.HasField("append") and option.append.value for option in options] == [False] * 3
    assert all(option.HasField("append") for option in options)


def test_a_forbidden_request() -> None:
    reply = sent(replies.denied(forbidden(), "r1"))
    body = json.loads(reply["denied_response"].pop("body"))
    assert body == {
        "decision": "deny",
        "reason": "forbidden",
        "message": 'needs "strong" authentication',
        "policies": ["g1"],
        "request_id": "r1",
    }
    assert reply == {
        "status": {"code": 7, "message": "forbidden"},
        "denied_response": {
            "status": {"code": "Forbidden"},
            "headers": [header("content-type", "application/json"), header("cache-control", "no-store")],
        },
        "dynamic_metadata": {
            "request_id": "r1",
            "decision": "deny",
            "reason": "forbidden",
            "policies": ["g1"],
            "obligations": [],
            "policy_revision": "ab12",
            "context_revision": 7.0,
        },
    }


def test_a_forbidden_request_in_bytes_begins_with_a_status_that_is_not_ok() -> None:
    data = replies.denied(forbidden(), "r1").SerializeToString()
    assert data.startswith(b"\x0a\x0d\x08\x07\x12\x09forbidden")  # status { code: 7 message: "forbidden" }


@pytest.mark.parametrize("reason", [reason for reason in ReasonClass if reason is not ReasonClass.ALLOWED])
def test_no_deny_can_be_read_as_an_allow_or_as_a_failure(reason: ReasonClass) -> None:
    data = replies.denied(deny(reason, "no"), "r1").SerializeToString()
    reply = external_auth_pb2.CheckResponse.FromString(data)
    assert reply.status.code in {7, 16}
    assert reply.WhichOneof("http_response") == "denied_response"
    expected = {"unauthenticated": 401, "context_behind": 503, "not_ready": 503, "internal_error": 503}
    assert reply.denied_response.status.code == expected.get(reason.value, 403)


def test_the_default_message_is_an_allow_which_is_why_none_is_ever_sent() -> None:
    assert external_auth_pb2.CheckResponse().status.code == 0
    with pytest.raises(ValueError, match="only a deny"):
        replies.denied(an_allow(), "r1")


def challenge(verdict: Verdict, *, shown: bool = True) -> tuple[str, str | None]:
    reply = sent(replies.denied(verdict, "r1", credential_shown=shown))["denied_response"]
    values = [each["header"]["value"] for each in reply["headers"] if each["header"]["key"] == "www-authenticate"]
    assert len(values) < 2
    return reply["status"]["code"], values[0] if values else None


def test_a_bad_token_and_no_token_are_challenged_by_rfc_6750() -> None:
    verdict = deny(ReasonClass.UNAUTHENTICATED, 'the token "x\\y\n" é is bad')
    description = "the token 'x'y'' ' is bad"
    assert challenge(verdict) == (
        "Unauthorized",
        f'Bearer error="invalid_token", error_description="{description}"',
    )
    assert challenge(verdict, shown=False) == ("Unauthorized", 'Bearer realm="pdp"')


@pytest.mark.parametrize(
    ("arguments", "requirements"),
    [
        ([""], ""),
        (["mfa"], ', acr_values="mfa"'),
        (["phr phrh"], ', acr_values="phr phrh"'),
        (["max_age=300"], ', max_age="300"'),
        (["mfa", "max_age=900", "max_age=300", "mfa"], ', acr_values="mfa", max_age="300"'),
        (['mfa", realm="x'], ""),
        (["é"], ""),
    ],
)
def test_step_up_is_asked_for_by_rfc_9470(arguments: list[str], requirements: str) -> None:
    verdict = forbidden(*(("step-up", argument, "g1") for argument in arguments))
    description = "needs 'strong' authentication"
    assert challenge(verdict) == (
        "Unauthorized",
        f'Bearer error="insufficient_user_authentication", error_description="{description}"{requirements}',
    )
    assert sent(replies.denied(verdict, "r1"))["status"]["code"] == 16


def test_step_up_is_not_asked_for_when_it_would_not_help() -> None:
    two = forbidden(("step-up", "mfa", "g1"), policies=("g1", "g2"))
    assert challenge(two) == ("Forbidden", None)
    unpermitted = replace(forbidden(("step-up", "mfa", "g1")), reason=ReasonClass.NOT_PERMITTED, policies=())
    assert challenge(unpermitted) == ("Forbidden", None)
    erring = replace(forbidden(("step-up", "mfa", "g1")), reason=ReasonClass.POLICY_ERROR)
    assert challenge(erring) == ("Forbidden", None)


def test_a_client_cannot_send_a_header_that_is_ours_or_a_policys() -> None:
    reply = allowed(
        an_allow(("header", "x-scope=own")),
        *("x-pdp-obligations", "x-pdp-anything", "x_pdp_principal", "x-pdp_principal", "x-pdp-principal"),
        *("accept", "x-scope", "x_scope", "x-tier"),
        removable=("x-scope", "x-tier"),
    )["ok_response"]
    names = [each["header"]["key"] for each in reply["headers"]]
    assert names == ["x-pdp-principal", "x-pdp-policy-revision", "x-scope"]
    assert reply["headers_to_remove"] == [
        *("x-pdp-anything", "x-pdp-obligations", "x-pdp_principal", "x-tier", "x_pdp_principal", "x_scope"),
    ]
    assert not set(names) & set(reply["headers_to_remove"])


def test_our_headers_are_removed_even_if_envoy_did_not_tell_us_of_them() -> None:
    assert allowed(an_allow(), removable=("x-scope",))["ok_response"]["headers_to_remove"] == [
        "x-pdp-obligations",
        "x-scope",
    ]


def test_a_principal_of_any_unicode_is_one_line_of_ascii() -> None:
    who = EntityUID("User", 'é"\r\nx-pdp-role: admin\u2028🦀')
    value = allowed(an_allow(), who=who)["ok_response"]["headers"][0]["header"]["value"]
    assert value == r'User::"\u{e9}\"\r\nx-pdp-role: admin\u{2028}\u{1f980}"'


def test_obligations_are_forwarded_once_and_encoded() -> None:
    verdict = an_allow(("mask", "iban, é%"), ("notify", ""), ("mask", "iban, é%"))
    values = [each["header"]["value"] for each in allowed(verdict)["ok_response"]["headers"]]
    assert values[-1] == "mask:iban%2C %C3%A9%25;notify"


@pytest.mark.parametrize(
    "argument",
    [
        *("", "x-scope", "X-Scope=own", "x scope=own", ":path=/admin", "host=evil", "authorization=Bearer x"),
        *("x-pdp-principal=root", "x-envoy-original-path=/", "x-forwarded-for=::1", "content-length=0"),
        *("x-scope=own\r\nx-pdp-role: admin", "x-scope=é", "x_scope=own"),
    ],
)
def test_a_header_that_cannot_be_set_makes_a_deny(argument: str) -> None:
    with pytest.raises(Unfulfillable) as caught:
        allowed(an_allow(("header", argument)))
    verdict = caught.value.verdict()
    assert (verdict.decision, verdict.reason) == (Decision.DENY, ReasonClass.POLICY_ERROR)
    assert (verdict.policy_revision, verdict.context_revision) == ("ab12", 7)


def test_policies_that_contradict_each_other_make_a_deny() -> None:
    with pytest.raises(Unfulfillable, match="contradicts"):
        allowed(an_allow(("header", "x-scope=own"), ("header", "x-scope=all")))
    agreeing = allowed(an_allow(("header", "x-scope=own"), ("header", "x-scope=own")))
    assert [each["header"]["key"] for each in agreeing["ok_response"]["headers"]].count("x-scope") == 1

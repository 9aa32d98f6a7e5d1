"""Golden replies: the whole message, after serialization, for each way to answer Envoy."""

import json
from dataclasses import replace
from typing import Any, Final

import pytest
from doors import ALICE, an_allow
from envoy.service.auth.v3 import external_auth_pb2
from envoy.type.v3 import http_status_pb2
from google.protobuf.json_format import MessageToDict

from pdp.cedar.policy import Effect
from pdp.cedar.response import Decision
from pdp.cedar.values import EntityUID
from pdp.engine.decider import DeterminingPolicy, Obligation, ReasonClass, Verdict, deny
from pdp.transport.grpc import ext_authz_reply as replies
from pdp.transport.http_obligations import NO_NAMES, STATUSES, PolicyNames
from pdp.transport.http_reply import ForgedQuery, Unfulfillable


def sent(message: Any) -> dict[str, Any]:
    """What Envoy reads from the reply's bytes."""
    received = external_auth_pb2.CheckResponse.FromString(message.SerializeToString())
    found: dict[str, Any] = MessageToDict(received, preserving_proto_field_name=True)
    return found


def header(name: str, value: str) -> dict[str, Any]:
    return {"header": {"key": name, "value": value}, "append": False}


def allowed(
    verdict: Verdict,
    *client: str,
    removable: tuple[str, ...] = (),
    parameters: tuple[str, ...] = (),
    target: str = "/orders",
    who: EntityUID = ALICE,
) -> dict[str, Any]:
    names = PolicyNames(frozenset(removable), frozenset(parameters))
    return sent(replies.allowed(verdict, who, "r1", client, target, names))


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
            "message": "staff may read",
            "policies": ["p"],
            "obligations": ["header:x-data-scope=own", "mask:iban"],
            "policy_revision": "ab12",
            "context_revision": 7.0,
            "valid_until": 1_764_000_000.123,
        },
    }


def test_answers_that_share_their_reasons_do_not_share_their_ids() -> None:
    first, second = (replies.allowed(an_allow(), ALICE, id, [], "/", NO_NAMES) for id in ("r1", "r2"))
    ids = [reply.dynamic_metadata["request_id"] for reply in (first, second)]
    assert ids == ["r1", "r2"]
    assert "valid_until" not in replies.denied(forbidden(), "r3").dynamic_metadata.fields


def test_an_allow_in_bytes_says_append_false_on_every_header() -> None:
    verdict = an_allow(("header", "a=1"), ("response-header", "c=1"))
    reply = replies.allowed(verdict, ALICE, "r1", [], "/", PolicyNames(frozenset({"a", "b"})))
    changes = external_auth_pb2.CheckResponse.FromString(reply.SerializeToString()).ok_response
    options = [*changes.headers, *changes.response_headers_to_add]
    assert len(options) == 4
    assert all(option.HasField("append") and option.append.value is False for option in options)


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
            "message": 'needs "strong" authentication',
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


SEVERAL: Final = an_allow(
    *(("header-append", "x-scope=own"), ("header-append", "x-scope=team"), ("header-append", "x-scope=own")),
    *(("header-remove", "x-debug"), ("header-remove", "authorization")),
    *(("query-set", "tier=gold"), ("query-remove", "page")),
    *(("response-header", "x-cache-scope=private"),),
)


def test_all_that_an_allow_can_change() -> None:
    reply = allowed(
        SEVERAL,
        *("x-debug", "x_debug", "accept", "x-scope", "x-tier"),
        removable=("x-scope", "x-tier"),
        parameters=("tier", "limit"),
        target="/orders?page=2&limit=7&tier=platinum&sort=up&tier=lead",
    )["ok_response"]
    assert reply["headers"][2:] == [header("x-scope", "own, team")]
    assert reply["headers_to_remove"] == ["authorization", "x-debug", "x-pdp-obligations", "x-tier", "x_debug"]
    assert reply["query_parameters_to_set"] == [{"key": "tier", "value": "gold"}]
    assert reply["query_parameters_to_remove"] == ["limit", "page"]
    assert reply["response_headers_to_add"] == [header("x-cache-scope", "private")]


def test_a_query_without_a_parameter_of_policies_stays_as_it_is() -> None:
    # Envoy sorts a query that it changes.
    reply = allowed(an_allow(), parameters=("tier",), target="/orders?z=1&a=2")["ok_response"]
    assert "query_parameters_to_remove" not in reply
    assert allowed(an_allow(), target="/orders?tier=1")["ok_response"].keys() == {"headers", "headers_to_remove"}


@pytest.mark.parametrize(
    "query",
    [
        *("%74ier=gold", "Tier=gold", "TIER", "tier%20=gold", "+tier=gold", "tier[]=gold", "tier%5B0%5D=gold"),
        *("a=1;tier=gold", ";tier=gold", "tier%00x=gold", "a=1&%54iEr", "a=b?&ti%65r=x"),
    ],
)
@pytest.mark.parametrize("sets", [True, False])
def test_a_query_that_some_servers_would_read_as_a_policys_is_refused(query: str, *, sets: bool) -> None:
    verdict = an_allow(("query-set", "tier=silver")) if sets else an_allow()
    with pytest.raises(ForgedQuery) as caught:
        allowed(verdict, parameters=("tier",), target=f"/orders?{query}")
    assert caught.value.verdict().reason is ReasonClass.INVALID_REQUEST


def test_a_query_that_is_too_long_to_be_looked_through_is_refused() -> None:
    assert allowed(an_allow(), parameters=("tier",), target="/?" + "a" * 65_536)["status"] == {}
    with pytest.raises(ForgedQuery, match="more than 65536 characters"):
        allowed(an_allow(), parameters=("tier",), target="/?" + "a" * 65_537)
    assert allowed(an_allow(), target="/?" + "a" * 65_537)["status"] == {}


def test_names_that_servers_make_underscores_of() -> None:
    for query in ("data_class=x", "data%2Eclass=x", "data%20class=x"):
        with pytest.raises(ForgedQuery):
            allowed(an_allow(), parameters=("data.class",), target=f"/?{query}")
    assert allowed(an_allow(), parameters=("data.class",), target="/?data.class=x")["ok_response"][
        "query_parameters_to_remove"
    ] == ["data.class"]


@pytest.mark.parametrize("query", ["xtier=1", "tiers=1", "x=tier", "a=%74ier", "a=1&b=;x", "%2574ier=1", "", "=tier"])
def test_other_parameters_are_nobodys_business(query: str) -> None:
    reply = allowed(an_allow(), parameters=("tier",), target=f"/tier?{query}")["ok_response"]
    assert "query_parameters_to_remove" not in reply


CONTRADICTIONS: Final[dict[str, tuple[tuple[str, str], tuple[str, str]]]] = {
    "two values": (("header", "x-a=1"), ("header", "x-a=2")),
    "set and appended": (("header", "x-a=1"), ("header-append", "x-a=2")),
    "set and removed": (("header", "x-a=1"), ("header-remove", "x-a")),
    "appended and removed": (("header-append", "x-a=1"), ("header-remove", "x-a")),
    "two values of a parameter": (("query-set", "a=1"), ("query-set", "a=2")),
    "a parameter set and removed": (("query-set", "a=1"), ("query-remove", "a")),
    "two values for the client": (("response-header", "x-a=1"), ("response-header", "x-a=2")),
}


@pytest.mark.parametrize("duties", CONTRADICTIONS.values(), ids=CONTRADICTIONS.keys())
@pytest.mark.parametrize("turned", [False, True])
def test_whatever_contradicts_makes_a_deny(duties: tuple[tuple[str, str], tuple[str, str]], *, turned: bool) -> None:
    with pytest.raises(Unfulfillable, match="contradicts another policy's"):
        allowed(an_allow(*(reversed(duties) if turned else duties)))


@pytest.mark.parametrize(
    ("kind", "argument"),
    [
        *(("header-append", argument) for argument in ("x-a", "x-a=", "x-a=1,2", "host=evil", "x-pdp-a=1", "cookie=a")),
        *(
            ("header-remove", argument)
            for argument in ("", "X-A", "host", "content-length", "x-pdp-principal", ":path")
        ),
        *(("query-set", argument) for argument in ("", "a", "a=b c", "a=%20", "a&b=1", "a=b&c=d", "=b", "a=é")),
        *(("query-remove", argument) for argument in ("", "a=b", "a&b", "a b")),
        *(
            ("response-header", argument)
            for argument in ("a", "set-cookie=a=b", "content-length=0", "location=/", "A=1")
        ),
        *(("status", "404"), ("header-apend", "x-a=1"), ("query-del", "a"), ("response-status", "404")),
    ],
)
def test_what_cannot_be_carried_out_makes_a_deny(kind: str, argument: str) -> None:
    with pytest.raises(Unfulfillable) as caught:
        allowed(an_allow((kind, argument)))
    assert caught.value.verdict().reason is ReasonClass.POLICY_ERROR


def test_policies_shape_a_denial() -> None:
    verdict = forbidden(
        *(("status", "429", "g1"), ("response-header", "retry-after=60", "g1"), ("status", "429", "g2")),
        *(("response-header", "retry-after=90", "g2"), ("response-header", "cache-control=max-age=60", "g2")),
        *(("notify", "security", "g2"), ("response-header", "set-cookie=a=b", "g2"), ("status", "200", "g2")),
        policies=("g1", "g2"),
    )
    reply = sent(replies.denied(verdict, "r1"))
    assert reply["status"]["code"] == 7
    assert reply["denied_response"]["status"] == {"code": "TooManyRequests"}
    assert reply["denied_response"]["headers"] == [
        *(header("retry-after", "60"), header("cache-control", "no-store"), header("content-type", "application/json")),
    ]


@pytest.mark.parametrize("says", ["full", "brief"])
@pytest.mark.parametrize("code", [404, 410])
def test_a_status_that_hides_something_is_not_given_away_by_the_body(says: str, code: int) -> None:
    reply = sent(replies.denied(forbidden(("status", str(code), "g1")), "r1", says=says))["denied_response"]
    assert json.loads(reply["body"]) == {"decision": "deny", "request_id": "r1"}


def test_an_operator_may_have_the_body_say_nothing() -> None:
    reply = sent(replies.denied(forbidden(), "r1", says="empty"))["denied_response"]
    assert reply == {"status": {"code": "Forbidden"}, "headers": [header("cache-control", "no-store")]}
    brief = sent(replies.denied(forbidden(), "r1", says="brief"))["denied_response"]
    assert json.loads(brief["body"]) == {"decision": "deny", "request_id": "r1"}


def test_a_status_that_policies_disagree_about_is_the_usual_one() -> None:
    verdict = forbidden(("status", "429", "g1"), ("status", "404", "g2"), policies=("g1", "g2"))
    assert sent(replies.denied(verdict, "r1"))["denied_response"]["status"] == {"code": "Forbidden"}


def test_a_challenge_keeps_its_status() -> None:
    verdict = forbidden(("status", "404", "g1"), ("step-up", "mfa", "g1"))
    assert sent(replies.denied(verdict, "r1"))["denied_response"]["status"] == {"code": "Unauthorized"}


@pytest.mark.parametrize("code", sorted(STATUSES))
def test_every_status_of_a_denial_is_one_that_envoy_knows_and_none_is_an_allow(code: int) -> None:
    data = replies.denied(forbidden(("status", str(code), "g1")), "r1").SerializeToString()
    response = external_auth_pb2.CheckResponse.FromString(data)
    assert (response.status.code, response.denied_response.status.code) == (7, code)
    assert http_status_pb2.StatusCode.Name(code)
    assert code >= 400


def test_policies_that_contradict_each_other_make_a_deny() -> None:
    with pytest.raises(Unfulfillable, match="contradicts"):
        allowed(an_allow(("header", "x-scope=own"), ("header", "x-scope=all")))
    agreeing = allowed(an_allow(("header", "x-scope=own"), ("header", "x-scope=own")))
    assert [each["header"]["key"] for each in agreeing["ok_response"]["headers"]].count("x-scope") == 1

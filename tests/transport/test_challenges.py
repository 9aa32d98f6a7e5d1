"""What clients are told to show instead: for bearer tokens, for DPoP, and for step-up by the vectors of RFC 9470."""

import json
import re
from typing import Any

import pytest
from shared_data import shared_data

from pdp.cedar.policy import Effect
from pdp.cedar.response import Decision
from pdp.engine.decider import DeterminingPolicy, Obligation, ReasonClass, Verdict, deny
from pdp.identity.errors import IdentityError, Refusal
from pdp.identity.presented import Scheme
from pdp.transport.challenges import BARE, Challenge, Challenges, challenge_text
from pdp.transport.grpc import ext_authz_reply
from pdp.transport.http import forward_auth
from pdp.transport.http_reply import challenge, step_up_terms

BOTH = Challenges(("ES256", "EdDSA"))
ALONE = Challenges()

_PARAMETER = r'[a-z_]+="[^"\\]*"'
_CHALLENGE = re.compile(rf"(Bearer|DPoP) ({_PARAMETER}(?:, {_PARAMETER})*)(?:, |\Z)")


def read(text: str) -> list[tuple[str, dict[str, str]]]:
    """The challenges in a header, each with its parameters: by the grammar of RFC 9110, section 11.6.1."""
    found, at = [], 0
    while at < len(text):
        match = _CHALLENGE.match(text, at)
        assert match is not None, text[at:]
        found.append((match[1], dict(re.findall(r'([a-z_]+)="([^"\\]*)"', match[2]))))
        at = match.end()
    return found


def forbidden(*arguments: str, message: str = "no") -> Verdict:
    """A deny that each of these step-ups would lift."""
    policies = tuple(DeterminingPolicy(f"p{number}", Effect.FORBID) for number, _ in enumerate(arguments))
    duties = tuple(Obligation("step-up", argument, f"p{number}") for number, argument in enumerate(arguments))
    return Verdict(Decision.DENY, ReasonClass.FORBIDDEN, message, policies, (), duties)


# Step-up (RFC 9470)


def vectors() -> tuple[list[Any], list[Any]]:
    found = json.loads(shared_data("oauth/step_up_challenges.json").read_text("utf-8"))
    return found["responses"], found["authorization_request_query"]


def argument_of(params: dict[str, str]) -> str:
    """The obligation by which a policy demands what a vector does."""
    return params.get("acr_values") or f"max_age={params['max_age']}"


@pytest.mark.parametrize("number", range(2))
@pytest.mark.parametrize("scheme", Scheme)
def test_the_challenges_of_rfc_9470(number: int, scheme: Scheme) -> None:
    vector = vectors()[0][number]
    params = vector["params"]
    verdict = forbidden(argument_of(params), message=params["error_description"])
    text = challenge(verdict, shown=True, scheme=scheme)
    assert text is not None
    assert read(text) == [(scheme.value, params)]
    assert vector["scheme"] == "Bearer"


@pytest.mark.parametrize("number", range(2))
def test_the_doors_answer_with_the_challenges_of_rfc_9470(number: int) -> None:
    vector = vectors()[0][number]
    params = vector["params"]
    verdict = forbidden(argument_of(params), message=params["error_description"])
    envoy = ext_authz_reply.denied(verdict, "r").denied_response
    headers = {option.header.key: option.header.value for option in envoy.headers}
    nginx = forward_auth.denied(verdict, "r")
    assert envoy.status.code == nginx.status == vector["status"] == 401
    assert read(headers["www-authenticate"]) == read(nginx.headers["www-authenticate"]) == [("Bearer", params)]


@pytest.mark.parametrize("number", range(2))
def test_what_the_client_then_asks_its_authorization_server_for(number: int) -> None:
    """RFC 9470, section 4: the parameters of the challenge are those of the authorization request."""
    responses, queries = vectors()
    text = challenge(forbidden(argument_of(responses[number]["params"])), shown=True)
    [(_, said)] = read(text or "")
    assert {name: said[name] for name in ("acr_values", "max_age") if name in said} == queries[number]


def test_both_demands_together() -> None:
    verdict = forbidden("gold silver", "max_age=60", "silver bronze", "max_age=5")
    [(scheme, said)] = read(challenge(verdict, shown=True) or "")
    assert scheme == "Bearer"
    assert said["error"] == "insufficient_user_authentication"
    assert (said["acr_values"], said["max_age"]) == ("gold silver bronze", "5")


@pytest.mark.parametrize(
    ("argument", "terms"),
    [
        ("max_age=0", {"max_age": "0"}),
        ("urn:acr:gold", {"acr_values": "urn:acr:gold"}),
        *((argument, {}) for argument in ("", " ", "a  b", 'a"b', "a\\b", "ä", "a\n", "a\tb", " a", "a ")),
    ],
    ids=ascii,
)
def test_what_a_step_up_can_demand(argument: str, terms: dict[str, str]) -> None:
    """`max_age` is a number that is not negative; an `acr` value has no quotation mark and no white space."""
    assert step_up_terms([Obligation("step-up", argument, "p")]) == terms


def test_without_a_way_to_lift_the_deny_there_is_no_challenge() -> None:
    policies = (DeterminingPolicy("p0", Effect.FORBID), DeterminingPolicy("p1", Effect.FORBID))
    verdict = Verdict(Decision.DENY, ReasonClass.FORBIDDEN, "no", policies, (), (Obligation("step-up", "a", "p0"),))
    assert challenge(verdict, shown=True) is None
    assert challenge(deny(ReasonClass.NOT_PERMITTED, "no"), shown=True) is None


# Bearer and DPoP


def test_for_a_request_without_a_credential_no_error_is_named() -> None:
    assert ALONE.missing() == Challenge(BARE)
    assert read(BOTH.missing().text) == [("Bearer", {"realm": "pdp"}), ("DPoP", {"algs": "ES256 EdDSA"})]


@pytest.mark.parametrize("refusal", Refusal)
@pytest.mark.parametrize("scheme", Scheme)
def test_every_refusal_has_its_challenge(refusal: Refusal, scheme: Scheme) -> None:
    error = {
        Refusal.NONCE: "use_dpop_nonce",
        **dict.fromkeys((Refusal.PROOF, Refusal.REPLAYED, Refusal.REPLAY_MEMORY), "invalid_dpop_proof"),
    }.get(refusal, "invalid_token")
    found = BOTH.refused(IdentityError("it is wrong", refusal), scheme)
    own = {"error": error, "error_description": "it is wrong"}
    expected = {
        Scheme.BEARER: [("Bearer", own), ("DPoP", {"algs": "ES256 EdDSA"})],
        Scheme.DPOP: [("DPoP", {**own, "algs": "ES256 EdDSA"})],
    }
    assert read(found.text) == expected[scheme]
    assert found.nonce == ""
    assert read(ALONE.refused(IdentityError("it is wrong", refusal), scheme).text) == [(scheme.value, own)]


def test_a_nonce_goes_along() -> None:
    found = BOTH.refused(IdentityError("use it", Refusal.NONCE, "abc"), Scheme.DPOP)
    assert found.nonce == "abc"
    assert "abc" not in found.text


@pytest.mark.parametrize("description", ['a "quoted" \\ one', "ä", "a\r\nb", "\x00", "a\x7f"], ids=ascii)
def test_a_description_fits_a_header(description: str) -> None:
    text = challenge_text(Scheme.BEARER, "invalid_token", description, {})
    [(_, said)] = read(text)
    assert len(said["error_description"]) == len(description)
    assert text.isascii()
    assert text.isprintable()


def test_the_doors_send_the_challenge_of_the_refusal_and_its_nonce() -> None:
    own = BOTH.refused(IdentityError("use it", Refusal.NONCE, "abc"), Scheme.DPOP)
    verdict = deny(ReasonClass.UNAUTHENTICATED, "use it")
    envoy = ext_authz_reply.denied(verdict, "r", own=own).denied_response
    headers = {option.header.key: option.header.value for option in envoy.headers}
    nginx = forward_auth.denied(verdict, "r", own=own)
    for found in (headers, dict(nginx.headers)):
        assert (found["www-authenticate"], found["dpop-nonce"]) == (own.text, "abc")
    assert envoy.status.code == nginx.status == 401
    plain = forward_auth.denied(verdict, "r", own=BOTH.missing())
    assert "dpop-nonce" not in plain.headers

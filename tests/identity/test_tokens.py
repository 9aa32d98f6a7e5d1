"""Bearer tokens: each rule at its boundary, and every cause of refusal."""

import json
import random
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from issuer import Signer, key_set, verifier
from texts import mutants

from pdp.cedar.errors import CedarError
from pdp.cedar.values import EntityUID
from pdp.config import ALGORITHMS, IssuerConfig, PrincipalConfig
from pdp.identity.claims import MAX_DATE
from pdp.identity.errors import Refusal
from pdp.identity.keyset import KeySetError
from pdp.identity.keysource import check_usable
from pdp.identity.presented import Presented
from pdp.identity.subject import Method
from pdp.identity.tokens import IdentityError

SECONDS = 1_772_445_600  # 2026-03-02T10:00:00Z
NOW = SECONDS * 1000
LEEWAY = 5_000
ISSUER, AUDIENCE = "https://issuer.example/", "pdp"

SIGNER = Signer()
CONFIG = IssuerConfig(
    issuer=ISSUER,
    audience=AUDIENCE,
    algorithms=("EdDSA", "ES256"),
    jwks=Path("keys.json"),
    principal=PrincipalConfig(
        attributes={"department": "department", "level": "level"},
        groups_claim="groups",
        device_claim="device",
        type_claim="kind",
        types={"person": "User", "service": "Workload"},
    ),
)
VERIFIER = verifier(CONFIG, key_set(SIGNER.jwk()), LEEWAY)
CLAIMS: dict[str, object] = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ana", "exp": SECONDS + 300}


def token(*absent: str, **claims: object) -> str:
    """A good token with these claims, and without `absent` ones."""
    return SIGNER.token({name: value for name, value in (CLAIMS | claims).items() if name not in absent})


def refused(text: str, now: int = NOW) -> IdentityError:
    with pytest.raises(IdentityError) as caught:
        VERIFIER.verify(Presented(text), now)
    return caught.value


def test_a_token_becomes_a_subject() -> None:
    subject = VERIFIER.verify(
        Presented(
            token(
                nbf=SECONDS,
                iat=SECONDS,
                auth_time=SECONDS - 60,
                acr="phr",
                amr=["hwk", "pin"],
                groups=["buyers"],
                department="sales",
                device="laptop-1",
                kind="person",
                unread=None,
            )
        ),
        NOW,
    )
    assert subject.uid == EntityUID("User", "ana")
    assert subject.method is Method.JWT
    assert subject.entity.attrs == {"department": "sales"}
    assert subject.entity.parents == {EntityUID("Group", "buyers")}
    assert (subject.acr, subject.amr) == ("phr", frozenset({"hwk", "pin"}))
    assert (subject.authenticated_at, subject.expires_at) == (NOW - 60_000, NOW + 300_000 + LEEWAY)
    assert subject.device == EntityUID("Device", "laptop-1")


def test_what_a_token_does_not_say_is_not_known() -> None:
    subject = VERIFIER.verify(Presented(token()), NOW)
    assert (subject.acr, subject.amr, subject.authenticated_at, subject.device) == (None, frozenset(), None, None)
    assert (dict(subject.entity.attrs), subject.entity.parents) == ({}, frozenset())


CAUSES: dict[Refusal, str] = {
    Refusal.MALFORMED: "not a token",
    Refusal.HEADER: SIGNER.token(CLAIMS, jku="https://evil.example/keys"),
    Refusal.ALGORITHM: SIGNER.token(CLAIMS, alg="none"),
    Refusal.TYPE: SIGNER.token(CLAIMS, typ="logout+jwt"),
    Refusal.UNKNOWN_KEY: SIGNER.token(CLAIMS, kid="key-2"),
    Refusal.SIGNATURE: Signer(number=1).token(CLAIMS),
    Refusal.ISSUER: token(iss="https://evil.example/"),
    Refusal.AUDIENCE: token(aud="mail"),
    Refusal.EXPIRED: token(exp=SECONDS - 3600),
    Refusal.NOT_YET_VALID: token(nbf=SECONDS + 3600),
    Refusal.CONFIRMATION: token(cnf={"jkt": "abc"}),
    Refusal.CLAIMS: token("sub"),
}
ELSEWHERE = {
    *(Refusal.PROOF, Refusal.NONCE, Refusal.REPLAYED, Refusal.REPLAY_MEMORY),  # test_dpop
    *(Refusal.CERTIFICATE, Refusal.TRUST_DOMAIN),  # test_workloads
    Refusal.KEYS_STALE,  # test_keysource
    Refusal.REVOKED,  # test_revocations
    *(Refusal.INACTIVE, Refusal.INTROSPECTION),  # test_introspection
}
"""Causes that no token has by itself, and where they are tested."""


def test_every_cause_of_refusal_is_tested() -> None:
    assert CAUSES.keys() | ELSEWHERE == set(Refusal)
    assert CAUSES.keys().isdisjoint(ELSEWHERE)


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.value)
def test_each_cause_of_refusal_has_its_code(cause: Refusal) -> None:
    error = refused(CAUSES[cause])
    assert error.code == cause.value
    assert isinstance(error, CedarError)


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.value)
def test_messages_follow_the_guide_and_repeat_nothing(cause: Refusal) -> None:
    message = refused(CAUSES[cause]).render()
    assert message[0].islower()
    assert message[-1] != "."
    for said in ("evil", "mail", "logout", "key-2", "none", "abc", "not a token", "ana"):
        assert said not in message


def test_an_error_can_be_made_of_a_message_alone() -> None:
    error = IdentityError("the token has expired")
    assert (error.message, error.code) == ("the token has expired", "claims")


@pytest.mark.parametrize(
    "issuer",
    [
        *("", ISSUER[:-1], ISSUER + " ", ISSUER.upper(), "https://issuer.example", "http://issuer.example/"),
        *(None, 1, True, [ISSUER], {ISSUER: 1}, ISSUER.replace("e", "е")),
    ],
    ids=ascii,
)
def test_the_issuer_is_compared_character_by_character(issuer: object) -> None:
    assert refused(token(iss=issuer)).code == "issuer"


def test_a_token_names_its_issuer() -> None:
    assert refused(token("iss")).code == "issuer"


@pytest.mark.parametrize("audience", ["pdp", ["pdp"], ["mail", "pdp"], ["pdp", "pdp"]])
def test_the_audience_is_ours(audience: object) -> None:
    assert VERIFIER.verify(Presented(token(aud=audience)), NOW).uid.id == "ana"


@pytest.mark.parametrize(
    "audience", ["", "PDP", "pdp ", "pd", "pdp,mail", [], [""], ["mail"], [["pdp"]], {"pdp": 1}, None, [None], 1, True]
)
def test_the_audience_of_somebody_else_is_refused(audience: object) -> None:
    assert refused(token(aud=audience)).code == "audience"


@pytest.mark.parametrize("audience", [["pdp", 1], ["pdp", None], ["pdp", ["pdp"]], [True, "pdp"]])
def test_an_audience_among_other_things_is_refused(audience: object) -> None:
    assert refused(token(aud=audience)).code == "claims"


def test_a_token_names_its_audience() -> None:
    assert refused(token("aud")).code == "audience"


@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+JWT"])
def test_types_of_access_tokens_are_accepted(typ: str) -> None:
    assert VERIFIER.verify(Presented(SIGNER.token(CLAIMS, typ=typ)), NOW).uid.id == "ana"


@pytest.mark.parametrize(
    "typ",
    [
        *("dpop+jwt", "logout+jwt", "secevent+jwt", "kb+jwt", "oauth-authz-req+jwt", "JOSE", "application/jwt", ""),
        *("at+jwt ", "at+jwt;v=1", "application/application/at+jwt", "at-jwt", 1, True, ["JWT"], {"JWT": 1}),
    ],
)
def test_tokens_of_other_types_are_refused(typ: object) -> None:
    assert refused(SIGNER.token(CLAIMS, typ=typ)).code == "type"


def test_a_type_of_null_is_no_absent_type() -> None:
    head = json.dumps({"alg": "EdDSA", "kid": "key-1", "typ": None}).encode()
    assert refused(SIGNER.sign(head, json.dumps(CLAIMS).encode())).code == "type"


@pytest.mark.parametrize("leeway", [0, 1, LEEWAY, 60_000])
def test_a_token_is_over_at_the_very_instant(leeway: int) -> None:
    verifying = verifier(CONFIG, key_set(SIGNER.jwk()), leeway)
    text = token(exp=SECONDS)
    assert verifying.verify(Presented(text), NOW + leeway - 1).expires_at == NOW + leeway
    for late in (NOW + leeway, NOW + leeway + 1, NOW + 10**12):
        with pytest.raises(IdentityError) as caught:
            verifying.verify(Presented(text), late)
        assert caught.value.code == "expired"


@pytest.mark.parametrize("name", ["nbf", "iat", "auth_time"])
@pytest.mark.parametrize("leeway", [0, 1, LEEWAY, 60_000])
def test_a_date_may_be_ahead_by_the_leeway(name: str, leeway: int) -> None:
    verifying = verifier(CONFIG, key_set(SIGNER.jwk()), leeway)
    text = token(**{name: SECONDS})
    assert verifying.verify(Presented(text), NOW - leeway).uid.id == "ana"
    assert verifying.verify(Presented(text), NOW + 1).uid.id == "ana"
    with pytest.raises(IdentityError) as caught:
        verifying.verify(Presented(text), NOW - leeway - 1)
    assert caught.value.code == "not_yet_valid"
    assert f"`{name}`" in caught.value.message


def test_time_is_what_the_caller_says() -> None:
    text = token(exp=100, nbf=50)
    assert VERIFIER.verify(Presented(text), 60_000).expires_at == 100_000 + LEEWAY
    assert refused(text, 40_000).code == "not_yet_valid"
    assert refused(text).code == "expired"


@pytest.mark.parametrize("name", ["exp", "nbf", "iat", "auth_time"])
@pytest.mark.parametrize(
    "value",
    [None, True, False, str(SECONDS), "", [SECONDS], {}, -1, MAX_DATE + 1, NOW, 2**63 - 1, -(2**63)],
    ids=str,
)
def test_a_date_is_a_whole_number_of_seconds_within_reason(name: str, value: object) -> None:
    error = refused(token(**{name: value}))
    assert error.code == "claims"
    assert f"`{name}`" in error.message


@pytest.mark.parametrize("name", ["exp", "nbf", "iat", "auth_time", "unread"])
@pytest.mark.parametrize(
    "written", ["1772445600.0", "1772445600.5", "1e9", "1E400", "-0", "NaN", "Infinity", "9" * 5000]
)
def test_a_number_that_is_not_a_whole_one_refuses_the_token_wherever_it_stands(name: str, written: str) -> None:
    text = json.dumps(CLAIMS | {name: "HERE"}).replace('"HERE"', written)
    assert refused(SIGNER.token(text.encode())).code == "malformed"


def test_dates_at_the_bounds_are_read() -> None:
    assert VERIFIER.verify(Presented(token(exp=MAX_DATE, nbf=0, iat=0, auth_time=0)), NOW).authenticated_at == 0


def test_a_token_says_when_it_ends() -> None:
    assert refused(token("exp")).code == "claims"


@pytest.mark.parametrize("value", [{"jkt": "abc"}, {"x5t#S256": "abc"}, {}, None, "", False])
def test_a_token_that_is_bound_to_a_key_is_no_bearer_token(value: object) -> None:
    assert refused(token(cnf=value)).code == "confirmation"


WRONG_FORMS: dict[str, list[object]] = {
    "sub": ["", None, 1, True, ["ana"], {"id": "ana"}],
    "acr": ["", None, 1, True, ["phr"], {}],
    "amr": ["pwd", "", None, 1, True, {}, [""], [1], [None], [["pwd"]], ["pwd", 1]],
    "groups": ["buyers", "", None, 1, True, {}, [""], [1], [None], [["a"]], [{"id": "a"}]],
    "device": ["", None, 1, True, ["laptop-1"], {}],
    "kind": ["", None, 1, True, ["person"], {}, "Person", "robot", "User"],
    "department": [None, [None], {"a": None}, [[{"a": [None]}]]],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG_FORMS.items() for value in values])
def test_a_claim_of_another_form_refuses_the_token(name: str, value: object) -> None:
    error = refused(token(**{name: value}))
    assert error.code == "claims"
    assert f"`{name}`" in error.message


@pytest.mark.parametrize(
    "payload",
    [
        *(b"", b"null", b"[]", b'"x"', b"1", b"{", b"{}{}", b'\xef\xbb\xbf{"sub": "ana"}'),
        json.dumps(CLAIMS).encode("utf-16"),
        json.dumps(CLAIMS).encode()[:-1] + b', "sub": "eve"}',
        json.dumps(CLAIMS).encode()[:-1] + b', "\\u0073ub": "ana"}',
        json.dumps(CLAIMS).encode()[:-1] + b', "unread": {"a": 1, "a": 2}}',
        json.dumps(CLAIMS).encode()[:-1] + b', "unread": "\xff"}',
        json.dumps(CLAIMS).encode()[:-1] + b', "unread": "\\ud800"}',
        json.dumps(CLAIMS).encode()[:-1] + b', "unread": ' + b"[" * 127 + b"]" * 127 + b"}",
        json.dumps(CLAIMS).encode()[:-1] + b', "unread": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"a":' * 2000 + b"1" + b"}" * 2000,
    ],
    ids=lambda payload: ascii(payload)[-30:],
)
def test_claims_that_are_not_one_strict_object_are_refused(payload: bytes) -> None:
    assert refused(SIGNER.token(payload)).code == "malformed"


def test_deep_claims_are_read_to_the_bound() -> None:
    deep: object = 1
    for level in range(126):
        deep = [deep] if level % 2 else {"a": deep}
    assert VERIFIER.verify(Presented(token(department=deep)), NOW).entity.attrs.keys() == {"department"}


def test_what_is_wrong_with_the_signature_comes_before_what_is_wrong_with_the_claims() -> None:
    assert refused(Signer(number=1).token({"iss": ISSUER, "exp": 0})).code == "signature"


@pytest.mark.parametrize("algorithm", [name for name in ALGORITHMS if name not in {"EdDSA", "ES256"}])
def test_an_algorithm_that_is_not_configured_is_refused_though_the_key_is_for_it(algorithm: str) -> None:
    other = Signer(algorithm, "other")
    verifying = verifier(CONFIG, key_set(SIGNER.jwk(), other.jwk(alg=None)))
    with pytest.raises(IdentityError) as caught:
        verifying.verify(Presented(other.token(CLAIMS)), NOW)
    assert caught.value.code == "algorithm"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_can_be_configured(algorithm: str) -> None:
    signer = Signer(algorithm)
    verifying = verifier(replace(CONFIG, algorithms=(algorithm,)), key_set(signer.jwk(alg=None)))
    assert verifying.verify(Presented(signer.token(CLAIMS)), NOW).uid.id == "ana"


@pytest.mark.parametrize("algorithms", [("RS256",), ("ES384", "ES512"), (), ("none",), ("HS256",)])
def test_a_configuration_that_no_key_can_serve_is_refused_at_once(algorithms: tuple[str, ...]) -> None:
    with pytest.raises(KeySetError, match=r"keys\.json") as caught:
        check_usable(
            key_set(SIGNER.jwk(), Signer("ES256", "ec").jwk()), replace(CONFIG, algorithms=algorithms), "keys.json"
        )
    assert "`algorithms`" in (caught.value.help or "")


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
JSON = st.recursive(
    LEAVES | st.sampled_from([ISSUER, AUDIENCE, SECONDS, "person"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
READ = [*CLAIMS, "nbf", "iat", "auth_time", "acr", "amr", "groups", "department", "level", "device", "kind", "cnf"]


@given(st.dictionaries(st.sampled_from(READ), JSON, max_size=4))
def test_any_claims_of_the_issuer_are_judged(claims: dict[str, object]) -> None:
    with suppress(IdentityError):
        assert VERIFIER.verify(Presented(token(**claims)), NOW).method is Method.JWT


@given(st.binary(max_size=60))
def test_any_payload_of_the_issuer_is_refused(payload: bytes) -> None:
    refused(SIGNER.token(payload))


def test_mutants_of_claims_of_the_issuer_are_judged() -> None:
    seeds = [json.dumps(CLAIMS), json.dumps(CLAIMS | {"groups": ["a"], "amr": ["b"], "level": {"a": [1]}})]
    assert all(len(seed) < 200 for seed in seeds)
    for mutant in mutants(random.Random(5), seeds, '{}[]",:\\ 0a1.e-\ud800é\x00', 3000):
        with suppress(IdentityError):
            assert (
                VERIFIER.verify(Presented(SIGNER.token(mutant.encode("utf-8", "surrogatepass"))), NOW).uid.type
                == "User"
            )


@given(st.data())
def test_no_change_of_a_token_is_accepted(data: st.DataObject) -> None:
    good = token()
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, min(len(good), start + 8)))
    changed = good[:start] + data.draw(st.text("AZaz09-_.=", max_size=8) | st.text(max_size=3)) + good[end:]
    if changed != good:
        refused(changed)

"""DPoP: every step of RFC 9449, section 4.3, one by one; the vectors of the RFC; and proofs that were damaged."""

import json
import random
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from issuer import Signer
from prover import METHOD, URL, Prover, shown
from shared_data import shared_data
from texts import mutants

from pdp.config import ALGORITHMS
from pdp.config.credentials import DpopConfig
from pdp.identity import base64url
from pdp.identity.dpop import ProofVerifier
from pdp.identity.errors import IdentityError, Refusal
from pdp.identity.jws import MAX_TOKEN
from pdp.identity.nonces import Nonces
from pdp.identity.presented import Presented, Scheme
from pdp.identity.replay import ReplayMemory

SECONDS = 1_772_445_600
NOW = SECONDS * 1000
LEEWAY, WINDOW = 5_000, 60_000
TOKEN = "eyJ.a.verified-token_"
PROVER = Prover()
NONCES = Nonces(b"the secret of these tests, of 32+", 60_000)


def a_verifier(nonces: Nonces | None = None, memory: ReplayMemory | None = None, **config: Any) -> ProofVerifier:
    return ProofVerifier(
        DpopConfig(window=WINDOW, **config), LEEWAY, ReplayMemory(10_000) if memory is None else memory, nonces
    )


VERIFIER = a_verifier()


def accept(presented: Presented, now: int = NOW, verifier: ProofVerifier = VERIFIER, jkt: str = PROVER.jkt) -> None:
    verifier.verify(presented, jkt, now)


def refused(
    presented: Presented, now: int = NOW, verifier: ProofVerifier = VERIFIER, jkt: str = PROVER.jkt
) -> IdentityError:
    with pytest.raises(IdentityError) as caught:
        verifier.verify(presented, jkt, now)
    return caught.value


def proof(*absent: str, **claims: Any) -> Presented:
    return PROVER.presented(TOKEN, SECONDS, *absent, **claims)


def headed(**head: Any) -> Presented:
    return PROVER.presented(TOKEN, SECONDS, head=head)


# The vectors of the RFC


def vectors() -> tuple[list[Any], list[Any]]:
    found = json.loads(shared_data("oauth/dpop_rfc9449_vectors.json").read_text("utf-8"))
    return found["proofs"], found["access_tokens"]


def test_the_request_of_rfc_9449_with_a_token_is_accepted() -> None:
    """Section 7.1, the only figure with an access token."""
    (vector,) = [proof for proof in vectors()[0] if "ath" in proof["claims"]]
    (token,) = vectors()[1]
    claims = vector["claims"]
    presented = Presented(token["token"], Scheme.DPOP, (vector["proof"],), claims["htm"], claims["htu"])
    accept(presented, claims["iat"] * 1000, jkt=vector["jkt"])
    assert refused(presented, claims["iat"] * 1000, jkt=vector["jkt"]).code == "replayed"
    assert refused(presented, NOW, jkt=vector["jkt"]).message == "the DPoP proof is too old"


def test_the_token_requests_of_rfc_9449_are_good_proofs_without_a_token() -> None:
    """They are for the authorization server: `ath` is all that is missing, and without it none is accepted here."""
    for vector in vectors()[0]:
        claims = vector["claims"]
        if "ath" not in claims:
            presented = Presented("", Scheme.DPOP, (vector["proof"],), claims["htm"], claims["htu"])
            error = refused(presented, claims["iat"] * 1000, jkt=vector["jkt"])
            assert (error.code, error.message) == ("proof", "the DPoP proof is not for this token")


@pytest.mark.parametrize("number", range(3))
def test_each_signature_of_rfc_9449_is_verified(number: int) -> None:
    """By the steps of section 4.3 that are about the proof alone."""
    from pdp.identity.jws import parse_jws
    from pdp.identity.proof_key import thumbprint, verification_key

    vector = vectors()[0][number]
    jws = parse_jws(vector["proof"])
    key = verification_key(jws.header["jwk"])
    assert thumbprint(jws.header["jwk"]) == vector["jkt"]
    assert key.verifies("ES256", jws.signing_input, jws.signature) is vector["signature_valid"]
    assert not key.verifies("ES256", jws.signing_input + b".", jws.signature)


# Section 4.3, step by step


def test_a_good_proof_is_accepted() -> None:
    accept(proof())


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_that_is_configured_is_accepted_and_no_other(algorithm: str) -> None:
    prover = Prover(Signer(algorithm, None))
    accept(prover.presented(TOKEN, SECONDS), jkt=prover.jkt)
    others = tuple(name for name in ALGORITHMS if name != algorithm)
    error = refused(prover.presented(TOKEN, SECONDS), verifier=a_verifier(algorithms=others), jkt=prover.jkt)
    assert (error.code, error.message) == ("proof", "the signature algorithm of the DPoP proof is not accepted")


@pytest.mark.parametrize("number", [0, 2, 3])
def test_step_1_exactly_one_header(number: int) -> None:
    proofs = [PROVER.proof(TOKEN, SECONDS) for _ in range(number)]
    assert refused(shown(TOKEN, *proofs)).message == "there must be exactly one DPoP proof"
    if number > 1:
        assert refused(shown(TOKEN, proofs[0], proofs[0])).code == "proof"
        assert refused(shown(TOKEN, ",".join(proofs))).code == "proof"
        assert refused(shown(TOKEN, ", ".join(proofs))).code == "proof"


@pytest.mark.parametrize(
    "text",
    ["", "a", "a.b", "a.b.c", "a.b.c.d", "..", " ", "\ud800", "é.é.é", "." * 100_000, "A" * (MAX_TOKEN + 1), "{}"],
    ids=lambda text: ascii(text[:12]),
)
def test_step_2_one_jwt(text: str) -> None:
    assert refused(shown(TOKEN, text)).code == "proof"


def test_step_2_nothing_around_it() -> None:
    good = PROVER.proof(TOKEN, SECONDS)
    for text in (f" {good}", f"{good} ", f"{good}\n", f"DPoP {good}", f"{good}=", good.replace(".", " ."), good + "A"):
        assert refused(shown(TOKEN, text)).code == "proof"
    accept(shown(TOKEN, good))


@pytest.mark.parametrize("name", ["jti", "htm", "htu", "iat", "ath"])
def test_step_3_every_claim_is_needed(name: str) -> None:
    assert refused(proof(name)).code == "proof"


@pytest.mark.parametrize("name", ["jti", "htm", "htu", "iat", "ath"])
@pytest.mark.parametrize("value", [None, "", 0, -1, 1.5, True, [], {}, [SECONDS], "1", 2**70], ids=ascii)
def test_step_3_no_claim_has_another_form(name: str, value: object) -> None:
    if name == "jti" and value == "1":
        value = ["1"]  # any text is the name of a proof
    assert refused(proof(**{name: value})).code == "proof"


@pytest.mark.parametrize("payload", [b"", b"{}", b"[]", b"null", b'"a"', b"{", b"\xff", b'{"iat":1,"iat":1}'])
def test_step_3_claims_are_a_json_object(payload: bytes) -> None:
    head = json.dumps({"typ": "dpop+jwt", "alg": "EdDSA", "jwk": PROVER.jwk()}).encode()
    assert refused(shown(TOKEN, PROVER.signer.sign(head, payload))).code == "proof"


def test_a_member_that_stands_twice_is_read_by_nobody() -> None:
    good = json.dumps({"jti": "twice", "htm": METHOD, "htu": URL, "iat": SECONDS, "ath": "x"})
    head = json.dumps({"typ": "dpop+jwt", "alg": "EdDSA", "jwk": PROVER.jwk()})
    for header, payload in ((head[:-1] + ', "alg": "EdDSA"}', good), (head, good[:-1] + ', "htm": "GET"}')):
        assert refused(shown(TOKEN, PROVER.signer.sign(header.encode(), payload.encode()))).code == "proof"


@pytest.mark.parametrize(
    "typ", [None, "", "jwt", "JWT", "at+jwt", "DPoP+JWT", "dpop", "application/dpop+jwt", "dpop+jwt ", 1, ["dpop+jwt"]]
)
def test_step_4_the_type(typ: object) -> None:
    assert refused(headed(typ=typ)).message == "the DPoP proof is not of the type `dpop+jwt`"


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "HS256", "HS512", "", "eddsa", "ES256K", None, 1, ["EdDSA"]])
def test_step_5_the_algorithm(alg: object) -> None:
    """Signed properly, and said to be something else."""
    good = json.loads(base64url.decode(PROVER.proof(TOKEN, SECONDS).split(".")[1]) or b"")
    head: dict[str, object] = {"typ": "dpop+jwt", "alg": alg, "jwk": PROVER.jwk()}
    kept = {name: value for name, value in head.items() if value is not None}
    text = PROVER.signer.sign(json.dumps(kept).encode(), json.dumps(good).encode())
    assert refused(shown(TOKEN, text)).message == "the signature algorithm of the DPoP proof is not accepted"


def test_step_5_a_proof_without_a_signature_is_refused() -> None:
    header, payload, _ = PROVER.proof(TOKEN, SECONDS).split(".")
    nothing = base64url.encode(json.dumps({"typ": "dpop+jwt", "alg": "none", "jwk": PROVER.jwk()}).encode())
    assert refused(shown(TOKEN, f"{nothing}.{payload}.")).code == "proof"
    assert refused(shown(TOKEN, f"{header}.{payload}.")).code == "proof"


def test_step_5_an_algorithm_that_is_not_for_the_key_is_refused() -> None:
    """The key of a curve, said to sign with RSA; and the other way round."""
    for algorithm, other in (("ES256", "RS256"), ("RS256", "ES256"), ("EdDSA", "ES256"), ("ES384", "ES256")):
        prover = Prover(Signer(algorithm, None))
        presented = prover.presented(TOKEN, SECONDS, head={"alg": other})
        assert refused(presented, jkt=prover.jkt).message == "the signature of the DPoP proof is wrong"


def test_step_5_a_key_that_states_another_algorithm_is_refused() -> None:
    prover = Prover(Signer("RS256", None))
    for alg in ("RS512", "none", "", None, 1):
        presented = prover.presented(TOKEN, SECONDS, head={"jwk": {**prover.jwk(), "alg": alg}})
        assert refused(presented, jkt=prover.jkt).code == "proof"
    accept(prover.presented(TOKEN, SECONDS, head={"jwk": {**prover.jwk(), "alg": "RS256"}}), jkt=prover.jkt)


@pytest.mark.parametrize("name", ["crit", "b64", "jku", "x5c", "x5u"])
def test_a_header_that_asks_for_more_is_refused(name: str) -> None:
    assert name in refused(headed(**{name: ["b64"]})).message


def test_a_name_for_the_key_means_nothing() -> None:
    accept(headed(kid="somebody else's"))


@pytest.mark.parametrize("damage", ["first", "last", "moved", "swapped", "another's", "of the header"])
def test_step_6_the_signature(damage: str) -> None:
    good = PROVER.proof(TOKEN, SECONDS)
    header, payload, text = good.split(".")
    signature = bytearray(base64url.decode(text) or b"")
    other = PROVER.proof(TOKEN, SECONDS).split(".")
    match damage:
        case "first":
            signature[0] ^= 1
        case "last":
            signature[40] ^= 0x80
        case "moved":
            signature = signature[1:] + signature[:1]
        case "swapped":
            signature = signature[32:] + signature[:32]
        case "another's":
            signature = bytearray(base64url.decode(other[2]) or b"")
        case _:
            header = base64url.encode((base64url.decode(header) or b"") + b" ")
    text = f"{header}.{payload}.{base64url.encode(bytes(signature))}"
    assert refused(shown(TOKEN, text)).message == "the signature of the DPoP proof is wrong"
    accept(shown(TOKEN, good))


def test_step_6_a_proof_signed_by_another_key_than_it_shows_is_refused() -> None:
    thief = Prover(Signer(kid=None, number=8))
    presented = thief.presented(TOKEN, SECONDS, head={"jwk": PROVER.jwk()})
    assert refused(presented).message == "the signature of the DPoP proof is wrong"


@pytest.mark.parametrize("jwk", [None, {}, [], "jwk", 1, {"kty": "oct", "k": "AQAB"}], ids=ascii)
def test_step_7_without_a_public_key_it_is_refused(jwk: object) -> None:
    assert refused(headed(jwk=jwk)).code == "proof"


def test_step_7_a_private_key_is_refused() -> None:
    error = refused(headed(jwk={**PROVER.jwk(), "d": base64url.encode(bytes(32))}))
    assert (error.code, error.message) == ("proof", "the key of the DPoP proof is private or shared")


@pytest.mark.parametrize("method", ["GET", "post", "Post", "POST ", "PO", "POSTS", "*"])
def test_step_8_the_method(method: str) -> None:
    assert refused(proof(htm=method)).message == "the DPoP proof is for another method"


@pytest.mark.parametrize(
    "target",
    [
        "https://api.consortium.example/orders/4712",
        "https://api.consortium.example/orders/4711/",
        "https://api.consortium.example/orders",
        "https://api.consortium.example/Orders/4711",
        "http://api.consortium.example/orders/4711",
        "https://api.consortium.example:8443/orders/4711",
        "https://api.consortium.example.evil.example/orders/4711",
        "https://evil.example/orders/4711",
        "https://evil@api.consortium.example/orders/4711",
        "https://api.consortium.example/orders%2F4711",
        "https://api.consortium.example//orders/4711",
        "//api.consortium.example/orders/4711",
        "/orders/4711",
        "api.consortium.example",
    ],
)
def test_step_9_the_target(target: str) -> None:
    assert refused(proof(htu=target)).message == "the DPoP proof is for another target"


@pytest.mark.parametrize(
    ("stated", "requested"),
    [
        (URL, f"{URL}?page=2"),
        (URL, f"{URL}#top"),
        (f"{URL}?page=1", f"{URL}?page=2"),
        ("HTTPS://API.Consortium.EXAMPLE:443/orders/4711", URL),
        ("https://api.consortium.example/orders/./x/../%34711", URL),
        (URL, "https://API.consortium.example:443/%6frders/4711"),
        ("https://api.consortium.example", "https://api.consortium.example/"),
    ],
)
def test_step_9_one_target_in_two_spellings(stated: str, requested: str) -> None:
    accept(replace(proof(htu=stated), url=requested))


def test_where_the_request_is_not_known_no_proof_is_believed() -> None:
    for unknown in (replace(proof(), method=""), replace(proof(), url=""), replace(proof(), method="", url="")):
        assert "not known" in refused(unknown).message
    assert refused(replace(proof(), url="orders/4711")).message == "the DPoP proof is for another target"
    assert refused(replace(proof(htu="orders/4711"), url="orders/4711")).code == "proof"


def test_step_10_without_the_nonce_the_client_is_told_it() -> None:
    strict = a_verifier(NONCES)
    for claims in (
        {},
        {"nonce": "another"},
        {"nonce": ""},
        {"nonce": 1},
        {"nonce": None},
        {"nonce": [NONCES.current(NOW)]},
    ):
        error = refused(proof(**claims), verifier=strict)
        assert (error.code, error.nonce) == ("nonce", NONCES.current(NOW))
    accept(proof(nonce=NONCES.current(NOW)), verifier=strict)
    accept(proof(nonce=NONCES.current(NOW - 60_000)), verifier=strict)
    assert refused(proof(nonce=NONCES.current(NOW - 120_000)), verifier=strict).code == "nonce"
    assert refused(proof(nonce=NONCES.current(NOW + 60_000)), verifier=strict).code == "nonce"


def test_step_10_where_no_nonce_is_demanded_none_is_looked_at() -> None:
    accept(proof(nonce="anything"))
    accept(proof(nonce=1))


def test_step_10_only_who_signs_well_is_told_the_nonce() -> None:
    strict = a_verifier(NONCES)
    header, payload, _ = PROVER.proof(TOKEN, SECONDS).split(".")
    error = refused(shown(TOKEN, f"{header}.{payload}.{base64url.encode(bytes(64))}"), verifier=strict)
    assert (error.code, error.nonce) == ("proof", "")


def test_step_10_a_proof_without_the_nonce_is_not_used_up() -> None:
    memory = ReplayMemory(10_000)
    refused(proof(), verifier=a_verifier(NONCES, memory))
    assert len(memory) == 0


@pytest.mark.parametrize(("made", "good"), [(-LEEWAY, True), (-LEEWAY - 1, False), (0, True)])
def test_step_11_a_proof_is_not_made_in_the_future(made: int, good: bool) -> None:
    """`made` is how much (ms) before `now`; dates of tokens are whole seconds, so `now` moves."""
    if good:
        accept(proof(), NOW + made)
    else:
        assert refused(proof(), NOW + made).message == "the DPoP proof was made in the future"


@pytest.mark.parametrize("age", [WINDOW, WINDOW + LEEWAY - 1])
def test_step_11_a_proof_is_accepted_in_its_window(age: int) -> None:
    accept(proof(), NOW + age)


@pytest.mark.parametrize("age", [WINDOW + LEEWAY, WINDOW + LEEWAY + 1, 3_600_000, 400_000_000_000])
def test_step_11_and_not_after_it(age: int) -> None:
    assert refused(proof(), NOW + age).message == "the DPoP proof is too old"


def test_step_11_what_a_proof_says_of_its_own_end_holds() -> None:
    assert refused(proof(exp=SECONDS - 5)).code == "proof"
    assert refused(proof(nbf=SECONDS + 6)).code == "proof"
    assert refused(proof(exp="soon")).code == "proof"
    accept(proof(exp=SECONDS - 4, nbf=SECONDS + 5))


@pytest.mark.parametrize("name", ["exp", "nbf"])
@pytest.mark.parametrize("value", [True, -1, 2**62, "1", None])
def test_step_11_dates_are_whole_seconds(name: str, value: object) -> None:
    assert "whole seconds" in refused(proof(**{name: value})).message


def test_step_12_the_hash_of_the_token() -> None:
    presented = proof()
    for token in (TOKEN + "x", TOKEN[:-1], TOKEN.lower(), "", "another"):
        assert refused(replace(presented, token=token)).message == "the DPoP proof is not for this token"
    accept(presented)


@pytest.mark.parametrize("change", ["=", "A", " "])
def test_step_12_the_hash_has_one_spelling(change: str) -> None:
    good = json.loads(base64url.decode(PROVER.proof(TOKEN, SECONDS).split(".")[1]) or b"")["ath"]
    assert refused(proof(ath=good + change)).code == "proof"
    assert refused(proof(ath=good.swapcase())).code == "proof"


def test_step_12_the_key_is_the_one_of_the_token() -> None:
    thief = Prover(Signer(kid=None, number=8))
    error = refused(thief.presented(TOKEN, SECONDS))
    assert (error.code, error.message) == ("confirmation", "the DPoP proof is by another key than the token's")


# Replay (section 11.1)


def test_a_proof_is_good_once() -> None:
    presented = proof()
    accept(presented)
    for now in (NOW, NOW + 1, NOW + WINDOW + LEEWAY - 1):
        assert refused(presented, now).code == "replayed"
    assert refused(presented, NOW + WINDOW + LEEWAY).code == "proof"


def test_a_name_is_good_once_for_a_key_whatever_else_the_proof_says() -> None:
    accept(proof(jti="one"))
    assert refused(proof(jti="one", iat=SECONDS + 1)).code == "replayed"
    assert refused(replace(proof(jti="one", htm="GET"), method="GET")).code == "replayed"
    other = Prover(Signer(kid=None, number=8))
    accept(other.presented(TOKEN, SECONDS, jti="one"), jkt=other.jkt)


def test_what_is_refused_for_another_reason_is_not_remembered() -> None:
    memory = ReplayMemory(1_000)
    verifier = a_verifier(memory=memory)
    for bad in (proof(htm="GET"), proof(iat=SECONDS - 3600), proof(ath="x"), headed(typ="jwt")):
        refused(bad, verifier=verifier)
    assert len(memory) == 0


def test_when_no_more_can_be_remembered_the_reason_is_said() -> None:
    verifier = a_verifier(memory=ReplayMemory(4))
    accept(proof(), verifier=verifier)
    error = refused(proof(), verifier=verifier)
    assert error.code == "replay_memory"
    other = Prover(Signer(kid=None, number=8))
    accept(other.presented(TOKEN, SECONDS), verifier=verifier, jkt=other.jkt)


# Whatever comes


CAUSES: dict[Refusal, Presented] = {
    Refusal.PROOF: shown(TOKEN, "not.a.proof"),
    Refusal.NONCE: proof(),
    Refusal.CONFIRMATION: Prover(Signer(kid=None, number=8)).presented(TOKEN, SECONDS),
}


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.value)
def test_messages_follow_the_guide_and_repeat_nothing(cause: Refusal) -> None:
    error = refused(CAUSES[cause], verifier=a_verifier(NONCES))
    message = error.render()
    assert error.code == cause.value
    assert message[0].islower()
    assert message[-1] != "."
    assert "not.a.proof" not in message


def parts(text: str) -> Iterable[str]:
    return [(base64url.decode(part) or b"").decode("latin-1") for part in text.split(".")]


def test_a_damaged_proof_is_never_accepted() -> None:
    good = PROVER.proof(TOKEN, SECONDS)
    rng = random.Random(7)
    for _ in range(2_000):
        at = rng.randrange(len(good))
        damaged = good[:at] + rng.choice(["", "A", "-", ".", "=", "é", " "]) + good[at + rng.randrange(3) :]
        if damaged != good:
            assert refused(shown(TOKEN, damaged)).code in {"proof", "confirmation"}
    accept(shown(TOKEN, good))


def test_a_proof_of_damaged_parts_is_judged() -> None:
    """Signed well, whatever it says: nothing but an error of ours comes of it."""
    header, payload, _ = parts(PROVER.proof(TOKEN, SECONDS))
    rng = random.Random(8)
    alphabet = '{}[]",:\\ 0a1.e-\ud800é\x00'
    short_header = json.dumps({"typ": "dpop+jwt", "alg": "EdDSA", "jwk": {"kty": "OKP"}})
    for mutant in mutants(rng, [short_header, payload[:199]], alphabet, 1_500):
        data = mutant.encode("utf-8", "surrogatepass")
        for head, body in ((data, payload.encode()), (header.encode(), data)):
            with suppress(IdentityError):
                accept(shown(TOKEN, PROVER.signer.sign(head, body)))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from([SECONDS, METHOD, URL]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["jti", "htm", "htu", "iat", "ath", "nonce", "exp", "nbf"]), JSON, min_size=1))
def test_any_claims_are_judged(claims: dict[str, Any]) -> None:
    with suppress(IdentityError):
        accept(proof(**claims))


@given(st.dictionaries(st.sampled_from(["typ", "alg", "jwk", "kid", "crit", "cty"]), JSON, min_size=1))
def test_any_header_is_judged(head: dict[str, Any]) -> None:
    head.setdefault("alg", "EdDSA")
    with suppress(IdentityError):
        accept(headed(**head))


@given(st.lists(st.text(max_size=30), max_size=2), st.text(max_size=10), st.text(max_size=30), st.text(max_size=10))
def test_any_request_is_judged(proofs: list[str], method: str, url: str, token: str) -> None:
    refused(Presented(token, Scheme.DPOP, tuple(proofs), method, url))
    refused(Presented(TOKEN, Scheme.DPOP, (PROVER.proof(TOKEN, SECONDS),), method, url))

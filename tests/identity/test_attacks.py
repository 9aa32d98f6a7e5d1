"""Known attacks on tokens, one by one and by name, against one verifier with everything switched on.

Each attack is tried twice, before and after the good token is remembered: what is remembered must not help.
"""

import json
import random
from collections.abc import Callable, Mapping
from hashlib import sha256
from hmac import digest
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from issuer import HeldKeys, Signer, key_set, verifier
from prometheus_client import CollectorRegistry

from pdp.config import IssuerConfig
from pdp.config.identity import TokenCacheConfig
from pdp.config.issuers import PrincipalConfig
from pdp.identity import base64url
from pdp.identity.errors import IdentityError
from pdp.identity.presented import Presented, Scheme
from pdp.identity.subject import Subject
from pdp.identity.tokens import Issuer, TokenVerifier
from pdp.telemetry.identity import IdentityMetrics

SECONDS = 1_772_445_600  # 2026-03-02T10:00:00Z
NOW = SECONDS * 1000
LEEWAY = 5_000
ISSUER, OTHER = "https://issuer.example", "https://partner.example"
ED, EC, RSA = Signer("EdDSA", "ed"), Signer("ES256", "ec"), Signer("RS256", "rsa")
PARTNER, EVE = Signer("ES256", "partner", 1), Signer("ES256", "ec", 2)
CONFIG = IssuerConfig(ISSUER, "pdp", ("EdDSA", "ES256", "RS256"), Path("keys.json"))
THEIRS = IssuerConfig(OTHER, "pdp", ("ES256",), Path("theirs.json"), principal=PrincipalConfig(type="Partner::User"))
CLAIMS: dict[str, object] = {"iss": ISSUER, "aud": "pdp", "sub": "ana", "iat": SECONDS, "exp": SECONDS + 300}


def both() -> TokenVerifier:
    """A verifier for our issuer and a partner's."""
    ours = HeldKeys(key_set(ED.jwk(), EC.jwk(), RSA.jwk(alg=None)))
    theirs = HeldKeys(key_set(PARTNER.jwk()))
    metrics = IdentityMetrics(CollectorRegistry())
    return TokenVerifier([Issuer(CONFIG, ours), Issuer(THEIRS, theirs)], LEEWAY, metrics=metrics)


GOOD = EC.token(CLAIMS)


def code(verifying: TokenVerifier, token: str, now: int = NOW) -> str:
    with pytest.raises(IdentityError) as caught:
        verifying.verify(Presented(token), now)
    return caught.value.code


def hmac_token(secret: bytes, head: Mapping[str, object]) -> str:
    """A token with a shared secret, made of what everybody knows."""
    signing_input = f"{base64url.encode(json.dumps(head).encode())}.{base64url.encode(json.dumps(CLAIMS).encode())}"
    return f"{signing_input}.{base64url.encode(digest(secret, signing_input.encode(), sha256))}"


def spki(encoding: Encoding) -> bytes:
    return bytes(RSA.private.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo))


def unsigned(alg: str, signature: str = "") -> str:
    head = base64url.encode(json.dumps({"alg": alg, "kid": "ec"}).encode())
    return f"{head}.{GOOD.split('.')[1]}.{signature}"


def with_payload(token: str, **claims: object) -> str:
    head, _, signature = token.split(".")
    return f"{head}.{base64url.encode(json.dumps(CLAIMS | claims).encode())}.{signature}"


def with_header(token: str, **header: object) -> str:
    _, payload, signature = token.split(".")
    return f"{base64url.encode(json.dumps({'alg': 'ES256', 'kid': 'ec'} | header).encode())}.{payload}.{signature}"


def without(*names: str) -> dict[str, object]:
    return {name: value for name, value in CLAIMS.items() if name not in names}


def flipped(token: str) -> str:
    """The token with its last bit but the unused ones turned: all of it is the good one's, but for one character."""
    raw = base64url.decode(token.rpartition(".")[2]) or b""
    return f"{token.rpartition('.')[0]}.{base64url.encode(raw[:-1] + bytes([raw[-1] ^ 1]))}"


ATTACKS: dict[str, tuple[Callable[[], str], str]] = {
    "algorithm confusion: HS256 with the RSA key in PEM": (
        lambda: hmac_token(spki(Encoding.PEM), {"alg": "HS256", "kid": "rsa"}),
        "algorithm",
    ),
    "algorithm confusion: HS256 with the RSA key in DER": (
        lambda: hmac_token(spki(Encoding.DER), {"alg": "HS256", "kid": "rsa"}),
        "algorithm",
    ),
    "algorithm confusion: HS256 with the EC key as JWK": (
        lambda: hmac_token(json.dumps(EC.jwk()).encode(), {"alg": "HS256", "kid": "ec"}),
        "algorithm",
    ),
    "algorithm confusion: HS256 with an empty secret": (
        lambda: hmac_token(b"", {"alg": "HS256", "kid": "ec"}),
        "algorithm",
    ),
    "algorithm confusion: an RSA key asked to verify ES256": (lambda: EC.token(CLAIMS, kid="rsa"), "algorithm"),
    "algorithm confusion: an EC key asked to verify RS256": (lambda: RSA.token(CLAIMS, kid="ec"), "algorithm"),
    "algorithm confusion: RS256 called PS256": (lambda: RSA.token(CLAIMS, alg="PS256"), "algorithm"),
    "algorithm confusion: another curve's algorithm": (lambda: with_header(GOOD, alg="ES384"), "algorithm"),
    "none: without a signature": (lambda: unsigned("none"), "algorithm"),
    "none: with the good token's signature": (lambda: unsigned("none", GOOD.split(".")[2]), "algorithm"),
    "none: in other letters": (lambda: unsigned("nOnE"), "algorithm"),
    "none: an empty name": (lambda: unsigned(""), "algorithm"),
    "none: no algorithm at all": (lambda: with_header(GOOD, alg=None), "algorithm"),
    "an empty signature under a good algorithm": (lambda: unsigned("ES256"), "signature"),
    "a signature of zeros (CVE-2022-21449)": (lambda: unsigned("ES256", base64url.encode(bytes(64))), "signature"),
    "key injection: a key in the header": (lambda: EVE.token(CLAIMS, jwk=EVE.jwk()), "header"),
    "key injection: a key set elsewhere": (lambda: EVE.token(CLAIMS, jku="https://evil.example/keys"), "header"),
    "key injection: a certificate in the header": (lambda: EVE.token(CLAIMS, x5c=["MIIB"]), "header"),
    "key injection: a certificate elsewhere": (lambda: EVE.token(CLAIMS, x5u="https://evil.example/c"), "header"),
    "kid injection: a file": (lambda: EVE.token(CLAIMS, kid="../../../../dev/null"), "unknown_key"),
    "kid injection: a query": (lambda: EVE.token(CLAIMS, kid="ec' UNION SELECT 'key"), "unknown_key"),
    "kid injection: a command": (lambda: EVE.token(CLAIMS, kid="ec|cat /etc/passwd"), "unknown_key"),
    "kid injection: an address": (lambda: EVE.token(CLAIMS, kid="https://evil.example/keys"), "unknown_key"),
    "kid injection: a NUL after a good one": (lambda: EVE.token(CLAIMS, kid="ec\0"), "unknown_key"),
    "kid injection: the key of another issuer": (lambda: PARTNER.token(CLAIMS), "unknown_key"),
    "kid injection: a list": (lambda: EVE.token(CLAIMS, kid=["ec"]), "malformed"),
    "kid injection: none where there are several keys": (lambda: EVE.token(CLAIMS, kid=None), "unknown_key"),
    "a critical extension": (lambda: EC.token(CLAIMS, crit=["exp"]), "header"),
    "an unencoded payload": (lambda: EC.token(CLAIMS, b64=False, crit=["b64"]), "header"),
    "a stranger's signature under a good kid": (lambda: EVE.token(CLAIMS), "signature"),
    "a partner's token that says to be ours": (lambda: PARTNER.token(CLAIMS, kid="ec"), "signature"),
    "our token that says to be a partner's": (lambda: EC.token(CLAIMS | {"iss": OTHER}), "unknown_key"),
    "our token under a partner's kid": (lambda: EC.token(CLAIMS | {"iss": OTHER}, kid="partner"), "signature"),
    "an unknown issuer": (lambda: EC.token(CLAIMS | {"iss": "https://evil.example"}), "issuer"),
    "no issuer": (lambda: EC.token(without("iss")), "issuer"),
    "a list of issuers": (lambda: EC.token(CLAIMS | {"iss": [ISSUER]}), "issuer"),
    "two issuers": (lambda: EC.token(json.dumps(CLAIMS)[:-1].encode() + f', "iss": "{OTHER}"}}'.encode()), "malformed"),
    "wrong audience": (lambda: EC.token(CLAIMS | {"aud": "mail"}), "audience"),
    "wrong audience: a part of ours": (lambda: EC.token(CLAIMS | {"aud": "pd"}), "audience"),
    "wrong audience: in a list": (lambda: EC.token(CLAIMS | {"aud": ["mail", "PDP"]}), "audience"),
    "missing audience": (lambda: EC.token(without("aud")), "audience"),
    "missing audience: null": (lambda: EC.token(CLAIMS | {"aud": None}), "audience"),
    "missing audience: an empty list": (lambda: EC.token(CLAIMS | {"aud": []}), "audience"),
    "no expiry": (lambda: EC.token(without("exp")), "claims"),
    "an expiry that never comes": (lambda: EC.token(CLAIMS | {"exp": 2**62}), "claims"),
    "an expiry in milliseconds": (lambda: EC.token(CLAIMS | {"exp": NOW + 300_000}), "claims"),
    "an expiry as a text": (lambda: EC.token(CLAIMS | {"exp": str(SECONDS + 300)}), "claims"),
    "authenticated in the future": (lambda: EC.token(CLAIMS | {"auth_time": SECONDS + 6}), "not_yet_valid"),
    "issued in the future": (lambda: EC.token(CLAIMS | {"iat": SECONDS + 6}), "not_yet_valid"),
    "a logout token": (lambda: EC.token(CLAIMS, typ="logout+jwt"), "type"),
    "a security event": (lambda: EC.token(CLAIMS, typ="secevent+jwt"), "type"),
    "a proof of possession as a token": (lambda: EC.token(CLAIMS, typ="dpop+jwt"), "type"),
    "a bound token as a bearer token": (lambda: EC.token(CLAIMS | {"cnf": {"jkt": "A" * 43}}), "confirmation"),
    "another payload under a good signature": (lambda: with_payload(GOOD, sub="eve"), "signature"),
    "another header over a good signature": (lambda: with_header(GOOD, typ="JWT"), "signature"),
    "tampered signature with a cached prefix": (lambda: flipped(GOOD), "signature"),
    "a good token with more behind it": (lambda: f"{GOOD}A", "signature"),
    "a good token twice": (lambda: f"{GOOD}.{GOOD}", "malformed"),
    "a good token with padding": (lambda: f"{GOOD}==", "malformed"),
    "a good token with white space": (lambda: f"{GOOD} ", "malformed"),
    "a good token in capitals": (lambda: GOOD.upper(), "malformed"),
    "an encrypted token": (lambda: f"{GOOD}.AA.AA", "malformed"),
    "a very long token": (lambda: GOOD + "A" * 20_000, "malformed"),
}


@pytest.mark.parametrize("remembered", [False, True], ids=["first", "beside a remembered token"])
@pytest.mark.parametrize("name", ATTACKS)
def test_attack(name: str, remembered: bool) -> None:
    make, expected = ATTACKS[name]
    verifying = both()
    if remembered:
        verifying.verify(Presented(GOOD), NOW)
    assert [code(verifying, make()) for _ in range(2)] == [expected, expected]
    assert verifying.verify(Presented(GOOD), NOW).uid.id == "ana"


def test_the_attacks_differ_from_what_is_accepted_by_the_attack_alone() -> None:
    verifying = both()
    for signer in (ED, EC, RSA):
        assert verifying.verify(Presented(signer.token(CLAIMS)), NOW).uid.id == "ana"
    theirs = verifying.verify(Presented(PARTNER.token(CLAIMS | {"iss": OTHER})), NOW)
    assert (theirs.uid.type, theirs.uid.id) == ("Partner::User", "ana")


@pytest.mark.parametrize("leeway", [0, 1, LEEWAY, 60_000])
def test_clock_skew_is_bounded_on_both_sides_for_remembered_tokens_too(leeway: int) -> None:
    token = EC.token(CLAIMS | {"nbf": SECONDS, "exp": SECONDS + 1})
    verifying = verifier(CONFIG, key_set(EC.jwk()), leeway)
    good = range(NOW - leeway, NOW + 1000 + leeway)
    for _ in range(2):
        for now in (good[0], good[-1], NOW):
            assert verifying.verify(Presented(token), now).expires_at == NOW + 1000 + leeway
        assert code(verifying, token, good[0] - 1) == "not_yet_valid"
        assert code(verifying, token, good[-1] + 1) == "expired"


@given(st.integers(0, len(GOOD) - 1), st.characters())
def test_no_changed_character_of_a_remembered_token_is_accepted(place: int, character: str) -> None:
    verifying = both()
    verifying.verify(Presented(GOOD), NOW)
    changed = GOOD[:place] + character + GOOD[place + 1 :]
    if changed != GOOD:
        code(verifying, changed)


def outcome(verifying: TokenVerifier, presented: Presented, now: int) -> Subject | str:
    try:
        return verifying.verify(presented, now)
    except IdentityError as error:
        return f"{error.code}: {error.message}"


def test_a_remembered_token_has_the_answer_that_it_would_have_without() -> None:
    """Any tokens, shown at any times, in any order, while keys come and go."""
    rng = random.Random(20261125)
    keys = [key_set(ED.jwk(), EC.jwk()), key_set(EC.jwk()), key_set(EVE.jwk()), key_set(EC.jwk(alg=None))]
    held = HeldKeys(keys[0])
    remembering, forgetting = (
        verifier(CONFIG, held, LEEWAY, cache=TokenCacheConfig(entries=entries)) for entries in (5, 0)
    )
    tokens = [
        signer.token(CLAIMS | {"sub": name, "nbf": SECONDS + start, "exp": SECONDS + end})
        for signer in (ED, EC, EVE)
        for name in ("ana", "bob")
        for start, end in ((0, 30), (20, 40))
    ]
    seen = set()
    for _ in range(3_000):
        if rng.random() < 0.02:
            held.keys = rng.choice(keys)
        token = rng.choice(tokens)
        if rng.random() < 0.1:
            token = flipped(token)
        presented = Presented(token, rng.choice([Scheme.BEARER] * 9 + [Scheme.DPOP]))
        now = NOW + rng.randrange(-10, 60) * 1_000
        found = outcome(remembering, presented, now)
        assert found == outcome(forgetting, presented, now)
        seen.add(found if isinstance(found, str) else found.uid.id)
    assert {"ana", "bob"} < seen
    assert len(seen) > 6


def test_keys_that_changed_end_what_was_verified_with_them() -> None:
    held = HeldKeys(key_set(EC.jwk()))
    verifying = verifier(CONFIG, held)
    assert verifying.verify(Presented(GOOD), NOW).uid.id == "ana"
    held.keys = key_set(EVE.jwk())
    assert code(verifying, GOOD) == "signature"
    held.keys = key_set(RSA.jwk())
    assert code(verifying, GOOD) == "unknown_key"


def test_a_verification_that_keys_overtook_is_not_remembered_under_the_new_ones() -> None:
    class Overtaken:
        """Keys that change while a token is verified with them."""

        def __init__(self) -> None:
            self.sets = [key_set(EC.jwk()), key_set(EVE.jwk())]

        def current(self, now: int) -> object:
            return self.sets.pop(0) if len(self.sets) > 1 else self.sets[0]

        newer = current

    verifying = verifier(CONFIG, Overtaken())  # type: ignore[arg-type]  # a stand-in for one test
    assert verifying.verify(Presented(GOOD), NOW).uid.id == "ana"
    assert code(verifying, GOOD) == "signature"


class Stale:
    """Keys that are believed at first, and then not."""

    def __init__(self) -> None:
        self.fresh = True
        self.keys = key_set(EC.jwk())

    def current(self, now: int) -> object:
        if not self.fresh:
            raise IdentityError("too old")
        return self.keys

    newer = current


def test_keys_that_are_not_believed_any_more_end_what_was_verified_with_them() -> None:
    source = Stale()
    verifying = verifier(CONFIG, source)  # type: ignore[arg-type]  # a stand-in for one test
    assert verifying.verify(Presented(GOOD), NOW).uid.id == "ana"
    source.fresh = False
    with pytest.raises(IdentityError, match="too old"):
        verifying.verify(Presented(GOOD), NOW)

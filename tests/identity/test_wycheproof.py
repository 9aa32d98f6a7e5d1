"""Project Wycheproof's vectors for JWS and JWK, and for the two signature forms that JWS shares with others.

Deviations from what a vector expects are listed one by one; everything else must match.
"""

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from hmac import compare_digest, digest
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from issuer import key_set
from jwt import get_algorithm_by_name
from shared_data import shared_data

from pdp.cedar.errors import CedarError
from pdp.config import ALGORITHMS
from pdp.identity import base64url
from pdp.identity.errors import IdentityError
from pdp.identity.jws import parse_jws, verify_jws
from pdp.identity.keyset import KeySet, PublicKey, VerificationKey

SHARED_SECRET = "a shared secret is refused: whoever can check a token with it can make one"
OTHER_ALGORITHM = "the token's `alg` is not the `alg` of its key"
NO_ALGORITHM = "the key's `alg` is `ES521`, which does not exist"
BAD_CHARACTER = "a part holds `?`, which is not base64url"

DEVIATIONS: Mapping[int, str] = {
    **dict.fromkeys((1, 348, 352, 357, 358, 359, 376, 377), SHARED_SECRET),
    346: OTHER_ALGORITHM,
    350: OTHER_ALGORITHM,
    347: NO_ALGORITHM,
    351: NO_ALGORITHM,
    372: BAD_CHARACTER,
    373: BAD_CHARACTER,
}
"""JWS vectors that are said to be valid and are refused here, and why."""

KEY_DEVIATIONS: Mapping[int, str] = dict.fromkeys((2, 13, 14, 15), SHARED_SECRET)
"""The same for the JWK vectors."""

SAME_AS_VALID: Mapping[int, int] = {367: 357, 370: 357}
"""JWS vectors that are said to have sloppy base64, and are byte for byte another one that is said to be valid."""


def groups(name: str) -> list[Any]:
    return list(json.loads(shared_data(f"wycheproof/{name}").read_text("utf-8"))["testGroups"])


def accepts(jwks: list[Any], token: str) -> bool:
    """Whether a key set is one, and verifies a token."""
    try:
        keys = key_set(*jwks)
    except CedarError:
        return False
    return verifies(keys, token)


def verifies(keys: KeySet, token: str) -> bool:
    try:
        verify_jws(token, keys, ALGORITHMS)
    except IdentityError:
        return False
    return True


def signature_cases() -> Iterator[tuple[Any, Any]]:
    for group in groups("json_web_signature_test.json"):
        for case in group["tests"]:
            yield group.get("public") or group["private"], case


def test_json_web_signatures() -> None:
    wrong, seen = {}, set()
    for jwk, case in signature_cases():
        seen.add(case["tcId"])
        expected = case["result"] == "valid" and case["tcId"] not in DEVIATIONS
        if accepts([jwk], case["jws"]) is not expected:
            wrong[case["tcId"]] = case["comment"]
    assert wrong == {}
    assert len(seen) == 401
    assert DEVIATIONS.keys() <= seen


def test_the_keys_of_the_signature_vectors_are_read_but_for_named_ones() -> None:
    """Otherwise the vectors above would be refused for their keys, and would test nothing."""
    refused = {}
    for group in groups("json_web_signature_test.json"):
        jwk = group.get("public") or group["private"]
        try:
            key_set(jwk)
        except CedarError as error:
            refused[group["tests"][0]["tcId"]] = error.message
    assert {first: message.partition(":")[0] for first, message in refused.items()} == {
        1: "`keys[0].k` is private",
        347: '`keys[0].alg` cannot be "ES521"',
        348: "`keys[0].k` is private",
        351: '`keys[0].alg` cannot be "ES521"',
        352: "`keys[0].k` is private",
        353: "this key is not one for signatures",
        354: "this key is not one for signatures",
        355: "this key is not one for verifying",
        356: "this key is not one for verifying",
        357: "`keys[0].k` is private",
    }


def test_tokens_with_shared_secrets_are_at_least_read_as_the_vectors_expect() -> None:
    """Their rules of base64 hold for all algorithms; the test computes the code that is not verified here."""
    wrong = {}
    for jwk, case in signature_cases():
        if jwk["kty"] != "oct":
            continue
        try:
            jws = parse_jws(case["jws"])
        except IdentityError:
            good = False
        else:
            mac = digest(base64url.decode(jwk["k"]) or b"", jws.signing_input, sha256)
            good = jws.header.get("alg") == "HS256" and compare_digest(mac, jws.signature)
        expected = case["result"] == "valid" and DEVIATIONS.get(case["tcId"]) != BAD_CHARACTER
        if good is not (expected or case["tcId"] in SAME_AS_VALID):
            wrong[case["tcId"]] = case["comment"]
    assert wrong == {}


def test_vectors_that_contradict_each_other_are_the_same_token() -> None:
    tokens = {case["tcId"]: case for _, case in signature_cases()}
    for id, valid in SAME_AS_VALID.items():
        assert tokens[id]["jws"] == tokens[valid]["jws"]
        assert (tokens[id]["result"], tokens[valid]["result"]) == ("invalid", "valid")


def test_json_web_keys() -> None:
    wrong, seen = {}, set()
    for group in groups("json_web_key_test.json"):
        jwks = (group.get("public") or group["private"])["keys"]
        for case in group["tests"]:
            seen.add(case["tcId"])
            expected = case["result"] == "valid" and case["tcId"] not in KEY_DEVIATIONS
            if accepts(jwks, case["jws"]) is not expected:
                wrong[case["tcId"]] = case["comment"]
    assert wrong == {}
    assert len(seen) == 26
    assert KEY_DEVIATIONS.keys() <= seen


def key(algorithm: str, public: PublicKey) -> VerificationKey:
    return VerificationKey(None, {algorithm: get_algorithm_by_name(algorithm)}, public)


def test_ecdsa_signatures_in_the_form_of_jws() -> None:
    wrong, count = [], 0
    for group in groups("ecdsa_secp256r1_sha256_p1363_test.json"):
        point = bytes.fromhex(group["publicKey"]["uncompressed"])
        verifier = key("ES256", EllipticCurvePublicKey.from_encoded_point(SECP256R1(), point))
        for case in group["tests"]:
            count += 1
            message, signature = bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"])
            if verifier.verifies("ES256", message, signature) is not (case["result"] == "valid"):
                wrong.append(case["tcId"])
    assert wrong == []
    assert count > 200


def test_eddsa_signatures() -> None:
    wrong, count = [], 0
    for group in groups("ed25519_test.json"):
        verifier = key("EdDSA", Ed25519PublicKey.from_public_bytes(bytes.fromhex(group["publicKey"]["pk"])))
        for case in group["tests"]:
            count += 1
            message, signature = bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"])
            if verifier.verifies("EdDSA", message, signature) is not (case["result"] == "valid"):
                wrong.append(case["tcId"])
    assert wrong == []
    assert count > 100


@pytest.mark.parametrize("name", ["json_web_signature_test.json", "json_web_key_test.json"])
def test_the_private_halves_of_the_vectors_are_refused(name: str) -> None:
    for group in groups(name):
        private = group["private"]
        with pytest.raises(CedarError, match="this file holds a secret"):
            key_set(*private.get("keys", [private]))

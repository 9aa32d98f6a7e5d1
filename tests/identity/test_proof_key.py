"""Keys that proofs bring along: their thumbprints, and which of them may verify."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from issuer import Signer
from prover import Prover
from shared_data import shared_data

from pdp.cedar.wire.strict_json import Json
from pdp.config import ALGORITHMS
from pdp.identity.errors import IdentityError
from pdp.identity.proof_key import thumbprint, verification_key

RSA_OF_RFC_7638: dict[str, Json] = {
    "kty": "RSA",
    "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjB"
    "ZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8"
    "KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_"
    "xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    "e": "AQAB",
    "alg": "RS256",
    "kid": "2011-04-29",
}
"""The key of RFC 7638, section 3.1."""

PRIVATE = ("d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv")
EC = Prover(Signer("ES256", None)).jwk()


def refused(jwk: Any) -> str:
    messages = set()
    for read in (thumbprint, verification_key):
        with pytest.raises(IdentityError) as caught:
            read(jwk)
        assert caught.value.code == "proof"
        messages.add(caught.value.message)
    (message,) = messages
    return message


def test_the_thumbprint_of_the_example_in_rfc_7638() -> None:
    assert thumbprint(RSA_OF_RFC_7638) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_the_thumbprint_of_the_example_in_rfc_8037() -> None:
    jwk: Json = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    assert thumbprint(jwk) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_the_thumbprints_of_the_examples_in_rfc_9449() -> None:
    proofs = json.loads(shared_data("oauth/dpop_rfc9449_vectors.json").read_text("utf-8"))["proofs"]
    assert [thumbprint(proof["header"]["jwk"]) for proof in proofs] == [proof["jkt"] for proof in proofs]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_verifies_what_it_is_made_for(algorithm: str) -> None:
    prover = Prover(Signer(algorithm, None))
    jwk = json.loads(json.dumps(prover.jwk()))
    assert thumbprint(jwk) == prover.jkt
    assert algorithm in verification_key(jwk).algorithms
    assert verification_key(jwk).public == prover.signer.private.public_key()


def test_members_that_do_not_make_the_key_do_not_change_it() -> None:
    more: Json = json.loads(json.dumps({"kid": "a", "ext": True, "x5c": [], **EC, "use": "sig", "key_ops": ["verify"]}))
    assert thumbprint(more) == Prover(Signer("ES256", None)).jkt
    assert verification_key(more).kid is None


@pytest.mark.parametrize("member", PRIVATE)
def test_a_private_or_shared_key_is_refused(member: str) -> None:
    assert "private" in refused({**EC, member: "AQAB"})
    assert "private" in refused({**EC, member: None})


@pytest.mark.parametrize("kty", ["EC", "RSA", "OKP"])
def test_real_private_keys_are_refused(kty: str) -> None:
    from jwt import get_algorithm_by_name

    algorithm = {"EC": "ES256", "RSA": "RS256", "OKP": "EdDSA"}[kty]
    private = get_algorithm_by_name(algorithm).to_jwk(Signer(algorithm).private, as_dict=True)
    private.pop("key_ops", None)
    assert "private" in refused(private)


@pytest.mark.parametrize(
    "change",
    [
        *({"use": use} for use in ("enc", "", None, 1, ["sig"])),
        *({"key_ops": operations} for operations in (["sign"], [], "verify", None, ["encrypt"], {"verify": 1})),
        *({"kty": kty} for kty in ("oct", "ec", "", None, 1, ["EC"], "AKP")),
        *({"x": x} for x in (None, 1, "", ["x"], "ä", "A" * 2000)),
        {"y": None},
    ],
    ids=ascii,
)
def test_a_key_that_may_not_verify_is_refused(change: dict[str, object]) -> None:
    refused({**EC, **change})


@pytest.mark.parametrize("jwk", [None, True, 1, "", "abc", [], [EC], {}, {"kty": "EC"}], ids=ascii)
def test_what_is_no_key_is_refused(jwk: object) -> None:
    refused(jwk)


WEAK: dict[str, dict[str, object]] = {
    "a point that is not on the curve": {**EC, "y": EC["x"]},
    "another curve": {**EC, "crv": "secp256k1"},
    "a longer curve": {**EC, "crv": "P-384"},
    "padding": {**EC, "x": f"{EC['x']}="},
    "a coordinate that is too short": {**EC, "x": "AA"},
    "a short RSA key": {**RSA_OF_RFC_7638, "n": str(RSA_OF_RFC_7638["n"])[:170]},
    "a small exponent": {**RSA_OF_RFC_7638, "e": "Aw"},
    "a key for agreement": {"kty": "OKP", "crv": "X25519", "x": "A" * 43},
}


@pytest.mark.parametrize("jwk", WEAK.values(), ids=WEAK)
def test_a_key_that_key_sets_refuse_is_refused(jwk: dict[str, object]) -> None:
    with pytest.raises(IdentityError) as caught:
        verification_key(jwk)  # type: ignore[arg-type]  # JSON
    assert caught.value.code == "proof"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.sampled_from(["EC", "OKP", "RSA", "P-256"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from([*EC, "n", "e", "use", "key_ops", "d"]), JSON, max_size=5) | JSON)
def test_any_json_is_a_key_or_refused(jwk: Json) -> None:
    for read in (thumbprint, verification_key):
        try:
            read(jwk)
        except IdentityError as error:
            assert error.code == "proof"  # noqa: PT017  most are refused, and one in many thousands may be a key

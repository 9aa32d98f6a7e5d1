"""Signatures: what is read is what was signed, by a known key, with an algorithm of that key."""

import json
import random
from contextlib import suppress
from hashlib import sha256
from hmac import digest

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from issuer import Signer, key_set
from texts import mutants

from pdp.config import ALGORITHMS
from pdp.identity import base64url
from pdp.identity.errors import IdentityError, Refusal
from pdp.identity.jws import MAX_TOKEN, parse_jws, parse_object, verify_jws

ED, P256, RSA = Signer("EdDSA", "ed"), Signer("ES256", "ec"), Signer("RS256", "rsa")
KEYS = key_set(ED.jwk(), P256.jwk(), RSA.jwk(alg=None))
PAYLOAD = b'{"sub": "ana"}'


def refusal(token: str, algorithms: tuple[str, ...] = ALGORITHMS) -> Refusal:
    """Why a token is refused."""
    with pytest.raises(IdentityError) as caught:
        verify_jws(token, KEYS, algorithms)
    return Refusal(caught.value.code)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_was_signed_is_given_back(algorithm: str) -> None:
    signer = Signer(algorithm)
    jws = verify_jws(signer.token(PAYLOAD, typ="JWT"), key_set(signer.jwk()), [algorithm])
    assert jws.payload == PAYLOAD
    assert jws.header == {"alg": algorithm, "kid": "key-1", "typ": "JWT"}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_algorithm_must_be_accepted(algorithm: str) -> None:
    signer = Signer(algorithm)
    others = [name for name in ALGORITHMS if name != algorithm]
    with pytest.raises(IdentityError) as caught:
        verify_jws(signer.token(PAYLOAD), key_set(signer.jwk(alg=None)), others)
    assert caught.value.code == "algorithm"


@pytest.mark.parametrize("payload", [b"", b"\x00", b"a.b", "é".encode(), bytes(range(256))])
def test_any_bytes_can_be_signed(payload: bytes) -> None:
    assert verify_jws(ED.token(payload), KEYS, ALGORITHMS).payload == payload


@pytest.mark.parametrize("family", ["RS", "PS"])
@pytest.mark.parametrize("size", ["256", "384", "512"])
def test_an_rsa_key_without_alg_verifies_all_its_algorithms_but_only_as_stated(family: str, size: str) -> None:
    signer = Signer(family + size, "rsa")
    assert verify_jws(signer.token(PAYLOAD), KEYS, ALGORITHMS).payload == PAYLOAD
    for other in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"):
        if other != signer.algorithm:
            assert refusal(signer.token(PAYLOAD, alg=other)) is Refusal.SIGNATURE


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "none ", "", "null"])
@pytest.mark.parametrize("signature", ["", "AA"])
def test_a_token_without_a_signature_is_refused(alg: str, signature: str) -> None:
    head = base64url.encode(json.dumps({"alg": alg, "kid": "ed"}).encode())
    token = f"{head}.{base64url.encode(PAYLOAD)}.{signature}"
    assert refusal(token) is Refusal.ALGORITHM
    assert refusal(token, (*ALGORITHMS, alg)) is Refusal.ALGORITHM  # whatever the configuration: the key decides


@pytest.mark.parametrize(
    "alg", [None, 7, True, ["EdDSA"], {"EdDSA": 1}, "eddsa", "EdDSA ", "Ed25519", "ES256K", "HS256"]
)
def test_other_names_of_algorithms_are_refused(alg: object) -> None:
    head = json.dumps({"alg": alg, "kid": "ed"}).encode()
    assert refusal(ED.sign(head, PAYLOAD)) is Refusal.ALGORITHM
    assert refusal(ED.sign(b'{"kid": "ed"}', PAYLOAD)) is Refusal.ALGORITHM


def public_texts() -> dict[str, bytes]:
    """Every way in which the RSA public key is written down, and so known to everyone."""
    public = RSA.private.public_key()
    jwk = RSA.jwk()
    info, pkcs1 = PublicFormat.SubjectPublicKeyInfo, PublicFormat.PKCS1
    written = {
        "PEM": public.public_bytes(Encoding.PEM, info),
        "PEM, PKCS 1": public.public_bytes(Encoding.PEM, pkcs1),
        "DER": public.public_bytes(Encoding.DER, info),
        "DER, PKCS 1": public.public_bytes(Encoding.DER, pkcs1),
    }
    return written | {
        "PEM without its last line end": written["PEM"].rstrip(),
        "OpenSSH": public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
        "JWK": json.dumps(jwk).encode(),
        "modulus, text": str(jwk["n"]).encode(),
        "modulus, bytes": base64url.decode(str(jwk["n"])) or b"",
        "nothing": b"",
    }


@pytest.mark.parametrize("form", public_texts())
@pytest.mark.parametrize("kid", ["rsa", None, "ed", "ec"])
def test_a_public_key_is_no_shared_secret(form: str, kid: str | None) -> None:
    head = {"alg": "HS256"} if kid is None else {"alg": "HS256", "kid": kid}
    signing_input = f"{base64url.encode(json.dumps(head).encode())}.{base64url.encode(PAYLOAD)}"
    mac = base64url.encode(digest(public_texts()[form], signing_input.encode(), sha256))
    assert refusal(f"{signing_input}.{mac}") is Refusal.ALGORITHM
    # Not even if somebody had configured HS256: no key of a key set is for it.
    alone = key_set(RSA.jwk(alg=None))
    with pytest.raises(IdentityError) as caught:
        verify_jws(f"{signing_input}.{mac}", alone if kid in {"rsa", None} else KEYS, (*ALGORITHMS, "HS256"))
    assert caught.value.code == "algorithm"


@pytest.mark.parametrize(("signer", "kid"), [(ED, "ec"), (ED, "rsa"), (P256, "ed"), (P256, "rsa"), (RSA, "ed")])
def test_a_key_of_another_kind_is_refused(signer: Signer, kid: str) -> None:
    assert refusal(signer.token(PAYLOAD, kid=kid)) is Refusal.ALGORITHM


@pytest.mark.parametrize("signer", [Signer("EdDSA", "ed", 1), Signer("ES256", "ec", 1), Signer("RS256", "rsa", 1)])
def test_the_signature_of_a_foreign_key_is_refused(signer: Signer) -> None:
    assert refusal(signer.token(PAYLOAD)) is Refusal.SIGNATURE


@pytest.mark.parametrize(
    "kid", ["", "ED", "ed ", "ed\x00", "../../keys.json", "' OR 1=1 --", "https://evil.example/keys", "é", "*"]
)
def test_an_unknown_kid_is_refused(kid: str) -> None:
    assert refusal(ED.token(PAYLOAD, kid=kid)) is Refusal.UNKNOWN_KEY


@pytest.mark.parametrize("kid", [None, 1, True, ["ed"], {"ed": 1}])
def test_a_kid_that_is_no_text_is_refused(kid: object) -> None:
    head = json.dumps({"alg": "EdDSA", "kid": kid}).encode()
    assert refusal(ED.sign(head, PAYLOAD)) is Refusal.MALFORMED


def test_without_a_kid_there_must_be_only_one_key() -> None:
    token = ED.token(PAYLOAD, kid=None)
    assert refusal(token) is Refusal.UNKNOWN_KEY
    for jwk in (ED.jwk(), ED.jwk(kid=None)):
        assert verify_jws(token, key_set(jwk), ALGORITHMS).payload == PAYLOAD


def test_a_kid_is_not_looked_for_in_a_key_that_has_none() -> None:
    with pytest.raises(IdentityError) as caught:
        verify_jws(ED.token(PAYLOAD), key_set(ED.jwk(kid=None)), ALGORITHMS)
    assert caught.value.code == "unknown_key"


@pytest.mark.parametrize(
    "extra",
    [
        *({"crit": ["exp"]}, {"crit": []}, {"crit": ["b64"], "b64": True}, {"crit": "b64"}, {"crit": None}),
        *({"b64": True}, {"b64": False}, {"b64": None}),
        *({"jwk": Signer("EdDSA", "ed", 1).jwk()}, {"jku": "https://evil.example/keys"}, {"jku": None}),
        *({"x5c": ["MIIB"]}, {"x5u": "https://evil.example/cert"}),
    ],
    ids=json.dumps,
)
@pytest.mark.parametrize("number", [0, 1], ids=["issuer's key", "foreign key"])
def test_extensions_and_keys_in_the_header_are_refused(extra: dict[str, object], number: int) -> None:
    head = json.dumps({"alg": "EdDSA", "kid": "ed"} | extra).encode()
    assert refusal(Signer("EdDSA", "ed", number).sign(head, PAYLOAD)) is Refusal.HEADER


def test_header_parameters_that_only_inform_are_passed_over() -> None:
    token = ED.token(PAYLOAD, cty="x", x5t="abc", **{"x5t#S256": "abc", "note": [1, {"a": "b"}]})
    assert verify_jws(token, KEYS, ALGORITHMS).payload == PAYLOAD


@pytest.mark.parametrize(
    "header",
    [
        b'{"alg": "EdDSA", "kid": "ed", "kid": "ed"}',
        b'{"alg": "none", "alg": "EdDSA", "kid": "ed"}',
        b'{"alg": "EdDSA", "kid": "ed", "\\u0061lg": "none"}',
        b'{"alg": "EdDSA", "kid": "ed", "x": {"a": 1, "a": 2}}',
        b'{"alg": "EdDSA", "kid": "ed", "x": 1.5}',
        b'{"alg": "EdDSA", "kid": "ed", "x": NaN}',
        b'{"alg": "EdDSA", "kid": "ed", "x": "\\ud800"}',
        b'{"alg": "EdDSA", "kid": "ed",}',
        b'{"alg": "EdDSA", "kid": "ed"} {}',
        b'\xef\xbb\xbf{"alg": "EdDSA", "kid": "ed"}',
        b'{"alg": "EdDSA", "kid": "ed", "x": "\xff"}',
        '{"alg": "EdDSA", "kid": "ed"}'.encode("utf-16"),
        b'{"alg": "EdDSA", "kid": "ed", "x": ' + b"[" * 200 + b"]" * 200 + b"}",
        b'{"a":' * 2000 + b"1" + b"}" * 2000,
        *(b"", b"[]", b'"EdDSA"', b"null", b"1", b"{"),
    ],
)
def test_a_header_that_is_not_one_strict_object_is_refused(header: bytes) -> None:
    assert refusal(ED.sign(header, PAYLOAD)) is Refusal.MALFORMED


def test_white_space_in_json_is_none_of_our_business() -> None:
    assert verify_jws(ED.sign(b' {"alg" :\n"EdDSA",\t"kid":"ed" } ', b""), KEYS, ALGORITHMS).payload == b""


GOOD = ED.token(PAYLOAD)
HEADER, BODY, SIGNATURE = GOOD.split(".")


@pytest.mark.parametrize(
    "token",
    [
        *("", ".", "..", "...", f"{HEADER}.{BODY}", f"{HEADER}.{SIGNATURE}", f"{GOOD}.", f".{GOOD}", f"{GOOD}.AA"),
        *(
            f"{HEADER}..{BODY}.{SIGNATURE}",
            f"{GOOD} ",
            f" {GOOD}",
            f"{GOOD}\n",
            f"{GOOD}=",
            f"{GOOD}==",
            f"Bearer {GOOD}",
        ),
        *(f"{HEADER}=.{BODY}.{SIGNATURE}", f"{HEADER}.{BODY}=.{SIGNATURE}", f"{HEADER}.{BODY}. {SIGNATURE}"),
        *(f"{HEADER}.{BODY}.{SIGNATURE[:-1]}é", f"{HEADER}.{BODY}.{SIGNATURE}\ud800", GOOD.replace(".", "．")),
        *(
            f"{HEADER}.{BODY}.{SIGNATURE}\x00",
            "." * MAX_TOKEN,
            "a" * MAX_TOKEN,
            json.dumps({"payload": BODY}),
            f"Bearer {GOOD}",
        ),
    ],
    ids=ascii,
)
def test_a_token_of_another_shape_is_refused(token: str) -> None:
    assert refusal(token) is Refusal.MALFORMED


def test_a_token_may_have_its_full_length_and_no_more() -> None:
    bare = len(ED.token(b""))
    longest = (MAX_TOKEN - bare) * 3 // 4
    assert len(ED.token(bytes(longest))) <= MAX_TOKEN < len(ED.token(bytes(longest + 1)))
    assert verify_jws(ED.token(bytes(longest)), KEYS, ALGORITHMS).payload == bytes(longest)
    assert refusal(ED.token(bytes(longest + 1))) is Refusal.MALFORMED
    assert refusal(ED.token(bytes(5_000_000))) is Refusal.MALFORMED


@pytest.mark.parametrize("signer", [ED, P256, RSA], ids=lambda signer: signer.kid)
def test_no_character_of_a_token_can_be_changed_removed_or_doubled(signer: Signer) -> None:
    token = signer.token(PAYLOAD)
    changes = random.Random(signer.algorithm)
    for place, character in enumerate(token):
        other = changes.choice([c for c in "ABCXYZabcxyz0189-_." if c != character])
        for changed in (other, "", character * 2, character + "=", "é"):
            refusal(token[:place] + changed + token[place + 1 :])


@pytest.mark.parametrize("place", [*range(3), -3, -2, -1])
def test_no_spelling_of_a_character_of_the_signature_is_another_one(place: int) -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    signature = list(SIGNATURE)
    for character in alphabet:
        signature[place] = character
        token = f"{HEADER}.{BODY}.{''.join(signature)}"
        if token != GOOD:
            assert refusal(token) in {Refusal.SIGNATURE, Refusal.MALFORMED}


@pytest.mark.parametrize("part", [0, 1, 2])
def test_parts_of_two_tokens_do_not_mix(part: int) -> None:
    one, other = ED.token(PAYLOAD).split("."), ED.token(b'{"sub": "eve"}', typ="JWT").split(".")
    one[part] = other[part]
    assert refusal(".".join(one)) is Refusal.SIGNATURE


def test_the_order_of_r_and_s_and_their_form_count() -> None:
    head, body, signature = P256.token(PAYLOAD).split(".")
    raw = base64url.decode(signature)
    assert raw is not None
    assert len(raw) == 64
    for wrong in (raw[32:] + raw[:32], raw[:32], b"\x00" + raw, raw + b"\x00", bytes(64), b"\xff" * 64, b"0\x06" + raw):
        assert refusal(f"{head}.{body}.{base64url.encode(wrong)}") is Refusal.SIGNATURE


def is_judged(token: str) -> None:
    """Whether it is good or not: nothing but IdentityError may leave."""
    with suppress(IdentityError):
        assert verify_jws(token, KEYS, ALGORITHMS).payload == PAYLOAD


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda data: data.decode("latin-1")))
def test_any_text_is_refused(text: str) -> None:
    refusal(text)


@given(st.lists(st.binary(max_size=40), min_size=3, max_size=3))
def test_any_bytes_in_the_parts_are_refused(parts: list[bytes]) -> None:
    refusal(".".join(map(base64url.encode, parts)))


@given(st.binary(max_size=40))
def test_any_signed_header_is_judged(header: bytes) -> None:
    is_judged(ED.sign(header, PAYLOAD))


def test_mutants_of_a_signed_header_are_judged() -> None:
    seeds = ['{"alg": "EdDSA", "kid": "ed", "typ": "JWT"}', '{"crit": ["exp"], "alg": "EdDSA", "kid": "ed"}']
    for mutant in mutants(random.Random(11), seeds, '{}[]",:\\ 0a\ud800é\x00', 1000):
        is_judged(ED.sign(mutant.encode("utf-8", "surrogatepass"), PAYLOAD))


def test_what_a_token_says_is_not_repeated() -> None:
    with pytest.raises(IdentityError) as caught:
        parse_object(b'{"secret-name": "secret-value", "secret-name": 1.5}', "claims")
    assert "secret" not in caught.value.render()
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_token_is_taken_apart_without_being_believed() -> None:
    jws = parse_jws(GOOD)
    assert jws.signing_input == f"{HEADER}.{BODY}".encode()
    assert base64url.encode(jws.signature) == SIGNATURE
    assert jws.payload == PAYLOAD
    assert parse_jws(f"{HEADER}.{BODY}.").signing_input == f"{HEADER}.{BODY}".encode()

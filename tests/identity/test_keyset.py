"""Key sets: what a key may verify, and everything that makes a set be refused."""

import json
import math
import random
from collections.abc import Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st
from issuer import Signer, key_set, private_key
from jwt import get_algorithm_by_name
from texts import mutants

from pdp.cedar.errors import CedarError
from pdp.cedar.source import Source
from pdp.config import ALGORITHMS
from pdp.identity import base64url
from pdp.identity.keyset import KeySetError, load_key_set, read_key_set

RSA, P256, P384, P521, ED = (Signer(name, name) for name in ("RS256", "ES256", "ES384", "ES512", "EdDSA"))
FAMILY = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}


def refused(keys: object, within: str, help: str) -> CedarError:
    """The error for a set of these keys, whose place is on the text `within`."""
    text = json.dumps({"keys": keys})
    with pytest.raises(CedarError) as caught:
        read_key_set(Source("keys.json", text))
    error = caught.value
    assert error.source is not None
    assert error.span is not None
    assert error.source.excerpt(error.span) == within
    assert help in (error.help or "")
    return error


@pytest.mark.parametrize(
    ("signer", "algorithms"),
    [(RSA, FAMILY), (P256, {"ES256"}), (P384, {"ES384"}), (P521, {"ES512"}), (ED, {"EdDSA"})],
    ids=lambda value: value.kid if isinstance(value, Signer) else "",
)
def test_a_key_may_verify_what_its_kind_is_for(signer: Signer, algorithms: set[str]) -> None:
    key = key_set(signer.jwk(alg=None, use=None)).find(signer.kid)
    assert key is not None
    assert set(key.algorithms) == algorithms


def test_the_kinds_of_key_are_for_all_algorithms_that_can_be_configured() -> None:
    keys = key_set(*(signer.jwk(alg=None) for signer in (RSA, P256, P384, P521, ED))).keys
    assert {name for key in keys for name in key.algorithms} == set(ALGORITHMS)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_with_an_alg_may_verify_only_that(algorithm: str) -> None:
    (key,) = key_set(Signer(algorithm).jwk()).keys
    assert list(key.algorithms) == [algorithm]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_verifies_its_own_signature_of_the_same_message(algorithm: str) -> None:
    (key,) = key_set(Signer(algorithm).jwk()).keys
    jwa = get_algorithm_by_name(algorithm)
    signature = jwa.sign(b"message", private_key(algorithm))
    assert key.verifies(algorithm, b"message", signature)
    assert not key.verifies(algorithm, b"massage", signature)
    assert not key.verifies(algorithm, b"message", signature[:-1])
    assert not key.verifies(algorithm, b"message", b"")
    assert not key.verifies(algorithm, b"message", jwa.sign(b"message", private_key(algorithm, 1)))


@pytest.mark.parametrize(
    "alg", ["none", "HS256", "RS256", "ES384", "ES256K", "Ed25519", "es256", "", 256, None, [], {}]
)
def test_an_alg_of_another_kind_of_key_is_refused(alg: object) -> None:
    refused([P256.jwk() | {"alg": alg}], json.dumps(alg), "`ES256`")


def test_keys_are_found_by_id() -> None:
    keys = key_set(P256.jwk(), P384.jwk())
    found = [keys.find(kid) for kid in ("ES256", "ES384", "ES512", "es256", "", None)]
    assert [key and key.kid for key in found] == ["ES256", "ES384", None, None, None, None]


def test_the_only_key_is_found_without_an_id() -> None:
    with_id, without = key_set(P256.jwk()), key_set(P256.jwk(kid=None))
    assert with_id.find(None) is with_id.keys[0]
    assert without.find(None) is without.keys[0]
    assert without.find("ES256") is None


def test_members_that_are_not_known_are_ignored() -> None:
    key = P256.jwk(x5t="abc", x5c=["MII"], exp=1, key_ops=["verify"], ext=True, note=None)
    text = json.dumps({"keys": [key], "issuer": "https://issuer.example", "expires": 7})
    assert read_key_set(Source("keys.json", text)).find("ES256")


def test_a_kid_twice_is_refused() -> None:
    second = P384.jwk(kid="ES256")
    error = refused([P256.jwk(), second], json.dumps(second), "one key")
    assert "`kid`" in error.message


def test_the_same_key_twice_is_refused() -> None:
    refused([P256.jwk(), P256.jwk()], json.dumps(P256.jwk()), "one key")


@pytest.mark.parametrize("order", [1, -1])
def test_a_key_without_a_kid_must_be_alone(order: int) -> None:
    anonymous = P384.jwk(kid=None)
    refused([P256.jwk(), anonymous][::order], json.dumps(anonymous), "only one")


@pytest.mark.parametrize("kid", ["", 7, None, ["a"], True])
def test_a_kid_is_a_text_that_is_not_empty(kid: object) -> None:
    refused([P256.jwk() | {"kid": kid}], json.dumps(kid), "")


@pytest.mark.parametrize("use", ["enc", "SIG", "sig ", "", None, ["sig"], 1])
def test_a_key_for_another_use_is_refused(use: object) -> None:
    refused([P256.jwk() | {"use": use}], json.dumps(use), "")


@pytest.mark.parametrize("operations", [[], ["encrypt"], ["sign"], ["Verify"], "verify", None])
def test_a_key_for_other_operations_is_refused(operations: object) -> None:
    refused([P256.jwk() | {"key_ops": operations}], json.dumps(operations), "")


@pytest.mark.parametrize(("operations", "bad"), [(["verify", 1], "1"), ([["verify"]], '["verify"]'), ([None], "null")])
def test_operations_are_texts(operations: object, bad: str) -> None:
    refused([P256.jwk() | {"key_ops": operations}], bad, "")


def test_a_key_for_verifying_among_other_operations_is_accepted() -> None:
    assert key_set(P256.jwk(use=None, key_ops=["sign", "verify"])).find("ES256")


SHARED: dict[str, object] = {
    "kty": "oct",
    "k": "-ebuDNsVZ2iJtoZ-akfXTSCt4UO2cruLCsbWlBinggE",
    "alg": "HS256",
    "kid": "shared",
}


def private_jwk(signer: Signer) -> dict[str, object]:
    jwk = get_algorithm_by_name(signer.algorithm).to_jwk(signer.private, as_dict=True)
    return {"kid": "leaked", "use": "sig", **{name: value for name, value in jwk.items() if name != "key_ops"}}


SECRETS: Mapping[str, tuple[dict[str, object], str]] = {
    "a shared secret": (SHARED, str(SHARED["k"])),
    "a private EC key": (private_jwk(P256), str(private_jwk(P256)["d"])),
    "a private EdDSA key": (private_jwk(ED), str(private_jwk(ED)["d"])),
    "a private RSA key": (private_jwk(RSA), str(private_jwk(RSA)["d"])),
    "one prime of an RSA key": (RSA.jwk(p="c2VjcmV0LXByaW1l"), "c2VjcmV0LXByaW1l"),
    "a private key of a type to come": ({"kty": "AKP", "priv": "c2VjcmV0", "pub": "AA"}, "c2VjcmV0"),
}


@pytest.mark.parametrize("position", [0, 1])
@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_refused_and_not_shown(name: str, position: int) -> None:
    key, secret = SECRETS[name]
    keys = [P384.jwk() | {"kid": ""}]  # this key is bad, too: the secret comes first
    keys.insert(position, key)
    with pytest.raises(KeySetError) as caught:
        read_key_set(Source("keys.json", json.dumps({"keys": keys})))
    shown = caught.value.render()
    assert shown.startswith(f"keys.json: `keys[{position}].")
    assert "help: " in shown
    assert secret[:8] not in shown


@pytest.mark.parametrize("kty", ["oct", "rsa", "EC2", "AKP", "", None, 1, ["EC"], {}], ids=str)
def test_an_unknown_type_of_key_is_refused(kty: object) -> None:
    refused([P256.jwk() | {"kty": kty}], json.dumps(kty), "`OKP`" if kty == "AKP" else "`EC`")


@pytest.mark.parametrize(
    ("signer", "curve"),
    [
        *((P256, curve) for curve in ("secp256k1", "P-224", "p-256", "Ed25519", "", None, 256)),
        *((ED, curve) for curve in ("Ed448", "X25519", "P-256", "ed25519")),
    ],
)
def test_an_unknown_curve_is_refused(signer: Signer, curve: object) -> None:
    refused([signer.jwk(alg=None) | {"crv": curve}], json.dumps(curve), "")


@pytest.mark.parametrize(
    ("signer", "member"),
    [*((P256, name) for name in ("kty", "crv", "x", "y")), (ED, "x"), (ED, "crv"), (RSA, "n"), (RSA, "e")],
)
def test_each_member_of_a_key_is_needed(signer: Signer, member: str) -> None:
    with pytest.raises(CedarError, match=f"`{member}` is missing") as caught:
        key_set(signer.jwk(**{member: None}))
    assert caught.value.position is not None


@pytest.mark.parametrize("member", ["x", "y"])
@pytest.mark.parametrize("spoil", ["{}=", " {}", "{}\n", "{}+", "/{}", "{}é"], ids=ascii)
def test_the_numbers_of_a_key_are_canonical_base64url(member: str, spoil: str) -> None:
    spoilt = spoil.format(P256.jwk()[member])
    refused([P256.jwk(**{member: spoilt})], json.dumps(spoilt), "padding")


def on_another_curve() -> dict[str, object]:
    return P384.jwk(alg=None, crv="P-256")


def off_the_curve() -> dict[str, object]:
    y = base64url.decode(str(P256.jwk()["y"]))
    assert y is not None
    return P256.jwk(y=base64url.encode(y[:-1] + bytes([y[-1] ^ 1])))


@pytest.mark.parametrize(
    ("key", "members"),
    [
        (on_another_curve(), "`x`, `y`"),
        (off_the_curve(), "`x`, `y`"),
        (P256.jwk(x="AA"), "`x`, `y`"),
        (P256.jwk(x=base64url.encode(bytes(32)), y=base64url.encode(bytes(32))), "`x`, `y`"),
        (ED.jwk(x=base64url.encode(bytes(31))), "`x`"),
        (ED.jwk(x=base64url.encode(bytes(33))), "`x`"),
        (RSA.jwk(e="AQ"), "`n`, `e`"),
        (RSA.jwk(e="AA"), "`n`, `e`"),
        (RSA.jwk(e="AQAA"), "`n`, `e`"),
        (RSA.jwk(n="AA"), "`n`, `e`"),
    ],
    ids=[
        *("another curve", "off the curve", "short", "infinity", "Ed25519 short", "Ed25519 long"),
        *("e is one", "e is zero", "e is even", "n is zero"),
    ],
)
def test_numbers_that_are_no_key_are_refused(key: dict[str, object], members: str) -> None:
    assert refused([key], json.dumps(key), "RFC 7518").message == f"{members} are no key of this type"


def rsa_jwk(modulus: int, exponent: int = 65_537) -> dict[str, object]:
    def written(number: int) -> str:
        return base64url.encode(number.to_bytes((number.bit_length() + 7) // 8, "big"))

    return {"kty": "RSA", "n": written(modulus), "e": written(exponent), "kid": "rsa"}


@pytest.mark.parametrize("bits", [1024, 2047, 8193])
def test_rsa_keys_of_other_lengths_are_refused(bits: int) -> None:
    key = rsa_jwk(2 ** (bits - 1) + 1)
    refused([key], json.dumps(key), "from 2048 to 8192 bits")


@pytest.mark.parametrize("bits", [2048, 8192])
def test_rsa_keys_at_the_bounds_are_accepted(bits: int) -> None:
    # Whether a number is a product of two primes is nothing that a reader could tell.
    assert key_set(rsa_jwk(2 ** (bits - 1) + 1)).find("rsa")


def test_a_real_rsa_key_of_1024_bits_is_refused() -> None:
    modulus = rsa.generate_private_key(65_537, 1024).public_key().public_numbers().n
    with pytest.raises(CedarError, match="an RSA key of 1024 bits"):
        key_set(rsa_jwk(modulus))


@pytest.mark.parametrize(
    ("exponent", "good"), [(3, False), (65_535, False), (65_537, True), (2**64 - 1, True), (2**64 + 1, False)]
)
def test_the_exponent_of_an_rsa_key_has_bounds(exponent: int, good: bool) -> None:
    key = rsa_jwk(RSA.private.public_key().public_numbers().n, exponent)
    if good:
        assert key_set(key).find("rsa")
    else:
        refused([key], json.dumps(key), "AQAB")


def test_a_key_with_the_fingerprint_of_the_faulty_generator_is_refused() -> None:
    # Its primes are k * M + (65537 ** a mod M), M a product of the first primes: so is their product.
    first_primes = [p for p in range(2, 225) if all(p % divisor for divisor in range(2, p))]
    product = math.prod(first_primes)
    faulty = rsa_jwk((2**2047 // product + 1) * product + pow(65_537, 1_234_567, product))
    assert "CVE-2017-15361" in refused([faulty], json.dumps(faulty), "replace").message
    # The test above sees the generator, not the length or the form of the number.
    assert key_set(rsa_jwk((2**2047 // product + 1) * product + 1_234_567)).find("rsa")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "unexpected end"),
        ("[]", "must be a mapping"),
        ("{}", "`keys` is missing"),
        ('{"keys": {}}', "must be a list"),
        ('{"keys": []}', "the key set is empty"),
        ('{"keys": [null]}', "must be a mapping"),
        ('{"keys": ["a"]}', "must be a mapping"),
        ('{"keys": [], "keys": []}', "duplicate key"),
        ('{"keys": [{"kty": "EC", "kty": "RSA"}]}', "duplicate key"),
        ('{"keys": [{"kty": 1.5}]}', "not a Long"),
        ('\ufeff{"keys": []}', "byte order mark"),
        ("[" * 200 + "]" * 200, "nested too deeply"),
        ("[" * 100_000, "expected a JSON value|nested too deeply"),
    ],
    ids=lambda text: text[:30],
)
def test_a_text_of_another_form_is_refused_with_a_place(text: str, message: str) -> None:
    with pytest.raises(CedarError, match=message) as caught:
        read_key_set(Source("keys.json", text))
    assert caught.value.position is not None


def test_a_key_set_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps({"keys": [ED.jwk()]}), "utf-8")
    assert load_key_set(path).find("EdDSA")


@pytest.mark.parametrize("content", [b"\xff\xfe", b'{"keys": "\xe9"}'], ids=["UTF-16", "Latin-1"])
def test_a_file_that_is_not_utf_8_is_refused_with_a_place(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(content)
    with pytest.raises(KeySetError, match="not UTF-8") as caught:
        load_key_set(path)
    assert caught.value.position is not None


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.json"):
        with pytest.raises(KeySetError) as caught:
            load_key_set(path)
        assert caught.value.render().startswith(f"{path}: ")
        assert "identity.jwks" in (caught.value.help or "")


WORDS = st.sampled_from(["RSA", "EC", "OKP", "sig", "verify", "AQAB", "P-256", "ES256"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
MEMBERS = st.sampled_from(["kty", "crv", "x", "y", "n", "e", "kid", "use", "alg", "key_ops"])


def is_read_or_refused(text: str) -> None:
    try:
        keys = read_key_set(Source("keys.json", text))
    except CedarError as error:
        if error.source is None:
            raise AssertionError("an error without a source") from error
    else:
        assert keys.keys
        for key in keys.keys:
            assert set(key.algorithms) <= set(ALGORITHMS)
            assert isinstance(key.public, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey)


@given(st.dictionaries(MEMBERS, JSON), st.sampled_from([{}, P256.jwk(), RSA.jwk(), ED.jwk()]))
def test_any_key_is_read_or_refused(members: dict[str, object], base: dict[str, object]) -> None:
    is_read_or_refused(json.dumps({"keys": [base | members]}))


def test_mutants_of_a_key_set_are_read_or_refused() -> None:
    seed = json.dumps({"keys": [ED.jwk(use=None)]})
    for mutant in mutants(random.Random(7), [seed], '{}[]",:\\ 0a-_=', 2000):
        is_read_or_refused(mutant)

"""SPIFFE bundles: which entries count, what refuses a bundle, rotation and going back; and damaged bundles."""

import json
import random
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID
from fuzzing import damaged
from hypothesis import given
from hypothesis import strategies as st
from issuer import Signer
from spiffe_world import (
    OWN,
    PARTNER,
    anchor,
    authority_entry,
    bundle_text,
    der,
    of_authority,
    of_workload,
    token_entry,
    usage,
)

from pdp.cedar.errors import CedarError
from pdp.cedar.source import Source
from pdp.config.spiffe import SpiffeConfig, TrustDomainConfig
from pdp.identity.certificates import MAX_CERTIFICATE
from pdp.identity.errors import IdentityError
from pdp.identity.trust_bundles import MAX_KEYS, TrustBundle, TrustBundles, read_trust_bundle

ROOT = anchor("own root")
SIGNER = Signer("ES256", "token-1")
X509, JWT = ROOT.jwk(), token_entry(SIGNER)


def read(*entries: Mapping[str, object], **members: object) -> TrustBundle:
    return read_trust_bundle(Source("own.json", bundle_text(entries, **members)), OWN)


def refused(*entries: Mapping[str, object], **members: object) -> CedarError:
    with pytest.raises(CedarError) as caught:
        read(*entries, **members)
    assert caught.value.source is not None
    return caught.value


def test_a_bundle_has_certificates_and_keys_of_tokens() -> None:
    bundle = read(X509, JWT, spiffe_sequence=7, spiffe_refresh_hint=300)
    assert bundle.trust_domain == OWN
    assert bundle.certificates == (ROOT.certificate,)
    assert bundle.authorities is not None
    assert [key.kid for key in bundle.jwt_keys.keys] == ["token-1"]
    assert bundle.sequence == 7


def test_a_bundle_without_keys_is_one() -> None:
    bundle = read()
    assert (bundle.certificates, bundle.authorities, bundle.jwt_keys.keys, bundle.sequence) == ((), None, (), None)


IGNORED: dict[str, dict[str, object]] = {
    "no use": {**JWT, "use": None},
    "another use": {**JWT, "use": "sig"},
    "a use in capitals": {**JWT, "use": "JWT-SVID"},
    "a use of the future": {**X509, "use": "wit-svid"},
    "a use that is no text": {**X509, "use": ["x509-svid"]},
    "an unknown type of key": {"kty": "AKP", "use": "jwt-svid", "kid": "a"},
    "a type of key that no SVID has": Signer("EdDSA", "a").jwk(use="jwt-svid"),
    "no certificate": authority_entry(ROOT.certificate, x5c=None),
    "an empty list of certificates": authority_entry(ROOT.certificate, x5c=[]),
}


@pytest.mark.parametrize("entry", IGNORED.values(), ids=IGNORED)
def test_entries_that_are_passed_over(entry: dict[str, object]) -> None:
    kept = {name: member for name, member in entry.items() if member is not None}
    bundle = read(kept)
    assert (bundle.certificates, bundle.jwt_keys.keys) == ((), ())
    assert len(read(X509, kept, JWT).certificates) == 1


def test_of_several_certificates_in_one_entry_the_first_counts() -> None:
    other = b64encode(der(anchor("other").certificate)).decode()
    bundle = read(authority_entry(ROOT.certificate, x5c=[b64encode(der(ROOT.certificate)).decode(), other, "rubbish"]))
    assert bundle.certificates == (ROOT.certificate,)


def test_what_is_not_known_is_no_reason_to_refuse() -> None:
    assert len(read(authority_entry(ROOT.certificate, kid="a", new_member={}), new_member=[1]).certificates) == 1


AUTHORITY = (x509.BasicConstraints(ca=True, path_length=None), True)
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
OTHER_KIND = ROOT.issue("other kind", of_authority(), ed25519.Ed25519PrivateKey.generate())
GOOD_ANCHORS: dict[str, list[tuple[x509.ExtensionType, bool]]] = {
    "no usage": [AUTHORITY],
    "nothing critical": [(AUTHORITY[0], False), (usage(key_cert_sign=True), False)],
    "for anything": [*of_authority(), (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), False)],
    "with the id of a trust domain": of_authority("spiffe://upstream.example"),
    "with an extension that need not be understood": [*of_authority(), (UNKNOWN, False)],
}


@pytest.mark.parametrize("extensions", GOOD_ANCHORS.values(), ids=GOOD_ANCHORS)
def test_anchors_that_are_accepted(extensions: list[tuple[x509.ExtensionType, bool]]) -> None:
    assert len(read(anchor("good", extensions).jwk()).certificates) == 1


LEAF = ROOT.issue("workload", of_workload(f"spiffe://{OWN}/billing"))
BAD: dict[str, dict[str, object]] = {
    "a certificate that is none": authority_entry(ROOT.certificate, x5c=["AAAA"]),
    "no base64": authority_entry(ROOT.certificate, x5c=["?"]),
    "base64 for URLs": authority_entry(ROOT.certificate, x5c=["-_-_"]),
    "line ends": authority_entry(ROOT.certificate, x5c=[b64encode(der(ROOT.certificate)).decode() + "\n"]),
    "PEM": authority_entry(ROOT.certificate, x5c=["-----BEGIN CERTIFICATE-----"]),
    "an empty certificate": authority_entry(ROOT.certificate, x5c=[""]),
    "a certificate that is no text": authority_entry(ROOT.certificate, x5c=[1]),
    "certificates that are no list": authority_entry(ROOT.certificate, x5c="AAAA"),
    "the key of another certificate": {**anchor("other").jwk(), "x5c": X509["x5c"]},
    "half a key": authority_entry(ROOT.certificate, y=None),
    "another type of key than the certificate's": {**authority_entry(ROOT.certificate), "kty": "RSA"},
    "a leaf": authority_entry(LEAF),
    "an authority with the id of a workload": anchor("a", of_authority(f"spiffe://{OWN}/a")).jwk(),
    "an authority with another URI": anchor("b", of_authority("https://b.example")).jwk(),
    "no basic constraints": anchor("c", [(usage(key_cert_sign=True), True)]).jwk(),
    "a key that signs no certificates": anchor("d", [AUTHORITY, (usage(crl_sign=True), True)]).jwk(),
    "an extension that must be understood": anchor("e", [*of_authority(), (UNKNOWN, True)]).jwk(),
    "a certificate for another kind of key": {**X509, "x5c": [b64encode(der(OTHER_KIND)).decode()]},
    "a certificate that is too long": authority_entry(
        ROOT.certificate, x5c=[b64encode(bytes(MAX_CERTIFICATE + 1)).decode()]
    ),
    "a key of tokens without a name": {name: member for name, member in JWT.items() if name != "kid"},
    "a key of tokens with an empty name": {**JWT, "kid": ""},
    "a key of tokens that is incomplete": {name: member for name, member in JWT.items() if name != "x"},
    "a key of tokens on another curve": {**JWT, "crv": "P-384"},
    "a key of tokens with another algorithm": {**JWT, "alg": "RS256"},
    "no type of key": {name: member for name, member in JWT.items() if name != "kty"},
}


@pytest.mark.parametrize("entry", BAD.values(), ids=BAD)
def test_entries_that_refuse_the_bundle(entry: dict[str, object]) -> None:
    refused(entry)
    refused(X509, JWT, entry)


@pytest.mark.parametrize("member", ["d", "k", "p", "priv"])
def test_a_private_key_refuses_the_bundle_and_is_not_shown(member: str) -> None:
    error = refused(X509, {**JWT, member: "c2VjcmV0"})
    assert "private" in error.message
    assert "c2VjcmV0" not in error.render()


def test_two_keys_of_one_name_refuse_the_bundle() -> None:
    assert "same `kid`" in refused(JWT, token_entry(Signer("ES256", "token-1", 3))).message


@pytest.mark.parametrize("name", ["spiffe_sequence", "spiffe_refresh_hint"])
@pytest.mark.parametrize("value", [-1, 2**63, "1", True, None, 1.5, []], ids=ascii)
def test_numbers_are_whole_numbers(name: str, value: object) -> None:
    refused(X509, **{name: value})


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"keys": {}}', '{"keys": [1]}', '{"keys": [], "keys": []}'])
def test_what_is_no_bundle(text: str) -> None:
    with pytest.raises(CedarError):
        read_trust_bundle(Source("own.json", text), OWN)


def test_a_bundle_is_bounded() -> None:
    ignored = {"kty": "EC"}
    read(*[ignored] * MAX_KEYS)
    assert "more than" in refused(*[ignored] * (MAX_KEYS + 1)).message


# Files


class Files:
    """Two bundles in files, and what is loaded from them."""

    def __init__(self, folder: Path) -> None:
        self.paths = {OWN: folder / "own.json", PARTNER: folder / "partner.json"}
        domains = {name: TrustDomainConfig(path) for name, path in self.paths.items()}
        self.bundles = TrustBundles(SpiffeConfig(OWN, domains))
        self.write(OWN, X509)
        self.write(PARTNER, anchor("partner root").jwk())

    def write(self, name: str, *entries: Mapping[str, object], **members: object) -> None:
        self.paths[name].write_text(bundle_text(entries, **members), "utf-8")

    def load(self) -> None:
        self.bundles.load()()


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_before_the_first_load_no_trust_domain_is_known(files: Files) -> None:
    with pytest.raises(IdentityError) as caught:
        files.bundles.of(OWN)
    assert caught.value.code == "trust_domain"


def test_each_trust_domain_has_its_own_bundle(files: Files) -> None:
    files.load()
    assert files.bundles.of(OWN).certificates == (ROOT.certificate,)
    assert files.bundles.of(PARTNER).trust_domain == PARTNER
    for name in ("unknown.example", "", OWN.upper(), f"{OWN}.", f"spiffe://{OWN}"):
        with pytest.raises(IdentityError):
            files.bundles.of(name)


def test_what_was_read_is_in_force_only_when_it_is_put_in_place(files: Files) -> None:
    files.load()
    old = files.bundles.of(OWN)
    files.write(OWN, JWT)
    put = files.bundles.load()
    assert files.bundles.of(OWN) is old
    put()
    assert files.bundles.of(OWN).certificates == ()


def test_a_file_that_is_the_same_leaves_the_bundle_as_it_is(files: Files) -> None:
    files.load()
    own, partner = files.bundles.of(OWN), files.bundles.of(PARTNER)
    files.write(PARTNER)
    files.load()
    assert files.bundles.of(OWN) is own
    assert files.bundles.of(PARTNER) is not partner


@pytest.mark.parametrize("text", ["", "{", '{"keys": [1]}', bundle_text([BAD["a leaf"]])], ids=lambda text: text[:14])
def test_a_broken_bundle_leaves_the_old_ones_in_force(files: Files, text: str) -> None:
    files.load()
    own, partner = files.bundles.of(OWN), files.bundles.of(PARTNER)
    files.write(OWN, JWT)
    files.paths[PARTNER].write_text(text, "utf-8")
    with pytest.raises(CedarError):
        files.load()
    assert (files.bundles.of(OWN), files.bundles.of(PARTNER)) == (own, partner)


def test_a_file_that_is_gone_is_refused_with_what_it_is(files: Files) -> None:
    files.load()
    files.paths[PARTNER].unlink()
    with pytest.raises(CedarError) as caught:
        files.load()
    assert caught.value.code == "trust_bundle"
    assert PARTNER in (caught.value.help or "")
    assert files.bundles.of(PARTNER).certificates


def test_a_rotation(files: Files) -> None:
    new = anchor("new root")
    files.write(OWN, X509, spiffe_sequence=1)
    files.load()
    files.write(OWN, X509, new.jwk(), spiffe_sequence=2)
    files.load()
    assert files.bundles.of(OWN).certificates == (ROOT.certificate, new.certificate)
    files.write(OWN, new.jwk(), spiffe_sequence=3)
    files.load()
    assert files.bundles.of(OWN).certificates == (new.certificate,)


@pytest.mark.parametrize("members", [{"spiffe_sequence": 4}, {"spiffe_sequence": 5}, {}], ids=str)
def test_a_bundle_that_is_no_later_one_is_refused(files: Files, members: dict[str, Any]) -> None:
    files.write(OWN, JWT, spiffe_sequence=5)
    files.load()
    files.write(OWN, X509, JWT, **members)
    with pytest.raises(CedarError, match="no later one") as caught:
        files.load()
    assert "5" in (caught.value.help or "")
    assert files.bundles.of(OWN).certificates == ()


def test_a_bundle_without_a_number_may_be_replaced_by_any(files: Files) -> None:
    files.load()
    files.write(OWN, JWT)
    files.load()
    files.write(OWN, X509, spiffe_sequence=0)
    files.load()
    assert files.bundles.of(OWN).sequence == 0


def test_withdrawing_all_trust(files: Files) -> None:
    files.load()
    files.write(OWN)
    files.load()
    assert files.bundles.of(OWN).authorities is None


# Whatever comes


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
def test_a_damaged_bundle_is_read_or_refused() -> None:
    seeds = [bundle_text([X509]).encode(), bundle_text([JWT], spiffe_sequence=1).encode()]
    for data in damaged(random.Random(11), seeds, '{}[]",:\\ 0a1.e-é', 1_500):
        with suppress(CedarError):
            text = data.decode("utf-8", "replace")
            for certificate in read_trust_bundle(Source("own.json", text), OWN).certificates:
                assert certificate.public_key() == ROOT.certificate.public_key()


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=6)
    | st.sampled_from(["EC", "RSA", "x509-svid", "jwt-svid"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*X509, "kid", "n", "e"]), JSON, max_size=5), st.sampled_from([X509, JWT, {}]))
def test_any_entry_is_judged(changes: dict[str, Any], entry: dict[str, object]) -> None:
    with suppress(CedarError):
        read_trust_bundle(Source("own.json", json.dumps({"keys": [{**entry, **changes}]})), OWN)

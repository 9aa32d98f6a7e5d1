"""The certificates, bundles and key sets of ../shared/data/spiffe: each accepted or refused as its name says."""

from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from shared_data import shared_data
from spiffe_world import authority_entry, bundle_text

from pdp.cedar.errors import CedarError
from pdp.cedar.source import Source
from pdp.config.spiffe import SpiffeConfig
from pdp.documents import read_source
from pdp.identity.certificates import BadCertificateError, Profile, read_certificate, refuse_as_authority, workload_of
from pdp.identity.errors import IdentityError
from pdp.identity.spiffe_id import SpiffeId
from pdp.identity.trust_bundles import TrustBundles, read_trust_bundle
from pdp.identity.x509_svid import verify_x509_svid


def instant(year: int, month: int, day: int, hour: int) -> int:
    return int(datetime(year, month, day, hour, tzinfo=UTC).timestamp()) * 1000


THEN = instant(2021, 2, 9, 19)
"""When the chain was good."""


def pem(name: str) -> list[bytes]:
    data = shared_data(f"spiffe/x509-certs/{name}").read_bytes()
    return [certificate.public_bytes(Encoding.DER) for certificate in x509.load_pem_x509_certificates(data)]


def ders(name: str) -> list[bytes]:
    """The certificates that stand one after the other in a file."""
    data, found = shared_data(f"spiffe/{name}").read_bytes(), []
    while data:
        length = int.from_bytes(data[2:4]) + 4
        found.append(data[:length])
        data = data[length:]
    return found


def trusting(trust_domain: str, *anchors: bytes) -> TrustBundles:
    entries = [authority_entry(x509.load_der_x509_certificate(anchor)) for anchor in anchors]
    made = TrustBundles(SpiffeConfig(trust_domain, {}))
    made._bundles = {trust_domain: read_trust_bundle(Source("bundle.json", bundle_text(entries)), trust_domain)}
    return made


def test_the_chain_is_verified_to_the_bundle() -> None:
    """`federated_bundle` stands above both: it is another trust domain's, which a bundle may hold."""
    leaf, middle = ders("x509-certs/1-chain.der")
    (upstream,) = ders("x509-bundle-certs/federated_bundle.der")
    for chain, anchor in (((middle,), upstream), ((), middle), ((upstream, middle), upstream)):
        svid, _ = verify_x509_svid(leaf, chain, trusting("example.org", anchor), THEN)
        assert svid.workload == SpiffeId("example.org", "/service")
        assert svid.expires_at == instant(2021, 2, 9, 19) + (20 * 60 + 22) * 1000


def test_the_chain_is_refused_without_what_it_hangs_on_and_when_it_is_over() -> None:
    leaf, middle = ders("x509-certs/1-chain.der")
    (upstream,) = ders("x509-bundle-certs/federated_bundle.der")
    causes = {}
    for name, chain, trusted, now in (
        ("no intermediate", (), trusting("example.org", upstream), THEN),
        ("the foreign bundle alone", (middle,), trusting("local", upstream), THEN),
        ("today", (middle,), trusting("example.org", upstream), instant(2026, 3, 2, 10)),
        ("before", (middle,), trusting("example.org", upstream), instant(2021, 2, 9, 18)),
        ("the authority as a leaf", (upstream,), trusting("example.org", upstream), THEN),
    ):
        with pytest.raises(IdentityError) as caught:
            verify_x509_svid(middle if name.startswith("the authority") else leaf, chain, trusted, now)
        causes[name] = caught.value.code
    assert causes == {
        "no intermediate": "certificate",
        "the foreign bundle alone": "trust_domain",
        "today": "expired",
        "before": "not_yet_valid",
        "the authority as a leaf": "certificate",
    }


def test_the_good_leaf() -> None:
    (leaf,) = pem("3-good-leaf-only.pem")
    assert workload_of(read_certificate(leaf)) == SpiffeId("example.org", "/workload-1")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("wrong-empty-spiffe-id.pem", "exactly one URI"),
        ("wrong-leaf-ca-true.pem", "authority"),
        ("wrong-leaf-cert-sign.pem", "signing others"),
    ],
)
def test_wrong_leaves(name: str, message: str) -> None:
    (leaf,) = pem(name)
    with pytest.raises(BadCertificateError, match=message):
        workload_of(read_certificate(leaf))


def test_the_intermediate_that_is_no_authority() -> None:
    leaf, middle = pem("wrong-intermediate-no-ca.pem")
    assert workload_of(read_certificate(leaf)).path == "/workload-1"
    with pytest.raises(BadCertificateError, match="authority"):
        refuse_as_authority(read_certificate(middle), Profile.INTERMEDIATE, "example.org")
    with pytest.raises(BadCertificateError, match="authority"):
        refuse_as_authority(read_certificate(middle), Profile.ANCHOR)


@pytest.mark.parametrize("name", ["x509-certs/corrupted", "x509-bundle-certs/corrupted", "x509-bundle-certs/not-pem"])
def test_what_is_corrupted_is_no_certificate(name: str) -> None:
    with pytest.raises(BadCertificateError):
        read_certificate(shared_data(f"spiffe/{name}").read_bytes())


def test_bundles_of_certificates_that_are_authorities_are_read() -> None:
    leaf, authority = ders("x509-bundle-certs/certs.der")
    (plain,) = ders("x509-bundle-certs/cert.der")
    (federated,) = ders("x509-bundle-certs/federated_bundle.der")
    for good in (authority, federated):
        assert trusting("example.org", good).of("example.org").certificates[0].public_bytes(Encoding.DER) == good
    for bad in (leaf, plain):  # a workload's; one without any extension, so no authority by RFC 5280
        with pytest.raises(CedarError):
            trusting("example.org", bad)


@pytest.mark.parametrize("name", ["cert.pem", "certs.pem", "empty.pem", "key.pem", "cert.der", "not-pem", "corrupted"])
def test_what_is_in_another_form_is_no_bundle(name: str) -> None:
    with pytest.raises(CedarError):
        read_trust_bundle(read_source(shared_data(f"spiffe/x509-bundle-certs/{name}")), "example.org")


@pytest.mark.parametrize("name", ["jwks_1_ec_key.json", "jwks_3_keys.json", "jwks_missing_kid.json"])
def test_key_sets_without_a_use_hold_no_keys_of_a_trust_domain(name: str) -> None:
    bundle = read_trust_bundle(read_source(shared_data(f"spiffe/jwks/{name}")), "example.org")
    assert (bundle.certificates, bundle.jwt_keys.keys) == ((), ())


def with_use(name: str) -> str:
    return shared_data(f"spiffe/jwks/{name}").read_text("utf-8").replace('"kty"', '"use": "jwt-svid", "kty"')


def test_the_same_key_sets_with_a_use() -> None:
    """The good ones have their keys, `jwks_ec_missing_x` and `jwks_missing_kid` are refused for what they lack."""
    one = read_trust_bundle(Source("1", with_use("jwks_1_ec_key.json")), "example.org")
    three = read_trust_bundle(Source("3", with_use("jwks_3_keys.json")), "example.org")
    kid = "C6vs25welZOx6WksNYfbMfiw9l96pMnD"
    assert [key.kid for key in one.jwt_keys.keys] == [kid]
    assert [key.kid for key in three.jwt_keys.keys] == [kid, "gHTCunJbefYtnZnTctd84xeRWyMrEsWD", "2011-04-29"]
    for name, missing in (("jwks_ec_missing_x.json", "`x`"), ("jwks_missing_kid.json", "`kid`")):
        with pytest.raises(CedarError, match=missing):
            read_trust_bundle(Source(name, with_use(name)), "example.org")


def test_no_vector_is_left_out() -> None:
    folder = shared_data("spiffe")
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == {
        *(f"jwks/{name}.json" for name in ("jwks_1_ec_key", "jwks_3_keys", "jwks_ec_missing_x", "jwks_missing_kid")),
        *(f"x509-bundle-certs/{name}" for name in ("cert.der", "cert.pem", "certs.der", "certs.pem", "corrupted")),
        *(f"x509-bundle-certs/{name}" for name in ("empty.pem", "federated_bundle.der", "key.pem", "not-pem")),
        *(f"x509-certs/{name}" for name in ("1-chain.der", "3-good-leaf-only.pem", "corrupted")),
        *(f"x509-certs/wrong-{name}.pem" for name in ("empty-spiffe-id", "intermediate-no-ca", "leaf-ca-true")),
        "x509-certs/wrong-leaf-cert-sign.pem",
        *("x509-certs/1-key.der", "x509-certs/3-key-pkcs8-rsa.pem"),  # private keys, for servers of tests
    }

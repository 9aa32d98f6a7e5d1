"""X.509-SVIDs: each rule for leaf, intermediate and anchor, the ways between them, and damaged certificates."""

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import Store
from spiffe_world import (
    BOTH_ENDS,
    HOUR,
    NOW,
    OWN,
    PARTNER,
    Authority,
    Extensions,
    anchor,
    bundles,
    certificate,
    der,
    of_authority,
    of_workload,
    uris,
    usage,
)

from pdp.identity.certificates import MAX_CERTIFICATE, BadCertificateError, read_certificate
from pdp.identity.errors import IdentityError
from pdp.identity.spiffe_id import SpiffeId
from pdp.identity.trust_bundles import TrustBundles
from pdp.identity.x509_svid import MAX_CHAIN, X509Svid, verify_x509_svid

BILLING = f"spiffe://{OWN}/billing"
ROOT, PARTNER_ROOT = anchor("own root"), anchor("partner root")
MIDDLE = ROOT.intermediate("middle", of_authority())
BUNDLES = bundles(own=[ROOT.jwk()], partner=[PARTNER_ROOT.jwk()])


def verify(leaf: bytes, *chain: bytes, now: int = NOW, trusted: TrustBundles = BUNDLES) -> X509Svid:
    return verify_x509_svid(leaf, chain, trusted, now)[0]


def refused(leaf: bytes, *chain: bytes, now: int = NOW, trusted: TrustBundles = BUNDLES) -> IdentityError:
    with pytest.raises(IdentityError) as caught:
        verify_x509_svid(leaf, chain, trusted, now)
    return caught.value


def leaf(extensions: Extensions, subject: str = "workload", by: Authority = ROOT, key: Any = None) -> bytes:
    return der(by.issue(subject, extensions, key))


def changed(kind: type[x509.ExtensionType], *instead: tuple[x509.ExtensionType, bool]) -> Extensions:
    """The extensions of a workload, with one of them replaced."""
    return [*(entry for entry in of_workload(BILLING) if not isinstance(entry[0], kind)), *instead]


def test_a_workload_is_named_by_its_certificate() -> None:
    svid = verify(ROOT.workload(BILLING))
    assert svid.workload == SpiffeId(OWN, "/billing")
    assert (svid.not_before, svid.expires_at) == (NOW - HOUR, NOW + HOUR)


def test_the_bundle_that_vouches_is_said() -> None:
    assert verify_x509_svid(ROOT.workload(BILLING), (), BUNDLES, NOW)[1] is BUNDLES.of(OWN)


# The leaf


GOOD_LEAVES: dict[str, Extensions] = {
    "without basic constraints": changed(x509.BasicConstraints),
    "basic constraints that are not critical": changed(
        x509.BasicConstraints, (x509.BasicConstraints(ca=False, path_length=None), False)
    ),
    "without extended usage": changed(x509.ExtendedKeyUsage),
    "critical extended usage": changed(x509.ExtendedKeyUsage, (BOTH_ENDS, True)),
    "more extended usage": changed(
        x509.ExtendedKeyUsage, (x509.ExtendedKeyUsage([*BOTH_ENDS, ExtendedKeyUsageOID.CODE_SIGNING]), False)
    ),
    "more usage": changed(
        x509.KeyUsage, (usage(digital_signature=True, key_encipherment=True, key_agreement=True), True)
    ),
    "other names beside the URI": changed(
        x509.SubjectAlternativeName,
        (
            x509.SubjectAlternativeName(
                [
                    x509.DNSName("billing.example"),
                    x509.UniformResourceIdentifier(BILLING),
                    x509.RFC822Name("a@b.example"),
                ]
            ),
            True,
        ),
    ),
    "an extension that need not be understood": [
        *of_workload(BILLING),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00"), False),
    ],
}


@pytest.mark.parametrize("extensions", GOOD_LEAVES.values(), ids=GOOD_LEAVES)
def test_leaves_that_are_accepted(extensions: Extensions) -> None:
    assert verify(leaf(extensions)).workload == SpiffeId(OWN, "/billing")


def names(*uri: str) -> Extensions:
    return changed(x509.SubjectAlternativeName, (uris(*uri), False))


BAD_LEAVES: dict[str, Extensions] = {
    "no other names": changed(x509.SubjectAlternativeName),
    "a DNS name alone": changed(x509.SubjectAlternativeName, (x509.SubjectAlternativeName([x509.DNSName(OWN)]), False)),
    "two ids": names(BILLING, f"spiffe://{OWN}/orders"),
    "one id twice": names(BILLING, BILLING),
    "an id and another URI": names(BILLING, "https://billing.example/"),
    "another URI": names("https://billing.example/"),
    "the id of a trust domain": names(f"spiffe://{OWN}"),
    "a slash at the end": names(f"spiffe://{OWN}/billing/"),
    "an empty path": names(f"spiffe://{OWN}/"),
    "dots": names(f"spiffe://{OWN}/orders/../billing"),
    "an escape": names(f"spiffe://{OWN}/bill%69ng"),
    "a port": names(f"spiffe://{OWN}:443/billing"),
    "capitals": names(f"spiffe://{OWN.upper()}/billing"),
    "a query": names(f"{BILLING}?a"),
    "an authority": changed(x509.BasicConstraints, (x509.BasicConstraints(ca=True, path_length=None), True)),
    "no usage": changed(x509.KeyUsage),
    "usage that is not critical": changed(x509.KeyUsage, (usage(digital_signature=True), False)),
    "no signatures": changed(x509.KeyUsage, (usage(key_encipherment=True), True)),
    "signs certificates": changed(x509.KeyUsage, (usage(digital_signature=True, key_cert_sign=True), True)),
    "signs lists": changed(x509.KeyUsage, (usage(digital_signature=True, crl_sign=True), True)),
    "for servers alone": changed(
        x509.ExtendedKeyUsage, (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
    ),
    "for clients alone": changed(
        x509.ExtendedKeyUsage, (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)
    ),
    "for anything": changed(
        x509.ExtendedKeyUsage, (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), False)
    ),
    "an extension that must be understood": [
        *of_workload(BILLING),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00"), True),
    ],
}


@pytest.mark.parametrize("extensions", BAD_LEAVES.values(), ids=BAD_LEAVES)
def test_leaves_that_are_refused(extensions: Extensions) -> None:
    error = refused(leaf(extensions))
    assert error.code == "certificate"
    assert error.message[0].islower()
    assert "billing" not in error.message


def test_without_a_subject_the_other_names_must_be_critical() -> None:
    critical = changed(x509.SubjectAlternativeName, (uris(BILLING), True))
    assert verify(leaf(critical, "")).workload.path == "/billing"
    assert "no subject" in refused(leaf(of_workload(BILLING), "")).message


WEAK_KEYS: dict[str, Callable[[], Any]] = {
    "RSA of 1024 bits": lambda: rsa.generate_private_key(65_537, 1024),
    "RSA of 2040 bits": lambda: rsa.generate_private_key(65_537, 2040),
    "RSA with a small exponent": lambda: rsa.generate_private_key(3, 2048),
    "a short curve": lambda: ec.generate_private_key(ec.SECP224R1()),
    "another curve": lambda: ec.generate_private_key(ec.SECP256K1()),
    "DSA": lambda: dsa.generate_private_key(2048),
}
STRONG_KEYS: dict[str, Callable[[], Any]] = {
    "RSA": lambda: rsa.generate_private_key(65_537, 2048),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
}


@pytest.mark.parametrize("make", WEAK_KEYS.values(), ids=WEAK_KEYS)
def test_a_certificate_for_a_weak_key_is_refused(make: Callable[[], Any]) -> None:
    assert "key" in refused(leaf(of_workload(BILLING), key=make())).message


@pytest.mark.parametrize("make", STRONG_KEYS.values(), ids=STRONG_KEYS)
def test_keys_of_workloads_that_are_accepted(make: Callable[[], Any]) -> None:
    assert verify(leaf(of_workload(BILLING), key=make())).workload.path == "/billing"


@pytest.mark.parametrize(("bits", "accepted"), [(8192, True), (8193, False)])
def test_a_key_that_is_too_long_to_verify_with_is_refused(bits: int, accepted: bool) -> None:
    public = rsa.RSAPublicNumbers(65_537, (1 << bits) - 3).public_key()
    signed = certificate("workload", public, ROOT.name, ROOT.key, of_workload(BILLING))
    if accepted:
        assert verify(der(signed)).workload.path == "/billing"
    else:
        assert "key" in refused(der(signed)).message


def test_a_key_of_a_faulty_generator_is_refused() -> None:
    """A modulus with the fingerprint of CVE-2017-15361: a power of 65537 modulo every prime."""
    public = rsa.RSAPublicNumbers(65_537, 65_537**128).public_key()
    signed = certificate("workload", public, ROOT.name, ROOT.key, of_workload(BILLING))
    assert "key" in refused(der(signed)).message


def test_an_authority_with_a_weak_key_is_refused() -> None:
    key = rsa.generate_private_key(65_537, 1024)
    weak = Authority("weak", ROOT.issue("weak", of_authority(), key), key)
    assert "key" in refused(weak.workload(BILLING), der(weak.certificate)).message


# Dates


def test_a_certificate_is_good_from_its_first_to_before_its_last_instant() -> None:
    certificate = ROOT.workload(BILLING)
    assert verify(certificate, now=NOW - HOUR).workload.path == "/billing"
    assert verify(certificate, now=NOW + HOUR - 1).workload.path == "/billing"
    assert refused(certificate, now=NOW - HOUR - 1).code == "not_yet_valid"
    assert refused(certificate, now=NOW + HOUR).code == "expired"


def test_it_ends_when_the_first_on_the_way_ends() -> None:
    middle = ROOT.intermediate("short", of_authority(), begins=NOW - 60_000, ends=NOW + 60_000)
    svid = verify(middle.workload(BILLING), der(middle.certificate))
    assert (svid.not_before, svid.expires_at) == (NOW - 60_000, NOW + 60_000)
    for now in (NOW - 60_001, NOW + 60_000, NOW + 61_000):
        assert refused(middle.workload(BILLING), der(middle.certificate), now=now).code in {
            *("certificate", "expired", "not_yet_valid")
        }


def test_an_anchor_that_has_expired_vouches_for_nobody() -> None:
    old = anchor("old root", days=1)
    trusted = bundles(own=[old.jwk()])
    later = NOW + timedelta(days=2) // timedelta(milliseconds=1)
    certificate = der(old.issue("workload", of_workload(BILLING), ends=later + HOUR))
    assert verify(certificate, trusted=trusted).expires_at == NOW + timedelta(days=1) // timedelta(milliseconds=1)
    assert refused(certificate, now=later, trusted=trusted).code == "certificate"


# The way


def test_a_way_over_intermediates_in_any_order() -> None:
    lower = MIDDLE.intermediate("lower", of_authority(f"spiffe://{OWN}"))
    chain = [der(lower.certificate), der(MIDDLE.certificate)]
    for order in (chain, chain[::-1], [*chain, der(ROOT.certificate)], [*chain, *chain]):
        assert verify(lower.workload(BILLING), *order).workload.path == "/billing"
    assert refused(lower.workload(BILLING), *chain[:1]).code == "certificate"
    assert refused(lower.workload(BILLING), *chain[1:]).code == "certificate"
    assert refused(lower.workload(BILLING)).code == "certificate"


def test_certificates_that_are_not_on_the_way_do_no_harm() -> None:
    stranger = anchor("stranger")
    assert verify(ROOT.workload(BILLING), der(stranger.certificate)).workload.path == "/billing"


def test_who_vouches_for_itself_is_not_believed() -> None:
    stranger = anchor("stranger")
    assert refused(stranger.workload(BILLING)).code == "certificate"
    assert refused(stranger.workload(BILLING), der(stranger.certificate)).code == "certificate"


def test_the_name_of_an_anchor_is_not_enough() -> None:
    impostor = Authority(ROOT.name, ROOT.certificate, anchor("stranger").key)
    assert refused(impostor.workload(BILLING)).code == "certificate"
    assert refused(impostor.workload(BILLING), der(ROOT.certificate)).code == "certificate"


def test_a_leaf_vouches_for_nobody() -> None:
    certificate = ROOT.issue("orders", of_workload(f"spiffe://{OWN}/orders"))
    rogue = Authority("orders", certificate, anchor("orders").key)
    assert refused(rogue.workload(BILLING), der(certificate)).code == "certificate"


def test_an_authority_is_no_workload() -> None:
    named = anchor("named", of_authority(f"spiffe://{OWN}"))
    trusted = bundles(own=[named.jwk()])
    assert refused(der(named.certificate), trusted=trusted).code == "certificate"
    lower = named.intermediate("with a path", of_authority(BILLING))
    assert refused(der(lower.certificate), trusted=trusted).code == "certificate"


def between(extensions: Extensions) -> tuple[bytes, bytes]:
    middle = ROOT.intermediate("between", extensions)
    return middle.workload(BILLING), der(middle.certificate)


CLIENTS = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
GOOD_BETWEEN: dict[str, Extensions] = {
    "an authority": of_authority(),
    "with the id of the trust domain": of_authority(f"spiffe://{OWN}"),
    "no further authorities below it": [
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (usage(key_cert_sign=True, crl_sign=True, digital_signature=True), True),
    ],
    "for clients": [*of_authority(), (CLIENTS, False)],
    "for anything": [*of_authority(), (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), False)],
    "for names in DNS that are not used": [
        *of_authority(),
        (x509.NameConstraints([x509.DNSName("other.example")], None), True),
    ],
}


@pytest.mark.parametrize("extensions", GOOD_BETWEEN.values(), ids=GOOD_BETWEEN)
def test_intermediates_that_are_accepted(extensions: Extensions) -> None:
    assert verify(*between(extensions)).workload.path == "/billing"


SIGNS = (usage(key_cert_sign=True), True)
AUTHORITY = (x509.BasicConstraints(ca=True, path_length=None), True)
BAD_BETWEEN: dict[str, Extensions] = {
    "no authority": [(x509.BasicConstraints(ca=False, path_length=None), True), SIGNS],
    "no basic constraints": [SIGNS],
    "constraints that are not critical": [(x509.BasicConstraints(ca=True, path_length=None), False), SIGNS],
    "no usage": [AUTHORITY],
    "usage that is not critical": [AUTHORITY, (usage(key_cert_sign=True), False)],
    "signs no certificates": [AUTHORITY, (usage(digital_signature=True, crl_sign=True), True)],
    "for servers alone": [*of_authority(), (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)],
    "the id of a workload": of_authority(BILLING),
    "the id of another trust domain": of_authority(f"spiffe://{PARTNER}"),
    "two ids": [*of_authority(), (uris(f"spiffe://{OWN}", f"spiffe://{PARTNER}"), False)],
    "another URI": of_authority("https://authority.example/"),
    "an extension that must be understood": [
        *of_authority(),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00"), True),
    ],
    # The library does not read constraints of URIs: what cannot be judged is refused, even one that would be met.
    "constraints of URIs": [
        *of_authority(),
        (x509.NameConstraints([x509.UniformResourceIdentifier(OWN)], None), True),
    ],
}


@pytest.mark.parametrize("extensions", BAD_BETWEEN.values(), ids=BAD_BETWEEN)
def test_intermediates_that_are_refused(extensions: Extensions) -> None:
    assert refused(*between(extensions)).code == "certificate"


def test_a_way_may_not_be_longer_than_an_authority_allows() -> None:
    narrow: Extensions = [(x509.BasicConstraints(ca=True, path_length=0), True), SIGNS]
    middle = ROOT.intermediate("narrow", narrow)
    lower = middle.intermediate("below", of_authority())
    assert refused(lower.workload(BILLING), der(lower.certificate), der(middle.certificate)).code == "certificate"
    assert verify(middle.workload(BILLING), der(middle.certificate)).workload.path == "/billing"


def test_names_that_an_authority_may_not_give_are_refused() -> None:
    limited: Extensions = [*of_authority(), (x509.NameConstraints([x509.DNSName("own.example")], None), True)]
    middle = ROOT.intermediate("limited", limited)
    other = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(BILLING), x509.DNSName("evil.example")])
    certificate = middle.issue("workload", changed(x509.SubjectAlternativeName, (other, False)))
    assert refused(der(certificate), der(middle.certificate)).code == "certificate"


def test_a_chain_is_bounded() -> None:
    extra = [der(anchor("stranger").certificate)] * MAX_CHAIN
    assert verify(ROOT.workload(BILLING), *extra).workload.path == "/billing"
    assert "more than" in refused(ROOT.workload(BILLING), *extra, extra[0]).message
    above = ROOT
    chain: list[bytes] = []
    for depth in range(MAX_CHAIN + 1):
        above = above.intermediate(f"depth {depth}", of_authority())
        chain.append(der(above.certificate))
    assert refused(above.workload(BILLING), *chain[1:]).code == "certificate"


# Federation and rotation


def test_each_trust_domain_vouches_for_its_own() -> None:
    assert verify(PARTNER_ROOT.workload(f"spiffe://{PARTNER}/billing")).workload == SpiffeId(PARTNER, "/billing")


def test_a_foreign_bundle_never_vouches_for_us_nor_ours_for_them() -> None:
    assert refused(PARTNER_ROOT.workload(BILLING)).code == "certificate"
    assert refused(PARTNER_ROOT.workload(BILLING), der(PARTNER_ROOT.certificate)).code == "certificate"
    assert refused(ROOT.workload(f"spiffe://{PARTNER}/billing")).code == "certificate"


def test_a_partner_below_us_cannot_name_our_workloads() -> None:
    """Our own root has signed an authority of the partner's: that is theirs, and no authority of ours."""
    theirs = ROOT.intermediate("theirs", of_authority(f"spiffe://{PARTNER}"))
    assert refused(theirs.workload(BILLING), der(theirs.certificate)).code == "certificate"


def test_an_anchor_may_be_of_another_trust_domain() -> None:
    """As where one authority stands above several trust domains: the bundle says whom it vouches for."""
    upstream = anchor("upstream", of_authority("spiffe://upstream.example"))
    trusted = bundles(own=[upstream.jwk()])
    middle = upstream.intermediate("server", of_authority(f"spiffe://{OWN}"))
    assert verify(middle.workload(BILLING), der(middle.certificate), trusted=trusted).workload.path == "/billing"


def test_an_unknown_trust_domain_is_refused() -> None:
    assert refused(ROOT.workload("spiffe://unknown.example/billing")).code == "trust_domain"


def test_without_certificates_in_its_bundle_a_trust_domain_has_no_workloads() -> None:
    assert refused(ROOT.workload(BILLING), trusted=bundles(own=[])).code == "trust_domain"


def test_in_a_rotation_old_and_new_authorities_are_believed_as_the_bundle_says() -> None:
    new = anchor("new root")
    old_one, new_one = ROOT.workload(BILLING), new.workload(BILLING)
    both = bundles(own=[ROOT.jwk(), new.jwk()])
    assert verify(old_one, trusted=both).workload == verify(new_one, trusted=both).workload
    assert refused(new_one).code == "certificate"
    assert refused(old_one, trusted=bundles(own=[new.jwk()])).code == "certificate"


def test_a_leaf_that_stands_among_the_anchors_is_no_workload() -> None:
    """No bundle can hold one; if it could, it would be believed without anybody who vouches for it."""
    certificate = ROOT.issue("workload", of_workload(BILLING))
    trusted = bundles(own=[ROOT.jwk()])
    trusted._bundles = {OWN: replace(BUNDLES.of(OWN), authorities=Store([certificate]))}
    assert "vouch for others" in refused(der(certificate), trusted=trusted).message


def test_a_new_anchor_of_the_same_name_and_key_is_as_good() -> None:
    again = anchor(ROOT.name)
    assert again.certificate != ROOT.certificate
    assert verify(ROOT.workload(BILLING), trusted=bundles(own=[again.jwk()])).workload.path == "/billing"


# Whatever comes


@pytest.mark.parametrize("data", [b"", b"\x00", b"0", b"0\x80", b"not-der", bytes(100), b"\x30\x82\xff\xff" + bytes(9)])
def test_what_is_no_certificate_is_refused(data: bytes) -> None:
    assert refused(data).message == "this is not a certificate"
    assert refused(ROOT.workload(BILLING), data).message == "this is not a certificate"


def test_a_certificate_is_the_whole_of_the_bytes() -> None:
    certificate = ROOT.workload(BILLING)
    for data in (certificate + b"\0", certificate[:-1], certificate * 2, b"\0" + certificate):
        assert refused(data).code == "certificate"
    for long, message in ((bytes(MAX_CERTIFICATE + 1), "a certificate is longer"), (bytes(MAX_CERTIFICATE), "this is")):
        assert refused(long).message.startswith(message)
        assert refused(certificate, long).message.startswith(message)
        with pytest.raises(BadCertificateError, match=message):
            read_certificate(long)


def test_a_signature_has_one_spelling() -> None:
    """The number of bits that do not count, before a signature that ends in so many zero bits."""
    tried = 0
    while tried < 3:
        certificate = ROOT.workload(BILLING)
        signature = x509.load_der_x509_certificate(certificate).signature
        for unused in range(1, 8):
            if signature[-1] % (1 << unused) == 0:
                other = certificate[: -len(signature) - 1] + bytes([unused]) + signature
                assert refused(other).message == "the certificate is not written in DER"
                tried += 1


def damage(rng: random.Random, data: bytes) -> bytes:
    damaged = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at = rng.randrange(len(damaged))
        match rng.randrange(4):
            case 0:
                damaged[at] ^= 1 << rng.randrange(8)
            case 1:
                damaged[at] = rng.randrange(256)
            case 2:
                del damaged[at]
            case _:
                damaged[at:at] = bytes([rng.randrange(256)])
    return bytes(damaged)


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
def test_a_damaged_certificate_is_never_accepted() -> None:
    rng = random.Random(9)
    middle = der(MIDDLE.certificate)
    good = MIDDLE.workload(BILLING)
    verify(good, middle)
    for _ in range(1_500):
        damaged = damage(rng, good)
        if damaged != good:
            refused(damaged, middle)
        damaged = damage(rng, middle)
        if damaged != middle:
            refused(good, damaged)


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
def test_random_bytes_are_refused() -> None:
    rng = random.Random(10)
    for _ in range(500):
        refused(rng.randbytes(rng.randrange(60)))
        with suppress(IdentityError):
            verify(ROOT.workload(BILLING), rng.randbytes(rng.randrange(60)))

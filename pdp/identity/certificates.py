"""What certificates must be in the world of SPIFFE: leaf, intermediate, anchor (X509-SVID, sections 2 to 4).

                      leaf                        intermediate                anchor, in a bundle
    basic constraints none, or not a CA           a CA, critical              a CA
    key usage         critical; for signatures,   critical; certificates      certificates, if any
                      not for certificates or
                      lists
    extended usage    both of TLS, if any         clients of TLS, if any      not looked at
    URI names         exactly one, the id of a    one at most, the id of the  one at most, the id of a
                      workload                    leaf's trust domain         trust domain

How they hang together is for `x509_svid`. Where the specification says SHOULD, the rule here is MUST, but for one
thing: an anchor may be another trust domain's, for whoever made the bundle has said that it is believed.
"""

from collections.abc import Callable
from enum import Enum, unique
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, SECP521R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from pdp.cedar.errors import CedarError
from pdp.identity.keyset import MAX_RSA_BITS, MAX_RSA_EXPONENT, MIN_RSA_BITS, MIN_RSA_EXPONENT, is_roca
from pdp.identity.spiffe_id import SpiffeId, parse_spiffe_id

MAX_CERTIFICATE: Final = 16 * 1024
"""Bytes of one certificate."""

_UNREADABLE: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What the library raises for bytes that are no certificate."""

_KNOWN: Final = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.NAME_CONSTRAINTS,
    }
)
"""Extensions that are understood: any other that is critical refuses its certificate (RFC 5280, section 4.2)."""


class BadCertificateError(CedarError):
    """Not a certificate, or not one of the kind that it should be."""

    code = "certificate"


@unique
class Profile(Enum):
    """What a certificate above a leaf is there for."""

    INTERMEDIATE = "intermediate"
    ANCHOR = "anchor"


Extension = TypeVar("Extension", bound=x509.ExtensionType)


def read_certificate(der: bytes) -> x509.Certificate:
    """The certificate of some bytes, which are that and nothing else. Raises BadCertificateError."""
    if len(der) > MAX_CERTIFICATE:
        raise BadCertificateError(f"a certificate is longer than {MAX_CERTIFICATE} bytes")
    certificate = _read(lambda: _whole(x509.load_der_x509_certificate(der)))
    if not der.endswith(b"\0" + certificate.signature):
        # A signature that ends in a zero bit can be written as if that bit did not count: the library reads both, and
        # one certificate would have two spellings.
        raise BadCertificateError("the certificate is not written in DER")
    if not _is_strong(certificate.public_key()):
        raise BadCertificateError("the certificate is for a key that is too weak, or of a kind that is not accepted")
    return certificate


def _is_strong(key: object) -> bool:
    """As for keys of tokens (`keyset`). The library looks at the keys of authorities alone, and at their length."""
    match key:
        case RSAPublicKey():
            numbers = key.public_numbers()
            return (
                MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS
                and MIN_RSA_EXPONENT <= numbers.e <= MAX_RSA_EXPONENT
                and not is_roca(numbers.n)
            )
        case EllipticCurvePublicKey():
            return isinstance(key.curve, SECP256R1 | SECP384R1 | SECP521R1)
        case _:
            return isinstance(key, Ed25519PublicKey)


def _whole(certificate: x509.Certificate) -> x509.Certificate:
    """Read to the end: the library reads some parts only when they are asked for."""
    _ = (certificate.extensions, certificate.public_key(), certificate.subject, certificate.not_valid_after_utc)
    return certificate


Read = TypeVar("Read")


def _read(read: Callable[[], Read]) -> Read:
    try:
        return read()
    except _UNREADABLE:
        # Not chained: the causes may repeat what the certificate says.
        raise BadCertificateError("this is not a certificate") from None


def workload_of(certificate: x509.Certificate) -> SpiffeId:
    """The workload that a leaf names, the leaf being one in every respect. Raises BadCertificateError."""
    _refuse_unknown(certificate)
    names = _uris(certificate)
    if len(names) != 1:
        raise BadCertificateError("the certificate does not have exactly one URI as a name")
    workload = parse_spiffe_id(names[0])
    if workload is None or not workload.path:
        raise BadCertificateError("the certificate does not name a workload of SPIFFE")
    subject_names = _extension(certificate, x509.SubjectAlternativeName)
    if not certificate.subject.rdns and (subject_names is None or not subject_names.critical):
        raise BadCertificateError("the certificate has no subject, and its other names are not critical")
    constraints = _extension(certificate, x509.BasicConstraints)
    if constraints is not None and constraints.value.ca:
        raise BadCertificateError("the certificate is one of an authority, which identifies nobody")
    usage = _extension(certificate, x509.KeyUsage)
    if usage is None or not usage.critical or not usage.value.digital_signature:
        raise BadCertificateError("the certificate is not made for signatures, or does not say so in earnest")
    if usage.value.key_cert_sign or usage.value.crl_sign:
        raise BadCertificateError("the certificate is one for signing others, which identifies nobody")
    extended = _extension(certificate, x509.ExtendedKeyUsage)
    if extended is not None and not {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH} <= {
        *extended.value
    }:
        raise BadCertificateError("the certificate is not made for both ends of TLS")
    return workload


def refuse_as_authority(certificate: x509.Certificate, profile: Profile, trust_domain: str | None = None) -> None:
    """Raises BadCertificateError if a certificate must not vouch for others in a chain of this trust domain.

    An anchor is of any trust domain.
    """
    strict = profile is Profile.INTERMEDIATE
    _refuse_unknown(certificate)
    constraints = _extension(certificate, x509.BasicConstraints)
    if constraints is None or not constraints.value.ca or (strict and not constraints.critical):
        raise BadCertificateError("the certificate is not one of an authority")
    usage = _extension(certificate, x509.KeyUsage)
    signs = not strict if usage is None else usage.value.key_cert_sign and (usage.critical or not strict)
    if not signs:
        raise BadCertificateError("the certificate is not made for signing others")
    extended = _extension(certificate, x509.ExtendedKeyUsage)
    if (
        strict
        and extended is not None
        and not {
            ExtendedKeyUsageOID.CLIENT_AUTH,
            ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
        }
        & {*extended.value}
    ):
        raise BadCertificateError("the certificate is not made for signing those of clients")
    names = _uris(certificate)
    if not names:
        return
    own = parse_spiffe_id(names[0]) if len(names) == 1 else None
    if own is None or own.path or (strict and own.trust_domain != trust_domain):
        raise BadCertificateError("the certificate is not that of an authority of this trust domain")


def _uris(certificate: x509.Certificate) -> list[str]:
    names = _extension(certificate, x509.SubjectAlternativeName)
    return [] if names is None else names.value.get_values_for_type(x509.UniformResourceIdentifier)


def _refuse_unknown(certificate: x509.Certificate) -> None:
    if any(extension.critical and extension.oid not in _KNOWN for extension in certificate.extensions):
        raise BadCertificateError("the certificate has an extension that must be understood, and is not")


def _extension(certificate: x509.Certificate, kind: type[Extension]) -> x509.Extension[Extension] | None:
    try:
        return certificate.extensions.get_extension_for_class(kind)
    except x509.ExtensionNotFound:
        return None

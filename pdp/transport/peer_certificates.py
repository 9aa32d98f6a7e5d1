"""Certificates as proxies hand them on: URL-encoded PEM, by itself or in `x-forwarded-client-cert` (XFCC). Total: any
text gives a certificate or a MessageError.

A certificate becomes this record; a schema declares of it what policies need:

    subject, issuer                 String, by RFC 4514
    serial                          String, in hexadecimal digits
    fingerprint                     String, SHA-256 of the whole certificate in hexadecimal digits
    uris, dns_names                 Set<String>, the subject's alternative names
    not_before, not_after           datetime

Whether it was verified is the proxy's to say: it must not hand on one that it did not verify.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Final, final
from urllib.parse import unquote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pdp.cedar.schema.types import ExtensionType, PrimitiveType, SetType, Type
from pdp.cedar.values import Datetime, Record, Set, Value
from pdp.transport.errors import MessageError

MAX_CERTIFICATE: Final = 16 * 1024
"""Characters in the text of a certificate."""

MAX_FORWARDED: Final = 64 * 1024
"""Characters in an XFCC header, which may hold a whole chain."""

_KNOWN: Final = 512
"""Texts of either kind that are remembered: clients use a certificate for many requests."""

CERTIFICATE_FIELDS: Final[dict[str, Type]] = {
    **dict.fromkeys(("subject", "issuer", "serial", "fingerprint"), PrimitiveType.STRING),
    **dict.fromkeys(("uris", "dns_names"), SetType(PrimitiveType.STRING)),
    **dict.fromkeys(("not_before", "not_after"), ExtensionType.DATETIME),
}
"""What is known of a certificate, with its types."""


@lru_cache(_KNOWN)
def read_certificate(text: str) -> bytes:
    """The one certificate in a URL-encoded PEM text, as DER. Raises MessageError."""
    if len(text) > MAX_CERTIFICATE:
        raise MessageError("a certificate is too long")
    try:
        [certificate] = x509.load_pem_x509_certificates(unquote(text, errors="strict").encode("ascii"))
        return certificate.public_bytes(Encoding.DER)
    except ValueError as error:
        raise MessageError("a certificate cannot be read") from error


@lru_cache(_KNOWN)
def certificate_facts(der: bytes) -> Record:
    """What is known of a certificate. Raises MessageError."""
    try:
        return _facts(x509.load_der_x509_certificate(der), sha256(der).hexdigest())
    except (ValueError, OverflowError, x509.DuplicateExtension) as error:
        raise MessageError("a certificate cannot be read") from error


def _facts(certificate: x509.Certificate, fingerprint: str) -> Record:
    names = _names(certificate)
    facts: dict[str, Value] = {
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "serial": f"{certificate.serial_number:x}",
        "fingerprint": fingerprint,
        "uris": Set([] if names is None else names.get_values_for_type(x509.UniformResourceIdentifier)),
        "dns_names": Set([] if names is None else names.get_values_for_type(x509.DNSName)),
        "not_before": Datetime(int(certificate.not_valid_before_utc.timestamp()) * 1000),
        "not_after": Datetime(int(certificate.not_valid_after_utc.timestamp()) * 1000),
    }
    return Record(facts)


def _names(certificate: x509.Certificate) -> x509.SubjectAlternativeName | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None


@final
@dataclass(frozen=True, slots=True)
class ForwardedClient:
    """Whom a proxy forwards for, as its XFCC header says. `principal` is chosen as Envoy does: the first URI, else the
    first DNS name, else the subject; "" if it says none of them. `certificate` is DER.
    """

    principal: str
    certificate: bytes | None


_PAIR: Final = re.compile(
    r'(?P<key>[A-Za-z]+)=(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^",;]*))(?P<end>[;,]|\Z)', re.DOTALL
)
_ONCE: Final = frozenset({"hash", "cert", "chain", "subject"})
_REPEATED: Final = frozenset({"by", "uri", "dns"})


@lru_cache(_KNOWN)
def read_forwarded(text: str) -> ForwardedClient:
    """The client of an XFCC header with one element. Raises MessageError.

    With several elements it would be a guess which of them the trusted proxy wrote.
    """
    if len(text) > MAX_FORWARDED:
        raise MessageError("the header `x-forwarded-client-cert` is too long")
    said = _element(text)
    certificate = None
    if (encoded := said.get("cert")) is not None:
        certificate = read_certificate(encoded[0])
        digest = said.get("hash")
        if digest is not None and digest[0].lower() != sha256(certificate).hexdigest():
            raise MessageError("the hash in the header `x-forwarded-client-cert` is another certificate's")
    names = said.get("uri") or said.get("dns") or said.get("subject") or [""]
    return ForwardedClient(names[0], certificate)


def _element(text: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    position = 0
    while True:
        match = _PAIR.match(text, position)
        if match is None:
            raise MessageError("the header `x-forwarded-client-cert` is malformed")
        if match["end"] == ",":
            raise MessageError("the header `x-forwarded-client-cert` speaks of several clients")
        key = match["key"].lower()
        if key not in _ONCE | _REPEATED or (key in found and key not in _REPEATED):
            raise MessageError("the header `x-forwarded-client-cert` is malformed")
        bare = match["bare"]
        value = re.sub(r"\\(.)", r"\1", match["quoted"], flags=re.DOTALL) if bare is None else bare
        if not value.isprintable():
            raise MessageError("the header `x-forwarded-client-cert` holds a control character")
        if value:  # `URI=` stands for a certificate without one
            found.setdefault(key, []).append(value)
        position = match.end()
        if not match["end"]:
            return found

"""Step 2 of a request: who asks us. A caller is the gateway, sidecar or tool at the other end of a connection; for whom
it asks is another matter (`authentication`).

    mtls        it proved to have the key of a certificate that one of our client CAs issued; its names are known
    unix        it could open our socket: the rights on the file say who that is
    loopback    it is on this machine. A forwarder on this machine makes all of its clients look like this
    anonymous   anybody else

Whoever shows a certificate is known by that alone, wherever it asks from. What a caller may do is decided by policies
(`admission`).
"""

from dataclasses import dataclass, field
from enum import Enum, unique
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Final, final
from urllib.parse import unquote

from cryptography import x509

from pdp.cedar.entities import Entity
from pdp.cedar.errors import EvaluationError
from pdp.cedar.ext.ipaddr import parse as parse_ip
from pdp.cedar.values import EntityUID, IPAddr, Set, Value
from pdp.identity.certificates import BadCertificateError, workload_of

CALLER: Final = "Pdp::Caller"
"""The type of callers in policies about them."""

_REMEMBERED: Final = 4_096
"""Peers and certificates whose meaning is remembered."""

_UNREADABLE: Final = (
    *(ValueError, TypeError),
    *(x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType),
)


@unique
class Way(Enum):
    """How a caller is known."""

    MTLS = "mtls"
    UNIX = "unix"
    LOOPBACK = "loopback"
    ANONYMOUS = "anonymous"


@final
@dataclass(frozen=True, slots=True)
class Caller:
    """A caller, and what is certain of it.

    `address` is that of the connection, None for a unix socket. `user` is the one that the process at the other end of
    a unix socket runs as, None where the system does not tell. The names are those of the certificate.
    """

    way: Way
    address: IPAddr | None = None
    user: int | None = None
    spiffe_id: str = ""
    dns_names: frozenset[str] = frozenset()
    subject: str = ""
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Callers are keys, looked up with every call.
        facts = (self.way, self.address, self.user, self.spiffe_id, self.dns_names, self.subject)
        object.__setattr__(self, "_hash", hash(facts))

    def __hash__(self) -> int:
        return self._hash

    def entity(self) -> Entity:
        """The caller in policies about callers; see `pdp/engine/callers/schema.cedarschema`."""
        attributes: dict[str, Value] = {"way": self.way.value, "dns_names": Set(sorted(self.dns_names))}
        if self.address is not None:
            attributes["address"] = self.address
        if self.user is not None:
            attributes["user"] = self.user
        if self.spiffe_id:
            attributes["spiffe_id"] = self.spiffe_id
            attributes["trust_domain"] = self.spiffe_id.split("/")[2]
        if self.subject:
            attributes["subject"] = self.subject
        named = f"x509:{self.subject}" if self.way is Way.MTLS else self.way.value
        return Entity(EntityUID(CALLER, self.spiffe_id or named), attributes)


NOBODY: Final = Caller(Way.ANONYMOUS)
"""A caller of whom nothing is known, not even where it is."""


def caller_at(address: str) -> Caller:
    """The caller at an IP address. Whatever is not clearly on this machine is not."""
    try:
        found = ip_address(address)
    except ValueError:
        return NOBODY
    if isinstance(found, IPv6Address):
        # An IPv4 address in IPv6 form is the IPv4 address; a zone (`%eth0`) means nothing elsewhere.
        found = found.ipv4_mapped or IPv6Address(int(found))
    try:
        return Caller(Way.LOOPBACK if found.is_loopback else Way.ANONYMOUS, parse_ip(str(found)))
    except EvaluationError:  # longer than Cedar reads addresses, which no address in its shortest form is
        return NOBODY


def caller_of_peer(peer: str) -> Caller:
    """The caller that gRPC names `ipv4:127.0.0.1:4711`, `ipv6:%5B::1%5D:4711` or `unix:`, without a certificate."""
    return _UNIX if peer.startswith("unix:") else _caller_of_host(peer.rpartition(":")[0])


_UNIX: Final = Caller(Way.UNIX)


@lru_cache(_REMEMBERED)
def _caller_of_host(host: str) -> Caller:
    family, _, rest = host.partition(":")
    if family not in {"ipv4", "ipv6"}:
        return NOBODY
    return caller_at(unquote(rest).removeprefix("[").removesuffix("]"))


@lru_cache(_REMEMBERED)
def certified(certificate: bytes, address: IPAddr | None) -> Caller:
    """The caller that proved to have a certificate's key (DER, or PEM). One that cannot be read makes nobody known.

    It has a SPIFFE ID if the certificate is an SVID in every respect; one that only looks like it is none.
    """
    try:
        if certificate.startswith(b"-----"):
            read = x509.load_pem_x509_certificate(certificate)
        else:
            read = x509.load_der_x509_certificate(certificate)
        names, subject = _dns_names(read), read.subject.rfc4514_string()
    except _UNREADABLE:
        return Caller(Way.ANONYMOUS, address)
    try:
        spiffe_id = str(workload_of(read))
    except BadCertificateError:
        spiffe_id = ""
    return Caller(Way.MTLS, address, spiffe_id=spiffe_id, dns_names=names, subject=subject)


def _dns_names(certificate: x509.Certificate) -> frozenset[str]:
    """The DNS names of a certificate, in lower case."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset(name.lower() for name in found.get_values_for_type(x509.DNSName))

"""Authorities and certificates, made in the test that needs them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

LONG_AGO: Final = datetime(2020, 1, 1, tzinfo=UTC)
FAR_OFF: Final = datetime(2040, 1, 1, tzinfo=UTC)
PAST: Final = datetime(2021, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Issued:
    """A certificate with its key."""

    certificate: x509.Certificate
    private: Any

    @property
    def pem(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def der(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def key(self) -> bytes:
        """The private key in PEM."""
        made: bytes = self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return made

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        """Into files; their paths."""
        folder.mkdir(exist_ok=True)
        paths = (folder / f"{name}.pem", folder / f"{name}.key")
        for path, data in zip(paths, (self.pem, self.key), strict=True):
            path.write_bytes(data)
        return paths


@dataclass(frozen=True)
class Authority:
    """Issues certificates."""

    own: Issued

    @property
    def pem(self) -> bytes:
        """Its certificate."""
        return self.own.pem

    def issue(
        self,
        name: str,
        *,
        uris: tuple[str, ...] = (),
        dns: tuple[str, ...] = (),
        ips: tuple[str, ...] = (),
        begins: datetime = LONG_AGO,
        ends: datetime = FAR_OFF,
        private: Any = None,
    ) -> Issued:
        """A certificate for a subject with these names, and with a new key if none is given."""
        others: list[Any] = [
            *map(x509.UniformResourceIdentifier, uris),
            *map(x509.DNSName, dns),
            *(x509.IPAddress(ip_address(ip)) for ip in ips),
        ]
        private = private or ec.generate_private_key(ec.SECP256R1())
        builder = _builder(name, self.own.certificate.subject, private, begins, ends)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        usage = x509.KeyUsage(True, *[False] * 8)  # digital signatures, as X509-SVID demands (4.3)
        builder = builder.add_extension(usage, critical=True)
        if others:
            builder = builder.add_extension(x509.SubjectAlternativeName(others), critical=False)
        return Issued(builder.sign(self.own.private, SHA256()), private)


@cache
def authority(name: str) -> Authority:
    """An authority; one of a name in all tests."""
    return make_authority(name)


def make_authority(name: str) -> Authority:
    """An authority of its own, whoever else has the name."""
    private = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(name, _name(name), private, LONG_AGO, FAR_OFF)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
    return Authority(Issued(builder.sign(private, SHA256()), private))


@cache
def server_certificate(name: str = "pdp.example") -> Issued:
    """A server's certificate of the authority `servers`, for this machine."""
    return authority("servers").issue(name, dns=("localhost", name), ips=("127.0.0.1",))


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _builder(name: str, issuer: x509.Name, private: Any, begins: datetime, ends: datetime) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder(issuer, _name(name), private.public_key(), x509.random_serial_number())
    return builder.not_valid_before(begins).not_valid_after(ends)

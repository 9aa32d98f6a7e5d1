"""A service over real HTTP or HTTPS on this machine that answers what a test says, well or badly."""

import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from pdp.config.urls import HttpUrl


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    line: str
    headers: Mapping[str, str]
    body: bytes


Answering: TypeAlias = Callable[[socket.socket, Asked], None]
"""Writes an answer to a connection, or something else."""


@dataclass
class Service:
    """The running service. `answer` may be replaced at any time; `asked` are the requests so far."""

    port: int
    secure: bool
    answer: Answering
    asked: list[Asked] = field(default_factory=list)
    held: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str = "/keys", host: str = "127.0.0.1") -> HttpUrl:
        """An address of the service."""
        return HttpUrl(f"{'https' if self.secure else 'http'}://{host}:{self.port}{path}")


def ok(body: bytes, status: str = "200 OK", type: str = "application/json", **headers: str) -> Answering:
    """A proper answer. Underscores in names of headers stand for hyphens."""
    lines = {"Content-Type": type, "Content-Length": str(len(body))}
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return raw(f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body)


def raw(data: bytes) -> Answering:
    """These bytes, and the end."""
    return lambda connection, _: connection.sendall(data)


def held(service: "Service", then: Answering) -> Answering:
    """Waits until the test sets `service.held`, at most 20 s."""

    def answer(connection: socket.socket, asked: Asked) -> None:
        service.held.wait(20)
        then(connection, asked)

    return answer


@contextmanager
def service(answer: Answering, tls: ssl.SSLContext | None = None) -> Iterator[Service]:
    """A service that answers so, until the end of the block."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        running = Service(listening.getsockname()[1], tls is not None, answer)
        accepting = threading.Thread(target=_accept, args=(listening, running, tls))
        accepting.start()
        try:
            yield running
        finally:
            running.held.set()
            listening.shutdown(socket.SHUT_RDWR)
            accepting.join()


def _accept(listening: socket.socket, running: Service, tls: ssl.SSLContext | None) -> None:
    serving: list[threading.Thread] = []
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:  # the end of the block
            break
        serving.append(threading.Thread(target=_serve, args=(connection, running, tls)))
        serving[-1].start()
    for thread in serving:
        thread.join()


def _serve(plain: socket.socket, running: Service, tls: ssl.SSLContext | None) -> None:
    plain.settimeout(20)
    # A client that gives up, or does not trust us, is what several tests are about.
    with plain, suppress(OSError):
        connection = plain if tls is None else tls.wrap_socket(plain, server_side=True)
        with connection:
            asked = _read(connection)
            running.asked.append(asked)
            running.answer(connection, asked)


def _read(connection: socket.socket) -> Asked:
    with connection.makefile("rb") as file:
        line = file.readline().decode("latin-1").strip()
        headers: dict[str, str] = {}
        while header := file.readline().decode("latin-1").strip():
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        return Asked(line, headers, file.read(int(headers.get("content-length", "0"))))


@cache
def _authority() -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority of tests")])
    return _certificate(name, name, key, key, x509.BasicConstraints(ca=True, path_length=0)), key


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    *extensions: x509.ExtensionType,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        issuer,
        subject,
        key.public_key(),
        x509.random_serial_number(),
        now - timedelta(hours=1),
        now + timedelta(hours=1),
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
    )
    usage = x509.KeyUsage(True, *(False,) * 4, isinstance(extensions[0], x509.BasicConstraints), *(False,) * 3)
    return builder.add_extension(usage, critical=True).sign(signer, hashes.SHA256())


def trusted(folder: Path) -> Path:
    """A file with the certificate of the authority that `server_tls` is of."""
    path = folder / "ca.pem"
    path.write_bytes(_authority()[0].public_bytes(Encoding.PEM))
    return path


def server_tls(folder: Path, name: str = "127.0.0.1") -> ssl.SSLContext:
    """TLS for a server of this name, an address or a host's."""
    authority, signer = _authority()
    key = ec.generate_private_key(ec.SECP256R1())
    try:
        san: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        san = x509.DNSName(name)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a service of tests")])
    certificate = _certificate(subject, authority.subject, key, signer, x509.SubjectAlternativeName([san]))
    path = folder / f"server-{name}.pem"
    path.write_bytes(
        certificate.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context

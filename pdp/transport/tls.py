"""TLS: certificates, keys and client authorities from files, checked, and replaced while connections stay.

Both servers read the same way and speak TLS 1.2 or newer with forward secrecy and authenticated ciphers alone. A
caller's certificate is looked at when a connection is made. So no such connection is for ever: the servers ask callers
to make a new one after `MAX_AGE_SECONDS`, and a certificate that has expired, or whose authority is gone, is good for
so long at most.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Final, NoReturn, final

import grpc
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from pdp.cedar.errors import CedarError
from pdp.cedar.source import Source
from pdp.cedar.text.lexer import printable
from pdp.config.servers import TlsConfig
from pdp.documents import read_source

MAX_AGE_SECONDS: Final = 3_600
"""How long a connection lasts whose caller is known by a certificate; gRPC takes a tenth more or less."""

GRACE_SECONDS: Final = 600
"""How long calls and streams may then take to end, over gRPC."""

_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2, those that TLS 1.3 would have. TLS 1.3 has no others."""


class TlsError(CedarError):
    """A certificate, key or authority that cannot be used."""

    code = "tls"


@final
@dataclass(frozen=True, slots=True)
class Material:
    """What a server proves itself with, and by whom its callers are known: in PEM for gRPC, as a context for HTTP.
    `expires` is in seconds since 1970.
    """

    chain: bytes
    key: bytes
    client_ca: bytes | None
    context: ssl.SSLContext
    expires: int


def read_material(config: TlsConfig, now: int) -> Material:
    """The files of a configuration, at `now` (ms). Raises TlsError for what cannot be used, or not at this time."""
    chain, key = _read(config.certificate), _read(config.key)
    own = _certificates(config.certificate, chain)[0]
    try:
        private = load_pem_private_key(key, password=None)
        fits = _public(private.public_key()) == _public(own.public_key())
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        _refuse(config.key, "this is no private key in PEM that can be read", "it must not be encrypted", error)
    if not fits:
        _refuse(config.key, "this is not the key of the certificate", "replace both together")
    begins, ends = own.not_valid_before_utc.timestamp(), own.not_valid_after_utc.timestamp()
    if not begins <= now / 1000 <= ends:
        until = f"{own.not_valid_before_utc.isoformat()} to {own.not_valid_after_utc.isoformat()}"
        _refuse(config.certificate, f"the certificate is valid from {until}, which is not now", "renew it")
    client_ca = None if config.client_ca is None else _read(config.client_ca)
    if config.client_ca is not None and client_ca is not None:
        _certificates(config.client_ca, client_ca)
    return Material(chain, key, client_ca, _context(config), int(ends))


@final
class GrpcTls:
    """The TLS of a gRPC server.

    With client authorities a caller must show a certificate: gRPC for Python cannot leave that to the caller.
    """

    def __init__(self, config: TlsConfig, now: int) -> None:
        """Reads the files at `now` (ms). Raises TlsError."""
        material = read_material(config, now)
        self.expires = material.expires
        self._config = config
        self._lock = Lock()
        self._next: Any = None  # guarded by: _lock
        self.credentials: Final = grpc.dynamic_ssl_server_credentials(
            _configuration(material), self._fetch, require_client_authentication=config.client_ca is not None
        )

    def reload(self, now: int) -> None:
        """Read the files anew, for the connections to come. Raises TlsError and changes nothing."""
        material = read_material(self._config, now)
        self.expires = material.expires
        with self._lock:
            self._next = _configuration(material)

    def _fetch(self) -> Any:
        """Asked before every handshake: the new configuration, or None to go on with the one before."""
        with self._lock:
            fetched, self._next = self._next, None
        return fetched


def _configuration(material: Material) -> Any:
    return grpc.ssl_server_certificate_configuration([(material.key, material.chain)], material.client_ca)


@final
class HttpTls:
    """The TLS of an HTTP server. `context` is what `asyncio` gets."""

    def __init__(self, config: TlsConfig, now: int) -> None:
        """Reads the files at `now` (ms). Raises TlsError."""
        self._config = config
        material = read_material(config, now)
        self.expires = material.expires
        self.context: Final = _NewestContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.newest = material.context

    def reload(self, now: int) -> None:
        """Read the files anew, for the connections to come. Raises TlsError and changes nothing."""
        material = read_material(self._config, now)
        self.context.newest, self.expires = material.context, material.expires


class _NewestContext(ssl.SSLContext):
    """Makes every connection by the newest context: what was loaded into a context can never be taken out of it."""

    newest: ssl.SSLContext

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        """What `asyncio` calls for a connection."""
        return self.newest.wrap_bio(*args, **kwargs)


def _context(config: TlsConfig) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    # A session that is taken up again is not verified again: a client authority would go on after its removal.
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    try:
        context.load_cert_chain(config.certificate, config.key, password="")
        if config.client_ca is not None:
            context.load_verify_locations(config.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED if config.require_client_certificate else ssl.CERT_OPTIONAL
    except (ssl.SSLError, OSError) as error:
        _refuse(config.certificate, "the certificate cannot be used for TLS", "is its key too short?", error)
    return context


def _read(path: Path) -> bytes:
    return read_source(path, TlsError).text.encode()


def _certificates(path: Path, data: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError as error:
        _refuse(path, "this holds no certificates in PEM that can be read", "it begins `-----BEGIN CERTIFICATE`", error)


def _public(key: Any) -> bytes:
    encoded: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded


def _refuse(path: Path, message: str, help: str, cause: Exception | None = None) -> NoReturn:
    # The text of the file is left out: an error must not show a key.
    raise TlsError(message, source=Source(printable(str(path)), ""), help=help) from cause

"""One HTTP request to a service that is named in the configuration, with everything about it bounded.

    time        one deadline for all of it: connecting, TLS, sending, and reading to the last byte
    size        the body by `most`; the status line and the headers by `http.client` (64 KiB a line, 100 headers)
    place       the address that is configured, and no other: no redirects, no proxies of the environment
    content     as it is: a compressed body could be far longer than it looks, and is refused
    TLS         1.2 or later, the certificate verified for the host, by the system's authorities or a given file

The answer's bytes are not believed to be anything. Names are resolved by the system, in its own time: who must not wait
for that asks from another thread.
"""

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, unique
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from io import BufferedReader, RawIOBase
from pathlib import Path
from time import monotonic
from typing import Final, final

from pdp.cedar.errors import CedarError
from pdp.config.urls import HttpUrl
from pdp.documents import read_source

_CHUNK: Final = 64 * 1024


@unique
class FetchFault(Enum):
    """Why there is no answer: a closed list, fit for a metric label."""

    CONNECTION = "connection"
    """No address, nobody there, or cut off before the end."""
    TLS = "tls"
    """No TLS, or a certificate that is not the host's."""
    TIMEOUT = "timeout"
    HTTP = "http"
    """Not HTTP, or a body that is compressed or shorter than announced."""
    REDIRECT = "redirect"
    UNAVAILABLE = "unavailable"
    """The server says that it cannot answer now: a status from 500 on, or 429."""
    STATUS = "status"
    """Another status than the expected ones."""
    TOO_LONG = "too_long"
    CONTENT = "content"
    """A body that is not what was asked for."""


@final
class FetchError(CedarError):
    """No answer that could be used. The message says why and repeats nothing of the answer."""

    code = "fetch"

    def __init__(self, message: str, fault: FetchFault) -> None:
        super().__init__(message)
        self.fault = fault


class TrustError(CedarError):
    """A file of certificates that cannot be used."""

    code = "trust"


@final
@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What is asked."""

    url: HttpUrl
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    """Sent by POST; None asks by GET."""


@final
@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What came back: the names of headers in lower case, of two with one name the first."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def load_trust(ca: Path | None) -> ssl.SSLContext:
    """Whom to believe that a server is who it says: the certificates of a file, or the system's. Raises TrustError."""
    if ca is None:
        return ssl.create_default_context()
    source = read_source(ca, TrustError, "`ca` names a file of certificates in PEM")
    try:
        if source.text.strip():  # given nothing, it would take the system's
            return ssl.create_default_context(cadata=source.text)
    except (ssl.SSLError, ValueError):
        pass
    raise TrustError("no certificates in PEM can be read from this", source=source)


def fetch(request: HttpRequest, trust: ssl.SSLContext | None, timeout: int, most: int) -> HttpAnswer:
    """The answer, of at most `most` bytes, within `timeout` ms. Without `trust`, nobody is believed over TLS.

    Raises FetchError.
    """
    end = monotonic() + timeout / 1000
    try:
        with _connect(request.url, trust, end) as connection:
            return _exchange(request, _Timed(connection, end), most)
    except TimeoutError:
        raise FetchError(f"the server did not answer within {timeout} ms", FetchFault.TIMEOUT) from None
    except ssl.SSLCertVerificationError as error:
        reason = error.verify_message.rstrip(".")
        raise FetchError(f"the server's certificate is refused: {reason}", FetchFault.TLS) from None
    except ssl.SSLError:
        raise FetchError("the server does not speak TLS as it is spoken here", FetchFault.TLS) from None
    except HTTPException:
        raise FetchError("the server does not speak HTTP as it is read here", FetchFault.HTTP) from None
    except (OSError, UnicodeError) as error:  # UnicodeError: a host name that cannot be one
        reason = (getattr(error, "strerror", None) or "no such host").lower()
        raise FetchError(f"the server cannot be reached: {reason}", FetchFault.CONNECTION) from None


def expect_ok(answer: HttpAnswer) -> None:
    """Raises FetchError for an answer of another status than 200."""
    status = answer.status
    if status != 200:
        unavailable = status >= 500 or status == 429
        raise FetchError(
            f"the server answers with status {status}", FetchFault.UNAVAILABLE if unavailable else FetchFault.STATUS
        )


def _connect(url: HttpUrl, trust: ssl.SSLContext | None, end: float) -> socket.socket:
    """A connection to the first of the host's addresses that takes one, encrypted if the URL says so."""
    if url.secure and trust is None:
        raise FetchError("nobody is trusted yet", FetchFault.TLS)
    failure: OSError = OSError("no such host")
    for family, kind, protocol, _, address in socket.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM):
        plain = socket.socket(family, kind, protocol)
        try:
            plain.settimeout(_left(end))
            plain.connect(address)
            plain.settimeout(_left(end))
            return trust.wrap_socket(plain, server_hostname=url.host) if url.secure and trust is not None else plain
        except (TimeoutError, ssl.SSLError):
            plain.close()
            raise
        except OSError as error:
            plain.close()
            failure = error
        except BaseException:
            plain.close()
            raise
    raise failure


def _exchange(request: HttpRequest, timed: "_Timed", most: int) -> HttpAnswer:
    url = request.url
    client = (HTTPSConnection if url.secure else HTTPConnection)(url.host, url.port)
    client.sock = timed
    headers = {"Accept-Encoding": "identity", "Connection": "close", **request.headers}
    client.request("GET" if request.body is None else "POST", url.target, request.body, headers)
    with client.getresponse() as response:
        _check_status(response.status)
        if (response.getheader("Content-Encoding") or "identity").lower() != "identity":
            raise FetchError("the answer is compressed", FetchFault.HTTP)
        body = _read(response, most)
        return HttpAnswer(
            response.status, {name.lower(): value for name, value in reversed(response.getheaders())}, body
        )


def _check_status(status: int) -> None:
    if 300 <= status < 400 and status != 304:
        raise FetchError("the server redirects, which is not followed", FetchFault.REDIRECT)


def _read(response: HTTPResponse, most: int) -> bytes:
    """The whole body. `HTTPResponse.read` would take a body that was cut off for a whole one."""
    body = bytearray()
    while chunk := response.read(min(_CHUNK, most + 1 - len(body))):
        body += chunk
        if len(body) > most:
            raise FetchError(f"the answer is longer than {most} bytes", FetchFault.TOO_LONG)
    if response.length:
        raise FetchError("the answer is shorter than it says", FetchFault.HTTP)
    return bytes(body)


def _left(end: float) -> float:
    """Seconds until the deadline. Raises TimeoutError when it has passed."""
    left = end - monotonic()
    if left <= 0:
        raise TimeoutError
    return left


@final
class _Timed:
    """As much of a socket as `http.client` uses, with what is left until the deadline as the time of each step.

    A socket's own timeout begins anew with every byte: a server that sends one now and then could hold on for ever.
    """

    def __init__(self, connection: socket.socket, end: float) -> None:
        self._connection = connection
        self._end = end

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        self._connection.settimeout(_left(self._end))
        self._connection.sendall(data)

    def makefile(self, mode: str) -> BufferedReader:  # noqa: ARG002  `http.client` says "rb", and nothing else is meant
        """What is received."""
        return BufferedReader(_Received(self._connection, self._end))

    def close(self) -> None:
        """Nothing: whoever made the connection closes it."""


@final
class _Received(RawIOBase):
    def __init__(self, connection: socket.socket, end: float) -> None:
        super().__init__()
        self._connection = connection
        self._end = end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # BufferedReader gives a memoryview
        self._connection.settimeout(_left(self._end))
        return self._connection.recv_into(buffer)

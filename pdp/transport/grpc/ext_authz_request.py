"""One `envoy.service.auth.v3.CheckRequest`, read part by part: what is not asked for costs nothing.

Strict, for what policies see must be what the upstream gets:

    headers     names in lower case, lines as they came (`encode_raw_headers`). Envoy's other form joins the lines of a
                header with commas: there, a value with a comma may be two, and is refused where one is asked for
    query       `a=1&b=2`, %-escapes and `+` decoded once, as UTF-8. Refused where a parameter is asked for: a `;`,
                which some servers take for `&`; an invalid escape; an asked name in other letters (`Page` for `page`)
    body        whole, or refused or absent as configured. A body that Envoy did not send is refused, not empty
    client      the connection's other end; of a trusted proxy, whom its `x-forwarded-client-cert` names

Nothing is repaired. Whatever is refused is a deny.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, final
from urllib.parse import unquote_to_bytes

from envoy.service.auth.v3 import external_auth_pb2
from google.protobuf.message import DecodeError

from pdp.config.ext_authz import BodyConfig, ExtAuthzConfig
from pdp.transport.errors import MessageError
from pdp.transport.http_request import MAX_QUERY, Headers, values_of
from pdp.transport.peer_certificates import ForwardedClient, read_certificate, read_forwarded

PARTIAL: Final = "x-envoy-auth-partial-body"
"""Envoy's own header: `true` if the body goes on. It is there whenever Envoy sends a body along."""

FORWARDED: Final = "x-forwarded-client-cert"

_MAX_PARAMETERS: Final = 256
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


def parse(data: bytes) -> Any:
    """The message in the bytes. Raises MessageError."""
    try:
        return external_auth_pb2.CheckRequest.FromString(data)
    except DecodeError as error:
        raise MessageError("the request is not an `envoy.service.auth.v3.CheckRequest`") from error


def read_headers(http: Any) -> list[tuple[str, str]]:
    """All headers of the HTTP request, names in lower case, repeated ones repeated.

    Envoy fills `headers` (merged) or, with `encode_raw_headers`, `header_map` (as they came, with bytes as values).
    """
    merged = [(name.lower(), value) for name, value in http.headers.items()]
    raw = [
        (header.key.lower(), header.value or header.raw_value.decode("latin-1")) for header in http.header_map.headers
    ]
    return merged + raw


@final
class AskedRequest:
    """A request that Envoy asks about. `attributes` is the message's part of that name."""

    __slots__ = ("_body", "_client", "_parameters", "attributes", "config", "headers", "http")

    def __init__(self, attributes: Any, config: ExtAuthzConfig) -> None:
        self.attributes: Final = attributes
        self.config: Final = config
        self.http: Final = attributes.request.http
        self.headers: Final[Headers] = read_headers(self.http)
        self._parameters: list[tuple[str, str]] | None = None
        self._body: tuple[bytes, bool] | None = None
        self._client: tuple[ForwardedClient | None] | None = None

    def header(self, name: str) -> list[str]:
        """The values of a header, line by line. Raises MessageError."""
        merged = [value for known, value in self.http.headers.items() if known.lower() == name]
        if any("," in value for value in merged):
            raise MessageError(
                f"the header `{name}` may have been sent more than once", help="set `encode_raw_headers` in Envoy"
            )
        raw = [_text(header) for header in self.http.header_map.headers if header.key.lower() == name]
        return [_plain(value, f"the header `{name}`") for value in merged + raw]

    def parameter(self, name: str) -> list[str]:
        """The values of a query parameter. Raises MessageError."""
        if self._parameters is None:
            self._parameters = read_query(self.http.path)
        found = []
        for known, value in self._parameters:
            if known == name:
                found.append(value)
            elif known.lower() == name.lower():
                raise MessageError(f"the query parameter `{name}` is written in other letters")
        return found

    @property
    def body(self) -> tuple[bytes, bool]:
        """The body, and whether it is all of it; nothing and False for a part where parts are to be absent.

        Raises MessageError.
        """
        if self._body is None:
            self._body = read_body(self.http, self.headers, self.config.body)
        return self._body

    @property
    def client_principal(self) -> str:
        """The client's principal, "" if none is known. Raises MessageError."""
        forwarded = self._forwarded()
        return str(self.attributes.source.principal) if forwarded is None else forwarded.principal

    @property
    def client_certificate(self) -> bytes | None:
        """The client's certificate (DER). Raises MessageError."""
        forwarded = self._forwarded()
        return peer_certificate(self.attributes.source) if forwarded is None else forwarded.certificate

    def _forwarded(self) -> ForwardedClient | None:
        """Whom the proxy at the other end forwards for; None where that end is the client itself."""
        if self._client is None:
            self._client = (self._read_forwarded(),)
        return self._client[0]

    def _read_forwarded(self) -> ForwardedClient | None:
        principal = self.attributes.source.principal
        if not principal or principal not in self.config.forwarders:
            return None
        values = values_of(self.headers, FORWARDED)
        if len(values) > 1:
            raise MessageError(f"the request has more than one header `{FORWARDED}`")
        if not values:
            return ForwardedClient("", None)
        client = read_forwarded(values[0])
        if client.principal == principal:
            raise MessageError(
                f"the header `{FORWARDED}` names the proxy and not its client",
                help="set `forward_client_cert_details` to `ALWAYS_FORWARD_ONLY` or `FORWARD_ONLY` in Envoy",
            )
        return client


def peer_certificate(peer: Any) -> bytes | None:
    """The certificate (DER) of one end of a connection. Raises MessageError."""
    return read_certificate(peer.certificate) if peer.certificate else None


def read_query(target: str) -> list[tuple[str, str]]:
    """The parameters of the query of a request target, in order. Raises MessageError."""
    query = target.partition("?")[2]
    if not query:
        return []
    if ";" in query or "#" in query:
        raise MessageError("the query holds a `;` or a `#`, which servers read differently", help="write %3B or %23")
    if len(query) > MAX_QUERY:
        raise MessageError(f"the query has more than {MAX_QUERY} characters")
    parts = query.split("&")
    if len(parts) > _MAX_PARAMETERS:
        raise MessageError(f"the query has more than {_MAX_PARAMETERS} parameters")
    pairs = (part.partition("=") for part in parts if part)
    return [(_unescaped(name), _unescaped(value)) for name, _, value in pairs]


def _unescaped(text: str) -> str:
    if _BAD_ESCAPE.search(text):
        raise MessageError("the query holds an invalid escape")
    try:
        decoded = unquote_to_bytes(text.replace("+", " ")).decode("utf-8")
    except UnicodeDecodeError:
        raise MessageError("the query is not UTF-8") from None
    return _plain(decoded, "the query")


def read_body(http: Any, headers: Headers, config: BodyConfig) -> tuple[bytes, bool]:
    """The body, and whether it is all of it; nothing and False for a part where parts are to be absent.

    Raises MessageError.
    """
    body = http.raw_body or http.body.encode("utf-8")
    if http.raw_body and http.body:
        raise MessageError("the request has two bodies")
    marks = values_of(headers, PARTIAL)
    if not marks and not body and _announced(headers):
        raise MessageError("the body was not sent along", help="set `with_request_body` in Envoy")
    if len(body) > config.max_bytes:
        raise MessageError(f"the body has more than {config.max_bytes} bytes")
    if any(mark != "false" for mark in marks) or _cut(body, headers):
        if config.partial == "refuse":
            raise MessageError("the body is longer than what was sent along of it")
        return b"", False
    encodings = values_of(headers, "content-encoding")
    if body and any(encoding.strip().lower() != "identity" for encoding in encodings):
        raise MessageError("the body is compressed")
    return body, True


def _announced(headers: Headers) -> bool:
    """Whether the request says that it has a body."""
    lengths = values_of(headers, "content-length")
    return any(length.strip() != "0" for length in lengths) or bool(values_of(headers, "transfer-encoding"))


def _cut(body: bytes, headers: Headers) -> bool:
    """Whether the request announces another length than the body has."""
    return any(length.strip() != str(len(body)) for length in values_of(headers, "content-length"))


def _text(header: Any) -> str:
    try:
        return str(header.value or header.raw_value.decode("utf-8"))
    except UnicodeDecodeError:
        raise MessageError(f"the header `{header.key}` is not UTF-8") from None


def _plain(text: str, what: str) -> str:
    if any(char < " " or char == "\x7f" for char in text):
        raise MessageError(f"{what} holds a control character")
    return text


def content_type(headers: Headers) -> Mapping[str, str]:
    """The media type of the body under `""`, and its parameters, all in lower case. Raises MessageError."""
    values = values_of(headers, "content-type")
    if len(values) > 1:
        raise MessageError("the request has more than one header `content-type`")
    media, *parameters = (part.strip().lower() for part in (values[0] if values else "").split(";"))
    named = (parameter.partition("=") for parameter in parameters if parameter)
    return {"": media, **{name.strip(): value.strip().strip('"') for name, _, value in named}}

"""What is believed of an HTTP request that a proxy asks about, at every door that proxies use.

subject    the token in `authorization`, verified, with what proves that the client may use it: its `DPoP` proofs and,
           from the proxy, its certificate. Everything else among the headers is the client's word.
action,    the inventory's, by method, host and path
resource
context    what the door makes of the request for this action; `api` is the inventory's
device     the one that the token is bound to
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Final, TypeAlias, final

from pdp.cedar.errors import EvaluationError
from pdp.cedar.ext.ipaddr import parse as parse_ip
from pdp.cedar.values import EntityUID, IPAddr, Record, Value
from pdp.engine.decider import CheckRequest
from pdp.identity.presented import Presented, Scheme
from pdp.identity.subject import Subject
from pdp.transport.authentication import Authentication
from pdp.transport.errors import MessageError, NotReady
from pdp.transport.inventory import Inventory

Headers: TypeAlias = Sequence[tuple[str, str]]
"""All headers of a request, names in lower case, repeated ones repeated."""

MAX_QUERY: Final = 64 * 1024
"""Characters of a query that are read, where one is read at all: what proxies themselves allow for all headers."""

_MAX_IP: Final = 128
"""Characters in an address, with a zone: what is longer is none, and must not fill the memory of those that are known.
"""

_AUTHORIZATION: Final = re.compile(r"(bearer|dpop) +([A-Za-z0-9\-._~+/]+=*) *", re.IGNORECASE)
"""`Authorization` of RFC 6750, section 2.1, and RFC 9449, section 7.1. A comma is in no token: headers that a proxy
merged do not match."""

_SCHEMES: Final = {scheme.value.lower(): scheme for scheme in Scheme}

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
"""Forms of `x-request-id` that decisions are known by; any other is replaced."""


@final
@dataclass(frozen=True, slots=True)
class ProxiedRequest:
    """An HTTP request that a proxy holds back until it is told what to do with it.

    `path` may have a query. `context` gives what policies see of it, by its action; it may raise CallRefused. `scheme`
    is that of the client's own request. `certificate` is the one (DER) that the client's TLS session was authenticated
    with: the proxy's own word, out of a client's reach. `vouch` says who a client is that has one and shows no token;
    None where that is nobody.
    """

    method: str
    host: str
    path: str
    headers: Headers
    context: Callable[[EntityUID], dict[str, Value]]
    scheme: str = ""
    certificate: bytes = b""
    vouch: Callable[[Presented], Subject] | None = None


def read_question(
    http: ProxiedRequest, routes: Inventory | None, authentication: Authentication, request_id: str
) -> CheckRequest:
    """The question whether the request may go on. Raises CallRefused."""
    if not http.method or not http.path:
        raise MessageError("the request describes no HTTP request")
    for part in (http.method, http.host, http.path):
        if not part.isprintable():
            raise MessageError("the method, host or path holds a control character")
    if routes is None:
        raise NotReady("the decision point has not loaded its routes yet")
    subject = _subject(http, authentication)
    route = routes.match(http.method, http.host, http.path)
    context = http.context(route.action)
    if route.api.fields:
        context["api"] = route.api
    return CheckRequest(
        subject=subject,
        action=route.action,
        resource=route.resource,
        context=Record(context),
        request_id=request_id,
    )


def proxy_context(region: str | None, address: str) -> dict[str, Value]:
    """The context of any action: a region that a proxy names, and the client's address, given as text. What is no IP
    address says nothing.
    """
    context: dict[str, Value] = {}
    if region is not None:
        context["region"] = region
    if (ip := read_ip(address)) is not None:
        context["ip"] = ip
    return context


def values_of(headers: Headers, name: str) -> list[str]:
    """The values of a header, its name given in lower case."""
    return [value for known, value in headers if known == name]


def _subject(http: ProxiedRequest, authentication: Authentication) -> Subject:
    if http.vouch is not None and http.certificate and not values_of(http.headers, "authorization"):
        return http.vouch(Presented(certificate=http.certificate))
    return authentication.by_credential(_presented(http, authentication))


def _presented(http: ProxiedRequest, authentication: Authentication) -> Presented:
    scheme, token = _read_token(http.headers, authentication)
    return Presented(
        token,
        scheme,
        proofs=tuple(values_of(http.headers, "dpop")),
        method=http.method,
        url=f"{http.scheme}://{http.host}{http.path}",
        certificate=http.certificate,
    )


def read_bearer(headers: Headers, authentication: Authentication) -> str:
    """The one bearer token. Raises Unauthenticated."""
    scheme, token = _read_token(headers, authentication)
    if scheme is not Scheme.BEARER:
        raise authentication.malformed()
    return token


def _read_token(headers: Headers, authentication: Authentication) -> tuple[Scheme, str]:
    """The one token, and how it is said to be used. Raises Unauthenticated; two headers are refused whatever they hold,
    for the upstream might read the other one.
    """
    values = values_of(headers, "authorization")
    if not values:
        raise authentication.missing()
    match = _AUTHORIZATION.fullmatch(values[0]) if len(values) == 1 else None
    if match is None:
        raise authentication.malformed()
    return _SCHEMES[match[1].lower()], match[2]


def read_scheme(headers: Headers) -> Scheme:
    """How a token is said to be used; Bearer where none is."""
    values = values_of(headers, "authorization")
    match = _AUTHORIZATION.fullmatch(values[0]) if len(values) == 1 else None
    return Scheme.BEARER if match is None else _SCHEMES[match[1].lower()]


def read_request_id(headers: Headers) -> str | None:
    """The request's own id, if it has exactly one, of a form that is safe to repeat everywhere."""
    values = values_of(headers, "x-request-id")
    return values[0] if len(values) == 1 and _REQUEST_ID.fullmatch(values[0]) else None


def read_ip(text: str) -> IPAddr | None:
    """The client's address as a Cedar ipaddr; None when it is not an IP address (a unix socket, nothing at all).

    An IPv4 address in IPv6 form (`::ffff:192.0.2.1`) becomes the IPv4 address, or it would slip past a policy about
    the network that it belongs to. A zone (`%eth0`) means nothing elsewhere and is dropped.
    """
    return _known_ip(text) if len(text) <= _MAX_IP else None


@lru_cache(maxsize=4096)
def _known_ip(text: str) -> IPAddr | None:
    try:
        address = ip_address(text)
        if isinstance(address, IPv6Address):
            address = address.ipv4_mapped or IPv6Address(int(address))
        return parse_ip(str(address))
    except (ValueError, EvaluationError):
        return None


def header_names(headers: Headers) -> Iterable[str]:
    """The names of the headers that came, in lower case."""
    return (name for name, _ in headers)

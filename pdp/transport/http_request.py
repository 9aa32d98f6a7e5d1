"""What is believed of an HTTP request that a proxy asks about, at every door that proxies use.

subject    the bearer token in `authorization`, verified. Everything else among the headers is the client's word.
action,    the inventory's, by method, host and path
resource
region,    the proxy's own word, if the door has a way for it that no client can reach
ip
device     the one that the token is bound to
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Final, TypeAlias, final

from pdp.cedar.errors import EvaluationError
from pdp.cedar.ext.ipaddr import parse as parse_ip
from pdp.cedar.values import IPAddr, Record, Value
from pdp.engine.decider import CheckRequest
from pdp.inventory.routes import RouteTable
from pdp.transport.authentication import Authentication
from pdp.transport.errors import MessageError, NotReady

Headers: TypeAlias = Sequence[tuple[str, str]]
"""All headers of a request, names in lower case, repeated ones repeated."""

_BEARER: Final = re.compile(r"bearer +([A-Za-z0-9\-._~+/]+=*) *", re.IGNORECASE)
"""`Authorization` of RFC 6750, section 2.1. A comma is in no token: headers that a proxy merged do not match."""

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
"""Forms of `x-request-id` that decisions are known by; any other is replaced."""


@final
@dataclass(frozen=True, slots=True)
class ProxiedRequest:
    """An HTTP request that a proxy holds back until it is told what to do with it.

    `path` may have a query. `address` is the client's, as text; what is no IP address says nothing.
    """

    method: str
    host: str
    path: str
    headers: Headers
    region: str | None
    address: str


def read_question(
    http: ProxiedRequest, routes: RouteTable | None, authentication: Authentication, request_id: str
) -> CheckRequest:
    """The question whether the request may go on. Raises MessageError, NotReady, Unauthenticated."""
    if not http.method or not http.path:
        raise MessageError("the request describes no HTTP request")
    for part in (http.method, http.host, http.path):
        if not part.isprintable():
            raise MessageError("the method, host or path holds a control character")
    if routes is None:
        raise NotReady("the decision point has not loaded its routes yet")
    subject = authentication.by_token(read_bearer(http.headers, authentication))
    route = routes.match(http.method, http.host, http.path)
    context: dict[str, Value] = {}
    if http.region is not None:
        context["region"] = http.region
    if (address := read_ip(http.address)) is not None:
        context["ip"] = address
    return CheckRequest(
        subject=subject,
        action=route.action,
        resource=route.resource,
        context=Record(context),
        request_id=request_id,
    )


def values_of(headers: Headers, name: str) -> list[str]:
    """The values of a header, its name given in lower case."""
    return [value for known, value in headers if known == name]


def read_bearer(headers: Headers, authentication: Authentication) -> str:
    """The one bearer token. Raises Unauthenticated; two headers are refused whatever they hold, for the upstream might
    read the other one.
    """
    values = values_of(headers, "authorization")
    if not values:
        raise authentication.missing()
    match = _BEARER.fullmatch(values[0]) if len(values) == 1 else None
    if match is None:
        raise authentication.malformed()
    return match[1]


def read_request_id(headers: Headers) -> str | None:
    """The request's own id, if it has exactly one, of a form that is safe to repeat everywhere."""
    values = values_of(headers, "x-request-id")
    return values[0] if len(values) == 1 and _REQUEST_ID.fullmatch(values[0]) else None


def read_ip(text: str) -> IPAddr | None:
    """The client's address as a Cedar ipaddr; None when it is not an IP address (a unix socket, nothing at all).

    An IPv4 address in IPv6 form (`::ffff:192.0.2.1`) becomes the IPv4 address, or it would slip past a policy about
    the network that it belongs to. A zone (`%eth0`) means nothing elsewhere and is dropped.
    """
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

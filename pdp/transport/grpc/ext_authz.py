"""Envoy's `envoy.service.auth.v3.Authorization/Check`: an HTTP request becomes a question.

What is believed, and why:

    subject    the bearer token in `authorization`, verified. Everything else among the headers is the client's word.
    action,    the inventory's, by method, host and path
    resource
    region     `context_extensions["region"]`: set per route by Envoy's operator, not reachable for a client
    ip         `source.address`: the other end of Envoy's connection, or what it was told by the PROXY protocol. Envoy's
               `xff_num_trusted_hops` does not apply: behind another HTTP proxy, this is that proxy's address
    device     the one that the token is bound to

Settings that this door relies on (all, and why, in deploy/envoy/README.md): `failure_mode_allow: false`, a route
for every request, path normalisation, and `max_request_bytes` well below gRPC's message limit of 4 MiB if bodies are
sent along: a larger message is refused by gRPC itself, with a gRPC error.
"""

import re
from collections.abc import Callable, Collection
from ipaddress import IPv6Address, ip_address
from typing import Any, Final, final

from envoy.service.auth.v3 import external_auth_pb2
from google.protobuf.message import DecodeError

from pdp.cedar.errors import EvaluationError
from pdp.cedar.ext.ipaddr import parse as parse_ip
from pdp.cedar.response import Decision
from pdp.cedar.values import IPAddr, Record, Value
from pdp.engine.decider import CheckRequest, Decider, ReasonClass, Verdict, deny
from pdp.inventory.routes import RouteTable
from pdp.transport.authentication import Authentication
from pdp.transport.errors import CallRefused, MessageError, NotReady, Unauthenticated
from pdp.transport.grpc import ext_authz_reply as replies
from pdp.transport.request_ids import new_request_id

NAME: Final = "envoy.service.auth.v3.Authorization"
"""The full name of the service, for the method path, health and reflection."""

LAST_RESORT: Final = replies.denied(
    deny(ReasonClass.INTERNAL, "the decision point failed; the request is denied"), ""
).SerializeToString()
"""The answer when no answer could be made. An empty message would be an allow: its status code 0 means OK."""

_BEARER: Final = re.compile(r"bearer +([A-Za-z0-9\-._~+/]+=*) *", re.IGNORECASE)
"""`Authorization` of RFC 6750, section 2.1. A comma is in no token: headers that a proxy merged do not match."""

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
"""Forms of `x-request-id` that are repeated; any other is replaced."""


@final
class ExtAuthz:
    """Answers Envoy's `Check`.

    `routes` is None until the inventory is loaded and is replaced whole when it changes. `policy_headers` gives the
    names of all headers that any loaded policy may set.
    """

    def __init__(
        self, decider: Decider, authentication: Authentication, policy_headers: Callable[[], Collection[str]]
    ) -> None:
        self.routes: RouteTable | None = None
        self._decider = decider
        self._authentication = authentication
        self._policy_headers = policy_headers

    def check(self, data: bytes, peer: str) -> tuple[Verdict, bytes]:  # noqa: ARG002 - the port of every adapter
        """The verdict on a serialized CheckRequest and its serialized CheckResponse."""
        headers: list[tuple[str, str]] = []
        request_id = new_request_id()
        shown = True
        try:
            attributes = _parse(data).attributes
            headers = read_headers(attributes.request.http)
            request_id = _request_id(headers) or request_id
            request = self._question(attributes, headers, request_id)
            verdict = self._decider.decide(request)
            if verdict.decision is Decision.ALLOW:
                client_names = [name for name, _ in headers]
                removable = self._policy_headers()
                reply = replies.allowed(verdict, request.subject.uid, request_id, client_names, removable)
                return verdict, reply.SerializeToString()
        except replies.Unfulfillable as error:
            verdict = error.verdict()
        except CallRefused as error:
            verdict = error.verdict()
            shown = not isinstance(error, Unauthenticated) or error.shown
        return verdict, replies.denied(verdict, request_id, credential_shown=shown).SerializeToString()

    def _question(self, attributes: Any, headers: list[tuple[str, str]], request_id: str) -> CheckRequest:
        http = attributes.request.http
        if not http.method or not http.path:
            raise MessageError("the request describes no HTTP request")
        for part in (http.method, http.host, http.path):
            if not part.isprintable():
                raise MessageError("the method, host or path holds a control character")
        routes = self.routes
        if routes is None:
            raise NotReady("the decision point has not loaded its routes yet")
        subject = self._authentication.by_token(self._bearer(headers))
        route = routes.match(http.method, http.host, http.path)
        context: dict[str, Value] = {}
        if "region" in attributes.context_extensions:
            context["region"] = attributes.context_extensions["region"]
        if (address := read_ip(attributes.source.address.socket_address.address)) is not None:
            context["ip"] = address
        return CheckRequest(
            subject=subject,
            action=route.action,
            resource=route.resource,
            context=Record(context),
            request_id=request_id,
        )

    def _bearer(self, headers: list[tuple[str, str]]) -> str:
        """The one bearer token. Raises Unauthenticated; two headers are refused whatever they hold, for the upstream
        might read the other one.
        """
        values = [value for name, value in headers if name == "authorization"]
        if not values:
            raise self._authentication.missing()
        match = _BEARER.fullmatch(values[0]) if len(values) == 1 else None
        if match is None:
            raise self._authentication.malformed()
        return match[1]


def _parse(data: bytes) -> Any:
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


def _request_id(headers: list[tuple[str, str]]) -> str | None:
    values = [value for name, value in headers if name == "x-request-id"]
    return values[0] if len(values) == 1 and _REQUEST_ID.fullmatch(values[0]) else None

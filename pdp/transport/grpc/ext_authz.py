"""Envoy's `envoy.service.auth.v3.Authorization/Check`: an HTTP request becomes a question.

What is believed stands in `http_request`. What Envoy says of its own:

    region     `context_extensions["region"]`: set per route by Envoy's operator, not reachable for a client
    ip         `source.address`: the other end of Envoy's connection, or what it was told by the PROXY protocol. Envoy's
               `xff_num_trusted_hops` does not apply: behind another HTTP proxy, this is that proxy's address

Settings that this door relies on (all, and why, in deploy/envoy/README.md): `failure_mode_allow: false`, a route
for every request, path normalisation, and `max_request_bytes` well below gRPC's message limit of 4 MiB if bodies are
sent along: a larger message is refused by gRPC itself, with a gRPC error.
"""

from collections.abc import Callable, Collection
from typing import Any, Final, final

from envoy.service.auth.v3 import external_auth_pb2
from google.protobuf.message import DecodeError

from pdp.cedar.response import Decision
from pdp.engine.decider import CheckRequest, Decider, ReasonClass, Verdict, deny
from pdp.inventory.routes import RouteTable
from pdp.transport.authentication import Authentication
from pdp.transport.errors import CallRefused, MessageError, Unauthenticated
from pdp.transport.grpc import ext_authz_reply as replies
from pdp.transport.http_reply import Unfulfillable
from pdp.transport.http_request import Headers, ProxiedRequest, header_names, read_question, read_request_id
from pdp.transport.request_ids import new_request_id

NAME: Final = "envoy.service.auth.v3.Authorization"
"""The full name of the service, for the method path, health and reflection."""

LAST_RESORT: Final = replies.denied(
    deny(ReasonClass.INTERNAL, "the decision point failed; the request is denied"), ""
).SerializeToString()
"""The answer when no answer could be made. An empty message would be an allow: its status code 0 means OK."""


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
        headers: Headers = ()
        request_id = new_request_id()
        shown = True
        try:
            attributes = _parse(data).attributes
            headers = read_headers(attributes.request.http)
            request_id = read_request_id(headers) or request_id
            request = self._question(attributes, headers, request_id)
            verdict = self._decider.decide(request)
            if verdict.decision is Decision.ALLOW:
                removable = self._policy_headers()
                reply = replies.allowed(verdict, request.subject.uid, request_id, header_names(headers), removable)
                return verdict, reply.SerializeToString()
        except Unfulfillable as error:
            verdict = error.verdict()
        except CallRefused as error:
            verdict = error.verdict()
            shown = not isinstance(error, Unauthenticated) or error.shown
        return verdict, replies.denied(verdict, request_id, credential_shown=shown).SerializeToString()

    def _question(self, attributes: Any, headers: Headers, request_id: str) -> CheckRequest:
        http = attributes.request.http
        proxied = ProxiedRequest(
            http.method,
            http.host,
            http.path,
            headers,
            attributes.context_extensions.get("region"),
            attributes.source.address.socket_address.address,
        )
        return read_question(proxied, self.routes, self._authentication, request_id)


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

"""Forward authentication: a proxy asks, for each request, with a request of its own, and goes by the status.

    /forward-auth/traefik   X-Forwarded-Method, -Host, -Uri, -For    Traefik ForwardAuth, and APISIX `forward-auth`
    /forward-auth/nginx     X-Original-Method, -Host, -URI, -IP      NGINX `auth_request`; the configuration sets them

These headers *are* the request that is judged, so they are believed from the configured proxies alone. A client can
send them, too. Each path therefore reads its own family and no other one, for a proxy replaces what it knows of and
passes on the rest; and all of a family must be there, exactly once, so that a line that is missing in a proxy's
configuration is seen with the first request and not filled in by a client.

The query parameter `region` becomes `context.region`: it is part of the address that the proxy's configuration gives,
out of a client's reach. What else is believed stands in `http_request`.

The answer is 200, 401 or 403 and nothing else: NGINX makes a 500 of any other status, and Traefik an allow of any 2xx.
With an allow come the headers for the upstream (`http_reply`), of which a proxy passes on those that it is told to. A
policy's header that no proxy was told of would be lost, so an allow that needs one is a deny. Nor can a proxy be told
to remove a header that we do not set: a request that brings one of our names along is denied.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, final
from urllib.parse import parse_qsl

from pdp.cedar.response import Decision
from pdp.config.doors import ForwardAuthConfig
from pdp.engine.decider import Decider, ReasonClass, Verdict, deny
from pdp.inventory.routes import RouteTable
from pdp.transport.authentication import Authentication
from pdp.transport.errors import CallRefused, MessageError, Unauthenticated
from pdp.transport.header_obligations import KIND
from pdp.transport.http.endpoint import Answered, HttpAsk, HttpReply
from pdp.transport.http_reply import (
    OWN_HEADERS,
    Unfulfillable,
    challenge,
    denial_body,
    forged_headers,
    step_up,
    upstream_headers,
)
from pdp.transport.http_request import (
    Headers,
    ProxiedRequest,
    header_names,
    read_question,
    read_request_id,
    values_of,
)
from pdp.transport.request_ids import new_request_id


class UntrustedProxy(CallRefused):
    """Forwarded headers from somebody who is no proxy of ours."""

    code = "call_untrusted_proxy"
    reason = ReasonClass.UNAUTHENTICATED


class ForgedHeaders(CallRefused):
    """A client brought along headers that only we may set."""

    code = "call_forged_headers"
    reason = ReasonClass.INVALID_REQUEST


@final
@dataclass(frozen=True, slots=True)
class Family:
    """The headers by which one kind of proxy describes a request, in lower case."""

    path: str
    method: str
    host: str
    uri: str
    address: str


TRAEFIK: Final = Family(
    "/forward-auth/traefik", "x-forwarded-method", "x-forwarded-host", "x-forwarded-uri", "x-forwarded-for"
)
NGINX: Final = Family("/forward-auth/nginx", "x-original-method", "x-original-host", "x-original-uri", "x-original-ip")
FAMILIES: Final = (TRAEFIK, NGINX)


@final
class ForwardAuth:
    """Answers the proxies of one family.

    `routes` is None until the inventory is loaded and is replaced whole when it changes. `policy_headers` gives the
    names of all headers that any loaded policy may set.
    """

    def __init__(
        self,
        family: Family,
        config: ForwardAuthConfig,
        decider: Decider,
        authentication: Authentication,
        policy_headers: Callable[[], Collection[str]],
    ) -> None:
        self.routes: RouteTable | None = None
        self._family = family
        self._proxies = config.proxies
        self._passed_on = frozenset(config.headers)
        self._decider = decider
        self._authentication = authentication
        self._policy_headers = policy_headers

    def check(self, ask: HttpAsk) -> Answered:
        """The answer to a proxy."""
        request_id = read_request_id(ask.headers) or new_request_id()
        status, shown = None, True
        try:
            self._refuse_untrusted(ask.address)
            self._refuse_forged(ask.headers)
            request = read_question(self._proxied(ask), self.routes, self._authentication, request_id)
            verdict = self._decider.decide(request)
            if verdict.decision is Decision.ALLOW:
                self._refuse_unknown_headers(verdict)
                headers = upstream_headers(verdict, request.subject.uid)
                return Answered((verdict,), HttpReply(200, {**headers, "cache-control": "no-store"}, b""))
        except CallRefused as error:
            verdict = error.verdict()
            shown = not isinstance(error, Unauthenticated) or error.shown
            status = 403 if isinstance(error, UntrustedProxy) else None
        return Answered((verdict,), denied(verdict, request_id, credential_shown=shown, status=status))

    def _refuse_untrusted(self, address: str) -> None:
        if not is_within(address, self._proxies):
            raise UntrustedProxy("forwarded headers are not accepted from this address")

    def _refuse_forged(self, headers: Headers) -> None:
        reserved = OWN_HEADERS | self._passed_on | frozenset(self._policy_headers())
        if forged_headers(header_names(headers), reserved):
            raise ForgedHeaders("the request holds a header that only the decision point may set")

    def _refuse_unknown_headers(self, verdict: Verdict) -> None:
        for duty in verdict.obligations:
            if duty.kind == KIND and duty.argument.partition("=")[0] not in self._passed_on:
                raise Unfulfillable(verdict, duty, "sets a header that the proxies do not pass on")

    def _proxied(self, ask: HttpAsk) -> ProxiedRequest:
        family = self._family
        # What is last was written by the proxy that asks; what stands before it, by whoever came through it.
        address = self._one(ask.headers, family.address).rpartition(",")[2].strip()
        return ProxiedRequest(
            self._one(ask.headers, family.method),
            self._one(ask.headers, family.host),
            self._one(ask.headers, family.uri),
            ask.headers,
            _region(ask.query),
            address,
        )

    def _one(self, headers: Headers, name: str) -> str:
        values = values_of(headers, name)
        if len(values) != 1:
            raise MessageError(f"the request has not exactly one header `{name}`", help="the proxy must set it")
        return values[0]


def _region(query: str) -> str | None:
    """The region that the address of the door names. Raises MessageError for any other parameter: one that is
    misspelt would be missing without a trace.
    """
    parameters = parse_qsl(query, keep_blank_values=True)
    if not parameters:
        return None
    if len(parameters) != 1 or parameters[0][0] != "region" or not parameters[0][1]:
        raise MessageError("the query of the door's address is not `region=` and a region")
    return parameters[0][1]


def is_within(address: str, networks: Collection[IPv4Network | IPv6Network]) -> bool:
    """Whether an address is in one of the networks; an IPv4 address in IPv6 form is the IPv4 address."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any(found in network for network in networks)


def denied(verdict: Verdict, request_id: str, *, credential_shown: bool = True, status: int | None = None) -> HttpReply:
    """A deny: 401 with a challenge where authentication would help, else 403. `status` says it otherwise."""
    demand = challenge(verdict, shown=credential_shown)
    if status is None:
        status = 401 if step_up(verdict) or verdict.reason is ReasonClass.UNAUTHENTICATED else 403
    headers: Mapping[str, str] = {"content-type": "application/json", "cache-control": "no-store"}
    if status == 401 and demand is not None:
        headers = {**headers, "www-authenticate": demand}
    return HttpReply(status, headers, denial_body(verdict, request_id).encode("ascii"))


LAST_RESORT: Final = denied(deny(ReasonClass.INTERNAL, "the decision point failed; the request is denied"), "")
"""The answer when no answer could be made."""

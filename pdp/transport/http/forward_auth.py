"""Forward authentication: a proxy asks, for each request, with a request of its own, and goes by the status.

    /forward-auth/traefik   X-Forwarded-Method, -Proto, -Host, -Uri, -For
                            Traefik ForwardAuth, and APISIX `forward-auth`
    /forward-auth/nginx     X-Original-Method, -Scheme, -Host, -URI, -IP, -Client
                            NGINX `auth_request`; the configuration sets them. The last one is `cert=` and, if the
                            client has one, its certificate (PEM, percent-encoded), to which tokens may be bound

These headers *are* the request that is judged, so whoever may ask here, as policies about callers say, can ask about
any. A client can send them, too. Each path therefore reads its own family and no other one, for a proxy replaces what
it knows of and passes on the rest; and all of a family must be there, exactly once, so that a line that is missing in a
proxy's configuration is seen with the first request and not filled in by a client.

The query parameter `region` becomes `context.region`: it is part of the address that the proxy's configuration gives,
out of a client's reach. What else is believed stands in `http_request`.

The answer is 200, 401 or 403 and nothing else: NGINX makes a 500 of any other status, and Traefik an allow of any 2xx.
With an allow come the headers for the upstream (`http_reply`), of which a proxy passes on those that it is told to. A
policy's header that no proxy was told of would be lost, so an allow that needs one is a deny. Nor can a proxy be told
to remove a header that we do not set: a request that brings one of our names along is denied. NGINX drops the body of
our answer, so what a client is to be told goes in a header, too, `X-PDP-Denial`.
"""

import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, final
from urllib.parse import parse_qsl, unquote

from pdp.cedar.response import Decision
from pdp.config.doors import ForwardAuthConfig
from pdp.engine.decider import Decider, ReasonClass, Verdict, deny
from pdp.identity.presented import Scheme
from pdp.telemetry.observing import note_request
from pdp.transport.admission import REFUSED
from pdp.transport.authentication import Authentication
from pdp.transport.challenges import Challenge
from pdp.transport.errors import CallRefused, MessageError, Unauthenticated
from pdp.transport.http.endpoint import Answered, HttpAsk, HttpReply
from pdp.transport.http_obligations import HEADER_KINDS, PolicyNames
from pdp.transport.http_reply import (
    OWN_HEADERS,
    ForgedQuery,
    Unfulfillable,
    challenge,
    denial_body,
    forged_headers,
    forged_parameters,
    step_up,
    upstream_headers,
)
from pdp.transport.http_request import (
    Headers,
    ProxiedRequest,
    header_names,
    proxy_context,
    read_question,
    read_request_id,
    read_scheme,
    values_of,
)
from pdp.transport.inventory import Inventory
from pdp.transport.request_ids import new_request_id


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
    scheme: str
    certificate: str | None
    """The header with the client's certificate; None for a proxy that has no way to say it."""
    repeats_denials: bool
    """Whether a proxy drops the body of a denial, so that a header must hold it."""


TRAEFIK: Final = Family(
    "/forward-auth/traefik",
    *("x-forwarded-method", "x-forwarded-host", "x-forwarded-uri", "x-forwarded-for", "x-forwarded-proto"),
    certificate=None,
    repeats_denials=False,
)
NGINX: Final = Family(
    "/forward-auth/nginx",
    *("x-original-method", "x-original-host", "x-original-uri", "x-original-ip", "x-original-scheme"),
    certificate="x-original-client",
    repeats_denials=True,
)
FAMILIES: Final = (TRAEFIK, NGINX)

DENIAL: Final = "x-pdp-denial"
"""The header of an answer that repeats its body."""

_MAX_DENIAL: Final = 2048
"""Bytes of a body that are repeated in a header: a proxy gives up on an answer with larger headers."""

_MAX_CERTIFICATE: Final = 16 * 1024
"""Characters in the header with the client's certificate."""

_PEM: Final = re.compile(
    r"-----BEGIN CERTIFICATE-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END CERTIFICATE-----(?:\r?\n)?", re.ASCII
)


@final
class ForwardAuth:
    """Answers the proxies of one family.

    `routes` is None until the inventory is loaded and is replaced whole when it changes. `policy_names` gives
    what any loaded policy may set.
    """

    def __init__(
        self,
        family: Family,
        config: ForwardAuthConfig,
        decider: Decider,
        authentication: Authentication,
        policy_names: Callable[[], PolicyNames],
    ) -> None:
        self.routes: Inventory | None = None
        self._family = family
        self._passed_on = frozenset(config.headers)
        self._decider = decider
        self._authentication = authentication
        self._policy_names = policy_names

    def check(self, ask: HttpAsk) -> Answered:
        """The answer to a proxy."""
        request_id = read_request_id(ask.headers) or new_request_id()
        shown, scheme = True, read_scheme(ask.headers)
        own: Challenge | None = None
        try:
            self._refuse_forged(ask.headers)
            proxied = self._proxied(ask)
            self._refuse_forged_query(proxied.path)
            request = read_question(proxied, self.routes, self._authentication, request_id)
            verdict = self._decider.decide(request)
            if verdict.decision is Decision.ALLOW:
                self._refuse_unknown_headers(verdict)
                headers = upstream_headers(verdict, request.subject.uid)
                return Answered((verdict,), HttpReply(200, {**headers, "cache-control": "no-store"}, b""))
        except CallRefused as error:
            verdict = error.verdict()
            note_request(request_id)
            if isinstance(error, Unauthenticated):
                shown, own = error.shown, error.challenge
        reply = denied(verdict, request_id, credential_shown=shown, own=own, scheme=scheme)
        if self._family.repeats_denials and len(reply.body) <= _MAX_DENIAL:
            reply = reply._replace(headers={**reply.headers, DENIAL: reply.body.decode("ascii")})
        return Answered((verdict,), reply)

    def _refuse_forged(self, headers: Headers) -> None:
        reserved = OWN_HEADERS | self._passed_on | self._policy_names().headers
        if forged_headers(header_names(headers), reserved):
            raise ForgedHeaders("the request holds a header that only the decision point may set")

    def _refuse_forged_query(self, target: str) -> None:
        if forged_parameters(target, self._policy_names().query):
            raise ForgedQuery("the query holds a parameter that only a policy may set")

    def _refuse_unknown_headers(self, verdict: Verdict) -> None:
        for duty in verdict.obligations:
            if duty.kind in HEADER_KINDS and duty.argument.partition("=")[0] not in self._passed_on:
                raise Unfulfillable(verdict, duty, "sets a header that the proxies do not pass on")

    def _proxied(self, ask: HttpAsk) -> ProxiedRequest:
        family = self._family
        # What is last was written by the proxy that asks; what stands before it, by whoever came through it.
        address = self._one(ask.headers, family.address).rpartition(",")[2].strip()
        region = _region(ask.query)
        return ProxiedRequest(
            self._one(ask.headers, family.method),
            self._one(ask.headers, family.host),
            self._one(ask.headers, family.uri),
            ask.headers,
            lambda _: proxy_context(region, address),
            self._one(ask.headers, family.scheme),
            b"" if family.certificate is None else _certificate(self._one(ask.headers, family.certificate)),
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


def _certificate(value: str) -> bytes:
    """The client's certificate (DER), empty if it has none. Raises MessageError.

    The value is never empty: a proxy sends no header without a value, and the client's own would stand.
    """
    start, _, escaped = value.partition("=")
    if start != "cert" or len(value) > _MAX_CERTIFICATE:
        raise MessageError("the header with the certificate is not `cert=` and a certificate")
    if not escaped:
        return b""
    match = _PEM.fullmatch(unquote(escaped))
    try:
        return b64decode(re.sub(r"[\r\n]", "", match[1] if match else "="), validate=True)
    except ValueError as error:
        raise MessageError("the client's certificate is no PEM") from error


def denied(
    verdict: Verdict,
    request_id: str,
    *,
    credential_shown: bool = True,
    own: Challenge | None = None,
    scheme: Scheme = Scheme.BEARER,
) -> HttpReply:
    """A deny: 401 with a challenge where authentication would help, else 403."""
    demand = challenge(verdict, shown=credential_shown, own=own, scheme=scheme)
    status = 401 if step_up(verdict) or verdict.reason is ReasonClass.UNAUTHENTICATED else 403
    headers: Mapping[str, str] = {"content-type": "application/json", "cache-control": "no-store"}
    if status == 401 and demand is not None:
        headers = {**headers, "www-authenticate": demand}
    if own is not None and own.nonce:
        headers = {**headers, "dpop-nonce": own.nonce}
    return HttpReply(status, headers, denial_body(verdict, request_id).encode("ascii"))


LAST_RESORT: Final = denied(deny(ReasonClass.INTERNAL, "the decision point failed; the request is denied"), "")
"""The answer when no answer could be made."""

CALLER_REFUSED: Final = denied(REFUSED, "")
"""The answer to a caller that is no proxy of ours."""

"""Envoy's `envoy.service.auth.v3.Authorization/Check`: an HTTP request becomes a question.

What is believed of a request stands in `http_request`; what policies see of it is configured (`config.ext_authz`). By
default, and out of a client's reach:

    region     `context_extensions["region"]`: set per route by Envoy's operator
    ip         `source.address`: the other end of Envoy's connection, or what it was told by the PROXY protocol. Envoy's
               `xff_num_trusted_hops` does not apply: behind another HTTP proxy, this is that proxy's address

The client's certificate (`include_peer_certificate`) is what certificate-bound tokens are bound to.

Settings that this door relies on (all, and why, in deploy/envoy/README.md): `failure_mode_allow: false`, a route
for every request, path normalisation, and `max_request_bytes` well below gRPC's message limit of 4 MiB if bodies are
sent along: a larger message is refused by gRPC itself, with a gRPC error.
"""

from collections.abc import Callable
from typing import Final, final

from pdp.cedar.response import Decision
from pdp.cedar.schema.model import Schema
from pdp.cedar.values import EntityUID, Value
from pdp.config.ext_authz import ExtAuthzConfig
from pdp.engine.callers.judging import CallerDoor
from pdp.engine.decider import CheckRequest, Decider, ReasonClass, Verdict, deny
from pdp.identity.presented import Presented, Scheme
from pdp.identity.subject import Subject
from pdp.telemetry.observing import note_request, offer
from pdp.transport.admission import REFUSED
from pdp.transport.authentication import Authentication
from pdp.transport.callers import Caller
from pdp.transport.challenges import Challenge
from pdp.transport.errors import CallRefused, NotReady, Unauthenticated
from pdp.transport.grpc import ext_authz_reply as replies
from pdp.transport.grpc.ext_authz_context import ContextPlan
from pdp.transport.grpc.ext_authz_request import AskedRequest, parse
from pdp.transport.http_obligations import PolicyNames
from pdp.transport.http_reply import Unfulfillable
from pdp.transport.http_request import ProxiedRequest, header_names, read_question, read_request_id, read_scheme
from pdp.transport.inventory import Inventory
from pdp.transport.request_ids import new_request_id

NAME: Final = "envoy.service.auth.v3.Authorization"
"""The full name of the service, for the method path, health and reflection."""

LAST_RESORT: Final = replies.denied(
    deny(ReasonClass.INTERNAL, "the decision point failed; the request is denied"), ""
).SerializeToString()
"""The answer when no answer could be made. An empty message would be an allow: its status code 0 means OK."""

CALLER_REFUSED: Final = replies.denied(REFUSED, "").SerializeToString()
"""The answer to a caller that may not ask."""


@final
class ExtAuthz:
    """Answers Envoy's `Check`.

    `routes` is None until the inventory is loaded and is replaced whole when it changes. `policy_names` gives what any
    loaded policy may set, `schema` the schema that answers now, None before the first load.
    """

    def __init__(
        self,
        config: ExtAuthzConfig,
        decider: Decider,
        authentication: Authentication,
        policy_names: Callable[[], PolicyNames],
        schema: Callable[[], Schema | None],
    ) -> None:
        self.routes: Inventory | None = None
        self._config = config
        self._decider = decider
        self._authentication = authentication
        self._policy_names = policy_names
        self._schema = schema
        self._plan: ContextPlan | None = None
        self._next_plan: ContextPlan | None = None

    def prepare(self, schema: Schema) -> None:
        """To be told of a schema before it answers. Raises DocumentError if the configuration does not fit it."""
        self._next_plan = ContextPlan(self._config, schema)

    def check(self, data: bytes, caller: Caller) -> tuple[Verdict, bytes]:
        """The verdict on a serialized CheckRequest and its serialized CheckResponse."""
        request_id = ""
        shown, scheme = True, Scheme.BEARER
        own: Challenge | None = None
        try:
            asked = AskedRequest(parse(data).attributes, self._config)
            offer(asked.headers)
            request_id = read_request_id(asked.headers) or new_request_id()
            scheme = read_scheme(asked.headers)
            request = self._question(asked, caller, request_id)
            verdict = self._decider.decide(request)
            if verdict.decision is Decision.ALLOW:
                names, target = header_names(asked.headers), asked.http.path
                reply = replies.allowed(verdict, request.subject.uid, request_id, names, target, self._policy_names())
                return verdict, reply.SerializeToString()
        except Unfulfillable as error:
            verdict = error.verdict()
        except CallRefused as error:
            verdict = error.verdict()
            note_request(request_id)
            if isinstance(error, Unauthenticated):
                shown, own = error.shown, error.challenge
        says = self._config.denial_body
        request_id = request_id or new_request_id()
        reply = replies.denied(verdict, request_id, credential_shown=shown, says=says, own=own, scheme=scheme)
        return verdict, reply.SerializeToString()

    def _question(self, asked: AskedRequest, caller: Caller, request_id: str) -> CheckRequest:
        http = asked.http

        def context(action: EntityUID) -> dict[str, Value]:
            return self._current_plan().read(action, asked)

        def vouch(presented: Presented) -> Subject:
            return self._authentication.by_certificate(presented, caller, CallerDoor.EXT_AUTHZ)

        proxied = ProxiedRequest(
            http.method,
            http.host,
            http.path,
            asked.headers,
            context,
            http.scheme,
            asked.client_certificate or b"",
            vouch if self._config.certificate_subjects else None,
        )
        return read_question(proxied, self.routes, self._authentication, request_id)

    def _current_plan(self) -> ContextPlan:
        schema = self._schema()
        if schema is None:
            raise NotReady("the decision point has not loaded its policies yet")
        plan = self._plan
        if plan is None or plan.schema is not schema:
            plan = self._next_plan
            if plan is None or plan.schema is not schema:
                plan = ContextPlan(self._config, schema)
            self._plan = plan
        return plan

"""A verdict as Envoy's ext_authz answer. Fail closed, by how Envoy reads one:

    1. status code 0 (OK, also the default of an empty message) is an allow, whatever else is set;
    2. otherwise `error_response` is the proxy's own failure, and `failure_mode_allow` may let it pass: never sent;
    3. otherwise `denied_response`.

Headers for the upstream (`http_reply`) are sent with `append: false`: versions of Envoy differ in what its absence
means, and where it means `append`, the client's own value would stand first. The text goes into `value`, for of a
`raw_value` nothing arrives. A header that we or any policy could set and that is not set now is removed if the client
sent it.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from envoy.service.auth.v3 import external_auth_pb2
from google.protobuf.struct_pb2 import Struct

from pdp.cedar.response import Decision
from pdp.cedar.values import EntityUID
from pdp.engine.decider import Verdict
from pdp.identity.presented import Scheme
from pdp.transport.challenges import Challenge
from pdp.transport.grpc.status import STATUS, STEP_UP
from pdp.transport.http_obligations import PolicyNames
from pdp.transport.http_reply import (
    OWN_HEADERS,
    challenge,
    changes_of,
    denial_body,
    denial_headers,
    denial_status,
    forged_headers,
    forged_parameters,
    forwarded_obligation,
    step_up,
)


def allowed(
    verdict: Verdict,
    principal: EntityUID,
    request_id: str,
    client_headers: Iterable[str],
    target: str,
    reserved: PolicyNames,
) -> Any:
    """An allow as a CheckResponse. Raises Unfulfillable and ForgedQuery, for which the caller must send a deny.

    `client_headers` are the names (lower case) that came with the request, `target` is its path with the query.
    """
    changes = changes_of(verdict, principal)
    ours = OWN_HEADERS | reserved.headers | changes.removed_headers
    forged = forged_headers(client_headers, ours)
    unwanted = forged_parameters(target, reserved.query | changes.removed_query)
    reply = external_auth_pb2.CheckResponse()
    reply.status.code = STATUS[verdict.reason].code
    ok = reply.ok_response
    _replace(ok.headers, changes.headers)
    ok.headers_to_remove.extend(sorted((ours | forged) - changes.headers.keys()))
    for name, value in changes.query.items():
        ok.query_parameters_to_set.add(key=name, value=value)
    ok.query_parameters_to_remove.extend(sorted(unwanted - changes.query.keys()))
    _replace(ok.response_headers_to_add, changes.response_headers)
    _describe(reply, verdict, request_id)
    return reply


def denied(
    verdict: Verdict,
    request_id: str,
    *,
    credential_shown: bool = True,
    says: str = "full",
    own: Challenge | None = None,
    scheme: Scheme = Scheme.BEARER,
) -> Any:
    """A deny as a CheckResponse: 401, 403, 503 or what its policies say, with a JSON body that says why.

    `credential_shown`, `own` and `scheme` are for the challenge (`http_reply.challenge`). `says` is how much the body
    says, of `DENIAL_BODIES`.
    """
    if verdict.decision is not Decision.DENY:
        raise ValueError("only a deny can be sent as one")
    demand = challenge(verdict, shown=credential_shown, own=own, scheme=scheme)
    status = STEP_UP if step_up(verdict) else STATUS[verdict.reason]
    http = status.http if demand is not None else denial_status(verdict) or status.http
    body = denial_body(verdict, request_id, "brief" if http in _HIDING and says == "full" else says)
    media = {"content-type": "application/json"} if body else {}
    headers = {**denial_headers(verdict), **media, "cache-control": "no-store"}
    if demand is not None:
        headers["www-authenticate"] = demand
    if own is not None and own.nonce:
        headers["dpop-nonce"] = own.nonce
    reply = external_auth_pb2.CheckResponse()
    reply.status.code, reply.status.message = status.code, verdict.reason.value
    reply.denied_response.status.code = http
    _replace(reply.denied_response.headers, headers)
    reply.denied_response.body = body
    _describe(reply, verdict, request_id)
    return reply


_HIDING: Final = frozenset({404, 410})
"""Statuses that say that there is nothing: a body that says why would say that there is."""


def _replace(options: Any, headers: Mapping[str, str]) -> None:
    """Headers that replace what is there. `append` and not `append_action`: old and new versions of Envoy know it."""
    for name, value in headers.items():
        option = options.add()
        option.header.key = name
        option.header.value = value
        option.append.value = False


def _describe(reply: Any, verdict: Verdict, request_id: str) -> None:
    """What Envoy's access log and later filters see in the namespace `envoy.filters.http.ext_authz`.

    `valid_until` is in seconds since 1970 UTC.
    """
    metadata = reply.dynamic_metadata
    metadata.CopyFrom(
        _description(
            verdict.decision.value,
            verdict.reason.value,
            verdict.message,
            tuple(policy.id for policy in verdict.policies),
            tuple(forwarded_obligation(duty) for duty in verdict.obligations),
            verdict.policy_revision,
            verdict.context_revision,
        )
    )
    metadata.fields["request_id"].string_value = request_id
    if verdict.valid_until is not None:
        metadata.fields["valid_until"].number_value = verdict.valid_until / 1000


@lru_cache(1024)
def _description(
    decision: str,
    reason: str,
    message: str,
    policies: tuple[str, ...],
    obligations: tuple[str, ...],
    policy_revision: str,
    context_revision: int,
) -> Struct:
    """The part of it that many answers share: to be copied and never changed."""
    metadata = Struct()
    metadata.update(
        {
            "decision": decision,
            "reason": reason,
            "message": message,
            "policies": list(policies),
            "obligations": list(obligations),
            "policy_revision": policy_revision,
            "context_revision": context_revision,
        }
    )
    return metadata

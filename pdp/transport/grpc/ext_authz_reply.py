"""A verdict as Envoy's ext_authz answer. Fail closed, by how Envoy reads one:

    1. status code 0 (OK, also the default of an empty message) is an allow, whatever else is set;
    2. otherwise `error_response` is the proxy's own failure, and `failure_mode_allow` may let it pass: never sent;
    3. otherwise `denied_response`.

Headers for the upstream (`http_reply`) are sent with `append: false`: versions of Envoy differ in what its absence
means, and where it means `append`, the client's own value would stand first. The text goes into `value`, for of a
`raw_value` nothing arrives. A header that we or any policy could set and that is not set now is removed if the client
sent it.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from envoy.config.core.v3 import base_pb2
from envoy.service.auth.v3 import external_auth_pb2
from envoy.type.v3 import http_status_pb2
from google.protobuf.struct_pb2 import Struct

from pdp.cedar.response import Decision
from pdp.cedar.values import EntityUID
from pdp.engine.decider import Verdict
from pdp.transport.grpc.status import STATUS, STEP_UP
from pdp.transport.http_reply import (
    OWN_HEADERS,
    challenge,
    denial_body,
    forged_headers,
    forwarded_obligation,
    step_up,
    upstream_headers,
)


def allowed(
    verdict: Verdict,
    principal: EntityUID,
    request_id: str,
    client_headers: Iterable[str],
    removable: Collection[str],
) -> Any:
    """An allow as a CheckResponse. Raises Unfulfillable, for which the caller must send a deny.

    `client_headers` are the names (lower case) that came with the request, `removable` those that policies may set.
    """
    headers = upstream_headers(verdict, principal)
    ours = OWN_HEADERS | frozenset(removable)
    forged = forged_headers(client_headers, ours)
    return external_auth_pb2.CheckResponse(
        status={"code": STATUS[verdict.reason].code},
        ok_response=external_auth_pb2.OkHttpResponse(
            headers=_options(headers), headers_to_remove=sorted((ours | forged) - headers.keys())
        ),
        dynamic_metadata=_metadata(verdict, request_id),
    )


def denied(verdict: Verdict, request_id: str, *, credential_shown: bool = True) -> Any:
    """A deny as a CheckResponse: 401, 403 or 503 with a JSON body that says why.

    `credential_shown` says whether the request carried a credential at all; if not, the challenge names no error.
    """
    if verdict.decision is not Decision.DENY:
        raise ValueError("only a deny can be sent as one")
    demand = challenge(verdict, shown=credential_shown)
    status = STEP_UP if step_up(verdict) else STATUS[verdict.reason]
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    if demand is not None:
        headers["www-authenticate"] = demand
    return external_auth_pb2.CheckResponse(
        status={"code": status.code, "message": verdict.reason.value},
        denied_response=external_auth_pb2.DeniedHttpResponse(
            status=http_status_pb2.HttpStatus(code=status.http),
            headers=_options(headers),
            body=denial_body(verdict, request_id),
        ),
        dynamic_metadata=_metadata(verdict, request_id),
    )


def _options(headers: Mapping[str, str]) -> list[Any]:
    """Headers that replace what is there. `append` and not `append_action`: old and new versions of Envoy know it."""
    return [
        base_pb2.HeaderValueOption(header=base_pb2.HeaderValue(key=name, value=value), append={"value": False})
        for name, value in headers.items()
    ]


def _metadata(verdict: Verdict, request_id: str) -> Struct:
    """What Envoy's access log and later filters see in the namespace `envoy.filters.http.ext_authz`."""
    metadata = Struct()
    metadata.update(
        {
            "request_id": request_id,
            "decision": verdict.decision.value,
            "reason": verdict.reason.value,
            "policies": [policy.id for policy in verdict.policies],
            "obligations": [forwarded_obligation(duty) for duty in verdict.obligations],
            "policy_revision": verdict.policy_revision,
            "context_revision": verdict.context_revision,
        }
    )
    return metadata

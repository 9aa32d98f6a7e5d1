"""A verdict as Envoy's ext_authz answer. Fail closed, by how Envoy reads one:

    1. status code 0 (OK, also the default of an empty message) is an allow, whatever else is set;
    2. otherwise `error_response` is the proxy's own failure, and `failure_mode_allow` may let it pass: never sent;
    3. otherwise `denied_response`.

Headers for the upstream. Each is sent with `append: false`: versions of Envoy differ in what its absence means, and
where it means `append`, the client's own value would stand first. The text goes into `value`, for of a `raw_value`
nothing arrives.

`x-pdp-principal` and `x-pdp-policy-revision` go with every allow; the obligation `header:<name>=<value>` sets `<name>`.
All other obligations go to the upstream in `x-pdp-obligations` (the annotation's own form, `kind:argument;kind`,
percent-encoded outside printable ASCII and for `%` and `,`), and it is the upstream that must comply. A header that we
or any policy could set and that is not set now is removed if the client sent it.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote as percent_encode

from envoy.config.core.v3 import base_pb2
from envoy.service.auth.v3 import external_auth_pb2
from envoy.type.v3 import http_status_pb2
from google.protobuf.struct_pb2 import Struct

from pdp.cedar.response import Decision
from pdp.cedar.values import EntityUID
from pdp.engine.decider import Obligation, ReasonClass, Verdict, deny
from pdp.transport.errors import CallRefused
from pdp.transport.grpc.status import STATUS, STEP_UP
from pdp.transport.header_obligations import KIND, OWN_PREFIX, BadHeader, read_header

PRINCIPAL: Final = "x-pdp-principal"
POLICY_REVISION: Final = "x-pdp-policy-revision"
OBLIGATIONS: Final = "x-pdp-obligations"

OWN_HEADERS: Final = frozenset({PRINCIPAL, POLICY_REVISION, OBLIGATIONS})
"""The headers that an allow may carry to the upstream, besides those of policies."""

_BARE_CHALLENGE: Final = 'Bearer realm="pdp"'
"""For a request without a credential: no error, but RFC 6750 demands a parameter."""

_STEP_UP: Final = re.compile(r"max_age=(\d{1,9})|([\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*)")
"""The argument of `step-up`: `max_age=<seconds>`, or the acceptable `acr` values, best first (RFC 9470)."""


class Unfulfillable(CallRefused):
    """An allow whose obligations cannot be carried out; it becomes a deny."""

    code = "call_obligation"
    reason = ReasonClass.POLICY_ERROR

    def __init__(self, verdict: Verdict, duty: Obligation, why: str) -> None:
        super().__init__(f"obligation `{duty.kind}:{duty.argument}` of policy `{duty.policy_id}` {why}")
        self._allowed = verdict

    def verdict(self) -> Verdict:
        """The deny, with the revisions of the allow that it replaces."""
        allowed = self._allowed
        return deny(
            self.reason,
            self.message,
            policy_revision=allowed.policy_revision,
            context_revision=allowed.context_revision,
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
    headers = _upstream_headers(verdict, principal)
    ours = OWN_HEADERS | frozenset(removable)
    # Some upstreams read `x_pdp_principal` as `x-pdp-principal`.
    forged = {name for name in client_headers if _dashed(name).startswith(OWN_PREFIX) or _dashed(name) in ours}
    return external_auth_pb2.CheckResponse(
        status={"code": STATUS[verdict.reason].code},
        ok_response=external_auth_pb2.OkHttpResponse(
            headers=_options(headers), headers_to_remove=sorted((ours | forged) - headers.keys())
        ),
        dynamic_metadata=_metadata(verdict, request_id),
    )


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def _upstream_headers(verdict: Verdict, principal: EntityUID) -> dict[str, str]:
    headers = {PRINCIPAL: ascii_text(str(principal)), POLICY_REVISION: verdict.policy_revision}
    forwarded: dict[str, None] = {}
    for duty in verdict.obligations:
        if duty.kind != KIND:
            forwarded[_forwarded(duty)] = None
            continue
        try:
            header = read_header(duty)
        except BadHeader as error:
            raise Unfulfillable(verdict, duty, str(error)) from error
        if headers.setdefault(header.name, header.value) != header.value:
            raise Unfulfillable(verdict, duty, "contradicts another policy's")
    if forwarded:
        headers[OBLIGATIONS] = ";".join(forwarded)
    return headers


_UNENCODED: Final = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in "%,")


def _forwarded(duty: Obligation) -> str:
    text = f"{duty.kind}:{duty.argument}" if duty.argument else duty.kind
    return percent_encode(text, safe=_UNENCODED)


def ascii_text(text: str) -> str:
    """A Cedar text in printable ASCII: other characters as Cedar's escapes, which read back equal."""
    return "".join(char if " " <= char <= "~" else f"\\u{{{ord(char):x}}}" for char in text)


def denied(verdict: Verdict, request_id: str, *, credential_shown: bool = True) -> Any:
    """A deny as a CheckResponse: 401, 403 or 503 with a JSON body that says why.

    `credential_shown` says whether the request carried a credential at all; if not, the challenge names no error.
    """
    if verdict.decision is not Decision.DENY:
        raise ValueError("only a deny can be sent as one")
    challenge = _challenge(verdict, shown=credential_shown)
    status = STEP_UP if _step_up(verdict) else STATUS[verdict.reason]
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    if challenge is not None:
        headers["www-authenticate"] = challenge
    return external_auth_pb2.CheckResponse(
        status={"code": status.code, "message": verdict.reason.value},
        denied_response=external_auth_pb2.DeniedHttpResponse(
            status=http_status_pb2.HttpStatus(code=status.http),
            headers=_options(headers),
            body=_body(verdict, request_id),
        ),
        dynamic_metadata=_metadata(verdict, request_id),
    )


def _body(verdict: Verdict, request_id: str) -> str:
    return json.dumps(
        {
            "decision": verdict.decision.value,
            "reason": verdict.reason.value,
            "message": verdict.message,
            "policies": [policy.id for policy in verdict.policies],
            "request_id": request_id,
        }
    )


def _step_up(verdict: Verdict) -> list[Obligation]:
    """The `step-up` obligations, if every policy that forbade has one: else stronger authentication does not help."""
    duties = [duty for duty in verdict.obligations if duty.kind == "step-up"]
    liftable = {duty.policy_id for duty in duties}
    forbidden = verdict.reason is ReasonClass.FORBIDDEN
    return duties if forbidden and all(policy.id in liftable for policy in verdict.policies) else []


def _challenge(verdict: Verdict, *, shown: bool) -> str | None:
    """The value of `WWW-Authenticate` (RFC 6750, section 3; RFC 9470, section 3), None if there is none to send."""
    if duties := _step_up(verdict):
        return _bearer_challenge("insufficient_user_authentication", verdict.message, _requirements(duties))
    if verdict.reason is not ReasonClass.UNAUTHENTICATED:
        return None
    return _bearer_challenge("invalid_token", verdict.message, {}) if shown else _BARE_CHALLENGE


def _requirements(duties: Iterable[Obligation]) -> dict[str, str]:
    """`acr_values` of all, and the smallest `max_age`."""
    acr_values: dict[str, None] = {}
    ages = []
    for duty in duties:
        match = _STEP_UP.fullmatch(duty.argument)
        if match is not None and match[1]:
            ages.append(int(match[1]))
        elif match is not None:
            acr_values.update(dict.fromkeys(match[2].split(" ")))
    found = {"acr_values": " ".join(acr_values)} if acr_values else {}
    return {**found, "max_age": str(min(ages))} if ages else found


def _bearer_challenge(error: str, description: str, more: Mapping[str, str]) -> str:
    # Quotation marks, backslashes and anything outside printable ASCII are not allowed in a description.
    plain = re.sub(r"[^\x20\x21\x23-\x5b\x5d-\x7e]", "'", description)
    parts = {"error": error, "error_description": plain, **more}
    return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in parts.items())


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
            "obligations": [_forwarded(duty) for duty in verdict.obligations],
            "policy_revision": verdict.policy_revision,
            "context_revision": verdict.context_revision,
        }
    )
    return metadata

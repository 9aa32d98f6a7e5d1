"""A verdict in the terms of HTTP, for every door that proxies use: headers for the upstream, an answer for the client.

`x-pdp-principal` and `x-pdp-policy-revision` go with every allow; the obligation `header:<name>=<value>` sets `<name>`.
All other obligations go to the upstream in `x-pdp-obligations` (the annotation's own form, `kind:argument;kind`,
percent-encoded outside printable ASCII and for `%` and `,`), and it is the upstream that must comply.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final
from urllib.parse import quote as percent_encode

from pdp.cedar.values import EntityUID
from pdp.engine.decider import Obligation, ReasonClass, Verdict, deny
from pdp.transport.errors import CallRefused
from pdp.transport.header_obligations import KIND, OWN_PREFIX, BadHeader, read_header

PRINCIPAL: Final = "x-pdp-principal"
POLICY_REVISION: Final = "x-pdp-policy-revision"
OBLIGATIONS: Final = "x-pdp-obligations"

OWN_HEADERS: Final = frozenset({PRINCIPAL, POLICY_REVISION, OBLIGATIONS})
"""The headers that an allow may carry to the upstream, besides those of policies."""

BARE_CHALLENGE: Final = 'Bearer realm="pdp"'
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


def upstream_headers(verdict: Verdict, principal: EntityUID) -> dict[str, str]:
    """The headers that go with an allow. Raises Unfulfillable, for which the caller must send a deny."""
    headers = {PRINCIPAL: ascii_text(str(principal)), POLICY_REVISION: verdict.policy_revision}
    forwarded: dict[str, None] = {}
    for duty in verdict.obligations:
        if duty.kind != KIND:
            forwarded[forwarded_obligation(duty)] = None
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


def forwarded_obligation(duty: Obligation) -> str:
    """An obligation as a header carries it."""
    text = f"{duty.kind}:{duty.argument}" if duty.argument else duty.kind
    return percent_encode(text, safe=_UNENCODED)


def forged_headers(client_headers: Iterable[str], reserved: Collection[str]) -> set[str]:
    """Of the names (lower case) of headers that came with a request, those that a client must not set: `reserved`,
    those of our prefix, and all that some upstreams read as one of them (`x_pdp_principal` for `x-pdp-principal`).
    """
    return {name for name in client_headers if _dashed(name).startswith(OWN_PREFIX) or _dashed(name) in reserved}


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def ascii_text(text: str) -> str:
    """A Cedar text in printable ASCII: other characters as Cedar's escapes, which read back equal."""
    return "".join(char if " " <= char <= "~" else f"\\u{{{ord(char):x}}}" for char in text)


def denial_body(verdict: Verdict, request_id: str) -> str:
    """What a client is told of a deny, in JSON."""
    return json.dumps(
        {
            "decision": verdict.decision.value,
            "reason": verdict.reason.value,
            "message": verdict.message,
            "policies": [policy.id for policy in verdict.policies],
            "request_id": request_id,
        }
    )


def step_up(verdict: Verdict) -> list[Obligation]:
    """The `step-up` obligations, if every policy that forbade has one: else stronger authentication does not help."""
    duties = [duty for duty in verdict.obligations if duty.kind == "step-up"]
    liftable = {duty.policy_id for duty in duties}
    forbidden = verdict.reason is ReasonClass.FORBIDDEN
    return duties if forbidden and all(policy.id in liftable for policy in verdict.policies) else []


def challenge(verdict: Verdict, *, shown: bool) -> str | None:
    """The value of `WWW-Authenticate` (RFC 6750, section 3; RFC 9470, section 3), None if there is none to send.

    `shown` says whether the request carried a credential at all; if not, the challenge names no error.
    """
    if duties := step_up(verdict):
        return _bearer_challenge("insufficient_user_authentication", verdict.message, step_up_terms(duties))
    if verdict.reason is not ReasonClass.UNAUTHENTICATED:
        return None
    return _bearer_challenge("invalid_token", verdict.message, {}) if shown else BARE_CHALLENGE


def step_up_terms(duties: Iterable[Obligation]) -> dict[str, str]:
    """What `step-up` obligations demand together: `acr_values` of all, and the smallest `max_age`, in seconds."""
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

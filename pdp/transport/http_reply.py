"""A verdict in the terms of HTTP, for every door that proxies use: changes to the request, an answer for the client.

`x-pdp-principal` and `x-pdp-policy-revision` go to the upstream with every allow. What `http_obligations` knows, the
proxy does by itself. All other obligations go to the upstream in `x-pdp-obligations` (the annotation's own form,
`kind:argument;kind`, percent-encoded outside printable ASCII and for `%` and `,`), and it is the upstream that must
comply.
"""

import json
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, assert_never, final
from urllib.parse import quote as percent_encode
from urllib.parse import unquote_plus

from pdp.cedar.values import EntityUID
from pdp.engine.decider import Obligation, ReasonClass, Verdict, deny
from pdp.identity.presented import Scheme
from pdp.transport.challenges import BARE, STEP_UP, Challenge, challenge_text
from pdp.transport.errors import CallRefused
from pdp.transport.http_obligations import (
    OWN_PREFIX,
    AppendHeader,
    BadDuty,
    Duty,
    RemoveHeader,
    RemoveQuery,
    SetHeader,
    SetQuery,
    SetResponseHeader,
    SetStatus,
    duty_of,
)
from pdp.transport.http_request import MAX_QUERY

PRINCIPAL: Final = "x-pdp-principal"
POLICY_REVISION: Final = "x-pdp-policy-revision"
OBLIGATIONS: Final = "x-pdp-obligations"

OWN_HEADERS: Final = frozenset({PRINCIPAL, POLICY_REVISION, OBLIGATIONS})
"""The headers that an allow may carry to the upstream, besides those of policies."""

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


class ForgedQuery(CallRefused):
    """A client's query holds a parameter that policies may set, in a spelling that only some servers read as it."""

    code = "call_forged_query"


@final
@dataclass(frozen=True, slots=True)
class Changes:
    """What an allow does to the request, and to the answer that the client gets. Names of headers are in lower case.

    What is set takes the place of every copy that is there. What is removed is set by nobody.
    """

    headers: dict[str, str] = field(default_factory=dict)
    removed_headers: set[str] = field(default_factory=set)
    query: dict[str, str] = field(default_factory=dict)
    removed_query: set[str] = field(default_factory=set)
    response_headers: dict[str, str] = field(default_factory=dict)


def changes_of(verdict: Verdict, principal: EntityUID) -> Changes:
    """What goes with an allow. Raises Unfulfillable, for which the caller must send a deny."""
    changes = Changes({PRINCIPAL: ascii_text(str(principal)), POLICY_REVISION: verdict.policy_revision})
    forwarded: dict[str, None] = {}
    appended: dict[str, dict[str, None]] = {}
    for obligation in verdict.obligations:
        try:
            duty = duty_of(obligation)
            if duty is None:
                forwarded[forwarded_obligation(obligation)] = None
            elif isinstance(duty, AppendHeader):
                appended.setdefault(duty.name, {})[duty.value] = None
            else:
                _apply(changes, duty)
        except BadDuty as error:
            raise Unfulfillable(verdict, obligation, str(error)) from error
    for name, values in appended.items():
        if name in changes.headers:
            raise Unfulfillable(verdict, _first(verdict, name), _CONTRADICTION)
        changes.headers[name] = ", ".join(sorted(values))
    if twice := changes.removed_headers & changes.headers.keys() or changes.removed_query & changes.query.keys():
        raise Unfulfillable(verdict, _first(verdict, min(twice)), _CONTRADICTION)
    if forwarded:
        changes.headers[OBLIGATIONS] = ";".join(forwarded)
    return changes


_CONTRADICTION: Final = "contradicts another policy's"


def _apply(
    changes: Changes, duty: SetHeader | RemoveHeader | SetQuery | RemoveQuery | SetResponseHeader | SetStatus
) -> None:
    match duty:
        case SetHeader(name, value):
            _set(changes.headers, name, value)
        case RemoveHeader(name):
            changes.removed_headers.add(name)
        case SetQuery(name, value):
            _set(changes.query, name, value)
        case RemoveQuery(name):
            changes.removed_query.add(name)
        case SetResponseHeader(name, value):
            _set(changes.response_headers, name, value)
        case SetStatus():
            raise BadDuty("says nothing at a policy that permits")
        case _:
            assert_never(duty)


def _set(known: dict[str, str], name: str, value: str) -> None:
    if known.setdefault(name, value) != value:
        raise BadDuty(_CONTRADICTION)


def _first(verdict: Verdict, name: str) -> Obligation:
    """The first obligation that is about a name."""
    return next(duty for duty in verdict.obligations if duty.argument.partition("=")[0] == name)


def upstream_headers(verdict: Verdict, principal: EntityUID) -> dict[str, str]:
    """The headers that go with an allow, for a proxy that can do nothing else to a request. Raises Unfulfillable."""
    changes = changes_of(verdict, principal)
    if changes.removed_headers or changes.query or changes.removed_query or changes.response_headers:
        duty = next(duty for duty in verdict.obligations if not isinstance(duty_of(duty), _HEADER_DUTIES))
        raise Unfulfillable(verdict, duty, "cannot be carried out by this proxy")
    return changes.headers


_HEADER_DUTIES: Final = (SetHeader, AppendHeader, type(None))


_UNENCODED: Final = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in "%,")


def forwarded_obligation(duty: Obligation) -> str:
    """An obligation as a header carries it."""
    return _encoded(f"{duty.kind}:{duty.argument}" if duty.argument else duty.kind)


@lru_cache(maxsize=4096)
def _encoded(text: str) -> str:
    return percent_encode(text, safe=_UNENCODED)


def forged_headers(client_headers: Iterable[str], reserved: Collection[str]) -> set[str]:
    """Of the names (lower case) of headers that came with a request, those that a client must not set: `reserved`,
    those of our prefix, and all that some upstreams read as one of them (`x_pdp_principal` for `x-pdp-principal`).
    """
    forged = set()
    for name in client_headers:
        dashed = name.replace("_", "-")
        if dashed in reserved or dashed.startswith(OWN_PREFIX):
            forged.add(name)
    return forged


def forged_parameters(target: str, reserved: Collection[str]) -> set[str]:
    """Of the query parameters that came with a request, those that a client must not set: `reserved`.

    Raises ForgedQuery for one that a proxy would pass on, and that some upstreams read as one of them: written with
    escapes or in other letters, behind a `;`, or as an element (`tier[]`).
    """
    query = target.partition("?")[2]
    if not reserved or not query:
        return set()
    if len(query) > MAX_QUERY:
        raise ForgedQuery(f"the query has more than {MAX_QUERY} characters")
    names = {_spelling(name) for name in reserved}
    found = set()
    for parameter in query.split("&"):
        for place, part in enumerate(parameter.split(";")):
            name = part.partition("=")[0]
            if _spelling(name) not in names:
                continue
            if place or name not in reserved:
                raise ForgedQuery("the query holds a parameter that only a policy may set")
            found.add(name)
    return found


_ENDS: Final = re.compile(r"[\[\0]")


def _spelling(name: str) -> str:
    """What servers that read names with a generous eye make of one."""
    return _ENDS.split(unquote_plus(name).strip())[0].replace(".", "_").replace(" ", "_").lower()


def ascii_text(text: str) -> str:
    """A Cedar text in printable ASCII: other characters as Cedar's escapes, which read back equal."""
    return "".join(char if " " <= char <= "~" else f"\\u{{{ord(char):x}}}" for char in text)


def denial_status(verdict: Verdict) -> int | None:
    """The status that policies give to a deny; None if none does, or they do not agree."""
    codes = {duty.code for duty in _duties(verdict) if isinstance(duty, SetStatus)}
    return codes.pop() if len(codes) == 1 else None


def denial_headers(verdict: Verdict) -> dict[str, str]:
    """The headers that policies give to a deny; of several values, the first."""
    headers: dict[str, str] = {}
    for duty in _duties(verdict):
        if isinstance(duty, SetResponseHeader):
            headers.setdefault(duty.name, duty.value)
    return headers


def _duties(verdict: Verdict) -> list[Duty]:
    """What of a deny's obligations a proxy can do. A deny stays one whatever they say."""
    found = []
    for obligation in verdict.obligations:
        try:
            duty = duty_of(obligation)
        except BadDuty:
            continue
        if duty is not None:
            found.append(duty)
    return found


def denial_body(verdict: Verdict, request_id: str, says: str = "full") -> str:
    """What a client is told of a deny, in JSON. `says` is how much that is, of `config.ext_authz.DENIAL_BODIES`."""
    if says != "full":
        return json.dumps({"decision": verdict.decision.value, "request_id": request_id}) if says == "brief" else ""
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


def challenge(
    verdict: Verdict, *, shown: bool, own: Challenge | None = None, scheme: Scheme = Scheme.BEARER
) -> str | None:
    """The value of `WWW-Authenticate` (RFC 6750, section 3; RFC 9470, section 3), None if there is none to send.

    `shown` says whether the request carried a credential at all; if not, the challenge names no error. `own` is the
    challenge of the refusal that the verdict was made of, if it has one, and `scheme` the one that the client used.
    """
    if duties := step_up(verdict):
        return challenge_text(scheme, STEP_UP, verdict.message, step_up_terms(duties))
    if verdict.reason is not ReasonClass.UNAUTHENTICATED:
        return None
    if own is not None:
        return own.text
    return challenge_text(scheme, "invalid_token", verdict.message, {}) if shown else BARE


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

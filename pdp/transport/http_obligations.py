"""Obligations that a proxy carries out by itself: they change the request, or what the client is told.

Of a permit, for the request that goes to the upstream:

    header:<name>=<value>           this header, and no other copy of it
    header-append:<name>=<value>    this header with the values of all policies that say so, sorted, joined by `, `
    header-remove:<name>            the client's header of this name is taken away
    query-set:<name>=<value>        this query parameter, and no other copy of it
    query-remove:<name>             the client's query parameter of this name is taken away

Of a permit or a forbid, for the answer that the client gets:

    response-header:<name>=<value>  this header, in place of the upstream's

Of a forbid:

    status:<code>                   the HTTP status, in place of 403

What a permit of any policy may set, no client can send: on every allow its copies are taken away (`PolicyNames`).
Checked when policies are loaded, and again when one is carried out: what cannot be carried out makes a deny. Other
kinds of obligation are for the upstream; a kind that only looks like one of these is a slip and refused.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias, final

from pdp.cedar.errors import PolicySetError
from pdp.cedar.policy import Effect, Policy, PolicySet
from pdp.engine.decider import Obligation
from pdp.engine.obligations import read_obligations

HEADER_KINDS: Final = frozenset({"header", "header-append"})
"""The kinds that set a header of the request."""

OWN_PREFIX: Final = "x-pdp-"
"""Header names that are ours: no client and no policy may set one."""

_NAME: Final = re.compile(r"[a-z][a-z0-9-]*")
_HEADER: Final = re.compile(r"([a-z][a-z0-9-]*)=([\x20-\x7e]*)")
_ELEMENT: Final = re.compile(r"([a-z][a-z0-9-]*)=([\x20-\x2b\x2d-\x7e]+)")
# A comma in one of several values would make two of it.
_QUERY: Final = re.compile(r"([A-Za-z0-9._~-]+)=([A-Za-z0-9._~-]*)")
_QUERY_NAME: Final = re.compile(r"[A-Za-z0-9._~-]+")
# Nothing that must be escaped: proxies differ in who has to do it.
_UNESCAPED: Final = ", of letters, digits, `.`, `_`, `~` and `-`"

_FRAMING: Final = frozenset(
    {
        *("connection", "content-encoding", "content-length", "content-type", "forwarded", "host", "keep-alive"),
        *("proxy-authenticate", "te", "trailer", "transfer-encoding", "upgrade", "x-request-id"),
    }
)
_CREDENTIALS: Final = frozenset({"authorization", "cookie", "dpop", "proxy-authorization"})
_PROXY_PREFIXES: Final = (OWN_PREFIX, "x-envoy-", "x-forwarded-")
# Headers that carry credentials, frame the message or steer a proxy: a team's policy must not set them. It may take a
# credential away, which gives nobody more.

_ANSWER: Final = frozenset({"dpop-nonce", "location", "set-cookie", "strict-transport-security", "www-authenticate"})
# Of the answer, beside framing: what makes a client go elsewhere, or keep something as if the upstream had said it.

STATUSES: Final = frozenset(
    {400, 402, 403, 404, 405, 406, 408, 409, 410, 412, 413, 414, 415, 416, 417, 421, 422, 423, 424, 426, 428, 429, 503}
)
"""What a deny may be answered with: statuses that Envoy knows by name and no client takes for an allow or a challenge.
"""
_STATUS_TEXTS: Final = frozenset(map(str, STATUSES))


@final
@dataclass(frozen=True, slots=True)
class SetHeader:
    """`header`."""

    name: str
    value: str


@final
@dataclass(frozen=True, slots=True)
class AppendHeader:
    """`header-append`."""

    name: str
    value: str


@final
@dataclass(frozen=True, slots=True)
class RemoveHeader:
    """`header-remove`."""

    name: str


@final
@dataclass(frozen=True, slots=True)
class SetQuery:
    """`query-set`."""

    name: str
    value: str


@final
@dataclass(frozen=True, slots=True)
class RemoveQuery:
    """`query-remove`."""

    name: str


@final
@dataclass(frozen=True, slots=True)
class SetResponseHeader:
    """`response-header`."""

    name: str
    value: str


@final
@dataclass(frozen=True, slots=True)
class SetStatus:
    """`status`."""

    code: int


Duty: TypeAlias = SetHeader | AppendHeader | RemoveHeader | SetQuery | RemoveQuery | SetResponseHeader | SetStatus
"""What a proxy does. Header names are in lower case; values are printable ASCII."""


@final
@dataclass(frozen=True, slots=True)
class PolicyNames:
    """What the policies of a set may set on a request, and therefore no client can."""

    headers: frozenset[str] = frozenset()
    """In lower case."""
    query: frozenset[str] = frozenset()

    def __or__(self, other: "PolicyNames") -> "PolicyNames":
        return PolicyNames(self.headers | other.headers, self.query | other.query)


NO_NAMES: Final = PolicyNames()
"""Of no policy at all."""


class BadDuty(ValueError):
    """The obligation says nothing that may be done; the text says why, to follow the obligation's name."""


@lru_cache(maxsize=4096)
def read_duty(kind: str, argument: str) -> Duty | None:
    """What a proxy is to do; None for an obligation that is not for it. Raises BadDuty.

    There are as many obligations as policies name, and each answer repeats some of them: hence the cache.
    """
    read = _READERS.get(kind)
    if read is not None:
        return read(argument)
    if kind.startswith(_FAMILIES):
        raise BadDuty(f"is none of the kinds {', '.join(f'`{known}`' for known in _READERS)}")
    return None


def _set_header(argument: str) -> SetHeader:
    name, value = _pair(_HEADER, argument, "header:<name>=<value>")
    return SetHeader(_settable(name), value)


def _append_header(argument: str) -> AppendHeader:
    name, value = _pair(_ELEMENT, argument, "header-append:<name>=<value>", ", with a value that has no comma")
    return AppendHeader(_settable(name), value)


def _remove_header(argument: str) -> RemoveHeader:
    if _NAME.fullmatch(argument) is None:
        raise BadDuty("is not of the form `header-remove:<name>`")
    if argument in _FRAMING or argument.startswith(_PROXY_PREFIXES):
        raise BadDuty("names a header that policies may not remove")
    return RemoveHeader(argument)


def _settable(name: str) -> str:
    if name in _FRAMING or name in _CREDENTIALS or name.startswith(_PROXY_PREFIXES):
        raise BadDuty("names a header that policies may not set")
    return name


def _set_query(argument: str) -> SetQuery:
    return SetQuery(*_pair(_QUERY, argument, "query-set:<name>=<value>", _UNESCAPED))


def _remove_query(argument: str) -> RemoveQuery:
    if _QUERY_NAME.fullmatch(argument) is None:
        raise BadDuty(f"is not of the form `query-remove:<name>`{_UNESCAPED}")
    return RemoveQuery(argument)


def _set_response_header(argument: str) -> SetResponseHeader:
    name, value = _pair(_HEADER, argument, "response-header:<name>=<value>")
    if name in _FRAMING or name in _ANSWER or name.startswith(_PROXY_PREFIXES):
        raise BadDuty("names a header that policies may not set")
    return SetResponseHeader(name, value)


def _set_status(argument: str) -> SetStatus:
    if argument not in _STATUS_TEXTS:
        raise BadDuty("is none of the statuses that a denial may have, such as `status:404`")
    return SetStatus(int(argument))


def _pair(form: "re.Pattern[str]", argument: str, shape: str, condition: str = "") -> tuple[str, str]:
    match = form.fullmatch(argument)
    if match is None:
        raise BadDuty(f"is not of the form `{shape}`{condition}")
    return match[1], match[2]


_READERS: Final[Mapping[str, Callable[[str], Duty]]] = {
    "header": _set_header,
    "header-append": _append_header,
    "header-remove": _remove_header,
    "query-set": _set_query,
    "query-remove": _remove_query,
    "response-header": _set_response_header,
    "status": _set_status,
}
_FAMILIES: Final = ("header-", "query-", "response-", "status-")


def duty_of(obligation: Obligation) -> Duty | None:
    """What a proxy is to do for an obligation, None if it is not for it. Raises BadDuty."""
    return read_duty(obligation.kind, obligation.argument)


def policy_names(policies: PolicySet) -> PolicyNames:
    """What policies of this set may set. Raises PolicySetError for an obligation that cannot be carried out."""
    headers: dict[str, type] = {}
    query: set[str] = set()
    for policy in (*policies.static.values(), *policies.templates.values()):
        for obligation in read_obligations(policy):
            try:
                duty = duty_of(obligation)
                _refuse_useless(duty, policy.effect)
                match duty:
                    case SetHeader(name) | AppendHeader(name):
                        _note(headers, name, duty)
                    case SetQuery(name):
                        query.add(name)
                    case _:
                        pass
            except BadDuty as error:
                raise _refusal(policy, obligation, str(error)) from error
    return PolicyNames(frozenset(headers), frozenset(query))


def _refuse_useless(duty: Duty | None, effect: Effect) -> None:
    """An obligation that nobody would carry out is a mistake of whoever wrote it."""
    match duty:
        case SetStatus() if effect is not Effect.FORBID:
            raise BadDuty("says nothing at a policy that permits")
        case SetHeader() | AppendHeader() | RemoveHeader() | SetQuery() | RemoveQuery() if effect is Effect.FORBID:
            raise BadDuty("says nothing at a policy that forbids: no request goes to the upstream")
        case _:
            pass


def _note(known: dict[str, type], name: str, duty: Duty) -> None:
    if known.setdefault(name, type(duty)) is not type(duty):
        raise BadDuty("sets what another policy appends to: of one header, all policies do the one or the other")


def _refusal(policy: Policy, obligation: Obligation, why: str) -> PolicySetError:
    return PolicySetError(
        f"obligation `{obligation.kind}:{obligation.argument}` of policy `{policy.id}` {why}",
        span=policy.span,
        source=policy.source,
        help="write the names of headers in lower case and values in printable ASCII; names that carry credentials, "
        f"frame messages, steer proxies or begin with `{OWN_PREFIX}` are refused",
    )

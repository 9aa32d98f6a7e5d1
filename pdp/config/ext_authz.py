"""The configuration of Envoy's door: what of its request policies see, and what a client is told of a denial.

Nothing of a request becomes part of Cedar's context that is not named here. A source is written as its kind, or as its
kind and what is meant of it:

    method host path scheme protocol sni        of the request, or of the connection's TLS session
    header:<name>                               a header, its name in lower case
    query:<name>                                a query parameter
    body:json body:text body:partial            the body as a record, or as a text; whether it is a part of it alone
    source:address source:principal             the other end of Envoy's connection
    source:certificate
    destination:address destination:principal   Envoy's own end
    destination:certificate
    client:principal client:certificate         the client: the source, or whom a trusted proxy forwards for
    extension:<name>                            `context_extensions` of Envoy's route
    metadata:<namespace>                        dynamic metadata of Envoy's filters
    route_metadata:<namespace>                  metadata of Envoy's route
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, unique
from typing import Final, final

from pdp.cedar.names import is_identifier
from pdp.cedar.values import brief
from pdp.documents import Node

MAX_BODY: Final = 1024 * 1024
"""The most bytes of a body that may be allowed: well below a gRPC message, of which it is a part."""

_MAX_NAME: Final = 256
_HEADER: Final = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")


@unique
class Kind(Enum):
    """A kind of source, as it is written."""

    METHOD = "method"
    HOST = "host"
    PATH = "path"
    SCHEME = "scheme"
    PROTOCOL = "protocol"
    SNI = "sni"
    HEADER = "header"
    QUERY = "query"
    BODY = "body"
    SOURCE = "source"
    DESTINATION = "destination"
    CLIENT = "client"
    EXTENSION = "extension"
    METADATA = "metadata"
    ROUTE_METADATA = "route_metadata"


_PEER: Final = ("address", "principal", "certificate")
_PARTS: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind.BODY: ("json", "text", "partial"),
    Kind.SOURCE: _PEER,
    Kind.DESTINATION: _PEER,
    Kind.CLIENT: ("principal", "certificate"),
}
"""What may be meant of a kind that has these parts alone."""

_NAMED: Final = frozenset((Kind.HEADER, Kind.QUERY, Kind.EXTENSION, Kind.METADATA, Kind.ROUTE_METADATA))
"""Kinds of which any name may be meant."""

PARTIAL_BODIES: Final = ("refuse", "absent")
"""What becomes of a request whose body Envoy sends in part."""

UNKNOWN_FIELDS: Final = ("refuse", "ignore")
"""What becomes of a body with fields that the schema does not declare."""

DENIAL_BODIES: Final = ("full", "brief", "empty")
"""What the body of a denial says."""


@final
@dataclass(frozen=True, slots=True)
class ContextSource:
    """Where an attribute of the context comes from. `node` is where that stands, None for a default."""

    kind: Kind
    name: str = ""
    """What is meant of the kind, "" if it has no parts."""
    node: Node | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.name}" if self.name else self.kind.value


_DEFAULT_CONTEXT: Final[Mapping[str, ContextSource]] = {
    "region": ContextSource(Kind.EXTENSION, "region"),
    "ip": ContextSource(Kind.SOURCE, "address"),
}


@final
@dataclass(frozen=True, slots=True)
class BodyConfig:
    """How a body is read, where `context` names it at all."""

    max_bytes: int = 64 * 1024
    """Bytes in a body, at most; a request with more is denied."""
    partial: str = "refuse"
    """A request of whose body Envoy sends a part alone (`allow_partial_message`) is denied: `refuse`. With `absent`,
    the body is absent; then `context` must say `body:partial`, so that policies can see it."""
    unknown_fields: str = "refuse"
    """A body with a field that the schema does not declare is denied: `refuse`. With `ignore`, the field is left out;
    one that differs from a declared one in its letters' case alone is denied still."""


@final
@dataclass(frozen=True, slots=True)
class ExtAuthzConfig:
    """Envoy's door. It is served always; this section is about what it reads and says."""

    context: Mapping[str, ContextSource] = field(default_factory=lambda: _DEFAULT_CONTEXT)
    """Sources by the name of the attribute of Cedar's context. The attribute's type in the schema says how a source is
    read; actions whose context does not declare it do without."""
    body: BodyConfig = field(default_factory=BodyConfig)
    forwarders: tuple[str, ...] = ()
    """Principals, as Envoy sees them, of proxies before Envoy whose `x-forwarded-client-cert` is believed: for a
    request on their connections, the client is whom they forward for."""
    certificate_subjects: bool = False
    """Whether a client that shows a certificate and no token is the workload of that certificate (`identity.spiffe`).
    That the client has its key is Envoy's word alone: policies about callers must let Envoy assert subjects."""
    denial_body: str = "full"
    """`full`: the reason, the message, the policies and the request's id; `brief`: the request's id; `empty`."""


def read_ext_authz(node: Node | None) -> ExtAuthzConfig:
    """The section `ext_authz`. Raises DocumentError."""
    default = ExtAuthzConfig()
    if node is None:
        return default
    with node.table() as table:
        context, forwarders = table.get("context"), table.get("forwarders")
        subjects, denial = table.get("certificate_subjects"), table.get("denial_body")
        sources = default.context if context is None else dict(_source(*entry) for entry in context.entries())
        body = _body(table.get("body"), sources)
        return ExtAuthzConfig(
            sources,
            body,
            () if forwarders is None else tuple(item.text() for item in forwarders.items()),
            subjects is not None and subjects.flag(),
            default.denial_body if denial is None else denial.choice(DENIAL_BODIES),
        )


def _source(attribute: str, node: Node) -> tuple[str, ContextSource]:
    if not is_identifier(attribute):
        node.refuse_key(f"{brief(attribute)} is no name of an attribute", "write it as in policies: `context.<name>`")
    written, colon, name = node.text().partition(":")
    kind = next((kind for kind in Kind if kind.value == written), None)
    if kind is None:
        kinds = ", ".join(f"`{kind.value}`" for kind in Kind)
        node.refuse(f"{brief(node.text())} names no part of a request", f"the kinds of source are {kinds}")
    if kind in _NAMED:
        if not name or len(name) > _MAX_NAME or (kind is Kind.HEADER and _HEADER.fullmatch(name) is None):
            node.refuse(f"{brief(node.text())} names no {kind.value}", _example(kind))
    elif name not in _PARTS.get(kind, ("",)) or (colon and not name):
        parts = ", ".join(f"`{kind.value}:{part}`" if part else f"`{kind.value}`" for part in _PARTS.get(kind, ("",)))
        node.refuse(f"{brief(node.text())} names no part of a request", f"write {parts}")
    return attribute, ContextSource(kind, name, node)


def _example(kind: Kind) -> str:
    return "write it in lower case, as in `header:x-tenant`" if kind is Kind.HEADER else f"write `{kind.value}:<name>`"


def _body(node: Node | None, sources: Mapping[str, ContextSource]) -> BodyConfig:
    default = BodyConfig()
    if node is None:
        return default
    if not any(source.kind is Kind.BODY for source in sources.values()):
        node.refuse_key("`body` is given, and `context` names no body", "name one, as in `order: body:json`")
    with node.table() as table:
        most, partial, unknown = table.get("max_bytes"), table.get("partial"), table.get("unknown_fields")
        found = BodyConfig(
            default.max_bytes if most is None else most.integer(1, MAX_BODY),
            default.partial if partial is None else partial.choice(PARTIAL_BODIES),
            default.unknown_fields if unknown is None else unknown.choice(UNKNOWN_FIELDS),
        )
        seen = ContextSource(Kind.BODY, "partial") in sources.values()
        if partial is not None and found.partial == "absent" and not seen:
            partial.refuse("no policy could see that a body is absent", "add `body:partial` to `context`")
        return found

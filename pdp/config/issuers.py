"""The configuration of one issuer of tokens: what its tokens must be, and what a verified one becomes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias, final

from pdp.cedar.source import Source, Span
from pdp.config.paths import path_of
from pdp.config.urls import HttpUrl, is_url, read_url
from pdp.documents import Node, Table
from pdp.documents.fields import entries_of, needs, optional_text, optional_type, type_name

ALGORITHMS: Final = ("ES256", "ES384", "ES512", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512")
"""Signature algorithms that may be allowed. Asymmetric ones alone: with a shared secret, whoever can check a token can
make one."""

RFC9068: Final = "rfc9068"
PROFILES: Final = ("jwt", RFC9068)
"""What a JWT must be: any that is no other kind of token (RFC 8725), or an access token by RFC 9068 to the letter."""

_SECOND: Final = 1000
_MINUTE: Final = 60 * _SECOND
_DAY: Final = 24 * 60 * _MINUTE

Place: TypeAlias = tuple[Source, Span]
"""Where something stands in the configuration."""


@final
@dataclass(frozen=True, slots=True)
class PrincipalConfig:
    """How a verified token becomes a Cedar entity. Nothing that is not named here is taken from a token.

    A claim that is named here and has another form refuses the token; it is not left out.
    """

    id_claim: str = "sub"
    """The claim that holds the entity's id: a text that is not empty."""
    type: str = "User"
    """The entity's type, when `type_claim` is not set or the token does not have it."""
    type_claim: str | None = None
    """The claim that says which of `types` the subject is. A value that `types` does not list refuses the token."""
    types: Mapping[str, str] = field(default_factory=dict)
    """Entity types by the value of `type_claim`."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Claims by the name of the attribute that they become. A claim is a text, whole number, Bool, or a list or
    mapping of those; its absence leaves the attribute out."""
    groups_claim: str | None = None
    """The claim that lists the ids of the entity's groups."""
    groups_type: str = "Group"
    """The type of those groups."""
    device_claim: str | None = None
    """The claim that names the device which the token is bound to."""
    device_type: str = "Device"
    """The type of that device."""
    id_prefix: str = ""
    """What stands before every id that these tokens name: the subject's, its groups', its device's. It keeps the people
    of one issuer apart from those of another."""
    places: Mapping[str, Place] = field(default_factory=dict, compare=False, repr=False)
    """Where the types and attributes stand that a schema must have, by key (`attributes.level`); "" for all of it."""


@final
@dataclass(frozen=True, slots=True)
class KeysUrl:
    """An issuer's keys at a URL. They are fetched anew all the time, and the last good ones serve meanwhile."""

    url: HttpUrl
    """`https`, or `http` on this machine. Redirects are not followed."""
    ca: Path | None = None
    """Certificates (PEM) that the server's must descend from; the system's if not given."""
    refresh: int = 15 * _MINUTE
    """How old (ms) keys become before they are fetched again, 10 s to a day; the server may ask for less."""
    max_age: int = _DAY
    """How long (ms) the last good answer is believed when no other one comes, at most 30 days. After that, every token
    of the issuer is refused."""
    timeout: int = 5 * _SECOND
    """How long (ms) one fetch may take from its first byte to its last, 100 ms to 1 min."""


@final
@dataclass(frozen=True, slots=True)
class IntrospectionConfig:
    """Asking the issuer about tokens that are no JWTs (RFC 7662)."""

    url: HttpUrl
    """The introspection endpoint: `https`, or `http` on this machine."""
    client_id: str
    """Who we are to the issuer."""
    client_secret: Path
    """A file with our secret alone, sent by `Basic` authentication (RFC 6749, section 2.3.1)."""
    ca: Path | None = None
    """Certificates (PEM) that the server's must descend from; the system's if not given."""
    timeout: int = _SECOND
    """How long (ms) a request may wait for the issuer's word, 10 ms to 10 s; then it is refused."""
    max_age: int = 30 * _SECOND
    """How long (ms) its word that a token is active is believed, at most 10 min: for so long a token may outlive its
    revocation there. `0ms` asks every time."""
    inactive_age: int = 5 * _SECOND
    """How long (ms) its word that a token is not active is kept, at most 10 min."""
    audience_required: bool = True
    """Whether an answer must say for whom the token is. Only sound without where the issuer answers each client for
    that client's own tokens alone."""


@final
@dataclass(frozen=True, slots=True)
class IssuerConfig:
    """One issuer. Issuer, audience, algorithms and keys have no default: tokens are not accepted by halves."""

    issuer: str
    """The `iss` of its tokens, character by character."""
    audience: str
    """What `aud` must be or contain: the name of this decision point's realm."""
    algorithms: tuple[str, ...] = ()
    """The signature algorithms that are accepted, of `ALGORITHMS`; with `jwks`."""
    jwks: Path | KeysUrl | None = None
    """The issuer's keys, a JWK Set (RFC 7517): a file or a URL. Without them none of its JWTs is accepted."""
    profile: str = PROFILES[0]
    """What a JWT must be, one of `PROFILES`."""
    introspection: IntrospectionConfig | None = None
    """How the issuer is asked about other tokens; one issuer at most, for such a token does not say whose it is."""
    principal: PrincipalConfig = field(default_factory=PrincipalConfig)


def read_issuer(table: Table, base: Path) -> IssuerConfig:
    """The issuer that a table tells of, its own or the section `identity` itself. Raises DocumentError."""
    issuer, audience = table.require("issuer").text(), table.require("audience").text()
    introspection = table.get("introspection")
    asked = None if introspection is None else _introspection(introspection, base)
    jwks = table.get("jwks") if asked is not None else table.require("jwks")
    algorithms: tuple[str, ...] = ()
    if jwks is not None:
        allowed = table.require("algorithms")
        if not allowed.items():
            allowed.refuse("no algorithm is allowed", f"list some of {', '.join(ALGORITHMS)}")
        algorithms = tuple(item.choice(ALGORITHMS) for item in allowed.items())
    else:
        needs(table, "algorithms", "jwks")
    profile = table.get("profile")
    return IssuerConfig(
        issuer=issuer,
        audience=audience,
        algorithms=algorithms,
        jwks=None if jwks is None else _keys(jwks, base),
        profile=PROFILES[0] if profile is None else profile.choice(PROFILES),
        introspection=asked,
        principal=_principal(table.get("principal"), table.node),
    )


def _keys(node: Node, base: Path) -> Path | KeysUrl:
    """`jwks`: a path, a URL, or a URL with what else is to be known of it."""
    if isinstance(node.value, str):
        return KeysUrl(read_url(node)) if is_url(node.value) else path_of(node, base)
    if not isinstance(node.value, dict):
        node.text()
    with node.table() as table:
        url = read_url(table.require("url"))
        default = KeysUrl(url)
        keys = KeysUrl(
            url,
            ca=_optional_path(table, "ca", base),
            refresh=_optional_duration(table, "refresh", default.refresh, 10 * _SECOND, _DAY),
            max_age=_optional_duration(table, "max_age", default.max_age, _MINUTE, 30 * _DAY),
            timeout=_optional_duration(table, "timeout", default.timeout, 100, _MINUTE),
        )
        if keys.max_age < keys.refresh:
            node.refuse(
                "`max_age` is shorter than `refresh`", "keys would not be believed until they are fetched again"
            )
        return keys


def _introspection(node: Node, base: Path) -> IntrospectionConfig:
    with node.table() as table:
        url, required = read_url(table.require("url")), table.get("audience_required")
        default = IntrospectionConfig(url, "", base)
        return IntrospectionConfig(
            url,
            client_id=table.require("client_id").text(),
            client_secret=path_of(table.require("client_secret"), base),
            ca=_optional_path(table, "ca", base),
            timeout=_optional_duration(table, "timeout", default.timeout, 10, 10 * _SECOND),
            max_age=_optional_duration(table, "max_age", default.max_age, 0, 10 * _MINUTE),
            inactive_age=_optional_duration(table, "inactive_age", default.inactive_age, 0, 10 * _MINUTE),
            audience_required=required is None or required.flag(),
        )


def _optional_path(table: Table, key: str, base: Path) -> Path | None:
    node = table.get(key)
    return None if node is None else path_of(node, base)


def _optional_duration(table: Table, key: str, default: int, least: int, most: int) -> int:
    node = table.get(key)
    return default if node is None else node.duration(least, most)


_TYPED: Final = ("type", "groups_type", "device_type")


def _principal(node: Node | None, issuer: Node) -> PrincipalConfig:
    default = PrincipalConfig()
    if node is None:
        return PrincipalConfig(places={"": (issuer.source, issuer.span)})
    with node.table() as table:
        needs(table, "type_claim", "types")
        needs(table, "types", "type_claim")
        needs(table, "groups_type", "groups_claim")
        needs(table, "device_type", "device_claim")
        return PrincipalConfig(
            id_claim=optional_text(table, "id_claim", default.id_claim),
            id_prefix=optional_text(table, "id_prefix", default.id_prefix),
            type=optional_type(table, "type", default.type),
            type_claim=optional_text(table, "type_claim", default.type_claim),
            types={name: type_name(item) for name, item in entries_of(table, "types")},
            attributes={name: item.text() for name, item in entries_of(table, "attributes")},
            groups_claim=optional_text(table, "groups_claim", default.groups_claim),
            groups_type=optional_type(table, "groups_type", default.groups_type),
            device_claim=optional_text(table, "device_claim", default.device_claim),
            device_type=optional_type(table, "device_type", default.device_type),
            places=_places(node, table),
        )


def _places(node: Node, table: Table) -> Mapping[str, Place]:
    places = {"": (node.source, node.span)}
    places |= {key: (found.source, found.span) for key in _TYPED if (found := table.get(key)) is not None}
    for key in ("types", "attributes"):
        places |= {f"{key}.{name}": (item.source, item.span) for name, item in entries_of(table, key)}
    return places

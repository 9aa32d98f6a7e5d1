"""The configuration: every default and bound, with a sentence. Unknown keys are refused; half a configuration is none.

A file of YAML, read by `load_config`; paths in it are relative to the file. Durations are written as in Cedar (`15m`,
`1h30m`), and held in milliseconds.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from pathlib import Path
from typing import Final, final

from pdp.cedar.errors import CedarError
from pdp.cedar.source import Source
from pdp.cedar.values import brief
from pdp.documents import Node, parse_yaml, read_source
from pdp.documents.fields import entries_of, needs, optional_text, optional_type, type_name
from pdp.door_config import (
    AuthzenConfig,
    ForwardAuthConfig,
    KubernetesConfig,
    read_authzen,
    read_forward_auth,
    read_kubernetes,
)

ALGORITHMS: Final = ("ES256", "ES384", "ES512", "EdDSA", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512")
"""Signature algorithms that may be allowed. Asymmetric ones alone: with a shared secret, whoever can check a token can
make one."""

LOG_FORMATS: Final = ("text", "json")
"""How log lines are written."""

_DAY: Final = 86_400_000
_LEEWAY: Final = 5_000
_LISTEN: Final = re.compile(r"(?:\[(?P<ip>[^\[\]]+)\]|(?P<host>[A-Za-z0-9._-]+)):(?P<port>[0-9]{1,5})")


class ConfigError(CedarError):
    """A configuration file that cannot be read."""

    code = "config"


@final
@dataclass(frozen=True, slots=True)
class GrpcConfig:
    """The gRPC doors. Loopback unless told otherwise: the transport is not encrypted."""

    listen: str = "127.0.0.1:50051"
    """`host:port`, or `unix:` and the path of a socket. Port 0 is any free one."""
    workers: int = 8
    """Threads that answer calls, 1 to 64. They share one interpreter: more of them make waiting, not speed."""
    streams: int = 32
    """Streams of questions (`CheckStream`) that may be open, 1 to 1024. Each has a thread of its own, idle or not,
    beside those that answer calls; one more is answered with a deny."""
    explain: bool = False
    """Whether a caller on this machine may have answers explained (`Explain`): policies and facts are shown to it,
    whatever its principal may know. Not where a proxy on this machine forwards to this port for others."""


@final
@dataclass(frozen=True, slots=True)
class HttpConfig:
    """The HTTP server for metrics and health. In the file, `listen: host:port`."""

    host: str = "127.0.0.1"
    port: int = 8080


@final
@dataclass(frozen=True, slots=True)
class LogConfig:
    """The log on standard error."""

    format: str = "text"
    """`text` for people, `json` for machines."""


@final
@dataclass(frozen=True, slots=True)
class FreshnessConfig:
    """How long (ms) a fact is believed; older than that, it is absent. 1 ms to 366 days each."""

    authentication: int = 12 * 3_600_000
    """Since the subject last authenticated (`auth_time`)."""
    device: int = 3_600_000
    """Since a device's posture was observed."""
    workload: int = 3_600_000
    """Since a workload's posture (attestation) was observed."""


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


@final
@dataclass(frozen=True, slots=True)
class IdentityConfig:
    """Who is believed. Issuer, audience, algorithms and keys have no default: tokens are not accepted by halves."""

    issuer: str
    """The only `iss` that is accepted, character by character."""
    audience: str
    """What `aud` must be or contain: the name of this decision point's realm."""
    algorithms: tuple[str, ...]
    """The signature algorithms that are accepted, of `ALGORITHMS`."""
    jwks: Path
    """The issuer's keys, a JWK Set (RFC 7517)."""
    leeway: int = _LEEWAY
    """How far (ms) the issuer's clock may differ from ours, at most 60 s."""
    accept_asserted: bool = False
    """Whether a caller on this machine may simply name the principal, without a credential. Only sound where whoever
    can reach this port has authenticated the subject itself."""
    principal: PrincipalConfig = field(default_factory=PrincipalConfig)


@final
@dataclass(frozen=True, slots=True)
class PolicyConfig:
    """The policy bundle."""

    directory: Path


@final
@dataclass(frozen=True, slots=True)
class ContextConfig:
    """The facts."""

    directory: Path
    relative_times: bool = False
    """Whether the files may give times relative to the moment of loading (`-5m`). For samples and tests alone: such a
    fact is as fresh as the last reload, whatever happened in the world."""


@final
@dataclass(frozen=True, slots=True)
class InventoryConfig:
    """What HTTP requests are about."""

    routes: Path


@final
@dataclass(frozen=True, slots=True)
class Config:
    """Everything that one decision point is built from."""

    identity: IdentityConfig
    policies: PolicyConfig
    context: ContextConfig
    inventory: InventoryConfig
    grpc: GrpcConfig = field(default_factory=GrpcConfig)
    http: HttpConfig = field(default_factory=HttpConfig)
    log: LogConfig = field(default_factory=LogConfig)
    freshness: FreshnessConfig = field(default_factory=FreshnessConfig)
    authzen: AuthzenConfig | None = None
    forward_auth: ForwardAuthConfig | None = None
    kubernetes: KubernetesConfig | None = None


def load_config(path: Path) -> Config:
    """The configuration of a file. Raises ConfigError when it cannot be read, DocumentError for what it says."""
    return read_config(read_source(path, ConfigError, "give the path of a file with `--config`"), path.parent)


def read_config(source: Source, base: Path) -> Config:
    """The configuration of a text, with its relative paths taken from `base`. Raises DocumentError."""
    with parse_yaml(source).table() as table:
        return Config(
            identity=_identity(table.require("identity"), base),
            policies=_policies(table.require("policies"), base),
            context=_context(table.require("context"), base),
            inventory=_inventory(table.require("inventory"), base),
            grpc=_grpc(table.get("grpc"), base),
            http=_http(table.get("http")),
            log=_log(table.get("log")),
            freshness=_freshness(table.get("freshness")),
            authzen=read_authzen(table.get("authzen")),
            forward_auth=read_forward_auth(table.get("forward_auth")),
            kubernetes=read_kubernetes(table.get("kubernetes")),
        )


def read_address(text: str) -> tuple[str, int] | None:
    """Host and port of `host:port`, where an IPv6 address stands in brackets; None for another form."""
    match = _LISTEN.fullmatch(text)
    if match is None or int(match["port"]) > 65_535 or not (match["host"] or _is_ipv6(match["ip"])):
        return None
    return match["ip"] or match["host"], int(match["port"])


def _identity(node: Node, base: Path) -> IdentityConfig:
    with node.table() as table:
        algorithms = table.require("algorithms")
        if not algorithms.items():
            algorithms.refuse("no algorithm is allowed", f"list some of {', '.join(ALGORITHMS)}")
        leeway, asserted = table.get("leeway"), table.get("accept_asserted")
        return IdentityConfig(
            issuer=table.require("issuer").text(),
            audience=table.require("audience").text(),
            algorithms=tuple(item.choice(ALGORITHMS) for item in algorithms.items()),
            jwks=_path(table.require("jwks"), base),
            leeway=_LEEWAY if leeway is None else leeway.duration(0, 60_000),
            accept_asserted=asserted is not None and asserted.flag(),
            principal=_principal(table.get("principal")),
        )


def _principal(node: Node | None) -> PrincipalConfig:
    default = PrincipalConfig()
    if node is None:
        return default
    with node.table() as table:
        needs(table, "type_claim", "types")
        needs(table, "types", "type_claim")
        needs(table, "groups_type", "groups_claim")
        needs(table, "device_type", "device_claim")
        return PrincipalConfig(
            id_claim=optional_text(table, "id_claim", default.id_claim),
            type=optional_type(table, "type", default.type),
            type_claim=optional_text(table, "type_claim", default.type_claim),
            types={name: type_name(item) for name, item in entries_of(table, "types")},
            attributes={name: item.text() for name, item in entries_of(table, "attributes")},
            groups_claim=optional_text(table, "groups_claim", default.groups_claim),
            groups_type=optional_type(table, "groups_type", default.groups_type),
            device_claim=optional_text(table, "device_claim", default.device_claim),
            device_type=optional_type(table, "device_type", default.device_type),
        )


def _policies(node: Node, base: Path) -> PolicyConfig:
    with node.table() as table:
        return PolicyConfig(_path(table.require("directory"), base))


def _context(node: Node, base: Path) -> ContextConfig:
    with node.table() as table:
        relative = table.get("relative_times")
        directory = _path(table.require("directory"), base)
        return ContextConfig(directory, relative is not None and relative.flag())


def _inventory(node: Node, base: Path) -> InventoryConfig:
    with node.table() as table:
        return InventoryConfig(_path(table.require("routes"), base))


def _grpc(node: Node | None, base: Path) -> GrpcConfig:
    default = GrpcConfig()
    if node is None:
        return default
    with node.table() as table:
        listen, workers = table.get("listen"), table.get("workers")
        streams, explain = table.get("streams"), table.get("explain")
        return GrpcConfig(
            default.listen if listen is None else _grpc_address(listen, base),
            default.workers if workers is None else workers.integer(1, 64),
            default.streams if streams is None else streams.integer(1, 1024),
            explain is not None and explain.flag(),
        )


def _http(node: Node | None) -> HttpConfig:
    if node is None:
        return HttpConfig()
    with node.table() as table:
        listen = table.get("listen")
        return HttpConfig() if listen is None else HttpConfig(*_address(listen))


def _log(node: Node | None) -> LogConfig:
    if node is None:
        return LogConfig()
    with node.table() as table:
        form = table.get("format")
        return LogConfig() if form is None else LogConfig(form.choice(LOG_FORMATS))


def _freshness(node: Node | None) -> FreshnessConfig:
    default = FreshnessConfig()
    if node is None:
        return default
    with node.table() as table:
        ages = {name: table.get(name) for name in ("authentication", "device", "workload")}
        given = {name: age.duration(1, 366 * _DAY) for name, age in ages.items() if age is not None}
        return FreshnessConfig(**given)


def _grpc_address(node: Node, base: Path) -> str:
    scheme, colon, socket = node.text().partition(":")
    if scheme == "unix" and colon:
        return f"unix:{_path(node, base, socket)}"
    _address(node)
    return node.text()


def _address(node: Node) -> tuple[str, int]:
    address = read_address(node.text())
    if address is None:
        node.refuse(
            "this is no address to listen on", "write `host:port`, for example `127.0.0.1:8080` or `[::1]:8080`"
        )
    return address


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


def _path(node: Node, base: Path, text: str | None = None) -> Path:
    """The path that a value holds, or `text` of it."""
    path = node.text() if text is None else text
    if not path or "\0" in path:
        node.refuse(f"{brief(path)} is no path")
    return base / path

"""The configuration: every default and bound, with a sentence. Unknown keys are refused; half a configuration is none.

A file of YAML, read by `load_config`; paths in it are relative to the file. Durations are written as in Cedar (`15m`,
`1h30m`), and held in milliseconds.
"""

import re
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from pathlib import Path
from typing import Final, final

from pdp.cedar.errors import CedarError
from pdp.cedar.source import Source
from pdp.config.doors import (
    AuthzenConfig,
    ForwardAuthConfig,
    KubernetesConfig,
    read_authzen,
    read_forward_auth,
    read_kubernetes,
)
from pdp.config.identity import IdentityConfig, read_identity
from pdp.config.paths import path_of
from pdp.documents import Node, parse_yaml, read_source

LOG_FORMATS: Final = ("text", "json")
"""How log lines are written."""

_DAY: Final = 86_400_000
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
            identity=read_identity(table.require("identity"), base),
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


def _policies(node: Node, base: Path) -> PolicyConfig:
    with node.table() as table:
        return PolicyConfig(path_of(table.require("directory"), base))


def _context(node: Node, base: Path) -> ContextConfig:
    with node.table() as table:
        relative = table.get("relative_times")
        directory = path_of(table.require("directory"), base)
        return ContextConfig(directory, relative is not None and relative.flag())


def _inventory(node: Node, base: Path) -> InventoryConfig:
    with node.table() as table:
        return InventoryConfig(path_of(table.require("routes"), base))


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
        return f"unix:{path_of(node, base, socket)}"
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

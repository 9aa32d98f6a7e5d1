"""The configuration: every default and bound, with a sentence. Unknown keys are refused; half a configuration is none.

A file of YAML, read by `load_config`; paths in it are relative to the file. Durations are written as in Cedar (`15m`,
`1h30m`), and held in milliseconds.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, final

from pdp.cedar.errors import CedarError
from pdp.cedar.source import Source
from pdp.config.cache import CacheConfig, read_cache
from pdp.config.callers import CallersConfig, read_callers
from pdp.config.context import ContextConfig, read_context
from pdp.config.doors import (
    AuthzenConfig,
    ForwardAuthConfig,
    KubernetesConfig,
    read_authzen,
    read_forward_auth,
    read_kubernetes,
)
from pdp.config.ext_authz import ExtAuthzConfig, read_ext_authz
from pdp.config.identity import IdentityConfig, read_identity
from pdp.config.inventory import InventoryConfig, read_inventory
from pdp.config.policies import PolicyConfig, read_policies
from pdp.config.servers import GrpcConfig, HttpConfig, LogConfig, read_grpc, read_http, read_log
from pdp.config.telemetry import SlowDecisionsConfig, TracingConfig, read_slow_decisions, read_tracing
from pdp.documents import Node, parse_yaml, read_source

_DAY: Final = 86_400_000


class ConfigError(CedarError):
    """A configuration file that cannot be read."""

    code = "config"


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
class Config:
    """Everything that one decision point is built from."""

    identity: IdentityConfig
    policies: PolicyConfig
    context: ContextConfig
    inventory: InventoryConfig
    grpc: GrpcConfig = field(default_factory=GrpcConfig)
    http: HttpConfig = field(default_factory=HttpConfig)
    callers: CallersConfig = field(default_factory=CallersConfig)
    log: LogConfig = field(default_factory=LogConfig)
    tracing: TracingConfig | None = None
    slow_decisions: SlowDecisionsConfig | None = None
    freshness: FreshnessConfig = field(default_factory=FreshnessConfig)
    cache: CacheConfig = field(default_factory=CacheConfig)
    ext_authz: ExtAuthzConfig = field(default_factory=ExtAuthzConfig)
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
            policies=read_policies(table.require("policies"), base),
            context=read_context(table.require("context"), base),
            inventory=read_inventory(table.require("inventory"), base),
            grpc=read_grpc(table.get("grpc"), base),
            http=read_http(table.get("http"), base),
            callers=read_callers(table.get("callers"), base),
            log=read_log(table.get("log")),
            tracing=read_tracing(table.get("tracing")),
            slow_decisions=read_slow_decisions(table.get("slow_decisions")),
            freshness=_freshness(table.get("freshness")),
            cache=read_cache(table.get("cache")),
            ext_authz=read_ext_authz(table.get("ext_authz")),
            authzen=read_authzen(table.get("authzen")),
            forward_auth=read_forward_auth(table.get("forward_auth")),
            kubernetes=read_kubernetes(table.get("kubernetes")),
        )


def _freshness(node: Node | None) -> FreshnessConfig:
    default = FreshnessConfig()
    if node is None:
        return default
    with node.table() as table:
        ages = {name: table.get(name) for name in ("authentication", "device", "workload")}
        given = {name: age.duration(1, 366 * _DAY) for name, age in ages.items() if age is not None}
        return FreshnessConfig(**given)

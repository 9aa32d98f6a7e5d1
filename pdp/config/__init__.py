"""The configuration. Each module has the sections of one neighbour; `reading` puts them together."""

from pdp.config.cache import CacheConfig
from pdp.config.callers import CallersConfig
from pdp.config.context import ContextConfig
from pdp.config.identity import IdentityConfig
from pdp.config.inventory import InventoryConfig
from pdp.config.issuers import ALGORITHMS, IssuerConfig, PrincipalConfig
from pdp.config.policies import PolicyConfig, ReloadIn
from pdp.config.reading import (
    Config,
    ConfigError,
    FreshnessConfig,
    load_config,
    read_config,
)
from pdp.config.servers import GrpcConfig, HttpConfig, LogConfig, TlsConfig

__all__ = [
    "ALGORITHMS",
    "CacheConfig",
    "CallersConfig",
    "Config",
    "ConfigError",
    "ContextConfig",
    "FreshnessConfig",
    "GrpcConfig",
    "HttpConfig",
    "IdentityConfig",
    "InventoryConfig",
    "IssuerConfig",
    "LogConfig",
    "PolicyConfig",
    "PrincipalConfig",
    "ReloadIn",
    "TlsConfig",
    "load_config",
    "read_config",
]

"""The configuration. Each module has the sections of one neighbour; `reading` puts them together."""

from pdp.config.identity import ALGORITHMS, IdentityConfig, PrincipalConfig
from pdp.config.reading import (
    Config,
    ConfigError,
    ContextConfig,
    FreshnessConfig,
    GrpcConfig,
    HttpConfig,
    InventoryConfig,
    LogConfig,
    PolicyConfig,
    load_config,
    read_address,
    read_config,
)

__all__ = [
    "ALGORITHMS",
    "Config",
    "ConfigError",
    "ContextConfig",
    "FreshnessConfig",
    "GrpcConfig",
    "HttpConfig",
    "IdentityConfig",
    "InventoryConfig",
    "LogConfig",
    "PolicyConfig",
    "PrincipalConfig",
    "load_config",
    "read_address",
    "read_config",
]

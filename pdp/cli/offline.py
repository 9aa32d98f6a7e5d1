"""A decision point's state from files alone, for the verbs that need no server."""

from dataclasses import replace
from pathlib import Path

from pdp.config import Config, load_config
from pdp.config.ext_authz import ExtAuthzConfig
from pdp.context.files import load_facts
from pdp.engine.snapshot import World, build_world
from pdp.policies.bundle import Bundle, load_bundle
from pdp.transport.http_obligations import policy_names


def read_config(config: Path | None, policies: Path | None, default: Path) -> Config:
    """The configuration that `--config` and `--policies` name. Raises ConfigError, DocumentError.

    A bundle's own `pdp.yaml` serves when no configuration is named; a configuration serves with another bundle when
    both are.
    """
    if policies is None:
        return load_config(config or default)
    if config is None:
        return load_config(policies / default.name)
    loaded = load_config(config)
    return replace(loaded, policies=replace(loaded.policies, directory=policies))


def read_bundle(config: Config) -> Bundle:
    """The bundle, checked as far as a server would check it. Raises CedarError."""
    bundle = load_bundle(config.policies.directory)
    policy_names(bundle.policies)
    if config.ext_authz != ExtAuthzConfig():  # what is set by default fits every schema
        from pdp.transport.grpc.ext_authz_context import ContextPlan  # gRPC's messages: slow to import

        ContextPlan(config.ext_authz, bundle.schema)
    return bundle


def build(config: Config, bundle: Bundle, now: int) -> World:
    """The bundle with the facts as they are at `now` (ms). Raises CedarError."""
    context = config.context
    facts = load_facts(context.directory, bundle.schema, now, relative_times=context.relative_times)
    return build_world(bundle, facts)

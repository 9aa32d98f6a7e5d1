"""The configuration of callers: who may ask. `pdp.engine.callers` has the rules that always hold."""

from dataclasses import dataclass
from pathlib import Path
from typing import final

from pdp.config.paths import path_of
from pdp.documents import Node


@final
@dataclass(frozen=True, slots=True)
class CallersConfig:
    """Who may ask. By default a caller on this machine, and nobody else."""

    policies: Path | None = None
    """A folder of Cedar policies about callers, beside the built-in ones, none of whose forbids they can lift. Not in
    the bundle's folder: who writes that one's policies does not say who may ask."""


def read_callers(node: Node | None, base: Path) -> CallersConfig:
    """The section `callers`, with its relative paths taken from `base`. Raises DocumentError."""
    if node is None:
        return CallersConfig()
    with node.table() as table:
        policies = table.get("policies")
        return CallersConfig(None if policies is None else path_of(policies, base))

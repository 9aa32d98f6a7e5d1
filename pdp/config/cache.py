"""The configuration of the cache of decisions."""

from dataclasses import dataclass
from typing import Final, final

from pdp.documents import Node

_MIB: Final = 1024 * 1024


@final
@dataclass(frozen=True, slots=True)
class CacheConfig:
    """The answers that are kept. It is on unless told otherwise: an answer from it is one that would be made anew."""

    enabled: bool = True
    """Whether answers are kept."""
    bytes: int = 64 * _MIB
    """The memory for them, 1 MiB to 64 GiB. 64 MiB hold some 60,000 answers."""


def read_cache(node: Node | None) -> CacheConfig:
    """The section `cache`. Raises DocumentError."""
    default = CacheConfig()
    if node is None:
        return default
    with node.table() as table:
        enabled, size = table.get("enabled"), table.get("bytes")
        return CacheConfig(
            default.enabled if enabled is None else enabled.flag(),
            default.bytes if size is None else size.integer(_MIB, 65_536 * _MIB),
        )

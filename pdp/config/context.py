"""The configuration of facts: where they come from, and where they are kept."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from pdp.config.paths import path_of
from pdp.documents import Node
from pdp.documents.fields import needs

_DAY: Final = 86_400_000
_HISTORY: Final = 30 * _DAY


@final
@dataclass(frozen=True, slots=True)
class ContextConfig:
    """The facts."""

    directory: Path
    """A folder of files: one source of facts among others, replaced as a whole when they change."""
    relative_times: bool = False
    """Whether the files may give times relative to the moment of loading (`-5m`). For samples and tests alone: such a
    fact is as fresh as the last reload, whatever happened in the world."""
    data: Path | None = None
    """A folder in which all facts are kept, with their history. Without it, what is written while the decision point
    runs is gone when it ends, and so is a revocation."""
    history: int = _HISTORY
    """How long (ms) it is remembered what was believed; with `data` alone. An hour to ten years."""


def read_context(node: Node, base: Path) -> ContextConfig:
    """The section `context`, with its relative paths taken from `base`. Raises DocumentError."""
    with node.table() as table:
        needs(table, "history", "data")
        relative, data, history = table.get("relative_times"), table.get("data"), table.get("history")
        return ContextConfig(
            path_of(table.require("directory"), base),
            relative is not None and relative.flag(),
            None if data is None else path_of(data, base),
            _HISTORY if history is None else history.duration(_DAY // 24, 3_653 * _DAY),
        )

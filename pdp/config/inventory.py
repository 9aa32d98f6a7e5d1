"""The configuration of the inventory: what HTTP requests are about."""

from dataclasses import dataclass
from pathlib import Path
from typing import final

from pdp.config.paths import path_of
from pdp.documents import Node


@final
@dataclass(frozen=True, slots=True)
class InventoryConfig:
    """The route table, and where the OpenAPI documents are that it names."""

    routes: Path
    documents: Path | None = None
    """The folder of the OpenAPI documents. Each file in it must be named by the route table, and it alone holds what
    that names. Without it, the table can name none."""


def read_inventory(node: Node, base: Path) -> InventoryConfig:
    """The section `inventory`. Raises DocumentError."""
    with node.table() as table:
        documents = table.get("documents")
        return InventoryConfig(
            path_of(table.require("routes"), base), None if documents is None else path_of(documents, base)
        )

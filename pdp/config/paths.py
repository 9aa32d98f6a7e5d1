"""Paths in a configuration: relative to the file that they stand in."""

from pathlib import Path

from pdp.cedar.values import brief
from pdp.documents import Node


def path_of(node: Node, base: Path, text: str | None = None) -> Path:
    """The path that a value holds, or `text` of it."""
    path = node.text() if text is None else text
    if not path or "\0" in path:
        node.refuse(f"{brief(path)} is no path")
    return base / path

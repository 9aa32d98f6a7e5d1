"""Fields of tables that configuration files have often. All raise DocumentError, with the place of what is wrong."""

from typing import TypeVar

from pdp.cedar.names import is_type_name
from pdp.cedar.values import brief
from pdp.documents.nodes import Node, Table

T = TypeVar("T")


def optional_text(table: Table, key: str, default: T) -> str | T:
    """A text that is not empty, or the default if the key is not there."""
    node = table.get(key)
    return default if node is None else node.text()


def optional_type(table: Table, key: str, default: str) -> str:
    """The name of an entity type, or the default if the key is not there."""
    node = table.get(key)
    return default if node is None else type_name(node)


def type_name(node: Node) -> str:
    """The value, which must be the name of an entity type."""
    if not is_type_name(node.text()):
        node.refuse(f"{brief(node.text())} is no name of an entity type", "write it as in `Files::User`")
    return node.text()


def entries_of(table: Table, key: str) -> list[tuple[str, Node]]:
    """The entries of a mapping, none if the key is not there."""
    node = table.get(key)
    return [] if node is None else node.entries()


def needs(table: Table, key: str, other: str) -> None:
    """Refuses a key that says nothing, or nothing good, without another one."""
    if (node := table.get(key)) is not None and table.get(other) is None:
        node.refuse_key(f"`{key}` is given without `{other}`", f"add `{other}` or remove `{key}`")

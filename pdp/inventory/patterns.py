"""Paths with captures, and the actions and resources that are written for them.

    /contracts/{contract}/functions/{function}      Procurement::Function::"{contract}/{function}"

`{id}` captures one whole segment, which is not empty, and puts it into the resource's id. Everything here raises
DocumentError, with a place.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple, TypeAlias

from pdp.cedar.names import is_action_type
from pdp.cedar.values import EntityUID, brief
from pdp.documents import Node
from pdp.inventory.paths import SEGMENT

CAPTURE: Final = re.compile(r"\{([a-z][A-Za-z0-9_]*)\}")
"""A capture as routes.yaml writes it."""

DOCUMENT_CAPTURE: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_.-]*)\}")
"""A capture as OpenAPI documents name their parameters."""

Piece: TypeAlias = str | int
"""Of a resource's id: a text, or the position of the segment whose text is put there."""


class Pattern(NamedTuple):
    """A path: None for segments that are captured, and the positions of these by their names."""

    segments: tuple[str | None, ...]
    captures: Mapping[str, int]


class ResourcePattern(NamedTuple):
    """A resource: its type, and the pieces of its id."""

    type: str
    id: tuple[Piece, ...]
    captures: frozenset[str]


def read_pattern(node: Node, text: str, capture: re.Pattern[str] = CAPTURE) -> Pattern:
    """The pattern that a text is; `node` is to blame for it."""
    start, *parts = text.split("/")
    if start or not parts:
        node.refuse("a path starts with `/`")
    segments: list[str | None] = []
    captures: dict[str, int] = {}
    for position, part in enumerate(parts):
        if found := capture.fullmatch(part):
            if found[1] in captures:
                node.refuse(f"`{part}` stands in this path twice", "give each capture its own name")
            captures[found[1]] = position
            segments.append(None)
            continue
        is_end = part == "" and position == len(parts) - 1
        if not is_end and (SEGMENT.fullmatch(part) is None or part in (".", "..")):
            node.refuse(
                f"{brief(part)} is no segment of a path",
                "write a whole segment as `{name}`, or as letters, digits and `-._~!$&'()*+,=:@` without escapes",
            )
        segments.append(part)
    return Pattern(tuple(segments), captures)


def read_action(node: Node, namespace: str | None = None) -> EntityUID:
    """The action that a value names; with a namespace, its bare id will do."""
    if namespace is not None and isinstance(node.value, str) and node.value and '"' not in node.value:
        action = EntityUID(f"{namespace}::Action", node.value)
    else:
        action = _in_namespace(node.entity(), namespace)
    if not is_action_type(action.type):
        node.refuse(f"`{action}` is no action", 'write it as in `Procurement::Action::"viewOrder"`')
    if "{" in action.id or "}" in action.id:
        node.refuse("an action holds no capture", "write a route for each action")
    return action


def read_resource(
    node: Node, captures: Mapping[str, int], namespace: str | None = None, capture: re.Pattern[str] = CAPTURE
) -> ResourcePattern:
    """The resource that a value names, with the captures of its path."""
    resource = _in_namespace(node.entity(), namespace)
    # The pattern has one group: texts and names of captures take turns, a text first and last.
    parts = capture.split(resource.id)
    texts, names = parts[::2], parts[1::2]
    if any("{" in text or "}" in text for text in texts):
        node.refuse("a brace in the id is no part of a capture", "write a capture as `{name}`")
    if any("/" not in text for text in texts[1:-1]):
        # Captured texts hold no `/`. Joined by anything else, the parts of two requests could give the same id.
        node.refuse("two captures have no `/` between them", "write `{a}/{b}`")
    for name in names:
        if name not in captures:
            node.refuse(f"the path does not capture `{{{name}}}`", "capture a segment of the path by this name")
    pieces = [captures[part] if number % 2 else part for number, part in enumerate(parts)]
    return ResourcePattern(resource.type, tuple(pieces), frozenset(names))


def _in_namespace(uid: EntityUID, namespace: str | None) -> EntityUID:
    """A name without a namespace is one of the namespace that is given."""
    if namespace is None or "::" in uid.type:
        return uid
    return EntityUID(f"{namespace}::{uid.type}", uid.id)

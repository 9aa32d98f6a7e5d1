"""The route table: method, host and path of an HTTP request to the action and resource of a Cedar request.

    routes:
      - method: GET
        host: api.consortium.example
        path: /orders/{id}
        action: Procurement::Action::"viewOrder"
        resource: Procurement::Order::"{id}"

`{id}` captures one segment, which is not empty, and puts it into the resource's id. Of two routes that match, the one
with a literal segment where the other captures wins; routes between which that decides nothing are refused when they
are loaded. What no route matches is the action `Api::Action::"unknown"`: default deny refuses it, and a guardrail can
say so.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias, final

from pdp.cedar.names import is_action_type
from pdp.cedar.source import Source
from pdp.cedar.values import EntityUID, brief
from pdp.documents import Node, parse_yaml, read_source
from pdp.inventory.paths import SEGMENT, segment_text, split_path

UNKNOWN_ACTION: Final = EntityUID("Api::Action", "unknown")
"""The action of a request that no route matches."""

UNKNOWN_RESOURCE_TYPE: Final = "Api::Route"
"""The type of such a request's resource; its id is the method and the path, cut off when they are long."""

_MAX_SHOWN_METHOD: Final = 32
_MAX_SHOWN_PATH: Final = 256
_METHOD: Final = re.compile(r"[A-Z][A-Z-]*")
_HOST: Final = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*|\[[0-9A-Fa-f:.]+\]")
_PORT: Final = re.compile(r":[0-9]*\Z")
_CAPTURE: Final = re.compile(r"\{([a-z][A-Za-z0-9_]*)\}")


@final
@dataclass(frozen=True, slots=True)
class Route:
    """What a request is about."""

    action: EntityUID
    resource: EntityUID


class _Where(NamedTuple):
    """What must be equal before segments are compared."""

    method: str
    host: str
    length: int
    ends_in_slash: bool


_Piece: TypeAlias = str | int
"""Of a resource's id: a text, or the position of the segment whose text is put there."""


@final
@dataclass(frozen=True, slots=True)
class Rule:
    """One route as it is written. `segments` holds None where a segment is captured."""

    where: _Where
    segments: tuple[str | None, ...]
    action: EntityUID
    resource_type: str
    resource_id: tuple[_Piece, ...]
    node: Node = field(compare=False, repr=False)

    @property
    def literal(self) -> tuple[int, ...]:
        """The positions of the segments that are not captured."""
        return tuple(position for position, segment in enumerate(self.segments) if segment is not None)

    def route(self, segments: tuple[str, ...]) -> Route:
        """The route of a path with these segments."""
        pieces = (piece if isinstance(piece, str) else segment_text(segments[piece]) for piece in self.resource_id)
        return Route(self.action, EntityUID(self.resource_type, "".join(pieces)))


_Shape: TypeAlias = tuple[tuple[int, ...], Mapping[tuple[str | None, ...], Rule]]
"""The positions of literal segments, and by the segments at these positions the rules that have literals just there."""


@final
class RouteTable:
    """Finds the route of a request; costs a look-up for each way in which routes of that length mix their captures."""

    __slots__ = ("_shapes",)

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        """Raises DocumentError for two rules that match the same request, neither more precisely."""
        grouped: dict[_Where, dict[tuple[int, ...], dict[tuple[str | None, ...], Rule]]] = {}
        for rule in rules:
            same_shape = grouped.setdefault(rule.where, {}).setdefault(rule.literal, {})
            first = same_shape.setdefault(_pick(rule.segments, rule.literal), rule)
            if first is not rule:
                rule.node.refuse("this route is there already", f"the first one is {_place(first)}")
        # Of shapes that can match one path, one holds the other's literals (else it is refused): more literals first.
        self._shapes: Mapping[_Where, tuple[_Shape, ...]] = {
            where: tuple(sorted(shapes.items(), key=lambda shape: -len(shape[0]))) for where, shapes in grouped.items()
        }
        for shapes in self._shapes.values():
            _refuse_ambiguous(shapes)

    def match(self, method: str, host: str, path: str) -> Route:
        """The route of a request, or that of an unknown one. Never raises, whatever the request holds.

        The method is compared exactly, the host without its port and whatever its case, the path without its query.
        """
        path = path.partition("?")[0]
        segments = split_path(path)
        if segments is None:
            return _unknown(method, path)
        for literal, rules in self._shapes.get(_where(method, host, segments), ()):
            rule = rules.get(_pick(segments, literal))
            if rule is not None:
                return rule.route(segments)
        return _unknown(method, "/" + "/".join(segments))


def load_routes(path: Path) -> RouteTable:
    """The routes of a file. Raises DocumentError, with a place."""
    return read_routes(read_source(path))


def read_routes(source: Source) -> RouteTable:
    """The routes of a text. Raises DocumentError, with a place."""
    with parse_yaml(source).table() as table:
        return RouteTable([_rule(node) for node in table.require("routes").items()])


def _pick(segments: tuple[str | None, ...], positions: tuple[int, ...]) -> tuple[str | None, ...]:
    return tuple([segments[position] for position in positions])


def _where(method: str, host: str, segments: tuple[str | None, ...]) -> _Where:
    # Only ASCII is folded: `lower` makes a `k` of the Kelvin sign.
    name = _PORT.sub("", host).lower() if host.isascii() else host
    # A capture is not empty: `/orders/` is not about the order without an id.
    return _Where(method, name, len(segments), segments[-1] == "")


def _unknown(method: str, path: str) -> Route:
    shown = f"{method[:_MAX_SHOWN_METHOD]} {path[:_MAX_SHOWN_PATH]}"
    return Route(UNKNOWN_ACTION, EntityUID(UNKNOWN_RESOURCE_TYPE, shown))


def _refuse_ambiguous(shapes: tuple[_Shape, ...]) -> None:
    """Refuses rules that match one path and have each a literal where the other captures."""
    for (some, ours), (others, theirs) in combinations(shapes, 2):
        if set(others) <= set(some):
            continue
        common = tuple(position for position in some if position in others)
        by_common = {_pick(rule.segments, common): rule for rule in ours.values()}
        for rule in theirs.values():
            first = by_common.get(_pick(rule.segments, common))
            if first is not None:
                rule.node.refuse(
                    "one request could match this route and another one",
                    f"the other one is {_place(first)}; make one of them literal where the other one is",
                )


def _place(rule: Rule) -> str:
    source = rule.node.source
    return f"at {source.name}:{source.position(rule.node.span.start).line}"


def _rule(node: Node) -> Rule:
    with node.table() as table:
        method, host, path = table.require("method"), table.require("host"), table.require("path")
        if _METHOD.fullmatch(method.text()) is None:
            method.refuse(
                f"{brief(method.text())} is no method", "methods are compared exactly: write `GET`, not `get`"
            )
        if _HOST.fullmatch(host.text()) is None:
            host.refuse(f"{brief(host.text())} is no host", "write its name without a port: `api.example`")
        segments, captures = _pattern(path)
        resource_type, resource_id = _resource(table.require("resource"), captures)
        where = _where(method.text(), host.text(), segments)
        return Rule(where, segments, _action(table.require("action")), resource_type, resource_id, node)


def _pattern(node: Node) -> tuple[tuple[str | None, ...], dict[str, int]]:
    """The segments of a path's pattern, None for captures, and the positions of the captures by name."""
    start, *parts = node.text().split("/")
    if start or not parts:
        node.refuse("a path starts with `/`")
    segments: list[str | None] = []
    captures: dict[str, int] = {}
    for position, part in enumerate(parts):
        if capture := _CAPTURE.fullmatch(part):
            if capture[1] in captures:
                node.refuse(f"`{part}` stands in this path twice", "give each capture its own name")
            captures[capture[1]] = position
            segments.append(None)
            continue
        is_end = part == "" and position == len(parts) - 1
        if not is_end and (SEGMENT.fullmatch(part) is None or part in (".", "..")):
            node.refuse(
                f"{brief(part)} is no segment of a path",
                "write a whole segment as `{name}`, or as letters, digits and `-._~!$&'()*+,=:@` without escapes",
            )
        segments.append(part)
    return tuple(segments), captures


def _action(node: Node) -> EntityUID:
    action = node.entity()
    if not is_action_type(action.type):
        node.refuse(f"`{action}` is no action", 'write it as in `Procurement::Action::"viewOrder"`')
    if "{" in action.id or "}" in action.id:
        node.refuse("an action holds no capture", "write a route for each action")
    return action


def _resource(node: Node, captures: Mapping[str, int]) -> tuple[str, tuple[_Piece, ...]]:
    """The type of a resource and the pieces of its id."""
    resource = node.entity()
    # The pattern has one group: texts and names of captures take turns, a text first and last.
    parts = _CAPTURE.split(resource.id)
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
    return resource.type, tuple(pieces)

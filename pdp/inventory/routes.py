"""The route table: method, host and path of an HTTP request to the action and resource of a Cedar request.

Of two routes that match, the one with a literal segment where the other captures wins; routes between which that
decides nothing are refused when they are loaded. What no route serves becomes an action of its own on
`Api::Route::"<METHOD> <path>"`, which default deny refuses and guardrails can speak of:

    Api::Action::"unknown"      no route has this path, or it can be read in two ways, or it is listed as unknown
    Api::Action::"wrongMethod"  the path has routes, but none for this method
    Api::Action::"deprecated"   the route is deprecated, and deprecated ones are not served or its sunset has come

A schema without one of the last two has them as `unknown`. A route can have facts: `context.api` of the request.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, unique
from itertools import combinations
from typing import Final, NamedTuple, TypeAlias, final

from pdp.cedar.values import EMPTY_RECORD, EntityUID, Record
from pdp.documents import Node
from pdp.inventory.paths import segment_text, split_path
from pdp.inventory.patterns import Piece

UNKNOWN_ACTION: Final = EntityUID("Api::Action", "unknown")
"""The action of a request that no route matches."""

WRONG_METHOD_ACTION: Final = EntityUID("Api::Action", "wrongMethod")
"""The action of a request to a path whose routes have other methods, where the schema declares it."""

DEPRECATED_ACTION: Final = EntityUID("Api::Action", "deprecated")
"""The action of a request to a route that is not served any more, where the schema declares it."""

UNKNOWN_RESOURCE_TYPE: Final = "Api::Route"
"""The type of such a request's resource; its id is the method and the path, cut off when they are long."""

_MAX_SHOWN_METHOD: Final = 32
_MAX_SHOWN_PATH: Final = 256
_PORT: Final = re.compile(r":[0-9]*\Z")


@unique
class RouteKind(Enum):
    """What the inventory knows of a request: a closed list, fit for a metric label."""

    KNOWN = "known"
    DEPRECATED_SERVED = "deprecated_served"
    """Policies are asked for the route's own action, and can see `context.api.deprecated`."""
    DEPRECATED = "deprecated"
    WRONG_METHOD = "wrong_method"
    UNKNOWN = "unknown"
    AMBIGUOUS_PATH = "ambiguous_path"
    """The path can be read in two ways; its action is `unknown`."""


@final
@dataclass(frozen=True, slots=True)
class Route:
    """What a request is about. `api` is to be `context.api`; empty, it is left out."""

    action: EntityUID
    resource: EntityUID
    kind: RouteKind = RouteKind.KNOWN
    api: Record = EMPTY_RECORD


class Where(NamedTuple):
    """What must be equal before segments are compared. The host is in lower case."""

    method: str
    host: str
    length: int
    ends_in_slash: bool


@final
@dataclass(frozen=True, slots=True)
class Target:
    """What a route stands for."""

    action: EntityUID
    resource_type: str
    resource_id: tuple[Piece, ...]
    api: Record = EMPTY_RECORD


class Deprecation(NamedTuple):
    """Whether a deprecated route is still served, and until when (ms since 1970; None without an end)."""

    served: bool
    sunset: int | None


@final
@dataclass(frozen=True, slots=True)
class Rule:
    """One route as it is written. `segments` holds None where a segment is captured; `target` is None for a route
    that is listed as unknown: it hides others that would match.
    """

    where: Where
    segments: tuple[str | None, ...]
    target: Target | None
    node: Node = field(compare=False, repr=False)
    deprecation: Deprecation | None = None

    @property
    def literal(self) -> tuple[int, ...]:
        """The positions of the segments that are not captured."""
        return tuple(position for position, segment in enumerate(self.segments) if segment is not None)


class OwnActions(NamedTuple):
    """The actions of requests that are not served, as far as the schema declares them."""

    wrong_method: EntityUID = UNKNOWN_ACTION
    deprecated: EntityUID = UNKNOWN_ACTION


_ALL_UNKNOWN: Final = OwnActions()

_Shape: TypeAlias = tuple[tuple[int, ...], Mapping[tuple[str | None, ...], Rule]]
"""The positions of literal segments, and by the segments at these positions the rules that have literals just there."""


@final
class RouteTable:
    """Finds the route of a request; costs a look-up for each way in which routes of that length mix their captures."""

    __slots__ = ("_methods", "_own", "_shapes")

    def __init__(self, rules: Iterable[Rule] = (), own: OwnActions = _ALL_UNKNOWN) -> None:
        """Raises DocumentError for two rules that match the same request, neither more precisely."""
        grouped: dict[Where, dict[tuple[int, ...], dict[tuple[str | None, ...], Rule]]] = {}
        for rule in rules:
            same_shape = grouped.setdefault(rule.where, {}).setdefault(rule.literal, {})
            first = same_shape.setdefault(_pick(rule.segments, rule.literal), rule)
            if first is not rule:
                rule.node.refuse("this route is there already", f"the first one is {_place(first)}")
        # Of shapes that can match one path, one holds the other's literals (else it is refused): more literals first.
        self._shapes: Mapping[Where, tuple[_Shape, ...]] = {
            where: tuple(sorted(shapes.items(), key=lambda shape: -len(shape[0]))) for where, shapes in grouped.items()
        }
        for shapes in self._shapes.values():
            _refuse_ambiguous(shapes)
        self._methods = tuple(dict.fromkeys(where.method for where in self._shapes))
        self._own = own

    def match(self, method: str, host: str, path: str, now: int) -> Route:
        """The route of a request at an instant (ms since 1970). Never raises, whatever the request holds.

        The method is compared exactly, the host without its port and whatever its case, the path without its query.
        """
        path = path.partition("?")[0]
        segments = split_path(path)
        if segments is None:
            return _unserved(UNKNOWN_ACTION, RouteKind.AMBIGUOUS_PATH, method, path)
        where = where_of(method, host, segments)
        rule = self._find(where, segments)
        # The path that was judged, and not the spelling that came.
        path = "/" + "/".join(segments)
        if rule is None:
            others = (self._find(where._replace(method=other), segments) for other in self._methods)
            if any(other is not None and other.target is not None for other in others):
                return _unserved(self._own.wrong_method, RouteKind.WRONG_METHOD, method, path)
        if rule is None or rule.target is None:
            return _unserved(UNKNOWN_ACTION, RouteKind.UNKNOWN, method, path)
        deprecation = rule.deprecation
        if deprecation is None:
            return _served(rule.target, RouteKind.KNOWN, segments)
        if deprecation.served and (deprecation.sunset is None or now < deprecation.sunset):
            return _served(rule.target, RouteKind.DEPRECATED_SERVED, segments)
        return _unserved(self._own.deprecated, RouteKind.DEPRECATED, method, path)

    def _find(self, where: Where, segments: tuple[str, ...]) -> Rule | None:
        for literal, rules in self._shapes.get(where, ()):
            rule = rules.get(_pick(segments, literal))
            if rule is not None:
                return rule
        return None


def where_of(method: str, host: str, segments: tuple[str | None, ...]) -> Where:
    """What must be equal for a request or a rule."""
    # Only ASCII is folded: `lower` makes a `k` of the Kelvin sign.
    name = _PORT.sub("", host).lower() if host.isascii() else host
    # A capture is not empty: `/orders/` is not about the order without an id.
    return Where(method, name, len(segments), segments[-1] == "")


def _pick(segments: tuple[str | None, ...], positions: tuple[int, ...]) -> tuple[str | None, ...]:
    return tuple([segments[position] for position in positions])


def _served(target: Target, kind: RouteKind, segments: tuple[str, ...]) -> Route:
    pieces = (piece if isinstance(piece, str) else segment_text(segments[piece]) for piece in target.resource_id)
    return Route(target.action, EntityUID(target.resource_type, "".join(pieces)), kind, target.api)


def _unserved(action: EntityUID, kind: RouteKind, method: str, path: str) -> Route:
    shown = f"{method[:_MAX_SHOWN_METHOD]} {path[:_MAX_SHOWN_PATH]}"
    return Route(action, EntityUID(UNKNOWN_RESOURCE_TYPE, shown), kind)


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

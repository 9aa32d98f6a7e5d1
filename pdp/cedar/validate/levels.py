"""Level validation: how many entities deep a policy reads (`Cedar/Validation/Levels.lean`; RFC 76).

At level n, whoever gives the request's entities and those n - 1 references away from them has given enough. What counts
is each `.`, `has`, `in`, `getTag` and `hasTag` on an entity; a record costs nothing. An entity that is written in the
policy itself is not among what is given and may not be followed, but for the environment's action.
"""

from collections.abc import Mapping
from typing import Final, final

from pdp.cedar.nodes import Binary, BinaryOp, Expr, GetAttr, HasAttr, If, Is, Literal, RecordLiteral, Variable
from pdp.cedar.schema.model import Schema
from pdp.cedar.schema.types import ReferenceType
from pdp.cedar.text.depth import children
from pdp.cedar.validate.attributes import attributes_of
from pdp.cedar.validate.findings import Code, Complain, Fault
from pdp.cedar.validate.types import StaticType, field
from pdp.cedar.values import EntityUID

_FOLLOWING: Final = frozenset((BinaryOp.IN, BinaryOp.HAS_TAG, BinaryOp.GET_TAG))
_TOO_FAR: Final = (
    "read fewer `.`, `has`, `in` and tags in a row, or copy what is read into a nearer entity or the context"
)
_WRITTEN: Final = "start at `principal`, `resource` or `context`; only these and what they refer to are given"


def too_far(depth: int, level: int) -> Fault:
    """What is wrong with an expression that follows `depth` references, itself counted, where `level` are allowed."""
    return Fault(Code.LEVEL, f"this reads {depth} deep in entities, and the level allows {level}", _TOO_FAR)


@final
class Levels:
    """Checks expressions against a level in one environment.

    `types` are those that a `Typechecker` found there without a fault. What has no type is dead and not looked at, but
    a condition that is always True or False is: it is evaluated.
    """

    def __init__(
        self, level: int, schema: Schema, action: EntityUID, types: Mapping[int, StaticType], complain: Complain
    ) -> None:
        self._level: Final = level
        self._schema: Final = schema
        self._action: Final = action
        self._types: Final = types
        self._complain: Final = complain

    def check(self, expr: Expr) -> None:
        """Complains of everything in an expression that reads too far."""
        if id(expr) not in self._types:
            return
        match expr:
            case GetAttr(operand) if self._is_entity(operand):
                self._follow(expr, self._depth(operand))
            case HasAttr(operand, path):
                self._has(expr, operand, path)
            case Binary(op, left, right) if op in _FOLLOWING:
                self._follow(expr, self._depth(left))
                self.check(right)
            case Is(operand, _, ancestor) if ancestor is not None and id(ancestor) in self._types:
                self._follow(expr, self._depth(operand))
                self.check(ancestor)
            case _:
                for child in children(expr):
                    self.check(child)

    def _is_entity(self, expr: Expr) -> bool:
        return isinstance(self._types.get(id(expr)), ReferenceType)

    def _follow(self, expr: Expr, depth: int) -> None:
        """Complains if an expression that follows a reference, itself `depth` deep, goes too far."""
        if depth >= self._level:
            self._complain(too_far(depth + 1, self._level), expr.span)

    def _has(self, expr: Expr, operand: Expr, path: tuple[str, ...]) -> None:
        """Follows each step that starts at an entity; what the steps before the first of them lead through is a record.

        The operand is walked once, or nesting would double the work at every level.
        """
        type: StaticType | None = self._types[id(operand)]
        depth: int | None = None
        for index, name in enumerate(path):
            if type is None:
                break
            if isinstance(type, ReferenceType):
                depth = self._depth(operand, path[:index]) if depth is None else depth + 1
                self._follow(expr, depth)
            attributes = attributes_of(self._schema, type)
            found = None if isinstance(attributes, Fault) else field(attributes, name)
            type = None if found is None else found[0]
        if depth is None:
            self.check(operand)

    def _depth(self, expr: Expr, path: tuple[str, ...] = ()) -> int:
        """How many references lead to a value, an entity or a record in which `path` leads to one.

        Complains of what is read besides on the way, and of a reference that nobody gives.
        """
        match expr:
            case _ if id(expr) not in self._types:
                return 0
            case Variable():
                return 0
            case Literal(written):
                if written != self._action:
                    fault = Fault(Code.LEVEL, f"`{written}` stands in the policy itself, and may not be read", _WRITTEN)
                    self._complain(fault, expr.span)
                return 0
            case If(condition, consequent, alternative):
                self.check(condition)
                return max(self._depth(consequent, path), self._depth(alternative, path))
            case GetAttr(operand, name):
                return self._depth(operand) + 1 if self._is_entity(operand) else self._depth(operand, (name, *path))
            case Binary(BinaryOp.GET_TAG, operand, key):
                self.check(key)
                return self._depth(operand) + 1
            case RecordLiteral(fields):
                depth = 0
                for name, value in fields:
                    if path and name == path[0]:
                        depth = self._depth(value, path[1:])
                    else:
                        self.check(value)
                return depth
            case _:
                raise AssertionError(expr)

"""What becomes of an expression: a value, an error, or another expression that is open."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, assert_never, final

from pdp.cedar.errors import EvaluationError
from pdp.cedar.nodes import (
    And,
    Binary,
    Call,
    Expr,
    GetAttr,
    HasAttr,
    Like,
    Literal,
    RecordLiteral,
    SetLiteral,
    Unary,
)
from pdp.cedar.validate.capabilities import NOTHING, Capabilities
from pdp.cedar.values import Value
from pdp.evaluate.partial.shapes import NEVER, Exactly, Shape


@final
@dataclass(frozen=True, slots=True, eq=False)
class Certain:
    """It has this value, whatever the unknowns are. `expr` is how the value is written."""

    value: Value
    expr: Expr


@final
@dataclass(frozen=True, slots=True, eq=False)
class Failing:
    """It fails, whatever the unknowns are, and so does `expr`, wherever it stands.

    `error` is None if its kind depends on the unknowns.
    """

    expr: Expr
    error: EvaluationError | None = None


@final
@dataclass(frozen=True, slots=True, eq=False)
class Open:
    """It is as `expr`, for every completion of the request: the same value, or an error of the same kind.

    If there is a value, it is one of `shape`, which is not NEVER; if it is true, the capabilities `gained` hold.
    `total`: it never fails.
    """

    expr: Expr
    shape: Shape
    total: bool
    gained: Capabilities = NOTHING


Reduced: TypeAlias = Certain | Failing | Open


def is_total(reduced: Reduced) -> bool:
    """Whether it has a value, known or not."""
    return isinstance(reduced, Certain) or (isinstance(reduced, Open) and reduced.total)


def shape_of(reduced: Reduced) -> Shape:
    """What is known of the value."""
    match reduced:
        case Certain(value):
            return Exactly(value)
        case Failing():
            return NEVER
        case Open(shape=shape):
            return shape
        case _:
            assert_never(reduced)


def must_be_bool(expr: Expr) -> Expr:
    """`true && x`: x if it is a Bool, an error otherwise, wherever it stands."""
    return And((Literal(True, span=expr.span), expr), span=expr.span)


def without_check(expr: Expr) -> Expr:
    """The inverse of `must_be_bool`, for where only a Bool can stand anyhow."""
    if isinstance(expr, And) and len(expr.operands) == 2 and expr.operands[0] == Literal(True):
        return expr.operands[1]
    return expr


Strict: TypeAlias = Unary | Binary | GetAttr | HasAttr | Like | SetLiteral | RecordLiteral | Call
"""The nodes that evaluate everything under them."""


def rebuild(node: Strict, children: Sequence[Expr]) -> Strict:
    """The node with other expressions under it, given in the order of `text.depth.children`."""
    match node:
        case Unary(op):
            return Unary(op, *children, span=node.span)
        case Binary(op):
            return Binary(op, *children, span=node.span)
        case GetAttr(_, name):
            (operand,) = children
            return GetAttr(operand, name, span=node.span)
        case HasAttr(_, path):
            (operand,) = children
            return HasAttr(operand, path, span=node.span)
        case Like(_, pattern):
            (operand,) = children
            return Like(operand, pattern, span=node.span)
        case SetLiteral():
            return SetLiteral(tuple(children), span=node.span)
        case RecordLiteral(fields):
            names = [name for name, _ in fields]
            return RecordLiteral(tuple(zip(names, children, strict=True)), span=node.span)
        case Call(function):
            return Call(function, tuple(children), span=node.span)
        case _:
            assert_never(node)

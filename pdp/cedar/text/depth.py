"""Bounds how deep an expression is, so that whoever walks it by recursion (evaluator, printer, compiler) is safe."""

from collections.abc import Sequence
from typing import assert_never

from pdp.cedar.limits import MAX_EXPRESSION_DEPTH
from pdp.cedar.nodes import (
    And,
    Binary,
    Call,
    Expr,
    GetAttr,
    HasAttr,
    If,
    Is,
    Like,
    Literal,
    Or,
    RecordLiteral,
    SetLiteral,
    Unary,
    Variable,
)


def too_deep(expr: Expr) -> Expr | None:
    """A node that is nested more than MAX_EXPRESSION_DEPTH levels deep, if there is one. Does not recurse."""
    level: list[Expr] = [expr]
    for _ in range(MAX_EXPRESSION_DEPTH):
        level = [child for node in level for child in children(node)]
        if not level:
            return None
    return level[0]


def children(node: Expr) -> Sequence[Expr]:
    """The expressions directly under a node, in source order."""
    match node:
        case Literal() | Variable():
            return ()
        case And(operands) | Or(operands):
            return operands
        case If(condition, consequent, alternative):
            return condition, consequent, alternative
        case Binary(_, left, right):
            return left, right
        case Unary(_, operand) | GetAttr(operand) | HasAttr(operand) | Like(operand):
            return (operand,)
        case Is(operand, _, ancestor):
            return (operand,) if ancestor is None else (operand, ancestor)
        case SetLiteral(elements):
            return elements
        case RecordLiteral(fields):
            return [value for _, value in fields]
        case Call(_, arguments):
            return arguments
        case _:
            assert_never(node)

"""Expressions as tuples of plain values, and back: `(kind, start, end, ...)`, start -1 where there is no span.

Names of operators, and not numbers, say which they are; `None` stands for the wildcard in a pattern, and no pattern or
name is ever None.
"""

from typing import Any, Final, TypeAlias, assert_never

from pdp.cedar.nodes import (
    ANY,
    And,
    Binary,
    BinaryOp,
    Call,
    Expr,
    GetAttr,
    HasAttr,
    If,
    Is,
    Like,
    Literal,
    Or,
    Pattern,
    RecordLiteral,
    SetLiteral,
    Unary,
    UnaryOp,
    Var,
    Variable,
)
from pdp.cedar.source import Span
from pdp.cedar.values import EntityUID

Packed: TypeAlias = tuple[Any, ...]
"""What `marshal` can write: plain values and tuples of them."""

_VARIABLES: Final = {each.value: each for each in Var}
_UNARY: Final = {each.value: each for each in UnaryOp}
_BINARY: Final = {each.value: each for each in BinaryOp}


def pack_span(span: Span | None) -> tuple[int, int]:
    """A place, or none."""
    return (-1, -1) if span is None else (span.start, span.end)


def unpack_span(start: int, end: int) -> Span | None:
    """What `pack_span` was given."""
    return None if start < 0 else Span(start, end)


def pack_pattern(pattern: Pattern) -> Packed:
    """A pattern of `like`."""
    return tuple([part if isinstance(part, str) else None for part in pattern])


def unpack_pattern(packed: Packed) -> Pattern:
    """What `pack_pattern` was given."""
    return tuple([ANY if part is None else part for part in packed])


def pack_expression(expr: Expr) -> Packed:
    """An expression. Recurses: expressions are bounded in depth where they are read."""
    start, end = pack_span(expr.span)
    pack = pack_expression
    match expr:
        case Literal(value):
            return ("literal", start, end, tuple(value) if isinstance(value, EntityUID) else value)
        case Variable(name):
            return ("variable", start, end, name.value)
        case And(operands):
            return ("and", start, end, tuple(map(pack, operands)))
        case Or(operands):
            return ("or", start, end, tuple(map(pack, operands)))
        case If(condition, consequent, alternative):
            return ("if", start, end, pack(condition), pack(consequent), pack(alternative))
        case Unary(op, operand):
            return ("unary", start, end, op.value, pack(operand))
        case Binary(op, left, right):
            return ("binary", start, end, op.value, pack(left), pack(right))
        case GetAttr(operand, attribute):
            return ("get", start, end, pack(operand), attribute)
        case HasAttr(operand, path):
            return ("has", start, end, pack(operand), path)
        case Like(operand, pattern):
            return ("like", start, end, pack(operand), pack_pattern(pattern))
        case Is(operand, entity_type, ancestor):
            return ("is", start, end, pack(operand), entity_type, None if ancestor is None else pack(ancestor))
        case SetLiteral(elements):
            return ("set", start, end, tuple(map(pack, elements)))
        case RecordLiteral(fields):
            return ("record", start, end, tuple([(field, pack(value)) for field, value in fields]))
        case Call(function, arguments):
            return ("call", start, end, function, tuple(map(pack, arguments)))
        case _:
            assert_never(expr)


def unpack_expression(packed: Packed) -> Expr:
    """What `pack_expression` was given. Raises ValueError, TypeError or KeyError for what it did not give."""
    kind, start, end, *rest = packed
    span = unpack_span(start, end)
    unpack = unpack_expression
    match kind, rest:
        case "literal", [value]:
            return Literal(EntityUID(*value) if isinstance(value, tuple) else value, span=span)
        case "variable", [name]:
            return Variable(_VARIABLES[name], span=span)
        case "and", [operands]:
            return And(tuple(map(unpack, operands)), span=span)
        case "or", [operands]:
            return Or(tuple(map(unpack, operands)), span=span)
        case "if", [condition, consequent, alternative]:
            return If(unpack(condition), unpack(consequent), unpack(alternative), span=span)
        case "unary", [op, operand]:
            return Unary(_UNARY[op], unpack(operand), span=span)
        case "binary", [op, left, right]:
            return Binary(_BINARY[op], unpack(left), unpack(right), span=span)
        case "get", [operand, attribute]:
            return GetAttr(unpack(operand), attribute, span=span)
        case "has", [operand, path]:
            return HasAttr(unpack(operand), path, span=span)
        case "like", [operand, pattern]:
            return Like(unpack(operand), unpack_pattern(pattern), span=span)
        case "is", [operand, entity_type, ancestor]:
            return Is(unpack(operand), entity_type, None if ancestor is None else unpack(ancestor), span=span)
        case "set", [elements]:
            return SetLiteral(tuple(map(unpack, elements)), span=span)
        case "record", [fields]:
            return RecordLiteral(tuple([(field, unpack(value)) for field, value in fields]), span=span)
        case "call", [function, arguments]:
            return Call(function, tuple(map(unpack, arguments)), span=span)
        case _:
            raise ValueError(kind)

"""Values as expressions that have them, so that a residual policy can say them."""

from collections.abc import Collection
from typing import Final, TypeAlias, assert_never

from pdp.cedar.ext import datetime, decimal, duration, ipaddr
from pdp.cedar.nodes import Call, Expr, Literal, RecordLiteral, SetLiteral, in_name_order
from pdp.cedar.source import Span
from pdp.cedar.values import Datetime, Decimal, Duration, EntityUID, IPAddr, Record, Set, Value

MAX_WRITTEN_PARTS: Final = 100
"""Parts of a set or a record that is written out; what has more stays the expression that reads it."""

MAX_WRITTEN_LEVELS: Final = 8
"""Levels of sets and records in each other that are written out."""

Scalar: TypeAlias = bool | int | str | EntityUID


def is_scalar(value: Value) -> bool:
    """Whether a value has a literal of its own."""
    return isinstance(value, Scalar)


def is_constructed(expr: Expr) -> bool:
    """Whether an expression is how an extension value is written already: `ip("10.0.0.1")`."""
    return isinstance(expr, Call) and len(expr.arguments) == 1 and isinstance(expr.arguments[0], Literal)


def write(value: Value, span: Span | None) -> Expr | None:
    """The expression for a value, None for a value that is too large. Its nodes get the place of what they replace."""
    return _write(value, span) if _is_small(value) else None


def _is_small(value: Value) -> bool:
    level: list[Value] = [value]
    parts = 1
    for _ in range(MAX_WRITTEN_LEVELS):
        inner: list[Value] = []
        for each in level:
            members = _parts(each)
            parts += len(members)
            if parts > MAX_WRITTEN_PARTS:
                return False
            inner += members
        if not inner:
            return True
        level = inner
    return False


def _parts(value: Value) -> Collection[Value]:
    match value:
        case Set():
            return value.elements
        case Record():
            return value.fields.values()
        case _:
            return ()


def _write(value: Value, span: Span | None) -> Expr:
    match value:
        case bool() | int() | str() | EntityUID():
            return Literal(value, span=span)
        case Set():
            return SetLiteral(tuple(_write(element, span) for element in value.elements), span=span)
        case Record():
            fields = in_name_order((name, _write(field, span)) for name, field in value.fields.items())
            return RecordLiteral(tuple(fields), span=span)
        case Decimal():
            return _call("decimal", decimal.format(value), span)
        case IPAddr():
            return _call("ip", ipaddr.format(value), span)
        case Duration():
            return _call("duration", duration.format(value), span)
        case Datetime():
            if datetime.has_text(value):
                return _call("datetime", datetime.format(value), span)
            # No text expresses years beyond 0000 to 9999, but an offset from the epoch does.
            since_epoch = _call("duration", duration.format(Duration(value.milliseconds)), span)
            return Call("offset", (_call("datetime", "1970-01-01", span), since_epoch), span=span)
        case _:
            assert_never(value)


def _call(function: str, text: str, span: Span | None) -> Expr:
    return Call(function, (Literal(text, span=span),), span=span)

"""A small domain to exhaust: operands of every type, present and absent, and every form that takes one."""

from collections.abc import Callable
from typing import Final

from pdp.cedar.entities import Entities, Entity
from pdp.cedar.ext import decimal, duration, ipaddr
from pdp.cedar.nodes import (
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
    RecordLiteral,
    SetLiteral,
    Unary,
    UnaryOp,
)
from pdp.cedar.request import Request
from pdp.cedar.source import Source
from pdp.cedar.text.expressions import parse_expression
from pdp.cedar.values import Datetime, Decimal, Duration, EntityUID, IPAddr, Record, Set, Value

ALICE, TEAM, DOC = EntityUID("User", "alice"), EntityUID("Team", "t"), EntityUID("Doc", "d")
FIELDS: dict[str, Value] = {
    "yes": True,
    "no": False,
    "one": 1,
    "s": "a",
    "user": ALICE,
    "team": TEAM,
    "ghost": EntityUID("User", "ghost"),
    "set": Set([1, True, "a", ALICE]),
    "entities": Set([ALICE, TEAM]),
    "none": Set(),
    "record": Record({"one": 1, "user": ALICE}),
    "time": Duration(1),
}
STORE = Entities([Entity(ALICE, FIELDS, frozenset((TEAM,)), {"a": 1}), Entity(TEAM), Entity(DOC, {"one": True})])
ASK = Request(ALICE, EntityUID("Action", "read"), DOC, Record(FIELDS))

OPERANDS = [f"context.{name}" for name in FIELDS] + [
    "context.missing",
    "principal",
    "action",
    "resource",
    "context",
    "true",
    "1",
    '"a"',
    'User::"alice"',
    'Team::"t"',
    '[User::"x", Team::"t"]',
    '[1, "a"]',
    "[]",
    "{one: 1}",
    'duration("1ms")',
    "principal.one",
    "context.user.one",
    "context.ghost.one",
    "context.record.user.missing",
    "[context.one]",
]


def parse(text: str) -> Expr:
    return parse_expression(Source("test", text))


PARSED: Final = {text: parse(text) for text in OPERANDS}
"""The operands by their texts."""

UNARY_FORMS: dict[str, Callable[[Expr], Expr]] = {
    "!x": lambda x: Unary(UnaryOp.NOT, x),
    "-x": lambda x: Unary(UnaryOp.NEGATE, x),
    "-x == -1": lambda x: Binary(BinaryOp.EQ, Unary(UnaryOp.NEGATE, x), Literal(-1)),
    "x.isEmpty()": lambda x: Unary(UnaryOp.IS_EMPTY, x),
    "x.one": lambda x: GetAttr(x, "one"),
    "x.user.one == 1": lambda x: Binary(BinaryOp.EQ, GetAttr(GetAttr(x, "user"), "one"), Literal(1)),
    "x has one": lambda x: HasAttr(x, ("one",)),
    "x has user.one": lambda x: HasAttr(x, ("user", "one")),
    "x has one.one": lambda x: HasAttr(x, ("one", "one")),
    "x has record.user.record.user.one": lambda x: HasAttr(x, ("record", "user", "record", "user", "one")),
    "x like a*": lambda x: Like(x, ("a",)),
    "x is User": lambda x: Is(x, "User"),
    "x is User in Team": lambda x: Is(x, "User", Literal(TEAM)),
    "x is User in 1": lambda x: Is(x, "User", Literal(1)),
    "x is User in [x]": lambda x: Is(x, "User", SetLiteral((x,))),
    "x && x": lambda x: And((x, x)),
    "x || x": lambda x: Or((x, x)),
    "true && x": lambda x: And((Literal(True), x)),
    "x || false": lambda x: Or((x, Literal(False))),
    "x && false": lambda x: And((x, Literal(False))),
    "if x then x else !x": lambda x: If(x, x, Unary(UnaryOp.NOT, x)),
    "if true then x else 1": lambda x: If(Literal(True), x, Literal(1)),
    "[x] == [x, x]": lambda x: Binary(BinaryOp.EQ, SetLiteral((x,)), SetLiteral((x, x))),
    "{a: x}.a": lambda x: GetAttr(RecordLiteral((("a", x),)), "a"),
    "isIpv4(x)": lambda x: Call("isIpv4", (x,)),
    "ip(x)": lambda x: Call("ip", (x,)),
    "ip(x, x)": lambda x: Call("ip", (x, x)),
    "toDays(x) == 0": lambda x: Binary(BinaryOp.EQ, Call("toDays", (x,)), Literal(0)),
}
"""Every form but those of two operands, by what it is called."""


def literal(value: Value) -> Expr:
    """A value as the expression that has it."""
    match value:
        case Set():
            return SetLiteral(tuple(map(literal, value.elements)))
        case Record():
            return RecordLiteral(tuple((name, literal(field)) for name, field in value.fields.items()))
        case Decimal():
            return Call("decimal", (Literal(decimal.format(value)),))
        case IPAddr():
            return Call("ip", (Literal(ipaddr.format(value)),))
        case Duration():
            return Call("duration", (Literal(duration.format(value)),))
        case Datetime(milliseconds):
            since_epoch = Call("duration", (Literal(f"{milliseconds}ms"),))
            return Call("offset", (Call("datetime", (Literal("1970-01-01"),)), since_epoch))
        case _:
            return Literal(value)

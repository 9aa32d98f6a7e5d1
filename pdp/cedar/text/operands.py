"""Tokens to the operands of expressions: literals, variables, entities, calls, attributes, sets, records and signs.

    unary   = [ one to four "!", or one to four "-" ] member
    member  = primary { "." name [ "(" list ")" ] | "[" string "]" }
    primary = literal | entity | variable | function "(" list ")" | "(" expression ")" | "[" list "]" | "{" pairs "}"

See `expressions` for what a rule is and why it yields.
"""

from collections.abc import Generator
from typing import Final, TypeAlias

from pdp.cedar.ext import FUNCTIONS, Style
from pdp.cedar.limits import LONG_MAX, LONG_MIN
from pdp.cedar.names import RESERVED
from pdp.cedar.nodes import (
    Binary,
    BinaryOp,
    Call,
    Expr,
    GetAttr,
    Literal,
    RecordLiteral,
    SetLiteral,
    Unary,
    UnaryOp,
    Var,
    Variable,
)
from pdp.cedar.source import Span
from pdp.cedar.text import hints
from pdp.cedar.text.cursor import Cursor
from pdp.cedar.text.entity_uids import read_path
from pdp.cedar.text.lexer import Kind, Token
from pdp.cedar.text.strings import decode_string
from pdp.cedar.values import EntityUID

Rule: TypeAlias = Generator[None, Expr, Expr]
"""A rule at work. `yield` reads a nested expression."""

ListRule: TypeAlias = Generator[None, Expr, tuple[Expr, ...]]
"""A rule that gives several expressions."""

MAX_SIGNS: Final = 4
"""Signs of one kind that may stand in a row."""

_SIGNS: Final = {"!": UnaryOp.NOT, "-": UnaryOp.NEGATE}
_VARIABLES: Final = {var.value: var for var in Var}
_METHODS: Final = {
    op.value: op
    for op in (BinaryOp.CONTAINS, BinaryOp.CONTAINS_ALL, BinaryOp.CONTAINS_ANY, BinaryOp.GET_TAG, BinaryOp.HAS_TAG)
}
_MAX_DIGITS: Final = len(str(LONG_MAX))


def unary(cursor: Cursor) -> Rule:
    """Reads an operand with the signs before it."""
    sign = cursor.token.text
    if sign not in _SIGNS:
        return (yield from _member(cursor, cursor.token.start, (yield from _primary(cursor))))
    starts: list[int] = []
    while cursor.at(sign):
        if len(starts) == MAX_SIGNS:
            cursor.fail(f"more than {MAX_SIGNS} `{sign}` in a row", help=f"write `{sign}(...)` around the rest")
        starts.append(cursor.advance().start)
    if cursor.token.text in _SIGNS:
        cursor.fail("`!` and `-` cannot follow each other", help="put the inner one in parentheses: `!(-x)`")
    start = cursor.token.start
    operand: Expr
    if sign == "-" and cursor.token.kind is Kind.INTEGER:
        number = cursor.advance()
        if cursor.token.text in (".", "["):
            operand = yield from _member(cursor, start, _long(cursor, number, ""))
        else:
            operand = _long(cursor, number, "-", starts.pop())
    else:
        operand = yield from _member(cursor, start, (yield from _primary(cursor)))
    for place in reversed(starts):
        operand = Unary(_SIGNS[sign], operand, span=cursor.since(place))
    return operand


def _long(cursor: Cursor, token: Token, sign: str, start: int | None = None) -> Literal:
    """An integer literal; a minus directly before it is part of it, or the least Long could not be written."""
    span = Span(token.start if start is None else start, token.end)
    digits = token.text.lstrip("0") or "0"
    if len(digits) > _MAX_DIGITS or not LONG_MIN <= (value := int(sign + digits)) <= LONG_MAX:
        cursor.fail("this integer is out of range", span, hints.LONG)
    return Literal(value, span=span)


def read_attribute(cursor: Cursor, help: str) -> str:
    """Reads an attribute name without quotes; reserved words need them, and `help` says how."""
    token = cursor.token
    if token.kind is not Kind.IDENTIFIER:
        cursor.fail_expected("the name of an attribute", help)
    if token.text in RESERVED:
        cursor.fail(f"`{token.text}` is a reserved word and needs quotes as the name of an attribute", help=help)
    return cursor.advance().text


def _member(cursor: Cursor, start: int, receiver: Expr) -> Rule:
    while True:
        if cursor.take("."):
            name = cursor.token
            if name.kind is Kind.IDENTIFIER and name.text not in RESERVED:
                cursor.advance()
            else:
                read_attribute(cursor, hints.attribute(name))
            if cursor.at("("):
                receiver = yield from _method(cursor, start, receiver, name)
            else:
                receiver = GetAttr(receiver, name.text, span=cursor.since(start))
        elif cursor.take("["):
            attribute = decode_string(cursor, cursor.expect_kind(Kind.STRING, hints.INDEX))
            cursor.expect("]", hints.INDEX)
            receiver = GetAttr(receiver, attribute, span=cursor.since(start))
        else:
            return receiver


def _method(cursor: Cursor, start: int, receiver: Expr, name: Token) -> Rule:
    hints.refuse_unknown_method(cursor, name, _METHODS)
    arguments = yield from _arguments(cursor)
    span = cursor.since(start)
    op = _METHODS.get(name.text)
    if op is None and name.text != UnaryOp.IS_EMPTY.value:
        # The Rust engine counts the arguments of extension functions when it evaluates: so does `ext.call`.
        return Call(name.text, (receiver, *arguments), span=span)
    arity = 0 if op is None else 1
    if len(arguments) != arity:
        cursor.fail(
            f"`{name.text}` takes {arity or 'no'} argument{'' if arity else 's'}, found {len(arguments)}",
            Span(name.start, cursor.end),
            f"write `x.{name.text}({'y' if arity else ''})`",
        )
    return Unary(UnaryOp.IS_EMPTY, receiver, span=span) if op is None else Binary(op, receiver, *arguments, span=span)


def _arguments(cursor: Cursor) -> ListRule:
    cursor.expect("(")
    return (yield from _list(cursor, ")"))


def _list(cursor: Cursor, close: str) -> ListRule:
    """Reads expressions and commas up to `close`, a last comma allowed."""
    found: list[Expr] = []
    while not cursor.take(close):
        found.append((yield))
        if not cursor.at(close) and not cursor.take(","):
            cursor.fail_expected(f"`,` or `{close}`")
    return tuple(found)


def _primary(cursor: Cursor) -> Rule:
    token = cursor.token
    if token.kind is Kind.IDENTIFIER:
        return (yield from _named(cursor))
    if token.kind is Kind.STRING:
        cursor.advance()
        return Literal(decode_string(cursor, token), span=token.span)
    if token.kind is Kind.INTEGER:
        cursor.advance()
        return _long(cursor, token, "")
    if cursor.take("("):
        inner = yield
        cursor.expect(")")
        return inner
    if cursor.take("["):
        elements = yield from _list(cursor, "]")
        return SetLiteral(elements, span=cursor.since(token.start))
    if cursor.take("{"):
        return (yield from _record(cursor, token.start))
    if token.kind is Kind.SLOT:
        cursor.fail(f"the slot `{token.text}` cannot stand in a condition", help=hints.SLOT)
    return cursor.fail_expected("an expression", hints.for_operand(token))


def _record(cursor: Cursor, start: int) -> Rule:
    fields: dict[str, Expr] = {}
    while not cursor.take("}"):
        token = cursor.token
        if token.kind is Kind.STRING:
            name = decode_string(cursor, cursor.advance())
        else:
            name = read_attribute(cursor, hints.RECORD)
        if name in fields:
            cursor.fail(f"the record has {hints.shown(name)} twice", token.span, "keep one of them")
        cursor.expect(":", hints.RECORD)
        fields[name] = yield
        if not cursor.at("}") and not cursor.take(","):
            cursor.fail_expected("`,` or `}`")
    return RecordLiteral(tuple(fields.items()), span=cursor.since(start))


def _named(cursor: Cursor) -> Rule:
    """Reads what starts with a word: a Bool literal, an entity, a call, a variable."""
    token = cursor.token
    word = token.text
    if word in RESERVED:
        if word not in ("true", "false"):
            cursor.fail_expected("an expression", hints.for_operand(token))
        cursor.advance()
        return Literal(word == "true", span=token.span)
    path = read_path(cursor, "an expression")
    span = cursor.since(token.start)
    if isinstance(path, EntityUID):
        return Literal(path, span=span)
    if cursor.at("("):
        function = FUNCTIONS.get(path)
        if function is None or function.style is not Style.FUNCTION:
            hints.refuse_unknown_function(cursor, path, span, _METHODS)
        arguments = yield from _arguments(cursor)
        return Call(path, arguments, span=cursor.since(token.start))
    if path not in _VARIABLES:
        hints.refuse_unknown_word(cursor, path, span, _VARIABLES)
    return Variable(_VARIABLES[path], span=span)

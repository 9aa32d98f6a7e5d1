"""Expressions as documents: where a line may end and how it is indented (the reference formatter's rules).

The text is known to be Cedar, so these functions follow the grammar of `expressions` and `operands` and refuse nothing.
Parentheses stay as they are written. A rule is a generator: where it has a nested expression it yields, and
`read_document` sends that expression's document in.
"""

from collections.abc import Callable, Generator
from typing import Final, TypeAlias, cast

from pdp.cedar.errors import FormatError
from pdp.cedar.limits import MAX_EXPRESSION_DEPTH
from pdp.cedar.text.comments import CommentedCursor, document
from pdp.cedar.text.layout import LINE, NIL, SOFT_LINE, SPACE, Doc, concat, group, nest

Rule: TypeAlias = Generator[None, Doc, Doc]
"""A rule at work. `yield` reads a nested expression."""

_COMPARISONS: Final = frozenset(("==", "!=", "<", "<=", ">", ">=", "in"))


def read_document(cursor: CommentedCursor) -> Doc:
    """Reads an expression. Raises FormatError for more than MAX_EXPRESSION_DEPTH levels of parentheses in a scope."""
    suspended: list[Rule] = []
    rule, result = _expression(cursor), None
    while True:
        try:
            if result is None:
                next(rule)
            else:
                rule.send(result)
        except StopIteration as finished:
            result = cast("Doc", finished.value)
            if not suspended:
                return result
            rule = suspended.pop()
        else:
            suspended.append(rule)
            if len(suspended) > MAX_EXPRESSION_DEPTH:
                raise FormatError(
                    f"more than {MAX_EXPRESSION_DEPTH} levels of parentheses",
                    span=cursor.next.token.span,
                    source=cursor.source,
                    help="remove the parentheses that are not needed",
                )
            rule, result = _expression(cursor), None


def _expression(cursor: CommentedCursor) -> Rule:
    if cursor.text != "if":
        return (yield from _disjunction(cursor))
    parts: list[Doc] = []
    for line in (NIL, LINE, LINE):
        parts += (line, document(cursor.take()), nest(cursor.indent, concat(LINE, (yield))))
    return group(concat(*parts))


def _disjunction(cursor: CommentedCursor) -> Rule:
    parts = [(yield from _conjunction(cursor))]
    while cursor.text == "||":
        parts += (SPACE, document(cursor.take()), LINE, (yield from _conjunction(cursor)))
    return concat(*parts)


def _conjunction(cursor: CommentedCursor) -> Rule:
    parts = [(yield from _relation(cursor))]
    while cursor.text == "&&":
        parts += (SPACE, document(cursor.take()), LINE, (yield from _relation(cursor)))
    return concat(*parts)


def _relation(cursor: CommentedCursor) -> Rule:
    left = yield from _sum(cursor)
    word = cursor.text
    if word in _COMPARISONS:
        return concat(left, SPACE, document(cursor.take()), SPACE, (yield from _sum(cursor)))
    if word in ("has", "like"):
        operator = document(cursor.take())
        return group(concat(left, LINE, operator, LINE, nest(cursor.indent, (yield from _sum(cursor)))))
    if word != "is":
        return left
    parts = [left, SPACE, document(cursor.take()), SPACE, nest(cursor.indent, (yield from _sum(cursor)))]
    if cursor.text == "in":
        parts += (LINE, document(cursor.take()), SPACE, nest(cursor.indent, (yield from _sum(cursor))))
    return group(concat(*parts))


def _sum(cursor: CommentedCursor) -> Rule:
    parts = [(yield from _product(cursor))]
    while cursor.text in ("+", "-"):
        parts += (SPACE, document(cursor.take()), LINE, (yield from _product(cursor)))
    return group(concat(*parts))


def _product(cursor: CommentedCursor) -> Rule:
    parts = [(yield from _unary(cursor))]
    while cursor.text == "*":
        parts += (SPACE, document(cursor.take()), LINE, (yield from _unary(cursor)))
    return group(concat(*parts))


def _unary(cursor: CommentedCursor) -> Rule:
    signs = []
    while cursor.text in ("!", "-"):
        signs.append(document(cursor.take()))
    return concat(*signs, (yield from _member(cursor)))


def _member(cursor: CommentedCursor) -> Rule:
    operand = yield from _primary(cursor)
    accesses: list[Doc] = []
    while (read := _ACCESSES.get(cursor.text)) is not None:
        accesses += (SOFT_LINE if accesses else NIL, (yield from read(cursor)))
    return group(concat(operand, nest(cursor.indent, concat(*accesses))))


def _attribute(cursor: CommentedCursor) -> Rule:
    yield from ()
    return concat(document(cursor.take()), document(cursor.take()))


def _index(cursor: CommentedCursor) -> Rule:
    return concat(document(cursor.take()), (yield), document(cursor.take()))


def _arguments(cursor: CommentedCursor) -> Rule:
    opened = document(cursor.take())
    if cursor.text == ")":
        return concat(opened, document(cursor.take()))
    arguments = yield from _list(cursor)
    return concat(opened, nest(cursor.indent, concat(SOFT_LINE, arguments)), SOFT_LINE, document(cursor.take()))


_ACCESSES: Final[dict[str, Callable[[CommentedCursor], Rule]]] = {".": _attribute, "[": _index, "(": _arguments}


def _list(cursor: CommentedCursor) -> Rule:
    """One or more expressions."""
    parts = [(yield)]
    while cursor.text == ",":
        parts += (document(cursor.take()), LINE, (yield))
    return concat(*parts)


def _primary(cursor: CommentedCursor) -> Rule:
    if cursor.text == "(":
        return group(concat(document(cursor.take()), nest(1, (yield)), document(cursor.take())))
    if cursor.text == "[":
        opened = document(cursor.take())
        elements = NIL if cursor.text == "]" else (yield from _list(cursor))
        return concat(opened, nest(1, elements), document(cursor.take()))
    if cursor.text == "{":
        opened = document(cursor.take())
        fields = NIL if cursor.text == "}" else (yield from _fields(cursor))
        return concat(opened, nest(cursor.indent, fields), document(cursor.take()))
    return read_path(cursor)


def read_path(cursor: CommentedCursor) -> Doc:
    """Reads a path, an entity, or any single token that is an operand."""
    parts = [document(cursor.take())]
    while cursor.text == "::":
        parts += (document(cursor.take()), document(cursor.take()))
    return concat(*parts)


def _fields(cursor: CommentedCursor) -> Rule:
    """One or more fields of a record, on one line or each on its own."""
    parts: list[Doc] = []
    while True:
        parts += (LINE, document(cursor.take()), document(cursor.take()), SPACE, (yield))
        if cursor.text != ",":
            return group(concat(*parts, LINE))
        parts.append(document(cursor.take()))

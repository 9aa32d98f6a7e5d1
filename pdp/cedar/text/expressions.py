"""Tokens to expressions, one function for each rule of the grammar (language reference, "Cedar policy grammar").

    expression  = disjunction | "if" expression "then" expression "else" expression
    disjunction = conjunction { "||" conjunction }       conjunction = relation { "&&" relation }
    relation    = sum [ comparison sum | "has" path | "like" string | "is" path [ "in" sum ] ]
    sum         = product { ("+" | "-") product }        product = unary { "*" unary }

and `operands` goes on from `unary`.

A rule is a generator: where it has a nested expression it yields, and `read_expression` sends the finished expression
in. So nesting takes no stack of Python's, whoever calls and from however deep.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Final, NoReturn, cast

from pdp.cedar.limits import MAX_EXPRESSION_DEPTH
from pdp.cedar.nodes import Binary, BinaryOp, Expr, HasAttr, If, Is, Like, Literal, conjoin, disjoin
from pdp.cedar.source import Source, Span
from pdp.cedar.text import hints
from pdp.cedar.text.cursor import Cursor
from pdp.cedar.text.depth import too_deep
from pdp.cedar.text.entity_uids import read_type_name
from pdp.cedar.text.lexer import Kind
from pdp.cedar.text.operands import Rule, read_attribute, unary
from pdp.cedar.text.strings import decode_pattern, decode_string

_COMPARISONS: Final[Mapping[str, BinaryOp]] = {
    op.value: op for op in BinaryOp if op.value in ("==", "!=", "<", "<=", ">", ">=", "in")
}
_RELATIONS: Final = frozenset((*_COMPARISONS, "has", "like", "is"))
_SUMS: Final = {"+": BinaryOp.ADD, "-": BinaryOp.SUB}


def parse_expression(source: Source) -> Expr:
    """A text that is one expression. Raises ParseError."""
    cursor = Cursor(source)
    expr = read_expression(cursor)
    cursor.expect_kind(Kind.END)
    return expr


def read_expression(cursor: Cursor) -> Expr:
    """Reads an expression of at most MAX_EXPRESSION_DEPTH levels and leaves what follows it unread."""
    start = cursor.token.start
    suspended: list[Rule] = []
    rule, result = _expression(cursor), None
    while True:
        try:
            if result is None:
                next(rule)
            else:
                rule.send(result)
        except StopIteration as finished:
            result = cast("Expr", finished.value)
            if not suspended:
                break
            rule = suspended.pop()
        else:
            suspended.append(rule)
            if len(suspended) >= MAX_EXPRESSION_DEPTH:
                _refuse_depth(cursor, cursor.token.span)
            rule, result = _expression(cursor), None
    # Every level takes a character at least, so short texts need no walk.
    if cursor.end - start > MAX_EXPRESSION_DEPTH and (node := too_deep(result)) is not None:
        _refuse_depth(cursor, node.span)
    return result


def _refuse_depth(cursor: Cursor, span: Span | None) -> NoReturn:
    cursor.fail(f"this is nested more than {MAX_EXPRESSION_DEPTH} levels deep", span, hints.DEPTH)


def _expression(cursor: Cursor) -> Rule:
    start = cursor.token.start
    if cursor.take("if"):
        condition = yield
        cursor.expect("then", hints.IF)
        consequent = yield
        cursor.expect("else", hints.IF)
        return If(condition, consequent, (yield), span=cursor.since(start))
    conjunctions = [(yield from _conjunction(cursor))]
    while cursor.take("||"):
        conjunctions.append((yield from _conjunction(cursor)))
    return _join(conjunctions, disjoin, any, cursor.since(start))


def _conjunction(cursor: Cursor) -> Rule:
    start = cursor.token.start
    relations = [(yield from _relation(cursor))]
    while cursor.take("&&"):
        relations.append((yield from _relation(cursor)))
    return _join(relations, conjoin, all, cursor.since(start))


def _join(
    operands: list[Expr],
    build: Callable[[Expr, Sequence[Expr], Span], Expr],
    combine: Callable[[Iterable[object]], bool],
    span: Span,
) -> Expr:
    """One operator's operands as a node. Leading Bool literals become one, as in the Rust engine's parser.

    Strict validation can tell: `(true && true) == "a"` compares two literals and passes, `(!true) == "a"` fails.
    """
    if len(operands) == 1:
        return operands[0]
    bools = [operand.value for operand in takewhile(_is_bool, operands) if isinstance(operand, Literal)]
    if len(bools) > 1:
        operands[: len(bools)] = [Literal(combine(bools), span=span)]
    return build(operands[0], operands[1:], span)


def _is_bool(expr: Expr) -> bool:
    return isinstance(expr, Literal) and isinstance(expr.value, bool)


def _relation(cursor: Cursor) -> Rule:
    start = cursor.token.start
    left = yield from _sum(cursor)
    word = cursor.token.text
    if word not in _RELATIONS:
        hints.refuse_false_operator(cursor)
        return left
    cursor.advance()
    relation: Expr
    if word == "has":
        path = _attribute_path(cursor)
        relation = HasAttr(left, path, span=cursor.since(start))
    elif word == "like":
        pattern = decode_pattern(cursor, cursor.expect_kind(Kind.STRING, hints.LIKE))
        relation = Like(left, pattern, span=cursor.since(start))
    elif word == "is":
        entity_type = read_type_name(cursor)
        ancestor = (yield from _sum(cursor)) if cursor.take("in") else None
        relation = Is(left, entity_type, ancestor, span=cursor.since(start))
    else:
        right = yield from _sum(cursor)
        relation = Binary(_COMPARISONS[word], left, right, span=cursor.since(start))
    if cursor.token.text in _RELATIONS:
        cursor.fail(f"`{cursor.token.text}` cannot follow `{word}` without parentheses", help=hints.CHAIN)
    hints.refuse_false_operator(cursor)
    return relation


def _attribute_path(cursor: Cursor) -> tuple[str, ...]:
    if cursor.token.kind is Kind.STRING:
        return (decode_string(cursor, cursor.advance()),)
    path = [read_attribute(cursor, hints.HAS)]
    while cursor.take("."):
        path.append(read_attribute(cursor, hints.HAS))
    return tuple(path)


def _sum(cursor: Cursor) -> Rule:
    start = cursor.token.start
    total = yield from _product(cursor)
    while (op := _SUMS.get(cursor.token.text)) is not None:
        cursor.advance()
        right = yield from _product(cursor)
        total = Binary(op, total, right, span=cursor.since(start))
    return total


def _product(cursor: Cursor) -> Rule:
    start = cursor.token.start
    product = yield from unary(cursor)
    while cursor.take("*"):
        right = yield from unary(cursor)
        product = Binary(BinaryOp.MUL, product, right, span=cursor.since(start))
    return product

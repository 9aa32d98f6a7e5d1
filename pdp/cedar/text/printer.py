"""Nodes and policies back to text, such that `parse(print(x)) == x` (language reference, "Cedar policy grammar").

Only the parentheses that the grammar needs are written. JSON and Python code can say more than text:

- what has no form in text at all raises PrintError: half a surrogate pair, a name that is no name, a slot where none
  can stand, a method without a receiver;
- what has another form with the same meaning gets that one. `x has a."b c"`, a path with a name that needs quotes, is
  `x has a && x.a has "b c"`; a chain of Bool literals is printed as it is, and the parser folds it.

Comments and line breaks of a source are not kept.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum, unique
from itertools import groupby
from typing import Final, TypeAlias, assert_never

from pdp.cedar.errors import PrintError
from pdp.cedar.ext import FUNCTIONS, Style
from pdp.cedar.limits import LONG_MAX, LONG_MIN, MAX_POLICY_TEXT
from pdp.cedar.names import is_action_type, is_bare_name, is_identifier, is_type_name
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
    Pattern,
    RecordLiteral,
    SetLiteral,
    Unary,
    UnaryOp,
    Variable,
    Wildcard,
)
from pdp.cedar.policy import (
    ActionIn,
    ActionScope,
    EntityOrSlot,
    Policy,
    Scope,
    ScopeAny,
    ScopeEq,
    ScopeIn,
    ScopeIs,
    ScopeIsIn,
    Slot,
)
from pdp.cedar.text.operands import MAX_SIGNS
from pdp.cedar.values import EntityUID, brief, quote


@unique
class _Level(IntEnum):
    """The grammar's rules for an expression, from the loosest to the tightest."""

    EXPRESSION = 0
    DISJUNCTION = 1
    CONJUNCTION = 2
    RELATION = 3
    SUM = 4
    PRODUCT = 5
    UNARY = 6
    MEMBER = 7


_Piece: TypeAlias = str | tuple[Expr, _Level]
"""Text, or an expression and the loosest rule that it may be an instance of without parentheses."""

_OPERATORS: Final = {
    BinaryOp.ADD: (_Level.SUM, _Level.SUM, _Level.PRODUCT),
    BinaryOp.SUB: (_Level.SUM, _Level.SUM, _Level.PRODUCT),
    BinaryOp.MUL: (_Level.PRODUCT, _Level.PRODUCT, _Level.UNARY),
}
"""The rule of an arithmetic operator, of its left and of its right operand. Comparisons do not chain."""

_METHODS: Final = frozenset(
    (BinaryOp.CONTAINS, BinaryOp.CONTAINS_ALL, BinaryOp.CONTAINS_ANY, BinaryOp.GET_TAG, BinaryOp.HAS_TAG)
)
_SIGNS: Final = {UnaryOp.NOT: "!", UnaryOp.NEGATE: "-"}


def print_policies(policies: Iterable[Policy]) -> str:
    """Policies and templates in their order, a blank line between two. Ids are not written: in text they are positions.

    Raises PrintError for what text cannot express, and for a condition of more than MAX_POLICY_TEXT characters.
    """
    return "\n".join(print_policy(policy) + "\n" for policy in policies)


def print_policy(policy: Policy) -> str:
    """One policy or template, without a line end after its `;`. Raises PrintError as `print_policies` does."""
    scopes = (
        _scope(policy.principal, Slot.PRINCIPAL),
        _action_scope(policy.action),
        _scope(policy.resource, Slot.RESOURCE),
    )
    lines = [_annotation(name, value) for name, value in policy.annotations.items()]
    lines.append(f"{policy.effect.value}({', '.join(scopes)})")
    lines += [f"{condition.kind.value} {{ {print_expression(condition.body)} }}" for condition in policy.conditions]
    return "\n".join(lines) + ";"


def print_expression(expr: Expr) -> str:
    """One expression, on one line. Raises PrintError as `print_policies` does. Does not recurse."""
    written: list[str] = []
    length = 0
    pending: list[_Piece] = [(expr, _Level.EXPRESSION)]
    while pending:
        piece = pending.pop()
        if isinstance(piece, str):
            written.append(piece)
            length += len(piece)
            if length > MAX_POLICY_TEXT:
                raise PrintError(
                    f"the expression has more than {MAX_POLICY_TEXT} characters", help="split it into several policies"
                )
            continue
        inner, loosest = piece
        level, pieces = _pieces(inner)
        pending += reversed(pieces if level >= loosest else ("(", *pieces, ")"))
    return "".join(written)


def _annotation(name: str, value: str | None) -> str:
    if not is_identifier(name):
        raise PrintError(f"{brief(name)} is not the name of an annotation", help="annotations are named by identifiers")
    return f"@{name}" if value is None else f"@{name}({_string(value)})"


def _scope(scope: Scope, slot: Slot) -> str:
    variable = slot.value.removeprefix("?")
    match scope:
        case ScopeAny():
            return variable
        case ScopeEq(entity):
            return f"{variable} == {_target(entity, slot)}"
        case ScopeIn(entity):
            return f"{variable} in {_target(entity, slot)}"
        case ScopeIs(entity_type):
            return f"{variable} is {_type_name(entity_type)}"
        case ScopeIsIn(entity_type, entity):
            return f"{variable} is {_type_name(entity_type)} in {_target(entity, slot)}"
        case _:
            assert_never(scope)


def _action_scope(scope: ActionScope) -> str:
    match scope:
        case ScopeAny():
            return "action"
        case ScopeEq(entity):
            return f"action == {_action(entity)}"
        case ActionIn((entity,)):
            return f"action in {_action(entity)}"
        case ActionIn(entities):
            return f"action in [{', '.join(map(_action, entities))}]"
        case _:
            assert_never(scope)


def _target(target: EntityOrSlot, slot: Slot) -> str:
    if isinstance(target, EntityUID):
        return _entity(target)
    if target is not slot:
        raise PrintError(f"the slot `{target.value}` cannot stand for the {slot.value.removeprefix('?')}")
    return target.value


def _action(entity: EntityOrSlot) -> str:
    if isinstance(entity, Slot):
        raise PrintError(f"the slot `{entity.value}` cannot stand for the action")
    if not is_action_type(entity.type):
        raise PrintError(f"`{entity}` is not an action", help="the last part of an action's type is `Action`")
    return _entity(entity)


def _entity(uid: EntityUID) -> str:
    return f"{_type_name(uid.type)}::{_string(uid.id)}"


def _type_name(name: str) -> str:
    if not is_type_name(name):
        raise PrintError(f"{brief(name)} is not an entity type", help="write identifiers separated by `::`")
    return name


def _string(text: str) -> str:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as fault:
            raise PrintError(f"U+{ord(text[fault.start]):04X} is half of a surrogate pair and no character") from None
    return quote(text)


def _name(name: str) -> str:
    """The name of an attribute before a colon, or after `has`."""
    return name if is_bare_name(name) else _string(name)


def _pattern(pattern: Pattern) -> str:
    # INVARIANT: a star of the text is always `\*`. As `\x2a` or `\u{2a}` it would be a wildcard.
    parts = ["*" if isinstance(part, Wildcard) else _string(part)[1:-1].replace("*", "\\*") for part in pattern]
    return f'"{"".join(parts)}"'


def _pieces(expr: Expr) -> tuple[_Level, Sequence[_Piece]]:
    """The rule that an expression is an instance of, and what it is written as, without parentheses around it."""
    match expr:
        case Literal(value):
            return _literal(value)
        case Variable(name):
            return _Level.MEMBER, (name.value,)
        case And(operands):
            return _Level.CONJUNCTION, _joined(" && ", operands, _Level.RELATION)
        case Or(operands):
            return _Level.DISJUNCTION, _joined(" || ", operands, _Level.CONJUNCTION)
        case If(condition, consequent, alternative):
            chosen, other = (consequent, _Level.EXPRESSION), (alternative, _Level.EXPRESSION)
            return _Level.EXPRESSION, ("if ", (condition, _Level.EXPRESSION), " then ", chosen, " else ", other)
        case Unary(UnaryOp.IS_EMPTY, operand):
            return _Level.MEMBER, ((operand, _Level.MEMBER), ".isEmpty()")
        case Unary(op, operand):
            return _Level.UNARY, _signed(op, operand)
        case Binary(op, left, right):
            return _binary(op, left, right)
        case GetAttr(operand, name):
            return _Level.MEMBER, ((operand, _Level.MEMBER), f".{name}" if is_bare_name(name) else f"[{_string(name)}]")
        case HasAttr(operand, path):
            return _has(operand, path)
        case Like(operand, pattern):
            return _Level.RELATION, ((operand, _Level.SUM), f" like {_pattern(pattern)}")
        case Is(operand, entity_type, ancestor):
            test = ((operand, _Level.SUM), f" is {_type_name(entity_type)}")
            return _Level.RELATION, test if ancestor is None else (*test, " in ", (ancestor, _Level.SUM))
        case SetLiteral(elements):
            return _Level.MEMBER, ("[", *_joined(", ", elements, _Level.EXPRESSION), "]")
        case RecordLiteral(fields):
            return _Level.MEMBER, _record(fields)
        case Call(function, arguments):
            return _Level.MEMBER, _call(function, arguments)
        case _:
            assert_never(expr)


def _literal(value: bool | int | str | EntityUID) -> tuple[_Level, Sequence[_Piece]]:
    match value:
        case bool():
            return _Level.MEMBER, ("true" if value else "false",)
        case int():
            if not LONG_MIN <= value <= LONG_MAX:
                raise PrintError("the number is not a Long", help=f"the range is {LONG_MIN} to {LONG_MAX}")
            return (_Level.MEMBER if value >= 0 else _Level.UNARY), (str(value),)
        case str():
            return _Level.MEMBER, (_string(value),)
        case EntityUID():
            return _Level.MEMBER, (_entity(value),)
        case _:
            assert_never(value)


def _joined(separator: str, exprs: Sequence[Expr], level: _Level) -> list[_Piece]:
    pieces: list[_Piece] = []
    for expr in exprs:
        if pieces:
            pieces.append(separator)
        pieces.append((expr, level))
    return pieces


def _signed(op: UnaryOp, operand: Expr) -> Sequence[_Piece]:
    """Up to MAX_SIGNS signs of one kind, and what they stand before; more of them go on in parentheses."""
    count = 1
    while count < MAX_SIGNS and isinstance(operand, Unary) and operand.op is op:
        operand = operand.operand
        count += 1
    signs = _SIGNS[op] * count
    if op is UnaryOp.NEGATE and isinstance(operand, Literal) and type(operand.value) is int:
        if operand.value < 0 and count < MAX_SIGNS:
            return (f"{signs}{operand.value}",)
        # Directly before the digits, the last minus would be part of the literal.
        return (f"{signs}({operand.value})",)
    return signs, (operand, _Level.MEMBER)


def _binary(op: BinaryOp, left: Expr, right: Expr) -> tuple[_Level, Sequence[_Piece]]:
    if op in _METHODS:
        return _Level.MEMBER, ((left, _Level.MEMBER), f".{op.value}(", (right, _Level.EXPRESSION), ")")
    level, left_level, right_level = _OPERATORS.get(op, (_Level.RELATION, _Level.SUM, _Level.SUM))
    return level, ((left, left_level), f" {op.value} ", (right, right_level))


def _has(operand: Expr, path: tuple[str, ...]) -> tuple[_Level, Sequence[_Piece]]:
    if len(path) == 1 or all(map(is_bare_name, path)):
        names = ".".join(path) if len(path) > 1 else _name(*path)
        return _Level.RELATION, ((operand, _Level.SUM), f" has {names}")
    tests: list[Expr] = []
    for run in _runs(path):
        tests.append(HasAttr(operand, run))
        for name in run:
            operand = GetAttr(operand, name)
    return _pieces(And(tuple(tests)))


def _runs(path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """A path cut into what one `has` can test: names without quotes together, each of the others alone."""
    for bare, group in groupby(path, is_bare_name):
        names = tuple(group)
        yield from (names,) if bare else ((name,) for name in names)


def _record(fields: Sequence[tuple[str, Expr]]) -> Sequence[_Piece]:
    pieces: list[_Piece] = []
    for name, value in fields:
        pieces += [f"{', ' if pieces else '{'}{_name(name)}: ", (value, _Level.EXPRESSION)]
    return (*pieces, "}") if pieces else ("{}",)


def _call(function: str, arguments: Sequence[Expr]) -> Sequence[_Piece]:
    known = FUNCTIONS.get(function)
    if known is None:
        raise PrintError(f"there is no extension function {brief(function)}")
    if known.style is Style.FUNCTION:
        return (f"{function}(", *_joined(", ", arguments, _Level.EXPRESSION), ")")
    if not arguments:
        raise PrintError(f"the method `{function}` has nothing to be called on", help=f"write `x.{function}(...)`")
    receiver, *others = arguments
    return ((receiver, _Level.MEMBER), f".{function}(", *_joined(", ", others, _Level.EXPRESSION), ")")

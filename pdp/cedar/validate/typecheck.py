"""The type of an expression in one environment (`Cedar/Validation/Typechecker.lean`), one `match`, as the interpreter.

This file walks and knows the forms that decide what is looked at: `&&`, `||`, `if`, `has`. The rules of the other
operators are functions from types to a type, in `relations`, `attributes` and `calls`.

Beside its type, an expression gives `capabilities`: what is known once it was true. What is wrong is reported, and the
expression then has no type (None), of which nothing more is said.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias, TypeVar, assert_never, final

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
    Var,
    Variable,
)
from pdp.cedar.schema.model import Schema
from pdp.cedar.schema.types import PrimitiveType, ReferenceType, SetType
from pdp.cedar.validate.attributes import attributes_of, get_tag, has_tag, read_attribute
from pdp.cedar.validate.calls import call
from pdp.cedar.validate.capabilities import NOTHING, Capabilities, Capability, Known
from pdp.cedar.validate.environment import Environment
from pdp.cedar.validate.expected import bool_or_fault, entity_or_fault, long_or_fault, set_or_fault, string_or_fault
from pdp.cedar.validate.findings import Code, Complain, Fault
from pdp.cedar.validate.hierarchy import Hierarchy
from pdp.cedar.validate.relations import arithmetic, contains, contains_those_of, equal, member_of, ordered
from pdp.cedar.validate.types import LiteralRecord, StaticType, Truth, difference, field, join, lift, negated, truth
from pdp.cedar.values import EntityUID

Typed: TypeAlias = tuple[StaticType | None, Capabilities]

_T = TypeVar("_T", bound=StaticType)

_BOOL: Final = PrimitiveType.BOOL
_UNTYPED: Final[Typed] = (None, NOTHING)


@final
class Typechecker:
    """Finds types in one environment. `types` has those of everything that is not dead, by the node's `id`."""

    def __init__(self, schema: Schema, hierarchy: Hierarchy, environment: Environment, complain: Complain) -> None:
        self._schema: Final = schema
        self._hierarchy: Final = hierarchy
        self._environment: Final = environment
        self._action: Final = Literal(environment.action.uid)
        self._complain: Final = complain
        self.types: Final[dict[int, StaticType]] = {}

    def check(self, expr: Expr, known: Known) -> Typed:
        """Type and capabilities of an expression, given what is known before it."""
        typed = self._check(expr, known)
        if typed[0] is not None:
            self.types[id(expr)] = typed[0]
        return typed

    def check_bool(self, expr: Expr, known: Known) -> Typed:
        """The same of an expression that must be a Bool; what is not one has no type."""
        type, gained = self.check(expr, known)
        if type is None:
            return _UNTYPED
        return self._accept(bool_or_fault(type), expr), gained

    def _check(self, expr: Expr, known: Known) -> Typed:
        match expr:
            case Literal(value):
                return _of_literal(value), NOTHING
            case Variable(name):
                return self._of_variable(name), NOTHING
            case And(operands):
                return self._and(operands, known)
            case Or(operands):
                return self._or(operands, known)
            case If():
                return self._if(expr, known)
            case Unary(op, operand):
                return self._unary(op, operand, known), NOTHING
            case Binary():
                return self._binary(expr, known)
            case GetAttr(operand, name):
                return self._get(expr, operand, name, known), NOTHING
            case HasAttr():
                return self._has(expr, known)
            case Like(operand):
                return self._like(operand, known), NOTHING
            case Is():
                return self._is(expr, known), NOTHING
            case SetLiteral(elements):
                return self._set(expr, elements, known), NOTHING
            case RecordLiteral(fields):
                return self._record(fields, known), NOTHING
            case Call(function, arguments):
                return self._call(expr, function, arguments, known), NOTHING
            case _:
                assert_never(expr)

    def _accept(self, found: _T | Fault, expr: Expr, *operands: Expr) -> _T | None:
        """What a rule gives for an expression; what is wrong instead is reported, at the operand at fault."""
        if not isinstance(found, Fault):
            return found
        place = expr if found.operand is None else operands[found.operand]
        self._complain(found, place.span)
        return None

    def _operands(self, operands: Sequence[Expr], known: Known) -> list[StaticType] | None:
        """The types of operands that are all evaluated; None if one has none."""
        types = [self.check(operand, known)[0] for operand in operands]
        found = [type for type in types if type is not None]
        return found if len(found) == len(types) else None

    def _of_variable(self, name: Var) -> StaticType:
        match name:
            case Var.PRINCIPAL:
                return ReferenceType(self._environment.principal)
            case Var.ACTION:
                return ReferenceType(self._environment.action.uid.type)
            case Var.RESOURCE:
                return ReferenceType(self._environment.resource)
            case Var.CONTEXT:
                return self._environment.action.context
            case _:
                assert_never(name)

    def _and(self, operands: Sequence[Expr], known: Known) -> Typed:
        """Behind an operand that is False nothing is looked at; what one knows is known behind it."""
        result: StaticType | None = Truth.TRUE
        inside = Known(known)
        for operand in operands:
            type, gained = self.check_bool(operand, inside)
            if type is Truth.FALSE:
                return Truth.FALSE, NOTHING
            inside.learn(gained)
            if result is not None and type is not Truth.TRUE:
                result = type
        return result, inside.learned

    def _or(self, operands: Sequence[Expr], known: Known) -> Typed:
        """Behind an operand that is True nothing is looked at; what all know that may be true is known of the whole."""
        result, gained = self.check_bool(operands[0], known)
        for operand in operands[1:]:
            if result is Truth.TRUE:
                break
            type, more = self.check_bool(operand, known)
            if result is None or type is None:
                result, gained = _UNTYPED
            elif result is Truth.FALSE:
                result, gained = type, more
            elif type is Truth.TRUE:
                result, gained = Truth.TRUE, NOTHING
            elif type is not Truth.FALSE:
                result, gained = _BOOL, gained & more
        return result, gained

    def _if(self, expr: If, known: Known) -> Typed:
        condition, gained = self.check_bool(expr.condition, known)
        if condition is Truth.FALSE:
            return self.check(expr.alternative, known)
        inside = Known(known)
        inside.learn(gained)
        first, more = self.check(expr.consequent, inside)
        if condition is Truth.TRUE:
            return first, gained | more
        second, otherwise = self.check(expr.alternative, known)
        if condition is None or first is None or second is None:
            return _UNTYPED
        joined = join(first, second)
        if joined is None:
            message = f"the branches have different types: {difference(first, second)}"
            fault = Fault(Code.INCOMPATIBLE, message, "both branches must be of one type")
            return self._accept(fault, expr), NOTHING
        return joined, (gained | more) & otherwise

    def _unary(self, op: UnaryOp, operand: Expr, known: Known) -> StaticType | None:
        type, _ = self.check(operand, known)
        if type is None:
            return None
        match op:
            case UnaryOp.NOT:
                found = self._accept(bool_or_fault(type), operand)
                return None if found is None else negated(found)
            case UnaryOp.NEGATE:
                return self._accept(long_or_fault(type), operand)
            case UnaryOp.IS_EMPTY:
                return None if self._accept(set_or_fault(type), operand) is None else _BOOL
            case _:
                assert_never(op)

    def _binary(self, expr: Binary, known: Known) -> Typed:
        left, right = expr.left, expr.right
        types = self._operands((left, right), known)
        if types is None:
            return _UNTYPED
        first, second = types
        match expr.op:
            case BinaryOp.EQ:
                found = equal(first, second, self._same(left, right))
            case BinaryOp.NE:
                found = equal(first, second, self._same(left, right))
                found = found if isinstance(found, Fault) else negated(found)
            case BinaryOp.LT | BinaryOp.LE | BinaryOp.GT | BinaryOp.GE:
                found = ordered(first, second)
            case BinaryOp.ADD | BinaryOp.SUB | BinaryOp.MUL:
                found = arithmetic(first, second)
            case BinaryOp.IN:
                found = self._in(left, first, right, second)
            case BinaryOp.CONTAINS:
                found = contains(first, second)
            case BinaryOp.CONTAINS_ALL | BinaryOp.CONTAINS_ANY:
                found = contains_those_of(first, second)
            case BinaryOp.HAS_TAG:
                found = has_tag(self._schema, first, second, known=(left, right) in known)
                if found is _BOOL:
                    return found, frozenset(((left, right),))
            case BinaryOp.GET_TAG:
                found = get_tag(self._schema, first, second, known=(left, right) in known)
            case _:
                assert_never(expr.op)
        return self._accept(found, expr, left, right), NOTHING

    def _same(self, left: Expr, right: Expr) -> bool | None:
        """Whether two literals are equal; None if they are not both literals."""
        first, second = self._as_literal(left), self._as_literal(right)
        return None if first is None or second is None else first == second

    def _as_literal(self, expr: Expr) -> Literal | None:
        """A literal; the variable `action` is one, in an environment, and so are chains of literals."""
        match expr:
            case Literal():
                return expr
            case Variable(Var.ACTION):
                return self._action
            case And(operands) | Or(operands):
                values = [literal.value for each in operands if (literal := self._as_literal(each)) is not None]
                if len(values) < len(operands):
                    return None
                return Literal(all(values) if isinstance(expr, And) else any(values))
            case _:
                return None

    def _in(self, left: Expr, below: StaticType, right: Expr, above: StaticType) -> StaticType | Fault:
        groups = [self._uid(each) for each in (right.elements if isinstance(right, SetLiteral) else (right,))]
        written = [uid for uid in groups if uid is not None]
        action = self._uid(left)
        if action not in self._schema.actions or len(written) < len(groups):
            return member_of(self._hierarchy, below, above)
        return member_of(self._hierarchy, below, above, action, written)

    def _uid(self, expr: Expr) -> EntityUID | None:
        literal = self._as_literal(expr)
        return literal.value if literal is not None and isinstance(literal.value, EntityUID) else None

    def _get(self, expr: Expr, operand: Expr, name: str, known: Known) -> StaticType | None:
        type, _ = self.check(operand, known)
        if type is None:
            return None
        found = read_attribute(self._schema, type, name, known=(operand, name) in known)
        return self._accept(found, expr, operand)

    def _has(self, expr: HasAttr, known: Known) -> Typed:
        """`x has a.b.c` is `x has a && x.a has b && x.a.b has c`, and x is looked at once."""
        operand = expr.operand
        type, _ = self.check(operand, known)
        if type is None:
            return _UNTYPED
        result: StaticType = Truth.TRUE
        gained: set[Capability] = set()
        for name in expr.path:
            attributes = attributes_of(self._schema, type)
            if isinstance(attributes, Fault):
                return self._accept(attributes, expr, operand), NOTHING
            found = field(attributes, name)
            if found is None:
                return Truth.FALSE, NOTHING
            inner, required = found
            # An entity may not exist, and then has nothing, whatever its type requires.
            if (operand, name) not in known and (not required or isinstance(type, ReferenceType)):
                result = _BOOL
                gained.add((operand, name))
            operand, type = GetAttr(operand, name, span=expr.span), inner
        return result, gained

    def _like(self, operand: Expr, known: Known) -> StaticType | None:
        type, _ = self.check(operand, known)
        if type is None or self._accept(string_or_fault(type), operand) is None:
            return None
        return _BOOL

    def _is(self, expr: Is, known: Known) -> StaticType | None:
        """`x is T in y` is `x is T && x in y`, and x is looked at once."""
        type, _ = self.check(expr.operand, known)
        reference = None if type is None else self._accept(entity_or_fault(type), expr.operand)
        if reference is None:
            return None
        if reference.entity_type != expr.entity_type:
            return Truth.FALSE
        if expr.ancestor is None:
            return Truth.TRUE
        above, _ = self.check(expr.ancestor, known)
        if above is None:
            return None
        return self._accept(self._in(expr.operand, reference, expr.ancestor, above), expr, expr.operand, expr.ancestor)

    def _set(self, expr: Expr, elements: Sequence[Expr], known: Known) -> StaticType | None:
        if not elements:
            help = "nothing says what it is a set of; ask `.isEmpty()` whether a set is empty"
            return self._accept(Fault(Code.EMPTY_SET, "an empty set literal has no type", help), expr)
        types = self._operands(elements, known)
        if types is None:
            return None
        for index, type in enumerate(types):
            if join(types[0], type) is None:
                message = f"the elements have different types: {difference(types[0], type)}"
                fault = Fault(Code.INCOMPATIBLE, message, "all elements of a set must be of one type", index)
                return self._accept(fault, expr, *elements)
        return SetType(lift(types[0]))

    def _record(self, fields: Sequence[tuple[str, Expr]], known: Known) -> StaticType | None:
        types = self._operands([value for _, value in fields], known)
        if types is None:
            return None
        return LiteralRecord({name: type for (name, _), type in zip(fields, types, strict=True)})

    def _call(self, expr: Expr, function: str, arguments: Sequence[Expr], known: Known) -> StaticType | None:
        types = self._operands(arguments, known)
        return None if types is None else self._accept(call(function, arguments, types), expr, *arguments)


def _of_literal(value: bool | int | str | EntityUID) -> StaticType:
    if isinstance(value, bool):
        return truth(value)
    if isinstance(value, EntityUID):
        # That the reference is declared has been checked by name, for dead code too.
        return ReferenceType(value.type)
    return PrimitiveType.LONG if isinstance(value, int) else PrimitiveType.STRING

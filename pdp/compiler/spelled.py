"""Operations spelled out: what stands in generated code where calling the operator's function would cost more.

An attribute of the principal is one dictionary read. Whatever is not the expected case falls through to the function of
`pdp.evaluate.operators`, which gives the value or Cedar's error. So a form must be *exact* where it does answer, and
evaluate its operands once, left to right.
"""

import ast
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

from pdp.cedar.limits import LONG_MAX, LONG_MIN
from pdp.cedar.nodes import BinaryOp, UnaryOp, Var
from pdp.compiler.building import Building
from pdp.compiler.operations import ASKS_STORE, FUNCTION_NAMES
from pdp.compiler.terms import (
    Apply,
    Form,
    Hole,
    Input,
    Operation,
    Term,
    Truth,
    Type,
    cannot_fail,
    is_checked,
    static_type,
)

NAMES: Final = {Var.PRINCIPAL: "principal", Var.RESOURCE: "resource"}
_FIELDS: Final = {Var.PRINCIPAL: "principal_attrs", Var.RESOURCE: "resource_attrs", Var.CONTEXT: "context"}
_ANCESTORS: Final = {Var.PRINCIPAL: "principal_ancestors", Var.RESOURCE: "resource_ancestors"}
_COMPARISONS: Final[dict[BinaryOp, type[ast.cmpop]]] = {
    BinaryOp.LT: ast.Lt,
    BinaryOp.LE: ast.LtE,
    BinaryOp.GT: ast.Gt,
    BinaryOp.GE: ast.GtE,
}
_ARITHMETIC: Final[dict[BinaryOp, type[ast.operator]]] = {
    BinaryOp.ADD: ast.Add,
    BinaryOp.SUB: ast.Sub,
    BinaryOp.MUL: ast.Mult,
}
_COMPARES_EXACTLY: Final = frozenset((Type.STRING, Type.ENTITY, Type.SET, Type.RECORD, Type.EXTENSION))
"""Types whose Python `==` is Cedar's whatever stands on the other side. Not so Bool and Long: `True == 1`."""

_LIKE_WITH_LIKE: Final = {(Type.LONG, Type.LONG), (Type.BOOL, Type.BOOL)}

_HASHES_EXACTLY: Final = _COMPARES_EXACTLY | {Type.LONG}
"""Types whose values are their own keys in a Set, which keeps Bools apart (`values.key`)."""


def hole(index: int) -> str:
    """What generated code calls a hole."""
    return f"c{index}"


def temporary(live: int) -> str:
    """What it calls a value that is needed again."""
    return f"t{live}"


@final
@dataclass(frozen=True, slots=True)
class At:
    """Where an expression is to stand.

    `live` is the number of temporaries whose values are still needed there: a new one takes the next number. `level`
    counts the terms around, up to `_NESTING`.
    """

    build: Building
    live: int = 0
    level: int = 0

    @property
    def inner(self) -> "At":
        """The place of an operand."""
        return At(self.build, self.live, self.level + 1)

    @property
    def next(self) -> "At":
        """The same place, with one more temporary needed."""
        return At(self.build, self.live + 1, self.level)


class SpelledOut(ABC):
    """The operations; whoever walks the terms says how operands become values.

    `used` are names of what is read of the request and the store; `absent` are the sides of which attributes are read
    without a test, though there may be no such entity.
    """

    def __init__(self) -> None:
        self.used: Final[set[str]] = set()
        self.absent: Final[set[Var]] = set()

    @abstractmethod
    def value(self, term: Term, around: At) -> ast.expr:
        """A term's value."""

    @abstractmethod
    def truth(self, term: Term, at: At) -> ast.expr:
        """A term where Cedar wants a Bool."""

    @abstractmethod
    def once(self, term: Term, at: At) -> tuple[ast.expr, ast.expr]:
        """A term's value to be evaluated, and then by name; whatever comes between stands `at.next`."""

    def parameter(self, name: str, build: Building) -> ast.expr:
        """What is read of the request or the store, by its name."""
        self.used.add(name)
        return build.name(name)

    def apply(self, term: Apply, operation: Operation, operands: Sequence[Term], at: At) -> ast.expr:
        """The value of an operation."""
        match operation, operands:
            case UnaryOp.NOT, (operand,):
                return at.build.negation(self.truth(operand, at.inner))
            case BinaryOp.EQ, (left, right):
                return self._equal(left, right, at)
            case BinaryOp.NE, (left, right):
                return at.build.negation(self._equal(left, right, at))
            case ((BinaryOp.LT | BinaryOp.LE | BinaryOp.GT | BinaryOp.GE), (left, right)):
                return self._compare(operation, left, right, at)
            case ((BinaryOp.ADD | BinaryOp.SUB | BinaryOp.MUL), (left, right)):
                return self._arithmetic(operation, left, right, at)
            case BinaryOp.IN, (Input(Var.PRINCIPAL | Var.RESOURCE as name), right):
                return self._is_in(name, right, at)
            case BinaryOp.CONTAINS, (left, right):
                return self._contains(left, right, at)
            case Form.GET, (operand, Hole(index)):
                if term.sure or (is_checked(term) and static_type(operand) is not Type.UNKNOWN):
                    return self._read(operand, at.build.name(hole(index)), at, exists=term.sure)
                return self._get(operand, at.build.name(hole(index)), at)
            case Form.HAS, (operand, Hole(index)):
                return self._has(operand, at.build.name(hole(index)), at)
            case Form.IS, (Input(Var.PRINCIPAL | Var.RESOURCE) | Hole(_, Type.ENTITY) as operand, Hole(index)):
                entity_type = at.build.member(self.value(operand, at.inner), "type")
                return at.build.compare(entity_type, (ast.Eq(), at.build.name(hole(index))))
            case Form.IN_ANY, (Input(Var.PRINCIPAL | Var.RESOURCE as name), Hole(index)):
                return self._in_any(name, (at.build.name(hole(index)),) * 2, at)
            case _:
                return self._by_function(operation, operands, at)

    def _by_function(self, operation: Operation, operands: Sequence[Term], at: At) -> ast.expr:
        """The general case: a call of the operator's function with the operands' values."""
        # Arguments are evaluated left to right before the call; temporaries of one are dead when the next is evaluated.
        build, values = at.build, [self.value(operand, at.inner) for operand in operands]
        match operation:
            case Form.SET:
                return build.call("Set", build.tuple_of(values))
            case Form.RECORD | Form.CALL:
                return build.call(FUNCTION_NAMES[operation], values[0], build.tuple_of(values[1:]))
            case Form.APPLY:
                return build.call(values[0], *values[1:])
            case _:
                store = [build.name("lookup")] if operation in ASKS_STORE else []
                return build.call(FUNCTION_NAMES[operation], *values, *store)

    def _equal(self, left: Term, right: Term, at: At) -> ast.expr:
        build, types = at.build, (static_type(left), static_type(right))
        if isinstance(left, Truth) or isinstance(right, Truth):
            truth, other = (left, right) if isinstance(left, Truth) else (right, left)
            return build.compare(self.value(other, at.inner), (ast.Is(), self.value(truth, at.inner)))
        if types[0] in _COMPARES_EXACTLY or types[1] in _COMPARES_EXACTLY or types in _LIKE_WITH_LIKE:
            return build.compare(self.value(left, at.inner), (ast.Eq(), self.value(right, at.inner)))
        first, first_again = self.once(left, at)
        second, second_again = self.once(right, at.next)
        same = build.compare(build.call("type", first), (ast.Is(), build.call("type", second)))
        return build.every(same, build.compare(first_again, (ast.Eq(), second_again)))

    def _compare(self, operation: BinaryOp, left: Term, right: Term, at: At) -> ast.expr:
        build, types = at.build, {static_type(left), static_type(right)}
        if not types <= {Type.LONG, Type.UNKNOWN}:
            return self._by_function(operation, (left, right), at)
        comparison = _COMPARISONS[operation]
        first, first_again = self.once(left, at)
        second, second_again = self.once(right, at.next)
        if types == {Type.LONG}:
            return build.compare(first, (comparison(), second))
        fast = build.compare(first_again, (comparison(), second_again))
        slow = build.call(FUNCTION_NAMES[operation], first_again, second_again)
        return build.choose(build.both_int(first, second), fast, slow)

    def _arithmetic(self, operation: BinaryOp, left: Term, right: Term, at: At) -> ast.expr:
        build = at.build
        first, first_again = self.once(left, at)
        second, second_again = self.once(right, at.next)
        result = temporary(at.live + 2)
        computed = build.named(result, build.arithmetic(first_again, _ARITHMETIC[operation](), second_again))
        fits = build.compare(build.constant(LONG_MIN), (ast.LtE(), computed), (ast.LtE(), build.constant(LONG_MAX)))
        slow = build.call(FUNCTION_NAMES[operation], first_again, second_again)
        return build.choose(build.every(build.both_int(first, second), fits), build.name(result), slow)

    def _is_in(self, name: Var, right: Term, at: At) -> ast.expr:
        build = at.build
        target, again = self.once(right, at)
        if static_type(right) is Type.ENTITY:
            return self._descends(name, (target, again), at)
        keys = build.member(again, "keys")
        if static_type(right) is Type.SET and is_checked(right):
            return self._in_any(name, (build.member(target, "keys"), keys), at)
        is_fit_set = build.every(build.has_type(again, "Set"), build.member(again, "only_entities"))
        slow = build.call("is_in", build.name(NAMES[name]), again, build.name("lookup"))
        in_set = build.choose(is_fit_set, self._in_any(name, (keys, keys), at), slow)
        return build.choose(build.has_type(target, "EntityUID"), self._descends(name, (again, again), at), in_set)

    def _descends(self, name: Var, target: tuple[ast.expr, ast.expr], at: At) -> ast.expr:
        """Whether a variable is an entity or below it, which is evaluated first one way and then the other."""
        same = at.build.compare(at.build.name(NAMES[name]), (ast.Eq(), target[0]))
        ancestors = self.parameter(_ANCESTORS[name], at.build)
        return at.build.either(same, at.build.compare(target[1], (ast.In(), ancestors)))

    def _in_any(self, name: Var, targets: tuple[ast.expr, ast.expr], at: At) -> ast.expr:
        """As `_descends`, for any of some entities."""
        member = at.build.compare(at.build.name(NAMES[name]), (ast.In(), targets[0]))
        ancestors = self.parameter(_ANCESTORS[name], at.build)
        apart = at.build.call(at.build.member(ancestors, "isdisjoint"), targets[1])
        return at.build.either(member, at.build.negation(apart))

    def _contains(self, left: Term, right: Term, at: At) -> ast.expr:
        build, hashes_exactly = at.build, static_type(right) in _HASHES_EXACTLY
        if static_type(left) is Type.SET and (isinstance(left, Hole) or cannot_fail(right)):
            # Python evaluates the member first and then the set: so one of the two must be certain to have a value.
            member = self.value(right, at.inner)
            keys = build.member(self.value(left, at.inner), "keys")
            return build.compare(member if hashes_exactly else build.call("key", member), (ast.In(), keys))
        if isinstance(right, Hole | Input) and hashes_exactly:
            whole, again = self.once(left, at)
            member = self.value(right, at.inner)
            fast = build.compare(member, (ast.In(), build.member(again, "keys")))
            return build.choose(build.has_type(whole, "Set"), fast, build.call("contains", again, member))
        return self._by_function(BinaryOp.CONTAINS, (left, right), at)

    def _get(self, operand: Term, name: ast.expr, at: At) -> ast.expr:
        build = at.build
        whole, again = self.once(operand, at)
        slow = build.call("get_attribute", again, name, build.name("lookup"))
        if isinstance(operand, Input) and operand.name in _FIELDS:
            fields = self.parameter(_FIELDS[operand.name], build)
            return build.choose(build.compare(name, (ast.In(), fields)), build.item(fields, name), slow)
        fields, stored = build.member(again, "fields"), temporary(at.live + 1)
        in_record = build.every(build.has_type(whole, "Record"), build.compare(name, (ast.In(), fields)))
        attrs = build.member(build.name(stored), "attrs")
        in_entity = build.every(
            build.has_type(again, "EntityUID"),
            build.compare(build.named(stored, build.call("lookup", again)), (ast.IsNot(), build.constant(None))),
            build.compare(name, (ast.In(), attrs)),
        )
        from_entity = build.choose(in_entity, build.item(attrs, name), slow)
        return build.choose(in_record, build.item(fields, name), from_entity)

    def _read(self, operand: Term, name: ast.expr, at: At, *, exists: bool) -> ast.expr:
        """As `_get`, of what is certain to be there; unless `exists`, only if an entity is in the store."""
        build = at.build
        if isinstance(operand, Input) and operand.name in _FIELDS:
            if not exists:
                self.absent.add(operand.name)
            return build.item(self.parameter(_FIELDS[operand.name], build), name)
        if static_type(operand) is Type.RECORD:
            return build.item(build.member(self.value(operand, at.inner), "fields"), name)
        whole, again = self.once(operand, at)
        if static_type(operand) is Type.ENTITY:
            stored = build.call("lookup", whole)
            entity = stored if exists else build.either(stored, build.call("absent", again))
            return build.item(build.member(entity, "attrs"), name)
        in_entity = build.item(build.member(build.call("lookup", again), "attrs"), name)
        in_record = build.item(build.member(again, "fields"), name)
        return build.choose(build.has_type(whole, "Record"), in_record, in_entity)

    def _has(self, operand: Term, name: ast.expr, at: At) -> ast.expr:
        build = at.build
        if isinstance(operand, Input) and operand.name in _FIELDS:
            return build.compare(name, (ast.In(), self.parameter(_FIELDS[operand.name], build)))
        if static_type(operand) is Type.RECORD:
            return build.compare(name, (ast.In(), build.member(self.value(operand, at.inner), "fields")))
        whole, again = self.once(operand, at)
        entity = build.either(build.call("lookup", again), build.name("NOBODY"))
        in_entity = build.compare(name, (ast.In(), build.member(entity, "attrs")))
        in_record = build.compare(name, (ast.In(), build.member(again, "fields")))
        slow = build.call("has_attribute", again, name, build.name("lookup"))
        otherwise = build.choose(build.has_type(again, "EntityUID"), in_entity, slow)
        return build.choose(build.has_type(whole, "Record"), in_record, otherwise)

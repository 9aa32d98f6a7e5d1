"""Lowering: a term becomes a Python function, built as `ast` objects and never as text.

    def bind(c0, c1, ...):                      one parameter per hole
        def condition(request, lookup, ...):    PARAMETERS
            return <the term>
        return condition

What runs often is spelled out in place (an attribute of the principal is one dictionary read); whatever is not the
expected case falls through to the function of `pdp.evaluate.operators`, which gives the value or Cedar's error. So an
inlined form must be *exact* where it does answer.

A condition can be nested deeper than CPython's compiler can recurse. Every `_NESTING` levels the expression continues
in a function of its own beside `condition`, called in place: order and laziness stay as they are.

INVARIANT: names in generated code come from this file only, and no string of a policy is in it, not even as a constant.
"""

import ast
from typing import Final, assert_never, final

from pdp.cedar.limits import LONG_MAX, LONG_MIN
from pdp.cedar.nodes import BinaryOp, UnaryOp, Var
from pdp.compiler.building import Building, Locate
from pdp.compiler.operations import ASKS_STORE, FUNCTION_NAMES
from pdp.compiler.terms import All, Apply, Choice, Form, Hole, Input, IsIn, Some, Term, Truth, Type, static_type

PARAMETERS: Final = (
    "request",
    "lookup",
    "principal",
    "principal_attrs",
    "principal_ancestors",
    "resource",
    "resource_attrs",
    "resource_ancestors",
    "context",
)
"""What a condition is called with, in order: the request, the store's lookup, and the parts that are read often.
Attributes and ancestors are empty for an entity that is not in the store; `context` is the context's fields."""

_NESTING: Final = 16
_CONDITION: Final = "condition"
_NAMES: Final = {Var.PRINCIPAL: "principal", Var.RESOURCE: "resource"}
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

_HASHES_EXACTLY: Final = _COMPARES_EXACTLY | {Type.LONG}
"""Types whose values are their own keys in a Set, which keeps Bools apart (`values.key`)."""


def lower(term: Term, holes: int, locate: Locate) -> ast.Module:
    """A module whose one statement defines `bind` for a term with this many holes. Cannot fail."""
    lowering = _Lowering(locate)
    functions = [lowering.condition(term)]
    while lowering.pending:
        functions.append(lowering.part(*lowering.pending.pop()))
    build = Building(locate(term.span))
    body = [*functions, build.returned(build.name(_CONDITION))]
    bind = build.function("bind", [_hole(index) for index in range(holes)], body)
    return ast.Module(body=[bind], type_ignores=[])


def _hole(index: int) -> str:
    return f"c{index}"


def _temporary(live: int) -> str:
    return f"t{live}"


@final
class _Lowering:
    """Lowers one term.

    `live` is the number of temporaries whose values are still needed where the expression will stand: a new one takes
    the next number. `level` counts the terms around, up to `_NESTING`.
    """

    def __init__(self, locate: Locate) -> None:
        self.pending: list[tuple[str, Term]] = []
        self._locate = locate
        self._outlined = 0

    def condition(self, term: Term) -> ast.stmt:
        """The function that returns the whole term as a Bool."""
        build = Building(self._locate(term.span))
        return build.function(_CONDITION, PARAMETERS, [build.returned(self._truth(term, 0, 0))])

    def part(self, name: str, term: Term) -> ast.stmt:
        """A function that returns the value of a term which was nested too deep; taken from `pending`."""
        build = Building(self._locate(term.span))
        return build.function(name, PARAMETERS, [build.returned(self._value(term, 0, 0))])

    def _outline(self, term: Term, build: Building) -> ast.expr:
        """A call of a function that is still to be built: not by recursion, for depth is what it is to bound."""
        name = f"part{self._outlined}"
        self._outlined += 1
        self.pending.append((name, term))
        return build.call(name, *[build.name(parameter) for parameter in PARAMETERS])

    def _truth(self, term: Term, live: int, level: int) -> ast.expr:
        """The term where Cedar wants a Bool: `True`, `False` or a type error."""
        value = self._value(term, live, level)
        if static_type(term) is Type.BOOL:
            return value
        build, temporary = Building(self._locate(term.span)), _temporary(live)
        is_true = build.compare(build.named(temporary, value), (ast.Is(), build.constant(True)))
        not_false = build.compare(build.name(temporary), (ast.IsNot(), build.constant(False)))
        return build.either(is_true, build.every(not_false, build.call("as_bool", build.name(temporary))))

    def _value(self, term: Term, live: int, level: int) -> ast.expr:
        """The term's value; evaluated once, to a value or an EvaluationError."""
        build = Building(self._locate(term.span))
        match term:
            case Hole(index):
                return build.name(_hole(index))
            case Truth(value):
                return build.constant(value)
            case Input(name):
                return build.name(_NAMES[name]) if name in _NAMES else build.member(build.name("request"), name.value)
        if level == _NESTING:
            return self._outline(term, build)
        match term:
            case All(operands):
                return build.every(*[self._truth(operand, live, level + 1) for operand in operands])
            case Some(operands):
                return build.either(*[self._truth(operand, live, level + 1) for operand in operands])
            case Choice(condition, consequent, alternative):
                return build.choose(
                    self._truth(condition, live, level + 1),
                    self._value(consequent, live, level + 1),
                    self._value(alternative, live, level + 1),
                )
            case IsIn(operand, entity_type, ancestor):
                return self._is_in_type(operand, entity_type, ancestor, live, level, build)
            case Apply(operation, operands):
                return self._apply(operation, operands, live, level, build)
            case _:
                assert_never(term)

    def _is_in_type(
        self, operand: Term, entity_type: Hole, ancestor: Term, live: int, level: int, build: Building
    ) -> ast.expr:
        temporary = _temporary(live)
        value = build.named(temporary, self._value(operand, live, level + 1))
        test = build.call("is_type", value, build.name(_hole(entity_type.index)))
        target = self._value(ancestor, live + 1, level + 1)
        return build.every(test, build.call("is_in", build.name(temporary), target, build.name("lookup")))

    def _apply(
        self,
        operation: UnaryOp | BinaryOp | Form,
        operands: tuple[Term, ...],
        live: int,
        level: int,
        build: Building,
    ) -> ast.expr:
        match operation, operands:
            case UnaryOp.NOT, (operand,):
                return build.negation(self._truth(operand, live, level + 1))
            case ((BinaryOp.EQ | BinaryOp.NE), (left, right)):
                equal = self._equal(left, right, live, level, build)
                return equal if operation is BinaryOp.EQ else build.negation(equal)
            case ((BinaryOp.LT | BinaryOp.LE | BinaryOp.GT | BinaryOp.GE), (left, right)):
                return self._compare(operation, left, right, live, level, build)
            case ((BinaryOp.ADD | BinaryOp.SUB | BinaryOp.MUL), (left, right)):
                return self._arithmetic(operation, left, right, live, level, build)
            case BinaryOp.IN, (left, right):
                return self._is_in(left, right, live, level, build)
            case BinaryOp.CONTAINS, (left, right):
                return self._contains(left, right, live, level, build)
            case Form.GET, (operand, Hole(index)):
                return self._get(operand, build.name(_hole(index)), live, level, build)
            case Form.HAS, (operand, Hole(index)):
                return self._has(operand, build.name(_hole(index)), live, level, build)
            case Form.IS, (Input(Var.PRINCIPAL | Var.RESOURCE) | Hole(_, Type.ENTITY) as operand, Hole(index)):
                entity_type = build.member(self._value(operand, live, level + 1), "type")
                return build.compare(entity_type, (ast.Eq(), build.name(_hole(index))))
            case Form.IN_ANY, (Input(Var.PRINCIPAL | Var.RESOURCE as name), Hole(index)):
                return self._in_any(name, build.name(_hole(index)), build)
            case _:
                return self._by_function(operation, operands, live, level, build)

    def _by_function(
        self,
        operation: UnaryOp | BinaryOp | Form,
        operands: tuple[Term, ...],
        live: int,
        level: int,
        build: Building,
    ) -> ast.expr:
        """The general case: a call of the operator's function with the operands' values."""
        # Arguments are evaluated left to right before the call; temporaries of one are dead when the next is evaluated.
        values = [self._value(operand, live, level + 1) for operand in operands]
        match operation:
            case Form.SET:
                return build.call("Set", build.tuple_of(values))
            case Form.RECORD | Form.CALL:
                return build.call(FUNCTION_NAMES[operation], values[0], build.tuple_of(values[1:]))
            case _:
                store = [build.name("lookup")] if operation in ASKS_STORE else []
                return build.call(FUNCTION_NAMES[operation], *values, *store)

    def _equal(self, left: Term, right: Term, live: int, level: int, build: Building) -> ast.expr:
        types = static_type(left), static_type(right)
        if isinstance(left, Truth) or isinstance(right, Truth):
            truth, other = (left, right) if isinstance(left, Truth) else (right, left)
            value = self._value(other, live, level + 1)
            return build.compare(value, (ast.Is(), self._value(truth, live, level + 1)))
        if types[0] in _COMPARES_EXACTLY or types[1] in _COMPARES_EXACTLY or types == (Type.LONG, Type.LONG):
            first = self._value(left, live, level + 1)
            return build.compare(first, (ast.Eq(), self._value(right, live, level + 1)))
        first, second, first_again, second_again = self._pair(left, right, live, level, build)
        same = build.compare(build.call("type", first), (ast.Is(), build.call("type", second)))
        return build.every(same, build.compare(first_again, (ast.Eq(), second_again)))

    def _pair(
        self, left: Term, right: Term, live: int, level: int, build: Building
    ) -> tuple[ast.expr, ast.expr, ast.expr, ast.expr]:
        """Both operands to be evaluated, in order, and then both again by name."""
        first, first_again = self._once(left, live, level, build)
        second, second_again = self._once(right, live + 1, level, build)
        return first, second, first_again, second_again

    def _once(self, term: Term, live: int, level: int, build: Building) -> tuple[ast.expr, ast.expr]:
        value = self._value(term, live, level + 1)
        if isinstance(term, Hole | Truth | Input):
            return value, value
        return build.named(_temporary(live), value), build.name(_temporary(live))

    def _compare(
        self, operation: BinaryOp, left: Term, right: Term, live: int, level: int, build: Building
    ) -> ast.expr:
        types = {static_type(left), static_type(right)}
        if not types <= {Type.LONG, Type.UNKNOWN}:
            return self._by_function(operation, (left, right), live, level, build)
        comparison, function = _COMPARISONS[operation], FUNCTION_NAMES[operation]
        first, second, first_again, second_again = self._pair(left, right, live, level, build)
        if types == {Type.LONG}:
            return build.compare(first, (comparison(), second))
        fast = build.compare(first_again, (comparison(), second_again))
        return build.choose(build.both_int(first, second), fast, build.call(function, first_again, second_again))

    def _arithmetic(
        self, operation: BinaryOp, left: Term, right: Term, live: int, level: int, build: Building
    ) -> ast.expr:
        operator, function = _ARITHMETIC[operation], FUNCTION_NAMES[operation]
        first, second, first_again, second_again = self._pair(left, right, live, level, build)
        result = _temporary(live + 2)
        computed = build.named(result, build.arithmetic(first_again, operator(), second_again))
        fits = build.compare(build.constant(LONG_MIN), (ast.LtE(), computed), (ast.LtE(), build.constant(LONG_MAX)))
        test = build.every(build.both_int(first, second), fits)
        return build.choose(test, build.name(result), build.call(function, first_again, second_again))

    def _is_in(self, left: Term, right: Term, live: int, level: int, build: Building) -> ast.expr:
        if not isinstance(left, Input) or left.name not in _ANCESTORS:
            return self._by_function(BinaryOp.IN, (left, right), live, level, build)
        name = left.name
        target, again = self._once(right, live, level, build)
        if static_type(right) is Type.ENTITY and target is again:
            return self._descends(name, target, build)
        is_fit_set = build.every(build.has_type(again, "Set"), build.member(again, "only_entities"))
        return build.choose(
            build.has_type(target, "EntityUID"),
            self._descends(name, again, build),
            build.choose(
                is_fit_set,
                self._in_any(name, build.member(again, "keys"), build),
                build.call("is_in", build.name(_NAMES[name]), again, build.name("lookup")),
            ),
        )

    def _descends(self, name: Var, target: ast.expr, build: Building) -> ast.expr:
        same = build.compare(build.name(_NAMES[name]), (ast.Eq(), target))
        return build.either(same, build.compare(target, (ast.In(), build.name(_ANCESTORS[name]))))

    def _in_any(self, name: Var, targets: ast.expr, build: Building) -> ast.expr:
        member = build.compare(build.name(_NAMES[name]), (ast.In(), targets))
        apart = build.call(build.member(build.name(_ANCESTORS[name]), "isdisjoint"), targets)
        return build.either(member, build.negation(apart))

    def _contains(self, left: Term, right: Term, live: int, level: int, build: Building) -> ast.expr:
        if isinstance(left, Hole) and left.type is Type.SET:
            keys = build.member(self._value(left, live, level + 1), "keys")
            member = self._value(right, live, level + 1)
            if static_type(right) not in _HASHES_EXACTLY:
                member = build.call("key", member)
            return build.compare(member, (ast.In(), keys))
        if isinstance(right, Hole | Input) and static_type(right) in _HASHES_EXACTLY:
            whole, again = self._once(left, live, level, build)
            member = self._value(right, live + 1, level + 1)
            fast = build.compare(member, (ast.In(), build.member(again, "keys")))
            return build.choose(build.has_type(whole, "Set"), fast, build.call("contains", again, member))
        return self._by_function(BinaryOp.CONTAINS, (left, right), live, level, build)

    def _get(self, operand: Term, name: ast.expr, live: int, level: int, build: Building) -> ast.expr:
        whole, again = self._once(operand, live, level, build)
        slow = build.call("get_attribute", again, name, build.name("lookup"))
        if isinstance(operand, Input) and operand.name in _FIELDS:
            fields = build.name(_FIELDS[operand.name])
            return build.choose(build.compare(name, (ast.In(), fields)), build.item(fields, name), slow)
        fields = build.member(again, "fields")
        in_record = build.every(build.has_type(whole, "Record"), build.compare(name, (ast.In(), fields)))
        stored = _temporary(live + 1)
        attrs = build.member(build.name(stored), "attrs")
        found = build.named(stored, build.call("lookup", again))
        in_entity = build.every(
            build.has_type(again, "EntityUID"),
            build.compare(found, (ast.IsNot(), build.constant(None))),
            build.compare(name, (ast.In(), attrs)),
        )
        from_entity = build.choose(in_entity, build.item(attrs, name), slow)
        return build.choose(in_record, build.item(fields, name), from_entity)

    def _has(self, operand: Term, name: ast.expr, live: int, level: int, build: Building) -> ast.expr:
        if isinstance(operand, Input) and operand.name in _FIELDS:
            return build.compare(name, (ast.In(), build.name(_FIELDS[operand.name])))
        whole, again = self._once(operand, live, level, build)
        in_record = build.compare(name, (ast.In(), build.member(again, "fields")))
        slow = build.call("has_attribute", again, name, build.name("lookup"))
        return build.choose(build.has_type(whole, "Record"), in_record, slow)

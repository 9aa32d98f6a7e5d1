"""Lowering: a term becomes a Python function, built as `ast` objects and never as text.

    def bind(c0, c1, ...):                      one parameter per hole
        def condition(request, lookup, ...):    PARAMETERS
            return <the term>
        return condition

A condition can be nested deeper than CPython's compiler can recurse. Every `_NESTING` levels the expression continues
in a function of its own beside `condition`, called in place: order and laziness stay as they are.

INVARIANT: names in generated code come from here, from `spelled` and from `fuse`. No string of a policy is in it, not
even as a constant.
"""

import ast
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias, assert_never, final

from pdp.compiler.building import Building, Locate
from pdp.compiler.spelled import NAMES, At, SpelledOut, hole, temporary
from pdp.compiler.terms import All, Apply, Choice, Hole, Input, IsIn, Some, Term, Truth, Type, static_type

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

_NOTHING_SHARED: Final[Mapping[Term, str]] = {}
_NESTING: Final = 16
_Compound: TypeAlias = All | Some | Choice | IsIn | Apply
_CONDITION: Final = "condition"


def lower(term: Term, holes: int, locate: Locate) -> ast.Module:
    """A module whose one statement defines `bind` for a term with this many holes. Cannot fail."""
    lowering = Lowering(locate)
    build = Building(locate(term.span))
    condition = build.function(_CONDITION, PARAMETERS, [build.returned(lowering.whole(term))])
    return binding(build, [condition, *lowering.parts()], _CONDITION, holes)


def binding(build: Building, functions: Sequence[ast.stmt], name: str, holes: int) -> ast.Module:
    """A module that defines `bind`: given what fills the holes, it gives the function of that name."""
    bind = build.function(
        "bind", [hole(index) for index in range(holes)], [*functions, build.returned(build.name(name))]
    )
    return ast.Module(body=[bind], type_ignores=[])


@final
class Lowering(SpelledOut):
    """Lowers the terms of one function. `shared` names terms whose values are kept for the next place that has them."""

    def __init__(self, locate: Locate, shared: Mapping[Term, str] = _NOTHING_SHARED) -> None:
        super().__init__()
        self._locate: Final = locate
        self._shared = shared
        self._met: Final[set[Term]] = set()
        self._kept: set[Term] = set()
        self._pending: Final[list[tuple[str, Term]]] = []
        self._outlined = 0

    def whole(self, term: Term) -> ast.expr:
        """A whole term as a Bool."""
        self._kept = set()  # the terms before it may have failed
        return self.truth(term, self._at(term))

    def parts(self) -> list[ast.stmt]:
        """Functions for what was nested too deep, to stand beside the one that was lowered; they come last."""
        self._shared = _NOTHING_SHARED  # they do not see what is kept in that function
        functions: list[ast.stmt] = []
        while self._pending:
            name, term = self._pending.pop()
            at = self._at(term)
            functions.append(at.build.function(name, PARAMETERS, [at.build.returned(self.value(term, at))]))
        return functions

    def _at(self, term: Term, around: At | None = None) -> At:
        """The place for code that is a term's own."""
        build = Building(self._locate(term.span))
        return At(build) if around is None else At(build, around.live, around.level)

    def _outline(self, term: Term, build: Building) -> ast.expr:
        """A call of a function that is still to be built: not by recursion, for depth is what it is to bound."""
        name = f"part{self._outlined}"
        self._outlined += 1
        self._pending.append((name, term))
        return build.call(name, *[self.parameter(parameter, build) for parameter in PARAMETERS])

    def truth(self, term: Term, at: At) -> ast.expr:
        """The term where Cedar wants a Bool: `True`, `False` or a type error."""
        if static_type(term) is Type.BOOL:
            return self.value(term, at)
        build = self._at(term).build
        value, again = self.once(term, at)
        is_true = build.compare(value, (ast.Is(), build.constant(True)))
        not_false = build.compare(again, (ast.IsNot(), build.constant(False)))
        return build.either(is_true, build.every(not_false, build.call("as_bool", again)))

    def value(self, term: Term, around: At) -> ast.expr:
        """The term's value; evaluated once, to a value or an EvaluationError."""
        at = self._at(term, around)
        match term:
            case Hole(index):
                return at.build.name(hole(index))
            case Truth(value):
                return at.build.constant(value)
            case Input(name):
                if name in NAMES:
                    return at.build.name(NAMES[name])
                return at.build.member(at.build.name("request"), name.value)
        if term in self._shared:
            return self._kept_value(term, at)
        return self._computed(term, at)

    def _kept_value(self, term: _Compound, at: At) -> ast.expr:
        """The value that was kept of a shared term; or else the term, to be kept."""
        build, name = at.build, self._shared[term]
        if term in self._kept:
            return build.name(name)
        # The first place to have a term is the first to be evaluated: nothing can be kept yet. None is no Cedar value.
        is_first = term not in self._met
        self._met.add(term)
        computed = build.named(name, self._computed(term, at))
        self._kept.add(term)
        if is_first:
            return computed
        is_kept = build.compare(build.name(name), (ast.IsNot(), build.constant(None)))
        return build.choose(is_kept, build.name(name), computed)

    def _operands(self, operands: Sequence[Term], at: At) -> list[ast.expr]:
        """Operands as Bools. Only the first is certain to be evaluated: what the others keep is known to them alone."""
        truths = [self.truth(operands[0], at.inner)]
        certain = self._kept.copy()
        truths += [self.truth(operand, at.inner) for operand in operands[1:]]
        self._kept = certain
        return truths

    def _computed(self, term: _Compound, at: At) -> ast.expr:
        if at.level == _NESTING:
            return self._outline(term, at.build)
        match term:
            case All(operands):
                return at.build.every(*self._operands(operands, at))
            case Some(operands):
                return at.build.either(*self._operands(operands, at))
            case Choice(condition, consequent, alternative):
                test = self.truth(condition, at.inner)
                certain = self._kept.copy()
                then = self.value(consequent, at.inner)
                self._kept = certain.copy()
                otherwise = self.value(alternative, at.inner)
                self._kept = certain
                return at.build.choose(test, then, otherwise)
            case IsIn(operand, entity_type, ancestor):
                return self._is_in_type(operand, entity_type, ancestor, at)
            case Apply(operation, operands):
                return self.apply(term, operation, operands, at)
            case _:
                assert_never(term)

    def _is_in_type(self, operand: Term, entity_type: Hole, ancestor: Term, at: At) -> ast.expr:
        build = at.build
        value, again = self.once(operand, at)
        test = build.call("is_type", value, build.name(hole(entity_type.index)))
        certain = self._kept.copy()
        target = self.value(ancestor, at.next.inner)
        self._kept = certain
        return build.every(test, build.call("is_in", again, target, build.name("lookup")))

    def once(self, term: Term, at: At) -> tuple[ast.expr, ast.expr]:
        """The term's value to be evaluated, and then by name."""
        value = self.value(term, at.inner)
        if isinstance(term, Hole | Truth | Input):
            return value, value
        if term in self._shared:
            return value, at.build.name(self._shared[term])
        name = temporary(at.live)
        return at.build.named(name, value), at.build.name(name)

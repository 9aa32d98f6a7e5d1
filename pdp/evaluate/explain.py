"""How an expression or a policy came to what it is: the interpreter's answer for it, and for every part of it.

For people who ask afterwards. Nothing is computed here: each answer is asked of the interpreter, so that a part is
evaluated once for itself and once more for each node above it.

INVARIANT: a part without an outcome is one that the interpreter did not look at: what `&&`, `||`, `if` and `is .. in`
leave out, and what comes after an error.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import TypeAlias, assert_never, final

from pdp.cedar.entities import Entities
from pdp.cedar.errors import EvaluationError
from pdp.cedar.nodes import (
    And,
    Binary,
    BinaryOp,
    Expr,
    GetAttr,
    HasAttr,
    If,
    Is,
    Literal,
    Or,
    RecordLiteral,
    SetLiteral,
    Unary,
    UnaryOp,
    Var,
    Variable,
)
from pdp.cedar.policy import (
    ActionIn,
    ActionScope,
    ConditionKind,
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
from pdp.cedar.request import Request
from pdp.cedar.text.depth import children
from pdp.cedar.values import EntityUID, Value
from pdp.evaluate.authorize import satisfied
from pdp.evaluate.interpreter import evaluate

Outcome: TypeAlias = Value | EvaluationError | None
"""A value, the error that there is instead, or None for what was not evaluated."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """An expression and what came of it. `parts` are the expressions directly under it, in source order.

    What was not evaluated has no parts.
    """

    expr: Expr
    outcome: Outcome
    parts: "tuple[Trace, ...]" = ()


@final
@dataclass(frozen=True, slots=True, eq=False)
class PolicyTrace:
    """A policy and what came of it: whether it is satisfied, or how it fails.

    `scope` are the tests that the scope stands for, of principal, action and resource; a variable alone is `true`.
    `conditions` are the bodies of the policy's conditions, in order; none is evaluated unless the scope matches.
    """

    policy: Policy
    outcome: bool | EvaluationError
    scope: tuple[Trace, Trace, Trace]
    conditions: tuple[Trace, ...]

    @property
    def in_scope(self) -> bool:
        """Whether the scope matches."""
        return all(test.outcome is True for test in self.scope)

    @property
    def ending(self) -> int | None:
        """Which condition, counted from 0, does not hold or fails; None if the scope does not match or all hold."""
        evaluated = [number for number, body in enumerate(self.conditions) if body.outcome is not None]
        return evaluated[-1] if evaluated and self.outcome is not True else None


def trace(expr: Expr, request: Request, entities: Entities) -> Trace:
    """What came of an expression and of all that is under it. Never raises."""
    outcome: Outcome
    try:
        outcome = evaluate(expr, request, entities)
    except EvaluationError as error:
        outcome = error.with_traceback(None)
    return Trace(expr, outcome, tuple(_parts(expr, request, entities)))


def trace_policy(policy: Policy, request: Request, entities: Entities) -> PolicyTrace:
    """What came of a static policy, or of a link that is filled in. Never raises."""
    outcome: bool | EvaluationError
    try:
        outcome = satisfied(policy, request, entities)
    except EvaluationError as error:
        outcome = error.with_traceback(None)
    scope = (
        trace(_test(Var.PRINCIPAL, policy.principal), request, entities),
        trace(_test(Var.ACTION, policy.action), request, entities),
        trace(_test(Var.RESOURCE, policy.resource), request, entities),
    )
    conditions: list[Trace] = []
    going = all(test.outcome is True for test in scope)
    for condition in policy.conditions:
        body = trace(condition.body, request, entities) if going else Trace(condition.body, None)
        going = going and body.outcome is (condition.kind is ConditionKind.WHEN)
        conditions.append(body)
    return PolicyTrace(policy, outcome, scope, tuple(conditions))


def decisive(whole: Trace) -> Trace:
    """The smallest part that alone made a Bool what it is.

    Below a false `&&` that is its false operand, below a true `||` its true one, and below a `!` what it negates; and
    so on, as far down as that goes.
    """
    while True:
        match whole.expr:
            case And() if whole.outcome is False:
                whole = _evaluated(whole)[-1]
            case Or() if whole.outcome is True:
                whole = _evaluated(whole)[-1]
            case Unary(UnaryOp.NOT) if isinstance(whole.outcome, bool):
                (whole,) = whole.parts
            case _:
                return whole


def deciding(whole: Trace) -> Trace:
    """The trace with only those parts that say why the outcome is what it is.

    Of an error, the way to where it arose; of a false `&&`, its false operand; of a true `||`, its true one; of an
    `if`, the condition and the branch that was taken. Other operators keep their operands but not the constants among
    them, and an attribute is not taken apart further.
    """
    return Trace(whole.expr, whole.outcome, tuple([deciding(part) for part in _reasons(whole)]))


def _reasons(whole: Trace) -> Sequence[Trace]:
    evaluated = _evaluated(whole)
    if isinstance(whole.outcome, EvaluationError):
        if evaluated and (isinstance(evaluated[-1].outcome, EvaluationError) or isinstance(whole.expr, And | Or)):
            return evaluated[-1:]
        return _telling(evaluated)
    match whole.expr:
        case And():
            return evaluated if whole.outcome is True else evaluated[-1:]
        case Or():
            return evaluated if whole.outcome is False else evaluated[-1:]
        case GetAttr():
            return ()
        case HasAttr() if whole.outcome is True:
            return ()
        case _:
            return _telling(evaluated)


def _telling(parts: Iterable[Trace]) -> list[Trace]:
    return [part for part in parts if not _is_constant(part.expr)]


def _is_constant(expr: Expr) -> bool:
    return not isinstance(expr, Variable) and all(map(_is_constant, children(expr)))


def _evaluated(whole: Trace) -> list[Trace]:
    """The parts that were evaluated, in that order: the last one is where evaluation stopped."""
    order = _evaluation_order(whole.expr, len(whole.parts))
    return [whole.parts[place] for place in order if whole.parts[place].outcome is not None]


def _evaluation_order(expr: Expr, count: int) -> Iterable[int]:
    """The places of a node's parts in source order, as they come to be evaluated (`in_name_order`)."""
    if isinstance(expr, RecordLiteral) and count:
        return [place for place, _ in sorted(enumerate(name for name, _ in expr.fields), key=itemgetter(1))]
    return range(count)


def _parts(expr: Expr, request: Request, entities: Entities) -> list[Trace]:
    found = children(expr)
    parts = [Trace(part, None) for part in found]
    if isinstance(expr, If):
        parts[0] = condition = trace(expr.condition, request, entities)
        if isinstance(condition.outcome, bool):
            chosen = 1 if condition.outcome else 2
            parts[chosen] = trace(found[chosen], request, entities)
        return parts
    for place in _evaluation_order(expr, len(found)):
        parts[place] = part = trace(found[place], request, entities)
        if not _goes_on(expr, part.outcome):
            break
    return parts


def _goes_on(expr: Expr, outcome: Outcome) -> bool:
    """Whether a node evaluates its next part after one that came to this."""
    if isinstance(outcome, EvaluationError):
        return False
    match expr:
        case And():
            return outcome is True
        case Or():
            return outcome is False
        case Is(_, entity_type):
            return isinstance(outcome, EntityUID) and outcome.type == entity_type
        case _:
            return True


def _test(name: Var, scope: Scope | ActionScope) -> Expr:
    """The scope of a variable as an expression."""
    variable = Variable(name)
    match scope:
        case ScopeAny():
            return Literal(True)
        case ScopeEq(entity):
            return Binary(BinaryOp.EQ, variable, _filled(entity))
        case ScopeIn(entity):
            return Binary(BinaryOp.IN, variable, _filled(entity))
        case ScopeIs(entity_type):
            return Is(variable, entity_type)
        case ScopeIsIn(entity_type, entity):
            return Is(variable, entity_type, _filled(entity))
        case ActionIn((entity,)):
            return Binary(BinaryOp.IN, variable, Literal(entity))
        case ActionIn(entities):
            return Binary(BinaryOp.IN, variable, SetLiteral(tuple(map(Literal, entities))))
        case _:
            assert_never(scope)


def _filled(entity: EntityOrSlot) -> Literal:
    if isinstance(entity, Slot):
        raise TypeError("a template decides nothing until its slots are filled")
    return Literal(entity)

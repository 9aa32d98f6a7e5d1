"""One policy to what is left of it: whether it is satisfied, how it fails, or a residual policy.

A residual policy stands for the completions of its partial request and for the store it was made with; of another
request it may say anything. Its clauses are the conjuncts of the original's, one each: so it is never deeper.
"""

from dataclasses import dataclass, replace
from typing import Final, TypeAlias, TypeVar, assert_never, final

from pdp.cedar.nodes import And, Binary, BinaryOp, Expr, Is, Literal, SetLiteral, Unary, UnaryOp, Var, Variable
from pdp.cedar.policy import (
    ActionIn,
    ActionScope,
    Condition,
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
from pdp.cedar.response import PolicyError
from pdp.cedar.text.depth import too_deep
from pdp.cedar.validate.capabilities import Known
from pdp.cedar.values import EntityUID
from pdp.evaluate.authorize import in_action_scope, in_scope
from pdp.evaluate.partial.reduce import Reducer
from pdp.evaluate.partial.residual import Certain, Failing, Open, without_check
from pdp.evaluate.partial.shapes import Exactly, is_exactly
from pdp.evaluate.partial.world import World

_AnyScope = TypeVar("_AnyScope", Scope, ActionScope)


@final
@dataclass(frozen=True, slots=True)
class Residual:
    """A policy that the unknowns decide. Unless it `may_hold`, it is false or fails, whatever they turn out to be."""

    policy: Policy
    may_hold: bool


Left: TypeAlias = bool | PolicyError | Residual
"""What is left of a policy: whether it is satisfied, how it fails, or what must still be evaluated."""


@final
class PolicyReducer:
    """Reduces policies for one partial request."""

    def __init__(self, world: World) -> None:
        self._world: Final = world
        self._generous: Final = Reducer(world, write_out=True)
        self._sparing: Final = Reducer(world, write_out=False)

    def reduce(self, policy: Policy) -> Left:
        """What is left of a static policy, or of a link that is filled in."""
        principal = self._scope(policy.principal, Var.PRINCIPAL)
        action = None if principal is None else self._action_scope(policy.action)
        resource = None if action is None else self._scope(policy.resource, Var.RESOURCE)
        if principal is None or action is None or resource is None:
            return False
        scoped = replace(policy, principal=principal, action=action, resource=resource)
        left = _conditions(scoped, self._generous)
        if isinstance(left, Residual) and any(too_deep(clause.body) for clause in left.policy.conditions):
            return _conditions(scoped, self._sparing)
        return left

    def _scope(self, scope: Scope, name: Var) -> Scope | None:
        """The scope less what is certain; None if it does not match."""
        variable = Variable(name)
        shape = self._world.variables[name]
        if isinstance(shape, Exactly) and isinstance(shape.value, EntityUID):
            return ScopeAny() if in_scope(scope, shape.value, self._world.entities) else None
        match scope:
            case ScopeAny():
                return scope
            case ScopeEq(entity):
                return self._tested(Binary(BinaryOp.EQ, variable, _literal(entity)), scope)
            case ScopeIn(entity):
                return self._tested(Binary(BinaryOp.IN, variable, _literal(entity)), scope)
            case ScopeIs(entity_type):
                return self._tested(Is(variable, entity_type), scope)
            case ScopeIsIn(entity_type, entity):
                left = self._tested(Is(variable, entity_type), ScopeIs(entity_type))
                if left is None:
                    return None
                if isinstance(left, ScopeAny):
                    return self._scope(ScopeIn(entity), name)
                return self._tested(Is(variable, entity_type, _literal(entity)), scope)
            case _:
                assert_never(scope)

    def _action_scope(self, scope: ActionScope) -> ActionScope | None:
        variable = Variable(Var.ACTION)
        shape = self._world.variables[Var.ACTION]
        if isinstance(shape, Exactly) and isinstance(shape.value, EntityUID):
            return ScopeAny() if in_action_scope(scope, shape.value, self._world.entities) else None
        match scope:
            case ScopeAny():
                return scope
            case ScopeEq(entity):
                return self._tested(Binary(BinaryOp.EQ, variable, _literal(entity)), scope)
            case ActionIn(entities):
                groups = SetLiteral(tuple(map(_literal, entities)))
                return self._tested(Binary(BinaryOp.IN, variable, groups), scope)
            case _:
                assert_never(scope)

    def _tested(self, test: Expr, scope: _AnyScope) -> _AnyScope | ScopeAny | None:
        reduced = self._generous.reduce(test, Known())
        if isinstance(reduced, Certain):
            return ScopeAny() if reduced.value is True else None
        return scope


def _literal(entity: EntityOrSlot) -> Literal:
    if isinstance(entity, Slot):
        raise TypeError("a template decides nothing until its slots are filled")
    return Literal(entity)


def _conditions(policy: Policy, reducer: Reducer) -> Left:
    """What is left of a policy whose scope matches, as far as it is certain."""
    conjuncts: list[Expr] = []
    for condition in policy.conditions:
        negated = condition.kind is ConditionKind.UNLESS
        conjuncts.append(Unary(UnaryOp.NOT, condition.body, span=condition.span) if negated else condition.body)
    reduced = reducer.chain(conjuncts, None, Known(), stop=False)
    certain = isinstance(policy.principal, ScopeAny) and isinstance(policy.resource, ScopeAny)
    certain = certain and isinstance(policy.action, ScopeAny)
    if isinstance(reduced, Certain):
        if reduced.value is False:
            return False
        if certain:
            return True
        return Residual(replace(policy, conditions=()), may_hold=True)
    if isinstance(reduced, Failing) and reduced.error is not None and certain:
        return PolicyError(policy.id, reduced.error.kind, reduced.error.message)
    may_hold = isinstance(reduced, Open) and not is_exactly(reduced.shape, False)
    return Residual(replace(policy, conditions=_clauses(reduced.expr)), may_hold)


def _clauses(conjunction: Expr) -> tuple[Condition, ...]:
    """A clause for each conjunct: `unless` for what is negated, `when` for the rest."""
    alone = without_check(conjunction)
    conjuncts = alone.operands if isinstance(alone, And) else (alone,)
    return tuple(map(_clause, conjuncts))


def _clause(conjunct: Expr) -> Condition:
    if isinstance(conjunct, Unary) and conjunct.op is UnaryOp.NOT:
        return Condition(ConditionKind.UNLESS, conjunct.operand, conjunct.span)
    return Condition(ConditionKind.WHEN, conjunct, conjunct.span)

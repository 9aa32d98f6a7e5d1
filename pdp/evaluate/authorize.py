"""The decision over a set of policies, exactly as Cedar defines it (`Cedar/Spec/Authorizer.lean`).

An erroring policy is skipped, a `forbid` too: failing closed on it is the engine's rule, not the language's.
"""

from collections.abc import Iterable
from typing import assert_never

from pdp.cedar.entities import Entities
from pdp.cedar.errors import EvaluationError
from pdp.cedar.policy import (
    ActionIn,
    ActionScope,
    ConditionKind,
    Effect,
    EntityOrSlot,
    Policy,
    PolicySet,
    Scope,
    ScopeAny,
    ScopeEq,
    ScopeIn,
    ScopeIs,
    ScopeIsIn,
    Slot,
)
from pdp.cedar.request import Request
from pdp.cedar.response import Decision, PolicyError, Response
from pdp.cedar.values import EntityUID
from pdp.evaluate.interpreter import evaluate
from pdp.evaluate.operators import as_bool


def authorize(request: Request, policies: PolicySet, entities: Entities) -> Response:
    """Evaluate every static policy and every link. Never raises: a failing policy is in the response's errors."""
    permits: list[str] = []
    forbids: list[str] = []
    errors: list[PolicyError] = []
    for policy in policies.linked():
        try:
            if satisfied(policy, request, entities):
                (permits if policy.effect is Effect.PERMIT else forbids).append(policy.id)
        except EvaluationError as error:
            errors.append(PolicyError(policy.id, error.kind, error.message))
    return combine(permits, forbids, errors)


def combine(permits: Iterable[str], forbids: Iterable[str], errors: Iterable[PolicyError]) -> Response:
    """Default deny, and forbid over permit: ids of satisfied policies in, the response out."""
    if denying := frozenset(forbids):
        return Response(Decision.DENY, denying, tuple(errors))
    if allowing := frozenset(permits):
        return Response(Decision.ALLOW, allowing, tuple(errors))
    return Response(Decision.DENY, frozenset(), tuple(errors))


def satisfied(policy: Policy, request: Request, entities: Entities) -> bool:
    """Whether scope and conditions all hold. Raises EvaluationError; a part behind a false one is not evaluated."""
    return applies(policy, request, entities) and all(
        as_bool(evaluate(condition.body, request, entities)) is (condition.kind is ConditionKind.WHEN)
        for condition in policy.conditions
    )


def applies(policy: Policy, request: Request, entities: Entities) -> bool:
    """Whether the scope matches; cannot fail."""
    return (
        in_scope(policy.principal, request.principal, entities)
        and in_action_scope(policy.action, request.action, entities)
        and in_scope(policy.resource, request.resource, entities)
    )


def in_scope(scope: Scope, uid: EntityUID, entities: Entities) -> bool:
    """Whether a principal's or a resource's scope, without slots, matches; cannot fail."""
    match scope:
        case ScopeAny():
            return True
        case ScopeEq(entity):
            return uid == _filled(entity)
        case ScopeIn(entity):
            return _descends(uid, _filled(entity), entities)
        case ScopeIs(entity_type):
            return uid.type == entity_type
        case ScopeIsIn(entity_type, entity):
            return uid.type == entity_type and _descends(uid, _filled(entity), entities)
        case _:
            assert_never(scope)


def in_action_scope(scope: ActionScope, action: EntityUID, entities: Entities) -> bool:
    """Whether an action's scope matches; cannot fail."""
    match scope:
        case ScopeAny():
            return True
        case ScopeEq(entity):
            return action == _filled(entity)
        case ActionIn(groups):
            return any(_descends(action, group, entities) for group in groups)
        case _:
            assert_never(scope)


def _filled(entity: EntityOrSlot) -> EntityUID:
    if isinstance(entity, Slot):
        raise TypeError("a template decides nothing until its slots are filled")
    return entity


def _descends(uid: EntityUID, target: EntityUID, entities: Entities) -> bool:
    if uid == target:
        return True
    stored = entities.get(uid)
    return stored is not None and target in stored.ancestors

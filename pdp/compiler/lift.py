"""Lifting: conditions that only restate the scope become part of it, where the index can use them.

    permit (principal, action, resource) when { resource in Folder::"x" && context.mfa };
    permit (principal, action, resource in Folder::"x") when { context.mfa };

A part of a condition may be lifted if nothing before it can fail, and neither can it: then it makes no difference to
decision, reasons and errors that it is asked first, and by the index.
"""

from collections.abc import Sequence
from dataclasses import replace

from pdp.cedar.nodes import (
    And,
    Binary,
    BinaryOp,
    Expr,
    HasAttr,
    Is,
    Literal,
    Or,
    SetLiteral,
    Unary,
    UnaryOp,
    Var,
    Variable,
    conjoin,
)
from pdp.cedar.policy import (
    ActionIn,
    ActionScope,
    Condition,
    ConditionKind,
    Policy,
    Scope,
    ScopeAny,
    ScopeEq,
    ScopeIn,
    ScopeIs,
    ScopeIsIn,
)
from pdp.cedar.values import EntityUID


def lift(policy: Policy) -> Policy:
    """The same policy with what restates its scope moved there; the policy itself if there is nothing to move.

    A template stays as it is: its links are found by what fills their slots.
    """
    if policy.is_template:
        return policy
    lifted, conditions = policy, []
    may_lift = True
    for condition in policy.conditions:
        kept: list[Expr] = []
        for part in _parts(condition):
            narrowed = _narrowed(lifted, part) if may_lift and condition.kind is ConditionKind.WHEN else None
            if narrowed is None:
                kept.append(part)
                may_lift = may_lift and _cannot_fail(part)
            else:
                lifted = narrowed
        if kept:
            body = condition.body if len(kept) == len(_parts(condition)) else conjoin(kept[0], kept[1:], kept[0].span)
            conditions.append(replace(condition, body=body))
    return policy if lifted is policy else replace(lifted, conditions=tuple(conditions))


def _parts(condition: Condition) -> Sequence[Expr]:
    body = condition.body
    return body.operands if condition.kind is ConditionKind.WHEN and isinstance(body, And) else (body,)


def _narrowed(policy: Policy, part: Expr) -> Policy | None:
    """The policy with a part of its conditions in its scope; None if it does not belong there."""
    match part:
        case Is(Variable(Var.PRINCIPAL | Var.RESOURCE as name), entity_type, None):
            return _with_side(policy, name, ScopeIs(entity_type))
        case Is(Variable(Var.PRINCIPAL | Var.RESOURCE as name), entity_type, Literal(EntityUID() as uid)):
            return _with_side(policy, name, ScopeIsIn(entity_type, uid))
        case Binary(BinaryOp.EQ, Variable(name), Literal(EntityUID() as uid)) | Binary(
            BinaryOp.EQ, Literal(EntityUID() as uid), Variable(name)
        ):
            return _with_action(policy, ScopeEq(uid)) if name is Var.ACTION else _with_side(policy, name, ScopeEq(uid))
        case Binary(BinaryOp.IN, Variable(Var.ACTION), groups):
            uids = _uids(groups)
            return None if uids is None else _with_action(policy, ActionIn(uids))
        case Binary(BinaryOp.IN, Variable(name), Literal(EntityUID() as uid)):
            return _with_side(policy, name, ScopeIn(uid))
        case _:
            return None


def _uids(expr: Expr) -> tuple[EntityUID, ...] | None:
    """The entities that a literal, or a set of literals, names; None if it is anything else."""
    elements = expr.elements if isinstance(expr, SetLiteral) else (expr,)
    named = [each.value for each in elements if isinstance(each, Literal)]
    uids = tuple([value for value in named if isinstance(value, EntityUID)])
    return uids if len(uids) == len(elements) else None


def _with_action(policy: Policy, scope: ActionScope) -> Policy | None:
    return replace(policy, action=scope) if isinstance(policy.action, ScopeAny) else None


def _with_side(policy: Policy, name: Var, scope: Scope) -> Policy | None:
    """A scope takes in another where it says nothing yet, or where one is a type and the other an entity above."""
    if name is Var.PRINCIPAL:
        both = _both(policy.principal, scope)
        return None if both is None else replace(policy, principal=both)
    if name is Var.RESOURCE:
        both = _both(policy.resource, scope)
        return None if both is None else replace(policy, resource=both)
    return None


def _both(written: Scope, scope: Scope) -> Scope | None:
    match written, scope:
        case ScopeAny(), _:
            return scope
        case (ScopeIs(entity_type), ScopeIn(entity)) | (ScopeIn(entity), ScopeIs(entity_type)):
            return ScopeIsIn(entity_type, entity)
        case _:
            return None


def _cannot_fail(expr: Expr) -> bool:
    """Whether a part of a condition is certain to be true or false."""
    match expr:
        case Literal(value):
            return isinstance(value, bool)
        case Unary(UnaryOp.NOT, operand):
            return _cannot_fail(operand)
        case And(operands) | Or(operands):
            return all(map(_cannot_fail, operands))
        case HasAttr(Variable(), (_,)):
            return True
        case Is(Variable(name), _, ancestor):
            return name is not Var.CONTEXT and (ancestor is None or _uids(ancestor) is not None)
        case Binary(BinaryOp.EQ | BinaryOp.NE, left, right):
            return isinstance(left, Variable | Literal) and isinstance(right, Variable | Literal)
        case Binary(BinaryOp.IN, Variable(name), right):
            return name is not Var.CONTEXT and _uids(right) is not None
        case _:
            return False

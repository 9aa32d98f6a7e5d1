"""The cases of the sample world hold its policies: none can be taken away, and no part of one, without a case failing.

What the schema makes certain anyway is left alone: that an action's principal and resource are of its types.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final, TypeVar, assert_never

import pytest
from consortium import Consortium, consortium

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
    Variable,
)
from pdp.cedar.policy import ActionIn, Condition, Policy, Scope, ScopeIs, ScopeIsIn, Slot
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies
from pdp.cedar.text.printer import print_policy

T = TypeVar("T")

POLICIES = consortium().policies

_OTHER: Final = {
    BinaryOp.EQ: BinaryOp.NE,
    BinaryOp.NE: BinaryOp.EQ,
    BinaryOp.LT: BinaryOp.LE,
    BinaryOp.LE: BinaryOp.LT,
    BinaryOp.GT: BinaryOp.GE,
    BinaryOp.GE: BinaryOp.GT,
}


def without_one(items: tuple[T, ...]) -> Iterator[tuple[T, ...]]:
    for place in range(len(items)):
        yield items[:place] + items[place + 1 :]


def one_changed(items: tuple[T, ...], change: Callable[[T], Iterator[T]]) -> Iterator[tuple[T, ...]]:
    for place, item in enumerate(items):
        for changed in change(item):
            yield (*items[:place], changed, *items[place + 1 :])


def changed_expressions(expr: Expr) -> Iterator[Expr]:
    """The expression with one part taken away, or one limit, text or comparison changed by the least that there is."""
    match expr:
        case And(operands) | Or(operands):
            for rest in without_one(operands):
                yield rest[0] if len(rest) == 1 else replace(expr, operands=rest)
            for changed in one_changed(operands, changed_expressions):
                yield replace(expr, operands=changed)
        case SetLiteral(elements):
            for rest in without_one(elements) if len(elements) > 1 else ():
                yield replace(expr, elements=rest)
            for changed in one_changed(elements, changed_expressions):
                yield replace(expr, elements=changed)
        case Binary(op, left, right):
            if op in _OTHER:
                yield replace(expr, op=_OTHER[op])
            for other in changed_expressions(left):
                yield replace(expr, left=other)
            for other in changed_expressions(right):
                yield replace(expr, right=other)
        case Unary(op, operand):
            if op is UnaryOp.NOT:
                yield operand
            for other in changed_expressions(operand):
                yield replace(expr, operand=other)
        case GetAttr(operand) | HasAttr(operand) | Like(operand):
            for other in changed_expressions(operand):
                yield replace(expr, operand=other)
        case Call(_, arguments):
            for changed in one_changed(arguments, changed_expressions):
                yield replace(expr, arguments=changed)
        case Literal(bool()):
            pass
        case Literal(int(number)):
            yield from (replace(expr, value=number - 1), replace(expr, value=number + 1))
        case Literal(str(text)):
            yield replace(expr, value=f"{text}x")
        case Literal() | Variable() | Is() | If() | RecordLiteral():
            pass  # nothing smaller is left, or the sample has none of it
        case _:
            assert_never(expr)


def changed_conditions(condition: Condition) -> Iterator[Condition]:
    for body in changed_expressions(condition.body):
        yield replace(condition, body=body)


def without_group(scope: Scope) -> Scope | None:
    """The scope without the group that it names beside a type, if it does."""
    if isinstance(scope, ScopeIsIn) and not isinstance(scope.entity, Slot):
        return ScopeIs(scope.entity_type)
    return None


def mutants(policy: Policy) -> Iterator[Policy]:
    """The policy with one thing less, or one thing else: a group, an action, a clause, a part of a clause."""
    if (principal := without_group(policy.principal)) is not None:
        yield replace(policy, principal=principal)
    if (resource := without_group(policy.resource)) is not None:
        yield replace(policy, resource=resource)
    if isinstance(policy.action, ActionIn) and len(policy.action.entities) > 1:
        for actions in without_one(policy.action.entities):
            yield replace(policy, action=ActionIn(actions))
    for conditions in without_one(policy.conditions):
        yield replace(policy, conditions=conditions)
    for conditions in one_changed(policy.conditions, changed_conditions):
        yield replace(policy, conditions=conditions)


def survives(world: Consortium, policy: Policy, mutant: Policy | None) -> bool:
    """Whether all cases still pass with the mutant in place of the policy, or with nothing in its place."""
    changed = [mutant if other is policy else other for other in world.policies]
    return next(world.failing([each for each in changed if each is not None], policy.id), None) is None


@pytest.mark.parametrize("policy", POLICIES, ids=[policy.id for policy in POLICIES])
class TestEveryPolicyMatters:
    def test_without_it_a_case_fails(self, policy: Policy) -> None:
        assert not survives(consortium(), policy, None)

    def test_with_a_part_of_it_missing_or_changed_a_case_fails(self, policy: Policy) -> None:
        survivors = [mutant for mutant in mutants(policy) if survives(consortium(), policy, mutant)]
        assert [print_policy(mutant) for mutant in survivors] == []


def test_the_mutants_of_a_policy() -> None:
    scope = 'permit (principal is U in G::"g", action in [Action::"a", Action::"b"], resource)'
    when, unless = "when { context.n <= 5 && !context.b }", 'unless { ["x", "y"].contains(principal.z) }'
    (policy,) = parse_policies(Source("p", f"{scope} {when} {unless};"))
    expected = [
        (scope.replace(' in G::"g"', ""), when, unless),
        (scope.replace('Action::"a", ', ""), when, unless),
        (scope.replace(', Action::"b"', ""), when, unless),
        (scope, "", unless),
        (scope, when, ""),
        (scope, "when { !context.b }", unless),
        (scope, "when { context.n <= 5 }", unless),
        (scope, when.replace("<=", "<"), unless),
        (scope, when.replace("5", "4"), unless),
        (scope, when.replace("5", "6"), unless),
        (scope, when.replace("!", ""), unless),
        (scope, when, unless.replace('"x", ', "")),
        (scope, when, unless.replace(', "y"', "")),
        (scope, when, unless.replace('"x"', '"xx"')),
        (scope, when, unless.replace('"y"', '"yx"')),
    ]
    parsed = [
        replace(each, id=policy.id) for each in parse_policies(Source("m", ";".join(map(" ".join, expected)) + ";"))
    ]
    assert list(mutants(policy)) == parsed

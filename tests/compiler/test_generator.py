"""The generator of worlds is worth its time: every operator, every error and every outcome occurs, and often."""

import random
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Final

from strategies import World, make_world

from pdp.cedar import ext
from pdp.cedar.errors import ErrorKind
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
    Or,
    RecordLiteral,
    SetLiteral,
    Unary,
    UnaryOp,
)
from pdp.cedar.policy import ActionIn, Effect, Policy, ScopeAny, ScopeEq, ScopeIn, ScopeIs, ScopeIsIn
from pdp.cedar.response import Decision
from pdp.cedar.text.depth import children
from pdp.evaluate.authorize import authorize

WORLDS: Final = 400


@cache
def sample() -> tuple[World, ...]:
    rng = random.Random(20_240_229)
    return tuple(
        make_world(
            rng.randbytes(400),
            [rng.randbytes(96) for _ in range(rng.randint(1, 16))],
            [rng.randbytes(24) for _ in range(4)],
        )
        for _ in range(WORLDS)
    )


def policies() -> Iterator[Policy]:
    for world in sample():
        yield from world.policies.static.values()
        yield from world.policies.templates.values()


def nodes() -> Iterator[Expr]:
    pending = [condition.body for policy in policies() for condition in policy.conditions]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(children(node))


def test_every_operator_and_function_occurs() -> None:
    kinds: Counter[object] = Counter()
    for node in nodes():
        match node:
            case Unary(op) | Binary(op):
                kinds[op] += 1
            case Call(function):
                kinds[function] += 1
            case _:
                kinds[type(node)] += 1
    forms = (And, Or, If, GetAttr, HasAttr, Like, Is, SetLiteral, RecordLiteral)
    rare = {name: kinds[name] for name in (*UnaryOp, *BinaryOp, *ext.FUNCTIONS, *forms) if kinds[name] < 10}
    assert not rare


def test_every_form_of_scope_occurs_with_and_without_slots() -> None:
    forms: Counter[object] = Counter()
    for policy in policies():
        forms[policy.effect] += 1
        forms["template" if policy.is_template else "static"] += 1
        forms["action", type(policy.action)] += 1
        if isinstance(policy.action, ActionIn):
            forms["list", min(len(policy.action.entities), 2)] += 1
        for scope in (policy.principal, policy.resource):
            forms["scope", type(scope)] += 1
    expected = [("scope", form) for form in (ScopeAny, ScopeEq, ScopeIn, ScopeIs, ScopeIsIn)]
    expected += [("action", form) for form in (ScopeAny, ScopeEq, ActionIn)]
    rare = [form for form in (*expected, *Effect, "template", ("list", 0), ("list", 1), ("list", 2)) if forms[form] < 40]
    assert not rare
    assert sum(len(world.policies.links) for world in sample()) >= 100


def test_every_outcome_and_every_error_occurs() -> None:
    outcomes: Counter[object] = Counter()
    for world in sample():
        for request in world.requests:
            response = authorize(request, world.policies, world.entities)
            outcomes[response.decision] += 1
            outcomes["forbidden"] += response.decision is Decision.DENY and bool(response.reasons)
            outcomes["several reasons"] += len(response.reasons) > 1
            outcomes["allowed despite an error"] += response.decision is Decision.ALLOW and bool(response.errors)
            outcomes["by a link"] += any(reason.startswith("link") for reason in response.reasons)
            outcomes.update(error.kind for error in response.errors)
    asked = WORLDS * 4
    assert outcomes[Decision.ALLOW] >= asked * 0.1
    assert outcomes["forbidden"] >= asked * 0.1
    assert outcomes["several reasons"] >= asked * 0.05
    assert outcomes["allowed despite an error"] >= asked * 0.03
    assert outcomes["by a link"] >= 10
    assert not [kind for kind in ErrorKind if outcomes[kind] < 5]

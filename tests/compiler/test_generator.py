"""The generator of worlds is worth its time: every operator, every error and every outcome occurs, and often."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

import pytest
from strategies import sampled_worlds

from pdp.cedar import ext
from pdp.cedar.entities import Entities
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
from pdp.cedar.request import Request
from pdp.cedar.response import Decision
from pdp.cedar.text.depth import children
from pdp.cedar.values import Value
from pdp.evaluate import interpreter
from pdp.evaluate.authorize import authorize


def policies() -> Iterator[Policy]:
    for world in sampled_worlds():
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
    expected: list[tuple[str, type]] = [("scope", form) for form in (ScopeAny, ScopeEq, ScopeIn, ScopeIs, ScopeIsIn)]
    expected += [("action", form) for form in (ScopeAny, ScopeEq, ActionIn)]
    rare = [
        form for form in (*expected, *Effect, "template", ("list", 0), ("list", 1), ("list", 2)) if forms[form] < 40
    ]
    assert not rare
    assert sum(len(world.policies.links) for world in sampled_worlds()) >= 100


def test_every_outcome_and_every_error_occurs() -> None:
    outcomes: Counter[object] = Counter()
    for world in sampled_worlds():
        for request in world.requests:
            response = authorize(request, world.policies, world.entities)
            outcomes[response.decision] += 1
            outcomes["forbidden"] += response.decision is Decision.DENY and bool(response.reasons)
            outcomes["several reasons"] += len(response.reasons) > 1
            outcomes["allowed despite an error"] += response.decision is Decision.ALLOW and bool(response.errors)
            outcomes["by a link"] += any(reason.startswith("link") for reason in response.reasons)
            outcomes.update(error.kind for error in response.errors)
    asked = sum(len(world.requests) for world in sampled_worlds())
    assert outcomes[Decision.ALLOW] >= asked * 0.1
    assert outcomes["forbidden"] >= asked * 0.1
    assert outcomes["several reasons"] >= asked * 0.05
    assert outcomes["allowed despite an error"] >= asked * 0.03
    assert outcomes["by a link"] >= 10
    assert not [kind for kind in ErrorKind if outcomes[kind] < 5]


def test_every_form_is_reached_with_every_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not enough that a form occurs: behind a false scope or a missing attribute it would never be evaluated."""
    reached: Counter[object] = Counter()
    evaluate = interpreter.evaluate

    def watching(expr: Expr, request: Request, entities: Entities) -> Value:
        value = evaluate(expr, request, entities)
        reached[_form(expr), value if isinstance(value, bool) else None] += 1
        return value

    # Both names: `evaluate` calls itself by the first, the decision calls it by the second.
    monkeypatch.setattr(interpreter, "evaluate", watching)
    monkeypatch.setattr("pdp.evaluate.authorize.evaluate", watching)
    for world in sampled_worlds():
        for request in world.requests:
            authorize(request, world.policies, world.entities)
    missing = [(form, result) for form, results in _RESULTS.items() for result in results if not reached[form, result]]
    assert missing == []


def _form(expr: Expr) -> object:
    match expr:
        case Unary(op) | Binary(op):
            return op
        case Call(function):
            return function
        case Is(_, _, ancestor):
            return "is" if ancestor is None else "is in"
        case HasAttr(_, path):
            return "has" if len(path) == 1 else "has a.b"
        case _:
            return type(expr)


_TRUTHS: Final = (True, False)
_VALUES: Final = (None,)
_RESULTS: Final[dict[object, tuple[bool | None, ...]]] = {
    **dict.fromkeys((And, Or, Like, "is", "is in", "has", "has a.b", UnaryOp.NOT, UnaryOp.IS_EMPTY), _TRUTHS),
    **{
        op: _VALUES if op in (BinaryOp.ADD, BinaryOp.SUB, BinaryOp.MUL, BinaryOp.GET_TAG) else _TRUTHS
        for op in BinaryOp
    },
    **dict.fromkeys((If, GetAttr), (True, False, None)),
    **dict.fromkeys((SetLiteral, RecordLiteral, UnaryOp.NEGATE), _VALUES),
    **{name: _TRUTHS if function.result == "bool" else _VALUES for name, function in ext.FUNCTIONS.items()},
}
"""What each form must be seen to give, with any operands."""

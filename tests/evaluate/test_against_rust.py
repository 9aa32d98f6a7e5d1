"""The oracle itself against the Rust engine: the value, or the kind of error, of every form on every operand.

Where the interpreter has a value, the engine must find the expression equal to it; where it has an error, the engine
must have one of the same kind.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Final

import pytest
from cedarpy_worlds import judge
from operands import ASK, PARSED, STORE, UNARY_FORMS, literal

from pdp.cedar.errors import ErrorKind, EvaluationError
from pdp.cedar.nodes import (
    And,
    Binary,
    BinaryOp,
    Call,
    Expr,
    If,
    Is,
    Literal,
    Or,
    RecordLiteral,
    SetLiteral,
    conjoin,
    disjoin,
)
from pdp.cedar.policy import Condition, ConditionKind, Effect, Policy, PolicySet, ScopeAny
from pdp.cedar.text.printer import print_expression
from pdp.cedar.values import Value
from pdp.evaluate.interpreter import evaluate


def disagreements(exprs: Sequence[Expr]) -> list[str]:
    """Expressions of which the Rust engine thinks otherwise, as text, with our outcome."""
    ours = [_outcome(expr) for expr in exprs]
    conditions = [
        expr if isinstance(outcome, ErrorKind) else Binary(BinaryOp.EQ, expr, literal(outcome))
        for expr, outcome in zip(exprs, ours, strict=True)
    ]
    (answer,) = judge(PolicySet(map(_policy, itertools.count(), conditions)), STORE, (ASK,))
    theirs = dict(answer.errors)
    return [
        f"{print_expression(expr)} is {outcome}"
        for number, (expr, outcome) in enumerate(zip(exprs, ours, strict=True))
        if (theirs.get(f"policy{number}") or f"policy{number}" in answer.reasons)
        != (outcome if isinstance(outcome, ErrorKind) else True)
    ]


def _outcome(expr: Expr) -> Value | ErrorKind:
    try:
        return evaluate(expr, ASK, STORE)
    except EvaluationError as error:
        return error.kind


def _policy(number: int, condition: Expr) -> Policy:
    clause = Condition(ConditionKind.WHEN, condition)
    return Policy(f"policy{number}", Effect.PERMIT, ScopeAny(), ScopeAny(), ScopeAny(), (clause,))


@pytest.mark.parametrize("op", BinaryOp, ids=lambda op: op.value)
def test_every_binary_operator_on_every_pair_of_operands(op: BinaryOp) -> None:
    assert (
        disagreements([Binary(op, left, right) for left, right in itertools.product(PARSED.values(), repeat=2)]) == []
    )


def test_every_other_form_on_every_operand() -> None:
    exprs = [form(operand) for form, operand in itertools.product(UNARY_FORMS.values(), PARSED.values())]
    assert len(exprs) > 800
    assert disagreements(exprs) == []


def test_and_or_and_if_on_every_pair_of_operands() -> None:
    exprs: list[Expr] = []
    for left, right in itertools.product(PARSED.values(), repeat=2):
        exprs += [conjoin(left, [right]), disjoin(left, [right]), If(left, right, Literal(7)), Is(left, "User", right)]
    assert disagreements(exprs) == []


FAILING: Final = [PARSED["context.missing"], PARSED["context.ghost.one"], Call("ip", (Literal("x"),))]
"""Operands that fail, each with an error of its own kind."""


def _orders() -> Iterator[Expr]:
    for first, second in itertools.permutations(FAILING, 2):
        yield from (Binary(op, first, second) for op in BinaryOp)
        yield from (SetLiteral((first, second)), Call("ip", (first, second)), Call("isInRange", (first, second)))
        yield from (And((first, second)), Or((first, second)), If(first, second, second), Is(first, "User", second))
        for names in (("a", "b"), ("b", "a"), ("a", "B"), ("", "a"), ("\U00010000", "\uffff"), ("in", "if")):
            yield RecordLiteral(tuple(zip(names, (first, second), strict=True)))


def test_which_of_two_errors_is_met_first() -> None:
    """Left before right; but a record's fields in the order of their names, code point by code point."""
    exprs = list(_orders())
    assert {_outcome(expr) for expr in exprs} == {
        ErrorKind.ATTRIBUTE_MISSING,
        ErrorKind.ENTITY_MISSING,
        ErrorKind.EXTENSION,
    }
    assert disagreements(exprs) == []

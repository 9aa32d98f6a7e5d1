"""Lowering: generated code means what the interpreter says, at any depth, in the right order.

The forms that are spelled out in generated code are exhausted here over a small set of operands of every type, present
and absent; the differential tests add depth and combinations.
"""

import itertools
from collections.abc import Callable

import pytest
from operands import ALICE, ASK, DOC, OPERANDS, PARSED, STORE, UNARY_FORMS, parse

from pdp.cedar.limits import MAX_EXPRESSION_DEPTH
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
    Var,
    Variable,
)
from pdp.cedar.policy import Condition, ConditionKind, Effect, Policy, PolicySet, ScopeAny
from pdp.cedar.request import Request
from pdp.cedar.response import Decision, Response
from pdp.cedar.text.printer import print_expression
from pdp.cedar.values import Record, Value
from pdp.compiler.program import compile_policies
from pdp.evaluate.authorize import authorize

YES, ONE, SELF = GetAttr(Variable(Var.CONTEXT), "yes"), GetAttr(Variable(Var.CONTEXT), "one"), Variable(Var.PRINCIPAL)
TEXT, SET = Literal("a"), SetLiteral((Literal("a"), Literal(1)))


def decide(condition: Expr) -> tuple[Response, Response]:
    """What the interpreter and the compiled program say."""
    clause = Condition(ConditionKind.WHEN, condition)
    policies = PolicySet([Policy("p", Effect.PERMIT, ScopeAny(), ScopeAny(), ScopeAny(), (clause,))])
    return authorize(ASK, policies, STORE), compile_policies(policies).authorize(ASK, STORE)


@pytest.mark.parametrize("op", BinaryOp, ids=lambda op: op.value)
def test_every_binary_operator_on_every_pair_of_operands(op: BinaryOp) -> None:
    for left, right in itertools.product(OPERANDS, repeat=2):
        # `== 2` asks for the value, whatever it is, beside the error.
        for condition in (
            Binary(op, PARSED[left], PARSED[right]),
            Binary(BinaryOp.EQ, Binary(op, PARSED[left], PARSED[right]), Literal(2)),
        ):
            expected, compiled = decide(condition)
            assert compiled == expected, f"{left} {op.value} {right}"


@pytest.mark.parametrize("form", UNARY_FORMS)
def test_every_other_form_on_every_operand(form: str) -> None:
    for text in OPERANDS:
        expected, compiled = decide(UNARY_FORMS[form](PARSED[text]))
        assert compiled == expected, f"{form} with x = {text}"


WRAPS: dict[str, Callable[[Expr], Expr]] = {
    "x && true": lambda x: And((x, YES)),
    "!x": lambda x: Unary(UnaryOp.NOT, x),
    "if x": lambda x: If(x, YES, Literal(False)),
    "x == true": lambda x: Binary(BinaryOp.EQ, x, Literal(True)),
    "x == 1": lambda x: Binary(BinaryOp.EQ, x, Literal(1)),
    "x == context.one": lambda x: Binary(BinaryOp.EQ, x, ONE),
    "x <= 1": lambda x: Binary(BinaryOp.LE, x, Literal(1)),
    "x + 1 == 2": lambda x: Binary(BinaryOp.EQ, Binary(BinaryOp.ADD, x, Literal(1)), Literal(2)),
    "[1, true].contains(x)": lambda x: Binary(BinaryOp.CONTAINS, SetLiteral((Literal(1), Literal(True))), x),
    "[x].contains(1)": lambda x: Binary(BinaryOp.CONTAINS, SetLiteral((x,)), Literal(1)),
    "x in principal": lambda x: Binary(BinaryOp.IN, x, SELF),
}
"""Places that make something of what is known of a value's type, right or wrong."""


@pytest.mark.parametrize("wrap", WRAPS)
def test_what_is_known_of_a_type_is_true(wrap: str) -> None:
    made = [make(operand) for make in UNARY_FORMS.values() for operand in (ONE, YES, SELF, TEXT, SET)]
    made += [Binary(op, left, right) for op in BinaryOp for left in (ONE, SET, SELF) for right in (ONE, SET, SELF)]
    for expr in made:
        expected, compiled = decide(WRAPS[wrap](expr))
        assert compiled == expected, f"{wrap} with x = {print_expression(expr)}"


@pytest.mark.parametrize(
    "text",
    [
        "context.missing < context.one.foo",
        "1 < context.missing",
        "context.s.foo + context.missing",
        "context.one.contains(context.missing)",
        "[context.missing, 1.foo].isEmpty()",
        "{b: context.missing, a: 1.foo}.a",
        "{a: context.missing, b: 1.foo}.a",
        '{"\U00010000": context.missing, "\uffff": 1.foo} == 1',
        "context.s.getTag(context.missing)",
        "context.missing in 1.foo",
        "principal in context.missing",
        "1 is User in context.missing",
    ],
)
def test_the_leftmost_error_is_the_one_reported(text: str) -> None:
    expected, compiled = decide(parse(text))
    assert expected.errors
    assert compiled == expected


def test_a_function_that_does_not_exist_fails_at_its_turn() -> None:
    for arguments in ((), (ONE,), (GetAttr(Variable(Var.CONTEXT), "missing"),)):
        unknown = Call("unknown", arguments)
        for condition in (unknown, Or((YES, unknown)), Binary(BinaryOp.EQ, unknown, ONE), GetAttr(unknown, "a")):
            expected, compiled = decide(condition)
            assert compiled == expected


def test_temporaries_of_one_operand_survive_the_evaluation_of_the_next() -> None:
    for text in (
        "(context.one + context.one) - (context.one + (context.one + context.one)) == -1",
        "context.record.user.one + context.user.one == context.record.one + context.record.user.one",
        "(context.user.one < context.one + 1) == (context.record.one <= context.user.one)",
        "principal in (if context.user.yes then context.entities else context.user)",
        "context.user is User in (if context.record.user is User then context.record.user else 1)",
    ):
        expected, compiled = decide(parse(text))
        assert compiled == expected, text
        assert compiled.decision is Decision.ALLOW, text


NESTED: dict[str, tuple[Callable[[Expr], Expr], Expr]] = {
    "not": (lambda x: Unary(UnaryOp.NOT, x), YES),
    "negate": (lambda x: Unary(UnaryOp.NEGATE, x), ONE),
    "is empty": (lambda x: Unary(UnaryOp.IS_EMPTY, x), ONE),
    "attribute": (lambda x: GetAttr(x, "user"), SELF),
    "has": (lambda x: HasAttr(x, ("a",)), SELF),
    "has path": (lambda x: HasAttr(x, ("a", "b")), SELF),
    "like": (lambda x: Like(x, ("a",)), ONE),
    "if": (lambda x: If(YES, x, Literal(False)), YES),
    "else": (lambda x: If(YES, Literal(False), x), YES),
    "if in a condition": (lambda x: If(x, YES, Literal(False)), YES),
    "and": (lambda x: And((YES, x)), YES),
    "and on the left": (lambda x: And((Unary(UnaryOp.NOT, x), YES)), YES),
    "or": (lambda x: Or((Unary(UnaryOp.NOT, YES), x)), YES),
    "set": (lambda x: SetLiteral((x,)), ONE),
    "record": (lambda x: RecordLiteral((("a", x),)), ONE),
    "constant set": (lambda x: SetLiteral((x,)), Literal(1)),
    "constant record": (lambda x: RecordLiteral((("a", x),)), Literal(1)),
    "is": (lambda x: Is(x, "User"), SELF),
    "is in": (lambda x: Is(x, "User", SELF), SELF),
    "is in on the right": (lambda x: Is(SELF, "User", x), SELF),
    "is in of an attribute": (lambda x: Is(YES, "User", x), SELF),
    "call": (lambda x: Call("toTime", (x,)), ONE),
    "call, second argument": (lambda x: Call("offset", (ONE, x)), ONE),
    "equal to true": (lambda x: Binary(BinaryOp.EQ, x, Literal(True)), YES),
    "true equal to": (lambda x: Binary(BinaryOp.NE, Literal(True), x), YES),
    "equal to a text": (lambda x: Binary(BinaryOp.EQ, x, TEXT), YES),
    "a text equal to": (lambda x: Binary(BinaryOp.NE, TEXT, x), YES),
    "contained in a constant set": (lambda x: Binary(BinaryOp.CONTAINS, SET, x), YES),
    "contains a constant": (lambda x: Binary(BinaryOp.CONTAINS, x, TEXT), YES),
    **{f"{op.value} on the left": (lambda x, op=op: Binary(op, x, ONE), ONE) for op in BinaryOp},  # type: ignore[misc]  # of a bound default
    **{f"{op.value} on the right": (lambda x, op=op: Binary(op, ONE, x), ONE) for op in BinaryOp},  # type: ignore[misc]  # the same
    "principal in": (lambda x: Binary(BinaryOp.IN, SELF, x), SELF),
}


def on_a_deep_stack(frames: int, action: Callable[[], Response]) -> Response:
    return action() if frames == 0 else on_a_deep_stack(frames - 1, action)


@pytest.mark.parametrize("form", NESTED)
@pytest.mark.parametrize("frames", [0, 300])
def test_the_deepest_expression_compiles_and_runs_on_a_deep_stack(form: str, frames: int) -> None:
    nest, expr = NESTED[form]
    for _ in range(MAX_EXPRESSION_DEPTH - 3):
        expr = nest(expr)
    clause = Condition(ConditionKind.WHEN, Binary(BinaryOp.EQ, expr, expr))
    policies = PolicySet([Policy("p", Effect.PERMIT, ScopeAny(), ScopeAny(), ScopeAny(), (clause,))])
    compiled = on_a_deep_stack(frames, lambda: compile_policies(policies).authorize(ASK, STORE))
    assert compiled == authorize(ASK, policies, STORE)


@pytest.mark.parametrize(("chain", "size"), [(And, 5_000), (Or, 2_000)])
def test_a_chain_of_thousands_of_terms(chain: type[And] | type[Or], size: int) -> None:
    term = YES if chain is And else Unary(UnaryOp.NOT, YES)
    condition = chain((*[term] * size, GetAttr(Variable(Var.CONTEXT), "last")))
    clause = Condition(ConditionKind.WHEN, condition)
    policies = PolicySet([Policy("p", Effect.PERMIT, ScopeAny(), ScopeAny(), ScopeAny(), (clause,))])
    program = compile_policies(policies)
    contexts: list[dict[str, Value]] = [{"last": True}, {"last": False}, {"last": 1}, {}]
    for context in contexts:
        request = Request(ALICE, ASK.action, DOC, Record({"yes": True, **context}))
        assert program.authorize(request, STORE) == authorize(request, policies, STORE)

"""Lowering: generated code means what the interpreter says, at any depth, in the right order.

The forms that are spelled out in generated code are exhausted here over a small set of operands of every type, present
and absent; the differential tests add depth and combinations.
"""

import itertools
from collections.abc import Callable

import pytest

from pdp.cedar.entities import Entities, Entity
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
from pdp.cedar.source import Source
from pdp.cedar.text.expressions import parse_expression
from pdp.cedar.values import Duration, EntityUID, Record, Set, Value
from pdp.compiler.program import compile_policies
from pdp.evaluate.authorize import authorize

ALICE, TEAM, DOC = EntityUID("User", "alice"), EntityUID("Team", "t"), EntityUID("Doc", "d")
FIELDS: dict[str, Value] = {
    "yes": True,
    "no": False,
    "one": 1,
    "s": "a",
    "user": ALICE,
    "team": TEAM,
    "ghost": EntityUID("User", "ghost"),
    "set": Set([1, True, "a", ALICE]),
    "entities": Set([ALICE, TEAM]),
    "none": Set(),
    "record": Record({"one": 1, "user": ALICE}),
    "time": Duration(1),
}
STORE = Entities([Entity(ALICE, FIELDS, frozenset((TEAM,)), {"a": 1}), Entity(TEAM), Entity(DOC, {"one": True})])
ASK = Request(ALICE, EntityUID("Action", "read"), DOC, Record(FIELDS))

OPERANDS = [f"context.{name}" for name in FIELDS] + [
    "context.missing",
    "principal",
    "action",
    "resource",
    "context",
    "true",
    "1",
    '"a"',
    'User::"alice"',
    'Team::"t"',
    '[User::"x", Team::"t"]',
    '[1, "a"]',
    "[]",
    "{one: 1}",
    'duration("1ms")',
    "principal.one",
    "context.user.one",
    "context.ghost.one",
    "context.record.user.missing",
    "[context.one]",
]


def decide(condition: Expr) -> tuple[Response, Response]:
    """What the interpreter and the compiled program say."""
    clause = Condition(ConditionKind.WHEN, condition)
    policies = PolicySet([Policy("p", Effect.PERMIT, ScopeAny(), ScopeAny(), ScopeAny(), (clause,))])
    return authorize(ASK, policies, STORE), compile_policies(policies).authorize(ASK, STORE)


def parse(text: str) -> Expr:
    return parse_expression(Source("test", text))


PARSED = {text: parse(text) for text in OPERANDS}


@pytest.mark.parametrize("op", BinaryOp, ids=lambda op: op.value)
def test_every_binary_operator_on_every_pair_of_operands(op: BinaryOp) -> None:
    for left, right in itertools.product(OPERANDS, repeat=2):
        # `== true` asks for the value, whatever it is, beside the error.
        for condition in (
            Binary(op, PARSED[left], PARSED[right]),
            Binary(BinaryOp.EQ, Binary(op, PARSED[left], PARSED[right]), Literal(2)),
        ):
            expected, compiled = decide(condition)
            assert compiled == expected, f"{left} {op.value} {right}"


UNARY_FORMS: dict[str, Callable[[Expr], Expr]] = {
    "!x": lambda x: Unary(UnaryOp.NOT, x),
    "-x == -1": lambda x: Binary(BinaryOp.EQ, Unary(UnaryOp.NEGATE, x), Literal(-1)),
    "x.isEmpty()": lambda x: Unary(UnaryOp.IS_EMPTY, x),
    "x.one": lambda x: GetAttr(x, "one"),
    "x.user.one == 1": lambda x: Binary(BinaryOp.EQ, GetAttr(GetAttr(x, "user"), "one"), Literal(1)),
    "x has one": lambda x: HasAttr(x, ("one",)),
    "x has user.one": lambda x: HasAttr(x, ("user", "one")),
    "x has one.one": lambda x: HasAttr(x, ("one", "one")),
    "x has record.user.record.user.one": lambda x: HasAttr(x, ("record", "user", "record", "user", "one")),
    "x like a*": lambda x: Like(x, ("a",)),
    "x is User": lambda x: Is(x, "User"),
    "x is User in Team": lambda x: Is(x, "User", Literal(TEAM)),
    "x is User in 1": lambda x: Is(x, "User", Literal(1)),
    "x is User in [x]": lambda x: Is(x, "User", SetLiteral((x,))),
    "x && x": lambda x: And((x, x)),
    "x || x": lambda x: Or((x, x)),
    "true && x": lambda x: And((Literal(True), x)),
    "x || false": lambda x: Or((x, Literal(False))),
    "x && false": lambda x: And((x, Literal(False))),
    "if x then x else !x": lambda x: If(x, x, Unary(UnaryOp.NOT, x)),
    "if true then x else 1": lambda x: If(Literal(True), x, Literal(1)),
    "[x] == [x, x]": lambda x: Binary(BinaryOp.EQ, SetLiteral((x,)), SetLiteral((x, x))),
    "{a: x}.a": lambda x: GetAttr(RecordLiteral((("a", x),)), "a"),
    "isIpv4(x)": lambda x: Call("isIpv4", (x,)),
    "ip(x)": lambda x: Call("ip", (x,)),
    "ip(x, x)": lambda x: Call("ip", (x, x)),
    "toDays(x) == 0": lambda x: Binary(BinaryOp.EQ, Call("toDays", (x,)), Literal(0)),
}


@pytest.mark.parametrize("form", UNARY_FORMS)
def test_every_other_form_on_every_operand(form: str) -> None:
    for text in OPERANDS:
        expected, compiled = decide(UNARY_FORMS[form](PARSED[text]))
        assert compiled == expected, f"{form} with x = {text}"


@pytest.mark.parametrize(
    "text",
    [
        "context.missing < context.one.foo",
        "1 < context.missing",
        "context.s.foo + context.missing",
        "context.one.contains(context.missing)",
        "[context.missing, 1.foo].isEmpty()",
        "{b: context.missing, a: 1.foo}.a",
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


YES, ONE, SELF = GetAttr(Variable(Var.CONTEXT), "yes"), GetAttr(Variable(Var.CONTEXT), "one"), Variable(Var.PRINCIPAL)
NESTED: dict[str, tuple[Callable[[Expr], Expr], Expr]] = {
    "not": (lambda x: Unary(UnaryOp.NOT, x), YES),
    "negate": (lambda x: Unary(UnaryOp.NEGATE, x), ONE),
    "add on the left": (lambda x: Binary(BinaryOp.ADD, x, ONE), ONE),
    "add on the right": (lambda x: Binary(BinaryOp.ADD, ONE, x), ONE),
    "attribute": (lambda x: GetAttr(x, "user"), SELF),
    "if": (lambda x: If(YES, x, Literal(False)), YES),
    "if in a condition": (lambda x: If(x, YES, Literal(False)), YES),
    "and": (lambda x: And((YES, x)), YES),
    "or": (lambda x: Or((Unary(UnaryOp.NOT, YES), x)), YES),
    "set": (lambda x: SetLiteral((x,)), ONE),
    "record": (lambda x: RecordLiteral((("a", x),)), ONE),
    "constant set": (lambda x: SetLiteral((x,)), Literal(1)),
    "constant record": (lambda x: RecordLiteral((("a", x),)), Literal(1)),
    "equality": (lambda x: Binary(BinaryOp.EQ, x, YES), YES),
    "is in": (lambda x: Is(x, "User", SELF), SELF),
    "call": (lambda x: Call("toTime", (x,)), ONE),
    "has": (lambda x: HasAttr(x, ("a", "b")), SELF),
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


@pytest.mark.parametrize("chain", [And, Or])
def test_a_chain_of_twenty_thousand_terms(chain: type[And] | type[Or]) -> None:
    term = YES if chain is And else Unary(UnaryOp.NOT, YES)
    condition = chain((*[term] * 20_000, GetAttr(Variable(Var.CONTEXT), "last")))
    clause = Condition(ConditionKind.WHEN, condition)
    policies = PolicySet([Policy("p", Effect.PERMIT, ScopeAny(), ScopeAny(), ScopeAny(), (clause,))])
    program = compile_policies(policies)
    contexts: list[dict[str, Value]] = [{"last": True}, {"last": False}, {"last": 1}, {}]
    for context in contexts:
        request = Request(ALICE, ASK.action, DOC, Record({"yes": True, **context}))
        assert program.authorize(request, STORE) == authorize(request, policies, STORE)

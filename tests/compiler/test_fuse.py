"""Fusing: one function for several rules says of each what it says by itself, in code that holds no policy text."""

import ast
import itertools
from collections.abc import Iterator
from types import CodeType

import pytest
from operands import ASK, OPERANDS, STORE, UNARY_FORMS, parse

from pdp.cedar.limits import MAX_EXPRESSION_DEPTH
from pdp.cedar.nodes import Binary, BinaryOp, Expr, Unary, UnaryOp
from pdp.cedar.policy import Condition, ConditionKind, Effect, Policy, PolicySet, ScopeAny
from pdp.cedar.source import Source
from pdp.cedar.text.expressions import parse_expression
from pdp.cedar.values import EntityUID
from pdp.compiler.fold import FoldedTogether, fold_together
from pdp.compiler.fuse import DECIDE_PARAMETERS, Failed, fuse
from pdp.compiler.link import Linker
from pdp.compiler.lower import PARAMETERS
from pdp.compiler.operations import RUNTIME
from pdp.compiler.program import Program
from pdp.compiler.rulebook import Rulebook
from pdp.compiler.situation import Situation
from pdp.evaluate.authorize import authorize

READ = Situation(EntityUID("Action", "read"), frozenset([EntityUID("Action", "all")]), "User", None)


def together(*conditions: str) -> FoldedTogether:
    bodies = [parse_expression(Source("test", text)) for text in conditions]
    return fold_together([[Condition(ConditionKind.WHEN, body)] for body in bodies], READ, {})


def code(*conditions: str) -> str:
    """The body of the function for some conditions, without what every such function has."""
    folded = together(*conditions)
    (bind,) = fuse(folded.terms, len(folded.constants)).body
    assert isinstance(bind, ast.FunctionDef)
    decide = bind.body[0]
    assert isinstance(decide, ast.FunctionDef)
    return ast.unparse(ast.Module(body=decide.body, type_ignores=[]))


def test_the_code_for_two_rules_that_read_the_same() -> None:
    written = code("principal.a.b == 1", "principal.a.b == 2 || context.c")
    assert written.count("(m0 := ") == 2  # computed where it is first needed; again if that has failed
    assert written.count("principal_attrs[c0]") == 2
    assert written.startswith("entity = lookup(principal) or NOBODY\nprincipal_attrs = entity.attrs\ncontext = ")
    assert "resource" not in written
    assert "ancestors" not in written


def test_what_is_kept_for_certain_is_not_asked_for_again() -> None:
    written = code("principal.a.b == 1 && principal.a.c == 2", "principal.a.d == 3")
    first, second = written.split("except", 1)
    assert "if m0 is not None" not in first
    assert "if m0 is not None" in second


def test_what_only_one_branch_computes_is_not_certain_behind_it() -> None:
    written = code(
        "(context.x && principal.a.b == 1) || principal.a.c == 2", "if context.x then principal.a.d else principal.a.e"
    )
    assert written.count("if m0 is not None") == 3


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        ("principal is User", True),
        ("principal is Group", False),
        ('action == Action::"read"', True),
        ('action == Action::"write"', False),
        ('action in Action::"all"', True),
        ('action in [Action::"write", Action::"none"]', False),
        ('action in [Action::"write", Action::"read"]', True),
        ("action is Action", True),
        ("resource is User", False),  # its type is one that no policy speaks of
        ('principal is Group in Group::"g"', False),
        ('!(action in Action::"all") || true', True),
    ],
)
def test_what_the_situation_settles_needs_no_code(condition: str, value: bool) -> None:
    folded = together(condition)
    assert "principal" not in (written := code(condition))
    assert "if" not in written.replace("satisfied if failed", "")
    assert f"satisfied = {int(value)}" in written
    assert not [constant for constant in folded.constants if isinstance(constant, str)]


@pytest.mark.parametrize(
    "condition",
    ['principal in Action::"all"', "action.a == 1 || action has b", "principal == action"],
)
def test_what_it_does_not_settle_is_evaluated(condition: str) -> None:
    assert "if " in code(condition).replace("satisfied if failed", "")


def _conditions() -> Iterator[Expr]:
    for form in UNARY_FORMS.values():
        for text in OPERANDS:
            yield Binary(BinaryOp.EQ, form(parse(text)), parse("true"))
    for op in BinaryOp:
        for left, right in itertools.product(OPERANDS[::4], repeat=2):
            yield Binary(BinaryOp.NE, Binary(op, parse(left), parse(right)), parse("1"))


def test_each_rule_says_what_it_says_alone() -> None:
    # Every condition twice, so that all of it is shared, and some forty in one function.
    conditions = list(_conditions())
    for start in range(0, len(conditions), 20):
        part = conditions[start : start + 20]
        policies = PolicySet(
            Policy(
                f"p{number}",
                Effect.PERMIT if number % 3 else Effect.FORBID,
                ScopeAny(),
                ScopeAny(),
                ScopeAny(),
                (Condition(ConditionKind.WHEN, condition),),
            )
            for number, condition in enumerate([*part, *part])
        )
        program = Program(Rulebook(policies, fuse_after=1))
        expected = authorize(ASK, policies, STORE)
        for _ in range(2):
            answered = program.authorize(ASK, STORE)
            assert (answered.decision, answered.reasons) == (expected.decision, expected.reasons)
            assert sorted(answered.errors, key=str) == sorted(expected.errors, key=str)


def test_the_result_has_a_bit_for_each_satisfied_rule() -> None:
    linker = Linker()
    decide = linker.link_together(together("true", "context.no", "principal is User", "context.yes"))
    arguments = (ASK, STORE.lookup, ASK.principal, ASK.resource)
    assert decide(*arguments) == 0b1101
    failed = linker.link_together(together("context.yes", "context.missing", "context.one"))(*arguments)
    assert isinstance(failed, Failed)
    assert failed.satisfied == 0b001
    assert [place for place, _ in failed.errors] == [1, 2]


def test_rules_of_the_same_shapes_share_one_code_object() -> None:
    linker = Linker()
    first = linker.link_together(together('context.a == "x"', "context.b"))
    second = linker.link_together(together('context.c == "y"', "context.d"))
    assert first.__code__ is second.__code__
    # Equal constants fill one hole: it is another shape if they are equal where they were not.
    third = linker.link_together(together('context.c == "c"', "context.d"))
    assert third.__code__ is not first.__code__


HOSTILE = "\"'\\\\\\\"\\n\\0__import__('os')\""


def test_no_string_of_a_policy_is_in_the_code() -> None:
    linked = Linker().link_together(
        together(
            f"context[{HOSTILE}] == {HOSTILE}", f"principal has {HOSTILE} && principal[{HOSTILE}].m0", "context.decide"
        )
    )
    own = {
        *PARAMETERS,
        *DECIDE_PARAMETERS,
        *RUNTIME,
        "fields",
        "attrs",
        "keys",
        "ancestors",
        "entity",
        "satisfied",
        "failed",
    }
    own |= {"error", "EvaluationError", "note", "Failed"}
    pending = [linked.__code__]
    while pending:
        each = pending.pop()
        assert isinstance(each, CodeType)
        for name in (*each.co_names, *each.co_varnames, *each.co_freevars, *each.co_cellvars):
            assert name in own or (name[:1] in {"t", "c", "m"} and name[1:].isdecimal()), name
        for constant in each.co_consts:
            assert constant is None or isinstance(constant, bool | int | CodeType), constant


def test_the_deepest_expressions_are_fused() -> None:
    deep = parse("context.yes")
    for _ in range(MAX_EXPRESSION_DEPTH - 3):
        deep = Unary(UnaryOp.NOT, deep)
    condition = Condition(ConditionKind.WHEN, Binary(BinaryOp.EQ, deep, deep))
    policies = PolicySet(
        Policy(f"p{number}", Effect.PERMIT, ScopeAny(), ScopeAny(), ScopeAny(), (condition,)) for number in range(2)
    )
    program = Program(Rulebook(policies, fuse_after=1))
    assert program.authorize(ASK, STORE) == program.authorize(ASK, STORE) == authorize(ASK, policies, STORE)
    assert program._plans.open(ASK.action, STORE.lookup).decide is not None


def test_an_error_is_kept_without_its_traceback() -> None:
    # The traceback has the frame that keeps the error: a circle, with the question and the policies in it.
    failed = together("principal.nothing")
    decide = Linker().link_together(failed)
    result = decide(ASK, STORE.lookup, ASK.principal, ASK.resource)
    assert isinstance(result, Failed)
    assert [error.__traceback__ for _, error in result.errors] == [None]

"""Traces: what the interpreter did, no more and no less; and the parts of them that say why."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

import pytest
from hypothesis import given
from strategies import World, sampled_worlds, worlds

from pdp.cedar.entities import Entities, Entity
from pdp.cedar.errors import ErrorKind, EvaluationError
from pdp.cedar.limits import MAX_EXPRESSION_DEPTH
from pdp.cedar.nodes import Expr, GetAttr, If, Literal, Unary, UnaryOp, Var, Variable, conjoin
from pdp.cedar.policy import Condition, ConditionKind, Effect, Policy, ScopeAny, ScopeEq, Slot
from pdp.cedar.request import Request
from pdp.cedar.source import Source
from pdp.cedar.text.depth import children, too_deep
from pdp.cedar.text.expressions import parse_expression
from pdp.cedar.text.policies import parse_policies
from pdp.cedar.text.printer import print_expression
from pdp.cedar.values import EntityUID, Record, Set, Value, equal
from pdp.evaluate import interpreter
from pdp.evaluate.authorize import applies, satisfied
from pdp.evaluate.explain import Outcome, PolicyTrace, Trace, deciding, decisive, trace, trace_policy
from pdp.evaluate.interpreter import evaluate

ANA, READ, PLAN = EntityUID("User", "ana"), EntityUID("Action", "read"), EntityUID("File", "plan")
STAFF = EntityUID("Group", "staff")
STORE = Entities([Entity(ANA, {"level": 3}, frozenset((STAFF,))), Entity(STAFF), Entity(PLAN, {"owner": ANA})])
ASK = Request(ANA, READ, PLAN, Record({"t": True, "f": False, "n": 1, "s": "x", "all": Set([1, True])}))


def of(text: str) -> Trace:
    return trace(parse_expression(Source("case", text)), ASK, STORE)


def told(outcome: Outcome) -> str:
    if isinstance(outcome, EvaluationError):
        return outcome.kind.value
    return "-" if outcome is None else str(outcome)


def shown(whole: Trace) -> str:
    """A trace on one line: `expression=outcome`, and its parts in brackets."""
    parts = ", ".join(map(shown, whole.parts))
    return f"{print_expression(whole.expr)}={told(whole.outcome)}" + (f" [{parts}]" if parts else "")


def nodes(whole: Trace) -> Iterator[Trace]:
    yield whole
    for part in whole.parts:
        yield from nodes(part)


# What was evaluated


@pytest.mark.parametrize(
    ("text", "outcomes"),
    [
        ("context.t && context.f && context.n", "True False -"),
        ("context.t && context.n && context.t", "True 1 -"),
        ("context.t && context.x && context.t", "True attribute_missing -"),
        ("context.t && context.t", "True True"),
        ("context.f || context.t || context.n", "False True -"),
        ("context.f || context.n || context.t", "False 1 -"),
        ("context.f || context.f", "False False"),
        ("if context.t then context.n else context.s", "True 1 -"),
        ("if context.f then context.n else context.s", "False - x"),
        ("if context.n then context.n else context.s", "1 - -"),
        ("if context.x then context.n else context.s", "attribute_missing - -"),
        ("if context.t then context.x else context.s", "True attribute_missing -"),
        ("context.x == context.n", "attribute_missing -"),
        ("context.n + context.x", "1 attribute_missing"),
        ('context.n + context["s"]', "1 x"),
        ("[context.n, context.x, context.s]", "1 attribute_missing -"),
        ("{a: context.n, b: context.x, c: context.s}", "1 attribute_missing -"),
        # In the order of the names, wherever they stand.
        ("{c: context.s, b: context.x, a: context.n}", "- attribute_missing 1"),
        ("principal is User in resource.owner", 'User::"ana" User::"ana"'),
        ("principal is Group in resource.nobody", 'User::"ana" -'),
        ("context.n is User in resource.owner", "1 -"),
        ("context.x is User in resource.owner", "attribute_missing -"),
        ("principal is User in resource.nobody", 'User::"ana" attribute_missing'),
        ("ip(context.s).isInRange(context.n)", "extension_error -"),
        ("context.s like \"*\"", "x"),
        ("!context.t", "True"),
        ("context has s.t", "Record"),
        ("context.all.contains(context.x)", "Set attribute_missing"),
        ("true", ""),
    ],
)  # fmt: skip
def test_which_parts_were_evaluated(text: str, outcomes: str) -> None:
    whole = of(text)
    found = [told(part.outcome) for part in whole.parts]
    assert " ".join(one if "(" not in one else one.partition("(")[0] for one in found) == outcomes
    assert all(not part.parts for part in nodes(whole) if part.outcome is None)


def visited(expr: Expr, request: Request, entities: Entities, monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """How often the interpreter comes by each node."""
    counts: Counter[int] = Counter()

    def spy(expr: Expr, request: Request, entities: Entities) -> Value:
        counts[id(expr)] += 1
        return evaluate(expr, request, entities)

    with monkeypatch.context() as patched:
        patched.setattr(interpreter, "evaluate", spy)
        with suppress(EvaluationError):
            spy(expr, request, entities)
    return counts


def test_a_trace_is_where_the_interpreter_went(monkeypatch: pytest.MonkeyPatch) -> None:
    lazy = 0
    for world in sampled_worlds()[:80]:
        for policy in world.policies.linked():
            for condition in policy.conditions:
                whole = trace(condition.body, world.requests[0], world.entities)
                evaluated = Counter(id(part.expr) for part in nodes(whole) if part.outcome is not None)
                assert evaluated == visited(condition.body, world.requests[0], world.entities, monkeypatch)
                lazy += any(part.outcome is None for part in nodes(whole))
    assert lazy > 60


def same(left: Outcome, right: Outcome) -> bool:
    if isinstance(left, EvaluationError) or isinstance(right, EvaluationError):
        return isinstance(left, EvaluationError) and isinstance(right, EvaluationError) and left.args == right.args
    return left is not None and right is not None and equal(left, right)


def outcome_of(ask: Callable[[], Value]) -> Outcome:
    try:
        return ask()
    except EvaluationError as error:
        return error


def value_of(expr: Expr, world: World, request: Request) -> Outcome:
    return outcome_of(lambda: evaluate(expr, request, world.entities))


@given(worlds())
def test_every_part_has_the_interpreters_answer_and_every_expression_its_part(world: World) -> None:
    for request in world.requests:
        for policy in world.policies.linked():
            for condition in policy.conditions:
                whole = trace(condition.body, request, world.entities)
                assert whole.expr is condition.body
                for part in nodes(whole):
                    if part.outcome is None:
                        assert part.parts == ()
                        continue
                    assert same(part.outcome, value_of(part.expr, world, request))
                    assert [each.expr for each in part.parts] == list(children(part.expr))


# Policies


@given(worlds())
def test_a_policys_trace_is_what_authorize_does_with_it(world: World) -> None:
    for request in world.requests:
        for policy in world.policies.linked():
            found = trace_policy(policy, request, world.entities)
            assert found.in_scope == applies(policy, request, world.entities)
            assert same(found.outcome, outcome_of(partial(satisfied, policy, request, world.entities)))
            assert [body.expr for body in found.conditions] == [condition.body for condition in policy.conditions]
            check_ending(found)


def check_ending(found: PolicyTrace) -> None:
    held = [
        body.outcome is (condition.kind is ConditionKind.WHEN)
        for condition, body in zip(found.policy.conditions, found.conditions, strict=True)
    ]
    if not found.in_scope:
        assert found.ending is None
        assert all(body.outcome is None for body in found.conditions)
    elif found.outcome is True:
        assert found.ending is None
        assert all(held)
    else:
        assert found.ending == held.index(False)
        assert all(body.outcome is None for body in found.conditions[found.ending + 1 :])


def policy(text: str) -> Policy:
    (only,) = parse_policies(Source("case", text))
    return only


@pytest.mark.parametrize(
    ("scope", "tests"),
    [
        ("principal, action, resource", ("true=True", "true=True", "true=True")),
        (
            'principal == User::"bob", action == Action::"read", resource is Folder',
            ('principal == User::"bob"=False', 'action == Action::"read"=True', "resource is Folder=False"),
        ),
        (
            'principal in Group::"staff", action in Action::"read", resource in Folder::"all"',
            ('principal in Group::"staff"=True', 'action in Action::"read"=True', 'resource in Folder::"all"=False'),
        ),
        (
            'principal is User in Group::"staff", action in [Action::"read", Action::"write"], resource is File',
            (
                'principal is User in Group::"staff"=True',
                'action in [Action::"read", Action::"write"]=True',
                "resource is File=True",
            ),
        ),
        ("principal, action in [], resource", ("true=True", "action in []=False", "true=True")),
    ],
)
def test_a_scope_is_three_tests(scope: str, tests: tuple[str, str, str]) -> None:
    found = trace_policy(policy(f"permit ({scope}) when {{ context.t }};"), ASK, STORE)
    assert tuple(f"{print_expression(test.expr)}={test.outcome}" for test in found.scope) == tests
    assert [told(body.outcome) for body in found.conditions] == ["True" if found.in_scope else "-"]


def test_conditions_end_where_one_does_not_hold_or_fails() -> None:
    text = "permit (principal, action, resource) when { true } unless { context.%s } when { context.t };"
    assert [
        (told(found.outcome), found.ending, [told(body.outcome) for body in found.conditions])
        for found in (trace_policy(policy(text % name), ASK, STORE) for name in ("t", "f", "n", "x"))
    ] == [
        ("False", 1, ["True", "True", "-"]),
        ("True", None, ["True", "False", "True"]),
        ("type_error", 1, ["True", "1", "-"]),
        ("attribute_missing", 1, ["True", "attribute_missing", "-"]),
    ]


def test_a_template_has_no_trace() -> None:
    template = Policy("t", Effect.PERMIT, ScopeEq(Slot.PRINCIPAL), ScopeAny(), ScopeAny())
    with pytest.raises(TypeError):
        trace_policy(template, ASK, STORE)


# Why


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("context.t && context.f && context.t", "context.f=False"),
        ("context.t && (context.t && !context.t)", "!context.t=False > context.t=True"),
        ("context.f || (context.f || context.t)", "context.t=True"),
        ("!(context.t || context.f)", "context.t=True"),
        ("!(context.f || context.f)", "context.f || context.f=False"),
        ("context.t && context.t", "context.t && context.t=True"),
        ("if context.t then context.f else true", "if context.t then context.f else true=False"),
        ("!(1 == 2)", "1 == 2=False"),
    ],
)
def test_the_decisive_part(text: str, expected: str) -> None:
    assert shown(decisive(of(text))).partition(" [")[0] == expected.split(" > ")[-1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Of `&&` and `||`, what decided.
        ("context.t && context.f && context.t", "… [context.f=False]"),
        ("context.t && context.t", "… [context.t=True, context.t=True]"),
        ("context.f || context.t || context.f", "… [context.t=True]"),
        ("context.f || context.f", "… [context.f=False, context.f=False]"),
        ("context.t && false", "… [false=False]"),
        # Of other operators, what was not clear from the text.
        ("context.n == 2", "… [context.n=1]"),
        ("2 > context.n", "… [context.n=1]"),
        ("resource.owner == principal", '… [resource.owner=User::"ana", principal=User::"ana"]'),
        ("[1, 2].contains(context.n)", "… [context.n=1]"),
        ('ip("10.0.0.1").isInRange(ip("10.0.0.0/8"))', "…"),
        ("context.n + 1 < 3", "… [context.n + 1=2 [context.n=1]]"),
        # An attribute is not taken apart, nor is what has what was asked for.
        ("context.t", "…"),
        ("resource.owner.level", "…"),
        ("principal has level", "…"),
        ("principal has age", '… [principal=User::"ana"]'),
        ("if context.t then context.n == 1 else context.f", "… [context.t=True, context.n == 1=True [context.n=1]]"),
        # Of an error, the way to where it arose, and what was found there.
        ("context.t && (1 == 2 || context.n < resource.size)",
         "… [1 == 2 || context.n < resource.size=attribute_missing [context.n < resource.size=attribute_missing"
         ' [resource.size=attribute_missing [resource=File::"plan"]]]]'),
        ("context.n < context.s", "… [context.n=1, context.s=x]"),
        ("context.t && context.n", "… [context.n=1]"),
        ("!context.n", "… [context.n=1]"),
        ("if context.n then 1 else 2", "… [context.n=1]"),
        ("principal.level.size", "… [principal.level=3]"),
        ("{b: context.x, a: context.y}", "… [context.y=attribute_missing [context=…]]"),
    ],
)  # fmt: skip
def test_the_deciding_parts(text: str, expected: str) -> None:
    whole = of(text)
    found = deciding(whole)
    assert found.outcome is whole.outcome
    root = f"{print_expression(whole.expr)}={told(whole.outcome)}"
    record = told(ASK.context)
    assert shown(found).replace(root, "…", 1).replace(f"context={record}", "context=…") == expected


@given(worlds())
def test_what_decided_was_evaluated_and_an_error_leads_to_where_it_arose(world: World) -> None:
    for each in world.policies.linked():
        for condition in each.conditions:
            whole = trace(condition.body, world.requests[0], world.entities)
            evaluated = {id(part.expr) for part in nodes(whole) if part.outcome is not None}
            found = deciding(whole)
            assert {id(part.expr) for part in nodes(found)} <= evaluated
            while isinstance(found.outcome, EvaluationError):
                failing = [part for part in found.parts if isinstance(part.outcome, EvaluationError)]
                if not failing:
                    assert not any(isinstance(value_of(e, world, world.requests[0]), EvaluationError)
                                   for e in children(found.expr) if id(e) in evaluated)  # fmt: skip
                    break
                assert len(found.parts) == 1
                assert same(found.outcome, failing[0].outcome)
                found = failing[0]


# Bounds


def nested(levels: int) -> Expr:
    expr: Expr = GetAttr(Variable(Var.CONTEXT), "t")
    for level in range(levels - 1):
        expr = If(Literal(True), expr, Literal(False)) if level % 2 else Unary(UnaryOp.NOT, expr)
    return expr


def test_the_deepest_expression() -> None:
    expr = nested(MAX_EXPRESSION_DEPTH - 1)
    assert too_deep(expr) is None
    assert too_deep(nested(MAX_EXPRESSION_DEPTH)) is not None
    whole = trace(expr, ASK, STORE)
    assert len(list(nodes(deciding(whole)))) == MAX_EXPRESSION_DEPTH - 1
    whole_policy = Policy(
        "p", Effect.PERMIT, ScopeAny(), ScopeAny(), ScopeAny(), (Condition(ConditionKind.WHEN, expr),)
    )
    assert trace_policy(whole_policy, ASK, STORE).outcome is whole.outcome


def test_a_long_chain() -> None:
    count = 20_000
    whole = trace(conjoin(Literal(True), [Literal(True)] * count), ASK, STORE)
    assert len(whole.parts) == count + 1
    assert whole.outcome is True


def test_errors_are_kept_without_their_way_through_the_interpreter() -> None:
    whole = of("context.x")
    assert isinstance(whole.outcome, EvaluationError)
    assert whole.outcome.kind is ErrorKind.ATTRIBUTE_MISSING
    assert whole.outcome.__traceback__ is None

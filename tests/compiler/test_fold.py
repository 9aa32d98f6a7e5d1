"""Folding: what is evaluated at load, what must be left to fail at its turn, and which policies share a shape."""

import pytest

from pdp.cedar.policy import Condition, ConditionKind
from pdp.cedar.source import Source
from pdp.cedar.text.expressions import parse_expression
from pdp.cedar.text.policies import parse_policies
from pdp.cedar.values import EntityUID, IPAddr, Set
from pdp.compiler.fold import Folded, fold
from pdp.compiler.terms import All, Hole, Term, Truth


def when(text: str) -> Folded:
    return fold([Condition(ConditionKind.WHEN, parse_expression(Source("test", text)))])


@pytest.mark.parametrize(
    "text",
    [
        "true",
        "1 + 2 * 3 == 7",
        'ip("10.0.0.1").isInRange(ip("10.0.0.0/8"))',
        '[1, 2].contains(1) && "abc" like "a*"',
        "{a: {b: 1}}.a.b == 1 && {a: {b: 1}} has a.b",
        "if 1 < 2 then true else principal.missing",
        "true || principal.missing",
        "!(false && 1 == principal.missing)",
        'User::"a" is User && !(User::"a" is Group in 1)',
        '["a"] == ["a", "a"] && -1 == 1 - 2',
        'datetime("2024-01-01").offset(duration("1d")).toDate() == datetime("2024-01-02")',
    ],
)
def test_a_constant_condition_needs_no_code(text: str) -> None:
    assert when(text) == Folded(Truth(True), ())


@pytest.mark.parametrize(
    "text",
    [
        "1 == 2",
        "false && principal.missing",
        "!true",
        "1 == true",
        'if "a" == "b" then 1 == principal.missing else false',
    ],
)
def test_a_constant_false_condition_is_false(text: str) -> None:
    assert when(text) == Folded(Truth(False), ())


@pytest.mark.parametrize(
    "text",
    [
        "1",
        "1 && true",
        "9223372036854775807 + 1 == 0",
        'ip("x").isIpv4()',
        'ip("1.1.1.1").isInRange()',
        '1 < "a"',
        "if 1 then true else false",
        "{a: 1}.b",
        "true && 1",
        'User::"a".name == 1',
        'User::"a" has name',
        'User::"a" in User::"a"',
        'User::"a".hasTag("t")',
        "1.isEmpty()",
    ],
)
def test_what_fails_or_asks_the_store_is_left_for_the_decision(text: str) -> None:
    assert not isinstance(when(text).term, Truth)


def test_a_constant_is_computed_once_and_kept_as_a_value() -> None:
    folded = when('context.source.isInRange(ip("10.0.0.0/8")) && ["a", "b"].contains(context.region)')
    assert IPAddr(4, 10 << 24, 8) in folded.constants
    assert Set(["a", "b"]) in folded.constants


def test_a_constant_list_of_entities_is_a_set_ready_for_in() -> None:
    a, b = EntityUID("Team", "a"), EntityUID("Team", "b")
    assert when('principal in [Team::"a", Team::"b", Team::"a"]').constants == (frozenset((a, b)),)
    assert when("principal in []").constants == (frozenset(),)
    assert when('principal in Team::"a"').constants == (a,)
    assert when('principal in [Team::"a", 1]').constants == (Set([a, 1]),), "which must fail at its turn"


def test_constants_that_decide_nothing_disappear_and_what_follows_a_deciding_one_too() -> None:
    assert when("true && context.a && true").term == when("true && context.a").term
    term = when("context.a && false && context.b").term
    assert isinstance(term, All)
    assert term.operands[1:] == (Truth(False),)
    assert when("context.a || true || context.b").constants == ("a",)


def test_clauses_are_conjoined_in_order() -> None:
    (policy,) = parse_policies(
        Source("test", "permit(principal, action, resource) when { true } unless { context.a } when { context.b };")
    )
    folded = fold(policy.conditions)
    assert folded.constants == ("a", "b")
    assert fold([]) == Folded(Truth(True), ())


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ('principal.a == "x"', 'principal.b == "y\\"\\n"'),
        ("context.n < 1", "context.m < -9223372036854775808"),
        ('resource in Folder::"a"', 'resource in NS::Album::"b"'),
        ('context.s like "a*"', 'context.s like "*b*c"'),
        ("principal is User", "principal is NS::Admin"),
        ('principal in [Team::"a"]', 'principal in [Team::"b", Team::"c"]'),
        ("context has a.b", "context has c.d"),
        ('principal.getTag("a") == 1', 'principal.getTag("b") == 2'),
        ('{a: context.x} == {a: "1"}', '{b: context.y} == {c: "2"}'),
        ('context.ip.isInRange(ip("10.0.0.0/8"))', 'context.ip.isInRange(ip("::1"))'),
    ],
)
def test_policies_that_differ_in_constants_have_one_shape(first: str, second: str) -> None:
    assert when(first).term == when(second).term
    assert hash(when(first).term) == hash(when(second).term)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("context.a == 1", 'context.a == "1"'),  # the types choose the code
        ("context.a == true", "context.a == false"),
        ("context.a && context.b", "context.a || context.b"),
        ("context.a < 1", "context.a <= 1"),
        ("principal.a", "resource.a"),
        ("context has a", "context has a.b"),
        ("[context.a].isEmpty()", "[context.a, context.b].isEmpty()"),
    ],
)
def test_policies_that_differ_in_structure_do_not(first: str, second: str) -> None:
    assert when(first).term != when(second).term


def test_holes_are_numbered_in_the_order_of_the_constants() -> None:
    def holes(term: Term) -> list[int]:
        if isinstance(term, Hole):
            return [term.index]
        parts = getattr(term, "operands", ())
        return [index for part in parts for index in holes(part)]

    folded = when('context.a == "b" && principal.c.d < 5')
    assert folded.constants == ("a", "b", "c", "d", 5)
    assert sorted(holes(folded.term)) == [0, 1, 2, 3, 4]

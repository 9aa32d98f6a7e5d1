"""Slices: which names a policy's text can read, and for which actions it is asked."""

from dataclasses import replace

import pytest

from pdp.cedar.policy import Link, PolicySet, Slot
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies
from pdp.cedar.values import EntityUID
from pdp.compiler.slices import Slices

READ, GROUP = EntityUID("Action", "read"), EntityUID("Action", "group")


def slices(text: str) -> Slices:
    policies = parse_policies(Source("test", text))
    return Slices(PolicySet([replace(policy, id=str(number)) for number, policy in enumerate(policies)]))


@pytest.mark.parametrize(
    ("condition", "context", "attributes"),
    [
        ("true", [], []),
        ("context.a == 1", ["a"], []),
        ('context["a b"] == 1', ["a b"], []),
        ("context has a", ["a"], []),
        ("context has a.b.c", ["a"], ["b", "c"]),
        ("context.a.b.c == 1", ["a"], ["b", "c"]),
        ("context.a has b.c", ["a"], ["b", "c"]),
        ("principal.x && resource has y", [], ["x", "y"]),
        ("principal.x.y.z == resource", [], ["x", "y", "z"]),
        ('User::"ana".x', [], ["x"]),
        ("(if context.a then principal else resource).x", ["a"], ["x"]),
        ('principal.getTag("t") == context.n', ["n"], []),
        ("{r: context.a}.r == [principal.x]", ["a"], ["r", "x"]),
        ('context.ip.isInRange(ip("::1"))', ["ip"], []),
        ('principal.name like "a*" && resource is Doc in context.folder', ["folder"], ["name"]),
        ("context == {}", None, []),
        ("(if true then context else context).a == 1", None, ["a"]),
        ("[context].contains(context) && context.a", None, []),
        ("{c: context}.c.a", None, ["c", "a"]),
    ],
)
def test_what_a_condition_can_read(condition: str, context: list[str] | None, attributes: list[str]) -> None:
    for kind in ("when", "unless"):
        found = slices(f"permit (principal, action, resource) {kind} {{ {condition} }};").of(READ, frozenset())
        assert found.context == (None if context is None else frozenset(context))
        assert found.attributes == frozenset(attributes)


@pytest.mark.parametrize(
    ("scope", "alone", "grouped"),
    [
        ("action", True, True),
        ('action == Action::"read"', True, True),
        ('action == Action::"write"', False, False),
        ('action in Action::"read"', True, True),
        ('action in Action::"group"', False, True),
        ('action in [Action::"write", Action::"group"]', False, True),
        ("action in []", False, False),
    ],
)
def test_a_policy_counts_for_the_actions_of_its_scope(scope: str, alone: bool, grouped: bool) -> None:
    found = slices(f"forbid (principal, {scope}, resource) when {{ context.a }};")
    assert found.of(READ, frozenset()).reads_context("a") is alone
    assert found.of(READ, frozenset([GROUP])).reads_context("a") is grouped


def test_what_one_of_several_policies_reads_is_read() -> None:
    found = slices(
        "permit (principal, action, resource) when { context.a } when { principal.x };"
        'forbid (principal, action == Action::"read", resource) unless { context.b };'
        'forbid (principal, action == Action::"write", resource) unless { context.c && principal.z };'
    ).of(READ, frozenset())
    assert (found.context, found.attributes) == (frozenset(["a", "b"]), frozenset(["x"]))
    assert not found.reads_context("c")


def test_context_as_a_whole_is_every_attribute() -> None:
    found = slices(
        "permit (principal, action, resource) when { context.a };"
        "permit (principal, action, resource) when { context == {} };"
    ).of(READ, frozenset())
    assert found.context is None
    assert found.reads_context("whatever")


def test_a_template_counts_without_a_link() -> None:
    text = "permit (principal == ?principal, action, resource) when { context.a };"
    (template,) = parse_policies(Source("test", text))
    assert slices(text).of(READ, frozenset()).reads_context("a")
    link = Link("link", template.id, {Slot.PRINCIPAL: EntityUID("User", "ana")})
    assert Slices(PolicySet([template], [link])).of(READ, frozenset()).reads_context("a")

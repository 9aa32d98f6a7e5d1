"""Expressions and scopes, written and read: the same to the last place."""

import marshal

import pytest
from built_bundles import exactly
from hypothesis import given
from strategies import World, worlds

from pdp.cedar.nodes import Literal
from pdp.cedar.source import Source
from pdp.cedar.text.expressions import parse_expression
from pdp.cedar.text.policies import parse_policies
from pdp.policies.built.expressions import pack_expression, unpack_expression
from pdp.policies.built.policies import MARSHAL
from pdp.policies.built.scopes import (
    pack_action_scope,
    pack_bounds,
    pack_scope,
    unpack_action_scope,
    unpack_bounds,
    unpack_scope,
)

TEXTS = (
    "true",
    "-9223372036854775808",
    '"\\u{0}\\u{1F600}\\" text"',
    'Some::Type::"id\\n"',
    "principal == action && resource != context",
    "(a.b || c.d) && !e.f && (1 + 2 - 3 * 4 < 5)".replace("a.b", "context.b")
    .replace("c.d", "context.d")
    .replace("e.f", "context.f"),
    'if context has a then context.a else [1, true, {b: 2, "c d": {}}].isEmpty()',
    'context has a.b.c && principal["x y"] > 1 && -context.n >= 2 && context.n <= 3',
    'context.name like "*a\\*b*" || context.name like ""',
    'principal is User && resource is A::B in resource.folder && principal in [User::"a", Group::"b"]',
    'ip("10.0.0.0/8").isInRange(context.ip) && decimal("1.5").lessThan(context.d)',
    'principal.getTag("t").contains(1) && principal.hasTag("t") && [1].containsAll([2]) && [1].containsAny([])',
)


@pytest.mark.parametrize("text", TEXTS)
def test_every_form(text: str) -> None:
    expr = parse_expression(Source("test", text))
    packed = marshal.loads(marshal.dumps(pack_expression(expr), MARSHAL))
    assert exactly(unpack_expression(packed)) == exactly(expr)


def test_bools_and_numbers_stay_apart() -> None:
    assert [type(unpack_expression(pack_expression(Literal(value))).value) for value in (True, 1)] == [bool, int]  # type: ignore[union-attr]  # both are literals


@given(worlds())
def test_what_has_no_place(world: World) -> None:
    for policy in (*world.policies.static.values(), *world.policies.templates.values()):
        for condition in policy.conditions:
            assert exactly(unpack_expression(pack_expression(condition.body))) == exactly(condition.body)


SCOPES = (
    "principal, action, resource",
    'principal == A::"x", action == Action::"r", resource in B::"y"',
    'principal in ?principal, action in Action::"g", resource == ?resource',
    'principal is A, action in [Action::"g", Action::"h"], resource is B in B::"y"',
    "principal is A in ?principal, action in [], resource is B in ?resource",
)


@pytest.mark.parametrize("text", SCOPES)
def test_every_scope(text: str) -> None:
    (policy,) = parse_policies(Source("test", f"permit ({text});"))
    for scope in (policy.principal, policy.resource):
        assert exactly(unpack_scope(pack_scope(scope))) == exactly(scope)
    assert exactly(unpack_action_scope(pack_action_scope(policy.action, places=True))) == exactly(policy.action)
    bare = unpack_action_scope(pack_action_scope(policy.action, places=False))
    assert bare == policy.action
    assert getattr(bare, "spans", ()) == ()


@pytest.mark.parametrize(
    "packed", [("no", 0, 1), ("unary", 0, 1, "?", ("literal", 0, 1, 1)), ("and", 0), ("if", 0, 1, 2)]
)
def test_what_nobody_has_written_is_refused(packed: tuple[object, ...]) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        unpack_expression(packed)
    for unpack in (unpack_scope, unpack_action_scope, unpack_bounds):
        with pytest.raises((ValueError, TypeError, KeyError)):
            unpack(packed)


def test_bounds_of_nothing_are_shared() -> None:
    assert unpack_bounds((None, None, False)) is unpack_bounds((None, None, False))
    assert pack_bounds(unpack_bounds((("A", "x"), "A", True))) == (("A", "x"), "A", True)

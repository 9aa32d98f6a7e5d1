"""Tokens to a policy's scope: every form in every place, and every refusal of the grammar and beyond it."""

import itertools
from typing import Final

import pytest
from rust_policies import accepts_policies, policy_json, read_policies

from pdp.cedar.errors import ParseError
from pdp.cedar.policy import (
    ActionIn,
    ActionScope,
    Policy,
    Scope,
    ScopeAny,
    ScopeEq,
    ScopeIn,
    ScopeIs,
    ScopeIsIn,
    Slot,
)
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies
from pdp.cedar.values import EntityUID

ALICE, READ = EntityUID("User", "alice"), EntityUID("Action", "read")


def parse(scope: str) -> Policy:
    (policy,) = parse_policies(Source("test", f"permit({scope});"))
    return policy


SCOPES: Final[dict[str, Scope]] = {
    "": ScopeAny(),
    '== User::"alice"': ScopeEq(ALICE),
    '== (User::"alice")': ScopeEq(ALICE),
    '== ((( User :: "alice" )))': ScopeEq(ALICE),
    '== A::B::C::""': ScopeEq(EntityUID("A::B::C", "")),
    '== Action::"a"': ScopeEq(EntityUID("Action", "a")),
    'in User::"alice"': ScopeIn(ALICE),
    'in (User::"alice")': ScopeIn(ALICE),
    "is User": ScopeIs("User"),
    "is A :: B": ScopeIs("A::B"),
    'is A::B in User::"alice"': ScopeIsIn("A::B", ALICE),
    'is User in (User::"alice")': ScopeIsIn("User", ALICE),
}
SLOTS: Final = ("== {}", "== ({})", "in {}", "in (({}))", "is User in {}", "is User in ({})")
ACTIONS: Final[dict[str, ActionScope]] = {
    "": ScopeAny(),
    '== Action::"read"': ScopeEq(READ),
    '== (Action::"read")': ScopeEq(READ),
    '== NS::Action::"read"': ScopeEq(EntityUID("NS::Action", "read")),
    'in Action::"read"': ActionIn((READ,)),
    'in ((Action::"read"))': ActionIn((READ,)),
    "in []": ActionIn(()),
    "in ([])": ActionIn(()),
    'in [Action::"read"]': ActionIn((READ,)),
    'in [Action::"read", (Action::"read"),]': ActionIn((READ, READ)),
    'in ([A::B::Action::"", Action::"read"])': ActionIn((EntityUID("A::B::Action", ""), READ)),
}


def test_every_scope_in_every_place() -> None:
    for (principal, first), (action, second), (resource, third) in itertools.product(
        SCOPES.items(), ACTIONS.items(), SCOPES.items()
    ):
        policy = parse(f"principal {principal}, action {action}, resource {resource}")
        assert (policy.principal, policy.action, policy.resource) == (first, second, third)


@pytest.mark.parametrize("comma", ["", ","])
def test_every_scope_is_the_rust_engines(comma: str) -> None:
    texts = [f"permit(principal {p}, action {a}, resource {r}{comma});" for p, a, r in _rows()]
    policies = parse_policies(Source("test", "\n".join(texts)))
    assert {policy.id: policy_json(policy) for policy in policies} == read_policies("\n".join(texts))


def _rows() -> list[tuple[str, str, str]]:
    rows = [(scope, "", scope) for scope in SCOPES] + [("", action, "") for action in ACTIONS]
    rows += [(slot.format("?principal"), "", "") for slot in SLOTS]
    return rows + [("", "", slot.format("?resource")) for slot in SLOTS]


@pytest.mark.parametrize("form", SLOTS)
def test_a_slot_makes_a_template(form: str) -> None:
    policy = parse(f"principal {form.format('?principal')}, action, resource {form.format('?resource')}")
    assert policy.slots == {Slot.PRINCIPAL, Slot.RESOURCE}
    for text in (
        f"principal {form.format('?resource')}, action, resource",
        f"principal, action, resource {form.format('?x')}",
    ):
        refused(text)


def refused(scope: str) -> ParseError:
    assert not accepts_policies(f"permit({scope});"), scope
    with pytest.raises(ParseError) as caught:
        parse(scope)
    return caught.value


REFUSED_SCOPES: Final = [
    "User", '"alice"', '== "alice"', "== User", "== User::alice", "= User::\"a\"", '!= User::"a"', "== 1", "== true",
    "== principal",
    '== User::"a" == User::"b"', '== User::"a" in User::"b"', 'in User::"a" in User::"b"', '== User::"a" is User',
    "==", "in", "is",
    "== ()", '== (User::"a"', '== User::"a")', '== {User: "a"}', '== User::{id: "a"}', 'in [User::"a"]', "in []",
    'in (User::"a", User::"b")',
    "is (User)", 'is User::"a"', "is User is User", 'is User == User::"a"', 'in User::"a" is User', "is User in",
    "is User in [ ]",
    "is User in User", "is 1", 'is "User"', "is in", "is if", "is User::if", "is __cedar::T", '== __cedar::"x"',
    '== if::"x"',
    ": User", ': User == User::"a"', "/ User", "% User", "has name", 'like "a"', ".name", '.name == "x"', "&& true",
    "|| true", "+ 1",
    "?principal", "== ?action", "== ?", "== ??principal", "== ?principal.a", "== ?principal::\"a\"",
    "== [?principal]", "is ?principal",
]  # fmt: skip
REFUSED_ACTIONS: Final = [
    '== User::"a"', '== action::"a"', '== Actions::"a"', '== Action::A::"a"', '== XAction::"a"', 'in User::"a"',
    'in [User::"a"]',
    'in [Action::"a", User::"b"]', '== [Action::"a"]', "== []", 'in [[Action::"a"]]', 'in [Action::"a"',
    'in Action::"a"]', "in [,]",
    'in [Action::"a",,]', 'in [Action::"a" Action::"b"]', 'in (Action::"a", Action::"b")', "is Action",
    'is Action in Action::"a"',
    "== ?action", "== ?principal", "in ?action", "in [?action]", "== Action", "in Action", '== "read"', ': Action',
    '!= Action::"a"',
    'in [Action::"a"] in Action::"b"', 'has a', ".a", "in {}", "in ()", "= Action::\"a\"",
]  # fmt: skip
REFUSED_WHOLES: Final = [
    "", "principal", "principal, action", "principal, resource, action", "action, principal, resource",
    "principal, action, resource, context",
    "principal, action, resource,,", ", principal, action, resource", "principal action resource",
    "principal; action; resource",
    "principal, action, resource, principal", "Principal, action, resource", "principal,, action, resource",
    "?principal, action, resource",
    "(principal), action, resource", "principal, action, resource == User::\"a\",,", "principal, action, context",
    "_, _, _", "*, *, *",
]  # fmt: skip


@pytest.mark.parametrize("scope", REFUSED_SCOPES)
def test_what_is_no_scope_of_a_principal_or_a_resource(scope: str) -> None:
    refused(f"principal {scope}, action, resource")
    refused(f"principal, action, resource {scope.replace('?principal', '?resource')}")


@pytest.mark.parametrize("scope", REFUSED_ACTIONS)
def test_what_is_no_scope_of_an_action(scope: str) -> None:
    refused(f"principal, action {scope}, resource")


@pytest.mark.parametrize("scope", REFUSED_WHOLES)
def test_what_is_no_scope(scope: str) -> None:
    refused(scope)


def test_a_scope_needs_its_parentheses() -> None:
    for text in (
        "permit;",
        "permit principal, action, resource;",
        "permit(principal, action, resource;",
        "permit[principal, action, resource];",
    ):
        assert not accepts_policies(text)
        with pytest.raises(ParseError):
            parse_policies(Source("test", text))


def test_parentheses_are_read_without_a_stack() -> None:
    deep = "(" * 100_000 + 'User::"alice"' + ")" * 100_000
    assert parse(f"principal == {deep}, action, resource").principal == ScopeEq(ALICE)

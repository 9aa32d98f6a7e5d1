"""Lifting: what moves from a condition to the scope, what must not, and that nobody can tell the difference."""

import itertools

import pytest

from pdp.cedar.entities import Entities, Entity
from pdp.cedar.policy import Policy, PolicySet
from pdp.cedar.request import Request
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies
from pdp.cedar.text.printer import print_policies
from pdp.cedar.values import EntityUID, Record
from pdp.compiler.lift import lift
from pdp.compiler.program import compile_policies
from pdp.evaluate.authorize import authorize


def parse(text: str) -> Policy:
    (policy,) = parse_policies(Source("test", text))
    return policy


@pytest.mark.parametrize(
    ("written", "lifted"),
    [
        (
            'permit(principal, action, resource) when { resource in Folder::"x" };',
            'permit(principal, action, resource in Folder::"x");',
        ),
        (
            'permit(principal, action, resource) when { principal == User::"a" && context.ok };',
            'permit(principal == User::"a", action, resource) when { context.ok };',
        ),
        (
            'permit(principal, action, resource) when { User::"a" == principal };',
            'permit(principal == User::"a", action, resource);',
        ),
        (
            "forbid(principal, action, resource) when { principal is NS::User } when { context.ok };",
            "forbid(principal is NS::User, action, resource) when { context.ok };",
        ),
        (
            'permit(principal, action, resource) when { principal is User in Group::"g" };',
            'permit(principal is User in Group::"g", action, resource);',
        ),
        (
            'permit(principal is User, action, resource) when { principal in Group::"g" };',
            'permit(principal is User in Group::"g", action, resource);',
        ),
        (
            'permit(principal in Group::"g", action, resource) when { principal is User };',
            'permit(principal is User in Group::"g", action, resource);',
        ),
        (
            'permit(principal, action, resource) when { action == Action::"read" };',
            'permit(principal, action == Action::"read", resource);',
        ),
        (
            'permit(principal, action, resource) when { action in [Action::"a", Action::"b"] };',
            'permit(principal, action in [Action::"a", Action::"b"], resource);',
        ),
        (
            'permit(principal, action, resource) when { principal == User::"a" && resource is Doc && context.ok };',
            'permit(principal == User::"a", action, resource is Doc) when { context.ok };',
        ),
        (
            'permit(principal, action, resource) when { context has a && !(principal has x) && resource in Doc::"d" };',
            'permit(principal, action, resource in Doc::"d") when { context has a && !(principal has x) };',
        ),
        (
            'permit(principal, action, resource) unless { context has x } when { resource == Doc::"d" };',
            'permit(principal, action, resource == Doc::"d") unless { context has x };',
        ),
    ],
)
def test_what_only_restates_the_scope_becomes_part_of_it(written: str, lifted: str) -> None:
    assert print_policies([lift(parse(written))]) == print_policies([parse(lifted)])


@pytest.mark.parametrize(
    "written",
    [
        # What comes before may fail, and then the policy is in error and not out of scope.
        'permit(principal, action, resource) when { context.ok && resource in Folder::"x" };',
        'permit(principal, action, resource) when { context.ok } when { resource in Folder::"x" };',
        'permit(principal, action, resource) unless { principal.x } when { resource in Folder::"x" };',
        'permit(principal, action, resource) when { context has a.b && resource in Folder::"x" };',
        'permit(principal, action, resource) when { 1 && resource in Folder::"x" };',
        'permit(principal, action, resource) when { context in Group::"g" && resource in Folder::"x" };',
        # It is no conjunct.
        'permit(principal, action, resource) unless { resource in Folder::"x" };',
        'permit(principal, action, resource) when { resource in Folder::"x" || context.ok };',
        'permit(principal, action, resource) when { !(resource in Folder::"x") };',
        # The scope says something already, or has no words for it.
        'permit(principal == User::"a", action, resource) when { principal in Group::"g" };',
        'permit(principal is User, action, resource) when { principal == User::"a" };',
        'permit(principal, action == Action::"a", resource) when { action in Action::"b" };',
        'permit(principal, action, resource) when { resource in [Folder::"x", Folder::"y"] };',
        "permit(principal, action, resource) when { principal == resource };",
        "permit(principal, action, resource) when { principal in resource };",
        "permit(principal, action, resource) when { action is Action };",
        'permit(principal, action, resource) when { context == User::"a" };',
        'permit(principal, action, resource) when { principal.a in Folder::"x" };',
        # Links of a template are found by what fills the slot.
        'permit(principal == ?principal, action, resource) when { resource in Folder::"x" };',
    ],
)
def test_anything_else_stays_where_it_is(written: str) -> None:
    policy = parse(written)
    assert lift(policy) is policy


PARTS = [
    "true",
    "principal is User",
    'principal == User::"a"',
    'principal in Group::"g"',
    'resource is Doc in Folder::"f"',
    'action in [Action::"read"]',
    "context has ok",
    "context.ok",
    "principal.missing",
    "1",
]


def test_nobody_can_tell_the_difference() -> None:
    alice, doc = EntityUID("User", "a"), EntityUID("Doc", "d")
    store = Entities(
        [
            Entity(alice, parents=frozenset([EntityUID("Group", "g")])),
            Entity(doc, parents=frozenset([EntityUID("Folder", "f")])),
        ]
    )
    requests = [
        Request(principal, EntityUID("Action", action), doc, context)
        for principal, action, context in itertools.product(
            (alice, EntityUID("User", "b"), EntityUID("Group", "g")),
            ("read", "write"),
            (Record({"ok": True}), Record({"ok": False}), Record()),
        )
    ]
    text = "\n".join(
        f"{effect}(principal, action, resource) when {{ {' && '.join(parts)} }};"
        for effect in ("permit", "forbid")
        for parts in itertools.permutations(PARTS, 3)
    )
    policies = PolicySet(parse_policies(Source("test", text)))
    program = compile_policies(policies)
    for request in requests:
        expected, answered = authorize(request, policies, store), program.authorize(request, store)
        assert answered.decision is expected.decision
        assert answered.reasons == expected.reasons
        assert sorted(answered.errors, key=str) == sorted(expected.errors, key=str)


def test_thousands_of_conditions_that_restate_the_scope_are_found_by_it() -> None:
    text = "\n".join(
        f'permit(principal, action, resource) when {{ resource in Folder::"f{number}" }};' for number in range(2_000)
    )
    program = compile_policies(PolicySet(parse_policies(Source("test", text))))
    request = Request(EntityUID("User", "a"), EntityUID("Action", "read"), EntityUID("Folder", "f7"))
    assert not program._plans.open(request.action, Entities().lookup).rules
    assert program.authorize(request, Entities()).reasons == {"policy7"}
    # Whoever explains a decision sees the policies by the scope that was written.
    assert len(list(program.candidates(request, Entities()))) == 2_000

"""The index gives exactly the rules whose entities match, each once, and looks at few others."""

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import universe
from strategies.choices import Choices
from strategies.policy_sets import policy

from pdp.cedar.entities import Entities, Entity
from pdp.cedar.policy import (
    ActionIn,
    ActionScope,
    Effect,
    Policy,
    PolicySet,
    Scope,
    ScopeAny,
    ScopeEq,
    ScopeIn,
    ScopeIs,
    ScopeIsIn,
    Slot,
)
from pdp.cedar.request import Request
from pdp.cedar.values import EntityUID
from pdp.compiler.bounds import bounds
from pdp.compiler.index import Index
from pdp.compiler.program import Program, compile_policies
from pdp.compiler.rulebook import Rulebook
from pdp.compiler.rules import Body, Chapter, Rule
from pdp.evaluate.authorize import applies

ALICE, BOB, TEAM, ORG = (
    EntityUID("User", "alice"),
    EntityUID("User", "bob"),
    EntityUID("Team", "t"),
    EntityUID("Org", "o"),
)
READ, WRITE, ALL, SOME = (EntityUID("Action", name) for name in ("read", "write", "all", "some"))
DOC, FOLDER, ROOT = EntityUID("Doc", "d"), EntityUID("Folder", "f"), EntityUID("Folder", "root")
STORE = Entities(
    [
        Entity(ALICE, parents=frozenset((TEAM,))),
        Entity(TEAM, parents=frozenset((ORG,))),
        Entity(READ, parents=frozenset((ALL, SOME))),
        Entity(DOC, parents=frozenset((FOLDER,))),
        Entity(FOLDER, parents=frozenset((ROOT,))),
    ]
)
PRINCIPALS: list[Scope] = [
    ScopeAny(),
    ScopeEq(ALICE),
    ScopeEq(TEAM),
    ScopeIn(ALICE),
    ScopeIn(ORG),
    ScopeIs("User"),
    ScopeIs("Team"),
    ScopeIsIn("User", TEAM),
    ScopeIsIn("Team", TEAM),
    ScopeIsIn("User", BOB),
]
ACTIONS: list[ActionScope] = [
    ScopeAny(),
    ScopeEq(READ),
    ActionIn((READ,)),
    ActionIn((ALL,)),
    ActionIn((ALL, SOME, READ, ALL)),
    ActionIn((WRITE, SOME)),
    ActionIn(()),
]
RESOURCES: list[Scope] = [
    ScopeAny(),
    ScopeEq(DOC),
    ScopeEq(FOLDER),
    ScopeIn(ROOT),
    ScopeIs("Doc"),
    ScopeIsIn("Doc", FOLDER),
    ScopeIsIn("Folder", ROOT),
]
ALL_POLICIES = [
    Policy(f"p{number}", Effect.PERMIT, principal, action, resource)
    for number, (principal, action, resource) in enumerate(itertools.product(PRINCIPALS, ACTIONS, RESOURCES))
]
REQUESTS = [
    Request(*parts)
    for parts in itertools.product((ALICE, BOB, TEAM, ORG), (READ, WRITE, ALL), (DOC, FOLDER, ROOT, ALICE))
]


def matching(policies: Sequence[Policy], request: Request, store: Entities) -> list[str]:
    return sorted(each.id for each in policies if applies(each, request, store))


def found(program: Program, request: Request, store: Entities) -> list[str]:
    return sorted(program.candidates(request, store))


@pytest.mark.parametrize("copies", [1, 2, 5], ids="each form of scope {} times".format)
def test_every_form_of_scope_in_every_combination(copies: int) -> None:
    # With more of them, lists of rules become nodes.
    policies = [
        Policy(f"{each.id}-{copy}", each.effect, each.principal, each.action, each.resource)
        for each in ALL_POLICIES
        for copy in range(copies)
    ]
    program = compile_policies(PolicySet(policies))
    for request in REQUESTS[:: copies * 2 - 1]:
        # Twice, and with another store between, for an action's plan is kept.
        for store in (STORE, Entities(), STORE):
            assert found(program, request, store) == matching(policies, request, store)


@pytest.mark.parametrize("side", ["principal", "resource"])
def test_every_form_of_scope_alone(side: str) -> None:
    # A rule alone stands directly under an entity of the side that is asked; the other side is compared by hand. The
    # side with many ancestors, under which there are other rules, is not the one that is asked.
    many = [EntityUID("Many", str(number)) for number in range(20)]
    asked_from_principal = side == "principal"
    crowded, few_parents = (DOC, FOLDER) if asked_from_principal else (ALICE, TEAM)
    crowd = Entity(crowded, parents=frozenset([few_parents, *many]))
    store = Entities([*(each for each in STORE if each.uid != crowded), crowd])
    others = [
        Policy(f"other{number}", Effect.PERMIT, ScopeEq(BOB), ScopeAny(), ScopeIn(uid))
        if asked_from_principal
        else Policy(f"other{number}", Effect.PERMIT, ScopeIn(uid), ScopeAny(), ScopeEq(BOB))
        for number, uid in enumerate(many)
    ]
    for principal, resource in itertools.product(PRINCIPALS, RESOURCES):
        policies = [Policy("alone", Effect.PERMIT, principal, ScopeAny(), resource), *others]
        program = compile_policies(PolicySet(policies))
        for who, what in itertools.product((ALICE, BOB, TEAM), (DOC, FOLDER, ROOT)):
            request = Request(who, READ, what)
            assert found(program, request, store) == matching(policies, request, store)


def test_rules_come_and_go_one_by_one() -> None:
    book = Rulebook()
    request = REQUESTS[0]
    for number, each in enumerate(ALL_POLICIES):
        book.add(each)
        if number % 37 == 0:
            assert found(Program(book), request, STORE) == matching(ALL_POLICIES[: number + 1], request, STORE)
    for number, each in enumerate(ALL_POLICIES):
        book.remove(each.id)
        if number % 37 == 0:
            assert found(Program(book), request, STORE) == matching(ALL_POLICIES[number + 1 :], request, STORE)


def test_an_index_that_was_emptied_is_empty() -> None:
    chapter = Chapter(ScopeAny())
    index = Index()
    rules = [_rule(each, chapter) for each in ALL_POLICIES]
    named = [rule for rule in rules if not rule.is_wide]
    for rule in named:
        index.add(rule)
    for rule in named:
        index.discard(rule)
    for root in (index._by_principal, index._by_resource, index._pairs, index._pairs_by_resource):
        assert not root.equal
        assert not root.above


def _rule(policy: Policy, chapter: Chapter) -> Rule:
    return Rule(
        policy.id, Body(policy, policy, chapter, None, bounds(policy.principal), bounds(policy.resource)), {}, 1
    )


class CountedUID(EntityUID):
    """An entity id that counts how often it is looked up or compared."""

    touched = 0

    def __hash__(self) -> int:
        CountedUID.touched += 1
        return super().__hash__()

    def __eq__(self, other: object) -> bool:
        CountedUID.touched += 1
        return super().__eq__(other)


def _touched(policies: Sequence[Policy], request: Request, store: Entities) -> int:
    program = compile_policies(PolicySet(policies))
    program.candidates(request, store)
    CountedUID.touched = 0
    assert found(program, request, store) == matching(policies[:8], request, store)
    touched = CountedUID.touched
    CountedUID.touched = 0
    program.candidates(request, store)
    return min(touched, CountedUID.touched)


def test_the_work_does_not_grow_with_the_policies_that_do_not_match() -> None:
    work = []
    for size in (10, 10_000):
        policies = [
            Policy(
                f"p{number}",
                Effect.PERMIT,
                (ScopeEq, ScopeIn)[number % 2](CountedUID("User", f"u{number}")),
                ScopeEq(READ),
                ScopeIn(CountedUID("Folder", f"f{number}")),
            )
            for number in range(size)
        ]
        work.append(_touched(policies, Request(EntityUID("User", "u4"), READ, EntityUID("Folder", "f4")), STORE))
    assert max(work) <= 20
    assert abs(work[1] - work[0]) <= 4


@pytest.mark.parametrize("principal_has_many", [True, False], ids=["a principal in", "a resource in"])
def test_a_thousand_ancestors_on_one_side_cost_no_more_than_few(principal_has_many: bool) -> None:
    many = frozenset(EntityUID("Group", f"g{number}") for number in range(1000))
    few = frozenset([EntityUID("Group", "g1")])
    ancestors = (many, few) if principal_has_many else (few, many)
    # Every rule names a pair; the side with a thousand ancestors knows a thousand of the entities that rules name.
    policies = [
        Policy(
            f"p{number}",
            Effect.PERMIT,
            ScopeIn(CountedUID("Group", f"g{number}")),
            ScopeEq(READ),
            ScopeIn(CountedUID("Group", f"g{number + 2_000}" if number else "g1")),
        )
        for number in range(2_000)
    ]
    if not principal_has_many:
        policies = [Policy(each.id, each.effect, each.resource, each.action, each.principal) for each in policies]
    store = Entities([Entity(ALICE, parents=ancestors[0]), Entity(DOC, parents=ancestors[1])])
    assert _touched(policies, Request(ALICE, READ, DOC), store) <= 20


def test_many_rules_of_one_entity_and_many_actions() -> None:
    # As a cloud provider's role has them: one rule an action.
    actions = [EntityUID("Action", f"a{number}") for number in range(300)]
    policies = [
        Policy(f"p{number}", Effect.PERMIT, ScopeIn(TEAM), ScopeEq(action), ScopeAny())
        for number, action in enumerate(actions)
    ]
    book = Rulebook(PolicySet(policies))
    program = Program(book)
    for number in (0, 7, 299):
        assert found(program, Request(ALICE, actions[number], DOC), STORE) == [f"p{number}"]
    for each in policies[1:]:
        book.remove(each.id)
    assert found(Program(book), Request(ALICE, actions[0], DOC), STORE) == ["p0"]
    assert found(Program(book), Request(ALICE, actions[7], DOC), STORE) == []
    assert found(program, Request(ALICE, actions[7], DOC), STORE) == ["p7"]


@given(st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=60), st.binary(min_size=400, max_size=400))
def test_generated_scopes(entropies: list[bytes], world: bytes) -> None:
    policies = []
    for number, entropy in enumerate(entropies):
        made = policy(Choices(entropy), f"p{number}")
        policies.append(made.fill(made.id, {slot: _any_uid(slot, number) for slot in made.slots}))
    program = compile_policies(PolicySet(policies))
    choices = Choices(world)
    store = universe.store(choices)
    for principal, action, resource in itertools.product(universe.IDS[:2], universe.ACTIONS, universe.IDS[:2]):
        request = Request(EntityUID("User", principal), action, EntityUID("App::Doc", resource))
        assert found(program, request, store) == matching(policies, request, store)


def _any_uid(slot: Slot, number: int) -> EntityUID:
    entity_type = ("User", "Group") if slot is Slot.PRINCIPAL else ("App::Doc", "App::Folder")
    return EntityUID(entity_type[number % 2], universe.IDS[number % 3])

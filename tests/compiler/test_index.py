"""The index selects exactly the policies whose scope applies, each once, and looks at few others."""

import itertools

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
from pdp.compiler.index import Index
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


def build(policies: list[Policy]) -> Index:
    index = Index()
    for each in policies:
        index.add(each, None, permits=True)
    return index


def select(index: Index, request: Request, store: Entities) -> list[str]:
    def ancestors(uid: EntityUID) -> frozenset[EntityUID]:
        stored = store.lookup(uid)
        return frozenset() if stored is None else stored.ancestors

    principal, resource = request.principal, request.resource
    plan = index.plan(request.action, store.lookup)
    rules = plan.select(principal, ancestors(principal), resource, ancestors(resource))
    assert plan.narrow or rules == plan.always
    return [rule.policy_id for rule in rules]


def test_every_form_of_scope_in_every_combination() -> None:
    index = build(ALL_POLICIES)
    principals = [ALICE, BOB, TEAM, ORG]
    for principal, action, resource in itertools.product(principals, (READ, WRITE, ALL), (DOC, FOLDER, ROOT, ALICE)):
        request = Request(principal, action, resource)
        # Twice, and with another store between, for an action's plan is kept.
        for store in (STORE, Entities(), STORE):
            expected = sorted(each.id for each in ALL_POLICIES if applies(each, request, store))
            assert sorted(select(index, request, store)) == expected


def test_adding_a_policy_is_seen_by_the_next_request() -> None:
    index = build([])
    request = Request(ALICE, READ, DOC)
    for number, each in enumerate(ALL_POLICIES):
        index.add(each, None, permits=True)
        if number % 37 == 0:
            expected = sorted(known.id for known in ALL_POLICIES[: number + 1] if applies(known, request, STORE))
            assert sorted(select(index, request, STORE)) == expected


def test_what_is_selected_is_not_changed_by_selecting_again() -> None:
    index = build(ALL_POLICIES)
    request = Request(ALICE, READ, DOC)
    first = select(index, request, STORE)
    for _ in range(3):
        assert select(index, request, STORE) == first


def test_kept_plans_are_bounded_whatever_actions_are_asked_for() -> None:
    index = build(ALL_POLICIES[:50])
    for number in range(5000):
        select(index, Request(ALICE, EntityUID("Action", f"unknown{number}"), DOC), STORE)
    assert len(index._plans) <= 1024
    assert len(select(index, Request(ALICE, READ, DOC), STORE)) == sum(
        applies(each, Request(ALICE, READ, DOC), STORE) for each in ALL_POLICIES[:50]
    )


def test_a_template_has_no_place_in_the_index() -> None:
    for template in (
        Policy("t", Effect.PERMIT, ScopeEq(Slot.PRINCIPAL), ScopeAny(), ScopeAny()),
        Policy("t", Effect.PERMIT, ScopeAny(), ScopeAny(), ScopeIsIn("Doc", Slot.RESOURCE)),
    ):
        with pytest.raises(TypeError, match="a template decides nothing until its slots are filled"):
            build([template])


class CountedUID(EntityUID):
    """An entity id that counts how often it is looked up or compared."""

    touched = 0

    def __hash__(self) -> int:
        CountedUID.touched += 1
        return super().__hash__()

    def __eq__(self, other: object) -> bool:
        CountedUID.touched += 1
        return super().__eq__(other)


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
        index = build(policies)
        CountedUID.touched = 0
        chosen = select(index, Request(EntityUID("User", "u4"), READ, EntityUID("Folder", "f4")), STORE)
        assert chosen == ["p4"]
        work.append(CountedUID.touched)
    assert max(work) <= 40
    assert abs(work[1] - work[0]) <= 10


@given(st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=60), st.binary(min_size=400, max_size=400))
def test_generated_scopes(entropies: list[bytes], world: bytes) -> None:
    policies = []
    for number, entropy in enumerate(entropies):
        made = policy(Choices(entropy), f"p{number}")
        policies.append(made.fill(made.id, {slot: _any_uid(slot, number) for slot in made.slots}))
    index = build(policies)
    choices = Choices(world)
    store = universe.store(choices)
    for principal, action, resource in itertools.product(universe.IDS[:2], universe.ACTIONS, universe.IDS[:2]):
        request = Request(EntityUID("User", principal), action, EntityUID("App::Doc", resource))
        expected = sorted(each.id for each in policies if applies(each, request, store))
        assert sorted(select(index, request, store)) == expected


def _any_uid(slot: Slot, number: int) -> EntityUID:
    entity_type = ("User", "Group") if slot is Slot.PRINCIPAL else ("App::Doc", "App::Folder")
    return EntityUID(entity_type[number % 2], universe.IDS[number % 3])

"""Worlds: what they are built from, and what cannot be built."""

import dataclasses
from typing import Any

import pytest
from engine_worlds import BOB, PLANS, READERS, a_grant, a_world, policies_of

from pdp.cedar.errors import PolicySetError
from pdp.cedar.policy import PolicySet
from pdp.context.facts import Facts
from pdp.engine.snapshot import CurrentWorld, World, build_world
from pdp.policies.bundle import Bundle


def test_a_world_knows_where_it_comes_from(world: World, bundle: Bundle, facts: Facts) -> None:
    assert (world.policy_revision, world.schema, world.facts) == (bundle.revision, bundle.schema, facts)
    assert build_world(bundle, facts).context_revision == 0
    later = world.at(9)
    assert later.context_revision == 9
    assert later.program is world.program


def test_a_world_does_not_change(world: World) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        world.context_revision = 2  # type: ignore[misc]  # that it cannot be done is the point


def test_each_grant_is_a_policy_of_its_own(bundle: Bundle, facts: Facts) -> None:
    grants = [a_grant(1), a_grant(2), a_grant(3, principal=READERS)]
    world = a_world(bundle, facts, grants=grants)
    assert world.policies.links.keys() == {"grant/1", "grant/2", "grant/3"}
    assert {who: dict(held) for who, held in world.grants.items()} == {
        BOB: {PLANS: tuple(grants[:2])},
        READERS: {PLANS: (grants[2],)},
    }
    policy = world.program.policy("grant/3")
    assert (policy.principal.entity, policy.resource.entity) == (READERS, PLANS)  # type: ignore[union-attr]  # `in`
    assert policy.annotations["id"] == "entitlement/reader"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"template_id": "entitlement/none"}, "which the bundle does not have"),
        ({"template_id": "files/readers-read"}, "which the bundle does not have"),
        ({"id": "files/readers-read"}, "duplicate policy id"),
        ({"template_id": "half"}, "does not fit template `half`"),
    ],
)
def test_a_grant_that_no_template_carries_stops_the_load(
    bundle: Bundle, facts: Facts, changes: dict[str, Any], message: str
) -> None:
    # `half` has one slot: a link of it would grant more than the grant says.
    half = '@id("half") permit (principal == ?principal, action, resource);'
    with pytest.raises(PolicySetError, match=message) as caught:
        a_world(bundle, facts, grants=[a_grant(**changes)], policies=half)
    assert changes.get("id", "grant/1") in caught.value.message


@pytest.mark.parametrize("kind", ["(principal, action, resource)", "(principal in ?principal, action, resource)"])
def test_an_obligation_of_no_form_stops_the_load(bundle: Bundle, facts: Facts, kind: str) -> None:
    bad = policies_of(f'@id("bad") @obligation("Mask it") permit {kind};')
    with pytest.raises(PolicySetError, match="has no kind"):
        build_world(dataclasses.replace(bundle, policies=PolicySet(bad)), dataclasses.replace(facts, grants={}))


def test_at_first_there_is_no_world() -> None:
    assert CurrentWorld().world is None

"""Worlds that were replaced: kept while anybody uses them, and then freed, without the garbage collector's help."""

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
from built_bundles import both_ways
from engine_worlds import a_grant, a_world
from small_world import write_small_world

from pdp.context.facts import Facts
from pdp.engine.retiring import MOST_WAITING, Retiring
from pdp.engine.snapshot import World, build_world
from pdp.policies.bundle import Bundle


@pytest.fixture(autouse=True)
def _no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def functions(world: World) -> list[weakref.ref[object]]:
    """The compiled conditions: the rules hold them, and the rules' chapters hold the rules in a circle."""
    rules = world.program._book._rules.values()
    return [weakref.ref(rule.body.condition) for rule in rules if rule.body.condition is not None]


def test_a_world_that_nobody_uses_is_freed_by_steps(bundle: Bundle, facts: Facts) -> None:
    world = a_world(bundle, facts, grants=[a_grant(1), a_grant(2)])
    world.program.prepare(world.schema, world.facts.entities)
    conditions = functions(world)
    assert len(conditions) > 3
    retiring = Retiring()
    retiring.add(world, bundle)
    del world
    pauses: list[None] = []
    assert retiring.let_go(lambda: pauses.append(None)) == 0
    assert pauses
    assert [condition() for condition in conditions] == [None] * len(conditions)


def test_without_it_only_the_collector_would_find_them(bundle: Bundle, facts: Facts) -> None:
    world = a_world(bundle, facts)
    conditions = functions(world)
    del world
    assert any(condition() is not None for condition in conditions), "there is no circle: this module is not needed"
    gc.collect()
    assert all(condition() is None for condition in conditions)


def test_a_world_in_use_is_left_alone_and_answers_as_before(bundle: Bundle, facts: Facts) -> None:
    world = a_world(bundle, facts)
    retiring = Retiring()
    retiring.add(world, None)
    ids = [policy.id for policy in world.policies.linked()]
    assert retiring.let_go() == 1
    assert [world.program.policy(id).id for id in ids] == ids
    program = world.program
    del world
    assert retiring.let_go() == 1, "the program alone is enough to ask"
    assert [program.policy(id).id for id in ids] == ids
    del program
    assert retiring.let_go() == 0


def test_a_world_is_the_program_s_as_long_as_another_revision_of_it_answers(bundle: Bundle, facts: Facts) -> None:
    world = a_world(bundle, facts)
    later = world.at(9)
    retiring = Retiring()
    retiring.add(world, None)
    del world
    assert retiring.let_go() == 1
    assert all(later.program.policy(id).id == id for id in later.policies.static)


def test_what_the_next_world_has_too_stays(bundle: Bundle, facts: Facts) -> None:
    old, new = a_world(bundle, facts), a_world(bundle, facts)
    retiring = Retiring()
    retiring.add(old, None)
    del old
    assert retiring.let_go() == 0
    for policy in new.policies.static.values():
        assert new.program.policy(policy.id) == policy
    assert all(new.facts.entities.get(entity.uid) == entity for entity in facts.entities)


def test_only_so_many_wait(bundle: Bundle, facts: Facts) -> None:
    retiring = Retiring()
    worlds = [a_world(bundle, facts) for _ in range(MOST_WAITING + 2)]
    for world in worlds:
        retiring.add(world, None)
    assert retiring.let_go() == MOST_WAITING
    del world
    worlds.clear()
    assert retiring.let_go() == 0


def test_what_a_bundle_was_compiled_to_goes_with_it(facts: Facts, tmp_path: Path) -> None:
    _, bundle = both_ways(write_small_world(tmp_path).root)
    assert bundle.compiled is not None
    codes = [weakref.ref(compiled.code) for compiled in bundle.compiled if compiled.code is not None]
    world = build_world(bundle, facts)
    retiring = Retiring()
    retiring.add(world, bundle)
    del world, bundle
    assert any(code() is not None for code in codes)
    assert retiring.let_go() == 0
    assert [code() for code in codes] == [None] * len(codes)

"""Reloading: a new world whole, or the old one untouched."""

import dataclasses
import weakref
from collections.abc import Callable

import pytest
from engine_worlds import ANA, NOW, PLAN, READ, a_grant, by_id

from pdp.cedar.errors import CedarError, ParseError
from pdp.cedar.request import Request
from pdp.cedar.schema.model import Schema
from pdp.context.facts import Facts
from pdp.context.memory import MemoryStore
from pdp.engine.reload import Reloader
from pdp.engine.snapshot import CurrentWorld, World
from pdp.policies.bundle import Bundle


class Sources:
    """Sources that a test can change or break, under a reloader."""

    def __init__(self, bundle: Bundle, facts: Facts) -> None:
        self.current = CurrentWorld()
        self.store = MemoryStore()
        self.bundle: Bundle | Exception = bundle
        self.facts: Facts | Exception = facts
        self.schemas: list[Schema] = []
        self._reloader = Reloader(self.current, self.store, self._read_bundle, self._read_facts, lambda: NOW)

    def reload(self) -> World:
        return self._reloader.reload()

    def _read_bundle(self) -> Bundle:
        if isinstance(self.bundle, Exception):
            raise self.bundle
        return self.bundle

    def _read_facts(self, schema: Schema) -> Facts:
        self.schemas.append(schema)
        if isinstance(self.facts, Exception):
            raise self.facts
        return self.facts


@pytest.fixture
def sources(bundle: Bundle, facts: Facts) -> Sources:
    return Sources(bundle, facts)


def test_each_load_is_published_under_a_revision_of_its_own(sources: Sources, bundle: Bundle) -> None:
    for revision in (1, 2, 3):
        world = sources.reload()
        assert world is sources.current.world
        assert world.context_revision == sources.store.snapshot().revision == revision
    assert sources.schemas == [bundle.schema] * 3


def break_bundle(sources: Sources) -> None:
    sources.bundle = ParseError("not Cedar")


def break_facts(sources: Sources) -> None:
    sources.facts = CedarError("not JSON")


def break_what_they_are_together(sources: Sources) -> None:
    assert isinstance(sources.facts, Facts)
    sources.facts = dataclasses.replace(sources.facts, grants=by_id([a_grant(template_id="entitlement/none")]))


def break_by_a_defect(sources: Sources) -> None:
    sources.facts = RuntimeError("a defect")


@pytest.mark.parametrize("fault", [break_bundle, break_facts, break_what_they_are_together, break_by_a_defect])
def test_a_fault_leaves_the_old_world_and_the_old_revision(
    sources: Sources, bundle: Bundle, facts: Facts, fault: Callable[[Sources], None]
) -> None:
    old = sources.reload()
    fault(sources)
    with pytest.raises((CedarError, RuntimeError)):
        sources.reload()
    assert sources.current.world is old
    assert sources.store.snapshot().revision == 1
    assert dict(sources.store.snapshot().facts.grants) == dict(facts.grants)
    sources.bundle, sources.facts = bundle, facts
    assert sources.reload().context_revision == 2


def test_a_fault_before_the_first_world_leaves_none(sources: Sources) -> None:
    break_bundle(sources)
    with pytest.raises(ParseError):
        sources.reload()
    assert sources.current.world is None
    assert sources.store.snapshot().revision == 0


def test_there_are_pauses_only_while_a_world_answers(bundle: Bundle, facts: Facts) -> None:
    pauses: list[None] = []
    current = CurrentWorld()
    reloader = Reloader(
        current, MemoryStore(), lambda: bundle, lambda _: facts, lambda: NOW, lambda: pauses.append(None)
    )
    reloader.reload()
    assert pauses == []
    reloader.reload()
    assert len(pauses) > len(bundle.policies)


def test_code_for_the_declared_questions_is_made_before_a_world_answers(sources: Sources) -> None:
    world = sources.reload()
    plans = world.program._plans.by_action
    assert set(plans) >= {uid for uid, action in world.schema.actions.items() if action.principal_types}
    request = Request(ANA, READ, PLAN)
    plan = plans[request.action].variant(request.principal.type, request.resource.type)
    assert plan.decide is not None


def test_code_is_made_once_for_policies_of_one_shape(sources: Sources) -> None:
    first, second = sources.reload(), sources.reload()
    assert first.program is not second.program
    assert first.program._book.linker is second.program._book.linker


def test_a_replaced_world_is_let_go_when_it_is_used_no_more(bundle: Bundle, facts: Facts) -> None:
    reloader = Reloader(CurrentWorld(), MemoryStore(), lambda: bundle, lambda _: facts, lambda: NOW)
    first = weakref.ref(reloader.reload().program)
    held = reloader.reload()
    reloader.let_go(wait=False)
    assert first() is None
    reloader.reload()
    reloader.let_go(wait=True)
    assert len(reloader._retiring._waiting) == 1, "somebody holds it"
    assert held.program.policy(next(iter(held.policies.static))) is not None
    del held
    reloader.let_go(wait=False)
    assert not reloader._retiring._waiting

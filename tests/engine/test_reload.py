"""Reloading: a new world whole, or the old one untouched."""

import dataclasses
from collections.abc import Callable

import pytest
from engine_worlds import a_grant

from pdp.cedar.errors import CedarError, ParseError
from pdp.cedar.schema.model import Schema
from pdp.context.memory import MemoryStore
from pdp.context.store import Facts
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
        self._reloader = Reloader(self.current, self.store, self._read_bundle, self._read_facts)

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
    sources.facts = dataclasses.replace(sources.facts, grants=(a_grant(template_id="entitlement/none"),))


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
    assert (sources.store.snapshot().revision, sources.store.snapshot().facts.grants) == (1, facts.grants)
    sources.bundle, sources.facts = bundle, facts
    assert sources.reload().context_revision == 2


def test_a_fault_before_the_first_world_leaves_none(sources: Sources) -> None:
    break_bundle(sources)
    with pytest.raises(ParseError):
        sources.reload()
    assert sources.current.world is None
    assert sources.store.snapshot().revision == 0

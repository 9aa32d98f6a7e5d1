"""Load aside, check, then swap: a fault in new policies or facts leaves the running world in place."""

from collections.abc import Callable
from threading import Lock
from typing import final

from pdp.cedar.schema.model import Schema
from pdp.context.store import ContextStore, Facts
from pdp.engine.snapshot import CurrentWorld, World, build_world
from pdp.policies.bundle import Bundle


@final
class Reloader:
    """Builds a world from its sources and publishes it."""

    def __init__(
        self,
        current: CurrentWorld,
        store: ContextStore,
        read_bundle: Callable[[], Bundle],
        read_facts: Callable[[Schema], Facts],
    ) -> None:
        self._current = current
        self._store = store
        self._read_bundle = read_bundle
        self._read_facts = read_facts
        self._lock = Lock()

    def reload(self) -> World:
        """The new world, already answering. Raises CedarError and changes nothing when a source is at fault.

        INVARIANT: the store takes the facts only after a world was built from them, so that every revision that
        anybody can name is one that could answer.
        """
        with self._lock:
            bundle = self._read_bundle()
            facts = self._read_facts(bundle.schema)
            world = build_world(bundle, facts)
            world = world.at(self._store.replace(facts))
            self._current.world = world
            return world

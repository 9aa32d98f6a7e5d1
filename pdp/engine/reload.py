"""Load aside, check, then swap: a fault in new policies or facts leaves the running world in place.

The world that was replaced answers the questions that had begun with it, and is let go when they are done.
"""

from collections.abc import Callable
from threading import Lock
from time import sleep
from typing import Final, final

from pdp.cedar.schema.model import Schema
from pdp.compiler.link import Linker
from pdp.context.conforming import Conformity
from pdp.context.facts import Facts
from pdp.context.replacing import replacing
from pdp.context.state import State
from pdp.context.store import ContextSnapshot, ContextStore
from pdp.engine.comparing import between
from pdp.engine.retiring import Retiring
from pdp.engine.snapshot import CurrentWorld, World, building_world
from pdp.policies.bundle import Bundle
from pdp.policies.steps import Steps, finish

FILES: Final = "files"
"""The source of the facts that are read with the policies: what the store calls them."""

_WAIT_SECONDS: Final = 0.01
_ATTEMPTS: Final = 100
"""How often, and how long apart, it is looked whether a world that was replaced is still in use."""


@final
class Reloader:
    """Builds a world from its sources and publishes it.

    `now` gives milliseconds since 1970 UTC. `pause` is called every now and then while a world is built beside one that
    answers. `lock` is held whenever a world is replaced, here or by `writing`.
    """

    def __init__(
        self,
        current: CurrentWorld,
        store: ContextStore,
        read_bundle: Callable[[], Bundle],
        read_facts: Callable[[Schema], Facts],
        now: Callable[[], int],
        pause: Callable[[], None] | None = None,
    ) -> None:
        self._current = current
        self._store = store
        self._read_bundle = read_bundle
        self._read_facts = read_facts
        self._now = now
        self._pause = pause
        self.lock: Final = Lock()
        # guarded by: lock
        self._bundle: Bundle | None = None
        self._linker = Linker()
        self._retiring = Retiring()

    def reload(self) -> World:
        """The new world, already answering. Raises CedarError and changes nothing when a source is at fault.

        INVARIANT: the store takes the facts only after a world was built from them, so that every revision that
        anybody can name is one that could answer.
        """
        with self.lock:
            bundle = self._read_bundle()
            read = self._read_facts(bundle.schema)
            old, old_bundle = self._current.world, self._bundle
            pause = None if old is None else self._pause
            built: list[World] = []

            def build(snapshot: ContextSnapshot) -> None:
                if old is None or bundle.schema != old.schema:
                    finish(_conforming(snapshot.state, bundle.schema), pause)
                world = finish(building_world(bundle, snapshot.facts, self._linker), pause)
                finish(world.program.preparing(world.schema, world.facts.entities), pause)
                built.append(world.at(snapshot.revision))

            present = self._store.snapshot()
            changes = tuple(replacing(present.state, read, FILES))
            self._store.write(changes, FILES, self._now(), build)
            (world,) = built
            self._current.publish(world, between(old, world))
            self._bundle = bundle
            if old is not None:
                self._retiring.add(old, None if old_bundle is bundle else old_bundle)
            return world

    def let_go(self, *, wait: bool) -> None:
        """Free what only worlds had that were replaced and that nobody uses any more.

        `wait` a moment for the questions that are still being answered: for a process whose garbage is not collected
        (`pacing.standing_back`). What is used longer has its turn after the next reload.
        """
        with self.lock:
            for _ in range(_ATTEMPTS if wait else 1):
                if not self._retiring.let_go(self._pause):
                    break
                sleep(_WAIT_SECONDS)


def _conforming(state: State, schema: Schema) -> Steps[None]:
    """Nothing, if all that others than the files said fits a schema. Raises ConformanceError."""
    conformity = Conformity(schema)
    for key, origin in state.origins():
        if origin.source != FILES and (belief := state.believed(key)) is not None:
            conformity.check(belief)
        yield

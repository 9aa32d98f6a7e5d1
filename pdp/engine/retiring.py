"""What becomes of worlds that were replaced: let go a little at a time, once the last question is answered."""

from collections import deque
from collections.abc import Callable
from typing import Final, final
from weakref import ref

from pdp.compiler.dismantling import Remains
from pdp.engine.snapshot import World
from pdp.policies.bundle import Bundle
from pdp.policies.steps import Steps, finish

_AT_ONCE: Final = 8
MOST_WAITING: Final = 4
"""Worlds that are kept until those who still use them are done; of more, the oldest is left to whoever has it."""


@final
class Retiring:
    """Worlds on their way out. For one thread."""

    def __init__(self) -> None:
        self._waiting: Final[deque[_Retired]] = deque(maxlen=MOST_WAITING)

    def add(self, world: World, bundle: Bundle | None) -> None:
        """A world that answers no more, and the bundle that it was built from if that is another one now."""
        self._waiting.append(_Retired(world, bundle))

    def let_go(self, pause: Callable[[], None] | None = None) -> int:
        """Take apart what nobody uses any more; gives how many worlds are still in use."""
        for retired in tuple(self._waiting):
            if not retired.is_used:
                self._waiting.remove(retired)
                finish(retired.release(), pause)
        return len(self._waiting)


@final
class _Retired:
    """Holds each part of a world, so that nothing is freed together with what refers to it."""

    def __init__(self, world: World, bundle: Bundle | None) -> None:
        self._program: Final = ref(world.program)
        self._remains: Final = Remains(world.program)
        self._parts: Final[list[object]] = [
            *(() if bundle is None else bundle.compiled or ()),
            *world.policies.static.values(),
            *world.facts.entities,
            *world.facts.grants.values(),
        ]

    @property
    def is_used(self) -> bool:
        """Whether anybody could still ask."""
        return self._program() is not None or self._remains.is_seen

    def release(self) -> Steps[None]:
        """Let everything go."""
        yield from self._remains.dismantle()
        parts = self._parts
        while parts:
            del parts[-_AT_ONCE:]
            yield

"""Where a decision point keeps its facts, by its configuration: in memory, or in a folder with a bounded history."""

from collections.abc import Callable
from typing import Final, final
from weakref import finalize

from pdp.clock import Clock
from pdp.config import ContextConfig
from pdp.context.forgetting import Forgetting
from pdp.context.memory import MemoryStore
from pdp.context.sqlite import SqliteStore
from pdp.context.store import ContextStore


@final
class Keeping:
    """The store and what belongs to it. `report` is told of what goes wrong in the background, and must not raise."""

    def __init__(self, config: ContextConfig, clock: Clock, report: Callable[[str, Exception], None]) -> None:
        """Raises StoreError when there is a folder and it cannot be used."""
        kept = None if config.data is None else SqliteStore(config.data, clock)
        self.store: Final[ContextStore] = kept or MemoryStore(clock)
        self._forgetting: Final = (
            None if kept is None else Forgetting(kept, config.history, clock, lambda error: report("store", error))
        )
        # Also when whoever opened it fails before `stop`: another process may wait for the folder.
        self._close: Final = finalize(self, self.store.close)

    def start(self) -> None:
        """Begin to forget what is old."""
        if self._forgetting is not None:
            self._forgetting.start()

    def stop(self) -> None:
        """Let another process have the folder. Harmless before `start`, and when repeated."""
        if self._forgetting is not None:
            self._forgetting.stop()
        self._close()

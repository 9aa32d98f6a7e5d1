"""Forgets history that has been kept for as long as it is to be, in a thread of its own."""

from collections.abc import Callable
from threading import Event, Thread
from typing import Final, final

from pdp.clock import Clock
from pdp.context.sqlite import SqliteStore

EVERY_SECONDS: Final = 3_600.0


@final
class Forgetting:
    """Once an hour, from its start on. What goes wrong is told to `report`, which must not raise; the next hour tries
    again.
    """

    def __init__(
        self,
        store: SqliteStore,
        history: int,
        clock: Clock,
        report: Callable[[Exception], None],
        every: float = EVERY_SECONDS,
    ) -> None:
        """`history` is in milliseconds."""
        self._store: Final = store
        self._history: Final = history
        self._clock: Final = clock
        self._report: Final = report
        self._every: Final = every
        self._ended: Final = Event()
        self._thread: Final = Thread(target=self._run, name="forget", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Returns when nothing is being forgotten and nothing will be. Harmless before `start`, and when repeated."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                self._store.forget(self._clock() - self._history)
            except Exception as error:  # a full disk today must not stop this for ever
                self._report(error)
            if self._ended.wait(self._every):
                return

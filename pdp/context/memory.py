"""Facts in memory: the store of a decision point that keeps nothing beyond its own life."""

from bisect import bisect_right
from collections.abc import Sequence
from threading import Lock
from typing import Final, final

from pdp.clock import Clock, now_ms
from pdp.context.changes import Change, Entry, Key, Origin
from pdp.context.state import Believed
from pdp.context.store import Check, ContextSnapshot, HistoryGoneError, accept

MAX_HISTORY: Final = 10_000
"""Writes whose outcome is remembered. They share what is alike, so that each costs what it changed."""


@final
class MemoryStore:
    """A `ContextStore` that lives as long as its process. Revisions start at 1 with the first write."""

    def __init__(self, clock: Clock = now_ms) -> None:
        self._clock: Final = clock
        self._lock: Final = Lock()
        # Replaced whole and never changed: a reader takes the attribute, which is atomic in CPython, and no lock.
        self._current = ContextSnapshot(0)
        # guarded by: _lock
        self._history: Final[list[ContextSnapshot]] = [self._current]
        self._times: Final[list[int]] = [0]

    def snapshot(self) -> ContextSnapshot:
        """The newest facts."""
        return self._current

    def write(self, changes: Sequence[Change], source: str, observed_at: int, check: Check = accept) -> ContextSnapshot:
        """Make the changes; see `ContextStore`."""
        with self._lock:
            # A clock that is set back must not reorder what was believed when.
            origin = Origin(source, observed_at, max(self._clock(), self._times[-1]), self._current.revision + 1)
            snapshot = ContextSnapshot(origin.revision, self._current.state.after(Entry(origin, tuple(changes))))
            check(snapshot)
            self._history.append(snapshot)
            self._times.append(origin.recorded_at)
            if len(self._history) > MAX_HISTORY:
                del self._history[0], self._times[0]
            self._current = snapshot
            return snapshot

    def believed(self, key: Key, instant: int) -> Believed | None:
        """What was believed then; see `ContextStore`."""
        with self._lock:
            index = bisect_right(self._times, instant) - 1
            if index < 0:
                raise HistoryGoneError("what was believed then is not remembered any more")
            return self._history[index].state.believed(key)

    def close(self) -> None:
        """There is nothing to give back."""

"""So many a second and no more: for what must not become a flood."""

from collections.abc import Callable
from threading import Lock
from time import monotonic
from typing import final


@final
class Rate:
    """Lets `per_second` through each second, and as many at once after a second without any. From any thread."""

    __slots__ = ("_at", "_left", "_lock", "_now", "_per_second")

    def __init__(self, per_second: float, now: Callable[[], float] = monotonic) -> None:
        """`now` gives seconds that never go back."""
        self._per_second = per_second
        self._now = now
        self._lock = Lock()
        self._left = max(per_second, 1.0)  # guarded by: _lock
        self._at = now()  # guarded by: _lock

    def take(self) -> bool:
        """Whether one more may pass."""
        with self._lock:
            now = self._now()
            self._left = min(self._left + (now - self._at) * self._per_second, max(self._per_second, 1.0))
            self._at = now
            if self._left < 1.0:
                return False
            self._left -= 1.0
            return True

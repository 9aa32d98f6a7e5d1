"""The one place that reads the time of day. Everything below the engine is given its `now`."""

import time
from typing import Protocol


class Clock(Protocol):
    """Gives the present instant in milliseconds since 1970-01-01T00:00:00Z. `now_ms` is the real one."""

    def __call__(self) -> int:
        """The present instant."""
        ...


def now_ms() -> int:
    """The system's time, in milliseconds since 1970-01-01T00:00:00Z."""
    return time.time_ns() // 1_000_000

"""Log lines: one event a line, as JSON or as text for people. None is written for an ordinary request.

Both forms quote what they are given, so that no value, however hostile, can begin a line of its own.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from enum import Enum, unique
from threading import Lock
from typing import Final, TextIO, TypeAlias, final

Field: TypeAlias = str | int | float | bool | None


@unique
class LogFormat(Enum):
    """How a line is written."""

    TEXT = "text"
    JSON = "json"


@unique
class Level(Enum):
    """How much an event matters: INFO for what was meant to happen, ERROR for what somebody must look at."""

    INFO = "info"
    ERROR = "error"


RESERVED: Final = frozenset({"time", "level", "event"})
"""Names that every line carries; no other field may have them."""


@final
class EventLog:
    """Writes events to a stream, whole lines at a time, from any thread. `clock` gives milliseconds since 1970 UTC."""

    def __init__(self, stream: TextIO, form: LogFormat, clock: Callable[[], int]) -> None:
        self._stream = stream  # guarded by: _lock
        self._form = form
        self._clock = clock
        self._lock = Lock()

    def info(self, event: str, **fields: Field) -> None:
        """Something happened as it should. `event` is a fixed word such as `load`, never made from input."""
        self._write(Level.INFO, event, fields)

    def error(self, event: str, **fields: Field) -> None:
        """Something failed."""
        self._write(Level.ERROR, event, fields)

    def _write(self, level: Level, event: str, fields: dict[str, Field]) -> None:
        if taken := RESERVED & fields.keys():
            raise ValueError(f"a log field cannot be called {min(taken)}")
        instant = datetime.fromtimestamp(self._clock() / 1000, UTC)
        time = instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = _line(self._form, {"time": time, "level": level.value, "event": event}, fields)
        # A log that cannot be written (closed, disk full) must not stop the decisions that it tells of.
        with self._lock, suppress(OSError, ValueError):
            self._stream.write(line + "\n")
            self._stream.flush()


def _line(form: LogFormat, head: dict[str, str], fields: dict[str, Field]) -> str:
    if form is LogFormat.JSON:
        return json.dumps({**head, **fields}, ensure_ascii=True)
    return " ".join([*head.values(), *(f"{name}={json.dumps(value)}" for name, value in fields.items())])

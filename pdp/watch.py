"""What moves a running decision point from outside: files that change, and signals.

A change of files calls for a reload when they stood still again; an order does so at once.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from queue import Empty, SimpleQueue
from types import FrameType
from typing import TypeAlias, final

Fingerprint: TypeAlias = Mapping[str, tuple[int, int, int]]
"""By name of file or directory: inode, size and time of change."""


def fingerprint(paths: Iterable[Path]) -> Fingerprint:
    """What can be seen from outside of these files and of everything below these directories. Never raises.

    Links are followed to what they name, but not into directories: a set of files that is swapped by turning a link,
    as orchestrators do, is seen by the link.
    """
    found = {}
    for name in (name for path in paths for name in _names(path)):
        try:
            status = os.stat(name)  # noqa: PTH116  a Path for each of many files would double the cost
        except OSError:  # removed since it was listed, or never there
            continue
        found[name] = (status.st_ino, status.st_size, status.st_mtime_ns)
    return found


def _names(path: Path) -> Iterator[str]:
    yield str(path)
    # `os.walk` leaves out what cannot be listed; `Path.rglob` would raise for a directory that goes while it looks.
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            yield os.path.join(folder, name)  # noqa: PTH118  as above


@final
class Watcher:
    """Calls `reload` when it is told to, and when files change, in a thread of its own. `reload` must not raise.

    Files are read only after they stood still from one look to the next: a set of policies that is still being copied
    may be valid and lack a guardrail.
    """

    def __init__(self, paths: Iterable[Path], reload: Callable[[str], None], poll_seconds: float) -> None:
        self._paths = tuple(paths)
        self._reload = reload
        self._poll_seconds = poll_seconds
        # A SimpleQueue and no Event: a signal handler may put into it whatever its thread is doing.
        self._orders: SimpleQueue[str | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._seen = fingerprint(self._paths)

    def start(self) -> None:
        """Watch. What changed since construction counts as a change."""
        self._thread.start()

    def order(self, cause: str) -> None:
        """Reload as soon as possible, whether files changed or not."""
        self._orders.put(cause)

    def stop(self) -> None:
        """Returns when no reload is running and none will follow."""
        self._orders.put(None)
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        before = self._seen
        while True:
            try:
                cause = self._orders.get(timeout=self._poll_seconds)
            except Empty:
                found = fingerprint(self._paths)
                if found != self._seen and found == before:
                    self._seen = found
                    self._reload("files changed")
                before = found
                continue
            if cause is None:
                return
            # Taken before the reading: what changes from here on is seen as a change, and read once more.
            self._seen = before = fingerprint(self._paths)
            self._reload(cause)


_Handler: TypeAlias = Callable[[int, FrameType | None], object] | int | None


@final
class Signals:
    """Handlers of signals, to be taken and given back. On another thread than the main one, nothing happens."""

    def __init__(self, handlers: Mapping[signal.Signals, Callable[[], object]]) -> None:
        self._handlers = handlers
        self._previous: dict[signal.Signals, _Handler] = {}

    def take(self) -> None:
        """Have the handlers called from now on."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number, handler in self._handlers.items():
            self._previous[number] = signal.signal(number, lambda *_, handler=handler: handler())

    def give_back(self) -> None:
        """Put back what was there before. Harmless when repeated."""
        if threading.current_thread() is not threading.main_thread():
            return
        while self._previous:
            number, handler = self._previous.popitem()
            # None stands for a handler that was not installed by Python and cannot be put back by it.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

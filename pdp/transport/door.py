"""The last line of defence of a door, and where its answers are counted and timed."""

from collections.abc import Callable
from time import perf_counter
from typing import TypeAlias, final

from pdp.engine.decider import Verdict
from pdp.telemetry.metrics import Door, Metrics

Adapter: TypeAlias = Callable[[bytes, str], tuple[Verdict, bytes]]
"""From a request's bytes and the caller's address to the verdict and the answer's bytes."""

Report: TypeAlias = Callable[[str, Exception], None]
"""Tells of an exception that nobody foresaw: where it was caught, and what it was. Must not raise."""


@final
class GuardedDoor:
    """An adapter that never raises.

    INVARIANT: `last_resort` is a deny, serialized when the program started, so that nothing can fail on the way to it.
    """

    def __init__(self, door: Door, adapter: Adapter, last_resort: bytes, metrics: Metrics, report: Report) -> None:
        self._door = door
        self._adapter = adapter
        self._last_resort = last_resort
        self._metrics = metrics
        self._report = report

    def __call__(self, data: bytes, peer: str) -> bytes:
        """The answer's bytes, whatever happens."""
        started = perf_counter()
        try:
            verdict, reply = self._adapter(data, peer)
            seconds = perf_counter() - started
            self._metrics.decided(self._door, verdict.decision.value, verdict.reason.value, seconds)
            if verdict.errors:
                self._metrics.evaluation_errors(error.kind.value for error in verdict.errors)
        except Exception as error:  # an exception here would become a gRPC error, and that can become an allow
            self._report(self._door.value, error)
            return self._last_resort
        return reply

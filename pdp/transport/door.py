"""What stands around every door: who may come to it, the last line of defence, and what is counted and timed."""

from collections.abc import Callable
from time import perf_counter
from typing import TypeAlias, final

from pdp.engine.decider import Verdict
from pdp.engine.observing import outcome_of
from pdp.telemetry.metrics import Door, Metrics
from pdp.telemetry.observing import Observer
from pdp.transport.admission import REFUSED, Gate
from pdp.transport.callers import Caller

Adapter: TypeAlias = Callable[[bytes, Caller], tuple[Verdict, bytes]]
"""From a request's bytes and the caller to the verdict and the answer's bytes."""

Answer: TypeAlias = Callable[[bytes, Caller], bytes]
"""From a request's bytes and the caller to the answer's bytes. Never raises."""

Report: TypeAlias = Callable[[str, Exception], None]
"""Tells of an exception that nobody foresaw: where it was caught, and what it was. Must not raise."""


@final
class GuardedDoor:
    """An adapter that never raises. `observer` is there only where single decisions are traced, or slow ones logged.

    INVARIANT: `last_resort` is a deny, serialized when the program started, so that nothing can fail on the way to it.
    """

    def __init__(
        self,
        door: Door,
        adapter: Adapter,
        last_resort: bytes,
        metrics: Metrics,
        report: Report,
        observer: Observer | None = None,
    ) -> None:
        self._door = door
        self._adapter = adapter
        self._last_resort = last_resort
        self._metrics = metrics
        self._report = report
        self._observer = observer

    def __call__(self, data: bytes, caller: Caller) -> bytes:
        """The answer's bytes, whatever happens."""
        if self._observer is not None:
            return self._observed(self._observer, data, caller)
        started = perf_counter()
        try:
            verdict, reply = self._adapter(data, caller)
            seconds = perf_counter() - started
            self._count(verdict, seconds)
        except Exception as error:  # an exception here would become a gRPC error, and that can become an allow
            self._report(self._door.value, error)
            return self._last_resort
        return reply

    def _observed(self, observer: Observer, data: bytes, caller: Caller) -> bytes:
        """The same, observed."""
        observation = observer.begin(self._door.value)
        try:
            verdict, reply = self._adapter(data, caller)
            trace_id = observer.end(observation, (outcome_of(verdict),))
            self._count(verdict, observation.seconds, trace_id)
        except Exception as error:  # as above
            self._report(self._door.value, error)
            reply = self._last_resort
        finally:
            observer.abandon(observation)
        return reply

    def _count(self, verdict: Verdict, seconds: float, trace_id: str = "") -> None:
        self._metrics.decided(self._door, verdict.decision.value, verdict.reason.value, seconds, trace_id)
        if verdict.errors:
            self._metrics.evaluation_errors(error.kind.value for error in verdict.errors)


@final
class GatedDoor:
    """A door before which callers are judged: those whom `gate` does not admit get `refused`, their request unread.

    INVARIANT: never raises; and `refused` is a deny, serialized when the program started.
    """

    def __init__(self, door: Door, gate: Gate, inner: Answer, refused: bytes, metrics: Metrics, report: Report) -> None:
        self._door = door
        self._gate = gate
        self._inner = inner
        self._refused = refused
        self._metrics = metrics
        self._report = report

    def __call__(self, data: bytes, caller: Caller) -> bytes:
        """The answer's bytes, whatever happens."""
        refusal = self.refuse(caller)
        return self._inner(data, caller) if refusal is None else refusal

    def refuse(self, caller: Caller) -> bytes | None:
        """The refusal of a caller that may not come in; None for one that may."""
        try:
            if self._gate.admits(caller):
                return None
            self._metrics.decided(self._door, REFUSED.decision.value, REFUSED.reason.value, 0.0)
        except Exception as error:  # whatever goes wrong in judging a caller must not let it in
            self._report(self._door.value, error)
        return self._refused

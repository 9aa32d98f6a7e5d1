"""The log of slow decisions: what was slow in them, and how to find them again; so many lines a second and no more."""

from collections.abc import Sequence
from typing import final

from pdp.telemetry.logs import EventLog, Field
from pdp.telemetry.observing import Observation, Outcome
from pdp.telemetry.rate import Rate
from pdp.telemetry.tracing_metrics import TracingMetrics


@final
class SlowDecisions:
    """Logs what takes at least `threshold` milliseconds, and counts it, logged or not."""

    def __init__(self, log: EventLog, metrics: TracingMetrics, threshold: int, rate: Rate) -> None:
        self._log = log
        self._metrics = metrics
        self._threshold = threshold / 1000
        self._rate = rate
        self._left_out = 0  # a few may be lost between threads: it is for people

    def saw(self, observation: Observation, outcomes: Sequence[Outcome], trace_id: str) -> None:
        """An observation has ended with these outcomes, of which each took its share of the time."""
        seconds = observation.seconds / len(outcomes)
        if seconds < self._threshold:
            return
        self._metrics.slow(observation.door)
        if not self._rate.take():
            self._left_out += 1
            return
        left_out, self._left_out = self._left_out, 0
        fields: dict[str, Field] = {"door": observation.door}
        if len(outcomes) == 1:
            fields |= {"decision": outcomes[0].decision, "reason": outcomes[0].reason}
        else:
            fields["decisions"] = len(outcomes)
        fields |= {"request_id": observation.request_id, "milliseconds": round(observation.seconds * 1000, 3)}
        if trace_id:
            fields["trace_id"] = trace_id
        fields |= _phases(observation)
        if left_out:
            fields["left_out"] = left_out
        self._log.info("slow_decision", **fields)


def _phases(observation: Observation) -> dict[str, Field]:
    """Milliseconds of each kind of part."""
    spent: dict[str, int] = {}
    for phase in observation.phases:
        spent[phase.name] = spent.get(phase.name, 0) + phase.ended - phase.began
    return {f"{name}_milliseconds": round(nanoseconds / 1e6, 3) for name, nanoseconds in spent.items()}

"""What is counted of tracing itself, and of slow decisions. Label values are closed lists."""

from typing import final

from prometheus_client import CollectorRegistry, Counter

from pdp.telemetry import names


@final
class TracingMetrics:
    """All methods may be called from any thread."""

    def __init__(self, registry: CollectorRegistry) -> None:
        spans = Counter(names.SPANS, "Spans by what became of them", ("outcome",), registry=registry)
        self._made, self._exported, self._failed = map(spans.labels, ("made", "exported", "failed"))
        self._refused = Counter(names.TRACES_REFUSED, "Calls too many to be traced", registry=registry)
        self._slow = Counter(names.SLOW_DECISIONS, "Decisions over the threshold", ("door",), registry=registry)

    def made(self, spans: int) -> None:
        """These many spans wait to be sent, or were dropped if too many waited."""
        self._made.inc(spans)

    def sent(self, spans: int, *, ok: bool) -> None:
        """The collector has taken these many, or could not be made to."""
        (self._exported if ok else self._failed).inc(spans)

    def refused(self) -> None:
        """A call was not traced because there were too many."""
        self._refused.inc()

    def slow(self, door: str) -> None:
        """A decision took longer than it should. `door` is one of the doors' names."""
        self._slow.labels(door).inc()

"""The metrics of watchers."""

from typing import final

from prometheus_client import CollectorRegistry, Counter, Gauge

from pdp.telemetry import names


@final
class WatchMetrics:
    """All methods may be called from any thread."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._watchers = Gauge(names.WATCHERS, "Callers that watch", registry=registry)
        events = Counter(names.WATCH_EVENTS, "Events to watchers", ("kind",), registry=registry)
        self._events = {kind: events.labels(kind) for kind in ("everything", "entities", "nothing")}

    def came(self) -> None:
        """A watcher began."""
        self._watchers.inc()

    def went(self) -> None:
        """A watcher ended."""
        self._watchers.dec()

    def told(self, *, everything: bool, entities: int) -> None:
        """An event left: of everything, of so many entities, or of nothing."""
        self._events["everything" if everything else "entities" if entities else "nothing"].inc()

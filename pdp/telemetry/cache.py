"""The metrics of the cache of decisions. It counts by itself, which is quicker, and is read when they are asked for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pdp.telemetry import names


@final
@dataclass(frozen=True, slots=True)
class CacheFigures:
    """What the cache has done since it was made, and what it holds.

    `coalesced` are misses that were answered by another one's evaluation; `uncacheable`, requests that no answer is
    kept for, or that came while the world was being replaced; `invalidated`, answers that a change made untrue, counted
    when they were asked for, or when everything changed.
    """

    hits: int = 0
    misses: int = 0
    coalesced: int = 0
    uncacheable: int = 0
    invalidated: int = 0
    evicted: int = 0
    entries: int = 0
    bytes: int = 0
    limit: int = 0


@final
class CacheMetrics(Collector):
    """Shows the figures whenever metrics are asked for: zeros, while there is no cache."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._figures: Callable[[], CacheFigures] = CacheFigures
        registry.register(self)

    def show(self, figures: Callable[[], CacheFigures]) -> None:
        """Where the figures are read from here on."""
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """The families with their values of now."""
        figures = self._figures()
        requests = CounterMetricFamily(names.CACHE_REQUESTS, "Requests by what the cache did", labels=("outcome",))
        alone = figures.misses - figures.coalesced
        for outcome, value in (
            ("hit", figures.hits),
            ("miss", alone),
            ("coalesced", figures.coalesced),
            ("uncacheable", figures.uncacheable),
        ):
            requests.add_metric((outcome,), value)
        yield requests
        yield CounterMetricFamily(names.CACHE_INVALIDATED, "Answers that a change dropped", figures.invalidated)
        yield CounterMetricFamily(names.CACHE_EVICTED, "Answers that went for want of space", figures.evicted)
        yield GaugeMetricFamily(names.CACHE_ENTRIES, "Answers that are kept", figures.entries)
        yield GaugeMetricFamily(names.CACHE_BYTES, "Memory that they take", figures.bytes)
        yield GaugeMetricFamily(names.CACHE_LIMIT, "Memory that they may take", figures.limit)

"""The cache's metrics: read when they are asked for, and zeros without a cache."""

from pdp.telemetry import names
from pdp.telemetry.cache import CacheFigures
from pdp.telemetry.metrics import Metrics


def series(metrics: Metrics) -> dict[str, float]:
    lines = metrics.exposition().decode().splitlines()
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in lines if line.startswith("pdp_cache_"))
    }


def test_figures_are_those_of_the_moment() -> None:
    metrics = Metrics()
    figures = [CacheFigures(hits=9, misses=5, coalesced=2, uncacheable=1, invalidated=4, evicted=3)]
    metrics.cache.show(lambda: figures[0])
    shown = series(metrics)
    assert {outcome: shown[f'{names.CACHE_REQUESTS}{{outcome="{outcome}"}}'] for outcome in OUTCOMES} == {
        "hit": 9,
        "miss": 3,
        "coalesced": 2,
        "uncacheable": 1,
    }
    assert (shown[names.CACHE_INVALIDATED], shown[names.CACHE_EVICTED]) == (4, 3)
    figures[0] = CacheFigures(hits=10, entries=7, bytes=600, limit=1000)
    shown = series(metrics)
    assert shown[f'{names.CACHE_REQUESTS}{{outcome="hit"}}'] == 10
    assert (shown[names.CACHE_ENTRIES], shown[names.CACHE_BYTES], shown[names.CACHE_LIMIT]) == (7, 600, 1000)


OUTCOMES = ("hit", "miss", "coalesced", "uncacheable")


def test_without_a_cache_there_are_zeros() -> None:
    shown = series(Metrics())
    assert set(shown.values()) == {0.0}
    assert len(shown) == len(OUTCOMES) + 5

"""Step 4 of a request, for every door that proxies use: what it is about, by the routes and the time; counted."""

from typing import final

from pdp.clock import Clock
from pdp.inventory.routes import Route, RouteTable
from pdp.telemetry.metrics import Metrics


@final
class Inventory:
    """The routes that answer now. Replaced whole when they change."""

    def __init__(self, table: RouteTable, clock: Clock, metrics: Metrics) -> None:
        self._table = table
        self._clock = clock
        self._metrics = metrics

    def match(self, method: str, host: str, path: str) -> Route:
        """The route of a request. Never raises, whatever the request holds."""
        route = self._table.match(method, host, path, self._clock())
        self._metrics.routed(route.kind.value)
        return route

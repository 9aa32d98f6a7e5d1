"""Which doors the HTTP server has: those that are configured, and no other path answers."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Final, final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pdp.cedar.schema.model import Schema
from pdp.clock import Clock
from pdp.config import Config
from pdp.config.doors import AuthzenConfig, ForwardAuthConfig, KubernetesConfig
from pdp.engine.decider import Decider
from pdp.engine.snapshot import CurrentWorld
from pdp.inventory.routes import RouteTable
from pdp.telemetry.metrics import Door, Metrics
from pdp.transport.authentication import Authentication
from pdp.transport.door import Report
from pdp.transport.http import forward_auth, kubernetes
from pdp.transport.http.authzen import answers
from pdp.transport.http.authzen import metadata as apis
from pdp.transport.http.authzen.evaluation import EvaluationDoor
from pdp.transport.http.authzen.mapping import Vocabulary
from pdp.transport.http.authzen.search import SearchDoor
from pdp.transport.http.endpoint import GuardedEndpoint, HttpAdapter, HttpReply

EVALUATIONS_THREADS: Final = 4
"""Lists of evaluations that are worked on at a time."""

SEARCH_THREADS: Final = 2
"""Searches that are worked on at a time. All share one interpreter with the other doors."""


@final
@dataclass(frozen=True, slots=True)
class Parts:
    """What doors are made of. `policy_headers` gives the headers that any loaded policy may set."""

    current: CurrentWorld
    decider: Decider
    authentication: Authentication
    policy_headers: Callable[[], Collection[str]]
    clock: Clock
    metrics: Metrics
    report: Report

    def schema(self) -> Schema | None:
        """The schema that answers now."""
        world = self.current.world
        return None if world is None else world.schema


@final
class HttpDoors:
    """The configured doors."""

    def __init__(self, config: Config, parts: Parts) -> None:
        self._parts = parts
        self._forward_auth: list[forward_auth.ForwardAuth] = []
        self.routes: Final = tuple(self._routes(config))
        """What to serve, for Starlette."""

    def set_inventory(self, routes: RouteTable) -> None:
        """The routes that proxied requests are judged by from now on."""
        for door in self._forward_auth:
            door.routes = routes

    def _routes(self, config: Config) -> Iterator[Route]:
        if config.authzen is not None:
            yield from self._authzen(config.authzen, config)
        if config.forward_auth is not None:
            yield from self._proxies(config.forward_auth)
        if config.kubernetes is not None:
            yield self._kubernetes(config.kubernetes)

    def _authzen(self, config: AuthzenConfig, whole: Config) -> Iterator[Route]:
        parts = self._parts
        vocabulary = Vocabulary(config)
        evaluation = EvaluationDoor(parts.decider, parts.authentication, vocabulary, parts.schema, parts.report)
        search = SearchDoor(
            parts.current, whole.freshness, parts.clock, parts.decider, parts.authentication, vocabulary
        )
        one = self._guarded(Door.AUTHZEN, evaluation.evaluate, answers.LAST_DECISION)
        several = self._guarded(Door.AUTHZEN_BATCH, evaluation.evaluate_all, answers.LAST_LIST, EVALUATIONS_THREADS)
        served = {apis.EVALUATION: one, apis.EVALUATIONS: several}
        for api, adapter in (
            (apis.SEARCH_SUBJECT, search.subjects),
            (apis.SEARCH_RESOURCE, search.resources),
            (apis.SEARCH_ACTION, search.actions),
        ):
            served[api] = self._guarded(Door.AUTHZEN_SEARCH, adapter, answers.LAST_LIST, SEARCH_THREADS)
        for api, endpoint in served.items():
            yield Route(apis.base_path(config.url) + api.path, endpoint.respond, methods=["POST"])
        document = apis.metadata(config.url, served)

        async def metadata(_: Request) -> Response:
            return Response(document.body, document.status, document.headers)

        yield Route(apis.metadata_path(config.url), metadata, methods=["GET"])

    def _proxies(self, config: ForwardAuthConfig) -> Iterator[Route]:
        parts = self._parts
        for family in forward_auth.FAMILIES:
            door = forward_auth.ForwardAuth(family, config, parts.decider, parts.authentication, parts.policy_headers)
            self._forward_auth.append(door)
            endpoint = self._guarded(Door.FORWARD_AUTH, door.check, forward_auth.LAST_RESORT)
            yield Route(family.path, endpoint.respond, methods=["GET"])

    def _kubernetes(self, config: KubernetesConfig) -> Route:
        parts = self._parts
        door = kubernetes.KubernetesDoor(config, parts.decider, parts.authentication, parts.schema)
        endpoint = self._guarded(Door.KUBERNETES, door.authorize, kubernetes.LAST_RESORT)
        return Route(kubernetes.PATH, endpoint.respond, methods=["POST"])

    def _guarded(self, door: Door, adapter: HttpAdapter, last_resort: HttpReply, threads: int = 0) -> GuardedEndpoint:
        return GuardedEndpoint(door, adapter, last_resort, self._parts.metrics, self._parts.report, threads=threads)

"""Which doors the HTTP server has: those that are configured, and no other path answers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pdp.cedar.schema.model import Schema
from pdp.clock import Clock
from pdp.config import Config
from pdp.config.doors import AuthzenConfig, ForwardAuthConfig, KubernetesConfig
from pdp.engine.callers.judging import CallerAction, CallerDoor
from pdp.engine.decider import Decider
from pdp.engine.snapshot import CurrentWorld
from pdp.telemetry.metrics import Door, Metrics
from pdp.telemetry.observing import Observer
from pdp.transport.admission import Admission
from pdp.transport.authentication import Authentication
from pdp.transport.door import Report
from pdp.transport.http import forward_auth, kubernetes
from pdp.transport.http.authzen import answers
from pdp.transport.http.authzen import metadata as apis
from pdp.transport.http.authzen.evaluation import EvaluationDoor
from pdp.transport.http.authzen.mapping import Vocabulary
from pdp.transport.http.authzen.search import SearchDoor
from pdp.transport.http.endpoint import GuardedEndpoint, HttpAdapter, HttpReply
from pdp.transport.http_obligations import PolicyNames
from pdp.transport.inventory import Inventory

EVALUATIONS_THREADS: Final = 4
"""Lists of evaluations that are worked on at a time."""

SEARCH_THREADS: Final = 2
"""Searches that are worked on at a time. All share one interpreter with the other doors."""


@final
@dataclass(frozen=True, slots=True)
class Parts:
    """What doors are made of. `policy_names` gives what any loaded policy may set. `observer` is there only where
    single decisions are traced, or slow ones logged.
    """

    current: CurrentWorld
    decider: Decider
    authentication: Authentication
    admission: Admission
    policy_names: Callable[[], PolicyNames]
    clock: Clock
    metrics: Metrics
    report: Report
    observer: Observer | None = None

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

    def set_inventory(self, routes: Inventory) -> None:
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
        one = self._authzen_api(Door.AUTHZEN, CallerAction.CHECK, evaluation.evaluate, answers.LAST_DECISION)
        several = self._authzen_api(
            Door.AUTHZEN_BATCH, CallerAction.CHECK, evaluation.evaluate_all, answers.LAST_LIST, EVALUATIONS_THREADS
        )
        served = {apis.EVALUATION: one, apis.EVALUATIONS: several}
        for api, adapter in (
            (apis.SEARCH_SUBJECT, search.subjects),
            (apis.SEARCH_RESOURCE, search.resources),
            (apis.SEARCH_ACTION, search.actions),
        ):
            served[api] = self._authzen_api(
                Door.AUTHZEN_SEARCH, CallerAction.SEARCH, adapter, answers.LAST_LIST, SEARCH_THREADS
            )
        for api, endpoint in served.items():
            yield Route(apis.base_path(config.url) + api.path, endpoint.respond, methods=["POST"])
        document = apis.metadata(config.url, served)

        async def metadata(_: Request) -> Response:
            return Response(document.body, document.status, document.headers)

        yield Route(apis.metadata_path(config.url), metadata, methods=["GET"])

    def _proxies(self, config: ForwardAuthConfig) -> Iterator[Route]:
        parts = self._parts
        for family in forward_auth.FAMILIES:
            door = forward_auth.ForwardAuth(family, config, parts.decider, parts.authentication, parts.policy_names)
            self._forward_auth.append(door)
            endpoint = GuardedEndpoint(
                Door.FORWARD_AUTH,
                parts.admission.gate(CallerAction.CHECK, CallerDoor.FORWARD_AUTH),
                door.check,
                parts.metrics,
                parts.report,
                refused=forward_auth.CALLER_REFUSED,
                last_resort=forward_auth.LAST_RESORT,
                observer=parts.observer,
            )
            yield Route(family.path, endpoint.respond, methods=["GET"])

    def _kubernetes(self, config: KubernetesConfig) -> Route:
        parts = self._parts
        door = kubernetes.KubernetesDoor(config, parts.decider, parts.authentication, parts.schema)
        endpoint = GuardedEndpoint(
            Door.KUBERNETES,
            parts.admission.gate(CallerAction.CHECK, CallerDoor.KUBERNETES),
            door.authorize,
            parts.metrics,
            parts.report,
            refused=kubernetes.CALLER_REFUSED,
            last_resort=kubernetes.LAST_RESORT,
            observer=parts.observer,
        )
        return Route(kubernetes.PATH, endpoint.respond, methods=["POST"])

    def _authzen_api(
        self, door: Door, action: CallerAction, adapter: HttpAdapter, last_resort: HttpReply, threads: int = 0
    ) -> GuardedEndpoint:
        return GuardedEndpoint(
            door,
            self._parts.admission.gate(action, CallerDoor.AUTHZEN),
            adapter,
            self._parts.metrics,
            self._parts.report,
            refused=answers.CALLER_REFUSED,
            last_resort=last_resort,
            threads=threads,
            observer=self._parts.observer,
        )

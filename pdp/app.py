"""The composition root: the only place where the parts are built, started and stopped.

    start   listen (every answer is an explicit deny, health says NOT_SERVING), load, be ready
    run     reload on SIGHUP and when files change; a fault in them leaves the running state in place
    stop    not ready, let running calls end, close

It prints nothing; the command line does.
"""

import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import SimpleQueue
from time import perf_counter
from types import FrameType
from typing import Final, TypeAlias, TypeVar, final

from pdp.cedar.errors import CedarError
from pdp.cedar.schema.model import Schema
from pdp.clock import Clock, now_ms
from pdp.config import Config
from pdp.context.files import load_facts
from pdp.context.memory import MemoryStore
from pdp.context.store import Facts
from pdp.engine.chain import build_chain
from pdp.engine.explaining import Explaining
from pdp.engine.reload import Reloader
from pdp.engine.snapshot import CurrentWorld, World
from pdp.identity.keyset import load_key_set
from pdp.identity.tokens import TokenVerifier
from pdp.inventory.routes import load_routes
from pdp.policies.bundle import Bundle, load_bundle
from pdp.telemetry.logs import EventLog, LogFormat
from pdp.telemetry.metrics import Door, LoadKind, Metrics
from pdp.transport.authentication import Authentication
from pdp.transport.door import Adapter, GuardedDoor
from pdp.transport.grpc import explain, ext_authz, service
from pdp.transport.grpc.batch import BatchDoor
from pdp.transport.grpc.server import GrpcServer, Methods
from pdp.transport.grpc.streams import Streamed
from pdp.transport.header_obligations import policy_headers
from pdp.transport.http.doors import HttpDoors, Parts
from pdp.transport.http.server import HttpServer, Revisions, build_routes
from pdp.watch import Watcher

POLL_SECONDS: Final = 1.0
"""How often the files are looked at. A change is loaded once it has stood still for one more look."""

GRACE_SECONDS: Final = 5.0
"""How long running calls may take after `stop`."""

Loaded = TypeVar("Loaded")
_Handler: TypeAlias = Callable[[int, FrameType | None], object] | int | None


@final
class App:
    """One decision point. `decider` is what all of its doors ask. `poll_seconds` is for tests."""

    def __init__(
        self,
        config: Config,
        log: EventLog | None = None,
        clock: Clock = now_ms,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        """Builds everything and takes the addresses. Raises ListenError."""
        self._config = config
        self._clock = clock
        self._log = log or EventLog(sys.stderr, LogFormat(config.log.format), clock)
        self.metrics: Final = Metrics()
        self._current = CurrentWorld()
        self._headers: frozenset[str] = frozenset()
        self._reloader = Reloader(self._current, MemoryStore(), self._read_bundle, self._read_facts)
        self.decider: Final = build_chain(
            self._current, config.freshness, clock, lambda error: self._report("engine", error)
        )
        self._authentication = Authentication(clock, self.metrics, accept_asserted=config.identity.accept_asserted)
        self._envoy = ext_authz.ExtAuthz(self.decider, self._authentication, lambda: self._headers)
        parts = Parts(
            self._current, self.decider, self._authentication, lambda: self._headers, clock, self.metrics, self._report
        )
        self._doors = HttpDoors(config, parts)
        self._grpc = GrpcServer(config.grpc.listen, config.grpc.workers, self._grpc_services(), self._report)
        try:
            app = build_routes(self.metrics, self.revisions, self._doors.routes)
            self._http = HttpServer(config.http.host, config.http.port, app)
        except CedarError:
            self._grpc.stop(0)
            raise
        self._watcher = Watcher(self._sources(), self._try_reload, poll_seconds)
        self._ended: SimpleQueue[None] = SimpleQueue()
        self._ready = False
        self._previous_handlers: dict[signal.Signals, _Handler] = {}

    @property
    def grpc_port(self) -> int:
        """The port that gRPC listens on; 0 for a unix socket."""
        return self._grpc.port

    @property
    def http_port(self) -> int:
        """The port that HTTP listens on."""
        return self._http.port

    @property
    def world(self) -> World | None:
        """What answers now."""
        return self._current.world

    def revisions(self) -> Revisions | None:
        """The revisions that answer now; None before the first load and while stopping."""
        world = self._current.world
        return Revisions(world.policy_revision, world.context_revision) if world is not None and self._ready else None

    def start(self) -> World:
        """Listen, load, be ready; returns what was loaded. On the main thread, takes SIGHUP, SIGTERM and SIGINT.

        Raises CedarError for the first source at fault, with everything stopped.
        """
        self._take_signals()
        try:
            self._grpc.start()
            self._http.start()
            world = self.reload()
        except BaseException:
            self.stop()
            raise
        self._set_ready(ready=True)
        self._watcher.start()
        return world

    def wait(self) -> None:
        """Returns when SIGTERM or SIGINT came, or `stop` was called."""
        self._ended.get()

    def stop(self) -> None:
        """Not ready, let running calls end, close. Returns when done; harmless when repeated."""
        self._set_ready(ready=False)
        self._watcher.stop()
        self._grpc.stop(GRACE_SECONDS)
        self._http.stop()
        self._give_signals_back()
        self._ended.put(None)

    def reload(self) -> World:
        """Read everything anew and put it in place; counted, and logged if it went well.

        Raises CedarError for the first source at fault, with nothing changed.
        """
        started = perf_counter()
        try:
            world = self._load()
        except CedarError as error:
            self.metrics.reload_failed(error.code)
            raise
        self.metrics.reloaded(world.policy_revision, world.context_revision, self._clock())
        policies = world.policies
        self._log.info(
            "load",
            outcome="ok",
            policy_revision=world.policy_revision,
            context_revision=world.context_revision,
            policies=len(policies.static),
            templates=len(policies.templates),
            grants=len(world.facts.grants),
            entities=len(world.facts.entities),
            seconds=round(perf_counter() - started, 3),
        )
        return world

    def _load(self) -> World:
        """INVARIANT: everything is read before anything is replaced, so that a fault changes nothing."""
        config = self._config
        keys = self._counted(LoadKind.KEYS, lambda: load_key_set(config.identity.jwks))
        routes = self._counted(LoadKind.ROUTES, lambda: load_routes(config.inventory.routes))
        verifier = TokenVerifier(config.identity, keys)
        before = self._headers
        try:
            world = self._reloader.reload()
        except BaseException:
            self._headers = before
            raise
        self._headers = policy_headers(world.policies)
        self._authentication.verifier = verifier
        self._envoy.routes = routes
        self._doors.set_inventory(routes)
        return world

    def _sources(self) -> tuple[Path, ...]:
        config = self._config
        return (config.policies.directory, config.context.directory, config.inventory.routes, config.identity.jwks)

    def _read_bundle(self) -> Bundle:
        """The bundle, with its header obligations checked.

        From here until the new policies are in place, the headers of both the old and the new ones are kept from
        clients: a decision in between may have been made by either.
        """

        def read() -> tuple[Bundle, frozenset[str]]:
            bundle = load_bundle(self._config.policies.directory)
            return bundle, policy_headers(bundle.policies)

        bundle, headers = self._counted(LoadKind.POLICY, read)
        self._headers |= headers
        return bundle

    def _read_facts(self, schema: Schema) -> Facts:
        context = self._config.context

        def read() -> Facts:
            return load_facts(context.directory, schema, self._clock(), relative_times=context.relative_times)

        return self._counted(LoadKind.CONTEXT, read)

    def _counted(self, kind: LoadKind, read: Callable[[], Loaded]) -> Loaded:
        try:
            loaded = read()
        except CedarError:
            self.metrics.loaded(kind, ok=False)
            raise
        self.metrics.loaded(kind, ok=True)
        return loaded

    def _try_reload(self, cause: str) -> None:
        """For the watcher: whatever goes wrong is told, and the running state stays."""
        try:
            self.reload()
        except CedarError as error:
            self._log.error("load", outcome="error", cause=cause, code=error.code, message=error.render())
        except Exception as error:  # the watcher must live to see the next change
            self.metrics.reload_failed("unexpected")
            self._report("reload", error)

    def _report(self, place: str, error: Exception) -> None:
        """Tell of a defect: what kind and where, but not its text, which may hold what a request brought along."""
        self.metrics.unexpected(place)
        lines = (f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__))
        self._log.error("defect", place=place, error=type(error).__name__, trace=" > ".join(lines))

    def _grpc_services(self) -> Mapping[str, Methods]:
        decisions = service.DecisionService(self.decider, self._authentication)
        explaining = Explaining(self._current, self._config.freshness, self._clock)
        explanations = explain.ExplainService(decisions, explaining.explain, enabled=self._config.grpc.explain)
        return {
            service.NAME: {
                "Check": self._guarded(Door.CHECK, decisions.check, service.LAST_RESORT),
                "CheckBatch": BatchDoor(decisions, self.metrics, self._report),
                "CheckStream": Streamed(
                    self._guarded(Door.CHECK_STREAM, decisions.check, service.LAST_RESORT),
                    self._guarded(Door.CHECK_STREAM, service.deny_stream, service.LAST_RESORT),
                    self._config.grpc.streams,
                ),
                "Explain": self._guarded(Door.EXPLAIN, explanations.explain, explain.LAST_RESORT),
            },
            ext_authz.NAME: {"Check": self._guarded(Door.EXT_AUTHZ, self._envoy.check, ext_authz.LAST_RESORT)},
        }

    def _guarded(self, door: Door, adapter: Adapter, last_resort: bytes) -> GuardedDoor:
        return GuardedDoor(door, adapter, last_resort, self.metrics, self._report)

    def _set_ready(self, *, ready: bool) -> None:
        self._ready = ready
        self.metrics.ready(ready=ready)
        self._grpc.set_ready(ready=ready)

    def _take_signals(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        handlers: dict[signal.Signals, _Handler] = {
            signal.SIGHUP: lambda *_: self._watcher.order("SIGHUP"),
            signal.SIGTERM: lambda *_: self._ended.put(None),
            signal.SIGINT: lambda *_: self._ended.put(None),
        }
        for number, handler in handlers.items():
            self._previous_handlers[number] = signal.signal(number, handler)

    def _give_signals_back(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        while self._previous_handlers:
            number, handler = self._previous_handlers.popitem()
            # None stands for a handler that was not installed by Python and cannot be put back by it.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

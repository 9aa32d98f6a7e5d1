"""The composition root: the only place where the parts are built, started and stopped.

    start   listen (every answer is an explicit deny, health says NOT_SERVING), load, be ready
    run     reload on SIGHUP and when files change; a fault in them leaves the running state in place
    stop    not ready, let running calls end, close

It prints nothing; the command line does.
"""

import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from time import perf_counter
from typing import Final, TypeVar, final

from pdp.cedar.errors import CedarError
from pdp.cedar.schema.model import Schema
from pdp.clock import Clock, now_ms
from pdp.config import Config
from pdp.context.facts import Facts
from pdp.context.files import load_facts
from pdp.context.keeping import Keeping
from pdp.engine.caching import Caching
from pdp.engine.callers.judging import (
    CallerAction,
    CallerDoor,
    CallerPolicies,
    Switches,
    load_caller_policies,
)
from pdp.engine.chain import build_chain
from pdp.engine.decider import Decider
from pdp.engine.observing import Observing
from pdp.engine.pacing import Pace, standing_back
from pdp.engine.reload import Reloader
from pdp.engine.snapshot import CurrentWorld, World
from pdp.engine.watches import Watches
from pdp.engine.writing import Writing
from pdp.identity.schema_check import check_mappings, check_workloads
from pdp.identity.service import IdentityService
from pdp.inventory.reading import load_routes
from pdp.inventory.routes import RouteTable
from pdp.policies.built.header import BuiltError
from pdp.policies.bundle import Bundle
from pdp.policies.loading import BundleLoader
from pdp.telemetry.logs import EventLog, LogFormat
from pdp.telemetry.metrics import LoadKind, Metrics
from pdp.telemetry.observing import concerned
from pdp.transport.admission import Admission
from pdp.transport.authentication import Authentication
from pdp.transport.certificates import Certificates
from pdp.transport.challenges import Challenges
from pdp.transport.grpc import ext_authz
from pdp.transport.grpc.doors import GrpcDoors
from pdp.transport.grpc.server import GrpcServer
from pdp.transport.http.doors import HttpDoors, Parts
from pdp.transport.http.server import HttpServer, Revisions, build_routes
from pdp.transport.http_obligations import NO_NAMES, PolicyNames, policy_names
from pdp.transport.inventory import Inventory
from pdp.transport.observed import ObservedVerifier, build_observer, start_observing
from pdp.watch import Signals, Watcher

POLL_SECONDS: Final = 1.0
"""How often the files are looked at. A change is loaded once it has stood still for one more look."""

GRACE_SECONDS: Final = 5.0
"""How long running calls may take after `stop`."""

ORDERED: Final = "SIGHUP"
"""The cause of a reload that somebody asked for: keys are fetched anew, too."""

Loaded = TypeVar("Loaded")


@final
class App:
    """One decision point. `decider` is what all of its doors ask. `poll_seconds` is for tests.

    `alone`: the process has no other purpose, so that a reload may say how all of it uses the interpreter and the
    garbage collector (`engine.pacing`).
    """

    def __init__(
        self,
        config: Config,
        log: EventLog | None = None,
        clock: Clock = now_ms,
        poll_seconds: float = POLL_SECONDS,
        *,
        alone: bool = False,
    ) -> None:
        """Builds everything and takes the addresses.

        Raises CedarError: ListenError, or for certificates or policies about callers that cannot be used.
        """
        self._config = config
        self._alone = alone
        self._clock = clock
        self._log = log or EventLog(sys.stderr, LogFormat(config.log.format), clock)
        self.metrics: Final = Metrics()
        self._current, self._watches = CurrentWorld(), Watches()
        self._names = NO_NAMES
        self._routes = RouteTable()
        self._bundles = BundleLoader(config.policies, self._report_built)
        self._pace = Pace()
        self._facts = Keeping(config.context, clock, self._report)
        store = self._facts.store
        self._reloader = Reloader(self._current, store, self._read_bundle, self._read_facts, clock, self._pace)
        self._writing = Writing(self._current, store, self._reloader.lock)
        self._observer = build_observer(config, self._log, self.metrics, self._report)
        self.decider: Final = build_chain(
            self._current,
            config.freshness,
            clock,
            lambda error: self._report("engine", error),
            self._caching(),
            None if self._observer is None else self._observing,
        )
        self._identity = IdentityService(
            config.identity, metrics=self.metrics.identity, report=self._report_keys, clock=clock
        )
        switches = Switches(config.identity.accept_asserted, config.grpc.explain)
        self._admission = Admission(self._read_callers(), switches, self.metrics)
        self._certificates = Certificates(config.grpc.tls, config.http.tls, clock, self.metrics)
        challenges = Challenges(self._identity.proof_algorithms)
        self._authentication = Authentication(clock, self.metrics, self._admission, challenges)
        parts = self._parts()
        self._envoy = ext_authz.ExtAuthz(
            config.ext_authz, self.decider, self._authentication, parts.policy_names, parts.schema
        )
        self._doors = HttpDoors(config, parts)
        services = GrpcDoors(config, parts, self._envoy, self._watches, self._writing, store).services()
        observed = self._observer is not None
        self._grpc = GrpcServer(config.grpc, services, self._report, self._certificates.grpc, observed=observed)
        self._http = self._take_http()
        self._watcher = Watcher(self._sources(), self._try_reload, poll_seconds)
        self._ended: SimpleQueue[None] = SimpleQueue()
        self._ready = False
        self._signals = self._orders()

    def _orders(self) -> Signals:
        return Signals(
            {
                signal.SIGHUP: lambda: self._watcher.order(ORDERED),
                signal.SIGTERM: lambda: self._ended.put(None),
                signal.SIGINT: lambda: self._ended.put(None),
            }
        )

    def _parts(self) -> Parts:
        """What the doors are made of."""
        return Parts(
            self._current,
            self.decider,
            self._authentication,
            self._admission,
            lambda: self._names,
            self._clock,
            self.metrics,
            self._report,
            self._observer,
        )

    def _take_http(self) -> HttpServer:
        """The HTTP server on its address; if it cannot have that, gRPC's is free again."""
        reader = self._admission.gate(CallerAction.READ_METRICS, CallerDoor.METRICS)
        app = build_routes(self.metrics, self.revisions, reader, self._doors.routes)
        try:
            return HttpServer(self._config.http, app, self._certificates.http)
        except CedarError:
            self._grpc.stop(0)
            raise

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

    @property
    def callers(self) -> CallerPolicies:
        """The policies about callers that hold now."""
        return self._admission.policies

    def revisions(self) -> Revisions | None:
        """The revisions that answer now; None before the first load and while stopping."""
        world = self._current.world
        return Revisions(world.policy_revision, world.context_revision) if world is not None and self._ready else None

    def start(self) -> World:
        """Listen, load, be ready; returns what was loaded. On the main thread, takes SIGHUP, SIGTERM and SIGINT.

        Raises CedarError for the first source at fault, with everything stopped.
        """
        self._signals.take()
        try:
            start_observing(self._observer)
            self._grpc.start()
            self._http.start()
            world = self.reload()
            self._identity.start()
            self._facts.start()
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
        self._bundles.cancel()
        self._watcher.stop()
        self._watches.close()
        self._grpc.stop(GRACE_SECONDS)
        self._http.stop()
        self._identity.stop()
        if self._observer is not None:
            self._observer.stop()
        self._facts.stop()
        self._signals.give_back()
        self._ended.put(None)

    def reload(self) -> World:
        """Read everything anew and put it in place; counted, and logged if it went well.

        Raises CedarError for the first source at fault, with nothing changed.
        """
        with standing_back(alone=self._alone, again=self.world is not None):
            world = self._reload()
            self._reloader.let_go(wait=self._alone)
        return world

    def _reload(self) -> World:
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
        put_identity = self._counted(LoadKind.KEYS, self._identity.load)
        callers = self._read_callers()
        before = self._names
        try:
            world = self._reloader.reload()
        except BaseException:
            self._names = before
            raise
        self._names = policy_names(world.policies)
        put_identity()
        self._admission.replace(callers)
        verifier = self._identity.verifier
        self._authentication.verifier = verifier if self._observer is None else ObservedVerifier(verifier)
        inventory = Inventory(self._routes, self._clock, self.metrics)
        self._envoy.routes = inventory
        self._doors.set_inventory(inventory)
        return world

    def _sources(self) -> tuple[Path, ...]:
        config = self._config
        inventory = (config.inventory.routes, *filter(None, (config.inventory.documents,)))
        own = (*self._certificates.sources, *filter(None, (config.callers.policies, config.policies.built)))
        return (config.policies.directory, config.context.directory, *inventory, *self._identity.sources(), *own)

    def _read_callers(self) -> CallerPolicies:
        return self._counted(LoadKind.CALLERS, lambda: load_caller_policies(self._config.callers.policies))

    def _read_bundle(self) -> Bundle:
        """The bundle, with its obligations checked.

        From here until the new policies are in place, the names of both the old and the new ones are kept from
        clients: a decision in between may have been made by either.
        """

        def read() -> tuple[Bundle, PolicyNames]:
            bundle = self._bundles.load(None if self.world is None else self._pace)
            self._envoy.prepare(bundle.schema)
            check_mappings(self._config.identity.issuers, bundle.schema)
            check_workloads(self._config.identity.spiffe, bundle.schema)
            return bundle, policy_names(bundle.policies)

        bundle, names = self._counted(LoadKind.POLICY, read)
        self._names |= names
        return bundle

    def _read_facts(self, schema: Schema) -> Facts:
        """The facts. First the routes, which are held against the same schema and put in place with the new world."""
        config = self._config
        self._routes = self._counted(LoadKind.ROUTES, lambda: load_routes(config.inventory, schema))
        context = config.context

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
        """For the watcher: whatever goes wrong is told, and the running state stays.

        Certificates come by themselves: neither a faulty policy nor a faulty key may keep the other from its renewal.
        """
        if cause == ORDERED:
            self._identity.refresh()
        for event, load in (("certificates", self._certificates.reload), ("load", self.reload)):
            try:
                load()
            except CedarError as error:
                self._log.error(event, outcome="error", cause=cause, code=error.code, message=error.render())
            except Exception as error:  # the watcher must live to see the next change
                self.metrics.reload_failed("unexpected")
                self._report("reload", error)

    def _report_built(self, error: BuiltError) -> None:
        """Tell of a built bundle that was passed over for its sources: the time that it was to save was spent."""
        self.metrics.built_refused(error.code)
        self._log.error("built", outcome="refused", code=error.code, message=error.render())

    def _report_keys(self, issuer: str, error: CedarError) -> None:
        """Tell of an issuer whose keys could not be fetched; the last good ones serve as long as they are believed."""
        self._log.error("keys", outcome="error", issuer=issuer, message=error.message)

    def _report(self, place: str, error: Exception) -> None:
        """Tell of a defect: what kind and where, but not its text, which may hold what a request brought along."""
        self.metrics.unexpected(place)
        lines = (f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__))
        self._log.error("defect", place=place, error=type(error).__name__, trace=" > ".join(lines), **concerned())

    def _observing(self, inner: Decider) -> Decider:
        tracing = self._config.tracing
        return Observing(inner, principal=tracing is not None and tracing.principal)

    def _caching(self) -> Caching | None:
        cache = self._config.cache
        if not cache.enabled:
            return None
        caching = Caching(self._current, self._config.freshness, self._clock, cache.bytes)
        self.metrics.cache.show(caching.figures)
        return caching

    def _set_ready(self, *, ready: bool) -> None:
        self._ready = ready
        self.metrics.ready(ready=ready)
        self._grpc.set_ready(ready=ready)

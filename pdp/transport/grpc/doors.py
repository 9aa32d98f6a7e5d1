"""Which services and methods the gRPC server has, and who stands before each."""

from collections.abc import Mapping
from typing import final

from pdp.config import Config
from pdp.context.store import ContextStore
from pdp.engine.callers.judging import CallerAction, CallerDoor
from pdp.engine.explaining import Explaining
from pdp.engine.watches import Watches
from pdp.engine.writing import Writing
from pdp.telemetry.metrics import Door
from pdp.transport.door import Adapter, Answer, GatedDoor, GuardedDoor
from pdp.transport.grpc import batch, context, explain, ext_authz, service
from pdp.transport.grpc.batch import BatchDoor
from pdp.transport.grpc.server import Methods
from pdp.transport.grpc.streams import Streamed, Subscribed
from pdp.transport.grpc.watch import WatchService
from pdp.transport.http.doors import Parts


@final
class GrpcDoors:
    """The doors of one decision point."""

    def __init__(
        self,
        config: Config,
        parts: Parts,
        envoy: ext_authz.ExtAuthz,
        watches: Watches,
        writing: Writing,
        store: ContextStore,
    ) -> None:
        self._config = config
        self._parts = parts
        self._envoy = envoy
        self._watches = watches
        self._writing = writing
        self._store = store
        self._decisions = service.DecisionService(parts.decider, parts.authentication)
        # After the cache, which `decider` holds: who hears of a change and asks again must not get what was before.
        parts.current.listen(watches.changed)

    @property
    def _context(self) -> context.ContextService:
        parts = self._parts
        gate = parts.admission.gate(CallerAction.ADMINISTER, CallerDoor.CONTEXT)
        return context.ContextService(self._writing, self._store, gate, parts.clock, parts.metrics, parts.report)

    def services(self) -> Mapping[str, Methods]:
        """The services by full name."""
        return {
            service.NAME: {
                "Check": self._check(Door.CHECK),
                "CheckBatch": self._check_batch(),
                "CheckStream": Streamed(
                    self._check(Door.CHECK_STREAM),
                    self._guarded(Door.CHECK_STREAM, service.deny_stream, service.LAST_RESORT),
                    self._config.grpc.streams,
                ),
                "Explain": self._explain(),
                "Watch": Subscribed(self._watch().watch, self._config.grpc.watchers),
            },
            context.NAME: {"Write": self._context.write, "Believed": self._context.believed},
            ext_authz.NAME: {"Check": self._check_for_envoy()},
        }

    def _check(self, door: Door) -> GatedDoor:
        inner = self._guarded(door, self._decisions.check, service.LAST_RESORT)
        return self._gated(door, CallerAction.CHECK, inner, service.CALLER_REFUSED)

    def _check_batch(self) -> GatedDoor:
        inner = BatchDoor(self._decisions, self._parts.metrics, self._parts.report, self._parts.observer)
        return self._gated(Door.CHECK_BATCH, CallerAction.CHECK, inner, batch.CALLER_REFUSED)

    def _explain(self) -> GatedDoor:
        explaining = Explaining(self._parts.current, self._config.freshness, self._parts.clock)
        adapter = explain.ExplainService(self._decisions, explaining.explain).explain
        inner = self._guarded(Door.EXPLAIN, adapter, explain.LAST_RESORT)
        return self._gated(Door.EXPLAIN, CallerAction.EXPLAIN, inner, explain.CALLER_REFUSED)

    def _watch(self) -> WatchService:
        gate = self._parts.admission.gate(CallerAction.WATCH, CallerDoor.DECISIONS)
        return WatchService(self._watches, gate.admits, self._parts.metrics.watching)

    def _check_for_envoy(self) -> GatedDoor:
        inner = self._guarded(Door.EXT_AUTHZ, self._envoy.check, ext_authz.LAST_RESORT)
        refused = ext_authz.CALLER_REFUSED
        return self._gated(Door.EXT_AUTHZ, CallerAction.CHECK, inner, refused, CallerDoor.EXT_AUTHZ)

    def _guarded(self, door: Door, adapter: Adapter, last_resort: bytes) -> GuardedDoor:
        parts = self._parts
        return GuardedDoor(door, adapter, last_resort, parts.metrics, parts.report, parts.observer)

    def _gated(
        self,
        door: Door,
        action: CallerAction,
        inner: Answer,
        refused: bytes,
        place: CallerDoor = CallerDoor.DECISIONS,
    ) -> GatedDoor:
        gate = self._parts.admission.gate(action, place)
        return GatedDoor(door, gate, inner, refused, self._parts.metrics, self._parts.report)

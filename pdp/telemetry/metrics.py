"""The metrics of one running decision point, in a registry of its own (tests run several in one process).

`prometheus_client` looks a label up in more time than a cached decision takes, so every child is bound once, on its
first use, and kept in a plain dictionary. The label values are closed lists: no request can make a new series.
"""

from collections.abc import Iterable
from enum import Enum, unique
from typing import Final, final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.openmetrics import exposition as openmetrics

from pdp.telemetry import names
from pdp.telemetry.cache import CacheMetrics
from pdp.telemetry.identity import IdentityMetrics
from pdp.telemetry.tracing_metrics import TracingMetrics
from pdp.telemetry.watching import WatchMetrics

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
"""The media type of `Metrics.exposition`."""

OPEN_CONTENT_TYPE: Final = openmetrics.CONTENT_TYPE_LATEST
"""The media type of `Metrics.open_exposition`."""

LATENCY_BUCKETS: Final = (
    *(1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4),
    *(1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1.0),
)
"""Upper bounds in seconds: 1 us to 1 s, three to a decade. A proxy's usual deadline, 0.2 s, is one of them."""


@unique
class Door(Enum):
    """The interfaces that ask for decisions. A search counts as an allow if its page holds a result."""

    CHECK = "check"
    CHECK_BATCH = "check_batch"
    CHECK_STREAM = "check_stream"
    EXPLAIN = "explain"
    EXT_AUTHZ = "ext_authz"
    AUTHZEN = "authzen"
    AUTHZEN_BATCH = "authzen_batch"
    AUTHZEN_SEARCH = "authzen_search"
    FORWARD_AUTH = "forward_auth"
    KUBERNETES = "kubernetes"


@unique
class LoadKind(Enum):
    """What is read from files."""

    POLICY = names.POLICY_LOADS
    CONTEXT = names.CONTEXT_LOADS
    KEYS = names.KEY_LOADS
    ROUTES = names.ROUTE_LOADS
    CALLERS = names.CALLER_POLICY_LOADS
    CERTIFICATES = names.CERTIFICATE_LOADS


@final
class BoundCounter:
    """A counter whose children are bound on first use."""

    __slots__ = ("_children", "_counter")

    def __init__(self, registry: CollectorRegistry, name: str, help: str, labels: tuple[str, ...]) -> None:
        self._counter = Counter(name, help, labels, registry=registry)
        self._children: dict[tuple[str, ...], Counter] = {}

    def increment(self, *values: str) -> None:
        """Count one for these label values, given in the labels' order."""
        child = self._children.get(values)
        if child is None:
            child = self._children[values] = self._counter.labels(*values)
        child.inc()

    def declare(self, *values: str) -> None:
        """Show the series at 0 before its first event, so that an alert sees the first increase."""
        self._children[values] = self._counter.labels(*values)


@final
class Metrics:
    """Everything that is counted. All methods may be called from any thread."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.identity: Final = IdentityMetrics(registry)
        self.cache: Final = CacheMetrics(registry)
        self.watching: Final = WatchMetrics(registry)
        self.tracing: Final = TracingMetrics(registry)
        latency = Histogram(
            names.DECISION_SECONDS, "Time to a decision", ("door",), buckets=LATENCY_BUCKETS, registry=registry
        )
        self._latency = {door: latency.labels(door.value) for door in Door}
        self._decisions = BoundCounter(registry, names.DECISIONS, "Decisions", ("door", "decision", "reason"))
        self._evaluation_errors = BoundCounter(
            registry, names.EVALUATION_ERRORS, "Policies that could not be evaluated", ("kind",)
        )
        self._identity = BoundCounter(registry, names.IDENTITY_FAILURES, "Credentials refused", ("cause",))
        self._routed = BoundCounter(registry, names.API_REQUESTS, "Proxied requests by route", ("route",))
        self._callers_refused = BoundCounter(registry, names.CALLERS_REFUSED, "Callers refused", ("action",))
        self._context_calls = BoundCounter(registry, names.CONTEXT_CALLS, "Calls", ("method", "outcome"))
        self._expires = Gauge(names.CERTIFICATE_EXPIRES_AT, "When it expires", ("server",), registry=registry)
        self._unexpected = BoundCounter(registry, names.UNEXPECTED_ERRORS, "Unforeseen exceptions", ("place",))
        self._loads = {
            kind: BoundCounter(registry, kind.value, f"Readings: {kind.name.lower()}", ("outcome",))
            for kind in LoadKind
        }
        self._reloads = BoundCounter(registry, names.RELOADS, "Attempts to put a new state in place", ("outcome",))
        self._load_errors = BoundCounter(registry, names.LOAD_ERRORS, "Failed attempts by error code", ("code",))
        self._built_refused = BoundCounter(registry, names.BUILT_REFUSED, "Built bundles passed over", ("code",))
        self._revision = Gauge(
            names.POLICY_REVISION, "The policy revision that answers", ("revision",), registry=registry
        )
        self._policy_loaded_at = Gauge(names.POLICY_LOADED_AT, "When it was put in place", registry=registry)
        self._context_revision = Gauge(names.CONTEXT_REVISION, "The context revision", registry=registry)
        self._context_loaded_at = Gauge(names.CONTEXT_LOADED_AT, "When it was put in place", registry=registry)
        self._ready = Gauge(names.READY, "Whether requests are decided by policies", registry=registry)
        for counter in (self._reloads, *self._loads.values()):
            counter.declare("ok")
            counter.declare("error")

    def decided(self, door: Door, decision: str, reason: str, seconds: float, trace_id: str = "") -> None:
        """One answer left through a door after this many seconds. `trace_id`: where it can be looked at, if it can."""
        if trace_id:
            self._latency[door].observe(seconds, {"trace_id": trace_id})
        else:
            self._latency[door].observe(seconds)
        self._decisions.increment(door.value, decision, reason)

    def evaluation_errors(self, kinds: Iterable[str]) -> None:
        """These kinds of error occurred in one request, one for each policy that failed."""
        for kind in kinds:
            self._evaluation_errors.increment(kind)

    def identity_failed(self, cause: str) -> None:
        """A credential was refused. `cause` must come from a closed list, never from the credential."""
        self._identity.increment(cause)

    def routed(self, kind: str) -> None:
        """A proxy asked about a request; `kind` is from a closed list, what the inventory knows of it."""
        self._routed.increment(kind)

    def context_asked(self, method: str, outcome: str) -> None:
        """A call of the context service was answered."""
        self._context_calls.increment(method, outcome)

    def caller_refused(self, action: str) -> None:
        """A caller may not do what it tried. `action` is one of the policies about callers."""
        self._callers_refused.increment(action)

    def certificate_expires(self, server: str, at: int) -> None:
        """A server shows a certificate that expires at that time (seconds since 1970)."""
        self._expires.labels(server).set(at)

    def unexpected(self, place: str) -> None:
        """An exception reached a last line of defence. `place` names that line."""
        self._unexpected.increment(place)

    def loaded(self, kind: LoadKind, *, ok: bool) -> None:
        """A source was read, or could not be."""
        self._loads[kind].increment("ok" if ok else "error")

    def reload_failed(self, code: str) -> None:
        """A new state was refused; the running one stays."""
        self._reloads.increment("error")
        self._load_errors.increment(code)

    def built_refused(self, code: str) -> None:
        """A built bundle was passed over for its sources."""
        self._built_refused.increment(code)

    def reloaded(self, policy_revision: str, context_revision: int, now: int) -> None:
        """A new state answers since `now` (milliseconds since 1970)."""
        self._reloads.increment("ok")
        self._revision.clear()
        self._revision.labels(policy_revision).set(1)
        self._policy_loaded_at.set(now / 1000)
        self._context_revision.set(context_revision)
        self._context_loaded_at.set(now / 1000)

    def ready(self, *, ready: bool) -> None:
        """Whether requests are decided by policies from here on."""
        self._ready.set(1 if ready else 0)

    def exposition(self) -> bytes:
        """All metrics in the Prometheus text format (`CONTENT_TYPE`)."""
        return generate_latest(self._registry)

    def open_exposition(self) -> bytes:
        """All metrics in the OpenMetrics text format (`OPEN_CONTENT_TYPE`), with the traces of single decisions."""
        return bytes(openmetrics.generate_latest(self._registry))  # type: ignore[no-untyped-call]  # of the library

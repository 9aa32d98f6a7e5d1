"""One decision as it is observed: what its parts took, and the trace that it belongs to.

Nothing of this runs unless tracing or the log of slow decisions is configured. Then each door begins an observation,
and whoever does a part of the work finds it in `OBSERVED` and says how long that took. Spans are made when the decision
has been made, of those observations that are traced: whether one is, is known before anything else is done for it.

What is noted is the decision's, never the question's: no credential, no claim, no value of an attribute.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar, Token
from time import perf_counter_ns, time_ns
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias, final

if TYPE_CHECKING:
    from pdp.telemetry.slow import SlowDecisions

Carrier: TypeAlias = Sequence[tuple[str, str | bytes]]
"""The metadata of a call, or the headers of a request, names in lower case."""

IDENTITY: Final = "identity"
DECIDE: Final = "decide"
ENRICH: Final = "enrich"
EVALUATE: Final = "evaluate"

MAX_PHASES: Final = 64
"""Parts of one decision that are told apart; a list of evaluations has some for each."""


class Outcome(NamedTuple):
    """A verdict, as it is told of. `policies` are ids."""

    decision: str
    reason: str
    policy_revision: str = ""
    context_revision: int = 0
    policies: tuple[str, ...] = ()


class Phase(NamedTuple):
    """A part of the work. Times are those of `perf_counter_ns`. `cached`: no policy was asked for this outcome."""

    name: str
    began: int
    ended: int
    outcome: Outcome | None = None
    cached: bool = False


class Tracing(Protocol):
    """Makes spans; `pdp.telemetry.tracing.OpenTelemetry` is the real one."""

    def wants(self, carrier: Carrier) -> bool:
        """Whether what came with this is traced."""
        ...

    def trace_id(self, observation: "Observation") -> str:
        """The trace that a traced observation belongs to, in hexadecimal; "" if there is none after all."""
        ...

    def emit(self, observation: "Observation", outcomes: Sequence[Outcome]) -> None:
        """Make the spans of a traced observation that has ended."""
        ...

    def start(self) -> None:
        """Begin to send spans."""
        ...

    def stop(self) -> None:
        """Send what is left, within a few seconds."""
        ...


@final
class Observation:
    """One decision, from the request's bytes to the answer's; or one call with several, which are then within it.

    Used by one thread at a time. `span` is the tracer's own.
    """

    __slots__ = (
        *("began", "began_at", "carrier", "door", "ended", "evaluations", "failed", "left_out", "outer"),
        *("phases", "principal", "request_id", "span", "token", "traced", "tracing"),
    )

    def __init__(self, door: str, carrier: Carrier, outer: "Observation | None", tracing: Tracing | None) -> None:
        self.door: Final = door
        self.carrier = carrier
        self.outer: Final = outer
        self.tracing: Final = tracing
        self.traced = False
        self.failed = False
        self.request_id = ""
        self.principal = ""
        self.phases: Final[list[Phase]] = []
        self.left_out = 0
        self.evaluations = 0
        self.span: object = None
        self.token: Token[Observation | None] | None = None
        self.began_at: Final = time_ns()
        self.ended = 0
        self.began: Final = perf_counter_ns()

    def now(self) -> int:
        """The time."""
        return perf_counter_ns()

    def evaluating(self) -> int:
        """Policies are about to be asked; gives the time."""
        self.evaluations += 1
        return perf_counter_ns()

    def lap(self, name: str, began: int, outcome: Outcome | None = None, *, cached: bool = False) -> int:
        """A part that began then ends now; gives the time."""
        ended = perf_counter_ns()
        if len(self.phases) < MAX_PHASES:
            self.phases.append(Phase(name, began, ended, outcome, cached))
        else:
            self.left_out += 1
        return ended

    @property
    def seconds(self) -> float:
        """How long it took, once it has ended."""
        return (self.ended - self.began) / 1e9

    def trace_id(self) -> str:
        """The trace that it belongs to, "" if it is not traced."""
        return self.tracing.trace_id(self) if self.traced and self.tracing is not None else ""


OBSERVED: Final[ContextVar[Observation | None]] = ContextVar("pdp.observed", default=None)
"""What is being observed here and now; None nearly always."""

CARRIED: Final[ContextVar[Carrier]] = ContextVar("pdp.carried", default=())
"""The metadata of the call that this thread answers, while decisions are observed."""

_CONCERNED: Final[ContextVar[str]] = ContextVar("pdp.concerned", default="")


@final
class Observer:
    """Begins and ends observations. Never raises: what goes wrong here must not change an answer."""

    def __init__(
        self, tracing: Tracing | None, slow: "SlowDecisions | None", report: Callable[[str, Exception], None]
    ) -> None:
        self._tracing = tracing
        self._slow = slow
        self._report = report

    def begin(self, door: str, carrier: Carrier | None = None) -> Observation:
        """What is decided from here on, in this thread or task, is observed. Without a carrier, it is the call's."""
        outer = OBSERVED.get()
        found = CARRIED.get() if carrier is None else carrier
        observation = Observation(door, found, outer, self._tracing)
        if outer is not None:
            observation.traced = outer.traced
        elif self._tracing is not None:
            observation.traced = self._wants(self._tracing, found)
        observation.token = OBSERVED.set(observation)
        return observation

    def end(self, observation: Observation, outcomes: Sequence[Outcome]) -> str:
        """The answer is made; gives the trace that it belongs to, "" if it is not traced."""
        observation.ended = perf_counter_ns()
        try:
            if observation.token is not None:
                OBSERVED.reset(observation.token)
            trace_id = observation.trace_id()
            if observation.traced and self._tracing is not None:
                self._tracing.emit(observation, outcomes)
            if self._slow is not None and outcomes:
                self._slow.saw(observation, outcomes, trace_id)
        except Exception as error:  # an answer has been made, and nothing of this may cost it
            self._report("observing", error)
            return ""
        return trace_id

    def abandon(self, observation: Observation) -> None:
        """No answer came of it. Does nothing for one that has ended."""
        if not observation.ended:
            observation.failed = True
            self.end(observation, ())

    def start(self) -> None:
        """Begin to send spans."""
        if self._tracing is not None:
            self._tracing.start()

    def stop(self) -> None:
        """Send what is left. Harmless when repeated."""
        if self._tracing is not None:
            self._tracing.stop()

    def _wants(self, tracing: Tracing, carrier: Carrier) -> bool:
        try:
            return tracing.wants(carrier)
        except Exception as error:  # as above
            self._report("observing", error)
            return False


def offer(carrier: Carrier) -> None:
    """Headers of the request that is asked about: they say which trace it belongs to if the call itself does not."""
    observation = OBSERVED.get()
    if observation is None or observation.tracing is None or observation.outer is not None:
        return
    if not is_in_trace(observation.carrier) and is_in_trace(carrier):
        observation.carrier = carrier
        observation.traced = observation.tracing.wants(carrier)


def is_in_trace(carrier: Carrier) -> bool:
    """Whether it names a trace, well or badly."""
    return any(name == "traceparent" for name, _ in carrier)


def note_request(request_id: str) -> None:
    """The id of the request that is observed, where it is refused before the engine learns of it."""
    observation = OBSERVED.get()
    if observation is not None:
        observation.request_id = request_id


@contextmanager
def concerning(request_id: str) -> Iterator[None]:
    """What is reported in this block concerns that request."""
    token = _CONCERNED.set(request_id)
    try:
        yield
    finally:
        _CONCERNED.reset(token)


def concerned() -> dict[str, str]:
    """The ids of the request and of the trace that whatever happens now belongs to, as far as they are known."""
    observation = OBSERVED.get()
    request_id, trace_id = _CONCERNED.get(), ""
    if observation is not None:
        request_id = request_id or observation.request_id
        with suppress(Exception):  # whoever tells of a defect must not meet with another one
            trace_id = observation.trace_id()
    return {name: id for name, id in (("request_id", request_id), ("trace_id", trace_id)) if id}

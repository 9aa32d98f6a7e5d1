"""Spans of decisions, by OpenTelemetry. Imported only where tracing is configured: it takes its time and its memory.

    pdp.<door>          one decision, or one call with several; its parent is the caller's span (W3C Trace Context)
      pdp.identity      a credential was verified
      pdp.decide        the engine answered
        pdp.enrich      facts were joined
        pdp.evaluate    policies were asked

The attributes, and all that is in them, stand in `names`. Standard `OTEL_*` variables say who we are and how spans
wait and are sent (`OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_BSP_*`, `OTEL_EXPORTER_OTLP_*`,
`OTEL_SDK_DISABLED`); what is sampled, the configuration says alone.

A collector that does not answer costs nothing but spans: they wait in a bounded queue, a thread of its own sends them.
"""

import logging
import random
import re
from collections.abc import Sequence
from contextlib import suppress
from threading import Thread
from typing import Final, cast, final

from opentelemetry.context import Context
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Span, SpanKind, StatusCode, format_trace_id, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from pdp.telemetry import names
from pdp.telemetry.logs import EventLog
from pdp.telemetry.observing import Carrier, Observation, Outcome, Phase
from pdp.telemetry.rate import Rate
from pdp.telemetry.tracing_metrics import TracingMetrics

FLUSH_SECONDS: Final = 3.0
"""How long spans that are left may take when we stop."""

MAX_POLICIES: Final = 16
"""Ids of policies in one span."""

MAX_TEXT: Final = 256
"""Characters of one attribute."""

_PARENT: Final = re.compile(r"[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})")
"""`traceparent` of W3C Trace Context, section 3.2.2, and of later versions, whose further fields we need not know."""

_SAMPLED: Final = 0x01
_FAILED: Final = "internal_error"


@final
class OpenTelemetry:
    """Makes spans and has them sent by `exporter`.

    `one_in`: of calls that do not belong to a trace, one in so many is sampled, None for none. `parents`: whether a
    caller's trace decides whether its calls are. Of either, at most `per_second` calls are.
    """

    def __init__(
        self,
        exporter: SpanExporter,
        metrics: TracingMetrics,
        log: EventLog,
        *,
        one_in: int | None = None,
        parents: bool = True,
        per_second: int = 100,
        version: str = "",
    ) -> None:
        self._chance = 0.0 if one_in is None else 1.0 / one_in
        self._parents = parents
        self._rate = Rate(per_second)
        self._metrics = metrics
        self._exporter = _Counting(exporter, metrics)
        self._complaints = _Complaints(log)
        # INVARIANT: what comes here has been sampled. A second opinion would tear traces apart.
        self._provider = TracerProvider(sampler=ALWAYS_ON, resource=_resource(version), shutdown_on_exit=False)
        self._tracer = self._provider.get_tracer("pdp", version)
        self._propagator = TraceContextTextMapPropagator()
        self._running = False

    def start(self) -> None:
        """Begin to send spans. Raises ValueError for what the environment says amiss."""
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        logging.getLogger("opentelemetry").addHandler(self._complaints)
        self._running = True

    def stop(self) -> None:
        """Send what is left, within FLUSH_SECONDS. Harmless when repeated, and before `start`."""
        if not self._running:
            return
        self._running = False
        flushing = Thread(target=self._provider.shutdown, name="spans", daemon=True)
        flushing.start()
        flushing.join(FLUSH_SECONDS)
        if flushing.is_alive():
            self._exporter.shutdown()  # it is waiting for a collector that does not answer
            flushing.join(FLUSH_SECONDS)
        logging.getLogger("opentelemetry").removeHandler(self._complaints)

    def wants(self, carrier: Carrier) -> bool:
        """Whether what came with this is traced."""
        parent = _parent(carrier) if self._parents else None
        if parent is not None:
            return bool(int(parent[1], 16) & _SAMPLED) and self._admits()
        if random.random() >= self._chance:  # noqa: S311  which decisions are looked at is no secret
            return False
        return self._admits()

    def trace_id(self, observation: Observation) -> str:
        """The trace that a traced observation belongs to, in hexadecimal; "" if OpenTelemetry is switched off."""
        span = self._open(observation)
        return format_trace_id(span.get_span_context().trace_id) if span.is_recording() else ""

    def emit(self, observation: Observation, outcomes: Sequence[Outcome]) -> None:
        """Make the spans of a traced observation that has ended."""
        span = self._open(observation)
        if not span.is_recording():
            return
        span.set_attributes(_described(observation, outcomes))
        if observation.failed or any(outcome.reason == _FAILED for outcome in outcomes):
            span.set_status(StatusCode.ERROR)
        count = 1
        if observation.outer is None:  # of the questions of a batch, the parts are too many
            count += self._emit_phases(observation, span)
        span.end(observation.began_at + observation.ended - observation.began)
        self._metrics.made(count)

    def _emit_phases(self, observation: Observation, span: Span) -> int:
        """The parts; one that lies within another is its child."""
        skew = observation.began_at - observation.began
        around: list[tuple[int, Context]] = [(observation.ended, set_span_in_context(span, Context()))]
        for phase in sorted(observation.phases, key=lambda phase: (phase.began, -phase.ended)):
            while len(around) > 1 and phase.began >= around[-1][0]:
                around.pop()
            part = self._tracer.start_span(
                f"pdp.{phase.name}", around[-1][1], attributes=_outcome(phase), start_time=phase.began + skew
            )
            around.append((phase.ended, set_span_in_context(part, Context())))
            part.end(phase.ended + skew)
        return len(observation.phases)

    def _open(self, observation: Observation) -> Span:
        if observation.span is None:
            outer = observation.outer
            observation.span = self._tracer.start_span(
                f"pdp.{observation.door}",
                self._context(observation.carrier) if outer is None else set_span_in_context(self._open(outer)),
                SpanKind.SERVER if outer is None else SpanKind.INTERNAL,
                attributes={names.SPAN_DOOR: observation.door},
                start_time=observation.began_at,
            )
        return cast("Span", observation.span)

    def _context(self, carrier: Carrier) -> Context:
        """The caller's context; an empty one, of which a new trace is made, if it has none that counts."""
        if not self._parents or _parent(carrier) is None:
            return Context()
        found: dict[str, list[str]] = {"traceparent": [], "tracestate": []}
        for name, value in carrier:
            if name in found:
                found[name].append(_text(value))
        return self._propagator.extract(found, Context())

    def _admits(self) -> bool:
        if self._rate.take():
            return True
        self._metrics.refused()
        return False


def _parent(carrier: Carrier) -> "re.Match[str] | None":
    """The caller's span; None if there is none, or several of which it could be any."""
    values = [value for name, value in carrier if name == "traceparent"]
    if len(values) != 1:
        return None
    text = _text(values[0]).strip(" \t")
    found = _PARENT.match(text)
    if found is None or text[:2] == "ff":
        return None
    rest = text[found.end() :]
    return None if rest and (text[:2] == "00" or rest[0] != "-" or len(text) > MAX_TEXT) else found


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


def _described(observation: Observation, outcomes: Sequence[Outcome]) -> dict[str, AttributeValue]:
    """The attributes of the whole."""
    attributes: dict[str, AttributeValue] = {}
    if len(outcomes) == 1:
        attributes = _told(outcomes[0])
        decided = [phase for phase in observation.phases if phase.outcome is not None]
        if len(decided) == 1:
            attributes[names.SPAN_CACHED] = decided[0].cached
    elif outcomes:
        attributes[names.SPAN_DECISIONS] = len(outcomes)
    if observation.request_id:
        attributes[names.SPAN_REQUEST_ID] = observation.request_id[:MAX_TEXT]
    if observation.principal:
        attributes[names.SPAN_PRINCIPAL] = observation.principal[:MAX_TEXT]
    if observation.left_out:
        attributes[names.SPAN_PHASES_LEFT_OUT] = observation.left_out
    return attributes


def _outcome(phase: Phase) -> dict[str, AttributeValue]:
    return {} if phase.outcome is None else {**_told(phase.outcome), names.SPAN_CACHED: phase.cached}


def _told(outcome: Outcome) -> dict[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {
        names.SPAN_DECISION: outcome.decision,
        names.SPAN_REASON: outcome.reason,
    }
    if outcome.policy_revision:
        attributes[names.SPAN_POLICY_REVISION] = outcome.policy_revision
        attributes[names.SPAN_CONTEXT_REVISION] = outcome.context_revision
    if outcome.policies:
        attributes[names.SPAN_POLICIES] = [id[:MAX_TEXT] for id in outcome.policies[:MAX_POLICIES]]
        if len(outcome.policies) > MAX_POLICIES:
            attributes[names.SPAN_POLICIES_LEFT_OUT] = len(outcome.policies) - MAX_POLICIES
    return attributes


def _resource(version: str) -> Resource:
    """Who we are; the environment may say so in other words."""
    return Resource.create(
        {"service.name": "pdp", "service.version": version, **OTELResourceDetector().detect().attributes}
    )


@final
class _Counting(SpanExporter):
    """An exporter whose successes and failures are counted."""

    def __init__(self, inner: SpanExporter, metrics: TracingMetrics) -> None:
        self._inner = inner
        self._metrics = metrics
        self._down = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """As the inner one."""
        result = SpanExportResult.FAILURE
        try:
            result = self._inner.export(spans)
        finally:
            self._metrics.sent(len(spans), ok=result is SpanExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        """As the inner one, once."""
        if not self._down:
            self._down = True
            self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """As the inner one."""
        return self._inner.force_flush(timeout_millis)


@final
class _Complaints(logging.Handler):
    """Takes what OpenTelemetry has to say into our own log: a line in ten seconds at most."""

    def __init__(self, log: EventLog) -> None:
        super().__init__(logging.WARNING)
        self._log = log
        self._rate = Rate(0.1)

    def emit(self, record: logging.LogRecord) -> None:
        """Log it."""
        if self._rate.take():
            with suppress(Exception):  # a record that cannot be formatted must not stop whoever made it
                self._log.error("tracing", outcome="error", message=_without_texts(record)[:MAX_TEXT])


def _without_texts(record: logging.LogRecord) -> str:
    """The message, with the kinds of errors and not with what they say: the collector's address may hold its key."""
    given = record.args if isinstance(record.args, tuple) else ()
    return str(record.msg) % tuple(type(item).__name__ if isinstance(item, Exception) else item for item in given)

"""Spans: which decisions get one, whose children they are, what they say, and what a collector cannot do to us."""

import json
import logging
import threading
from collections.abc import Sequence
from io import StringIO
from time import monotonic

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from traces import OTHER, SAMPLED, SPAN, TRACE, UNSAMPLED, id_of, parent_of, said, telemetry, trace_of

from pdp.telemetry import tracing
from pdp.telemetry.logs import EventLog, LogFormat
from pdp.telemetry.metrics import Metrics
from pdp.telemetry.observing import Carrier, Observation, Observer, Outcome
from pdp.telemetry.tracing import MAX_POLICIES, OpenTelemetry

ALLOWED = Outcome("allow", "allowed", "ab12", 7, ("p",))


def in_trace(traceparent: str, *more: tuple[str, str | bytes]) -> Carrier:
    return (("user-agent", "x"), ("traceparent", traceparent), *more)


def made(spans: InMemorySpanExporter, telemetry: OpenTelemetry) -> dict[str, ReadableSpan]:
    """The finished spans by name, once all are sent."""
    telemetry.stop()
    return {span.name: span for span in spans.get_finished_spans()}


def observed(
    telemetry: OpenTelemetry, carrier: Carrier, *outcomes: Outcome, door: str = "check", request_id: str = ""
) -> Observation:
    """One decision that is over."""
    observer = Observer(telemetry, None, lambda place, error: pytest.fail(repr(error)))
    observation = observer.begin(door, carrier)
    observation.request_id = request_id
    observer.end(observation, outcomes or (ALLOWED,))
    return observation


# Which


@pytest.mark.parametrize(
    ("traceparent", "wanted"),
    [
        (SAMPLED, True),
        (f" {SAMPLED}\t", True),
        (f"00-{TRACE}-{SPAN}-03", True),
        (f"cc-{TRACE}-{SPAN}-01", True),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-may-bring", True),
        (UNSAMPLED, False),
        (f"00-{TRACE}-{SPAN}-02", False),
        (f"00-{'0' * 32}-{SPAN}-01", False),
        (f"00-{TRACE}-{'0' * 16}-01", False),
        (f"ff-{TRACE}-{SPAN}-01", False),
        (f"00-{TRACE}-{SPAN}-01-more", False),
        (f"cc-{TRACE}-{SPAN}-01more", False),
        (f"cc-{TRACE}-{SPAN}-01-{'x' * 300}", False),
        (f"00-{TRACE.upper()}-{SPAN}-01", False),
        (f"00-{TRACE}-{SPAN}", False),
        (f"{SAMPLED},{SAMPLED}", False),
        ("", False),
        ("\x00" * 70_000, False),
    ],
)
def test_a_callers_trace_decides(traceparent: str, wanted: bool) -> None:
    with telemetry(InMemorySpanExporter()) as traces:
        assert traces.wants(in_trace(traceparent)) is wanted
        assert traces.wants((("traceparent", traceparent.encode("utf-8")),)) is wanted


def test_of_two_parents_none_counts_and_none_is_no_parent() -> None:
    with telemetry(InMemorySpanExporter()) as traces:
        assert not traces.wants(in_trace(SAMPLED, ("traceparent", OTHER)))
        assert not traces.wants(())


def test_calls_outside_of_traces_are_sampled_by_chance() -> None:
    with telemetry(InMemorySpanExporter(), one_in=1) as all_of_them:
        assert all(all_of_them.wants(()) for _ in range(50))
        assert not all_of_them.wants(in_trace(UNSAMPLED)), "the caller has decided that its trace is not sampled"
    with telemetry(InMemorySpanExporter(), one_in=4, per_second=100_000) as some:
        assert 700 < sum(some.wants(()) for _ in range(4_000)) < 1_300  # ten standard deviations


def test_callers_need_not_be_believed() -> None:
    with telemetry(InMemorySpanExporter(), parents=False) as traces:
        assert not traces.wants(in_trace(SAMPLED))
    spans = InMemorySpanExporter()
    with telemetry(spans, parents=False, one_in=1) as traces:
        observed(traces, in_trace(SAMPLED))
        span = made(spans, traces)["pdp.check"]
        assert (trace_of(span) != TRACE, parent_of(span)) == (True, None)


def test_nobody_can_have_more_traced_than_the_configured_number() -> None:
    metrics = Metrics()
    with telemetry(InMemorySpanExporter(), metrics, per_second=3) as traces:
        assert sum(traces.wants(in_trace(SAMPLED)) for _ in range(10)) == 3
    assert "pdp_traces_refused_total 7.0" in metrics.exposition().decode()


# Whose, and what they say


def test_a_span_is_the_child_of_the_callers_and_keeps_its_state() -> None:
    spans = InMemorySpanExporter()
    with telemetry(spans, version="1.2") as traces:
        state = ("tracestate", "rojo=00f067aa0ba902b7"), ("tracestate", b"congo=t61rcWkgMzE")
        observation = observed(traces, in_trace(SAMPLED, *state), request_id="r-1")
        span = made(spans, traces)["pdp.check"]
    assert (trace_of(span), parent_of(span), span.kind) == (TRACE, SPAN, SpanKind.SERVER)
    assert span.context is not None
    assert span.context.trace_state.to_header() == "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"
    assert span.parent is not None
    assert span.parent.is_remote
    assert said(span) == {
        "door": "check",
        "decision": "allow",
        "reason": "allowed",
        "policy_revision": "ab12",
        "context_revision": 7,
        "policies": ("p",),
        "request_id": "r-1",
    }
    assert span.start_time == observation.began_at
    assert span.end_time == observation.began_at + observation.ended - observation.began
    assert span.status.status_code is StatusCode.UNSET
    assert span.resource.attributes["service.name"] == "pdp"
    assert span.resource.attributes["service.version"] == "1.2"


def test_parts_are_children_of_what_they_are_parts_of() -> None:
    spans = InMemorySpanExporter()
    with telemetry(spans) as traces:
        observer = Observer(traces, None, lambda place, error: pytest.fail(repr(error)))
        observation = observer.begin("check", in_trace(SAMPLED))
        began = observation.lap("identity", observation.now())
        inner = observation.lap("enrich", began)
        observation.lap("evaluate", inner)
        observation.lap("decide", began, ALLOWED, cached=True)
        observer.end(observation, (ALLOWED,))
        found = made(spans, traces)
    parents = {name: parent_of(span) for name, span in found.items()}
    door, decide = id_of(found["pdp.check"]), id_of(found["pdp.decide"])
    assert parents == {
        "pdp.check": SPAN,
        "pdp.identity": door,
        "pdp.decide": door,
        "pdp.enrich": decide,
        "pdp.evaluate": decide,
    }
    assert {trace_of(span) for span in found.values()} == {TRACE}
    assert said(found["pdp.evaluate"]) == {}
    assert said(found["pdp.decide"])["cached"] is said(found["pdp.check"])["cached"] is True
    times = [(span.start_time, span.end_time) for span in (found["pdp.enrich"], found["pdp.evaluate"])]
    assert times[0][1] == times[1][0]


def test_questions_of_a_batch_are_children_of_the_call() -> None:
    spans = InMemorySpanExporter()
    with telemetry(spans, one_in=1, per_second=1) as traces:
        observer = Observer(traces, None, lambda place, error: pytest.fail(repr(error)))
        outer = observer.begin("check_batch", ())
        for _ in range(3):
            item = observer.begin("check_batch", ())
            item.lap("evaluate", item.began)
            observer.end(item, (ALLOWED,))
        observer.end(outer, ())
        traces.stop()
    *items, call = spans.get_finished_spans()
    assert [span.name for span in spans.get_finished_spans()] == ["pdp.check_batch"] * 4
    assert (len(items), {parent_of(item) for item in items}, parent_of(call)) == (3, {id_of(call)}, None)
    assert {trace_of(span) for span in (*items, call)} == {trace_of(call)}
    assert (said(call), call.status.status_code) == ({"door": "check_batch"}, StatusCode.UNSET)


def test_several_decisions_in_one_answer_are_counted_and_not_mixed() -> None:
    spans = InMemorySpanExporter()
    with telemetry(spans) as traces:
        observed(traces, in_trace(SAMPLED), ALLOWED, ALLOWED, ALLOWED, door="authzen_batch")
        span = made(spans, traces)["pdp.authzen_batch"]
    assert said(span) == {"door": "authzen_batch", "decisions": 3}


@pytest.mark.parametrize("outcomes", [(Outcome("deny", "internal_error"),), ()])
def test_a_failure_of_ours_is_an_error_and_a_deny_is_none(outcomes: tuple[Outcome, ...]) -> None:
    spans = InMemorySpanExporter()
    with telemetry(spans) as traces:
        observer = Observer(traces, None, lambda place, error: pytest.fail(repr(error)))
        observation = observer.begin("check", in_trace(SAMPLED))
        if outcomes:
            observer.end(observation, outcomes)
        observer.abandon(observation)
        observed(traces, in_trace(SAMPLED), Outcome("deny", "forbidden"), door="explain")
        found = made(spans, traces)
    assert found["pdp.check"].status.status_code is StatusCode.ERROR
    assert found["pdp.explain"].status.status_code is StatusCode.UNSET


def test_what_is_told_is_bounded() -> None:
    spans = InMemorySpanExporter()
    with telemetry(spans) as traces:
        many = tuple(f"{number}-{'x' * 5_000}" for number in range(100))
        observed(traces, in_trace(SAMPLED), ALLOWED._replace(policies=many), request_id="r" * 5_000)
        span = made(spans, traces)["pdp.check"]
    told = said(span)
    policies = told["policies"]
    assert isinstance(policies, tuple)
    assert (len(policies), told["policies_left_out"]) == (MAX_POLICIES, 100 - MAX_POLICIES)
    assert max(map(len, (*policies, str(told["request_id"])))) == tracing.MAX_TEXT


def test_the_environment_says_who_we_are_and_may_switch_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    spans = InMemorySpanExporter()
    monkeypatch.setenv("OTEL_SERVICE_NAME", "gate")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
    with telemetry(spans) as traces:
        observed(traces, in_trace(SAMPLED))
        resource = made(spans, traces)["pdp.check"].resource.attributes
    assert (resource["service.name"], resource["deployment.environment"]) == ("gate", "test")
    spans = InMemorySpanExporter()
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    with telemetry(spans) as traces:
        observer = Observer(traces, None, lambda place, error: pytest.fail(repr(error)))
        assert observer.end(observer.begin("check", in_trace(SAMPLED)), (ALLOWED,)) == ""
        assert made(spans, traces) == {}


# What a collector can do


class Failing(SpanExporter):
    """Fails, each time in another way."""

    def __init__(self) -> None:
        self.asked = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.asked += 1
        if self.asked % 2:
            raise ConnectionError("a secret of the collector")
        return SpanExportResult.FAILURE


def test_failures_are_counted_and_logged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics, stream = Metrics(), StringIO()
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1")
    with telemetry(Failing(), metrics, EventLog(stream, LogFormat.JSON, lambda: 0)) as traces:
        for _ in range(4):
            observed(traces, in_trace(SAMPLED))
        traces.stop()
        traces.stop()
    text = metrics.exposition().decode()
    assert 'pdp_spans_total{outcome="made"} 4.0' in text
    assert 'pdp_spans_total{outcome="failed"} 4.0' in text
    assert 'pdp_spans_total{outcome="exported"} 0.0' in text
    (line,) = map(json.loads, stream.getvalue().splitlines())
    assert (line["event"], line["level"], line["outcome"]) == ("tracing", "error", "error")
    assert "secret" not in stream.getvalue()
    assert logging.getLogger("opentelemetry").handlers == []


class Hanging(SpanExporter):
    """Answers only when it is shut down, as one does that asks a collector again and again."""

    def __init__(self) -> None:
        self.over = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.over.wait(60)
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        self.over.set()


def test_a_collector_that_hangs_costs_spans_and_neither_time_nor_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "FLUSH_SECONDS", 0.1)
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "8")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2")
    metrics, hanging = Metrics(), Hanging()
    with telemetry(hanging, metrics, per_second=100_000) as traces:
        started = monotonic()
        for _ in range(200):
            observed(traces, in_trace(SAMPLED))
        traces.stop()
        assert monotonic() - started < 20, "200 decisions and the end, and the exporter waits for a minute"
    assert hanging.over.is_set()
    text = metrics.exposition().decode()
    assert 'pdp_spans_total{outcome="made"} 200.0' in text
    assert 'pdp_spans_total{outcome="exported"} 0.0' in text

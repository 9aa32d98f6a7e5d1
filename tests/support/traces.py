"""Spans that were made, and calls that belong to a trace."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from pdp.telemetry.logs import EventLog, LogFormat
from pdp.telemetry.metrics import Metrics
from pdp.telemetry.tracing import OpenTelemetry

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00"
OTHER_TRACE = "0af7651916cd43dd8448eb211c80319c"
OTHER = f"00-{OTHER_TRACE}-b7ad6b7169203331-01"


def trace_of(span: ReadableSpan) -> str:
    """The trace of a span, in hexadecimal."""
    assert span.context is not None
    return f"{span.context.trace_id:032x}"


def id_of(span: ReadableSpan) -> str:
    """Its own id."""
    assert span.context is not None
    return f"{span.context.span_id:016x}"


def parent_of(span: ReadableSpan) -> str | None:
    """The id of its parent."""
    return None if span.parent is None else f"{span.parent.span_id:016x}"


def said(span: ReadableSpan) -> dict[str, object]:
    """Its attributes, without the prefix that all have."""
    return {name.removeprefix("pdp."): value for name, value in (span.attributes or {}).items()}


@contextmanager
def telemetry(
    exporter: SpanExporter, metrics: Metrics | None = None, log: EventLog | None = None, **settings: object
) -> Iterator[OpenTelemetry]:
    """Tracing that runs, until the end of the block."""
    made = OpenTelemetry(
        exporter,
        (metrics or Metrics()).tracing,
        log or EventLog(StringIO(), LogFormat.JSON, lambda: 0),
        **settings,  # type: ignore[arg-type]  # named by the tests
    )
    made.start()
    try:
        yield made
    finally:
        made.stop()


def caught(monkeypatch: pytest.MonkeyPatch) -> Callable[[], tuple[ReadableSpan, ...]]:
    """What apps that are built from now on would send to a collector."""
    exporter = InMemorySpanExporter()
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "5")
    monkeypatch.setattr("opentelemetry.exporter.otlp.json.http.trace_exporter.OTLPSpanExporter", lambda *_: exporter)
    return exporter.get_finished_spans

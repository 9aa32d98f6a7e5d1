"""What observes decisions, built from the configuration; and the verification of credentials, observed."""

from collections.abc import Callable
from typing import final

from pdp import __version__
from pdp.cedar.errors import CedarError
from pdp.config import Config
from pdp.config.telemetry import TracingConfig
from pdp.identity.presented import Presented
from pdp.identity.subject import Subject
from pdp.telemetry.logs import EventLog
from pdp.telemetry.metrics import Metrics
from pdp.telemetry.observing import IDENTITY, OBSERVED, Observer, Tracing
from pdp.telemetry.rate import Rate
from pdp.telemetry.slow import SlowDecisions
from pdp.transport.authentication import Verifier


class TracingError(CedarError):
    """Traces are configured and cannot be made."""

    code = "tracing"


def build_observer(
    config: Config, log: EventLog, metrics: Metrics, report: Callable[[str, Exception], None]
) -> Observer | None:
    """What the configuration wants to know of single decisions; None if nothing. Raises TracingError."""
    slow = config.slow_decisions
    if config.tracing is None and slow is None:
        return None
    return Observer(
        None if config.tracing is None else _tracing(config.tracing, log, metrics),
        None if slow is None else SlowDecisions(log, metrics.tracing, slow.threshold, Rate(slow.per_second)),
        report,
    )


def start_observing(observer: Observer | None) -> None:
    """Begin to send spans, if there are any to send. Raises TracingError for what the environment says amiss."""
    if observer is None:
        return
    try:
        observer.start()
    except ValueError as error:
        raise TracingError(
            f"spans cannot be sent: {error}", help="the variables `OTEL_BSP_*` of the environment say how they are"
        ) from error


def _tracing(config: TracingConfig, log: EventLog, metrics: Metrics) -> Tracing:
    # Imported here: it takes an eighth of a second, which nobody is to pay who has not configured it.
    try:
        from opentelemetry.exporter.otlp.json.http.trace_exporter import OTLPSpanExporter

        from pdp.telemetry.tracing import OpenTelemetry
    except ImportError as error:
        raise TracingError(
            "`tracing` is configured, and OpenTelemetry's OTLP exporter is not installed",
            help="install it with `pip install 'zero-trust-pdp[otlp]'`",
        ) from error
    return OpenTelemetry(
        OTLPSpanExporter(None if config.endpoint is None else config.endpoint.text),
        metrics.tracing,
        log,
        one_in=config.one_in,
        parents=config.parents,
        per_second=config.per_second,
        version=__version__,
    )


@final
class ObservedVerifier:
    """A `Verifier` that notes how long verifying takes."""

    def __init__(self, inner: Verifier) -> None:
        self._inner = inner

    def verify(self, presented: Presented, now: int) -> Subject:
        """As the inner one."""
        observation = OBSERVED.get()
        if observation is None:
            return self._inner.verify(presented, now)
        began = observation.now()
        try:
            return self._inner.verify(presented, now)
        finally:
            observation.lap(IDENTITY, began)

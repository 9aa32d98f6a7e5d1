"""Doors whose decisions are observed: the same answers, and one observation for each."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import StringIO

import httpx
import pytest
from callers import gate
from doors import FakeVerifier, Reports, an_allow
from starlette.routing import Route

from pdp.config import Config, HttpConfig
from pdp.config.telemetry import SlowDecisionsConfig, TracingConfig
from pdp.config.urls import HttpUrl
from pdp.engine.decider import Verdict
from pdp.identity.presented import Presented
from pdp.identity.tokens import IdentityError
from pdp.telemetry.logs import EventLog, LogFormat
from pdp.telemetry.metrics import Door, Metrics
from pdp.telemetry.observing import OBSERVED, Carrier, Observation, Observer, Outcome
from pdp.transport.callers import NOBODY, Caller
from pdp.transport.door import GuardedDoor
from pdp.transport.http.endpoint import Answered, GuardedEndpoint, HttpAsk, HttpReply
from pdp.transport.http.server import HttpServer, build_routes
from pdp.transport.observed import ObservedVerifier, TracingError, build_observer, start_observing

TRACED = "ab" * 16
OK, DENIED, REFUSED = HttpReply(200, {}, b"fine"), HttpReply(403, {}, b"denied"), HttpReply(403, {}, b"refused")


@dataclass
class Everything:
    """Traces all, under one id."""

    ended: list[tuple[str, Sequence[Outcome], bool]] = field(default_factory=list)
    carriers: list[Carrier] = field(default_factory=list)

    def wants(self, carrier: Carrier) -> bool:
        self.carriers.append(carrier)
        return True

    def trace_id(self, observation: Observation) -> str:
        return TRACED

    def emit(self, observation: Observation, outcomes: Sequence[Outcome]) -> None:
        self.ended.append((observation.door, outcomes, observation.failed))

    def start(self) -> None: ...

    def stop(self) -> None: ...


@pytest.fixture
def tracing() -> Everything:
    return Everything()


@pytest.fixture
def observer(tracing: Everything, reports: Reports) -> Observer:
    return Observer(tracing, None, reports)


def exemplars(metrics: Metrics) -> int:
    text = metrics.open_exposition().decode()
    assert text.endswith("# EOF\n")
    return sum(f'# {{trace_id="{TRACED}"}}' in line for line in text.splitlines())


def test_an_observed_answer_is_the_same_and_counted_with_its_trace(
    metrics: Metrics, reports: Reports, observer: Observer, tracing: Everything
) -> None:
    def adapter(data: bytes, caller: Caller) -> tuple[Verdict, bytes]:
        assert OBSERVED.get() is not None
        return an_allow(), data + b"b"

    assert GuardedDoor(Door.CHECK, adapter, b"", metrics, reports, observer)(b"a", NOBODY) == b"ab"
    assert tracing.ended == [("check", (Outcome("allow", "allowed", "ab12", 7, ("p",)),), False)]
    assert 'pdp_decision_seconds_count{door="check"} 1.0' in metrics.exposition().decode()
    assert exemplars(metrics) == 1
    assert (OBSERVED.get(), reports.seen) == (None, [])


@pytest.mark.parametrize("failure", [ValueError("x"), RecursionError(), MemoryError()])
def test_an_observed_failure_is_the_last_resort(
    metrics: Metrics, reports: Reports, observer: Observer, tracing: Everything, failure: Exception
) -> None:
    def adapter(data: bytes, caller: Caller) -> tuple[Verdict, bytes]:
        raise failure

    assert GuardedDoor(Door.CHECK, adapter, b"denied", metrics, reports, observer)(b"", NOBODY) == b"denied"
    assert (tracing.ended, reports.seen, OBSERVED.get()) == ([("check", (), True)], [("check", failure)], None)


def test_a_failure_to_trace_is_reported_and_changes_no_answer(
    metrics: Metrics, reports: Reports, observer: Observer, monkeypatch: pytest.MonkeyPatch
) -> None:
    failure = RuntimeError("no tracer")

    def broken(*_: object) -> None:
        raise failure

    monkeypatch.setattr(Everything, "emit", broken)
    door = GuardedDoor(Door.CHECK, lambda data, caller: (an_allow(), b"allowed"), b"denied", metrics, reports, observer)
    assert door(b"", NOBODY) == b"allowed"
    assert reports.seen == [("observing", failure)]


@pytest.mark.parametrize("threads", [0, 1])
def test_http_doors_observe_in_whatever_thread_they_answer(
    metrics: Metrics, reports: Reports, observer: Observer, tracing: Everything, threads: int
) -> None:
    def adapter(ask: HttpAsk) -> Answered:
        observation = OBSERVED.get()
        assert observation is not None
        observation.lap("evaluate", observation.now())
        if ask.query:
            raise ValueError(ask.query)
        return Answered((an_allow(), an_allow()), OK)

    guarded = GuardedEndpoint(
        *(Door.AUTHZEN, gate(metrics), adapter, metrics, reports),
        refused=REFUSED,
        last_resort=DENIED,
        threads=threads,
        observer=observer,
    )
    routes = [Route("/door", guarded.respond, methods=["GET"])]
    server = HttpServer(HttpConfig("127.0.0.1:0"), build_routes(metrics, lambda: None, gate(metrics), routes))
    server.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client:
            assert client.get("/door", headers={"traceparent": "tp"}).content == b"fine"
            assert client.get("/door?x").content == b"denied"
            plain = client.get("/metrics")
            opened = client.get("/metrics", headers={"accept": "application/openmetrics-text;version=1.0.0,*/*;q=0.1"})
    finally:
        server.stop()
    assert ("traceparent", "tp") in tracing.carriers[0]
    assert [(len(outcomes), failed) for _, outcomes, failed in tracing.ended] == [(2, False), (0, True)]
    assert plain.headers["content-type"].startswith("text/plain")
    assert TRACED not in plain.text
    assert opened.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert TRACED in opened.text


def test_verifying_is_a_part_whether_it_succeeds_or_not(observer: Observer) -> None:
    verifier = ObservedVerifier(FakeVerifier())
    assert verifier.verify(Presented("good"), 1).authenticated_at == 1
    observation = observer.begin("check", ())
    verifier.verify(Presented("good"), 1)
    with pytest.raises(IdentityError):
        verifier.verify(Presented("bad"), 1)
    observer.end(observation, ())
    assert [phase.name for phase in observation.phases] == ["identity", "identity"]


# From the configuration


def built(config: Config, reports: Reports) -> Observer | None:
    return build_observer(config, EventLog(StringIO(), LogFormat.JSON, lambda: 0), Metrics(), reports)


def configured(**sections: object) -> Config:
    config: Config = object.__new__(Config)
    for name in ("tracing", "slow_decisions"):
        object.__setattr__(config, name, sections.get(name))
    return config


def test_nothing_is_observed_unless_it_is_configured(reports: Reports) -> None:
    assert built(configured(), reports) is None
    assert built(configured(slow_decisions=SlowDecisionsConfig(5)), reports) is not None
    assert built(configured(tracing=TracingConfig(HttpUrl("http://127.0.0.1:4318/v1/traces"))), reports) is not None


def test_an_exporter_that_is_not_installed_is_an_error_that_says_what_to_install(
    reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.json.http.trace_exporter", None)
    with pytest.raises(TracingError, match="exporter is not installed") as caught:
        built(configured(tracing=TracingConfig()), reports)
    assert caught.value.help == "install it with `pip install 'zero-trust-pdp[otlp]'`"


def test_what_the_environment_says_amiss_is_an_error(reports: Reports, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "100000")
    observer = built(configured(tracing=TracingConfig()), reports)
    with pytest.raises(TracingError, match="max_export_batch_size must be less than or equal to max_queue_size"):
        start_observing(observer)
    assert observer is not None
    observer.stop()
    start_observing(None)

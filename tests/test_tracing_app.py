"""A whole decision point whose decisions are traced, over real sockets: propagation at each door, what spans say and
never say, the collector, exemplars, the log of slow decisions; and that none of it is there where it is not configured.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import grpc
import httpx
import pytest
from engine_worlds import NOW
from envoy.service.auth.v3 import external_auth_pb2, external_auth_pb2_grpc
from http_service import Service, held, ok, service
from http_worlds import configure
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from small_world import SmallWorld, token, write_small_world
from traces import OTHER, OTHER_TRACE, SAMPLED, SPAN, TRACE, UNSAMPLED, caught, id_of, parent_of, said, trace_of

from pdp.app import App
from pdp.config import load_config
from pdp.engine.enrich import enrich
from pdp.telemetry import tracing
from pdp.telemetry.logs import EventLog, LogFormat
from pdp.transport.grpc.gen.v1 import decision_pb2 as pb
from pdp.transport.grpc.gen.v1 import decision_pb2_grpc

Spans = Callable[[], tuple[ReadableSpan, ...]]

ANA, EVE = (pb.EntityUid(type="User", id=name) for name in ("ana", "eve"))
PLAN = pb.EntityUid(type="Files::File", id="plan")
READ = pb.EntityUid(type="Files::Action", id="read")


def question(**fields: Any) -> pb.CheckRequest:
    who = {} if "token" in fields else {"principal": ANA}
    return pb.CheckRequest(**{**who, "action": READ, "resource": PLAN, **fields})


class Running:
    """An app, and what asks it."""

    def __init__(self, app: App, log: StringIO, http: httpx.Client, channel: grpc.Channel) -> None:
        self.app, self.log, self.http = app, log, http
        self.decisions = decision_pb2_grpc.DecisionServiceStub(channel)
        self.envoy = external_auth_pb2_grpc.AuthorizationStub(channel)

    def check(self, *metadata: tuple[str, str], **fields: Any) -> pb.CheckResponse:
        reply: pb.CheckResponse = self.decisions.Check(question(**fields), metadata=metadata, timeout=20)
        return reply

    def check_for_envoy(self, *metadata: tuple[str, str], **headers: str) -> Any:
        request = external_auth_pb2.CheckRequest()
        http = request.attributes.request.http
        http.method, http.host, http.path = "GET", "api.example", "/files/plan"
        for name, value in {"authorization": f"Bearer {token('ana', NOW)}", **headers}.items():
            http.headers[name] = value
        return self.envoy.Check(request, metadata=metadata, timeout=20)

    def events(self, name: str) -> list[dict[str, Any]]:
        return [event for line in self.log.getvalue().splitlines() if (event := json.loads(line))["event"] == name]


@contextmanager
def running(world: SmallWorld, **sections: Any) -> Iterator[Running]:
    configure(world, **sections)
    log = StringIO()
    app = App(load_config(world.config), EventLog(log, LogFormat.JSON, lambda: NOW), lambda: NOW, 60.0)
    try:
        app.start()
        address = f"http://127.0.0.1:{app.http_port}"
        with (
            grpc.insecure_channel(f"127.0.0.1:{app.grpc_port}") as channel,
            httpx.Client(base_url=address, trust_env=False, timeout=20) as client,
        ):
            yield Running(app, log, client, channel)
    finally:
        app.stop()


@pytest.fixture
def world(tmp_path: Path) -> SmallWorld:
    return write_small_world(tmp_path / "world")


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Spans:
    return caught(monkeypatch)


def eventually(found: Callable[[], Any]) -> Any:
    deadline = monotonic() + 20
    while not (value := found()):
        assert monotonic() < deadline, "it did not come about"
        sleep(0.005)
    return value


def the_spans(spans: Spans, door: str, number: int = 1) -> dict[str, ReadableSpan]:
    """All spans by name, once those of a door are there; the last one of each name."""
    eventually(lambda: sum(span.name == f"pdp.{door}" for span in spans()) >= number)
    return {span.name: span for span in spans()}


# Propagation


def test_a_check_is_a_child_of_the_callers_span(world: SmallWorld, spans: Spans) -> None:
    with running(world, tracing={}) as pdp:
        reply = pdp.check(("traceparent", SAMPLED), ("tracestate", "a=1"), request_id="r-1", token=token("ana", NOW))
        found = the_spans(spans, "check")
        revision = pdp.app.world.policy_revision if pdp.app.world else ""
    assert reply.decision == pb.DECISION_ALLOW
    door, decide = found["pdp.check"], found["pdp.decide"]
    assert (trace_of(door), parent_of(door)) == (TRACE, SPAN)
    assert door.context is not None
    assert door.context.trace_state.to_header() == "a=1"
    assert {name: parent_of(span) for name, span in found.items()} == {
        "pdp.check": SPAN,
        "pdp.identity": id_of(door),
        "pdp.decide": id_of(door),
        "pdp.enrich": id_of(decide),
        "pdp.evaluate": id_of(decide),
    }
    assert said(door) == {
        "door": "check",
        "decision": "allow",
        "reason": "allowed",
        "policy_revision": revision,
        "context_revision": 1,
        "policies": ("files/readers-read",),
        "cached": False,
        "request_id": "r-1",
    }


def test_the_second_answer_is_from_the_cache_and_says_so(world: SmallWorld, spans: Spans) -> None:
    with running(world, tracing={}) as pdp:
        for _ in range(2):
            pdp.check(("traceparent", SAMPLED))
        the_spans(spans, "check", 2)
    assert [said(span)["cached"] for span in spans() if span.name == "pdp.check"] == [False, True]
    assert sum(span.name == "pdp.evaluate" for span in spans()) == 1


def test_without_a_sampled_parent_nothing_is_traced(world: SmallWorld, spans: Spans) -> None:
    with running(world, tracing={}) as pdp:
        for metadata in ((), (("traceparent", UNSAMPLED),), (("traceparent", f"{SAMPLED},{OTHER}"),)):
            assert pdp.check(*metadata).decision == pb.DECISION_ALLOW
    assert spans() == ()


def test_a_trace_of_ones_own_is_begun_for_some(world: SmallWorld, spans: Spans) -> None:
    with running(world, tracing={"one_in": 1}) as pdp:
        pdp.check()
        pdp.check(("traceparent", UNSAMPLED))
        pdp.check(principal=EVE)
        the_spans(spans, "check", 2)
    roots = [span for span in spans() if span.name == "pdp.check"]
    assert [parent_of(span) for span in roots] == [None, None]
    assert len({trace_of(span) for span in roots}) == 2
    assert [said(span)["reason"] for span in roots] == ["allowed", "forbidden"]


def test_every_question_of_a_stream_and_of_a_batch_has_a_span(world: SmallWorld, spans: Spans) -> None:
    asked = [question(), question(principal=EVE), question(action=None)]
    with running(world, tracing={}) as pdp:
        metadata = (("traceparent", SAMPLED),)
        list(pdp.decisions.CheckStream(iter(asked), metadata=metadata, timeout=20))
        pdp.decisions.CheckBatch(pb.CheckBatchRequest(items=asked), metadata=metadata, timeout=20)
        the_spans(spans, "check_batch", 4)
    reasons = ["allowed", "forbidden", "invalid_request"]
    streamed = [span for span in spans() if span.name == "pdp.check_stream"]
    assert [(said(span)["reason"], parent_of(span)) for span in streamed] == [(reason, SPAN) for reason in reasons]
    *items, call = (span for span in spans() if span.name == "pdp.check_batch")
    assert [(said(span)["reason"], parent_of(span)) for span in items] == [(reason, id_of(call)) for reason in reasons]
    assert (parent_of(call), said(call)) == (SPAN, {"door": "check_batch"})


@pytest.mark.parametrize(
    ("metadata", "headers", "trace"),
    [
        ((), {"traceparent": SAMPLED}, TRACE),
        ((("traceparent", SAMPLED),), {}, TRACE),
        ((("traceparent", SAMPLED),), {"traceparent": OTHER}, TRACE),
        ((("traceparent", UNSAMPLED),), {"traceparent": OTHER}, None),
        ((), {"traceparent": UNSAMPLED}, None),
    ],
)
def test_envoys_own_span_is_the_parent_and_else_the_one_that_its_clients_request_names(
    world: SmallWorld,
    spans: Spans,
    metadata: tuple[tuple[str, str], ...],
    headers: Mapping[str, str],
    trace: str | None,
) -> None:
    with running(world, tracing={}) as pdp:
        assert pdp.check_for_envoy(*metadata, **headers).status.code == 0
        if trace is not None:
            found = the_spans(spans, "ext_authz")
            assert trace_of(found["pdp.ext_authz"]) == trace
            assert said(found["pdp.ext_authz"])["door"] == "ext_authz"
            assert "pdp.identity" in found
    assert bool(spans()) is (trace is not None)


def test_http_doors_take_the_parent_from_their_headers(world: SmallWorld, spans: Spans) -> None:
    doors = {"authzen": {"url": "https://pdp.example"}, "forward_auth": {"headers": ["x-reader"]}}
    proxied = {
        "x-forwarded-method": "GET",
        "x-forwarded-proto": "https",
        "x-forwarded-host": "api.example",
        "x-forwarded-uri": "/files/plan",
        "x-forwarded-for": "192.0.2.7",
        "authorization": f"Bearer {token('ana', NOW)}",
        "x-request-id": "r-5",
    }
    one = {
        "subject": {"type": "User", "id": "ana"},
        "action": {"name": "read"},
        "resource": {"type": "Files::File", "id": "plan"},
    }
    several = {"evaluations": [one, {**one, "subject": {"type": "User", "id": "eve"}}]}
    with running(world, tracing={}, **doors) as pdp:
        parent = {"traceparent": SAMPLED}
        assert pdp.http.get("/forward-auth/traefik", headers=proxied | parent).status_code == 200
        assert pdp.http.get("/forward-auth/traefik", headers=proxied).status_code == 200
        assert pdp.http.post("/access/v1/evaluation", json=one, headers=parent).json()["decision"] is True
        lists = pdp.http.post("/access/v1/evaluations", json=several, headers={"traceparent": OTHER}).json()
        found = the_spans(spans, "authzen_batch")
    assert [item["decision"] for item in lists["evaluations"]] == [True, False]
    for door in ("forward_auth", "authzen"):
        span = found[f"pdp.{door}"]
        assert (trace_of(span), parent_of(span), said(span)["reason"]) == (TRACE, SPAN, "allowed")
    assert said(found["pdp.forward_auth"])["request_id"] == "r-5"
    assert sum(span.name == "pdp.forward_auth" for span in spans()) == 1
    whole = found["pdp.authzen_batch"]
    assert (trace_of(whole), said(whole)["decisions"]) == (OTHER_TRACE, 2)
    parts = [said(span)["reason"] for span in spans() if parent_of(span) == id_of(whole) and span.name == "pdp.decide"]
    assert parts == ["allowed", "forbidden"]


def test_a_refused_caller_cannot_have_anything_traced(
    world: SmallWorld, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pdp.transport.admission.Admission.judge", lambda *_: False)
    with running(world, tracing={"one_in": 1}, forward_auth={}) as pdp:
        assert pdp.check(("traceparent", SAMPLED)).reason_class == "caller_not_allowed"
        assert pdp.http.get("/forward-auth/traefik", headers={"traceparent": SAMPLED}).status_code == 403
    assert spans() == ()


# What spans say, and never say


@pytest.mark.parametrize("named", [False, True])
def test_the_principal_is_named_only_where_that_is_configured(world: SmallWorld, spans: Spans, named: bool) -> None:
    with running(world, tracing={"principal": named}) as pdp:
        pdp.check(("traceparent", SAMPLED))
        found = the_spans(spans, "check")
    assert said(found["pdp.check"]).get("principal") == ('User::"ana"' if named else None)
    assert ['"ana\\"' in span.to_json() for span in found.values()].count(True) == named


def test_nothing_of_a_credential_or_of_a_request_is_in_any_span(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans = caught(monkeypatch)
    world = write_small_world(tmp_path_factory.mktemp("canary") / "world")
    with running(world, tracing={"per_second": 100_000}, slow_decisions={"threshold": "1ms"}) as pdp:

        @given(
            st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=12, max_size=20).map(
                "CANARY".__add__
            ),
            st.booleans(),
            st.booleans(),
        )
        def ask(canary: str, good: bool, known: bool) -> None:
            credential = token(canary, NOW, email=f"{canary}@example", **({} if good else {"aud": canary}))
            context = pb.Record(fields={"region": pb.Value(string_value=canary)})
            resource = PLAN if known else pb.EntityUid(type="Files::File", id=canary)
            parent = ("traceparent", SAMPLED)
            pdp.check(parent, token=credential, context=context, resource=resource)
            pdp.check(parent, principal=pb.EntityUid(type="User", id=canary), context=context)
            pdp.check(parent, principal=pb.EntityUid(type=canary, id="x"), action=pb.EntityUid(type=canary, id="x"))
            pdp.check_for_envoy(
                traceparent=SAMPLED, authorization=f"Bearer {credential}", cookie=canary, **{"x-forwarded-for": canary}
            )

        ask()
        the_spans(spans, "ext_authz")
        logged = pdp.log.getvalue()
    text = "".join(span.to_json() for span in spans())
    assert len(spans()) > 400
    assert "CANARY" not in text + logged
    for part in token("ana", NOW).split("."):
        assert part not in text + logged, "the header of all tokens is the same"


# The collector


def test_a_collector_gets_the_spans_over_otlp(world: SmallWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=k1")
    monkeypatch.setenv("NO_PROXY", "*")
    with service(ok(b"{}", type="application/json")) as collector:
        with running(world, tracing={"endpoint": collector.url("/v1/traces").text}) as pdp:
            pdp.check(("traceparent", SAMPLED))
            pdp.check_for_envoy(traceparent=OTHER)
            assert not collector.asked, "spans wait for each other, and for the end"
        sent = received(collector)
    assert {name for name, _ in sent} == {
        *("pdp.check", "pdp.decide", "pdp.enrich", "pdp.evaluate"),
        *("pdp.ext_authz", "pdp.identity"),
    }
    assert {trace for _, trace in sent} == {TRACE, OTHER_TRACE}
    assert (collector.asked[0].line, collector.asked[0].headers["x-api-key"]) == ("POST /v1/traces HTTP/1.1", "k1")


def received(collector: Service) -> list[tuple[str, str]]:
    """Name and trace of the spans that a collector got."""
    requests = [json.loads(asked.body) for asked in collector.asked]
    return [
        (span["name"], span["traceId"])
        for request in requests
        for resource in request["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]


@pytest.mark.parametrize("kind", ["refuses", "hangs", "fails"])
def test_a_collector_that_is_down_costs_no_decision(
    world: SmallWorld, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "5")
    monkeypatch.setattr(tracing, "FLUSH_SECONDS", 0.3)
    with service(ok(b"", "503 Service Unavailable")) as collector:
        if kind == "hangs":
            collector.answer = held(collector, ok(b""))
        address = collector.url("").text if kind != "refuses" else "http://127.0.0.1:1"
        endpoint = f"{address}/v1/traces?key=CANARY"
        with running(world, tracing={"endpoint": endpoint, "per_second": 1000}) as pdp:
            started = monotonic()
            assert all(pdp.check(("traceparent", SAMPLED)).decision == pb.DECISION_ALLOW for _ in range(50))
            assert monotonic() - started < 20
            ending = monotonic()
        assert monotonic() - ending < 20
        made = pdp.app.metrics.exposition().decode()
        told = pdp.events("tracing")
        collector.held.set()
    assert kind == "hangs" or [event["level"] for event in told] == ["error"], "one line in ten seconds"
    assert "CANARY" not in pdp.log.getvalue(), "a collector's address may hold its key"
    assert 'pdp_spans_total{outcome="exported"} 0.0' in made
    assert 'pdp_decisions_total{decision="allow",door="check",reason="allowed"} 50.0' in made


# Exemplars, slow decisions, defects


def test_a_traced_decision_is_an_exemplar_of_the_time_that_it_took(world: SmallWorld, spans: Spans) -> None:
    with running(world, tracing={}) as pdp:
        pdp.check()
        pdp.check(("traceparent", SAMPLED))
        shown = pdp.http.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
        plain = pdp.http.get("/metrics", headers={"accept": "text/plain"})
    read: Any = text_string_to_metric_families  # the library says nothing of its types
    families = {family.name: family for family in read(shown.text)}
    found = [sample.exemplar for sample in families["pdp_decision_seconds"].samples if sample.exemplar]
    assert [exemplar.labels for exemplar in found] == [{"trace_id": TRACE}]
    assert (TRACE in plain.text, "# EOF" in plain.text) == (False, False)


def test_a_slow_decision_is_logged_with_its_request_its_trace_and_its_parts(
    world: SmallWorld, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(*arguments: Any) -> Any:
        sleep(0.02)
        return enrich(*arguments)

    with running(world, tracing={}, slow_decisions={"threshold": "20ms"}) as pdp:
        pdp.check(request_id="r-0")
        monkeypatch.setattr("pdp.engine.evaluating.enrich", slowly)
        pdp.check(("traceparent", SAMPLED), request_id="r-1", principal=EVE)
        pdp.check(request_id="r-2", resource=pb.EntityUid(type="Files::File", id="other"))
        lines = pdp.events("slow_decision")
    lines = [line for line in lines if line["request_id"] != "r-0"]  # a busy machine may make that one slow, too
    assert [(line["request_id"], line.get("trace_id"), line["reason"], line["door"]) for line in lines] == [
        ("r-1", TRACE, "forbidden", "check"),
        ("r-2", None, "policy_error", "check"),
    ]
    assert lines[-1]["enrich_milliseconds"] >= 20
    assert lines[-1]["milliseconds"] >= lines[-1]["decide_milliseconds"] >= lines[-1]["enrich_milliseconds"]


def test_a_defect_is_logged_with_its_request_and_its_trace(
    world: SmallWorld, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret")

    with running(world, tracing={}) as pdp:
        monkeypatch.setattr("pdp.engine.evaluating.enrich", fail)
        assert pdp.check(("traceparent", SAMPLED), request_id="r-1").reason_class == "internal_error"
        (defect,) = pdp.events("defect")
        span = the_spans(spans, "check")["pdp.check"]
    assert (defect["request_id"], defect["trace_id"], defect["place"]) == ("r-1", TRACE, "engine")
    assert "secret" not in pdp.log.getvalue() + span.to_json()
    assert not span.status.is_ok


def test_a_defect_names_its_request_without_any_tracing(world: SmallWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret")

    with running(world) as pdp:
        monkeypatch.setattr("pdp.engine.evaluating.enrich", fail)
        pdp.check(request_id="r-1")
        (defect,) = pdp.events("defect")
    assert (defect["request_id"], "trace_id" in defect) == ("r-1", False)


# Off

SERVED = """
import sys
from io import StringIO
from pathlib import Path
import grpc
from pdp.app import App
from pdp.config import load_config
from pdp.telemetry.logs import EventLog, LogFormat
from pdp.telemetry.observing import OBSERVED
from pdp.transport.grpc.gen.v1 import decision_pb2 as pb, decision_pb2_grpc
app = App(load_config(Path(sys.argv[1])), EventLog(StringIO(), LogFormat.JSON, lambda: {now}), lambda: {now}, 60.0)
app.start()
try:
    with grpc.insecure_channel(f"127.0.0.1:{{app.grpc_port}}") as channel:
        reply = decision_pb2_grpc.DecisionServiceStub(channel).Check(pb.CheckRequest.FromString(
            bytes.fromhex(sys.argv[2])), metadata=(("traceparent", "{parent}"),), timeout=20)
    assert reply.decision == pb.DECISION_ALLOW
finally:
    app.stop()
print(sorted(name for name in sys.modules if name.startswith(("opentelemetry", "pdp.telemetry.tracing", "requests"))))
"""


def test_a_process_that_traces_nothing_does_not_even_import_it(world: SmallWorld) -> None:
    code = SERVED.format(now=NOW, parent=SAMPLED)
    command = [sys.executable, "-c", code, str(world.config), question().SerializeToString().hex()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "['pdp.telemetry.tracing_metrics']\n"

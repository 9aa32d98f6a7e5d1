"""The decision service of a whole decision point: every method of the definition, over its generated client."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path
from threading import Event
from typing import Any

import grpc
import pytest
from decision_messages import ANA, BOB, EVE, PLAN, SECRET, context, question
from engine_worlds import NOW
from small_world import token, write_small_world

from pdp.app import App
from pdp.config import GrpcConfig, load_config
from pdp.telemetry.logs import EventLog, LogFormat
from pdp.transport.grpc.gen.v1 import decision_pb2 as pb
from pdp.transport.grpc.gen.v1.decision_pb2_grpc import DecisionServiceStub

PATIENCE = 30


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Serves the small world with some settings of the gRPC doors; gives the application and a client."""
    apps: list[App] = []
    channels: list[grpc.Channel] = []

    def made(**settings: Any) -> tuple[App, Any]:
        config = load_config(write_small_world(tmp_path / "world").config)
        config = replace(config, grpc=GrpcConfig(listen="127.0.0.1:0", **settings))
        app = App(config, EventLog(StringIO(), LogFormat.JSON, lambda: NOW), lambda: NOW, 60.0)
        apps.append(app)
        app.start()
        channels.append(grpc.insecure_channel(f"127.0.0.1:{app.grpc_port}"))
        return app, DecisionServiceStub(channels[-1])

    yield made
    for channel in channels:
        channel.close()
    for app in apps:
        app.stop()


def test_every_method_of_the_definition_is_served_and_counted_by_its_own_name(serve: Callable[..., Any]) -> None:
    app, client = serve(explain=True)
    asked = question(request_id="r")
    answers = {
        "Check": client.Check(asked, timeout=PATIENCE),
        "CheckBatch": client.CheckBatch(pb.CheckBatchRequest(items=[asked]), timeout=PATIENCE).results[0],
        "CheckStream": next(client.CheckStream(iter([asked]), timeout=PATIENCE)),
        "Explain": client.Explain(asked, timeout=PATIENCE).answer,
    }
    watching = client.Watch(pb.WatchRequest(), timeout=PATIENCE)
    assert next(watching).context_revision == answers["Check"].context_revision
    watching.cancel()
    assert {*answers, "Watch"} == {method.name for method in pb.DESCRIPTOR.services_by_name["DecisionService"].methods}
    assert list(answers.values()) == [answers["Check"]] * len(answers)
    assert answers["Check"].decision == pb.DECISION_ALLOW
    text = app.metrics.exposition().decode()
    for door in ("check", "check_batch", "check_stream", "explain"):
        assert f'pdp_decisions_total{{decision="allow",door="{door}",reason="allowed"}} 1.0' in text
        assert f'pdp_decision_seconds_count{{door="{door}"}} 1.0' in text


def test_a_batch_of_people_files_and_credentials(serve: Callable[..., Any]) -> None:
    _, client = serve()
    items = [
        pb.CheckRequest(principal=ANA),
        pb.CheckRequest(principal=EVE),
        pb.CheckRequest(token=token("bob", NOW)),
        pb.CheckRequest(token="a.b.c"),
        pb.CheckRequest(principal=ANA, resource=SECRET),
        pb.CheckRequest(principal=BOB, context=context(region="eu")),
    ]
    sent = pb.CheckBatchRequest(defaults=question(principal=None, context=context(unknown="x")), items=items)
    assert [answer.reason_class for answer in client.CheckBatch(sent, timeout=PATIENCE).results] == [
        *["invalid_request"] * 3,
        "unauthenticated",
        "invalid_request",
        "allowed",
    ]
    sent.defaults.context.Clear()
    assert [answer.reason_class for answer in client.CheckBatch(sent, timeout=PATIENCE).results] == [
        "allowed",
        "forbidden",
        "allowed",
        "unauthenticated",
        "forbidden",
        "allowed",
    ]


def test_nothing_is_explained_unless_the_configuration_says_so(serve: Callable[..., Any]) -> None:
    _, client = serve()
    response = client.Explain(question(), timeout=PATIENCE)
    assert (response.answer.decision, response.answer.reason_class) == (pb.DECISION_DENY, "caller_not_allowed")
    assert not response.policies


def test_the_number_of_streams_is_the_configurations(serve: Callable[..., Any]) -> None:
    _, client = serve(streams=1)
    open_one = client.CheckStream(iter([question(), question()]), timeout=PATIENCE)
    assert next(open_one).decision == pb.DECISION_ALLOW
    assert next(open_one).decision == pb.DECISION_ALLOW
    with pytest.raises(StopIteration):
        next(open_one)
    held = client.CheckStream(_held(question()), timeout=PATIENCE)
    assert next(held).decision == pb.DECISION_ALLOW
    (refusal,) = client.CheckStream(iter([question()]), timeout=PATIENCE)
    assert (refusal.decision, refusal.reason_class) == (pb.DECISION_DENY, "not_ready")
    assert client.Check(question(resource=PLAN), timeout=PATIENCE).decision == pb.DECISION_ALLOW
    held.cancel()


def _held(message: pb.CheckRequest) -> Iterator[pb.CheckRequest]:
    """The message, and then nothing for as long as the stream is read."""
    yield message
    Event().wait(PATIENCE)


def test_before_the_first_load_every_method_denies(tmp_path: Path) -> None:
    config = load_config(write_small_world(tmp_path / "world").config)
    config = replace(config, grpc=GrpcConfig(listen="127.0.0.1:0", explain=True))
    app = App(config, EventLog(StringIO(), LogFormat.JSON, lambda: NOW), lambda: NOW, 60.0)
    app._grpc.start()  # the listening half of `App.start`, which a load follows
    try:
        with grpc.insecure_channel(f"127.0.0.1:{app.grpc_port}") as channel:
            client: Any = DecisionServiceStub(channel)
            asked = question()
            answers = [
                client.Check(asked, timeout=PATIENCE),
                *client.CheckBatch(pb.CheckBatchRequest(items=[asked] * 2), timeout=PATIENCE).results,
                *client.CheckStream(iter([asked]), timeout=PATIENCE),
                client.Explain(asked, timeout=PATIENCE).answer,
            ]
            assert [answer.reason_class for answer in answers] == ["not_ready"] * 5
    finally:
        app.stop()

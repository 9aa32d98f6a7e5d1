"""Damaged protobuf messages against every gRPC method of a running decision point.

Each answer is the protocol's own; a message that can still be read is answered as it is when it is written properly; no
defect is counted; and a question that was answered before is answered alike afterwards.
"""

import random
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import grpc
import httpx
import pytest
from decision_messages import ANA, LAPTOP, PLAN, READ, batch, context, question, results
from engine_worlds import NOW
from envoy.service.auth.v3 import external_auth_pb2
from fuzzing import rounds
from google.protobuf.message import DecodeError
from http_worlds import running
from small_world import token, write_small_world
from wire_mutants import CHANGES, delimited, mutants, nested

from pdp.app import App
from pdp.engine.decider import ReasonClass
from pdp.transport.grpc import ext_authz, service
from pdp.transport.grpc.gen.v1 import decision_pb2 as pb
from pdp.transport.grpc.server import MAX_MESSAGE

QUESTIONS: Final = (
    question(request_id="r-1"),
    question(context=context(region="eu"), device=LAPTOP, min_revision=1),
    question(token=token("ana", NOW)),
)
SEEDS: Final = tuple(asked.SerializeToString() for asked in QUESTIONS)
CONTROL: Final = question(request_id="control").SerializeToString()


def envoy_question() -> bytes:
    """May ana read the plan, asked by Envoy?"""
    asked = external_auth_pb2.CheckRequest()
    http = asked.attributes.request.http
    http.method, http.host, http.path = "GET", "api.example", "/files/plan?x=1"
    http.headers["authorization"] = f"Bearer {token('ana', NOW)}"
    asked.attributes.source.address.socket_address.address = "192.0.2.7"
    asked.attributes.context_extensions["region"] = "eu"
    return bytes(asked.SerializeToString())


def told(reply: bytes) -> list[Any]:
    """What a CheckResponse says, without the id of the request."""
    answer = pb.CheckResponse.FromString(reply)
    assert answer.decision in (pb.DECISION_ALLOW, pb.DECISION_DENY)
    assert (answer.decision == pb.DECISION_ALLOW) == (answer.reason_class == ReasonClass.ALLOWED.value)
    assert answer.reason_class in {reason.value for reason in ReasonClass}
    assert answer.reason_class != ReasonClass.INTERNAL.value
    answer.ClearField("request_id")
    return [answer]


def told_of_batch(reply: bytes) -> list[Any]:
    return [answer for each in results(reply) for answer in told(each.SerializeToString())]


def told_with_reasons(reply: bytes) -> list[Any]:
    explained = pb.ExplainResponse.FromString(reply)
    answer = told(explained.answer.SerializeToString())
    explained.ClearField("answer")
    return [*answer, explained]


def told_to_envoy(reply: bytes) -> list[Any]:
    answer = external_auth_pb2.CheckResponse.FromString(reply)
    allowed = answer.WhichOneof("http_response") == "ok_response"
    assert allowed == (answer.status.code == 0)
    assert allowed or answer.denied_response.status.code in {401, 403}
    assert answer.dynamic_metadata["reason"] != ReasonClass.INTERNAL.value
    return [answer.status.code, answer.dynamic_metadata["reason"]]


class Door(NamedTuple):
    """A method that answers one message with one, whatever comes."""

    path: str
    message: Any
    seeds: tuple[bytes, ...]
    told: Callable[[bytes], list[Any]]


DOORS: Final = {
    "Check": Door(f"/{service.NAME}/Check", pb.CheckRequest, SEEDS, told),
    "CheckBatch": Door(
        f"/{service.NAME}/CheckBatch",
        pb.CheckBatchRequest,
        (batch(SEEDS), batch([b"", SEEDS[0]], SEEDS[1])),
        told_of_batch,
    ),
    "Explain": Door(f"/{service.NAME}/Explain", pb.CheckRequest, SEEDS, told_with_reasons),
    "Envoy's Check": Door(
        f"/{ext_authz.NAME}/Check", external_auth_pb2.CheckRequest, (envoy_question(),), told_to_envoy
    ),
}


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[App, httpx.Client]]:
    world = write_small_world(tmp_path_factory.mktemp("world") / "world")
    world.replace("pdp.yaml", "grpc: {", "grpc: {explain: true, ")
    with running(world) as started:
        yield started


@pytest.fixture(scope="module")
def channel(started: tuple[App, httpx.Client]) -> Iterator[Any]:
    with grpc.insecure_channel(
        f"127.0.0.1:{started[0].grpc_port}", options=[("grpc.max_send_message_length", -1)]
    ) as channel:
        yield channel


@pytest.fixture(autouse=True)
def unchanged(started: tuple[App, httpx.Client], channel: Any) -> Iterator[None]:
    """The control question is answered alike before and after, and no defect is counted between."""

    def state() -> tuple[list[Any], Any, list[str]]:
        answers = [told(ask(channel, DOORS["Check"], CONTROL)), told_to_envoy(ask(channel, DOORS["Envoy's Check"]))]
        exposed = started[1].get("/metrics").text.splitlines()
        defects = [line for line in exposed if line.startswith(("pdp_unexpected_errors_total{", "pdp_reload"))]
        return answers, started[1].get("/readyz").json(), defects

    before = state()
    assert before[0][0][0].decision == pb.DECISION_ALLOW
    assert before[0][1][0] == 0
    yield
    assert state() == before


def ask(channel: Any, door: Door, data: bytes | None = None) -> bytes:
    """The answer to a message, by default to the door's own. A gRPC error escapes."""
    reply: bytes = channel.unary_unary(door.path)(door.seeds[0] if data is None else data, timeout=20)
    return reply


def proper(message: Any, data: bytes) -> bytes | None:
    """The message as it is written properly, without what is not known; None for what cannot be read."""
    try:
        read = message.FromString(data)
    except DecodeError:
        return None
    read.DiscardUnknownFields()
    return bytes(read.SerializeToString())


@pytest.mark.parametrize("name", DOORS)
def test_what_cannot_be_read_is_denied_and_what_can_be_is_answered_as_ever(channel: Any, name: str) -> None:
    door = DOORS[name]
    rng = random.Random(20261125)
    read = dict.fromkeys(CHANGES, 0)
    for change, data in mutants(rng, door.seeds, rounds(20 * len(CHANGES))):
        answer = door.told(ask(channel, door, data))
        written = proper(door.message, data)
        if written is not None:
            assert answer == door.told(ask(channel, door, written)), (change, data)
            read[change] += 1
        elif name == "CheckBatch":
            # Of a list, each part is read by itself.
            assert all(part.decision == pb.DECISION_DENY or part in good(channel) for part in answer), (change, data)
        else:
            assert ReasonClass.INVALID_REQUEST.value in repr(answer), (change, data)
    assert read["an unknown field"] > 10
    assert read["another order"] > 10
    assert read["groups nested deeply"] == read["a length beyond the end"] == read["a wire type that is none"] == 0


def good(channel: Any) -> list[Any]:
    """The answers to the questions that nobody damaged."""
    return [answer for seed in SEEDS for answer in told(ask(channel, DOORS["Check"], seed))]


def test_a_bad_part_of_a_batch_leaves_its_neighbours_alone(channel: Any) -> None:
    rng = random.Random(20261126)
    for change, data in mutants(rng, SEEDS, rounds(10 * len(CHANGES))):
        answers = told_of_batch(ask(channel, DOORS["CheckBatch"], batch([CONTROL, data, CONTROL])))
        alone = told(ask(channel, DOORS["Check"], CONTROL))
        assert answers == alone + told(ask(channel, DOORS["Check"], data)) + alone, (change, data)


def test_a_bad_question_of_a_stream_leaves_its_neighbours_alone(channel: Any) -> None:
    rng = random.Random(20261127)
    asked = [data for _, damaged in mutants(rng, SEEDS, rounds(10 * len(CHANGES))) for data in (CONTROL, damaged)]
    answers = list(channel.stream_stream(f"/{service.NAME}/CheckStream")(iter(asked), timeout=60))
    assert len(answers) == len(asked)
    assert list(map(told, answers)) == [told(ask(channel, DOORS["Check"], data)) for data in asked]


def test_a_damaged_subscription_is_refused_or_begins(channel: Any) -> None:
    rng = random.Random(20261128)
    seed = pb.WatchRequest(entities=[ANA, PLAN, READ], after="x").SerializeToString()
    outcomes = set()
    for _, data in mutants(rng, [seed], rounds(4 * len(CHANGES))):
        events = channel.unary_stream(f"/{service.NAME}/Watch")(data, timeout=20)
        if _begins(events):
            assert proper(pb.WatchRequest, data) is not None
            outcomes.add("begins")
        else:
            assert events.code() is grpc.StatusCode.INVALID_ARGUMENT
            outcomes.add("refused")
        events.cancel()
    assert outcomes == {"begins", "refused"}


def _begins(events: Any) -> bool:
    """Whether a subscription has a first event."""
    try:
        return bool(pb.WatchEvent.FromString(next(events)).place)
    except grpc.RpcError:
        return False


@pytest.mark.parametrize(
    "path", ["/grpc.health.v1.Health/Check", "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"]
)
def test_the_standard_services_refuse_what_they_cannot_read(channel: Any, path: str) -> None:
    answers = channel.stream_stream(path)(iter([b"\xff\xff"]), timeout=20)
    with pytest.raises(grpc.RpcError) as caught:
        next(answers)
    assert caught.value.code() is grpc.StatusCode.INTERNAL


@pytest.mark.parametrize("name", DOORS)
@pytest.mark.parametrize("levels", [20, 60, 99, 100, 101, 1_000, 20_000])
def test_depth(channel: Any, name: str, levels: int) -> None:
    """Sets in sets of the context, as deep as it may be and deeper; for Envoy, structures in structures."""
    door = DOORS[name]
    value = nested(5, levels // 2, delimited(3, b"x")) if name != "Envoy's Check" else b""
    field = delimited(1, delimited(1, b"region") + delimited(2, value))
    one = question().SerializeToString() + delimited(5, field)
    data = batch([one]) if name == "CheckBatch" else one
    if name == "Envoy's Check":
        data = door.seeds[0] + delimited(1, delimited(11, nested(1, levels)))
    answer = door.told(ask(channel, door, data))
    assert answer
    if levels >= 1_000:
        assert ReasonClass.INVALID_REQUEST.value in repr(answer)


@pytest.mark.parametrize("name", DOORS)
def test_size(channel: Any, name: str) -> None:
    door = DOORS[name]
    largest = door.seeds[0] + delimited(999, b"\0" * (MAX_MESSAGE - len(door.seeds[0]) - 6))
    assert len(largest) == MAX_MESSAGE
    assert door.told(ask(channel, door, largest))
    with pytest.raises(grpc.RpcError) as caught:
        ask(channel, door, largest + b"\0")
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("path", ["/pdp.v1.DecisionService/Nothing", "/nothing", "/", "//", "/pdp.v1.DecisionService/"])
def test_methods_that_are_none(channel: Any, path: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(path)(CONTROL, timeout=20)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED

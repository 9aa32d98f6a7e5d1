"""Streams: answered as `Check` answers, in order; bounded, apart from all other calls; gone when their callers are."""

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Event
from time import monotonic, sleep
from typing import Any, ClassVar

import grpc
import pytest
from callers import FAR, admission, gated
from decision_messages import (
    ANA,
    BOB,
    EVE,
    GONE,
    LOCAL,
    PLAN,
    READ,
    SECRET,
    WRITE,
    context,
    decider_of,
    load_small_world,
    nameless,
    question,
)
from doors import FakeVerifier, Reports, an_allow
from engine_worlds import NOW
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from hypothesis import given
from hypothesis import strategies as st

from pdp.config import GrpcConfig
from pdp.engine.decider import CheckRequest, Verdict
from pdp.telemetry.metrics import Door, Metrics
from pdp.transport.authentication import Authentication
from pdp.transport.door import GuardedDoor
from pdp.transport.grpc import service
from pdp.transport.grpc.gen.v1 import decision_pb2 as pb
from pdp.transport.grpc.gen.v1.decision_pb2_grpc import DecisionServiceStub
from pdp.transport.grpc.server import MAX_MESSAGE, MAX_REFLECTIONS, MAX_WATCHES, GrpcServer, Methods
from pdp.transport.grpc.service import DecisionService
from pdp.transport.grpc.streams import Streamed, handle_stream

WORKERS = 2
PLACES = 3
PATIENCE = 30
"""Seconds that something may take before it counts as not coming about."""


@dataclass
class Gate:
    """A decider that allows; where the resource is `secret`, only once it is told to go on."""

    entered: SimpleQueue[str] = field(default_factory=SimpleQueue)
    go_on: Event = field(default_factory=Event)
    asked: list[str] = field(default_factory=list)

    def decide(self, request: CheckRequest) -> Verdict:
        self.asked.append(request.request_id)
        if request.resource.id == "secret":
            self.entered.put(request.request_id)
            assert self.go_on.wait(PATIENCE)
        if request.resource.id == "gone":
            raise ValueError("secret")
        return an_allow()


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.go_on.set()


@pytest.fixture
def server(gate: Gate, authentication: Authentication, metrics: Metrics, reports: Reports) -> Iterator[GrpcServer]:
    decisions = DecisionService(gate, authentication)

    def guarded(door: Door, adapter: Any) -> GuardedDoor:
        return GuardedDoor(door, adapter, service.LAST_RESORT, metrics, reports)

    methods: Methods = {
        "Check": guarded(Door.CHECK, decisions.check),
        "CheckStream": Streamed(
            gated(guarded(Door.CHECK_STREAM, decisions.check)), guarded(Door.CHECK_STREAM, service.deny_stream), PLACES
        ),
    }
    made = GrpcServer(GrpcConfig("127.0.0.1:0", WORKERS), {service.NAME: methods}, reports)
    made.start()
    yield made
    gate.go_on.set()
    made.stop(0)


@pytest.fixture
def connect(server: GrpcServer) -> Iterator[Callable[[], grpc.Channel]]:
    """Opens connections of their own, and closes them in the end."""
    with ExitStack() as stack:

        def made() -> grpc.Channel:
            options = (("grpc.use_local_subchannel_pool", 1),)
            return stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{server.port}", options))

        yield made


@pytest.fixture
def channel(connect: Callable[[], grpc.Channel]) -> grpc.Channel:
    return connect()


class Sending(SimpleQueue[Any]):
    """What a client sends, until None. gRPC waits for it in a thread of the client, even when the call has ended."""

    everything: ClassVar[list["Sending"]] = []

    def __init__(self) -> None:
        self.everything.append(self)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.get, None)


@pytest.fixture(autouse=True)
def everything_ends() -> Iterator[None]:
    """Lets those threads end with the test."""
    yield
    while Sending.everything:
        Sending.everything.pop().put(None)


class Stream:
    """An open `CheckStream`, of messages or of bytes that need be none."""

    def __init__(self, channel: Any) -> None:
        self._sent = Sending()
        self.call = channel.stream_stream(f"/{service.NAME}/CheckStream")(iter(self._sent), timeout=PATIENCE)

    def send(self, *messages: pb.CheckRequest | bytes) -> None:
        for message in messages:
            self._sent.put(message if isinstance(message, bytes) else message.SerializeToString())

    def end(self) -> None:
        self._sent.put(None)

    def read(self) -> pb.CheckResponse:
        return pb.CheckResponse.FromString(next(self.call))

    def ask(self, *messages: pb.CheckRequest | bytes) -> list[pb.CheckResponse]:
        """Send all, then read an answer to each."""
        self.send(*messages)
        return [self.read() for _ in messages]

    def code(self) -> grpc.StatusCode:
        """How the stream ended; returns once it has."""
        code: grpc.StatusCode = self.call.code()
        return code


def placed(channel: grpc.Channel) -> Stream:
    """A stream that has a place, and has shown it."""
    stream = Stream(channel)
    (answer,) = stream.ask(question())
    assert answer.reason_class == "allowed"
    return stream


def refused(channel: grpc.Channel) -> bool:
    """Whether there is no place for one more stream. If there is one, it is given back."""
    stream = Stream(channel)
    (answer,) = stream.ask(question())
    stream.end()
    assert stream.code() is grpc.StatusCode.OK
    return answer.reason_class == "not_ready"


def eventually(condition: Callable[[], bool]) -> None:
    deadline = monotonic() + PATIENCE
    while not condition():
        assert monotonic() < deadline, "it did not come about"
        sleep(0.005)


def check(channel: grpc.Channel) -> pb.CheckResponse:
    response: pb.CheckResponse = DecisionServiceStub(channel).Check(question(), timeout=PATIENCE)
    return response


# Answers


def test_a_stream_over_the_generated_client(channel: grpc.Channel) -> None:
    asked = [question(request_id=f"r{number}") for number in range(100)]
    answers = list(DecisionServiceStub(channel).CheckStream(iter(asked), timeout=PATIENCE))
    assert [answer.request_id for answer in answers] == [message.request_id for message in asked]
    assert {answer.decision for answer in answers} == {pb.DECISION_ALLOW}


def test_a_stream_of_nothing_ends_well(channel: grpc.Channel, metrics: Metrics) -> None:
    assert list(DecisionServiceStub(channel).CheckStream(iter(()), timeout=PATIENCE)) == []
    assert 'door="check_stream"' not in decisions(metrics)


def test_what_is_no_message_is_denied_and_the_stream_goes_on(channel: grpc.Channel, reports: Reports) -> None:
    stream = Stream(channel)
    good = question(request_id="g")
    answers = stream.ask(good, b"\xff\xff", good, b"", good, question(token="bad", request_id="t"), good)
    assert [(answer.decision == pb.DECISION_ALLOW, answer.reason_class) for answer in answers] == [
        (True, "allowed"),
        (False, "invalid_request"),
        (True, "allowed"),
        (False, "unauthenticated"),
        (True, "allowed"),
        (False, "unauthenticated"),
        (True, "allowed"),
    ]
    assert [answer.request_id for answer in answers[0::2]] == ["g"] * 4
    assert answers[1].request_id not in {"", "g"}
    assert answers[5].request_id == "t"
    stream.end()
    assert stream.code() is grpc.StatusCode.OK
    assert reports.seen == []


def test_what_breaks_is_a_deny_of_that_question(channel: grpc.Channel, reports: Reports) -> None:
    answers = Stream(channel).ask(question(), question(resource=GONE), question())
    assert [answer.reason_class for answer in answers] == ["allowed", "internal_error", "allowed"]
    assert [place for place, _ in reports.seen] == ["check_stream"]


def test_every_question_shows_its_own_credential_anew(channel: grpc.Channel, authentication: Authentication) -> None:
    stream = Stream(channel)
    assert stream.ask(question(token="good"))[0].reason_class == "allowed"
    assert stream.ask(question(principal=None))[0].reason_class == "unauthenticated"
    authentication.verifier = None
    assert stream.ask(question(token="good"))[0].reason_class == "not_ready"


@pytest.mark.parametrize("size", [254, 255, 256, 65_534, 65_535, 65_536, 2**20])
def test_messages_of_any_size(channel: grpc.Channel, size: int) -> None:
    large = question(context=context(region="x" * size))
    assert [answer.reason_class for answer in Stream(channel).ask(large, question())] == ["allowed"] * 2


def test_a_message_over_the_bound_ends_its_stream_and_nothing_else(channel: grpc.Channel, reports: Reports) -> None:
    stream, other = placed(channel), placed(channel)
    stream.send(question(context=context(region="x" * MAX_MESSAGE)))
    assert stream.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert other.ask(question())[0].reason_class == "allowed"
    eventually(lambda: not refused(channel))
    assert reports.seen == []


def test_a_message_is_read_when_the_answer_before_it_was_taken() -> None:
    read: list[int] = []

    def messages() -> Iterator[bytes]:
        for number in range(10):
            read.append(number)
            yield bytes([number])

    handler: Any = handle_stream(Streamed(gated(lambda data, _: data), lambda *_: b"", 1), lambda _: LOCAL)
    answers = handler.stream_stream(messages(), None)
    for number in range(10):
        assert next(answers) == bytes([number])
        assert read == list(range(number + 1))


def test_a_caller_that_may_not_ask_gets_one_answer_and_no_place() -> None:
    def messages() -> Iterator[bytes]:
        raise AssertionError("it was waited for")
        yield b""

    handler: Any = handle_stream(Streamed(gated(lambda data, _: data), lambda *_: b"", 1), lambda _: FAR)
    assert list(handler.stream_stream(messages(), None)) == [b"refused"]


def decisions(metrics: Metrics) -> str:
    lines = metrics.exposition().decode().splitlines()
    return "\n".join(line for line in lines if line.startswith("pdp_decisions_total{"))


def test_every_answer_is_counted(channel: grpc.Channel, metrics: Metrics) -> None:
    streams = [placed(channel) for _ in range(PLACES)]
    streams[0].ask(b"\xff")
    assert refused(channel)
    check(channel)
    assert decisions(metrics).splitlines() == [
        f'pdp_decisions_total{{decision="allow",door="check_stream",reason="allowed"}} {PLACES}.0',
        'pdp_decisions_total{decision="deny",door="check_stream",reason="invalid_request"} 1.0',
        'pdp_decisions_total{decision="deny",door="check_stream",reason="not_ready"} 1.0',
        'pdp_decisions_total{decision="allow",door="check",reason="allowed"} 1.0',
    ]


# As `Check` answers


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> tuple[DecisionService, Reports]:
    """The small world behind `Check`."""
    reports = Reports()
    authentication = Authentication(lambda: NOW, Metrics(), admission(Metrics()))
    authentication.verifier = FakeVerifier()
    decider = decider_of(load_small_world(tmp_path_factory.mktemp("world")), reports)
    return DecisionService(decider, authentication), reports


MESSAGES = st.one_of(
    st.binary(max_size=30),
    st.builds(
        lambda **fields: question(**fields).SerializeToString(),
        principal=st.sampled_from([ANA, BOB, EVE, None]),
        action=st.sampled_from([READ, WRITE, None]),
        resource=st.sampled_from([PLAN, SECRET, GONE, pb.EntityUid()]),
        context=st.sampled_from([None, context(region="eu"), context(auth="x"), context(other="x")]),
        request_id=st.sampled_from([None, "r", "x" * 129]),
    ),
)


@given(st.lists(MESSAGES, max_size=8))
def test_a_stream_is_answered_as_its_questions_one_by_one(
    real: tuple[DecisionService, Reports], messages: list[bytes]
) -> None:
    decisions, reports = real
    metrics = Metrics()
    door = GuardedDoor(Door.CHECK_STREAM, decisions.check, service.LAST_RESORT, metrics, reports)
    handler: Any = handle_stream(Streamed(gated(door), lambda *_: b"", 1), lambda _: LOCAL)
    answers = list(map(pb.CheckResponse.FromString, handler.stream_stream(iter(messages), None)))
    expected = [pb.CheckResponse.FromString(decisions.check(message, LOCAL)[1]) for message in messages]
    assert list(map(nameless, answers)) == list(map(nameless, expected))
    assert reports.seen == []


# Places


def test_a_stream_too_many_is_denied_and_has_its_place_when_one_is_free(channel: grpc.Channel) -> None:
    streams = [placed(channel) for _ in range(PLACES)]
    late = Stream(channel)
    answer = late.read()  # without having asked
    assert (answer.decision, answer.reason_class) == (pb.DECISION_DENY, "not_ready")
    assert "too many streams" in answer.message
    assert answer.request_id
    with pytest.raises(StopIteration):
        late.read()
    assert late.code() is grpc.StatusCode.OK
    streams.pop().end()
    eventually(lambda: not refused(channel))
    assert all(stream.ask(question())[0].reason_class == "allowed" for stream in streams)


@pytest.mark.parametrize("way", ["end", "cancel", "close"])
def test_a_place_is_free_however_its_stream_ends(
    connect: Callable[[], grpc.Channel], reports: Reports, way: str
) -> None:
    keeper = connect()
    for _ in range(3):
        channel = connect()
        streams = [placed(channel) for _ in range(PLACES)]
        assert refused(keeper)
        if way == "close":
            channel.close()
        for stream in streams:
            stream.call.cancel() if way == "cancel" else stream.end()
        for _ in range(PLACES):  # none of them is lost
            eventually(lambda: not refused(keeper))
            streams.append(placed(keeper))
        assert refused(keeper)
        for stream in streams:
            stream.end()
        eventually(lambda: not refused(keeper))
    assert reports.seen == []


def test_idle_streams_of_every_kind_starve_no_check(connect: Callable[[], grpc.Channel]) -> None:
    channel = connect()
    held = [placed(channel) for _ in range(PLACES)]
    refusals = [Stream(connect()) for _ in range(10 * WORKERS)]  # never read, never ended
    reflections = [reflection(connect()) for _ in range(2 * MAX_REFLECTIONS)]
    watches = [watch(channel) for _ in range(2 * MAX_WATCHES)]
    for _ in range(20 * WORKERS):
        assert check(channel).reason_class == "allowed"
    assert all(stream.ask(question())[0].reason_class == "allowed" for stream in held)
    assert refusals[0].read().reason_class == "not_ready"
    for call in (*reflections, *watches):
        call.cancel()


def test_streams_at_work_starve_no_check(channel: grpc.Channel, gate: Gate) -> None:
    streams = [placed(channel) for _ in range(PLACES)]
    for stream in streams:
        stream.send(question(resource=SECRET))
    for _ in streams:
        gate.entered.get(timeout=PATIENCE)
    assert check(channel).reason_class == "allowed"
    gate.go_on.set()
    assert [stream.read().reason_class for stream in streams] == ["allowed"] * PLACES


def test_a_stream_whose_answers_are_not_read_holds_its_own_place_and_no_other(
    channel: grpc.Channel, gate: Gate
) -> None:
    deaf = Stream(channel)
    deaf.send(*[question(request_id=f"{number:0128}") for number in range(5_000)])
    assert placed(channel).ask(question())[0].reason_class == "allowed"
    assert check(channel).reason_class == "allowed"
    assert [deaf.read().request_id for _ in range(5_000)] == [f"{number:0128}" for number in range(5_000)]


def reflection(channel: grpc.Channel) -> Any:
    """A reflection stream that stays open."""
    asked = Sending()
    asked.put(reflection_pb2.ServerReflectionRequest(list_services=""))
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    return stub.ServerReflectionInfo(iter(asked), timeout=PATIENCE)


def test_reflection_has_few_places_of_its_own(channel: grpc.Channel, reports: Reports) -> None:
    held = [placed(channel) for _ in range(PLACES)]
    open_ones = [reflection(channel) for _ in range(MAX_REFLECTIONS)]
    assert all(next(call).HasField("list_services_response") for call in open_ones)
    with pytest.raises(grpc.RpcError) as caught:
        next(reflection(channel))
    error: Any = caught.value
    assert (error.code(), error.details()) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "too many streams")
    open_ones.pop().cancel()
    eventually(lambda: _reflects(channel))
    assert held[0].ask(question())[0].reason_class == "allowed"
    for call in open_ones:
        call.cancel()
    assert reports.seen == []


def _reflects(channel: grpc.Channel) -> bool:
    call = reflection(channel)
    try:
        return bool(next(call).HasField("list_services_response"))
    except grpc.RpcError:
        return False
    finally:
        call.cancel()


def watch(channel: grpc.Channel) -> Any:
    """A watch of health that stays open."""
    return health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=PATIENCE)


def watching(channel: grpc.Channel) -> Any:
    """A watch of health that has a place, once there is one."""
    found: list[Any] = []

    def watches() -> bool:
        call = watch(channel)
        try:
            assert next(call).status == health_pb2.HealthCheckResponse.NOT_SERVING
        except grpc.RpcError:
            assert call.code() is grpc.StatusCode.UNIMPLEMENTED  # for which clients go on without watching
            return False
        found.append(call)
        return True

    eventually(watches)
    return found[0]


def eventually_nothing(channel: Any) -> bool:
    """Whether a watch that asks nothing is answered with nothing, once there is a place for it again: that calls were
    cancelled takes a moment to come through.
    """
    for _ in range(200):
        try:
            return list(channel.stream_stream("/grpc.health.v1.Health/Watch")(iter(()), timeout=PATIENCE)) == []
        except grpc.RpcError as error:
            refused: Any = error
            assert refused.code() is grpc.StatusCode.UNIMPLEMENTED
            sleep(0.05)
    return False


def test_watching_health_has_places_of_its_own(channel: Any, reports: Reports) -> None:
    for _ in range(2):
        # Calls that say they watch and never what: no thread must wait for that in vain, and no place be lost.
        silent = [
            channel.stream_stream("/grpc.health.v1.Health/Watch")(iter(Sending()), timeout=PATIENCE)
            for _ in range(2 * MAX_WATCHES)
        ]
        assert check(channel).reason_class == "allowed"
        for call in silent:
            call.cancel()
        assert eventually_nothing(channel)
        watches = [watching(channel) for _ in range(MAX_WATCHES)]
        with pytest.raises(grpc.RpcError):
            next(watch(channel))
        assert placed(channel).ask(question())[0].reason_class == "allowed"
        for call in watches:
            call.cancel()
    assert reports.seen == []


def test_a_watcher_that_goes_while_health_changes_stops_nothing(
    server: GrpcServer, connect: Callable[[], grpc.Channel]
) -> None:
    going = Event()

    def change() -> None:
        for ready in itertools.cycle((True, False)):
            if going.is_set():
                return
            server.set_ready(ready=ready)

    changing = threading.Thread(target=change)
    changing.start()
    try:
        for _ in range(150):
            channel = connect()
            call = watch(channel)
            next(call)
            call.cancel()
            channel.close()
    finally:
        going.set()
        changing.join(PATIENCE)
    assert not changing.is_alive()
    assert check(connect()).reason_class == "allowed"


# Callers that go away


def test_a_stream_that_is_cancelled_midway_leaves_nothing_running(
    channel: grpc.Channel, gate: Gate, reports: Reports
) -> None:
    stream = placed(channel)
    stream.send(question(request_id="at work", resource=SECRET), *[question(request_id="never") for _ in range(20)])
    assert gate.entered.get(timeout=PATIENCE) == "at work"
    stream.call.cancel()
    assert stream.code() is grpc.StatusCode.CANCELLED
    check(channel)  # on the same connection: when it is answered, the server knows that the stream is cancelled
    gate.go_on.set()
    all_places = [placed(channel) for _ in range(PLACES - 1)]
    eventually(lambda: not refused(channel))
    assert "never" not in gate.asked
    assert all(stream.ask(question())[0].reason_class == "allowed" for stream in all_places)
    assert reports.seen == []


def test_stopping_ends_idle_streams_and_their_threads(
    gate: Gate, server: GrpcServer, channel: grpc.Channel, reports: Reports
) -> None:
    before = set(threading.enumerate())
    streams = [placed(channel) for _ in range(PLACES)]
    threads = {thread for thread in threading.enumerate() if thread.name.startswith("grpc-stream")} - before
    assert len(threads) == PLACES
    server.stop(0)
    assert all(stream.code() is not grpc.StatusCode.OK for stream in streams)
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert reports.seen == []


def test_a_running_answer_is_still_given_while_stopping(gate: Gate, server: GrpcServer, channel: grpc.Channel) -> None:
    stream = placed(channel)
    stream.send(question(resource=SECRET, request_id="last"))
    gate.entered.get(timeout=PATIENCE)
    stopping = threading.Thread(target=server.stop, args=(PATIENCE,))
    stopping.start()
    gate.go_on.set()
    assert stream.read().request_id == "last"
    stream.end()
    assert stream.code() is grpc.StatusCode.OK
    stopping.join(PATIENCE)
    assert not stopping.is_alive()

"""`Watch`: what a caller is told, when it is told nothing more, and that watchers hold nobody up."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from threading import Thread
from time import monotonic, sleep
from typing import Any

import grpc
import pytest
from caching_worlds import DOCS, GROUPS, USERS, a_model
from callers import FAR, LOCAL, UNIX, admission
from doors import Reports

from pdp.cedar.values import EntityUID
from pdp.config import GrpcConfig
from pdp.engine.callers.judging import CallerAction, CallerDoor, Switches, load_caller_policies
from pdp.engine.changes import EVERYTHING, Change
from pdp.engine.watches import Watches
from pdp.telemetry import names
from pdp.telemetry.metrics import Metrics
from pdp.transport.admission import Admission
from pdp.transport.grpc import service
from pdp.transport.grpc.gen.v1 import decision_pb2 as pb
from pdp.transport.grpc.gen.v1.decision_pb2_grpc import DecisionServiceStub
from pdp.transport.grpc.server import GrpcServer
from pdp.transport.grpc.streams import Subscribed
from pdp.transport.grpc.watch import MOST_WATCHED, WatchService

PATIENCE = 30
PLACES = 3
ANA, BOB, _ = USERS
WORLD = a_model().world()


class Client:
    """Opens a connection of its own for each stub."""

    def __init__(self, port: int, stack: ExitStack) -> None:
        self._port = port
        self._stack = stack

    def __call__(self) -> Any:
        return DecisionServiceStub(self._channel())

    def raw(self, message: bytes) -> Any:
        call: Any = self._channel().unary_stream(f"/{service.NAME}/Watch")
        return call(message, timeout=PATIENCE)

    def _channel(self) -> grpc.Channel:
        options = (("grpc.use_local_subchannel_pool", 1),)
        return self._stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{self._port}", options))


@pytest.fixture
def watches() -> Watches:
    made = Watches()
    made.changed(WORLD, EVERYTHING)
    return made


@pytest.fixture
def judge(metrics: Metrics) -> Admission:
    return admission(metrics)


@pytest.fixture
def serve(watches: Watches, judge: Admission, metrics: Metrics, reports: Reports) -> Iterator[Callable[..., Client]]:
    """Serves `Watch`, with a heartbeat as given; gives what opens clients."""
    with ExitStack() as stack:

        def served(heartbeat: float = PATIENCE) -> Client:
            gate = judge.gate(CallerAction.WATCH, CallerDoor.DECISIONS)
            watching = WatchService(watches, gate.admits, metrics.watching, heartbeat)
            methods = {"Watch": Subscribed(watching.watch, PLACES)}
            server = GrpcServer(GrpcConfig("127.0.0.1:0", workers=1), {service.NAME: methods}, reports)
            server.start()
            stack.callback(server.stop, 0)
            stack.callback(watches.close)
            return Client(server.port, stack)

        yield served


def about(*entities: EntityUID, after: str = "") -> pb.WatchRequest:
    return pb.WatchRequest(entities=[pb.EntityUid(type=uid.type, id=uid.id) for uid in entities], after=after)


def told(event: Any) -> set[EntityUID] | str:
    assert not (event.everything and event.entities)
    return "everything" if event.everything else {EntityUID(uid.type, uid.id) for uid in event.entities}


def changed(*uids: EntityUID) -> Change:
    return Change(entities=frozenset(uids))


def until(condition: Callable[[], bool]) -> None:
    end = monotonic() + PATIENCE
    while not condition():
        assert monotonic() < end
        sleep(0.01)


def metric(metrics: Metrics, series: str) -> float:
    lines = metrics.exposition().decode().splitlines()
    return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{series} "))


def refusal(call: Any) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as caught:
        list(call)
    error: Any = caught.value
    code: grpc.StatusCode = error.code()
    return code


def test_a_watcher_is_told_at_once_and_then_of_every_change(serve: Callable[..., Client], watches: Watches) -> None:
    events = serve()()
    stream = events.Watch(about(), timeout=PATIENCE)
    first = next(stream)
    assert (told(first), first.policy_revision, first.context_revision) == (
        "everything",
        WORLD.policy_revision,
        WORLD.context_revision,
    )
    watches.changed(WORLD.at(7), changed(ANA))
    second = next(stream)
    assert (told(second), second.context_revision) == ({ANA}, 7)
    assert second.place != first.place
    watches.changed(WORLD.at(8), Change(grants=frozenset([GROUPS[0]])))
    assert told(next(stream)) == {GROUPS[0]}
    stream.cancel()


def test_who_names_its_entities_is_told_of_those_whatever_has_changed(
    serve: Callable[..., Client], watches: Watches
) -> None:
    stream = serve()().Watch(about(ANA, DOCS[1]), timeout=PATIENCE)
    assert told(next(stream)) == "everything"
    watches.changed(WORLD, changed(BOB))  # nobody here
    watches.changed(WORLD, Change(grants=frozenset([GROUPS[0]])))  # a group that ana is in
    assert told(next(stream)) == {ANA, DOCS[1]}  # the plan is hers
    watches.changed(WORLD, changed(DOCS[0]))  # the folder of the plan
    assert told(next(stream)) == {DOCS[1]}
    stream.cancel()


def test_who_comes_again_is_told_what_it_has_missed(serve: Callable[..., Client], watches: Watches) -> None:
    client = serve()
    first = next(client().Watch(about(), timeout=PATIENCE))
    watches.changed(WORLD, changed(ANA))
    watches.changed(WORLD, changed(BOB))
    again = next(client().Watch(about(after=first.place), timeout=PATIENCE))
    assert told(again) == {ANA, BOB}
    assert told(next(client().Watch(about(BOB, after=first.place), timeout=PATIENCE))) == {BOB}
    assert told(next(client().Watch(about(after=again.place), timeout=PATIENCE))) == set()
    assert told(next(client().Watch(about(after="another process's"), timeout=PATIENCE))) == "everything"


def test_who_hears_nothing_else_hears_a_heartbeat(
    serve: Callable[..., Client], watches: Watches, metrics: Metrics
) -> None:
    stream = serve(0.05)().Watch(about(ANA), timeout=PATIENCE)
    first = next(stream)
    second = next(stream)
    assert (told(second), second.place) == (set(), first.place)
    # Also when much happens that is of no concern to it.
    stop: list[int] = []

    def change() -> None:
        while not stop:
            watches.changed(WORLD, changed(BOB))
            sleep(0.005)

    thread = Thread(target=change)
    thread.start()
    later = [next(stream) for _ in range(3)]
    stop.append(1)
    thread.join(PATIENCE)
    assert [told(event) for event in later] == [set()] * 3
    assert len({event.place for event in later}) > 1
    stream.cancel()
    assert metric(metrics, f'{names.WATCH_EVENTS}{{kind="nothing"}}') >= 4
    assert metric(metrics, f'{names.WATCH_EVENTS}{{kind="everything"}}') == 1


def test_a_slow_watcher_is_told_all_at_once_and_holds_nobody_up(serve: Callable[..., Client], watches: Watches) -> None:
    client = serve()
    slow, quick = client().Watch(about(), timeout=PATIENCE), client().Watch(about(), timeout=PATIENCE)
    assert told(next(slow)) == told(next(quick)) == "everything"
    people = [EntityUID("User", f"{number}" * 50) for number in range(500)]
    start = monotonic()
    for person in people:
        watches.changed(WORLD, changed(person))
    assert monotonic() - start < PATIENCE  # nobody was waited for
    heard: set[EntityUID] = set()
    while heard != set(people):
        heard |= told(next(quick))  # type: ignore[arg-type]  # a set: there are fewer than can be told at once
    late: set[EntityUID] = set()
    events = 0
    while late != set(people):
        late |= told(next(slow))  # type: ignore[arg-type]  # likewise
        events += 1
    assert events < len(people) // 2
    for stream in (slow, quick):
        stream.cancel()


def test_more_watchers_than_there_are_places_are_refused_and_a_place_is_free_again(
    serve: Callable[..., Client], watches: Watches, metrics: Metrics
) -> None:
    client = serve()
    held = [client().Watch(about(), timeout=PATIENCE) for _ in range(PLACES)]
    for stream in held:
        next(stream)
    assert metric(metrics, names.WATCHERS) == PLACES
    assert refusal(client().Watch(about(), timeout=PATIENCE)) is grpc.StatusCode.RESOURCE_EXHAUSTED
    held[0].cancel()  # it waits for news; that it has gone wakes it
    until(lambda: metric(metrics, names.WATCHERS) == PLACES - 1)
    later = client().Watch(about(), timeout=PATIENCE)
    until(lambda: told(next(later)) == "everything")
    for stream in (*held[1:], later):
        stream.cancel()
    until(lambda: metric(metrics, names.WATCHERS) == 0)


@pytest.mark.parametrize(
    "message",
    [
        about(*[EntityUID("User", str(number)) for number in range(MOST_WATCHED + 1)]).SerializeToString(),
        about(EntityUID("not a type", "x")).SerializeToString(),
        about(after="x" * 65).SerializeToString(),
        b"\xff",
    ],
)
def test_what_cannot_be_read_is_an_error_and_takes_no_place(
    serve: Callable[..., Client], metrics: Metrics, message: bytes
) -> None:
    client = serve()
    for _ in range(PLACES + 1):
        call = client.raw(message)
        assert refusal(call) is grpc.StatusCode.INVALID_ARGUMENT
    assert metric(metrics, names.WATCHERS) == 0


def test_as_many_as_may_be_named_are_watched(serve: Callable[..., Client], watches: Watches) -> None:
    people = [EntityUID("User", str(number)) for number in range(MOST_WATCHED)]
    stream = serve()().Watch(about(*people), timeout=PATIENCE)
    next(stream)
    watches.changed(WORLD, changed(*people[:3]))
    assert told(next(stream)) == set(people[:3])
    stream.cancel()


def test_a_caller_that_may_not_watch_is_refused_and_one_that_may_not_any_more_is_told_nothing(
    serve: Callable[..., Client], watches: Watches, judge: Admission, tmp_path: Any
) -> None:
    client = serve()
    stream = client().Watch(about(), timeout=PATIENCE)
    next(stream)
    (tmp_path / "none.cedar").write_text(
        '@id("callers/none") forbid (principal, action == Pdp::Action::"watch", resource);', "utf-8"
    )
    judge.replace(load_caller_policies(tmp_path))
    watches.changed(WORLD, changed(ANA))
    assert refusal(stream) is grpc.StatusCode.PERMISSION_DENIED
    assert refusal(client().Watch(about(), timeout=PATIENCE)) is grpc.StatusCode.PERMISSION_DENIED


def test_when_the_decision_point_stops_streams_end(serve: Callable[..., Client], watches: Watches) -> None:
    stream = serve()().Watch(about(), timeout=PATIENCE)
    next(stream)
    watches.close()
    assert list(stream) == []


def test_switches_do_not_matter(metrics: Metrics) -> None:
    """Who is on this machine may watch, whatever else is switched on or off."""
    judge = Admission(load_caller_policies(None), Switches(accept_asserted=False, explain=False), metrics)
    admits = judge.gate(CallerAction.WATCH, CallerDoor.DECISIONS).admits
    assert [admits(caller) for caller in (LOCAL, UNIX, FAR)] == [True, True, False]

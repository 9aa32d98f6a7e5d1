"""Every endpoint: bounded bodies, no exception, what is counted, and ids that come back."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from callers import FAR, gate
from doors import Reports, an_allow
from starlette.routing import Route

from pdp.config import HttpConfig
from pdp.engine.decider import ReasonClass, deny
from pdp.telemetry.metrics import Door, Metrics
from pdp.transport.callers import caller_at
from pdp.transport.errors import MessageError
from pdp.transport.http import connections, endpoint
from pdp.transport.http.endpoint import INLINE_BODY, MAX_BODY, Answered, BodyError, GuardedEndpoint, HttpAsk, HttpReply
from pdp.transport.http.server import HttpServer, build_routes

DENIED = HttpReply(403, {"x-door": "closed"}, b"denied")
REFUSED = HttpReply(403, {}, b"refused")
OK = HttpReply(200, {"content-type": "text/plain"}, b"fine")


@contextmanager
def serving(
    adapter: Callable[[HttpAsk], Answered], metrics: Metrics, reports: Reports, threads: int = 0
) -> Iterator[httpx.Client]:
    guarded = GuardedEndpoint(
        Door.AUTHZEN, gate(metrics), adapter, metrics, reports, refused=REFUSED, last_resort=DENIED, threads=threads
    )
    routes = [Route("/door", guarded.respond, methods=["GET", "POST"])]
    server = HttpServer(HttpConfig("127.0.0.1:0"), build_routes(metrics, lambda: None, gate(metrics), routes))
    server.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client:
            yield client
    finally:
        server.stop()


@pytest.mark.parametrize("threads", [0, 1])
@pytest.mark.parametrize("failure", [ValueError("secret"), RecursionError(), MemoryError(), KeyError("x")])
def test_every_exception_becomes_the_last_resort(
    metrics: Metrics, reports: Reports, failure: Exception, threads: int
) -> None:
    def adapter(ask: HttpAsk) -> Answered:
        raise failure

    with serving(adapter, metrics, reports, threads) as client:
        response = client.get("/door", headers={"x-request-id": "r-1"})
    assert (response.status_code, response.content, response.headers["x-door"]) == (403, b"denied", "closed")
    assert response.headers["x-request-id"] == "r-1"
    assert reports.seen == [("authzen", failure)]


def test_a_failure_to_count_is_the_last_resort_too(
    metrics: Metrics, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no metrics")

    monkeypatch.setattr(metrics, "decided", broken)
    with serving(lambda _: Answered((an_allow(),), OK), metrics, reports) as client:
        assert client.get("/door").content == b"denied"


def test_each_verdict_is_counted_by_door(metrics: Metrics, reports: Reports) -> None:
    verdicts = (an_allow(), an_allow(), deny(ReasonClass.NOT_PERMITTED, "no"))
    with serving(lambda _: Answered(verdicts, OK), metrics, reports) as client:
        assert client.get("/door").content == b"fine"
    text = metrics.exposition().decode()
    assert 'pdp_decisions_total{decision="allow",door="authzen",reason="allowed"} 2.0' in text
    assert 'pdp_decisions_total{decision="deny",door="authzen",reason="not_permitted"} 1.0' in text
    assert 'pdp_decision_seconds_count{door="authzen"} 3.0' in text


@pytest.mark.parametrize("id", ["r-1", "", "a b c", "x" * 5_000, "\xe9\xff", '"quoted"'])
def test_a_request_id_comes_back_as_it_came(metrics: Metrics, reports: Reports, id: str) -> None:
    with serving(lambda _: Answered((), OK), metrics, reports) as client:
        response = client.get("/door", headers=[(b"x-request-id", id.encode("latin-1"))])
        assert response.headers.raw.count((b"x-request-id", id.encode("latin-1"))) == 1
        assert "x-request-id" not in client.get("/door").headers


def test_what_an_adapter_sees(metrics: Metrics, reports: Reports) -> None:
    asks: list[HttpAsk] = []

    def adapter(ask: HttpAsk) -> Answered:
        asks.append(ask)
        return Answered((), OK)

    with serving(adapter, metrics, reports) as client:
        client.post(
            "/door?region=eu%2f&x",
            headers=[("X-One", "1"), ("x-one", "2"), ("x-forwarded-for", "10.9.9.9"), ("x-forwarded-proto", "https")],
            content=b"\xff{}",
        )
    [ask] = asks
    assert [value for name, value in ask.headers if name == "x-one"] == ["1", "2"]
    assert (ask.body, ask.query) == (b"\xff{}", "region=eu%2f&x")
    # Nobody can say for themselves where they are: the address is the connection's.
    assert ask.caller == caller_at("127.0.0.1")


def body_status(metrics: Metrics, reports: Reports, send: Callable[[httpx.Client], Any]) -> list[Any]:
    seen: list[Any] = []

    def adapter(ask: HttpAsk) -> Answered:
        seen.append(len(ask.body) if isinstance(ask.body, bytes) else ask.body.status)
        return Answered((), OK)

    with serving(adapter, metrics, reports) as client:
        send(client)
    return seen


def test_a_body_up_to_the_bound_is_read_and_no_more(metrics: Metrics, reports: Reports) -> None:
    def send(client: httpx.Client) -> None:
        for size in (0, 1, MAX_BODY, MAX_BODY + 1):
            assert client.post("/door", content=b"x" * size).content == b"fine"

        def endless() -> Iterator[bytes]:
            for _ in range(3):
                yield b"x" * MAX_BODY

        assert client.post("/door", content=endless()).content == b"fine"

    assert body_status(metrics, reports, send) == [0, 1, MAX_BODY, 413, 413]
    assert reports.seen == []


def test_a_body_that_does_not_arrive_is_not_waited_for(
    metrics: Metrics, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "BODY_SECONDS", 0.05)

    def send(client: httpx.Client) -> None:
        with socket.create_connection(("127.0.0.1", client.base_url.port or 0), timeout=20) as connection:
            connection.sendall(b"POST /door HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n12345")
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")

    assert body_status(metrics, reports, send) == [408]


def test_a_caller_that_hangs_up_is_no_defect(metrics: Metrics, reports: Reports) -> None:
    came = threading.Event()
    seen: list[HttpAsk] = []

    def adapter(ask: HttpAsk) -> Answered:
        seen.append(ask)
        came.set()
        return Answered((), OK)

    with serving(adapter, metrics, reports) as client:
        with socket.create_connection(("127.0.0.1", client.base_url.port or 0), timeout=20) as connection:
            connection.sendall(b"POST /door HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n12345")
        assert came.wait(20)
        assert client.get("/door").content == b"fine"
    assert isinstance(seen[0].body, BodyError)
    assert reports.seen == []


@pytest.mark.parametrize(
    "types", [[], ["text/plain"], ["application/jsonx"], [""], ["application/json", "application/json"], ["text/json"]]
)
def test_json_must_be_called_json(types: list[str]) -> None:
    with pytest.raises(MessageError, match="content type"):
        HttpAsk(tuple(("content-type", value) for value in types), b"{}").json()


@pytest.mark.parametrize(
    "type", ["application/json", "Application/JSON", "application/json; charset=utf-8", "application/json ;x"]
)
def test_json(type: str) -> None:
    assert HttpAsk((("content-type", type),), b'{"a": 1}').json() == {"a": 1}


def test_a_body_that_was_not_read_is_no_json() -> None:
    with pytest.raises(BodyError):
        HttpAsk((("content-type", "application/json"),), BodyError("too large", 413)).json()


def test_a_large_body_is_not_read_on_the_event_loop(metrics: Metrics, reports: Reports) -> None:
    threads: list[str] = []

    def adapter(_: HttpAsk) -> Answered:
        threads.append(threading.current_thread().name)
        return Answered((), OK)

    with serving(adapter, metrics, reports) as client:
        for size in (0, INLINE_BODY, INLINE_BODY + 1, MAX_BODY + 1):
            client.post("/door", content=b"x" * size)
    assert [name == "http" for name in threads] == [True, True, False, True]


def test_the_event_loop_answers_while_threads_work(metrics: Metrics, reports: Reports) -> None:
    working, may_end = threading.Event(), threading.Event()

    def slow(_: HttpAsk) -> Answered:
        working.set()
        assert may_end.wait(20)
        return Answered((), OK)

    with serving(slow, metrics, reports, threads=1) as client:
        answers: list[bytes] = []
        caller = threading.Thread(target=lambda: answers.append(httpx.get(f"{client.base_url}/door").content))
        caller.start()
        assert working.wait(20)
        assert client.get("/healthz").status_code == 200
        may_end.set()
        caller.join(20)
    assert answers == [b"fine"]


def test_a_caller_that_may_not_come_in_is_refused_before_its_body_arrives(
    metrics: Metrics, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unread(_: HttpAsk) -> Answered:
        raise AssertionError("it was read")

    monkeypatch.setattr(connections, "read_caller", lambda _: FAR)
    with (
        serving(unread, metrics, reports) as client,
        socket.create_connection(("127.0.0.1", client.base_url.port or 0), timeout=20) as connection,
    ):
        connection.sendall(b"POST /door HTTP/1.1\r\nhost: x\r\nx-request-id: r-1\r\ncontent-length: 10\r\n\r\n")
        answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"x-request-id: r-1\r\n" in answer
    assert 'reason="caller_not_allowed"} 1.0' in metrics.exposition().decode()
    assert reports.seen == []

"""The HTTP server over a real socket: three paths, and nothing else."""

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from callers import FAR, admission, gate
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pdp.config import HttpConfig
from pdp.engine.callers.judging import CallerAction, CallerDoor
from pdp.telemetry.metrics import Metrics
from pdp.transport.callers import Caller, Way
from pdp.transport.errors import ListenError
from pdp.transport.http import connections
from pdp.transport.http.connections import caller_of
from pdp.transport.http.server import MAX_HEADERS, HttpServer, Revisions, build_routes


class State:
    """What readiness answers."""

    revisions: Revisions | None = None


@pytest.fixture
def state() -> State:
    return State()


@pytest.fixture
def client(state: State) -> Iterator[httpx.Client]:
    metrics = Metrics()
    server = HttpServer(
        HttpConfig("127.0.0.1:0"),
        build_routes(
            metrics, lambda: state.revisions, admission(metrics).gate(CallerAction.READ_METRICS, CallerDoor.METRICS)
        ),
    )
    server.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as made:
        yield made
    server.stop()


def test_health_is_not_readiness(client: httpx.Client, state: State) -> None:
    assert client.get("/healthz").status_code == 200
    before = client.get("/readyz")
    assert (before.status_code, before.json()) == (503, {"ready": False})
    state.revisions = Revisions("ab", 3)
    after = client.get("/readyz")
    assert (after.status_code, after.json()) == (200, {"ready": True, "policy_revision": "ab", "context_revision": 3})


def test_metrics_are_prometheus_text(client: httpx.Client) -> None:
    response = client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    assert "# TYPE pdp_decision_seconds histogram" in response.text


@pytest.mark.parametrize("path", ["/", "/docs", "/metrics/", "/healthz/x", "/access/v1/evaluation"])
def test_nothing_else_is_served_and_nobody_is_sent_elsewhere(client: httpx.Client, path: str) -> None:
    assert client.get(path, headers={"host": "evil.example"}).status_code == 404


def test_only_get(client: httpx.Client) -> None:
    assert client.post("/metrics").status_code == 405
    assert "server" not in client.get("/healthz").headers


def test_headers_as_large_as_proxies_pass_on_are_read_and_no_larger(client: httpx.Client) -> None:
    assert client.get("/healthz", headers={"cookie": "x" * (MAX_HEADERS - 1_024)}).status_code == 200
    assert client.get("/healthz", headers={"cookie": "x" * (MAX_HEADERS + 64_000)}).status_code == 400


def test_a_taken_port_is_our_error() -> None:
    first = HttpServer(HttpConfig("127.0.0.1:0"), build_routes(Metrics(), lambda: None, gate(Metrics())))
    with pytest.raises(ListenError, match="cannot listen for HTTP"):
        HttpServer(HttpConfig(f"127.0.0.1:{first.port}"), build_routes(Metrics(), lambda: None, gate(Metrics())))
    first.stop()


@pytest.mark.parametrize("listen", ["no.such.host.invalid:0", "127.0.0.1:70000", "127.0.0.1", "unix:"])
def test_an_address_that_is_none_is_our_error(listen: str) -> None:
    with pytest.raises(ListenError):
        HttpServer(HttpConfig(listen), build_routes(Metrics(), lambda: None, gate(Metrics())))


def test_stopping_before_starting_frees_the_port() -> None:
    server = HttpServer(HttpConfig("127.0.0.1:0"), build_routes(Metrics(), lambda: None, gate(Metrics())))
    server.stop()
    HttpServer(HttpConfig(f"127.0.0.1:{server.port}"), build_routes(Metrics(), lambda: None, gate(Metrics()))).stop()


# A unix socket


def test_a_unix_socket_has_callers_with_users(tmp_path: Path) -> None:
    seen: list[Caller] = []

    def whoami(request: Request) -> Response:
        seen.append(caller_of(request))
        return Response()

    path = tmp_path / "http.sock"
    metrics = Metrics()
    routes = build_routes(metrics, lambda: None, gate(metrics), [Route("/whoami", whoami)])
    server = HttpServer(HttpConfig(f"unix:{path}"), routes)
    server.start()
    try:
        assert server.port == 0
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url="http://pdp") as client:
            assert client.get("/whoami").status_code == 200
            assert client.get("/metrics").status_code == 200
        with pytest.raises(ListenError, match="another server has this socket"):
            HttpServer(HttpConfig(f"unix:{path}"), routes)
    finally:
        server.stop()
    assert seen == [Caller(Way.UNIX, user=os.getuid() if hasattr(socket, "SO_PEERCRED") else None)]
    again = HttpServer(HttpConfig(f"unix:{path}"), routes)  # what a server left behind is no server
    again.stop()


def test_a_socket_takes_the_place_of_no_file(tmp_path: Path) -> None:
    path = tmp_path / "http.sock"
    path.write_text("kept")
    with pytest.raises(ListenError):
        HttpServer(HttpConfig(f"unix:{path}"), build_routes(Metrics(), lambda: None, gate(Metrics())))
    assert path.read_text() == "kept"


# Who comes and says nothing


def test_a_connection_on_which_no_request_comes_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEADERS_SECONDS", 0.1)
    server = HttpServer(HttpConfig("127.0.0.1:0"), build_routes(Metrics(), lambda: None, gate(Metrics())))
    server.start()
    try:
        whole = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
        for sent in (b"", b"G", whole[:-1], whole + b"G"):
            with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
                connection.sendall(sent)
                said = b""
                with suppress(ConnectionError):
                    while part := connection.recv(4096):
                        said += part
                assert said.startswith(b"HTTP/1.1 200 " if sent.startswith(whole) else b"")
                assert said.count(b"HTTP/1.1") == sent.count(whole)
    finally:
        server.stop()


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "pdp.example:0"])
def test_plain_text_is_not_spoken_where_other_machines_listen(listen: str) -> None:
    with pytest.raises(ListenError, match="would speak plain text"):
        HttpServer(HttpConfig(listen), build_routes(Metrics(), lambda: None, gate(Metrics())))


def test_metrics_and_revisions_are_for_who_may_read_them(
    client: httpx.Client, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.revisions = Revisions("ab", 3)
    monkeypatch.setattr(connections, "read_caller", lambda _: FAR)
    with httpx.Client(base_url=client.base_url, trust_env=False) as far:
        assert far.get("/metrics").status_code == 403
        assert (far.get("/readyz").status_code, far.get("/readyz").json()) == (200, {"ready": True})
        assert far.get("/healthz").status_code == 200

"""The HTTP server over a real socket: three paths, and nothing else."""

from collections.abc import Iterator

import httpx
import pytest

from pdp.telemetry.metrics import Metrics
from pdp.transport.errors import ListenError
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
    server = HttpServer("127.0.0.1", 0, build_routes(metrics, lambda: state.revisions))
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
    first = HttpServer("127.0.0.1", 0, build_routes(Metrics(), lambda: None))
    with pytest.raises(ListenError, match="cannot listen for HTTP"):
        HttpServer("127.0.0.1", first.port, build_routes(Metrics(), lambda: None))
    first.stop()


@pytest.mark.parametrize(("host", "port"), [("no.such.host.invalid", 0), ("127.0.0.1", 70_000)])
def test_an_address_that_is_none_is_our_error(host: str, port: int) -> None:
    with pytest.raises(ListenError):
        HttpServer(host, port, build_routes(Metrics(), lambda: None))


def test_stopping_before_starting_frees_the_port() -> None:
    server = HttpServer("127.0.0.1", 0, build_routes(Metrics(), lambda: None))
    server.stop()
    HttpServer("127.0.0.1", server.port, build_routes(Metrics(), lambda: None)).stop()

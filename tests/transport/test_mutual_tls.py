"""A whole decision point behind mutual TLS, asked over real connections by good, bad and no certificates."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import grpc
import httpx
import pytest
from certificates import PAST, Authority, Issued, authority, make_authority, server_certificate
from engine_worlds import NOW
from envoy.service.auth.v3 import external_auth_pb2, external_auth_pb2_grpc
from small_world import SmallWorld, token, write_small_world

from pdp.app import App
from pdp.config import CallersConfig, TlsConfig, load_config
from pdp.config.doors import ForwardAuthConfig
from pdp.telemetry.logs import EventLog, LogFormat
from pdp.transport import tls
from pdp.transport.grpc import server as grpc_server
from pdp.transport.grpc.gen.v1 import decision_pb2 as pb
from pdp.transport.grpc.gen.v1.decision_pb2_grpc import DecisionServiceStub
from pdp.transport.http import connections

PATIENCE = 20.0
EDGE = "spiffe://consortium.example/edge"

POLICIES = """\
@id("callers/edge")
permit (principal == Pdp::Caller::"spiffe://consortium.example/edge", action == Pdp::Action::"check", resource);

@id("callers/operators")
permit (principal, action, resource)
when { principal.dns_names.contains("operator.example") };

@id("callers/others-read-metrics")
permit (principal, action == Pdp::Action::"readMetrics", resource == Pdp::Door::"metrics")
when { principal has subject && principal.subject == "CN=prometheus" };
"""

CLIENTS = authority("clients")
ENVOY = CLIENTS.issue("envoy", uris=(EDGE,))
OPERATOR = CLIENTS.issue("operator", dns=("Operator.example",))
PROMETHEUS = CLIENTS.issue("prometheus")
STRANGER = CLIENTS.issue("stranger", uris=("spiffe://consortium.example/other",))

BAD: dict[str, Issued | None] = {
    "none": None,
    "of another authority": authority("others").issue("envoy", uris=(EDGE,)),
    "of an authority of the same name": make_authority("clients").issue("envoy", uris=(EDGE,)),
    "of a client, as authority": Authority(STRANGER).issue("envoy", uris=(EDGE,)),
    "expired": CLIENTS.issue("envoy", uris=(EDGE,), ends=PAST),
}


@dataclass
class Point:
    """A decision point with TLS on both servers, and its callers."""

    app: App
    folder: Path
    log: StringIO

    @contextmanager
    def channel(self, client: Issued | None) -> Iterator[grpc.Channel]:
        """A gRPC connection of its own, with a client's certificate."""
        credentials = grpc.ssl_channel_credentials(
            authority("servers").pem, *((client.key, client.pem) if client is not None else ())
        )
        options = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0))
        with grpc.secure_channel(f"127.0.0.1:{self.app.grpc_port}", credentials, options) as channel:
            yield channel

    def check(self, client: Issued | None, **fields: Any) -> pb.CheckResponse:
        """The answer to `Check`."""
        with self.channel(client) as channel:
            answer: pb.CheckResponse = DecisionServiceStub(channel).Check(question(**fields), timeout=PATIENCE)
        return answer

    def get(self, path: str, client: Issued | None) -> httpx.Response:
        """The answer of the HTTP server."""
        context = ssl.create_default_context(cadata=authority("servers").pem.decode())
        if client is not None:
            context.load_cert_chain(*client.write(self.folder / "client", "client"))
        url = f"https://127.0.0.1:{self.app.http_port}{path}"
        with httpx.Client(verify=context, trust_env=False, timeout=PATIENCE) as session:
            return session.get(url)

    def replace_files(self, server: Issued | None = None, client_ca: bytes | None = None, key: bytes = b"") -> None:
        """Other files, and a reload as the watcher orders it."""
        if server is not None:
            server.write(self.folder, "server")
        if key:
            (self.folder / "server.key").write_bytes(key)
        if client_ca is not None:
            (self.folder / "clients.pem").write_bytes(client_ca)
        self.app._try_reload("test")


def question(**fields: Any) -> pb.CheckRequest:
    """May whoever has the token read the plan?"""
    whole = {
        "token": token("ana", NOW),
        "action": pb.EntityUid(type="Files::Action", id="read"),
        "resource": pb.EntityUid(type="Files::File", id="plan"),
        **fields,
    }
    if "principal" in fields:
        del whole["token"]
    return pb.CheckRequest(**whole)


ANA = pb.EntityUid(type="User", id="ana")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> SmallWorld:
    return write_small_world(tmp_path_factory.mktemp("world"))


@contextmanager
def serving(world: SmallWorld, folder: Path, **changes: Any) -> Iterator[Point]:
    """A decision point with files of its own."""
    (folder / "callers").mkdir()
    (folder / "callers" / "callers.cedar").write_text(POLICIES)
    (folder / "clients.pem").write_bytes(CLIENTS.pem)
    protection = TlsConfig(*server_certificate().write(folder, "server"), folder / "clients.pem", **changes)
    config = load_config(world.config)
    config = replace(
        config,
        grpc=replace(config.grpc, tls=protection),
        http=replace(config.http, tls=protection),
        callers=CallersConfig(folder / "callers"),
        forward_auth=ForwardAuthConfig(("x-reader",)),
    )
    log = StringIO()
    app = App(config, EventLog(log, LogFormat.JSON, lambda: NOW), lambda: NOW, 60.0)
    try:
        app.start()
        yield Point(app, folder, log)
    finally:
        app.stop()


@pytest.fixture(scope="module")
def point(world: SmallWorld, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Point]:
    with serving(world, tmp_path_factory.mktemp("files")) as made:
        yield made


@pytest.fixture
def own(world: SmallWorld, tmp_path: Path) -> Iterator[Point]:
    """One whose files a test may change."""
    with serving(world, tmp_path) as made:
        yield made


# Who is let in


def test_a_certificate_that_policies_know_gets_answers_at_every_door(point: Point) -> None:
    assert point.check(ENVOY).reason_class == "allowed"
    with point.channel(ENVOY) as channel:
        envoy = external_auth_pb2_grpc.AuthorizationStub(channel).Check(
            external_auth_pb2.CheckRequest(), timeout=PATIENCE
        )
    assert "caller_not_allowed" not in envoy.denied_response.body
    assert point.get("/metrics", PROMETHEUS).status_code == 200
    assert point.get("/forward-auth/nginx", ENVOY).json()["reason"] == "invalid_request"
    assert point.get("/forward-auth/nginx", STRANGER).json()["reason"] == "caller_not_allowed"


def test_a_certificate_that_no_policy_knows_is_denied_and_nothing_is_an_error_of_grpc(point: Point) -> None:
    for principal in ({}, {"principal": ANA}):
        answer = point.check(STRANGER, **principal)
        assert (answer.decision, answer.reason_class) == (pb.DECISION_DENY, "caller_not_allowed")
    with point.channel(STRANGER) as channel:
        stub = DecisionServiceStub(channel)
        batch = stub.CheckBatch(pb.CheckBatchRequest(items=[question()] * 3), timeout=PATIENCE)
        assert [answer.reason_class for answer in batch.results] == ["caller_not_allowed"]
        stream = list(stub.CheckStream(iter([question()] * 3), timeout=PATIENCE))
        assert [answer.reason_class for answer in stream] == ["caller_not_allowed"]
        assert stub.Explain(question(), timeout=PATIENCE).answer.reason_class == "caller_not_allowed"
        envoy = external_auth_pb2_grpc.AuthorizationStub(channel).Check(
            external_auth_pb2.CheckRequest(), timeout=PATIENCE
        )
    assert (envoy.status.code, envoy.denied_response.status.code) == (7, 403)
    assert point.get("/metrics", STRANGER).status_code == 403
    counted = point.get("/metrics", PROMETHEUS).text
    assert 'pdp_callers_refused_total{action="check"}' in counted
    assert 'pdp_callers_refused_total{action="readMetrics"} 1.0' in counted


def test_who_may_ask_may_not_name_principals_for_that(point: Point) -> None:
    assert point.check(ENVOY, principal=ANA).reason_class == "unauthenticated"
    assert point.check(OPERATOR, principal=ANA).reason_class == "allowed"


def test_health_is_open_and_revisions_are_not(point: Point) -> None:
    assert point.get("/healthz", STRANGER).status_code == 200
    assert point.get("/readyz", STRANGER).json() == {"ready": True}
    assert set(point.get("/readyz", PROMETHEUS).json()) == {"ready", "policy_revision", "context_revision"}


@pytest.mark.parametrize("kind", BAD)
def test_a_connection_without_a_good_certificate_does_not_come_about(point: Point, kind: str) -> None:
    client = BAD[kind]
    with pytest.raises(grpc.RpcError) as caught:
        point.check(client)
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    with pytest.raises((httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError)):
        point.get("/healthz", client)
    assert point.check(ENVOY).reason_class == "allowed"


def test_plain_text_is_not_spoken(point: Point) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{point.app.grpc_port}") as channel, pytest.raises(grpc.RpcError):
        DecisionServiceStub(channel).Check(question(), timeout=PATIENCE)
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        httpx.get(f"http://127.0.0.1:{point.app.http_port}/healthz", trust_env=False)


def test_without_a_certificate_where_none_is_required_a_caller_is_known_by_its_address(
    world: SmallWorld, tmp_path: Path
) -> None:
    with serving(world, tmp_path, require_client_certificate=False) as point:
        assert point.get("/metrics", None).status_code == 200  # by loopback
        assert point.get("/metrics", PROMETHEUS).status_code == 200
        assert point.get("/metrics", STRANGER).status_code == 403  # a certificate is what counts, if there is one
        with pytest.raises((httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError)):
            point.get("/healthz", BAD["expired"])


# Whatever comes


def sent(port: int, data: bytes, seconds: float = PATIENCE) -> bytes:
    """What a server says to bytes until it closes the connection, or nothing more for some seconds."""
    said = b""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(data)
        try:
            while part := connection.recv(4096):
                said += part
        except ConnectionError:
            pass
    return said


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\xff\xff" + b"\xff" * 500,
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00" * 20,
        b"\x80\x2e\x01\x00\x02" + b"\x00" * 60,
        bytes(range(256)) * 8,
    ],
    ids=["HTTP", "HTTP/2", "a long record", "a short hello", "SSL 2", "bytes"],
)
def test_garbage_ends_its_own_connection(point: Point, data: bytes) -> None:
    for port in (point.app.grpc_port, point.app.http_port):
        assert b"200" not in sent(port, data)
    assert point.check(ENVOY).reason_class == "allowed"
    assert point.get("/healthz", ENVOY).status_code == 200


def test_a_handshake_that_is_not_ended_is_not_waited_for(
    world: SmallWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HANDSHAKE_SECONDS", 0.2)
    options = [(name, 200 if "handshake" in name else value) for name, value in grpc_server._OPTIONS]
    monkeypatch.setattr(grpc_server, "_OPTIONS", options)
    with serving(world, tmp_path) as point:
        for port in (point.app.grpc_port, point.app.http_port):
            assert sent(port, b"") == b""
            assert sent(port, b"\x16\x03\x01\x02\x00\x01") == b""
        assert point.check(ENVOY).reason_class == "allowed"


def test_a_handshake_and_then_silence_is_not_waited_for(
    world: SmallWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEADERS_SECONDS", 0.2)
    context = ssl.create_default_context(cadata=authority("servers").pem.decode())
    context.load_cert_chain(*ENVOY.write(tmp_path, "client"))
    with serving(world, tmp_path) as point:
        for head in (b"", b"GET /healthz HTTP/1.1\r\nhost: x\r\n"):
            with (
                socket.create_connection(("127.0.0.1", point.app.http_port), timeout=PATIENCE) as connection,
                context.wrap_socket(connection, server_hostname="localhost") as session,
            ):
                session.sendall(head or b"G")
                assert session.recv(10) == b""
        assert point.get("/healthz", ENVOY).status_code == 200


# Renewal


def test_a_stream_goes_on_while_everything_is_renewed(own: Point) -> None:
    messages: SimpleQueue[pb.CheckRequest | None] = SimpleQueue()
    with own.channel(ENVOY) as channel:
        answers = DecisionServiceStub(channel).CheckStream(iter(messages.get, None), timeout=PATIENCE)
        messages.put(question())
        assert next(answers).reason_class == "allowed"
        tomorrow = authority("clients of tomorrow")
        own.replace_files(server_certificate("renewed.example"), tomorrow.pem)
        messages.put(question())
        assert next(answers).reason_class == "allowed"
        assert own.check(tomorrow.issue("envoy", uris=(EDGE,))).reason_class == "allowed"
        with pytest.raises(grpc.RpcError):
            own.check(ENVOY)
        messages.put(question())
        assert next(answers).reason_class == "allowed"
        messages.put(None)
        assert list(answers) == []
    for port in (own.app.grpc_port, own.app.http_port):
        assert _subject(port, own.folder) == "renewed.example"


def _subject(port: int, folder: Path) -> str:
    """The subject that a server shows."""
    context = ssl.create_default_context(cadata=authority("servers").pem.decode())
    context.load_cert_chain(*authority("clients of tomorrow").issue("x").write(folder, "x"))
    with (
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection,
        context.wrap_socket(connection, server_hostname="localhost") as session,
    ):
        found: Any = session.getpeercert()
        return str(dict(pair for (pair,) in found["subject"])["commonName"])


def test_a_pair_that_does_not_fit_leaves_the_running_one_and_policies_are_renewed_all_the_same(own: Point) -> None:
    own.replace_files(key=authority("servers").issue("x").key)
    assert "this is not the key of the certificate" in own.log.getvalue()
    assert own.check(ENVOY).reason_class == "allowed"
    (own.folder / "callers" / "callers.cedar").write_text(POLICIES.replace(EDGE, "spiffe://consortium.example/other"))
    own.app._try_reload("test")
    assert own.check(ENVOY).reason_class == "caller_not_allowed"
    assert own.check(STRANGER).reason_class == "allowed"
    metrics = own.get("/metrics", PROMETHEUS).text
    assert 'pdp_certificate_load_total{outcome="error"} 4.0' in metrics  # two servers, twice
    assert 'pdp_caller_policy_load_total{outcome="error"} 0.0' in metrics


def test_a_caller_that_policies_no_longer_know_is_out_in_the_middle_of_its_stream(own: Point) -> None:
    messages: SimpleQueue[pb.CheckRequest | None] = SimpleQueue()
    with own.channel(ENVOY) as channel:
        answers = DecisionServiceStub(channel).CheckStream(iter(messages.get, None), timeout=PATIENCE)
        messages.put(question())
        assert next(answers).reason_class == "allowed"
        (own.folder / "callers" / "callers.cedar").write_text("")
        own.app._try_reload("test")
        messages.put(question())
        assert next(answers).reason_class == "caller_not_allowed"
        messages.put(None)


def test_faulty_policies_about_callers_leave_the_running_ones(own: Point) -> None:
    (own.folder / "callers" / "callers.cedar").write_text(POLICIES + "permit (principal, action, resource);")
    own.app._try_reload("test")
    assert "the policy has no id of its own" in own.log.getvalue()
    assert own.check(STRANGER).reason_class == "caller_not_allowed"
    assert own.check(ENVOY).reason_class == "allowed"


# Age


def asked_for_ever(stub: DecisionServiceStub) -> None:
    """Questions on one channel, until one gets no answer."""
    while True:
        assert stub.Check(question(), timeout=PATIENCE).reason_class == "allowed"


def test_no_connection_is_for_ever(world: SmallWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "MAX_AGE_SECONDS", 0.3)
    monkeypatch.setattr(tls, "GRACE_SECONDS", 0.1)
    context = ssl.create_default_context(cadata=authority("servers").pem.decode())
    context.load_cert_chain(*ENVOY.write(tmp_path / "client", "client"))
    with serving(world, tmp_path) as point, point.channel(ENVOY) as channel:
        stub = DecisionServiceStub(channel)
        held = stub.CheckStream(iter(SimpleQueue[pb.CheckRequest]().get, None), timeout=PATIENCE)
        url = f"https://127.0.0.1:{point.app.http_port}/healthz"
        with httpx.Client(verify=context, trust_env=False, timeout=PATIENCE) as session:
            assert "connection" not in session.get(url).headers
            point.replace_files(client_ca=authority("clients of tomorrow").pem)
            assert stub.Check(question(), timeout=PATIENCE).reason_class == "allowed"
            with pytest.raises(grpc.RpcError):  # it holds its connection back no longer than the grace lasts
                next(held)
            while session.get(url).headers.get("connection") != "close":
                pass
            with pytest.raises(httpx.TransportError):
                session.get(url)
        with pytest.raises(grpc.RpcError) as caught:
            asked_for_ever(stub)
        error: Any = caught.value
        assert error.code() is grpc.StatusCode.UNAVAILABLE


def test_a_caller_that_cannot_be_known_is_denied_and_no_error(own: Point, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(grpc_server, "certified", broken)
    assert own.check(ENVOY).reason_class == "caller_not_allowed"
    assert "secret" not in own.log.getvalue()
    assert 'place="caller"' in own.log.getvalue() or '"place": "caller"' in own.log.getvalue()

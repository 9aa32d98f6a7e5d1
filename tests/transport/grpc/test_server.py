"""The server over a real socket: doors, health, reflection, and what is not served."""

import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import grpc
import pytest
from doors import FakeDecider, Reports
from envoy.service.auth.v3 import external_auth_pb2
from ext_authz_doors import door_with
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from pdp.config import GrpcConfig
from pdp.engine.decider import ReasonClass, deny
from pdp.telemetry.metrics import Door, Metrics
from pdp.transport.authentication import Authentication
from pdp.transport.callers import Caller
from pdp.transport.door import GuardedDoor
from pdp.transport.errors import ListenError
from pdp.transport.grpc import ext_authz, service
from pdp.transport.grpc.gen.v1 import decision_pb2 as pb
from pdp.transport.grpc.gen.v1.decision_pb2_grpc import DecisionServiceStub
from pdp.transport.grpc.server import MAX_MESSAGE, GrpcServer


@pytest.fixture
def server(
    decider: FakeDecider, authentication: Authentication, metrics: Metrics, reports: Reports
) -> Iterator[GrpcServer]:
    check = service.DecisionService(decider, authentication).check
    envoy = door_with(decider, authentication).check
    doors = {
        service.NAME: {"Check": GuardedDoor(Door.CHECK, check, service.LAST_RESORT, metrics, reports)},
        ext_authz.NAME: {"Check": GuardedDoor(Door.EXT_AUTHZ, envoy, ext_authz.LAST_RESORT, metrics, reports)},
    }
    made = GrpcServer(GrpcConfig("127.0.0.1:0", 4), doors, reports)
    made.start()
    yield made
    made.stop(0)


@pytest.fixture
def channel(server: GrpcServer) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as made:
        yield made


def question(principal: str = "alice") -> pb.CheckRequest:
    return pb.CheckRequest(
        principal=pb.EntityUid(type="User", id=principal),
        action=pb.EntityUid(type="Action", id="read"),
        resource=pb.EntityUid(type="Doc", id="d"),
    )


def health(channel: grpc.Channel, name: str) -> Any:
    return health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=name), timeout=5).status


def test_a_check_over_the_generated_client(channel: grpc.Channel, decider: FakeDecider) -> None:
    response = DecisionServiceStub(channel).Check(question(), timeout=5)
    assert (response.decision, response.policies[0].id) == (pb.DECISION_ALLOW, "p")
    decider.verdict = deny(ReasonClass.FORBIDDEN, "no")
    assert DecisionServiceStub(channel).Check(question(), timeout=5).decision == pb.DECISION_DENY


@pytest.mark.parametrize("data", [b"\xff\xff\xff", b"", b"\x0a\xff"])
def test_bytes_that_are_no_message_get_a_deny_and_no_grpc_error(channel: Any, data: bytes) -> None:
    raw = channel.unary_unary(f"/{service.NAME}/Check")(data, timeout=5)
    assert pb.CheckResponse.FromString(raw).decision == pb.DECISION_DENY
    envoy = channel.unary_unary(f"/{ext_authz.NAME}/Check")(data, timeout=5)
    assert external_auth_pb2.CheckResponse.FromString(envoy).denied_response.status.code in {403, 503}


def test_a_failing_decider_is_a_deny_over_the_wire(
    channel: grpc.Channel, decider: FakeDecider, reports: Reports
) -> None:
    decider.failure = RuntimeError("secret")
    response = DecisionServiceStub(channel).Check(question(), timeout=5)
    assert (response.decision, response.reason_class) == (pb.DECISION_DENY, "internal_error")
    assert reports.seen == [("check", decider.failure)]


def test_health_says_not_serving_until_ready(server: GrpcServer, channel: grpc.Channel) -> None:
    names = ["", service.NAME, ext_authz.NAME]
    assert [health(channel, name) for name in names] == [health_pb2.HealthCheckResponse.NOT_SERVING] * 3
    server.set_ready(ready=True)
    assert [health(channel, name) for name in names] == [health_pb2.HealthCheckResponse.SERVING] * 3
    server.set_ready(ready=False)
    assert [health(channel, name) for name in names] == [health_pb2.HealthCheckResponse.NOT_SERVING] * 3
    with pytest.raises(grpc.RpcError) as caught:
        health(channel, "no.such.Service")
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.NOT_FOUND


def test_health_can_be_watched(server: GrpcServer, channel: grpc.Channel) -> None:
    request = health_pb2.HealthCheckRequest(service=service.NAME)
    watch = health_pb2_grpc.HealthStub(channel).Watch(request, timeout=5)
    assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
    server.set_ready(ready=True)
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
    watch.cancel()


def test_reflection_lists_the_services_and_knows_the_messages(channel: grpc.Channel) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    asked = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=service.NAME),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="envoy.service.auth.v3.CheckRequest"),
    ]
    listed, ours, envoys = stub.ServerReflectionInfo(iter(asked), timeout=5)
    assert {found.name for found in listed.list_services_response.service} == {
        *(service.NAME, ext_authz.NAME, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"),
    }
    assert b"pdp/v1/decision.proto" in ours.file_descriptor_response.file_descriptor_proto[0]
    assert envoys.HasField("file_descriptor_response")


@pytest.mark.parametrize("path", ["pdp.v1.DecisionService/Check", "/pdp.v1.DecisionService/check", "//x/Check", "/"])
def test_odd_method_paths_reach_nothing(channel: Any, decider: FakeDecider, path: str) -> None:
    with pytest.raises(grpc.RpcError):
        channel.unary_unary(path)(question().SerializeToString(), timeout=5)
    assert decider.asked == []


def test_a_message_over_the_bound_is_refused(channel: grpc.Channel, decider: FakeDecider) -> None:
    with pytest.raises(grpc.RpcError):
        DecisionServiceStub(channel).Check(question("x" * MAX_MESSAGE), timeout=5)
    assert decider.asked == []


def test_two_servers_cannot_share_a_port(server: GrpcServer, reports: Reports) -> None:
    with pytest.raises(ListenError, match="cannot listen for gRPC") as caught:
        GrpcServer(GrpcConfig(f"127.0.0.1:{server.port}", 1), {}, reports)
    assert caught.value.help


def test_two_servers_cannot_share_a_unix_socket(reports: Reports, tmp_path: Path) -> None:
    path = tmp_path / "pdp.sock"
    first = GrpcServer(GrpcConfig(f"unix:{path}", 1), {}, reports)
    first.start()
    with pytest.raises(ListenError, match="cannot listen for gRPC"):
        GrpcServer(GrpcConfig(f"unix:{path}", 1), {}, reports)
    with grpc.insecure_channel(f"unix:{path}") as channel:
        assert health(channel, "") == health_pb2.HealthCheckResponse.NOT_SERVING
    first.stop(0)


def test_a_unix_socket_that_a_dead_server_left_is_taken(reports: Reports, tmp_path: Path) -> None:
    path = tmp_path / "pdp.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    server = GrpcServer(GrpcConfig(f"unix:{path}", 1), {}, reports)
    server.start()
    with grpc.insecure_channel(f"unix:{path}") as channel:
        assert health(channel, "") == health_pb2.HealthCheckResponse.NOT_SERVING
    server.stop(0)


def test_stopping_lets_a_running_call_end(metrics: Metrics, reports: Reports) -> None:
    entered, leave = Event(), Event()

    def slow(data: bytes, caller: Caller) -> tuple[Any, bytes]:
        entered.set()
        assert leave.wait(5)
        return deny(ReasonClass.NOT_READY, ""), b"done"

    door = GuardedDoor(Door.CHECK, slow, b"", metrics, reports)
    server = GrpcServer(GrpcConfig("127.0.0.1:0", 1), {"t.T": {"Check": door}}, reports)
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        method: Any = channel.unary_unary("/t.T/Check")
        running = method.future(b"", timeout=5)
        assert entered.wait(5)
        stopping = Thread(target=server.stop, args=(5,))
        stopping.start()
        leave.set()
        assert running.result() == b"done"
        stopping.join()


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "pdp.example:0"])
def test_plain_text_is_not_spoken_where_other_machines_listen(listen: str, reports: Reports) -> None:
    with pytest.raises(ListenError, match="would speak plain text"):
        GrpcServer(GrpcConfig(listen), {}, reports)


def test_plain_text_is_spoken_there_if_somebody_says_so(reports: Reports) -> None:
    server = GrpcServer(GrpcConfig("0.0.0.0:0", insecure=True), {}, reports)
    assert server.port > 0
    server.stop(0)

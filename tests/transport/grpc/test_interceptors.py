"""An exception that nobody foresaw ends an RPC without telling the caller what it was."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import grpc
import pytest
from doors import Reports

from pdp.transport.grpc.interceptors import GuardInterceptor


@dataclass
class Call(grpc.HandlerCallDetails):
    """The details of a call, as an interceptor sees them."""

    method: str
    invocation_metadata: Any = ()


def unary(request: bytes, context: grpc.ServicerContext) -> bytes:
    if request == b"defect":
        raise ValueError("secret")
    if request == b"defect after a code":
        context.set_code(grpc.StatusCode.NOT_FOUND)
        raise ValueError("secret")
    if request == b"abort":
        context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")
    return request


def stream(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
    yield b"first"
    yield unary(request, context)


def streams(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
    for request in requests:
        yield unary(request, context)


def gather(requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
    return b"".join(unary(request, context) for request in requests)


@pytest.fixture
def channel(reports: Reports) -> Iterator[grpc.Channel]:
    with ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool, interceptors=[GuardInterceptor(reports)])
        handlers: dict[str, Any] = {
            "Unary": grpc.unary_unary_rpc_method_handler(unary),
            "Stream": grpc.unary_stream_rpc_method_handler(stream),
            "Streams": grpc.stream_stream_rpc_method_handler(streams),
            "Gather": grpc.stream_unary_rpc_method_handler(gather),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t.T", handlers),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        with grpc.insecure_channel(f"127.0.0.1:{port}") as made:
            yield made
        server.stop(None).wait()


def call(channel: Any, method: str, request: bytes) -> list[bytes]:
    path = f"/t.T/{method}"
    match method:
        case "Unary":
            return [channel.unary_unary(path)(request, timeout=5)]
        case "Stream":
            return list(channel.unary_stream(path)(request, timeout=5))
        case "Streams":
            return list(channel.stream_stream(path)(iter([request]), timeout=5))
        case _:
            return [channel.stream_unary(path)(iter([request]), timeout=5)]


METHODS = ("Unary", "Stream", "Streams", "Gather")


@pytest.mark.parametrize("method", METHODS)
def test_answers_pass(channel: grpc.Channel, reports: Reports, method: str) -> None:
    assert call(channel, method, b"fine")[-1] == b"fine"
    assert call(channel, method, b"again")[-1] == b"again"
    assert reports.seen == []


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("request_", [b"defect", b"defect after a code"])
def test_a_defect_is_reported_and_not_told(
    channel: grpc.Channel, reports: Reports, method: str, request_: bytes
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, method, request_)
    error: Any = caught.value
    assert (error.code(), error.details()) == (grpc.StatusCode.INTERNAL, "internal error")
    assert [(place, str(seen)) for place, seen in reports.seen] == [(f"/t.T/{method}", "secret")]


@pytest.mark.parametrize("method", METHODS)
def test_what_a_method_ends_on_purpose_passes(channel: grpc.Channel, reports: Reports, method: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, method, b"abort")
    error: Any = caught.value
    assert (error.code(), error.details()) == (grpc.StatusCode.NOT_FOUND, "no such thing")
    assert reports.seen == []


@pytest.mark.parametrize("method", ["Streams", "Gather"])
def test_a_caller_that_goes_away_is_no_defect(channel: Any, reports: Reports, method: str) -> None:
    endless: SimpleQueue[bytes] = SimpleQueue()
    endless.put(b"first")
    sent = iter(endless.get, None)
    running = channel.stream_stream(f"/t.T/{method}")(sent, timeout=5)
    if method == "Streams":
        assert next(running) == b"first"
    running.cancel()
    endless.put(b"")
    for _ in range(3):  # the calls after it are answered by the threads that were waiting for it
        assert call(channel, "Unary", b"fine") == [b"fine"]
    assert reports.seen == []


def test_an_error_of_grpc_that_is_not_about_the_caller_is_a_defect(reports: Reports) -> None:
    class Here:
        def is_active(self) -> bool:
            return True

        def code(self) -> None:
            return None

        def abort(self, *_: object) -> None:
            raise ConnectionError

    failure = grpc.RpcError()

    def calling_elsewhere(request: bytes, context: grpc.ServicerContext) -> bytes:
        raise failure

    guarded: Any = GuardInterceptor(reports).intercept_service(
        lambda _: grpc.unary_unary_rpc_method_handler(calling_elsewhere), Call("/t.T/Unary")
    )
    with pytest.raises(ConnectionError):
        guarded.unary_unary(b"", Here())
    assert reports.seen == [("/t.T/Unary", failure)]


def test_an_unknown_method_stays_unimplemented(channel: Any) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/t.T/Nothing")(b"", timeout=5)
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED

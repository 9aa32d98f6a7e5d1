"""The gRPC server: `grpc.server` with threads, which measured twice as fast as `grpc.aio` (DESIGN, decision 9)."""

import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeAlias, final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from pdp.transport.door import Report
from pdp.transport.errors import ListenError
from pdp.transport.grpc.interceptors import GuardInterceptor, Handler
from pdp.transport.grpc.streams import (
    Answer,
    StreamBounds,
    Streamed,
    handle_stream,
    refuse_stream,
    reject_stream,
)

Methods: TypeAlias = Mapping[str, Answer | Streamed]
"""The methods of a service by name."""

MAX_MESSAGE: Final = 4 * 1024 * 1024
"""Bytes in one request. gRPC itself refuses a larger one, with a gRPC error."""

MIN_PING_SECONDS: Final = 10
"""The least time between pings on a connection without calls."""

KEEPALIVE_SECONDS: Final = 60
"""How long a connection may be silent before it is pinged."""

KEEPALIVE_TIMEOUT_SECONDS: Final = 20
"""How long the answer to a ping may take before the connection, and every call on it, is given up."""

MAX_REFLECTIONS: Final = 4
"""Reflection streams that may be open: for people with tools, not for traffic."""

MAX_WATCHES: Final = 64
"""Watchers of health. A client that may not watch is told UNIMPLEMENTED, and goes on as it does with a server that has
no health service: by standard, any other error would make the connection useless to it.
"""

_STANDARD_STREAMS: Final = {
    f"/{reflection.SERVICE_NAME}/ServerReflectionInfo": (
        MAX_REFLECTIONS,
        reject_stream(grpc.StatusCode.RESOURCE_EXHAUSTED),
    ),
    f"/{health.SERVICE_NAME}/Watch": (MAX_WATCHES, reject_stream(grpc.StatusCode.UNIMPLEMENTED)),
}

_OPTIONS: Final = (
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    # Without this, a second server on the same port would silently take half of the calls.
    ("grpc.so_reuseport", 0),
    # Proxies ping idle connections to find dead ones. By default gRPC takes more than two pings in five minutes for an
    # attack and closes the connection, and a call may be lost with it.
    ("grpc.http2.min_ping_interval_without_data_ms", MIN_PING_SECONDS * 1000),
    ("grpc.keepalive_permit_without_calls", 1),
    # By default two hours pass before a caller is found dead that did not say goodbye, and its streams hold threads.
    ("grpc.keepalive_time_ms", KEEPALIVE_SECONDS * 1000),
    ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_SECONDS * 1000),
    ("grpc.http2.max_pings_without_data", 0),  # no bound: by default, two pings are all that an idle stream gets
)


@final
class GrpcServer:
    """Serves `services` (by full name), standard health and reflection.

    Health says NOT_SERVING for the server and for each service until `set_ready`; the services answer all the same,
    with an explicit deny.
    """

    def __init__(self, address: str, workers: int, services: Mapping[str, Methods], report: Report) -> None:
        """Takes the address (`host:port`, `unix:/path`; port 0: any free one). Raises ListenError if it cannot."""
        self._services = ("", *services)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="grpc")
        self._streams = StreamBounds({**_STANDARD_STREAMS, **_bounds(services)})
        self._server = grpc.server(
            self._pool,
            interceptors=[self._streams, GuardInterceptor(report)],
            options=_OPTIONS,
        )
        self._health = health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        for name, methods in services.items():
            self._server.add_generic_rpc_handlers((_handler(name, methods),))
        names = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)
        self.set_ready(ready=False)
        self.port = _listen(self._server, address)

    def start(self) -> None:
        """Accept calls."""
        self._server.start()

    def set_ready(self, *, ready: bool) -> None:
        """What health says from now on."""
        status = health_pb2.HealthCheckResponse.SERVING if ready else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in self._services:
            self._health.set(name, status)

    def stop(self, grace: float) -> None:
        """Tell health watchers, take no new call, let running ones end within `grace` seconds; returns when done."""
        self._health.enter_graceful_shutdown()
        self._server.stop(grace).wait()
        self._pool.shutdown(wait=False)
        self._streams.shutdown()


def _handler(name: str, methods: Methods) -> grpc.GenericRpcHandler:
    """The methods of a service over raw bytes.

    Without a deserializer: gRPC answers bytes that it cannot deserialize with a gRPC error, which can become an allow
    at a proxy that fails open; our own parser makes a deny of them.
    """
    handlers = {
        method: handle_stream(answer) if isinstance(answer, Streamed) else _handle_call(answer)
        for method, answer in methods.items()
    }
    return grpc.method_handlers_generic_handler(name, handlers)


def _handle_call(answer: Answer) -> Handler:
    def call(request: bytes, context: grpc.ServicerContext) -> bytes:
        return answer(request, context.peer())

    return grpc.unary_unary_rpc_method_handler(call)


def _bounds(services: Mapping[str, Methods]) -> dict[str, tuple[int, Handler]]:
    """The places of each streaming method by its path, and what one stream too many gets."""
    return {
        f"/{name}/{method}": (answer.places, refuse_stream(answer.refusal))
        for name, methods in services.items()
        for method, answer in methods.items()
        if isinstance(answer, Streamed)
    }


def _listen(server: grpc.Server, address: str) -> int:
    try:
        port = 0 if _answers(address) else server.add_insecure_port(address)
    except RuntimeError:
        port = 0
    if port == 0:
        raise ListenError(
            f"cannot listen for gRPC on `{address}`", help="is another server using it, or is it not an address here?"
        )
    return port


def _answers(address: str) -> bool:
    """Whether a server already has this unix socket. gRPC would remove it and make its own: the other server would go
    on running, and nobody would ask it any more.
    """
    scheme, _, path = address.partition(":")
    if scheme != "unix":
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:  # not there, or left over from a server that is gone
            return False
    return True

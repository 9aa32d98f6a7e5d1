"""The gRPC server: `grpc.server` with threads, which measured twice as fast as `grpc.aio` (DESIGN, decision 9)."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeAlias, final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from pdp.config.servers import GrpcConfig
from pdp.telemetry.observing import CARRIED
from pdp.transport import tls
from pdp.transport.callers import NOBODY, Caller, caller_of_peer, certified
from pdp.transport.door import Answer, Report
from pdp.transport.errors import ListenError
from pdp.transport.grpc.interceptors import GuardInterceptor, Handler
from pdp.transport.grpc.streams import (
    Identify,
    StreamBounds,
    Streamed,
    Subscribed,
    handle_stream,
    handle_subscription,
    refuse_stream,
    reject_stream,
)
from pdp.transport.listening import is_taken, refuse_exposed
from pdp.transport.tls import GrpcTls

HANDSHAKE_SECONDS: Final = 10
"""How long a TLS handshake, and the beginning of HTTP/2, may take."""

Methods: TypeAlias = Mapping[str, Answer | Streamed | Subscribed]
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

_END_SECONDS: Final = 2.0
"""How long calls that are cut off may take to be gone."""

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
    ("grpc.server_handshake_timeout_ms", HANDSHAKE_SECONDS * 1000),
    ("grpc.http2.max_pings_without_data", 0),  # no bound: by default, two pings are all that an idle stream gets
)


@final
class GrpcServer:
    """Serves `services` (by full name), standard health and reflection.

    Health says NOT_SERVING for the server and for each service until `set_ready`; the services answer all the same,
    with an explicit deny.
    """

    def __init__(
        self,
        config: GrpcConfig,
        services: Mapping[str, Methods],
        report: Report,
        protection: GrpcTls | None = None,
        *,
        observed: bool = False,
    ) -> None:
        """Takes the address (port 0: any free one). Raises ListenError if it cannot.

        `observed`: the doors observe single decisions, and want to know which traces those belong to.
        """
        refuse_exposed(config.listen, "grpc", encrypted=protection is not None, insecure=config.insecure)
        identify = _total(_plain_caller if protection is None else _tls_caller, report)
        identify = _carrying(identify) if observed else identify
        self._services = ("", *services)
        self._pool = ThreadPoolExecutor(config.workers, thread_name_prefix="grpc")
        self._streams = StreamBounds({**_STANDARD_STREAMS, **_bounds(services, identify)})
        self._server = grpc.server(
            self._pool,
            interceptors=[self._streams, GuardInterceptor(report)],
            options=(*_OPTIONS, *(_aging() if config.tls is not None and config.tls.client_ca is not None else ())),
        )
        self._health = health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        for name, methods in services.items():
            self._server.add_generic_rpc_handlers((_handler(name, methods, identify),))
        names = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)
        self.set_ready(ready=False)
        self.port = _listen(self._server, config.listen, protection)

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
        # Bounded: gRPC sometimes never learns that the status of a refused call was sent whose caller has gone, and
        # then waits for that for ever (one run of tests/fuzz in four).
        self._server.stop(grace).wait(grace + _END_SECONDS)
        self._pool.shutdown(wait=False)
        self._streams.shutdown()


def _handler(name: str, methods: Methods, identify: Identify) -> grpc.GenericRpcHandler:
    """The methods of a service over raw bytes.

    Without a deserializer: gRPC answers bytes that it cannot deserialize with a gRPC error, which can become an allow
    at a proxy that fails open; our own parser makes a deny of them.
    """
    handlers = {method: _handle(answer, identify) for method, answer in methods.items()}
    return grpc.method_handlers_generic_handler(name, handlers)


def _handle(answer: Answer | Streamed | Subscribed, identify: Identify) -> Handler:
    if isinstance(answer, Streamed):
        return handle_stream(answer, identify)
    return handle_subscription(answer, identify) if isinstance(answer, Subscribed) else _handle_call(answer, identify)


def _handle_call(answer: Answer, identify: Identify) -> Handler:
    def call(request: bytes, context: grpc.ServicerContext) -> bytes:
        return answer(request, identify(context))

    return grpc.unary_unary_rpc_method_handler(call)


def _aging() -> tuple[tuple[str, int], ...]:
    """A connection is told that it shall end, takes no new call, and is closed when those that it has are through."""
    return (
        ("grpc.max_connection_age_ms", int(tls.MAX_AGE_SECONDS * 1000)),
        ("grpc.max_connection_age_grace_ms", int(tls.GRACE_SECONDS * 1000)),
    )


def _total(identify: Identify, report: Report) -> Identify:
    """Never raises: what an exception here became is a gRPC error, and that can become an allow."""

    def total(context: grpc.ServicerContext) -> Caller:
        try:
            return identify(context)
        except Exception as error:  # whoever cannot be known is not
            report("caller", error)
            return NOBODY

    return total


def _carrying(identify: Identify) -> Identify:
    """Who makes a call; what came with the call is put where those who answer it, in this same thread, look for it."""

    def carrying(context: grpc.ServicerContext) -> Caller:
        CARRIED.set(context.invocation_metadata() or ())
        return identify(context)

    return carrying


def _plain_caller(context: grpc.ServicerContext) -> Caller:
    return caller_of_peer(context.peer())


def _tls_caller(context: grpc.ServicerContext) -> Caller:
    """Who makes a call over TLS. gRPC asks for a certificate only where it verifies it."""
    caller = caller_of_peer(context.peer())
    certificates = context.auth_context().get("x509_pem_cert")
    return certified(certificates[0], caller.address) if certificates else caller


def _bounds(services: Mapping[str, Methods], identify: Identify) -> dict[str, tuple[int, Handler]]:
    """The places of each streaming method by its path, and what one stream too many gets."""
    return {
        f"/{name}/{method}": (answer.places, _one_too_many(answer, identify))
        for name, methods in services.items()
        for method, answer in methods.items()
        if isinstance(answer, Streamed | Subscribed)
    }


def _one_too_many(method: Streamed | Subscribed, identify: Identify) -> Handler:
    if isinstance(method, Streamed):
        return refuse_stream(method.refusal, identify)
    return reject_stream(grpc.StatusCode.RESOURCE_EXHAUSTED)


def _listen(server: grpc.Server, address: str, protection: GrpcTls | None) -> int:
    try:
        if is_taken(address):
            port = 0
        elif protection is None:
            port = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, protection.credentials)
    except RuntimeError:
        port = 0
    if port == 0:
        raise ListenError(
            f"cannot listen for gRPC on `{address}`", help="is another server using it, or is it not an address here?"
        )
    return port

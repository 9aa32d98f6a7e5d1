"""The HTTP server: `/metrics`, `/healthz` (the process lives), `/readyz` (it decides by policies), and the doors."""

import socket
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from threading import Thread
from time import monotonic, sleep
from typing import Any, Final, NamedTuple, final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from pdp.config.servers import UNIX, HttpConfig, read_address
from pdp.telemetry.metrics import CONTENT_TYPE, OPEN_CONTENT_TYPE, Metrics
from pdp.transport.admission import Gate
from pdp.transport.errors import ListenError
from pdp.transport.http.connections import Connection, caller_of, run
from pdp.transport.listening import is_taken, refuse_exposed
from pdp.transport.tls import HttpTls

MAX_CONNECTIONS: Final = 1_024
"""Connections at a time. One more is answered with 503, which is no allow in any door's protocol."""

MAX_HEADERS: Final = 64 * 1024
"""Bytes in a request line and all headers: a proxy asks with those of the client's request, token and cookies."""

_START_SECONDS: Final = 10.0


class Revisions(NamedTuple):
    """What answers now."""

    policy: str
    context: int


Readiness = Callable[[], Revisions | None]
"""The revisions that answer, None while none does."""


def build_routes(metrics: Metrics, readiness: Readiness, reader: Gate, doors: Iterable[Route] = ()) -> Starlette:
    """The ASGI application. Whether the process lives and is ready, everybody may know; all else is for those whom
    `reader` admits.
    """

    def exposition(request: Request) -> Response:
        if not reader.admits(caller_of(request)):
            return PlainTextResponse("this caller may not read metrics\n", 403)
        if "application/openmetrics-text" in request.headers.get("accept", ""):
            return Response(metrics.open_exposition(), headers={"content-type": OPEN_CONTENT_TYPE})
        return Response(metrics.exposition(), headers={"content-type": CONTENT_TYPE})

    def live(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    def ready(request: Request) -> Response:
        revisions = readiness()
        if revisions is None:
            return JSONResponse({"ready": False}, status_code=503)
        if not reader.admits(caller_of(request)):
            return JSONResponse({"ready": True})
        return JSONResponse({"ready": True, "policy_revision": revisions.policy, "context_revision": revisions.context})

    app = Starlette(
        routes=[
            Route("/metrics", exposition, methods=["GET"]),
            Route("/healthz", live, methods=["GET"]),
            Route("/readyz", ready, methods=["GET"]),
            *doors,
        ]
    )
    # A redirect would be made from the Host header, and lead a caller wherever that says.
    app.router.redirect_slashes = False
    return app


@final
class HttpServer:
    """An ASGI application on a socket, in a thread of its own."""

    def __init__(self, config: HttpConfig, app: Starlette, tls: HttpTls | None = None) -> None:
        """Takes the address; port 0 is any free one. Raises ListenError if it cannot."""
        refuse_exposed(config.listen, "http", encrypted=tls is not None, insecure=config.insecure)
        self._socket = _listen(config.listen)
        self.port: int = 0 if config.listen.startswith(UNIX) else self._socket.getsockname()[1]
        settings = uvicorn.Config(
            app,
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            # By default, the address of a caller on this machine is replaced by what its X-Forwarded-For says.
            proxy_headers=False,
            limit_concurrency=MAX_CONNECTIONS,
            h11_max_incomplete_event_size=MAX_HEADERS,
            timeout_graceful_shutdown=5,
        )
        settings.load()
        settings.ssl = None if tls is None else tls.context
        self._server = uvicorn.Server(settings)
        self._thread = Thread(target=run, args=(self._serve,), name="http", daemon=True)

    def start(self) -> None:
        """Returns when requests are accepted. Raises ListenError if that does not come about."""
        self._thread.start()
        deadline = monotonic() + _START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or monotonic() > deadline:
                raise ListenError("the HTTP server did not start")
            sleep(0.005)

    def stop(self) -> None:
        """Finish running requests and close the socket; returns when done. Harmless before `start`."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join()
        self._socket.close()

    def _serve(self) -> Coroutine[Any, Any, None]:
        return self._server.serve([self._socket])


def _listen(listen: str) -> socket.socket:
    try:
        return _listen_unix(listen) if listen.startswith(UNIX) else _listen_inet(listen)
    except (OSError, OverflowError) as error:
        raise ListenError(
            f"cannot listen for HTTP on `{listen}`: {error}",
            help="is another server using it, or is it not an address here?",
        ) from error


def _listen_inet(listen: str) -> socket.socket:
    address = read_address(listen)
    if address is None:
        raise OSError("it is no address")
    host, port = address
    family, kind, protocol, _, found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # The port goes to `bind` as it is: `getaddrinfo` would take 70000 for 4464.
        listener.bind((found[0], port, *found[2:]))
        # From here on a second server on this port fails, and connections wait for `start`.
        listener.listen()
    except (OSError, OverflowError):
        listener.close()
        raise
    return listener


def _listen_unix(listen: str) -> socket.socket:
    if is_taken(listen):
        raise OSError("another server has this socket")
    path = Path(listen.removeprefix(UNIX))
    if path.is_socket():
        path.unlink()  # left over from a server that is gone
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(str(path))
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener

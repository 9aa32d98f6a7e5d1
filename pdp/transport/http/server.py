"""The HTTP server: `/metrics`, `/healthz` (the process lives), `/readyz` (it decides by policies), and the doors."""

import socket
from collections.abc import Callable, Iterable
from threading import Thread
from time import monotonic, sleep
from typing import Final, NamedTuple, final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from pdp.telemetry.metrics import CONTENT_TYPE, Metrics
from pdp.transport.errors import ListenError

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


def build_routes(metrics: Metrics, readiness: Readiness, doors: Iterable[Route] = ()) -> Starlette:
    """The ASGI application."""

    def exposition(_: Request) -> Response:
        return Response(metrics.exposition(), headers={"content-type": CONTENT_TYPE})

    def live(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    def ready(_: Request) -> Response:
        revisions = readiness()
        if revisions is None:
            return JSONResponse({"ready": False}, status_code=503)
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

    def __init__(self, host: str, port: int, app: Starlette) -> None:
        """Takes the address; port 0 is any free one. Raises ListenError if it cannot."""
        self._socket = _listen(host, port)
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            app,
            loop="asyncio",
            http="h11",
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
        self._server = uvicorn.Server(config)
        self._thread = Thread(target=self._server.run, args=([self._socket],), name="http", daemon=True)

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


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # The port goes to `bind` as it is: `getaddrinfo` would take 70000 for 4464.
            listener.bind((address[0], port, *address[2:]))
            # From here on a second server on this port fails, and connections wait for `start`.
            listener.listen()
        except (OSError, OverflowError):
            listener.close()
            raise
    except (OSError, OverflowError) as error:
        raise ListenError(
            f"cannot listen for HTTP on `{host}:{port}`: {error}",
            help="is another server using it, or is it not an address here?",
        ) from error
    return listener

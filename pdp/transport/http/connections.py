"""Connections of the HTTP server: who is at the other end, and how long it may take to say what it wants.

uvicorn bounds neither the TLS handshake (`asyncio` does, in a minute) nor the time to the end of a request's headers,
and says nothing of a client's certificate: all three are added here.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from math import inf
from typing import Any, Final, final

import h11
from starlette.requests import Request
from uvicorn.protocols.http.h11_impl import H11Protocol

from pdp.transport import tls
from pdp.transport.callers import NOBODY, Caller, Way, caller_at, certified

HANDSHAKE_SECONDS: Final = 10.0
"""How long a TLS handshake may take."""

CLOSING_SECONDS: Final = 5.0
"""How long the goodbye of TLS may take."""

HEADERS_SECONDS: Final = 10.0
"""How long a request's headers may take, from the connection or from their first byte on."""

_CALLER: Final = "pdp.caller"
"""The key of the caller in an ASGI scope."""

_CREDENTIALS: Final = struct.Struct("3i")
"""What Linux says of the process at the other end: its id, user and group."""


def caller_of(request: Request) -> Caller:
    """Who asks."""
    caller = request.scope.get(_CALLER, NOBODY)
    return caller if isinstance(caller, Caller) else NOBODY


def read_caller(transport: asyncio.BaseTransport) -> Caller:
    """Who is at the other end of a connection."""
    connection, peer = transport.get_extra_info("socket"), transport.get_extra_info("peername")
    if connection is not None and connection.family == socket.AF_UNIX:
        return Caller(Way.UNIX, user=_user(connection))
    caller = caller_at(str(peer[0])) if isinstance(peer, tuple) else NOBODY
    session = transport.get_extra_info("ssl_object")
    certificate = None if session is None else session.getpeercert(binary_form=True)
    return certified(certificate, caller.address) if certificate else caller


def _user(connection: Any) -> int | None:
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:  # not Linux
        return None
    _, user, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size))
    return int(user)


@final
class Connection(H11Protocol):
    """uvicorn's HTTP/1.1 with a caller in every scope, and a bound on the time to the end of the headers."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """The caller is known from here on."""
        super().connection_made(transport)
        caller, app = read_caller(transport), self.app

        old = self.loop.time() + tls.MAX_AGE_SECONDS if caller.way is Way.MTLS else inf

        async def known(scope: Any, receive: Any, send: Any) -> None:
            scope[_CALLER] = caller
            await app(scope, receive, _last(send) if self.loop.time() > old else send)

        self.app = known
        self._await_headers()

    def data_received(self, data: bytes) -> None:
        """As in uvicorn, with an eye on the clock."""
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._await_headers()
        else:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """There is nothing more to wait for."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _await_headers(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(HEADERS_SECONDS, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


def _last(send: Any) -> Any:
    """Sends an answer that asks the other end to make another connection."""

    async def closing(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        await send(message)

    return closing


@final
class Loop(asyncio.SelectorEventLoop):
    """The event loop of the server: its TLS handshakes are bounded."""

    async def create_server(self, *args: Any, **options: Any) -> asyncio.Server:
        """As in `asyncio`."""
        if options.get("ssl") is not None:
            options |= {"ssl_handshake_timeout": HANDSHAKE_SECONDS, "ssl_shutdown_timeout": CLOSING_SECONDS}
        return await super().create_server(*args, **options)


def run(serve: Callable[[], Any]) -> None:
    """Run what `serve` gives to its end, on a loop of its own."""
    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(serve())

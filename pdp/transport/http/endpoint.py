"""From Starlette's requests to our adapters and back: bounded bodies, the last line of defence, what is counted.

An adapter is a plain function, as behind gRPC: it gets the whole request and gives verdicts and a reply. It runs on the
event loop, which is right for one decision (microseconds, no I/O) and a small body. For those that make many decisions
there are `threads`, and a large body is never read on the event loop: a megabyte of JSON takes a tenth of a second.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final, NamedTuple, TypeAlias, final

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from pdp.engine.decider import Verdict
from pdp.telemetry.metrics import Door, Metrics
from pdp.transport.door import Report
from pdp.transport.errors import MessageError
from pdp.transport.http.json_body import JsonObject, parse_object
from pdp.transport.http_request import Headers, values_of

MAX_BODY: Final = 1024 * 1024
"""Bytes in the body of a request."""

INLINE_BODY: Final = 16 * 1024
"""Bytes in a body that is still read on the event loop, in some 2 ms at most."""

_LARGE_BODIES: Final = 2
"""Threads for the large bodies of a door that has no other ones."""

BODY_SECONDS: Final = 10.0
"""How long a body may take to arrive."""


class BodyError(MessageError):
    """A body that did not arrive, or too much of it. `status` is HTTP's for that."""

    code = "call_body"

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class HttpReply(NamedTuple):
    """An answer. Header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Answered(NamedTuple):
    """The verdicts that an answer tells of, which are counted, and the answer."""

    verdicts: tuple[Verdict, ...]
    reply: HttpReply


@final
@dataclass(frozen=True, slots=True)
class HttpAsk:
    """A request as adapters see it: all its headers, its query as it stands, and the other end of its connection.

    `body` is what came of it, or why it was not read to its end.
    """

    headers: Headers = ()
    body: bytes | BodyError = b""
    query: str = ""
    address: str = ""
    port: int = field(default=0, compare=False)

    @property
    def peer(self) -> str:
        """The other end, as gRPC names it."""
        if not self.address:
            return ""
        host = f"ipv6:[{self.address}]" if ":" in self.address else f"ipv4:{self.address}"
        return f"{host}:{self.port}"

    @property
    def is_small(self) -> bool:
        """Whether the body can be read in no time."""
        return isinstance(self.body, BodyError) or len(self.body) <= INLINE_BODY

    def json(self) -> JsonObject:
        """The body, which must be sent as a JSON object. Raises MessageError."""
        if isinstance(self.body, BodyError):
            raise self.body
        types = values_of(self.headers, "content-type")
        if len(types) != 1 or types[0].partition(";")[0].strip().lower() != "application/json":
            raise MessageError("the content type is not `application/json`")
        return parse_object(self.body)


HttpAdapter: TypeAlias = Callable[[HttpAsk], Answered]
"""From a request to its answer. What it raises becomes the last resort."""


@final
class GuardedEndpoint:
    """An adapter behind Starlette that never raises, and gives an `X-Request-ID` back as it came.

    INVARIANT: `last_resort` is a deny in the door's protocol, made when the program started, so that nothing can fail
    on the way to it.
    """

    def __init__(
        self,
        door: Door,
        adapter: HttpAdapter,
        last_resort: HttpReply,
        metrics: Metrics,
        report: Report,
        *,
        threads: int = 0,
    ) -> None:
        self._door = door
        self._adapter = adapter
        self._last_resort = last_resort
        self._metrics = metrics
        self._report = report
        self._inline = threads == 0
        self._threads = asyncio.Semaphore(threads or _LARGE_BODIES)

    async def respond(self, request: Request) -> Response:
        """The answer, whatever happens."""
        ids = request.headers.getlist("x-request-id")
        try:
            reply = await self._reply(request)
        except Exception as error:  # an exception here would become a 500 with a text that no PEP can read
            self._report(self._door.value, error)
            reply = self._last_resort
        headers = {**reply.headers, "x-request-id": ids[0]} if ids else reply.headers
        return Response(reply.body, reply.status, headers)

    async def _reply(self, request: Request) -> HttpReply:
        client = request.client
        ask = HttpAsk(
            tuple(request.headers.items()),
            await _read_body(request),
            request.scope["query_string"].decode("latin-1"),
            "" if client is None else client.host,
            0 if client is None else client.port,
        )
        started = perf_counter()
        if self._inline and ask.is_small:
            answered = self._adapter(ask)
        else:
            async with self._threads:
                answered = await run_in_threadpool(self._adapter, ask)
        # Of several answers in one, each took its share of the time.
        seconds = (perf_counter() - started) / max(len(answered.verdicts), 1)
        for verdict in answered.verdicts:
            self._metrics.decided(self._door, verdict.decision.value, verdict.reason.value, seconds)
            if verdict.errors:
                self._metrics.evaluation_errors(error.kind.value for error in verdict.errors)
        return answered.reply


async def _read_body(request: Request) -> bytes | BodyError:
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY:
                    return BodyError(f"the body has more than {MAX_BODY} bytes", 413)
    except TimeoutError:
        return BodyError("the body did not arrive in time", 408)
    except ClientDisconnect:
        return BodyError("the caller is gone", 400)
    return bytes(body)

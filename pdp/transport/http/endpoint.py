"""From Starlette's requests to our adapters and back: bounded bodies, the last line of defence, what is counted.

An adapter is a plain function, as behind gRPC: it gets the whole request and gives verdicts and a reply. It runs on the
event loop, which is right for one decision (microseconds, no I/O) and a small body. For those that make many decisions
there are `threads`, and a large body is never read on the event loop: a megabyte of JSON takes a tenth of a second.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Final, NamedTuple, TypeAlias, final

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from pdp.engine.decider import Verdict
from pdp.engine.observing import outcome_of
from pdp.telemetry.metrics import Door, Metrics
from pdp.telemetry.observing import Observer
from pdp.transport.admission import REFUSED, Gate
from pdp.transport.callers import NOBODY, Caller
from pdp.transport.door import Report
from pdp.transport.errors import MessageError
from pdp.transport.http.connections import caller_of
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
    """A request as adapters see it: all its headers, its query as it stands, and who asks.

    `body` is what came of it, or why it was not read to its end.
    """

    headers: Headers = ()
    body: bytes | BodyError = b""
    query: str = ""
    caller: Caller = NOBODY

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
    """An adapter behind Starlette that never raises, and gives an `X-Request-ID` back as it came. Callers whom `gate`
    does not admit get `refused`, and of their request nothing is read. `observer` is there only where single decisions
    are traced, or slow ones logged.

    INVARIANT: `refused` and `last_resort` are denies in the door's protocol, made when the program started, so that
    nothing can fail on the way to them.
    """

    def __init__(
        self,
        door: Door,
        gate: Gate,
        adapter: HttpAdapter,
        metrics: Metrics,
        report: Report,
        *,
        refused: HttpReply,
        last_resort: HttpReply,
        threads: int = 0,
        observer: Observer | None = None,
    ) -> None:
        self._door = door
        self._gate = gate
        self._refused = refused
        self._adapter = adapter
        self._last_resort = last_resort
        self._metrics = metrics
        self._report = report
        self._observer = observer
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
        caller = caller_of(request)
        if not self._gate.admits(caller):
            self._metrics.decided(self._door, REFUSED.decision.value, REFUSED.reason.value, 0.0)
            return self._refused
        ask = HttpAsk(
            tuple(request.headers.items()),
            await _read_body(request),
            request.scope["query_string"].decode("latin-1"),
            caller,
        )
        if self._observer is not None:
            return await self._observed(self._observer, ask)
        started = perf_counter()
        answered = await self._answer(ask)
        self._count(answered, perf_counter() - started)
        return answered.reply

    async def _answer(self, ask: HttpAsk) -> Answered:
        if self._inline and ask.is_small:
            return self._adapter(ask)
        async with self._threads:
            return await run_in_threadpool(self._adapter, ask)

    async def _observed(self, observer: Observer, ask: HttpAsk) -> HttpReply:
        """The reply, observed."""
        observation = observer.begin(self._door.value, ask.headers)
        try:
            answered = await self._answer(ask)
            trace_id = observer.end(observation, tuple(map(outcome_of, answered.verdicts)))
            self._count(answered, observation.seconds, trace_id)
        finally:
            observer.abandon(observation)
        return answered.reply

    def _count(self, answered: Answered, seconds: float, trace_id: str = "") -> None:
        # Of several answers in one, each took its share of the time.
        share = seconds / max(len(answered.verdicts), 1)
        for verdict in answered.verdicts:
            self._metrics.decided(self._door, verdict.decision.value, verdict.reason.value, share, trace_id)
            if verdict.errors:
                self._metrics.evaluation_errors(error.kind.value for error in verdict.errors)


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

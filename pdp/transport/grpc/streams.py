"""Streams, bounded and kept apart.

`grpc.server` gives a call one thread for as long as it is open, and a stream is open for as long as its caller likes:
a few idle ones in the pool of all other calls, and nobody is answered any more. So each kind of stream has a number of
places, each with a thread of its own, and who comes when all are taken is told so at once.

A place is free again when the stream has ended: its caller ended it, went away, or was found dead by keepalive.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import Any, Final, NoReturn, TypeAlias, final

import grpc

from pdp.transport.callers import Caller
from pdp.transport.door import Answer, GatedDoor
from pdp.transport.grpc.interceptors import Handler

Identify: TypeAlias = Callable[[grpc.ServicerContext], Caller]
"""Who makes a call."""


@final
@dataclass(frozen=True, slots=True)
class Streamed:
    """A method that answers every message of a stream by `answer`, in order, and a stream too many by one `refusal`.

    `places` is the number of streams that may be open. One of a caller that may not come in gets one answer and ends.
    """

    answer: GatedDoor
    refusal: Answer
    places: int


@final
@dataclass(frozen=True, slots=True)
class Subscribed:
    """A method that answers one message by a stream of events, which ends when it likes or its caller goes.

    `events` gets the message's bytes, the caller and the call, and ends the call with an error if it must. `places` is
    the number of streams that may be open; one more is told that there are too many.
    """

    events: Callable[[bytes, Caller, grpc.ServicerContext], Iterator[bytes]]
    places: int


def handle_subscription(method: Subscribed, identify: Identify) -> Handler:
    """The method over raw bytes."""

    def events(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        return method.events(request, identify(context), context)

    return grpc.unary_stream_rpc_method_handler(events)


def handle_stream(method: Streamed, identify: Identify) -> Handler:
    """The method over raw bytes. A message is taken from the stream when the answer before it has been sent."""

    def answers(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        caller = identify(context)
        refusal = method.answer.refuse(caller)
        if refusal is not None:  # it would hold a place, and never need to say a word
            yield refusal
            return
        for request in requests:
            yield method.answer(request, caller)

    return grpc.stream_stream_rpc_method_handler(answers)


def refuse_stream(refusal: Answer, identify: Identify) -> Handler:
    """Answers a stream with a single message and ends it, without reading what it says.

    To the caller, it is a stream. Here it is no stream: sending the one answer of a call holds no thread, even if the
    caller does not take it.
    """

    def answer(_: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        return refusal(b"", identify(context))

    return grpc.stream_unary_rpc_method_handler(answer)


def reject_stream(code: grpc.StatusCode) -> Handler:
    """Ends a stream with an error of gRPC's own: for services that are not ours to answer for."""

    def reject(_: Iterator[bytes], context: grpc.ServicerContext) -> NoReturn:
        context.abort(code, "too many streams")

    return grpc.stream_unary_rpc_method_handler(reject)


@final
class _Places:
    """The places of one method."""

    def __init__(self, number: int, refusal: Handler, pool: ThreadPoolExecutor) -> None:
        self._free = BoundedSemaphore(number)
        self._refusal = refusal
        self._pool = pool

    def take(self, handler: Handler) -> Handler:
        """The handler in a place of its own, or the refusal."""
        return self._placed(handler) if self._free.acquire(blocking=False) else self._refusal

    def _placed(self, handler: Handler) -> Handler:
        behaviour: Any = handler.stream_stream or _stream_of_one(handler.unary_stream)

        def placed(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
            try:
                yield from behaviour(requests, context)
            finally:
                self._free.release()

        attributes: Any = placed
        attributes.experimental_thread_pool = self._pool  # grpc's name for the threads that a method is to run on
        return grpc.stream_stream_rpc_method_handler(placed, handler.request_deserializer, handler.response_serializer)


def _stream_of_one(behaviour: Any) -> Any:
    """A method of one request that reads the request itself, and gives its answers to be sent.

    `grpc.server` never calls a method whose caller goes before it has sent the request, and the place would be lost.
    And the standard health service, if it is let, sends to its watchers itself, under the lock that the serving thread
    takes when a watcher goes: one that goes while health changes would stop the whole server for good.
    """

    def stream(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        for request in requests:
            yield from behaviour(request, context)
            return

    return stream


@final
class StreamBounds(grpc.ServerInterceptor):
    """Gives every stream of these methods (full path -> places, and what one too many gets) a place or refuses it.

    Must be the outermost interceptor: it chooses anew for every call, and others remember what they were given.
    """

    def __init__(self, methods: Mapping[str, tuple[int, Handler]]) -> None:
        self._pool: Final = ThreadPoolExecutor(sum(places for places, _ in methods.values()), "grpc-stream")
        self._places = {path: _Places(places, refusal, self._pool) for path, (places, refusal) in methods.items()}

    def intercept_service(
        self,
        continuation: "Callable[[grpc.HandlerCallDetails], Handler | None]",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        """The handler for this call."""
        handler = continuation(handler_call_details)
        places = self._places.get(handler_call_details.method)
        return handler if handler is None or places is None else places.take(handler)

    def shutdown(self) -> None:
        """Let the threads end with their streams."""
        self._pool.shutdown(wait=False)

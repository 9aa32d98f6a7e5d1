"""`Watch`: tells callers which decisions may be others now, for as long as they stay.

Nothing is decided here, so what is wrong with a request is a gRPC error. Whether a caller may watch is asked before
every event: one whose right is withdrawn is not told another name.
"""

from collections.abc import Callable, Iterator
from time import monotonic, sleep
from typing import Final, TypeAlias, final

import grpc
from google.protobuf.message import DecodeError

from pdp.cedar.values import EntityUID
from pdp.engine.watches import MOST_TOLD, News, Watches
from pdp.telemetry.watching import WatchMetrics
from pdp.transport.callers import Caller
from pdp.transport.errors import CallRefused, MessageError
from pdp.transport.grpc import convert, messages
from pdp.transport.grpc.gen.v1 import decision_pb2 as pb

HEARTBEAT_SECONDS: Final = 15.0
"""How long a watcher hears nothing, at most."""

PAUSE_SECONDS: Final = 0.02
"""After an event, so long is waited for others to come with the next: with a thousand changes a second, a thousand
events would keep the machine busy and tell no more."""

MOST_WATCHED: Final = MOST_TOLD
"""Entities that a watcher may name: so many can be told at once."""

_MAX_PLACE: Final = 64

Admits: TypeAlias = Callable[[Caller], bool]
"""Whether a caller may watch."""


@final
class WatchService:
    """Answers `Watch` from one list of changes."""

    def __init__(
        self, watches: Watches, admits: Admits, metrics: WatchMetrics, heartbeat: float = HEARTBEAT_SECONDS
    ) -> None:
        self._watches = watches
        self._admits = admits
        self._metrics = metrics
        self._heartbeat = heartbeat

    def watch(self, data: bytes, caller: Caller, context: grpc.ServicerContext) -> Iterator[bytes]:
        """The serialized events for a serialized WatchRequest."""
        if not self._admits(caller):
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "this caller may not watch")
        try:
            watched, after = read_watch(data)
        except CallRefused as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, error.message)
        # The thread waits for news; it is told when the caller goes. If it is gone already, nobody will tell.
        if not context.add_callback(self._watches.wake):
            return
        self._metrics.came()
        try:
            yield from self._events(watched, after, caller, context)
        finally:
            self._metrics.went()

    def _events(
        self, watched: frozenset[EntityUID], after: str, caller: Caller, context: grpc.ServicerContext
    ) -> Iterator[bytes]:
        """The first event at once, and then what comes. News that concern nobody who is watched are kept to oneself."""
        news = self._watches.news(after, watched)
        yield self._told(news)
        due = monotonic() + self._heartbeat
        while self._watches.wait(news.place, due - monotonic(), context.is_active):
            if not self._admits(caller):
                context.abort(grpc.StatusCode.PERMISSION_DENIED, "this caller may not watch any more")
            news = self._watches.news(news.place, watched)
            if news.everything or news.entities or monotonic() >= due:
                yield self._told(news)
                due = monotonic() + self._heartbeat
            sleep(PAUSE_SECONDS)

    def _told(self, news: News) -> bytes:
        self._metrics.told(everything=news.everything, entities=len(news.entities))
        return write_news(news).SerializeToString()


def read_watch(data: bytes) -> tuple[frozenset[EntityUID], str]:
    """The entities that are watched, and the place to go on from. Raises MessageError."""
    try:
        message = pb.WatchRequest.FromString(data)
    except DecodeError as error:
        raise MessageError("the request is not a `pdp.v1.WatchRequest`") from error
    if len(message.entities) > MOST_WATCHED:
        raise MessageError(f"the request names more than {MOST_WATCHED} entities")
    if len(message.after) > _MAX_PLACE:
        raise MessageError(f"`after` has more than {_MAX_PLACE} characters")
    return frozenset(convert.read_uid(entity, "entities") for entity in message.entities), message.after


def write_news(news: News) -> pb.WatchEvent:
    """News as a message; the entities in order."""
    return pb.WatchEvent(
        place=news.place,
        policy_revision=news.policy_revision,
        context_revision=news.context_revision,
        everything=news.everything,
        entities=map(messages.write_uid, sorted(news.entities)),
    )

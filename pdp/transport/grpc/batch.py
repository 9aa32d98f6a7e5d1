"""`CheckBatch`: many questions in one message, each answered as `Check` answers it.

A batch is taken apart (`frames.proto`) before any part of it is read: an item that is no message is one bad item.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, final

from google.protobuf.message import DecodeError

from pdp.engine.decider import Verdict
from pdp.telemetry.metrics import Door, Metrics
from pdp.telemetry.observing import Observer
from pdp.transport.callers import Caller
from pdp.transport.door import GuardedDoor, Report
from pdp.transport.errors import MessageError
from pdp.transport.grpc import convert, service
from pdp.transport.grpc.gen.v1 import decision_pb2 as pb
from pdp.transport.grpc.gen.v1 import frames_pb2

MAX_ITEMS: Final = 256
"""Questions in one batch."""

MAX_DEFAULTS: Final = 16_384
"""Bytes of the defaults. They are read anew for every item: 256 times so many bytes are as much as the largest message
that gRPC lets in, so that a batch takes no longer than the longest question.
"""


def _framed(results: Sequence[bytes]) -> bytes:
    return frames_pb2.BatchResponseFrames(results=results).SerializeToString()


LAST_RESORT: Final = _framed([service.LAST_RESORT])
"""The answer when no answer could be made."""

CALLER_REFUSED: Final = _framed([service.CALLER_REFUSED])
"""The answer to a caller that may not ask."""


@final
@dataclass(frozen=True, slots=True)
class Batch:
    """The questions of a batch that can be taken apart. The defaults are an error where they cannot be used."""

    defaults: pb.CheckRequest | MessageError
    items: Sequence[bytes]

    def question(self, item: bytes) -> pb.CheckRequest:
        """An item with the defaults in the place of what it does not set. Raises MessageError."""
        if isinstance(self.defaults, MessageError):
            raise self.defaults
        own = convert.parse_request(item)
        whole = pb.CheckRequest()
        whole.CopyFrom(self.defaults)
        for field, _ in own.ListFields():
            whole.ClearField(field.name)  # merging joins two contexts, and the default's would show through
        whole.MergeFrom(own)
        return whole


def read_batch(data: bytes) -> Batch:
    """The batch in the bytes. Raises MessageError when it cannot be taken apart or its items are not 1 to MAX_ITEMS."""
    try:
        frames = frames_pb2.BatchRequestFrames.FromString(data)
    except DecodeError as error:
        raise MessageError("the request is not a `pdp.v1.CheckBatchRequest`") from error
    count = len(frames.items)
    if not 1 <= count <= MAX_ITEMS:
        raise MessageError(f"the batch has {count} items", help=f"a batch has 1 to {MAX_ITEMS} items")
    return Batch(_read_defaults(b"".join(frames.defaults)), frames.items)


def _read_defaults(data: bytes) -> pb.CheckRequest | MessageError:
    if len(data) > MAX_DEFAULTS:
        return MessageError(f"the defaults have {len(data)} bytes, and {MAX_DEFAULTS} is the most")
    try:
        return convert.parse_request(data)
    except MessageError:
        return MessageError("the defaults are not a `pdp.v1.CheckRequest`")


@final
class BatchDoor:
    """Answers serialized CheckBatchRequests. Never raises.

    INVARIANT: there is a result for every item, and always one at least: whoever asks only whether all results allow
    must not find that none denies.
    """

    def __init__(
        self,
        decisions: service.DecisionService,
        metrics: Metrics,
        report: Report,
        observer: Observer | None = None,
    ) -> None:
        self._decisions = decisions
        self._metrics = metrics
        self._report = report
        self._observer = observer

    def __call__(self, data: bytes, caller: Caller) -> bytes:
        """The serialized CheckBatchResponse."""
        observation = None if self._observer is None else self._observer.begin(Door.CHECK_BATCH.value)
        try:
            return self._answer(data, caller)
        except Exception as error:  # as in `GuardedDoor`, which guards each item by itself
            self._report(Door.CHECK_BATCH.value, error)
            return LAST_RESORT
        finally:
            if self._observer is not None and observation is not None:
                self._observer.end(observation, ())

    def _answer(self, data: bytes, caller: Caller) -> bytes:
        credentials = self._decisions.credentials(caller)
        try:
            batch = read_batch(data)
        except MessageError as refusal:
            # One question in the place of all, that cannot be read either: denied, encoded and counted like any other.
            batch = Batch(refusal, [b""])

        def adapter(item: bytes, _: Caller) -> tuple[Verdict, bytes]:
            return self._decisions.answer(partial(batch.question, item), credentials)

        door = GuardedDoor(Door.CHECK_BATCH, adapter, service.LAST_RESORT, self._metrics, self._report, self._observer)
        return _framed([door(item, caller) for item in batch.items])

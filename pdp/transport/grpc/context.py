"""`pdp.v1.ContextService`, from a request's bytes to an answer's: what is believed changes, and what was is told."""

from collections.abc import Callable
from typing import Final, TypeVar, assert_never, final

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from pdp.cedar.entities import Entity
from pdp.cedar.errors import CedarError
from pdp.cedar.values import Record
from pdp.clock import Clock
from pdp.context.changes import (
    Change,
    DropEntity,
    DropPosture,
    EndGrant,
    EntityKey,
    GrantKey,
    Key,
    Origin,
    PostureKey,
    PutEntity,
    PutGrant,
    PutPosture,
    SetAttribute,
    SetMembership,
)
from pdp.context.facts import Grant, Posture
from pdp.context.state import Believed, BelievedEntity, BelievedGrant, BelievedPosture
from pdp.context.store import ContextSnapshot, ContextStore, StoreError
from pdp.engine.reload import FILES
from pdp.engine.writing import Writing
from pdp.telemetry.metrics import Metrics
from pdp.transport.admission import REFUSED, Gate
from pdp.transport.callers import Caller
from pdp.transport.door import Report
from pdp.transport.errors import MessageError
from pdp.transport.grpc import convert, messages
from pdp.transport.grpc.gen.v1 import context_pb2 as pb

NAME: Final = "pdp.v1.ContextService"
"""The full name of the service."""

MAX_CHANGES: Final = 10_000
"""Changes in one write."""

MAX_SOURCE: Final = 128
"""Characters in the name of a source."""

_LAST_SECOND: Final = 253_402_300_799
_FAILED: Final = "the decision point failed; nothing has changed"

_Response = TypeVar("_Response", pb.WriteResponse, pb.BelievedResponse)
_Request = TypeVar("_Request", pb.WriteRequest, pb.BelievedRequest)


@final
class ContextService:
    """Answers `Write` and `Believed`. Never raises."""

    def __init__(
        self, writing: Writing, store: ContextStore, gate: Gate, clock: Clock, metrics: Metrics, report: Report
    ) -> None:
        self._writing: Final = writing
        self._store: Final = store
        self._gate: Final = gate
        self._clock: Final = clock
        self._metrics: Final = metrics
        self._report: Final = report

    def write(self, data: bytes, caller: Caller) -> bytes:
        """From a serialized WriteRequest to a serialized WriteResponse."""

        def answer() -> pb.WriteResponse:
            after = self._write(_parsed(pb.WriteRequest, data))
            return pb.WriteResponse(outcome=pb.CONTEXT_OUTCOME_DONE, revision=after.revision)

        return self._answered("write", caller, answer, pb.WriteResponse)

    def believed(self, data: bytes, caller: Caller) -> bytes:
        """From a serialized BelievedRequest to a serialized BelievedResponse."""

        def answer() -> pb.BelievedResponse:
            message = _parsed(pb.BelievedRequest, data)
            at = _time(message.at, "at") if message.HasField("at") else self._clock()
            return write_believed(self._store.believed(_key(message), at))

        return self._answered("believed", caller, answer, pb.BelievedResponse)

    def _write(self, message: pb.WriteRequest) -> ContextSnapshot:
        if not 1 <= len(message.source) <= MAX_SOURCE or message.source == FILES:
            raise MessageError(f"a source has a name of 1 to {MAX_SOURCE} characters, other than `{FILES}`")
        if not 1 <= len(message.changes) <= MAX_CHANGES:
            raise MessageError(f"a write has 1 to {MAX_CHANGES} changes, and this one {len(message.changes)}")
        now = self._clock()
        observed_at = _time(message.observed_at, "observed_at") if message.HasField("observed_at") else now
        changes = [read_change(change, message.source, observed_at, now) for change in message.changes]
        return self._writing.write(changes, message.source, observed_at)

    def _answered(
        self, method: str, caller: Caller, answer: Callable[[], _Response], refused: type[_Response]
    ) -> bytes:
        try:
            if not self._gate.admits(caller):
                response = refused(outcome=pb.CONTEXT_OUTCOME_CALLER_NOT_ALLOWED, message=REFUSED.message)
            else:
                response = answer()
        except StoreError as error:
            response = refused(outcome=pb.CONTEXT_OUTCOME_UNAVAILABLE, message=error.message)
        except CedarError as error:
            response = refused(outcome=pb.CONTEXT_OUTCOME_REFUSED, message=error.message)
        except Exception as error:  # a defect must be told as such, and not as a write that may have been done
            self._report(f"context.{method}", error)
            response = refused(outcome=pb.CONTEXT_OUTCOME_UNAVAILABLE, message=_FAILED)
        self._metrics.context_asked(method, _WORDS[response.outcome])
        return response.SerializeToString()


_WORDS: Final = {
    pb.CONTEXT_OUTCOME_DONE: "done",
    pb.CONTEXT_OUTCOME_REFUSED: "refused",
    pb.CONTEXT_OUTCOME_CALLER_NOT_ALLOWED: "caller_not_allowed",
    pb.CONTEXT_OUTCOME_UNAVAILABLE: "unavailable",
}


def read_change(message: pb.ContextChange, source: str, observed_at: int, now: int) -> Change:
    """A change that a source says at `now`. Times are in milliseconds. Raises MessageError."""
    match message.WhichOneof("kind"):
        case "put_entity":
            return PutEntity(_entity(message.put_entity))
        case "drop_entity":
            return DropEntity(convert.read_uid(message.drop_entity, "the entity"))
        case "set_attribute":
            part = message.set_attribute
            value = convert.read_value(part.value, "attribute") if part.HasField("value") else None
            return SetAttribute(convert.read_uid(part.uid, "the entity"), part.name, value)
        case "set_membership":
            moved = message.set_membership
            group = convert.read_uid(moved.group, "the group")
            return SetMembership(convert.read_uid(moved.uid, "the entity"), group, moved.member)
        case "put_posture":
            return PutPosture(_posture(message.put_posture, source, observed_at))
        case "drop_posture":
            return DropPosture(convert.read_uid(message.drop_posture, "the subject"))
        case "put_grant":
            return PutGrant(_grant(message.put_grant, now))
        case "end_grant":
            return EndGrant(message.end_grant, now)
        case _:
            # Also a kind that a newer client knows: its change would otherwise be lost without a trace.
            raise MessageError("a change has no kind that this decision point knows")


def _posture(message: pb.ContextPosture, source: str, observed_at: int) -> Posture:
    subject = convert.read_uid(message.subject, "the subject")
    return Posture(subject, source, observed_at, convert.read_record(message.facts, "posture").fields)


def _entity(message: pb.ContextEntity) -> Entity:
    return Entity(
        convert.read_uid(message.uid, "the entity"),
        convert.read_record(message.attributes, "entity").fields,
        frozenset(convert.read_uid(parent, "the parent") for parent in message.parents),
        convert.read_record(message.tags, "entity").fields,
    )


def _grant(message: pb.ContextGrant, now: int) -> Grant:
    if not message.HasField("expires_at"):
        raise MessageError(f"the grant `{message.id}` has no end", help="set `expires_at`")
    return Grant(
        message.id,
        message.template,
        convert.read_uid(message.principal, "the principal"),
        convert.read_uid(message.resource, "the resource"),
        message.owner,
        message.reason,
        _time(message.not_before, "not_before") if message.HasField("not_before") else now,
        _time(message.expires_at, "expires_at"),
    )


def write_believed(believed: Believed | None) -> pb.BelievedResponse:
    """The answer that tells what was believed."""
    response = pb.BelievedResponse(outcome=pb.CONTEXT_OUTCOME_DONE)
    match believed:
        case None:
            return response
        case BelievedEntity(entity, origin, alone):
            response.entity.CopyFrom(
                pb.ContextEntity(
                    uid=messages.write_uid(entity.uid),
                    attributes=messages.write_record(Record(entity.attrs)),
                    parents=map(messages.write_uid, sorted(entity.parents)),
                    tags=messages.write_record(Record(entity.tags)),
                )
            )
            for name, of in alone.items():
                response.attribute_origins[name].CopyFrom(_origin(of))
        case BelievedPosture(posture, origin):
            facts = messages.write_record(Record(posture.facts))
            response.posture.CopyFrom(pb.ContextPosture(subject=messages.write_uid(posture.subject), facts=facts))
        case BelievedGrant(grant, origin):
            response.grant.CopyFrom(
                pb.ContextGrant(
                    id=grant.id,
                    template=grant.template_id,
                    principal=messages.write_uid(grant.principal),
                    resource=messages.write_uid(grant.resource),
                    owner=grant.owner,
                    reason=grant.reason,
                    not_before=convert.timestamp(grant.not_before),
                    expires_at=convert.timestamp(grant.expires_at),
                )
            )
        case _:
            assert_never(believed)
    response.origin.CopyFrom(_origin(origin))
    return response


def _origin(origin: Origin) -> pb.ContextOrigin:
    return pb.ContextOrigin(
        source=origin.source,
        observed_at=convert.timestamp(origin.observed_at),
        recorded_at=convert.timestamp(origin.recorded_at),
        revision=origin.revision,
    )


def _key(message: pb.BelievedRequest) -> Key:
    match message.WhichOneof("key"):
        case "entity":
            return EntityKey(convert.read_uid(message.entity, "the entity"))
        case "posture":
            return PostureKey(convert.read_uid(message.posture, "the subject"))
        case "grant":
            return GrantKey(message.grant)
        case _:
            raise MessageError("the request does not say of what")


def _time(message: Timestamp, place: str) -> int:
    if not (0 <= message.seconds <= _LAST_SECOND and 0 <= message.nanos < 1_000_000_000):
        raise MessageError(f"`{place}` is no instant from 1970 to 9999")
    return message.seconds * 1_000 + message.nanos // 1_000_000


def _parsed(kind: type[_Request], data: bytes) -> _Request:
    try:
        return kind.FromString(data)
    except DecodeError as error:
        raise MessageError(f"the request is not a `pdp.v1.{kind.__name__}`") from error

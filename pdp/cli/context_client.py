"""Writes to a running decision point over gRPC, and asks what it believed (`pdp.v1.ContextService`)."""

from collections.abc import Iterable, Mapping
from typing import Final

from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp

from pdp.cedar.entities import Entity
from pdp.cedar.errors import CedarError
from pdp.cedar.values import EntityUID, Record
from pdp.cli.client import calling, write_readable
from pdp.cli.connection import Connection
from pdp.context.facts import Grant
from pdp.transport.grpc.gen.v1 import context_pb2 as pb
from pdp.transport.grpc.gen.v1.context_pb2_grpc import ContextServiceStub
from pdp.transport.grpc.messages import write_uid

_HELP: Final[Mapping[int, str]] = {
    pb.CONTEXT_OUTCOME_CALLER_NOT_ALLOWED: 'permit `Pdp::Action::"administer"` to it in `callers.policies`',
    pb.CONTEXT_OUTCOME_UNAVAILABLE: "ask again later",
}


class RefusedError(CedarError):
    """The decision point did not do it. Nothing has changed."""

    code = "refused"


def put_grant(grant: Grant, source: str, connection: Connection) -> int:
    """Grant; returns the revision. Raises RefusedError, CallError."""
    made = pb.ContextGrant(
        id=grant.id,
        template=grant.template_id,
        principal=write_uid(grant.principal),
        resource=write_uid(grant.resource),
        owner=grant.owner,
        reason=grant.reason,
        not_before=_timestamp(grant.not_before),
        expires_at=_timestamp(grant.expires_at),
    )
    return _write([pb.ContextChange(put_grant=made)], source, connection)


def end_grant(id: str, source: str, connection: Connection) -> int:
    """Revoke; returns the revision. Raises RefusedError, CallError."""
    return _write([pb.ContextChange(end_grant=id)], source, connection)


def put_entities(entities: Iterable[Entity], source: str, connection: Connection) -> int:
    """Put entities; returns the revision. Raises RefusedError, CallError."""
    return _write([pb.ContextChange(put_entity=_entity(entity)) for entity in entities], source, connection)


def drop_entity(uid: EntityUID, source: str, connection: Connection) -> int:
    """Drop an entity; returns the revision. Raises RefusedError, CallError."""
    return _write([pb.ContextChange(drop_entity=write_uid(uid))], source, connection)


def believed(key: EntityUID | str, instant: int, connection: Connection, *, posture: bool = False) -> dict[str, object]:
    """What was believed of an entity, of its posture, or of a grant, by its id, at an instant (ms), as JSON.

    Raises RefusedError, CallError.
    """
    request = pb.BelievedRequest(at=_timestamp(instant))
    if isinstance(key, str):
        request.grant = key
    elif posture:
        request.posture.CopyFrom(write_uid(key))
    else:
        request.entity.CopyFrom(write_uid(key))
    with calling(connection) as channel:
        response = ContextServiceStub(channel).Believed(request, timeout=connection.timeout)
    _refuse(response.outcome, response.message)
    response.ClearField("outcome")
    found: dict[str, object] = MessageToDict(response)
    return found


def _write(changes: Iterable[pb.ContextChange], source: str, connection: Connection) -> int:
    with calling(connection) as channel:
        request = pb.WriteRequest(source=source, changes=changes)
        response = ContextServiceStub(channel).Write(request, timeout=connection.timeout)
    _refuse(response.outcome, response.message)
    return int(response.revision)


def _refuse(outcome: int, message: str) -> None:
    if outcome != pb.CONTEXT_OUTCOME_DONE:
        raise RefusedError(message or "the answer says nothing that is known", help=_HELP.get(outcome))


def _entity(entity: Entity) -> pb.ContextEntity:
    return pb.ContextEntity(
        uid=write_uid(entity.uid),
        attributes=write_readable(Record(entity.attrs)),
        parents=map(write_uid, sorted(entity.parents)),
        tags=write_readable(Record(entity.tags)),
    )


def _timestamp(milliseconds: int) -> Timestamp:
    message = Timestamp()
    message.FromMilliseconds(milliseconds)
    return message

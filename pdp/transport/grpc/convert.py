"""Messages of `pdp.v1` to the engine's types and back. Total: any bytes give a request or a MessageError.

No field has a default that widens access: an absent subject, action, resource or value kind is an error, and the
engine's own names in the context are left for the engine to refuse.
"""

from collections.abc import Mapping
from typing import Final

from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from pdp.cedar.errors import EvaluationError
from pdp.cedar.ext import FUNCTIONS, Style, call
from pdp.cedar.names import is_type_name
from pdp.cedar.policy import Effect
from pdp.cedar.response import Decision, PolicyError
from pdp.cedar.values import EntityUID, Record, Set, Value, quote
from pdp.engine.decider import CheckRequest, Verdict
from pdp.identity.presented import Presented, Scheme
from pdp.identity.subject import Subject
from pdp.transport.challenges import Challenge
from pdp.transport.errors import MessageError
from pdp.transport.grpc.gen.v1 import decision_pb2 as pb
from pdp.transport.http_reply import challenge

MAX_VALUE_DEPTH: Final = 24
"""Levels of nesting in the context. Below what the protobuf library itself accepts (100 messages, four to a level of
records), so that the bound does not depend on its version."""

MAX_REQUEST_ID: Final = 128
"""Characters in a caller's request id."""

_SCHEMES: Final = {scheme.value.lower(): scheme for scheme in Scheme}

_LAST_TIMESTAMP: Final = 253_402_300_799_999
"""9999-12-31T23:59:59.999Z in milliseconds, the last instant that a Timestamp may name."""

_CONSTRUCTORS: Final = frozenset(
    name
    for name, function in FUNCTIONS.items()
    if function.style is Style.FUNCTION and function.parameters == ("string",)
)

_DECISIONS: Final[Mapping[Decision, pb.Decision]] = {
    Decision.ALLOW: pb.DECISION_ALLOW,
    Decision.DENY: pb.DECISION_DENY,
}

EFFECTS: Final[Mapping[Effect, pb.Effect]] = {
    Effect.PERMIT: pb.EFFECT_PERMIT,
    Effect.FORBID: pb.EFFECT_FORBID,
}
"""The number of each effect; total."""


def parse_request(data: bytes) -> pb.CheckRequest:
    """The message in the bytes. Raises MessageError."""
    try:
        return pb.CheckRequest.FromString(data)
    except DecodeError as error:
        raise MessageError("the request is not a `pdp.v1.CheckRequest`") from error


def read_request_id(message: pb.CheckRequest) -> str:
    """The caller's request id, "" if there is none. Raises MessageError for one that is too long to repeat."""
    if len(message.request_id) > MAX_REQUEST_ID:
        raise MessageError(f"the request id has more than {MAX_REQUEST_ID} characters")
    return message.request_id


def read_request(message: pb.CheckRequest, subject: Subject, request_id: str) -> CheckRequest:
    """The question, asked for a subject that is already verified. Raises MessageError."""
    return CheckRequest(
        subject=subject,
        action=_required(message, "action"),
        resource=_required(message, "resource"),
        context=read_record(message.context, "context", 0),
        device=read_uid(message.device, "device") if message.HasField("device") else None,
        min_revision=message.min_revision,
        request_id=request_id,
    )


def read_scheme(message: pb.CheckRequest) -> Scheme:
    """How the client used its token. Raises MessageError for a scheme that no token is used by."""
    stated = message.client.scheme.lower()
    if not stated:
        return Scheme.BEARER
    scheme = _SCHEMES.get(stated)
    if scheme is None:
        raise MessageError("the scheme of the client is neither `Bearer` nor `DPoP`")
    return scheme


def read_presented(message: pb.CheckRequest) -> Presented:
    """The credential that the question shows, with all that came with it. Raises MessageError."""
    if not message.HasField("client"):
        return Presented(message.token)
    client = message.client
    return Presented(
        message.token,
        read_scheme(message),
        tuple(client.proofs),
        client.method,
        client.url,
        client.certificate,
        tuple(client.chain),
    )


def read_uid(message: pb.EntityUid, place: str) -> EntityUID:
    """An entity's name; `place` is what to call it in errors. Raises MessageError."""
    if not is_type_name(message.type):
        raise MessageError(
            f"the entity type of {place}, `{quote(message.type)[1:-1]}`, is not a Cedar type name",
            help="write identifiers joined by `::`, without white space",
        )
    return EntityUID(message.type, message.id)


def _required(message: pb.CheckRequest, field: str) -> EntityUID:
    if not message.HasField(field):
        raise MessageError(f"the request has no {field}")
    return read_uid(getattr(message, field), field)


def read_record(message: pb.Record, place: str, depth: int = 0) -> Record:
    """A record; `place` is what to call it in errors. Raises MessageError."""
    if depth > MAX_VALUE_DEPTH:
        raise MessageError(f"the {place} is nested more than {MAX_VALUE_DEPTH} levels deep")
    return Record({name: read_value(value, place, depth) for name, value in message.fields.items()})


def _read_set(message: pb.Set, place: str, depth: int) -> Set:
    if depth > MAX_VALUE_DEPTH:
        raise MessageError(f"the {place} is nested more than {MAX_VALUE_DEPTH} levels deep")
    return Set(read_value(element, place, depth) for element in message.elements)


def read_value(message: pb.Value, place: str, depth: int = 0) -> Value:
    """A value; `place` is what to call it in errors. Raises MessageError."""
    value: Value
    match message.WhichOneof("kind"):
        case "bool_value":
            value = message.bool_value
        case "long_value":
            value = message.long_value
        case "string_value":
            value = message.string_value
        case "entity_value":
            value = read_uid(message.entity_value, place)
        case "set_value":
            value = _read_set(message.set_value, place, depth + 1)
        case "record_value":
            value = read_record(message.record_value, place, depth + 1)
        case "extension_value":
            value = _read_extension(message.extension_value)
        case _:
            # Also a kind that a newer client knows: its value would otherwise be lost without a trace.
            raise MessageError(f"a value in the {place} has no kind that this decision point knows")
    return value


def _read_extension(message: pb.Extension) -> Value:
    if message.function not in _CONSTRUCTORS:
        raise MessageError(
            f"{quote(message.function)} does not construct a value",
            help=f"the constructors are {', '.join(sorted(_CONSTRUCTORS))}",
        )
    try:
        return call(message.function, (message.argument,))
    except EvaluationError as error:
        raise MessageError(error.message) from error


def write_response(
    verdict: Verdict, request_id: str, own: Challenge | None = None, scheme: Scheme = Scheme.BEARER
) -> pb.CheckResponse:
    """The answer as a message. `own` is the challenge of the refusal that the verdict was made of, if it was, and
    `scheme` the one that the client used.
    """
    response = pb.CheckResponse(
        decision=_DECISIONS[verdict.decision],
        reason_class=verdict.reason.value,
        message=verdict.message,
        policy_revision=verdict.policy_revision,
        context_revision=verdict.context_revision,
        request_id=request_id,
    )
    for policy in verdict.policies:
        response.policies.add(id=policy.id, effect=EFFECTS[policy.effect], annotations=policy.annotations)
    response.errors.extend(map(write_error, verdict.errors))
    for duty in verdict.obligations:
        response.obligations.add(kind=duty.kind, argument=duty.argument, policy_id=duty.policy_id)
    if verdict.valid_until is not None:
        response.valid_until.CopyFrom(timestamp(verdict.valid_until))
    if verdict.decision is Decision.DENY:
        response.challenge = challenge(verdict, shown=True, own=own, scheme=scheme) or ""
        response.dpop_nonce = "" if own is None else own.nonce
    return response


def write_error(error: PolicyError) -> pb.PolicyError:
    """A policy's error as a message."""
    return pb.PolicyError(policy_id=error.policy_id, kind=error.kind.value, message=error.message)


def timestamp(milliseconds: int) -> Timestamp:
    """An instant as a Timestamp. What lies outside its range becomes 1970 (long past) or the
    year 9999 (sooner than meant).
    """
    seconds, rest = divmod(min(max(milliseconds, 0), _LAST_TIMESTAMP), 1000)
    return Timestamp(seconds=seconds, nanos=rest * 1_000_000)


def encode(verdict: Verdict, request_id: str, own: Challenge | None = None, scheme: Scheme = Scheme.BEARER) -> bytes:
    """The answer's bytes; as `write_response`."""
    return write_response(verdict, request_id, own, scheme).SerializeToString()

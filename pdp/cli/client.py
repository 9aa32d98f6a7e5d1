"""Asks a running decision point over gRPC (`pdp.v1.DecisionService/Check`)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, final

import grpc
from google.protobuf.message import DecodeError

from pdp.cedar.errors import CedarError
from pdp.cedar.ext import datetime
from pdp.cedar.values import Datetime, Record, Set, Value
from pdp.cli.answer import Answer
from pdp.cli.connection import Connection
from pdp.cli.question import Question, Token
from pdp.transport.grpc.gen.v1 import decision_pb2 as pb
from pdp.transport.grpc.gen.v1.decision_pb2_grpc import DecisionServiceStub
from pdp.transport.grpc.messages import write_record, write_uid

_EFFECTS: Final = {pb.EFFECT_PERMIT: "permit", pb.EFFECT_FORBID: "forbid"}
_HELP: Final = {
    grpc.StatusCode.UNAVAILABLE: "is `pdp serve` running, does it listen there, and do both speak TLS, or neither?",
    grpc.StatusCode.DEADLINE_EXCEEDED: "give it more time with `--timeout`",
    grpc.StatusCode.UNIMPLEMENTED: "is another kind of server listening there?",
}
_OPTIONS: Final = (
    # A question may hold a token: it goes to the address that was given, not to a proxy that the environment names.
    ("grpc.enable_http_proxy", 0),
)


@final
@dataclass(frozen=True, slots=True)
class Tls:
    """How a connection is protected: who vouches for the server, and how we prove who we are, if so (all PEM)."""

    ca: bytes
    certificate: bytes | None = None
    key: bytes | None = None


class CallError(CedarError):
    """There was no answer. That is no allow."""

    code = "call"


def ask(question: Question, min_revision: int, connection: Connection) -> Answer:
    """The answer of a decision point. Raises CallError."""
    message = write_request(question, min_revision)
    with calling(connection) as channel:
        response = DecisionServiceStub(channel).Check(message, timeout=connection.timeout)
    return read_response(response, connection.address)


@contextmanager
def calling(connection: Connection) -> Iterator[grpc.Channel]:
    """A channel to a decision point. Raises CallError for whatever goes wrong with a call on it."""
    address, tls = connection.address, connection.tls
    try:
        if tls is None:
            channel = grpc.insecure_channel(address, _OPTIONS)
        else:
            shown = grpc.ssl_channel_credentials(tls.ca, tls.key, tls.certificate)
            channel = grpc.secure_channel(address, shown, _OPTIONS)
        with channel:
            yield channel
    except grpc.RpcError as error:
        raise _call_error(error, address) from error


def write_request(question: Question, min_revision: int) -> pb.CheckRequest:
    """The question as a message. Raises CallError for a value that has no form in one."""
    try:
        message = pb.CheckRequest(
            action=write_uid(question.action),
            resource=write_uid(question.resource),
            context=write_readable(question.context),
            min_revision=min_revision,
        )
    except DecodeError as error:  # what the library raises when it copies a deep message into another
        raise CallError("the context is nested too deeply to be sent") from error
    if isinstance(question.who, Token):
        message.token = question.who.text
    else:
        message.principal.CopyFrom(write_uid(question.who))
    if question.device is not None:
        message.device.CopyFrom(write_uid(question.device))
    return message


def read_response(message: pb.CheckResponse, address: str) -> Answer:
    """The answer in a message. Raises CallError when it holds neither an allow nor a deny."""
    if message.decision not in (pb.DECISION_ALLOW, pb.DECISION_DENY):
        raise CallError(
            f"the answer of `{address}` holds no decision", help="is another kind of server listening there?"
        )
    return Answer(
        allowed=message.decision == pb.DECISION_ALLOW,
        reason=message.reason_class,
        message=message.message,
        policies=tuple(
            (policy.id, _EFFECTS.get(policy.effect, "unknown"), dict(policy.annotations)) for policy in message.policies
        ),
        errors=tuple((error.policy_id, error.kind, error.message) for error in message.errors),
        obligations=tuple((duty.kind, duty.argument, duty.policy_id) for duty in message.obligations),
        policy_revision=message.policy_revision,
        context_revision=message.context_revision,
        valid_until=message.valid_until.ToMilliseconds() if message.HasField("valid_until") else None,
        request_id=message.request_id,
    )


def _refuse_unreadable(value: Value) -> None:
    """Returns if whoever is asked can read the value back. Raises CallError if it has no form in a message."""
    match value:
        case Set():
            for element in value.elements:
                _refuse_unreadable(element)
        case Record():
            for field in value.fields.values():
                _refuse_unreadable(field)
        case Datetime() if not datetime.has_text(value):
            raise CallError("a datetime beyond the years 0000 to 9999 has no form in a question")


def write_readable(record: Record) -> pb.Record:
    """A record as a message. Raises CallError for a value that has no form in one."""
    _refuse_unreadable(record)
    return write_record(record)


def _call_error(error: grpc.RpcError, address: str) -> CallError:
    call: Any = error  # what a stub raises is a Call as well, which its type does not say
    code, details = call.code(), call.details() or "no details"
    return CallError(f"no answer from `{address}`: {code.name.lower()}: {details}", help=_HELP.get(code))

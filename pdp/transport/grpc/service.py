"""`pdp.v1.DecisionService`, from a request's bytes to an answer's: `Check`, and what the other methods share with it.

`CheckStream` is `Check` for each message of a stream (see `streams`); `CheckBatch` and `Explain` have modules of their
own.
"""

from collections.abc import Callable
from functools import partial
from typing import Final, final

from pdp.engine.decider import Decider, ReasonClass, Verdict, deny
from pdp.identity.subject import Subject
from pdp.transport.authentication import Authentication
from pdp.transport.errors import CallRefused
from pdp.transport.grpc import convert
from pdp.transport.grpc.gen.v1 import decision_pb2 as pb
from pdp.transport.request_ids import new_request_id

NAME: Final = "pdp.v1.DecisionService"
"""The full name of the service, for the method path, health and reflection."""

LAST_RESORT: Final = convert.encode(deny(ReasonClass.INTERNAL, "the decision point failed; the request is denied"), "")
"""The answer when no answer could be made."""


_NO_PLACE: Final = deny(ReasonClass.NOT_READY, "too many streams are open; ask by `Check`, or again later")


def deny_stream(_: bytes, __: str) -> tuple[Verdict, bytes]:
    """The verdict on a stream that there is no place for, and its serialized CheckResponse."""
    return _NO_PLACE, convert.encode(_NO_PLACE, new_request_id())


@final
class Credentials:
    """Who asks, by what the messages of one call show. `peer` is gRPC's name for the caller.

    A token is verified once, however many of the messages show it, and refused alike in each.
    """

    def __init__(self, authentication: Authentication, peer: str) -> None:
        self._authentication = authentication
        self._peer = peer
        self._by_token: dict[str, Subject | CallRefused] = {}

    def subject(self, message: pb.CheckRequest) -> Subject:
        """The subject of a question. Raises CallRefused."""
        match message.WhichOneof("subject"):
            case "token":
                return self._token_subject(message.token)
            case "principal":
                uid = convert.read_uid(message.principal, "principal")
                return self._authentication.by_assertion(uid, self._peer)
            case _:
                raise self._authentication.missing()

    def _token_subject(self, token: str) -> Subject:
        known = self._by_token.get(token)
        if known is None:
            try:
                known = self._authentication.by_token(token)
            except CallRefused as error:
                known = error
            self._by_token[token] = known
        if isinstance(known, CallRefused):
            raise known
        return known


@final
class DecisionService:
    """Answers questions by one decider."""

    def __init__(self, decider: Decider, authentication: Authentication) -> None:
        self._decider = decider
        self._authentication = authentication

    def check(self, data: bytes, peer: str) -> tuple[Verdict, bytes]:
        """The verdict on a serialized CheckRequest and its serialized CheckResponse. `peer` is gRPC's name for the
        caller.
        """
        return self.answer(partial(convert.parse_request, data), self.credentials(peer))

    def credentials(self, peer: str) -> Credentials:
        """For the questions of one call."""
        return Credentials(self._authentication, peer)

    def answer(self, read: Callable[[], pb.CheckRequest], credentials: Credentials) -> tuple[Verdict, bytes]:
        """The verdict on the question that `read` gives, or refuses by a CallRefused, and its serialized
        CheckResponse.
        """
        request_id = ""
        try:
            message = read()
            request_id = convert.read_request_id(message) or new_request_id()
            request = convert.read_request(message, credentials.subject(message), request_id)
            verdict = self._decider.decide(request)
        except CallRefused as error:
            verdict = error.verdict()
        return verdict, convert.encode(verdict, request_id or new_request_id())

"""`pdp.v1.DecisionService`, from a request's bytes to an answer's: `Check`, and what the other methods share with it.

`CheckStream` is `Check` for each message of a stream (see `streams`); `CheckBatch` and `Explain` have modules of their
own.
"""

from collections.abc import Callable
from functools import partial
from typing import Final, final

from pdp.engine.callers.judging import CallerDoor
from pdp.engine.decider import Decider, ReasonClass, Verdict, deny
from pdp.identity.presented import Presented, Scheme
from pdp.identity.subject import Subject
from pdp.telemetry.observing import note_request
from pdp.transport.admission import REFUSED
from pdp.transport.authentication import Authentication
from pdp.transport.callers import Caller
from pdp.transport.challenges import Challenge
from pdp.transport.errors import CallRefused, challenge_of
from pdp.transport.grpc import convert
from pdp.transport.grpc.gen.v1 import decision_pb2 as pb
from pdp.transport.request_ids import new_request_id

NAME: Final = "pdp.v1.DecisionService"
"""The full name of the service, for the method path, health and reflection."""

LAST_RESORT: Final = convert.encode(deny(ReasonClass.INTERNAL, "the decision point failed; the request is denied"), "")
"""The answer when no answer could be made."""

CALLER_REFUSED: Final = convert.encode(REFUSED, "")
"""The answer to a caller that may not ask."""

_NO_PLACE: Final = deny(ReasonClass.NOT_READY, "too many streams are open; ask by `Check`, or again later")


def deny_stream(_: bytes, __: Caller) -> tuple[Verdict, bytes]:
    """The verdict on a stream that there is no place for, and its serialized CheckResponse."""
    return _NO_PLACE, convert.encode(_NO_PLACE, new_request_id())


@final
class Credentials:
    """Who asks, by what the messages of one call show.

    A credential is verified once, however many of the messages show it, and refused alike in each: so one proof of a
    client serves all questions about its request.
    """

    def __init__(self, authentication: Authentication, caller: Caller) -> None:
        self._authentication = authentication
        self._caller = caller
        self._known: dict[Presented, Subject | CallRefused] = {}

    def subject(self, message: pb.CheckRequest) -> Subject:
        """The subject of a question. Raises CallRefused."""
        match message.WhichOneof("subject"):
            case "token":
                return self._by_credential(convert.read_presented(message))
            case "principal":
                uid = convert.read_uid(message.principal, "principal")
                return self._authentication.by_assertion(uid, self._caller, CallerDoor.DECISIONS)
            case _ if message.client.certificate:
                presented = convert.read_presented(message)
                return self._authentication.by_certificate(presented, self._caller, CallerDoor.DECISIONS)
            case _:
                raise self._authentication.missing()

    def _by_credential(self, presented: Presented) -> Subject:
        known = self._known.get(presented)
        if known is None:
            try:
                known = self._authentication.by_credential(presented)
            except CallRefused as error:
                known = error
            self._known[presented] = known
        if isinstance(known, CallRefused):
            raise known
        return known


@final
class DecisionService:
    """Answers questions by one decider."""

    def __init__(self, decider: Decider, authentication: Authentication) -> None:
        self._decider = decider
        self._authentication = authentication

    def check(self, data: bytes, caller: Caller) -> tuple[Verdict, bytes]:
        """The verdict on a serialized CheckRequest and its serialized CheckResponse."""
        return self.answer(partial(convert.parse_request, data), self.credentials(caller))

    def credentials(self, caller: Caller) -> Credentials:
        """For the questions of one call."""
        return Credentials(self._authentication, caller)

    def answer(self, read: Callable[[], pb.CheckRequest], credentials: Credentials) -> tuple[Verdict, bytes]:
        """The verdict on the question that `read` gives, or refuses by a CallRefused, and its serialized
        CheckResponse.
        """
        request_id, scheme = "", Scheme.BEARER
        own: Challenge | None = None
        try:
            message = read()
            scheme = convert.read_scheme(message)
            request_id = convert.read_request_id(message) or new_request_id()
            request = convert.read_request(message, credentials.subject(message), request_id)
            verdict = self._decider.decide(request)
        except CallRefused as error:
            verdict, own = error.verdict(), challenge_of(error)
            note_request(request_id)
        return verdict, convert.encode(verdict, request_id or new_request_id(), own, scheme)

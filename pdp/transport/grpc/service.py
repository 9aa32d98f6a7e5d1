"""`pdp.v1.DecisionService`: one thin method, from a request's bytes to an answer's."""

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


@final
class DecisionService:
    """Answers `Check`."""

    def __init__(self, decider: Decider, authentication: Authentication) -> None:
        self._decider = decider
        self._authentication = authentication

    def check(self, data: bytes, peer: str) -> tuple[Verdict, bytes]:
        """The verdict on a serialized CheckRequest and its serialized CheckResponse. `peer` is gRPC's name for the
        caller.
        """
        request_id = ""
        try:
            message = convert.parse_request(data)
            request_id = convert.read_request_id(message) or new_request_id()
            request = convert.read_request(message, self._subject(message, peer), request_id)
            verdict = self._decider.decide(request)
        except CallRefused as error:
            verdict = error.verdict()
        return verdict, convert.encode(verdict, request_id or new_request_id())

    def _subject(self, message: pb.CheckRequest, peer: str) -> Subject:
        match message.WhichOneof("subject"):
            case "token":
                return self._authentication.by_token(message.token)
            case "principal":
                return self._authentication.by_assertion(convert.read_uid(message.principal, "principal"), peer)
            case _:
                raise self._authentication.missing()

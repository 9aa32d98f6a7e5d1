"""The errors of the doors. Each is a deny: a call that was understood well enough to be refused gets an answer."""

from pdp.cedar.errors import CedarError
from pdp.engine.decider import ReasonClass, Verdict, deny
from pdp.transport.challenges import Challenge


class CallRefused(CedarError):
    """The call is answered with a deny before the engine is asked. The message is safe to show to the caller."""

    code = "call_refused"
    reason = ReasonClass.INVALID_REQUEST

    def verdict(self) -> Verdict:
        """The answer to the call."""
        return deny(self.reason, self.message)


class MessageError(CallRefused):
    """The bytes are not the message, or the message is not a question."""

    code = "call_message"


class Unauthenticated(CallRefused):
    """Nobody proved to be the subject. `shown` says whether there was a credential at all (RFC 6750, section 3.1), and
    `challenge` what the client is told to show instead.
    """

    code = "call_unauthenticated"
    reason = ReasonClass.UNAUTHENTICATED

    def __init__(
        self, message: str, *, shown: bool, help: str | None = None, challenge: Challenge | None = None
    ) -> None:
        super().__init__(message, help=help)
        self.shown = shown
        self.challenge = challenge


def challenge_of(error: CallRefused) -> Challenge | None:
    """What the client is told to show instead, if that would help."""
    return error.challenge if isinstance(error, Unauthenticated) else None


class NotReady(CallRefused):
    """Nothing has been loaded yet that the call could be judged by."""

    code = "call_not_ready"
    reason = ReasonClass.NOT_READY


class ListenError(CedarError):
    """An address that cannot be listened on."""

    code = "listen"

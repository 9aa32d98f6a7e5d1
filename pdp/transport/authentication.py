"""Step 3 of a request, for every door: a credential becomes a `Subject`, or the call is refused and counted."""

from dataclasses import replace
from typing import Final, Protocol, final

from pdp.cedar.values import EntityUID
from pdp.clock import Clock
from pdp.engine.callers.judging import CallerAction, CallerDoor
from pdp.identity.mapping import asserted_subject
from pdp.identity.presented import Presented
from pdp.identity.subject import Subject
from pdp.identity.tokens import IdentityError
from pdp.telemetry.metrics import Metrics
from pdp.transport.admission import Admission
from pdp.transport.callers import Caller
from pdp.transport.challenges import Challenges
from pdp.transport.errors import NotReady, Unauthenticated

ASSERTION_REFUSED: Final = "assertion_not_accepted"
"""The cause, in the metrics, of an asserted principal that was refused."""

BEARER_ALONE: Final = Challenges()
"""For where DPoP is not configured."""

MISSING: Final = "missing"
"""The cause of a call without any credential."""

MALFORMED: Final = "malformed_header"
"""The cause of an Authorization header that is not one bearer token."""


class Verifier(Protocol):
    """Verifies credentials; `pdp.identity.tokens.TokenVerifier` is the real one."""

    def verify(self, presented: Presented, now: int) -> Subject:
        """The credential's subject at `now`. Raises IdentityError."""
        ...


@final
class Authentication:
    """Says who asks. `verifier` is None until the keys are loaded and is replaced whole when they change."""

    def __init__(
        self, clock: Clock, metrics: Metrics, admission: Admission, challenges: Challenges = BEARER_ALONE
    ) -> None:
        self.verifier: Verifier | None = None
        self._challenges = challenges
        self._clock = clock
        self._metrics = metrics
        self._admission = admission

    def by_credential(self, presented: Presented) -> Subject:
        """The subject of a token, with what came with it. Raises NotReady, Unauthenticated."""
        if not presented.token:
            raise self.missing()
        return self._verified(presented)

    def _verified(self, presented: Presented) -> Subject:
        verifier = self.verifier
        if verifier is None:
            raise NotReady("the decision point has not loaded its keys yet")
        try:
            return verifier.verify(presented, self._clock())
        except IdentityError as error:
            self._metrics.identity_failed(error.code)
            challenge = self._challenges.refused(error, presented.scheme)
            raise Unauthenticated(error.message, shown=True, challenge=challenge) from error

    def by_certificate(self, presented: Presented, caller: Caller, door: CallerDoor) -> Subject:
        """The subject that a certificate without a token names. Raises NotReady, Unauthenticated.

        Certificates are public: that the client has proved to hold its key is the caller's word alone. So the caller
        must be one that may vouch for subjects.
        """
        self.refuse_assertion(caller, door)
        return self._verified(replace(presented, token=""))

    def by_assertion(self, uid: EntityUID, caller: Caller, door: CallerDoor) -> Subject:
        """The subject that a caller vouches for at a door. Raises Unauthenticated."""
        self.refuse_assertion(caller, door)
        return asserted_subject(uid)

    def accepts_assertions(self, caller: Caller, door: CallerDoor) -> bool:
        """Whether a caller is believed without a proof, as policies about callers say."""
        return self._admission.permits(caller, CallerAction.ASSERT_SUBJECT, door)

    def refuse_assertion(self, caller: Caller, door: CallerDoor) -> None:
        """Raises Unauthenticated, counted, for a caller that is not believed without a proof."""
        if not self.accepts_assertions(caller, door):
            self._metrics.identity_failed(ASSERTION_REFUSED)
            message = "an asserted principal is not accepted from this caller"
            raise Unauthenticated(message, shown=True, challenge=self._challenges.invalid(message))

    def missing(self) -> Unauthenticated:
        """The error for a call without any credential, counted."""
        self._metrics.identity_failed(MISSING)
        challenge = self._challenges.missing()
        return Unauthenticated("the request carries no credential", shown=False, challenge=challenge)

    def malformed(self) -> Unauthenticated:
        """The error for an Authorization header that is not exactly one bearer token, counted."""
        self._metrics.identity_failed(MALFORMED)
        message = "the Authorization header is not exactly one bearer token"
        return Unauthenticated(message, shown=True, challenge=self._challenges.invalid(message))

"""Who may speak for a subject. AuthZEN leaves it open how the caller (the PEP) is known; these are our rules.

    `Authorization: Bearer`    the subject's own access token, verified: the request may be about that subject and
                               nobody else
    no `Authorization`         the caller asserts the subject, which is believed where policies about callers say so
                               (`assertSubject`)

Attributes of subjects and resources are the caller's own word, whatever the token is, and are taken under the rule of
assertions. A caller that may not state them and does is refused, for what was left out could have been what forbids.
The device that a request names is no attribute: it says whose posture is looked up, as at the other doors.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import final

from pdp.cedar.entities import Entity
from pdp.cedar.values import EntityUID, Value
from pdp.engine.callers.judging import CallerDoor
from pdp.engine.decider import ReasonClass
from pdp.identity.presented import Presented
from pdp.identity.subject import Subject
from pdp.transport.authentication import Authentication
from pdp.transport.callers import Caller
from pdp.transport.errors import CallRefused
from pdp.transport.http.endpoint import HttpAsk
from pdp.transport.http_request import read_bearer, values_of


class NotEntitled(CallRefused):
    """The caller is known, and what it says is not its to say."""

    code = "call_not_entitled"
    reason = ReasonClass.UNAUTHENTICATED


@final
class Speaker:
    """What one request may say. `verified` is the subject of its token, None if it asserts subjects."""

    def __init__(self, authentication: Authentication, caller: Caller, verified: Subject | None) -> None:
        self._authentication = authentication
        self._caller = caller
        self._verified = verified

    def subject(self, uid: EntityUID, facts: Mapping[str, Value]) -> Subject:
        """The subject, with the attributes that the caller states. Raises NotEntitled, Unauthenticated."""
        verified = self._verified
        if verified is None:
            subject = self._authentication.by_assertion(uid, self._caller, CallerDoor.AUTHZEN)
        elif verified.uid == uid:
            subject = verified
        else:
            raise NotEntitled("the request is about another subject than its token")
        if not facts:
            return subject
        self.refuse_facts(facts)
        said = subject.entity
        return replace(subject, entity=Entity(uid, {**facts, **said.attrs}, said.parents))

    def refuse_facts(self, facts: Mapping[str, Value]) -> None:
        """Raises NotEntitled if attributes are stated and the caller may not do so."""
        if facts and not self._authentication.accepts_assertions(self._caller, CallerDoor.AUTHZEN):
            names = ", ".join(f"`{name}`" for name in sorted(facts))
            raise NotEntitled(
                f"the properties {names} are not accepted from this caller",
                help="leave them to the facts of the decision point",
            )


def read_speaker(ask: HttpAsk, authentication: Authentication) -> Speaker:
    """What the caller of a request may say. Raises Unauthenticated, NotReady."""
    if not values_of(ask.headers, "authorization"):
        authentication.refuse_assertion(ask.caller, CallerDoor.AUTHZEN)
        return Speaker(authentication, ask.caller, None)
    token = read_bearer(ask.headers, authentication)
    return Speaker(authentication, ask.caller, authentication.by_credential(Presented(token)))

"""Fakes behind the production ports, for tests of the doors."""

from dataclasses import dataclass, field

from pdp.cedar.entities import Entity
from pdp.cedar.policy import Effect
from pdp.cedar.response import Decision
from pdp.cedar.values import EntityUID
from pdp.engine.decider import CheckRequest, DeterminingPolicy, Obligation, ReasonClass, Verdict
from pdp.identity.presented import Presented
from pdp.identity.subject import Method, Subject
from pdp.identity.tokens import IdentityError

ALICE = EntityUID("User", "alice")


@dataclass
class FakeDecider:
    """A `Decider` with one answer; remembers what it was asked."""

    verdict: Verdict
    asked: list[CheckRequest] = field(default_factory=list)
    failure: Exception | None = None

    def decide(self, request: CheckRequest) -> Verdict:
        """The prepared answer."""
        self.asked.append(request)
        if self.failure is not None:
            raise self.failure
        return self.verdict


class FakeVerifier:
    """A `Verifier` that knows one token, `good`."""

    def verify(self, presented: Presented, now: int) -> Subject:
        """Alice."""
        if presented.token != "good":
            raise IdentityError("the token has expired")
        return Subject(Entity(ALICE), Method.JWT, authenticated_at=now)


@dataclass
class Reports:
    """A `Report` that remembers."""

    seen: list[tuple[str, Exception]] = field(default_factory=list)

    def __call__(self, place: str, error: Exception) -> None:
        """Remember."""
        self.seen.append((place, error))


def an_allow(*obligations: tuple[str, str]) -> Verdict:
    """An allow by policy `p`, with these obligations."""
    return Verdict(
        Decision.ALLOW,
        ReasonClass.ALLOWED,
        "staff may read",
        (DeterminingPolicy("p", Effect.PERMIT, {"reason": "staff may read"}),),
        (),
        tuple(Obligation(kind, argument, "p") for kind, argument in obligations),
        "ab12",
        7,
        1_764_000_000_123,
    )

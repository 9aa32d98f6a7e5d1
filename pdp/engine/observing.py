"""Notes what the chain answered and how long it took, where decisions are observed (`telemetry.observing`)."""

from typing import final

from pdp.engine.decider import CheckRequest, Decider, Verdict
from pdp.telemetry.observing import DECIDE, OBSERVED, Outcome


@final
class Observing:
    """The inner answer, noted. `principal`: whether the principal is, too."""

    def __init__(self, inner: Decider, *, principal: bool) -> None:
        self._inner = inner
        self._principal = principal

    def decide(self, request: CheckRequest) -> Verdict:
        """The inner answer."""
        observation = OBSERVED.get()
        if observation is None:
            return self._inner.decide(request)
        observation.request_id = request.request_id
        if self._principal:
            observation.principal = str(request.subject.uid)
        before, began = observation.evaluations, observation.now()
        verdict = self._inner.decide(request)
        observation.lap(DECIDE, began, outcome_of(verdict), cached=observation.evaluations == before)
        return verdict


def outcome_of(verdict: Verdict) -> Outcome:
    """A verdict, as it is told of."""
    return Outcome(
        verdict.decision.value,
        verdict.reason.value,
        verdict.policy_revision,
        verdict.context_revision,
        tuple(policy.id for policy in verdict.policies),
    )

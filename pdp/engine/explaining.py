"""A decision with how it came about: the policies that it is about, what came of each, and the facts that they saw.

For people who ask afterwards, and for callers that may see policies and facts. It decides by itself, from one world and
at one instant, so that the verdict and what is said of it belong together; nothing is recorded and nothing kept.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, unique
from typing import Final, final

from pdp.cedar.errors import EvaluationError
from pdp.cedar.nodes import Expr, Var
from pdp.cedar.policy import Condition, Effect, Policy
from pdp.config import FreshnessConfig
from pdp.context.facts import GrantStatus
from pdp.context.freshness import grant_status
from pdp.engine.decider import CheckRequest, ReasonClass, Verdict
from pdp.engine.enrich import Enriched, enrich
from pdp.engine.evaluating import Evaluating
from pdp.engine.near_misses import miss_of, relevant
from pdp.engine.snapshot import CurrentWorld, World
from pdp.evaluate.explain import PolicyTrace, Trace, deciding

_BY_POLICIES: Final = frozenset(
    (ReasonClass.ALLOWED, ReasonClass.FORBIDDEN, ReasonClass.NOT_PERMITTED, ReasonClass.POLICY_ERROR)
)
"""Reasons of a verdict that policies were asked for."""


@unique
class Outcome(Enum):
    """What came of a policy, what tells most first."""

    ERROR = "error"
    SATISFIED = "satisfied"
    NEAR_MISS = "near_miss"
    NOT_IN_FORCE = "not_in_force"
    NOT_SATISFIED = "not_satisfied"
    OUT_OF_SCOPE = "out_of_scope"


@final
@dataclass(frozen=True, slots=True)
class Part:
    """The part of a condition that made an outcome. `value` is None where it is no Bool."""

    condition: Condition
    expr: Expr
    value: bool | None


@final
@dataclass(frozen=True, slots=True)
class Explained:
    """A policy and what came of it.

    `part` is there for an ERROR, a NEAR_MISS and NOT_SATISFIED; `error` for an ERROR; `outside`, the variable that the
    scope does not match, for OUT_OF_SCOPE; `grant` for a policy that is linked for a grant.
    """

    policy: Policy
    outcome: Outcome
    determining: bool = False
    part: Part | None = None
    error: EvaluationError | None = None
    outside: Var | None = None
    grant: GrantStatus | None = None


@final
@dataclass(frozen=True, slots=True)
class Explanation:
    """A verdict, and what it was made from: `enriched` is None, and there are no policies, when none was asked."""

    verdict: Verdict
    enriched: Enriched | None = None
    policies: tuple[Explained, ...] = ()


@final
class Explaining:
    """Decides and explains, from the current world. `now` gives milliseconds since 1970 UTC, read once per request."""

    def __init__(self, current: CurrentWorld, ages: FreshnessConfig, now: Callable[[], int]) -> None:
        self._current = current
        self._ages = ages
        self._now = now

    def explain(self, request: CheckRequest) -> Explanation:
        """The verdict that `Evaluating` gives, with its explanation. It looks at every policy, by the interpreter."""
        now = self._now()
        same = CurrentWorld()
        same.world = world = self._current.world
        verdict = Evaluating(same, self._ages, lambda: now).decide(request)
        if world is None or verdict.reason not in _BY_POLICIES:
            return Explanation(verdict)
        enriched = enrich(request, world, now, self._ages)
        grants = {id: grant_status(grant, now) for id, grant in world.facts.grants.items()}
        found = [*_traced(world, enriched, verdict, grants), *_not_in_force(world, enriched, grants)]
        order = list(Outcome)
        found.sort(key=lambda item: (order.index(item.outcome), item.policy.id))
        return Explanation(verdict, enriched, tuple(found))


def _traced(
    world: World, enriched: Enriched, verdict: Verdict, grants: Mapping[str, GrantStatus]
) -> Iterator[Explained]:
    determining = {policy.id for policy in verdict.policies}
    for trace in relevant(world, enriched):
        policy, outcome = trace.policy, _outcome(trace)
        yield Explained(
            policy,
            outcome,
            policy.id in determining,
            _part(trace),
            trace.outcome if isinstance(trace.outcome, EvaluationError) else None,
            _outside(trace) if outcome is Outcome.OUT_OF_SCOPE else None,
            grants.get(policy.id),
        )


def _not_in_force(world: World, enriched: Enriched, grants: Mapping[str, GrantStatus]) -> Iterator[Explained]:
    for id in enriched.not_in_force:
        yield Explained(world.program.policy(id), Outcome.NOT_IN_FORCE, grant=grants[id])


def _outcome(trace: PolicyTrace) -> Outcome:
    if isinstance(trace.outcome, EvaluationError):
        return Outcome.ERROR
    if trace.outcome:
        return Outcome.SATISFIED
    if not trace.in_scope:
        return Outcome.OUT_OF_SCOPE
    return Outcome.NEAR_MISS if trace.policy.effect is Effect.PERMIT else Outcome.NOT_SATISFIED


def _part(trace: PolicyTrace) -> Part | None:
    if isinstance(trace.outcome, EvaluationError) and trace.ending is not None:
        fault = _fault(trace.conditions[trace.ending])
        return Part(trace.policy.conditions[trace.ending], fault.expr, None)
    miss = miss_of(trace)
    return None if miss is None else Part(miss.condition, miss.part, miss.value)


def _fault(body: Trace) -> Trace:
    """The smallest part that has no value; the body itself, if it has one that is no Bool."""
    part = deciding(body)
    while part.parts and isinstance(part.parts[-1].outcome, EvaluationError):
        part = part.parts[-1]
    return part


def _outside(trace: PolicyTrace) -> Var:
    return Var.PRINCIPAL if trace.scope[0].outcome is False else Var.RESOURCE

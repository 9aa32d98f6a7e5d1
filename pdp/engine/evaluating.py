"""The innermost decider: enrich, ask the compiled policies, explain.

Two rules stand on top of exact Cedar, both towards deny: a `forbid` that failed to evaluate denies (Cedar alone would
skip it, and a missing fact would open the door), and a request that does not fit the schema is refused unasked (a fact
of the wrong type would make `==` false without a trace).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import final

from pdp.cedar.entities import Entities, Entity
from pdp.cedar.errors import CedarError
from pdp.cedar.policy import Effect
from pdp.cedar.response import Decision, Response
from pdp.cedar.values import EntityUID
from pdp.config import FreshnessConfig
from pdp.engine.decider import (
    CheckRequest,
    DeterminingPolicy,
    Obligation,
    ReasonClass,
    Verdict,
    deny,
)
from pdp.engine.enrich import Enriched, enrich
from pdp.engine.obligations import read_obligations
from pdp.engine.snapshot import CurrentWorld, World
from pdp.telemetry.observing import ENRICH, EVALUATE, OBSERVED


@final
@dataclass(frozen=True, slots=True)
class Evaluated:
    """A verdict and what it was made from: `enriched` is None if the request was refused before a policy was asked."""

    verdict: Verdict
    enriched: Enriched | None = None


@final
class Evaluating:
    """Decides from the current world. `now` gives milliseconds since 1970 UTC and is read once per request."""

    def __init__(self, current: CurrentWorld, ages: FreshnessConfig, now: Callable[[], int]) -> None:
        self._current = current
        self._ages = ages
        self._now = now

    def decide(self, request: CheckRequest) -> Verdict:
        """The answer; see the module's docstring for what it adds to Cedar's."""
        return evaluate(self._current.world, request, self._now(), self._ages).verdict


def evaluate(
    world: World | None,
    request: CheckRequest,
    now: int,
    ages: FreshnessConfig,
    reads: set[EntityUID] | None = None,
) -> Evaluated:
    """The verdict of one world at one instant. `reads` gets the entities that policies looked up, found or not."""
    observation = OBSERVED.get()
    began = 0 if observation is None else observation.evaluating()
    if world is None:
        return Evaluated(deny(ReasonClass.NOT_READY, "the decision point has not loaded its policies yet"))
    if request.min_revision > world.context_revision:
        return _refuse(
            world,
            ReasonClass.CONTEXT_BEHIND,
            f"context revision {request.min_revision} was demanded and {world.context_revision} is the newest here",
        )
    try:
        enriched = enrich(request, world, now, ages)
    except CedarError as error:
        return _refuse(world, ReasonClass.INVALID_REQUEST, error.message)
    if observation is not None:
        began = observation.lap(ENRICH, began)
    entities = enriched.entities if reads is None else _watched(enriched.entities, reads)
    response = world.program.authorize(enriched.request, entities, enriched.not_in_force)
    verdict = explain(world, enriched, response)
    if observation is not None:
        observation.lap(EVALUATE, began)
    return Evaluated(verdict, enriched)


def _watched(entities: Entities, reads: set[EntityUID]) -> Entities:
    """The same entities, whose names are noted as they are looked up."""
    lookup = entities.lookup
    note = reads.add

    def watched(uid: EntityUID) -> Entity | None:
        note(uid)
        return lookup(uid)

    copy = Entities()
    copy.lookup = watched
    return copy


def explain(world: World, enriched: Enriched, response: Response) -> Verdict:
    """Cedar's response as a verdict: fail closed on erring forbids, then say why and what to do."""
    policy = world.program.policy
    erring_forbids = sorted(id for id in response.erroring if policy(id).effect is Effect.FORBID)
    if response.decision is Decision.ALLOW and not erring_forbids:
        reason, determining = ReasonClass.ALLOWED, sorted(response.reasons)
    elif response.decision is Decision.DENY and response.reasons:
        reason, determining = ReasonClass.FORBIDDEN, sorted(response.reasons)
    elif erring_forbids:
        reason, determining = ReasonClass.POLICY_ERROR, erring_forbids
    else:
        reason, determining = ReasonClass.NOT_PERMITTED, []
    policies = tuple(describe(world, id) for id in determining)
    return Verdict(
        Decision.ALLOW if reason is ReasonClass.ALLOWED else Decision.DENY,
        reason,
        message_of(reason, policies),
        policies,
        tuple(sorted(response.errors, key=lambda error: error.policy_id)),
        tuple(_obligations(world, determining)),
        world.policy_revision,
        world.context_revision,
        enriched.valid_until,
    )


def describe(world: World, policy_id: str) -> DeterminingPolicy:
    """A policy as an answer names it."""
    policy = world.program.policy(policy_id)
    annotations = {name: value or "" for name, value in policy.annotations.items()}
    return DeterminingPolicy(policy_id, policy.effect, annotations)


def _obligations(world: World, policy_ids: Iterable[str]) -> Iterable[Obligation]:
    for policy_id in policy_ids:
        yield from read_obligations(world.program.policy(policy_id))


def message_of(reason: ReasonClass, policies: tuple[DeterminingPolicy, ...]) -> str:
    """The message of an answer that policies made, or that no policy made."""
    match reason:
        case ReasonClass.NOT_PERMITTED:
            return "no policy permits this"
        case ReasonClass.POLICY_ERROR:
            return f"a guardrail could not be evaluated: {', '.join(policy.id for policy in policies)}"
        case _:
            stated = dict.fromkeys(policy.annotations.get("reason") or policy.id for policy in policies)
            return "; ".join(stated)


def _refuse(world: World, reason: ReasonClass, message: str) -> Evaluated:
    return Evaluated(
        deny(reason, message, policy_revision=world.policy_revision, context_revision=world.context_revision)
    )

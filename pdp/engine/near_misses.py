"""The policies around a decision, and what kept each from applying: for people who ask afterwards.

    near misses    permits whose scope matched and whose condition did not hold
    relevant       every policy whose scope matched, and those that miss it by the principal or the resource alone

It evaluates by the interpreter, whose nodes know their place in the text.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from pdp.cedar.nodes import Expr
from pdp.cedar.policy import Condition, Effect
from pdp.engine.enrich import Enriched
from pdp.engine.snapshot import World
from pdp.evaluate.explain import PolicyTrace, decisive, trace_policy


@final
@dataclass(frozen=True, slots=True)
class Miss:
    """Where a policy ended. `part` is the smallest part of `condition` that alone kept the policy from applying, and
    `value` is what that part is: false in the end of a `when`, true in that of an `unless`, the other way below a `!`.
    """

    condition: Condition
    part: Expr
    value: bool


def relevant(world: World, enriched: Enriched) -> tuple[PolicyTrace, ...]:
    """The policies that the request is about, by id; those that are not in force are none of them.

    That is every policy whose scope matches, and every one for this action that only the principal or only the resource
    keeps out of scope; of grants, only the principal's own.
    """
    traces = [
        trace_policy(policy, enriched.request, enriched.entities)
        for policy in world.policies.linked()
        if policy.id not in enriched.not_in_force
    ]
    found = [trace for trace in traces if _is_relevant(trace, is_grant=trace.policy.id in world.policies.links)]
    return tuple(sorted(found, key=lambda trace: trace.policy.id))


def _is_relevant(trace: PolicyTrace, *, is_grant: bool) -> bool:
    principal, action, resource = (test.outcome is True for test in trace.scope)
    return action and (principal or (resource and not is_grant))


def near_misses(world: World, enriched: Enriched) -> Iterator[PolicyTrace]:
    """The near misses of a request, by policy id. A permit that fails to evaluate or is not in force is none."""
    for policy_id in sorted(world.program.candidates(enriched.request, enriched.entities)):
        policy = world.program.policy(policy_id)
        if policy.effect is Effect.PERMIT and policy_id not in enriched.not_in_force:
            trace = trace_policy(policy, enriched.request, enriched.entities)
            if trace.outcome is False:
                yield trace


def miss_of(trace: PolicyTrace) -> Miss | None:
    """Where it ended; None unless its scope matches and a condition does not hold."""
    ending = trace.ending
    if ending is None or trace.outcome is not False:
        return None
    part = decisive(trace.conditions[ending])
    return Miss(trace.policy.conditions[ending], part.expr, part.outcome is True)

"""Why nothing permitted a request: the permits whose scope matched it and whose condition did not hold, and where.

For people who ask afterwards, not for the decision path: it evaluates by the interpreter, whose nodes know their place
in the text.
"""

from dataclasses import dataclass
from typing import final

from pdp.cedar.entities import Entities
from pdp.cedar.errors import EvaluationError
from pdp.cedar.nodes import And, Expr, Or, Unary, UnaryOp
from pdp.cedar.policy import Condition, ConditionKind, Effect, Policy
from pdp.cedar.request import Request
from pdp.engine.enrich import Enriched
from pdp.engine.snapshot import World
from pdp.evaluate.interpreter import evaluate


@final
@dataclass(frozen=True, slots=True)
class NearMiss:
    """A permit that came near. `part` is the smallest part of `condition` that alone kept it from permitting, and
    `value` is what that part is: false in the end of a `when`, true in that of an `unless`, the other way below a `!`.
    """

    policy: Policy
    condition: Condition
    part: Expr
    value: bool


def near_misses(world: World, enriched: Enriched) -> tuple[NearMiss, ...]:
    """The near misses of a request, by policy id. A permit that fails to evaluate or is not in force is none."""
    request, entities = enriched.request, enriched.entities
    found = []
    for policy_id in sorted(world.program.candidates(request, entities)):
        policy = world.program.policy(policy_id)
        if policy.effect is Effect.PERMIT and policy_id not in enriched.not_in_force:
            miss = _miss(policy, request, entities)
            if miss is not None:
                found.append(miss)
    return tuple(found)


def _miss(policy: Policy, request: Request, entities: Entities) -> NearMiss | None:
    try:
        for condition in policy.conditions:
            wanted = condition.kind is ConditionKind.WHEN
            if evaluate(condition.body, request, entities) is not wanted:
                part, value = _decisive(condition.body, not wanted, request, entities)
                return NearMiss(policy, condition, part, value)
    except EvaluationError:
        pass
    return None


def _decisive(expr: Expr, value: bool, request: Request, entities: Entities) -> tuple[Expr, bool]:
    """The smallest part of an expression of this value that alone makes the value, and the part's own value."""
    while True:
        match expr:
            case And(operands) if not value:
                expr = next(operand for operand in operands if evaluate(operand, request, entities) is False)
            case Or(operands) if value:
                expr = next(operand for operand in operands if evaluate(operand, request, entities) is True)
            case Unary(UnaryOp.NOT, operand):
                expr, value = operand, not value
            case _:
                return expr, value

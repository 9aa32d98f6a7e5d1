"""Policy coverage: what the cases of a bundle have shown of its policies, and what they have not.

A *conjunct* is an operand of the `&&` that a `when` or an `unless` consists of, or else its whole body. Two things are
asked of the cases: that each policy determined an answer, and that each conjunct was true once and false once. A
conjunct that was not reached, or failed, is neither.

Policies are counted as they are written: a template stands for all grants of it. Counts are of cases.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, final

from pdp.cedar.nodes import And, Expr
from pdp.cedar.policy import ConditionKind, Policy, PolicySet
from pdp.engine.decider import Verdict
from pdp.engine.enrich import Enriched
from pdp.engine.snapshot import World
from pdp.evaluate.authorize import applies
from pdp.evaluate.explain import Outcome, PolicyTrace, Trace, trace_policy


@final
@dataclass(slots=True)
class ConjunctCoverage:
    """In how many cases a conjunct was true, was false, and had no truth value although it was evaluated."""

    kind: ConditionKind
    expr: Expr
    true: int = 0
    false: int = 0
    failed: int = 0

    @property
    def covered(self) -> bool:
        """Whether it was both."""
        return self.true > 0 and self.false > 0


@final
@dataclass(slots=True)
class PolicyCoverage:
    """In how many cases the scope of a policy matched, it was satisfied, and it was among those that determined."""

    policy: Policy
    conjuncts: tuple[ConjunctCoverage, ...]
    in_scope: int = 0
    satisfied: int = 0
    determining: int = 0

    @property
    def covered(self) -> bool:
        """Whether it determined an answer."""
        return self.determining > 0


@final
class Coverage:
    """The coverage of a bundle's policies, by the cases that were added."""

    def __init__(self, policies: PolicySet) -> None:
        written = sorted((*policies.static.values(), *policies.templates.values()), key=lambda policy: policy.id)
        self.policies: Final = tuple(PolicyCoverage(policy, tuple(_conjuncts(policy))) for policy in written)
        self._by_id = {coverage.policy.id: coverage for coverage in self.policies}

    @property
    def conjuncts(self) -> tuple[ConjunctCoverage, ...]:
        """Those of all policies."""
        return tuple(conjunct for coverage in self.policies for conjunct in coverage.conjuncts)

    @property
    def total(self) -> int:
        """How many things are to be covered: policies and conjuncts."""
        return len(self.policies) + len(self.conjuncts)

    @property
    def covered(self) -> int:
        """How many of them are."""
        return sum(each.covered for each in self.policies) + sum(each.covered for each in self.conjuncts)

    def reaches(self, percent: int) -> bool:
        """Whether at least so much of it is covered, by exact numbers. Of nothing, all is covered."""
        return self.covered * 100 >= percent * self.total

    def add(self, world: World, enriched: Enriched, verdict: Verdict) -> None:
        """Count a case, by the interpreter. `world` is of this bundle, with any facts."""
        determining = {policy.id for policy in verdict.policies}
        seen: dict[str, list[PolicyTrace]] = {}
        for policy in world.policies.linked():
            if policy.id not in enriched.not_in_force and applies(policy, enriched.request, enriched.entities):
                trace = trace_policy(policy, enriched.request, enriched.entities)
                seen.setdefault(_written_id(world, policy), []).append(trace)
        for policy_id, traces in seen.items():
            coverage = self._by_id[policy_id]
            coverage.in_scope += 1
            coverage.satisfied += any(trace.outcome is True for trace in traces)
            coverage.determining += any(trace.policy.id in determining for trace in traces)
            # Conditions have no slots: they come out the same for every link of a template.
            _count(coverage.conjuncts, traces[0].conditions)


def _written_id(world: World, policy: Policy) -> str:
    link = world.policies.links.get(policy.id)
    return policy.id if link is None else link.template_id


def _conjuncts(policy: Policy) -> Iterator[ConjunctCoverage]:
    for condition in policy.conditions:
        for expr in _operands(condition.body):
            yield ConjunctCoverage(condition.kind, expr)


def _operands(expr: Expr) -> Iterator[Expr]:
    if isinstance(expr, And):
        for operand in expr.operands:
            yield from _operands(operand)
    else:
        yield expr


def _count(conjuncts: Sequence[ConjunctCoverage], conditions: Sequence[Trace]) -> None:
    outcomes = [outcome for body in conditions for outcome in _outcomes(body)]
    for conjunct, outcome in zip(conjuncts, outcomes, strict=True):
        if outcome is True:
            conjunct.true += 1
        elif outcome is False:
            conjunct.false += 1
        elif outcome is not None:
            conjunct.failed += 1


def _outcomes(trace: Trace) -> Iterator[Outcome]:
    """What came of each of `_operands`, in the same order."""
    if not isinstance(trace.expr, And):
        yield trace.outcome
    elif trace.outcome is None:
        yield from (None for _ in _operands(trace.expr))
    else:
        for part in trace.parts:
            yield from _outcomes(part)

"""Plans: what a kind of request must look at, found once and not at each request.

A plan is made when an action is first asked about: it is a list of rules, and they are evaluated one by one. For the
questions that a schema declares, whoever publishes a program has these rules fused into one function beforehand
(`Plans.preparing`). To fuse some costs as much as thousands of decisions: no request waits for it, and whoever asks
unusual questions cannot make the compiler work for each.
"""

from collections.abc import Generator, Iterable, Mapping, Sequence
from itertools import islice
from typing import Final, final

from pdp.cedar.entities import Entity
from pdp.cedar.policy import Condition
from pdp.cedar.response import PolicyError
from pdp.cedar.schema.model import Schema
from pdp.cedar.values import EntityUID
from pdp.compiler.chapters import Chapters
from pdp.compiler.fold import FoldedTogether, fold_together
from pdp.compiler.fuse import Failed
from pdp.compiler.limits import MOST_FUSED_RULES, MOST_FUSED_TERMS, MOST_OUTCOMES, MOST_PLANS, MOST_PREPARED
from pdp.compiler.link import DecideFunction, Linker
from pdp.compiler.outcome import Outcome, policy_error, respond
from pdp.compiler.rules import FEW, Chapter, Rule
from pdp.compiler.situation import INDIFFERENT, Interest, Situation, united
from pdp.compiler.static_types import StaticTypes
from pdp.compiler.terms import Truth, Type, size
from pdp.evaluate.operators import Lookup

WORTH_TYPING: Final = 8
"""Reads of attributes in a plan's rules, from which on a schema's types are used. Below, to tell the types of principal
and resource apart costs more than the tests that it saves."""

_NO_GROUPS: Final[frozenset[EntityUID]] = frozenset()


@final
class Plan:
    """What to do in one situation.

    `rules` are the wide rules whose types fit; `narrow` says that the index must be asked for those of `chapters`, too.
    `decide`, when there is one, evaluates all `rules` at once, and, if the index need not be asked `beyond` it, the few
    narrow ones; `outcomes`, or else `outcome`, tells what came out.
    `is_checked`: the plan is good only while `lookup(action) is plan.entity`; otherwise ask `Plans.open`.
    `variants`, if not None, are the plans to use instead, by types of principal and resource; or else ask `variant`.
    """

    __slots__ = (
        "_by_interest",
        "_few",
        "_fused",
        "_interest",
        "_plans",
        "_situation",
        "_used",
        "beyond",
        "chapters",
        "decide",
        "entity",
        "is_checked",
        "narrow",
        "outcomes",
        "rules",
        "variants",
    )

    def __init__(
        self,
        plans: "Plans",
        situation: Situation,
        chapters: frozenset[Chapter],
        rules: tuple[Rule, ...],
        few: tuple[Rule, ...] | None,
        narrow: bool,
        interest: Interest,
    ) -> None:
        self._plans: Final = plans
        self._situation: Final = situation
        self._interest: Final = interest
        self._by_interest: Final[dict[tuple[str | None, str | None], Plan]] = {}
        self._used = 0
        self._few: Final = few
        self._fused: tuple[Rule, ...] = ()
        self.chapters: Final = chapters
        self.rules: Final = rules
        self.narrow: Final = narrow
        self.beyond: Final = narrow and few is None
        self.decide: DecideFunction | None = None
        self.outcomes: Final[dict[int | Failed, Outcome]] = {}
        self.is_checked: Final = interest.action_groups
        self.entity: Entity | None = None
        self.variants: Final[dict[tuple[str, str], Plan] | None] = {} if interest.in_types else None

    def suits(self, entity: Entity | None) -> bool:
        """Whether the plan is good for an action of which this is the entity in the store."""
        return not self.is_checked or self._situation.groups == _groups(entity)

    def variant(self, principal_type: str, resource_type: str) -> "Plan":
        """The plan to use for these types. Types that matter to no rule share one."""
        if self.variants is None:
            return self
        plan = self.variants.get((principal_type, resource_type))
        if plan is None:
            interest = self._interest
            known = (
                principal_type if principal_type in interest.principal_types else None,
                resource_type if resource_type in interest.resource_types else None,
            )
            plan = self._by_interest.get(known) or self._narrowed(*known)
            if len(self.variants) >= MOST_PLANS:
                self.variants.clear()
            self.variants[principal_type, resource_type] = self._by_interest[known] = plan
        return plan

    def _narrowed(self, principal_type: str | None, resource_type: str | None) -> "Plan":
        situation = Situation(self._situation.action, self._situation.groups, principal_type, resource_type)
        rules = tuple([rule for rule in self.rules if situation.suits(rule.body.principal, rule.body.resource)])
        return Plan(self._plans, situation, self.chapters, rules, self._few, self.narrow, INDIFFERENT)

    def use(self) -> tuple[Rule, ...]:
        """The rules, to be evaluated one by one, for there is no `decide`."""
        if self._plans.fuse_after is not None:
            used = self._used = self._used + 1
            if used == self._plans.fuse_after:
                self.fuse()
        return self.rules

    def fuse(self) -> None:
        """Make the code for all rules at once, unless they are too many."""
        rules = (*self.rules, *(self._few or ()))
        if not 0 < len(rules) <= MOST_FUSED_RULES:
            return
        conditions = [rule.as_conditions() for rule in rules]
        folded = fold_together(conditions, self._situation, self._plans.types(conditions, self._situation))
        kept = [
            (rule, term)
            for rule, term in zip(rules, folded.terms, strict=True)
            if not isinstance(term, Truth) or term.value
        ]
        terms = tuple([term for _, term in kept])
        if sum(map(size, terms)) <= MOST_FUSED_TERMS:
            self._fused = tuple([rule for rule, _ in kept])
            self.decide = self._plans.linker.link_together(FoldedTogether(terms, folded.constants))

    def outcome(self, result: int | Failed) -> Outcome:
        """What a result of `decide` means."""
        if isinstance(result, Failed):
            errors = [policy_error(self._fused[place], error) for place, error in result.errors]
            return self._outcome(result.satisfied, tuple(errors))
        if len(self.outcomes) >= MOST_OUTCOMES:
            self.outcomes.clear()
        outcome = self.outcomes[result] = self._outcome(result, ())
        return outcome

    def _outcome(self, satisfied: int, errors: tuple[PolicyError, ...]) -> Outcome:
        rules = [rule for place, rule in enumerate(self._fused) if satisfied >> place & 1]
        allowing = tuple([rule.policy_id for rule in rules if rule.body.permits])
        denying = tuple([rule.policy_id for rule in rules if not rule.body.permits])
        return Outcome(allowing, denying, errors, respond(allowing, denying, errors))


@final
class Plans:
    """The plans of all versions of a rulebook for which the same ones will do; `version` is one of them."""

    def __init__(
        self, chapters: Chapters, version: int, linker: Linker, static_types: StaticTypes | None, fuse_after: int | None
    ) -> None:
        self._chapters: Final = chapters
        self._static_types: Final = static_types
        self.version: Final = version
        self.linker: Final = linker
        self.fuse_after: Final = fuse_after
        self.by_action: Final[dict[EntityUID, Plan]] = {}

    def open(self, action: EntityUID, lookup: Lookup) -> Plan:
        """The plan for an action that is in the groups that `lookup` knows; made, if need be, and kept."""
        entity = lookup(action)
        plan = self.by_action.get(action)
        if plan is None or not plan.suits(entity):
            plan = self._plan(action, _groups(entity))
            if len(self.by_action) >= MOST_PLANS:
                self.by_action.clear()
            self.by_action[action] = plan
        plan.entity = entity
        return plan

    def preparing(self, schema: Schema, lookup: Lookup) -> Generator[None, None, None]:
        """Make code for the kinds of question that a schema declares, one at each step, and not when they are asked."""
        kinds = (
            (uid, principal, resource)
            for uid, action in schema.actions.items()
            for principal in sorted(action.principal_types)
            for resource in sorted(action.resource_types)
        )
        for uid, principal, resource in islice(kinds, MOST_PREPARED):
            plan = self.open(uid, lookup).variant(principal, resource)
            if plan.decide is None:
                plan.fuse()
                yield

    def types(self, policies: Iterable[Sequence[Condition]], situation: Situation) -> Mapping[int, Type]:
        """Types of what is in the conditions of some policies, if there is a schema to say so; see `StaticTypes.of`."""
        types: dict[int, Type] = {}
        if self._static_types is not None:
            for conditions in policies:
                types.update(self._static_types.of(conditions, situation))
        return types

    def _plan(self, action: EntityUID, groups: frozenset[EntityUID]) -> Plan:
        chapters = self._chapters.under(action, groups)
        rules = self._in_force(rule for chapter in chapters for rule in tuple(chapter.wide))
        named = [chapter.few for chapter in chapters]
        few = self._few(named)
        # INVARIANT: where there are not only a few, the index is asked even if it is empty now: rules come and go there
        # and the plan stays.
        narrow = any(rules is None or rules for rules in named)
        interest = united([rule.body.interest for rule in (*rules, *(few or ()))])
        if self._chapters.ask_groups:
            interest += Interest(action_groups=True)
        if self._static_types is not None and interest.reads >= WORTH_TYPING:
            interest += self._static_types.interest(action)
        return Plan(self, Situation(action, groups, None, None), frozenset(chapters), rules, few, narrow, interest)

    def _few(self, named: Sequence[Sequence[Rule] | None]) -> tuple[Rule, ...] | None:
        """The rules that name an entity, if there are few; `named` has them by chapter, None where there are more."""
        few: list[Rule] = []
        for rules in named:
            if rules is None:
                return None
            few += self._in_force(rules)
        return tuple(few) if len(few) <= FEW else None

    def _in_force(self, rules: Iterable[Rule]) -> tuple[Rule, ...]:
        return tuple([rule for rule in rules if rule.since <= self.version < rule.until])


def _groups(entity: Entity | None) -> frozenset[EntityUID]:
    return _NO_GROUPS if entity is None else entity.ancestors

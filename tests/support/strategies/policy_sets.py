"""Policy sets with permits and forbids, every form of scope, templates and their links."""

from collections.abc import Sequence

from pdp.cedar.policy import (
    ActionIn,
    ActionScope,
    Condition,
    ConditionKind,
    Effect,
    EntityOrSlot,
    Link,
    Policy,
    PolicySet,
    Scope,
    ScopeAny,
    ScopeEq,
    ScopeIn,
    ScopeIs,
    ScopeIsIn,
    Slot,
)
from pdp.cedar.values import EntityUID
from strategies import universe
from strategies.choices import Choices
from strategies.expressions import Expressions


def policy_set(entropies: Sequence[bytes]) -> PolicySet:
    """One policy, with its links if it is a template, for each string of bytes. Ids are positional, as in a text."""
    policies: list[Policy] = []
    links: list[Link] = []
    for index, entropy in enumerate(entropies):
        choices = Choices(entropy)
        made = policy(choices, f"policy{index}")
        policies.append(made)
        for _ in range(choices.below(4) if made.is_template else 0):
            values = {slot: _entity_for(choices, slot) for slot in sorted(made.slots, key=lambda slot: slot.value)}
            links.append(Link(f"link{len(links)}", made.id, values))
    return PolicySet(policies, links)


def policy(choices: Choices, policy_id: str) -> Policy:
    """A policy or a template."""
    effect = Effect.FORBID if choices.rarely(3) else Effect.PERMIT
    principal = _scope(choices, Slot.PRINCIPAL)
    action = _action_scope(choices)
    resource = _scope(choices, Slot.RESOURCE)
    conditions = [_condition(choices) for _ in range(choices.pick((1, 1, 1, 1, 0, 2)))]
    return Policy(policy_id, effect, principal, action, resource, tuple(conditions))


def _condition(choices: Choices) -> Condition:
    kind = ConditionKind.UNLESS if choices.rarely(3) else ConditionKind.WHEN
    return Condition(kind, Expressions(choices).condition(choices.pick((2, 1, 3, 4))))


def _entity_for(choices: Choices, slot: Slot) -> EntityUID:
    types = ("User", "Group", "Group") if slot is Slot.PRINCIPAL else ("App::Doc", "App::Folder", "App::Folder")
    return universe.uid(choices, choices.pick(types))


def _scope(choices: Choices, slot: Slot) -> Scope:
    entity_type = choices.pick(("User", "Group") if slot is Slot.PRINCIPAL else ("App::Doc", "App::Folder"))
    entity: EntityOrSlot = slot if choices.rarely(6) else _entity_for(choices, slot)
    match choices.below(12):
        case 0 | 1 | 2 | 3 | 4 | 5:
            return ScopeAny()
        case 6:
            return ScopeEq(entity)
        case 7 | 8:
            return ScopeIn(entity)
        case 9 | 10:
            return ScopeIs(entity_type)
        case _:
            return ScopeIsIn(entity_type, entity)


def _action_scope(choices: Choices) -> ActionScope:
    match choices.below(6):
        case 0 | 1:
            return ScopeAny()
        case 2 | 3:
            return ScopeEq(choices.pick(universe.ACTIONS))
        case 4:
            return ActionIn((choices.pick(universe.ACTION_GROUPS),))
        case _:
            return ActionIn(tuple(choices.some(universe.ACTIONS + universe.ACTION_GROUPS, 4)))

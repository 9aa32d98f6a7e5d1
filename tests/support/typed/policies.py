"""Policies, templates and links for a schema, each policy written with one kind of request in mind."""

import random
from collections.abc import Sequence

from pdp.cedar.nodes import Binary, BinaryOp, Expr, Is, Literal, Var, Variable, conjoin
from pdp.cedar.policy import (
    ActionIn,
    ActionScope,
    Condition,
    ConditionKind,
    Effect,
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
from pdp.cedar.schema.model import Action, Schema
from pdp.cedar.values import EntityUID
from typed.conditions import FORMS
from typed.expressions import BOOL, IDS, ExpressionMaker


class PolicyMaker:
    """Makes policies for one schema, which must have an action that applies to something.

    A fault is put in once in `faults` times, and never if that is 0: of policies made with 14, about half are valid.
    """

    def __init__(self, rng: random.Random, schema: Schema, faults: int = 14) -> None:
        self._rng = rng
        self._schema = schema
        self._faults = faults
        self._applicable = [action for uid, action in sorted(schema.actions.items()) if action.principal_types]

    def policy_set(self, size: int) -> PolicySet:
        """Policies and templates with positional ids, and links."""
        policies = [self.policy(f"policy{number}") for number in range(size)]
        links: list[Link] = []
        for template in policies:
            for _ in range(self._rng.choice((0, 1, 2)) if template.is_template else 0):
                slots = sorted(template.slots, key=lambda slot: slot.value)
                links.append(Link(f"link{len(links)}", template.id, {slot: self._uid() for slot in slots}))
        return PolicySet(policies, links)

    def _uid(self) -> EntityUID:
        """An entity for a slot, now and then of a type that is not declared; its id is always good."""
        types = [*self._schema.entity_types, *self._schema.entity_types, "Nope"]
        type = self._rng.choice(types)
        return EntityUID(type, self._rng.choice(sorted(self._schema.ids.get(type, IDS))))

    def policy(self, id: str) -> Policy:
        """A policy or template."""
        rng = self._rng
        action = rng.choice(self._applicable)
        home = (rng.choice(sorted(action.principal_types)), action, rng.choice(sorted(action.resource_types)))
        make = ExpressionMaker(rng, self._schema, home, self._faults, FORMS)
        principal = self._scope(make, home[0], Slot.PRINCIPAL)
        actions = self._action_scope(make, action)
        resource = self._scope(make, home[2], Slot.RESOURCE)
        bodies: list[Expr] = []
        # What the scope leaves open is asked first, mostly.
        if not isinstance(actions, ScopeEq) and rng.random() < 0.9:
            bodies.append(Binary(BinaryOp.EQ, Variable(Var.ACTION), Literal(action.uid)))
        for scope, var, type in ((principal, Var.PRINCIPAL, home[0]), (resource, Var.RESOURCE, home[2])):
            if not isinstance(scope, ScopeIs | ScopeIsIn) and rng.random() < 0.9:
                bodies.append(Is(Variable(var), type))
        conditions = self._conditions(make, bodies)
        return Policy(id, rng.choice(tuple(Effect)), principal, actions, resource, conditions)

    def _scope(self, make: ExpressionMaker, type: str, slot: Slot) -> Scope:
        rng = self._rng
        above = rng.choice((type, *sorted(self._schema.entity_types[type].ancestors)))
        if make.faulty():
            type, above = make.any_type(), make.any_type()
        match rng.randrange(12):
            case 0 | 1 | 2:
                return ScopeAny()
            case 3 | 4 | 5 | 6:
                return ScopeIs(type)
            case 7:
                return ScopeEq(make.uid(type))
            case 8:
                return ScopeIn(make.uid(above))
            case 9:
                return ScopeIsIn(type, make.uid(above))
            case 10:
                return ScopeEq(slot) if rng.random() < 0.5 else ScopeIn(slot)
            case _:
                return ScopeIsIn(type, slot)

    def _action_scope(self, make: ExpressionMaker, action: Action) -> ActionScope:
        rng = self._rng
        groups = (action.uid, *sorted(action.ancestors))
        if make.faulty():
            wrong = rng.choice((EntityUID("Action", "nope"), EntityUID("Nope::Action", "v"), rng.choice(make.actions)))
            return rng.choice((ScopeEq(wrong), ActionIn((wrong, *groups)), ActionIn(())))
        match rng.randrange(8):
            case 0:
                return ScopeAny()
            case 1:
                return ActionIn((rng.choice(groups),))
            case 2:
                alike = [uid for uid in make.actions if uid.type == action.uid.type]
                return ActionIn((action.uid, *rng.sample(alike, min(len(alike), rng.choice((0, 1, 2))))))
            case _:
                return ScopeEq(action.uid)

    def _conditions(self, make: ExpressionMaker, bodies: Sequence[Expr]) -> tuple[Condition, ...]:
        """These as `when`, and some more; now and then all in one, or with a guard for those behind it."""
        rng = self._rng
        conditions = [Condition(ConditionKind.WHEN, body) for body in bodies]
        guarded = [path for path in make.paths if path.guards]
        if guarded and rng.random() < 0.2:
            make.known += (guards := rng.choice(guarded).guards)
            kind = ConditionKind.UNLESS if make.faulty() else ConditionKind.WHEN
            conditions += [Condition(kind, guard) for guard in guards]
        for _ in range(rng.choice((1, 1, 1, 2))):
            kind = ConditionKind.UNLESS if rng.random() < 0.2 else ConditionKind.WHEN
            conditions.append(Condition(kind, make.of(BOOL, rng.choice((1, 2, 3, 4)))))
        if rng.random() < 0.2 and all(condition.kind is ConditionKind.WHEN for condition in conditions):
            first, *others = [condition.body for condition in conditions]
            return (Condition(ConditionKind.WHEN, conjoin(first, others)),)
        return tuple(conditions)

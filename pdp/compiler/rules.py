"""Rules: what takes part in decisions. A static policy is one rule; a template is none, and each of its links is one.

All links of a template share a `Body`. What a link has of its own is small, because there may be millions: its id, the
entities that fill the slots, and the versions between which it is in force.
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias, final

from pdp.cedar.nodes import Binary, BinaryOp, Expr, Is, Literal, Var, Variable
from pdp.cedar.policy import ActionScope, Condition, ConditionKind, Effect, EntityOrSlot, Policy, Slot
from pdp.cedar.values import EntityUID
from pdp.compiler.bounds import Bounds
from pdp.compiler.situation import Interest, interest

ConditionFunction: TypeAlias = Callable[..., bool]
"""Called with `lower.PARAMETERS`; raises EvaluationError."""

FEW: Final = 8
"""Rules that name an entity, up to which it is quicker to look at all of them than to ask the index."""

FOREVER: Final = 2**63
"""Until when a rule is in force that nobody has removed."""


@final
class Chapter:
    """The rules of one action scope. Only `rulebook` writes.

    `wide` are those that name no entity, so that every request under this scope must look at them. The others are in
    the index, and in `few`, too, while there have never been more than `FEW`. `uses` is the number of all rules and
    templates.

    INVARIANT: `wide` changes while others read it. To copy a dict is one step; to walk through it is not.
    """

    __slots__ = ("few", "scope", "uses", "wide")

    def __init__(self, scope: ActionScope) -> None:
        self.scope: Final = scope
        self.wide: Final[dict[Rule, None]] = {}
        self.few: tuple[Rule, ...] | None = ()
        self.uses = 0


@final
class Body:
    """What a static policy is, or what a template and all its links have in common.

    `compiled` is the policy as it was compiled: as `policy`, which was written, but, if it `is_lifted`, with a narrower
    scope and fewer conditions. `condition` is the function of what is left of them, None if nothing is; `principal` and
    `resource` are the sides of its scope.
    `is_untyped`: neither side of the scope asks for a type.
    """

    __slots__ = (
        "_interest",
        "chapter",
        "compiled",
        "condition",
        "is_lifted",
        "is_untyped",
        "permits",
        "policy",
        "principal",
        "resource",
    )

    def __init__(
        self,
        policy: Policy,
        compiled: Policy,
        chapter: Chapter,
        condition: ConditionFunction | None,
        principal: Bounds,
        resource: Bounds,
    ) -> None:
        self.policy: Final = policy
        self.compiled: Final = compiled
        self.is_lifted: Final = compiled is not policy
        self.permits: Final = policy.effect is Effect.PERMIT
        self.chapter: Final = chapter
        self.condition: Final = condition
        self.principal: Final = principal
        self.resource: Final = resource
        self.is_untyped: Final = principal.entity_type is None and resource.entity_type is None
        self._interest: Interest | None = None

    @property
    def interest(self) -> Interest:
        """What of a situation matters to the scope's types and the conditions."""
        if self._interest is None:
            self._interest = interest(self.principal, self.resource, self.compiled.conditions)
        return self._interest


@final
class Rule:
    """A policy or a link, in force from version `since` to before version `until`.

    `principal` and `resource` are the entities of its bounds, slots filled; None where a side names none.
    """

    __slots__ = ("body", "policy_id", "principal", "resource", "since", "until")

    def __init__(self, policy_id: str, body: Body, values: Mapping[Slot, EntityUID], since: int) -> None:
        self.policy_id: Final = policy_id
        self.body: Final = body
        self.principal = _filled(body.principal.entity, values)
        self.resource = _filled(body.resource.entity, values)
        self.since: Final = since
        self.until = FOREVER

    @property
    def is_wide(self) -> bool:
        """Whether no side names an entity."""
        return self.principal is None and self.resource is None

    def as_conditions(self) -> tuple[Condition, ...]:
        """What principal and resource must be, as conditions, and then the conditions. The action is not in them."""
        sides = (
            _restated(Variable(Var.PRINCIPAL), self.body.principal, self.principal),
            _restated(Variable(Var.RESOURCE), self.body.resource, self.resource),
        )
        scope = [Condition(ConditionKind.WHEN, side) for side in sides if side is not None]
        return (*scope, *self.body.compiled.conditions)

    def policy(self) -> Policy:
        """The policy, or the one that the link stands for."""
        slots = {Slot.PRINCIPAL: self.principal, Slot.RESOURCE: self.resource}
        template = self.body.policy
        values = {slot: uid for slot, uid in slots.items() if slot in template.slots and uid is not None}
        return template.fill(self.policy_id, values) if values else template


def _restated(variable: Variable, side: Bounds, uid: EntityUID | None) -> Expr | None:
    entity = None if uid is None else Literal(uid)
    if side.entity_type is not None:
        return Is(variable, side.entity_type, entity)
    return None if entity is None else Binary(BinaryOp.EQ if side.exact else BinaryOp.IN, variable, entity)


def _filled(entity: EntityOrSlot | None, values: Mapping[Slot, EntityUID]) -> EntityUID | None:
    return values[entity] if isinstance(entity, Slot) else entity

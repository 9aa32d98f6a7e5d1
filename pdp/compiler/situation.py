"""Situations: what is known of a request before it is asked, so that code can be made for it.

A policy set is asked the same few kinds of question over and over: this action, by that type of principal, on that type
of resource. Where these are known, scopes by type are settled, and so are `principal is User` and `action in [...]`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, final

from pdp.cedar.nodes import Binary, BinaryOp, Expr, GetAttr, HasAttr, Is, Var, Variable
from pdp.cedar.policy import Condition
from pdp.cedar.text.depth import children
from pdp.cedar.values import EntityUID
from pdp.compiler.bounds import Bounds


@final
@dataclass(frozen=True, slots=True)
class Situation:
    """An action with the groups that it is in, and the types of principal and resource.

    A type is None where it is one that no policy speaks of; so whoever asks cannot make new situations at will.
    """

    action: EntityUID
    groups: frozenset[EntityUID]
    principal_type: str | None
    resource_type: str | None

    def suits(self, principal: Bounds, resource: Bounds) -> bool:
        """Whether the types are those that a rule asks for."""
        wanted, given = (principal.entity_type, resource.entity_type), (self.principal_type, self.resource_type)
        return all(name is None or name == known for name, known in zip(wanted, given, strict=True))

    def settles(self, expr: Expr, entity_type: str) -> bool | None:
        """The value of `expr is entity_type` for the principal or the resource; None if it is not known."""
        match expr:
            case Variable(Var.PRINCIPAL):
                return self.principal_type == entity_type
            case Variable(Var.RESOURCE):
                return self.resource_type == entity_type
            case _:
                return None


@final
@dataclass(frozen=True, slots=True)
class Interest:
    """What of a situation matters to some policies: which types, and whether the action's groups do.

    `reads` is how many attributes and tags they read: the more, the more is won by knowing types of those, too.
    """

    principal_types: frozenset[str] = frozenset()
    resource_types: frozenset[str] = frozenset()
    action_groups: bool = False
    reads: int = 0

    @property
    def in_types(self) -> bool:
        """Whether any type matters."""
        return bool(self.principal_types or self.resource_types)

    def __add__(self, other: "Interest") -> "Interest":
        return united([self, other])


INDIFFERENT: Final = Interest()


def united(interests: Sequence[Interest]) -> Interest:
    """What matters to any."""
    return Interest(
        frozenset().union(*[each.principal_types for each in interests]),
        frozenset().union(*[each.resource_types for each in interests]),
        any(each.action_groups for each in interests),
        sum(each.reads for each in interests),
    )


def interest(principal: Bounds, resource: Bounds, conditions: Iterable[Condition]) -> Interest:
    """What matters to the types of a scope, and to conditions."""
    types: dict[Var, set[str]] = {Var.PRINCIPAL: set(), Var.RESOURCE: set()}
    for name, side in ((Var.PRINCIPAL, principal), (Var.RESOURCE, resource)):
        if side.entity_type is not None:
            types[name].add(side.entity_type)
    action_groups = False
    reads = 0
    pending = [condition.body for condition in conditions]
    while pending:
        expr = pending.pop()
        pending.extend(children(expr))
        match expr:
            case Is(Variable(Var.PRINCIPAL | Var.RESOURCE as name), entity_type):
                types[name].add(entity_type)
            case Binary(BinaryOp.IN, Variable(Var.ACTION)):
                action_groups = True
            case GetAttr() | HasAttr() | Binary(BinaryOp.GET_TAG):
                reads += 1
    return Interest(frozenset(types[Var.PRINCIPAL]), frozenset(types[Var.RESOURCE]), action_groups, reads)

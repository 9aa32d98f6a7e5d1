"""Which facts the answers about an entity can come from: found by following its names, not by evaluating anything.

Policies get from an entity to its ancestors, to the entities that its attributes and tags name, and so on from those;
and to the entities that they name themselves.
"""

from collections.abc import Iterable, Iterator
from typing import Final, final

from pdp.cedar.nodes import Expr, Literal
from pdp.cedar.policy import PolicySet
from pdp.cedar.text.depth import children
from pdp.cedar.values import EntityUID, Record, Set, Value
from pdp.engine.snapshot import World

MOST_REACHED: Final = 4_096
"""Entities that are followed from one. An entity that reaches more is taken for one that reaches all."""


@final
class Reach:
    """What can be reached in one world, whose policies name these entities."""

    def __init__(self, world: World, named: frozenset[EntityUID]) -> None:
        self._lookup: Final = world.facts.entities.lookup
        self._from_policies: Final = self._follow(named)

    def touches(self, entity: EntityUID, changed: frozenset[EntityUID]) -> bool:
        """Whether an answer about an entity may be another one, because these have changed on the way to this world.

        It is enough to look from here. If a changed one was reached before and no longer is, the way to it was broken,
        and where it is broken first, seen from the entity, is one that has changed and is still reached.
        """
        for reached in (self._from_policies, self._follow([entity])):
            if reached is None or not changed.isdisjoint(reached):
                return True
        return False

    def _follow(self, roots: Iterable[EntityUID]) -> set[EntityUID] | None:
        """All that is reached from some entities, those themselves included; None if it is too much."""
        reached = set(roots)
        pending = list(reached)
        while pending:
            stored = self._lookup(pending.pop())
            if stored is None:
                continue
            # Ancestors are closed already, and of an ancestor nothing but its name is read without naming it.
            reached |= stored.ancestors
            for value in (*stored.attrs.values(), *stored.tags.values()):
                named = [uid for uid in _entities(value) if uid not in reached]
                reached.update(named)
                pending += named
            if len(reached) > MOST_REACHED:
                return None
        return reached


def literals(policies: PolicySet) -> frozenset[EntityUID]:
    """The entities that conditions name. Those of scopes are only compared with."""
    bodies = (
        condition.body
        for policy in (*policies.static.values(), *policies.templates.values())
        for condition in policy.conditions
    )
    return frozenset(uid for body in bodies for uid in _named(body))


def _named(root: Expr) -> Iterator[EntityUID]:
    pending = [root]
    while pending:
        match pending.pop():
            case Literal(EntityUID() as uid):
                yield uid
            case expr:
                pending.extend(children(expr))


def _entities(value: Value) -> Iterator[EntityUID]:
    """The entities in a value, however deep."""
    pending = [value]
    while pending:
        match pending.pop():
            case EntityUID() as uid:
                yield uid
            case Set(elements=elements):
                pending.extend(elements)
            case Record(fields=fields):
                pending.extend(fields.values())
            case _:
                pass

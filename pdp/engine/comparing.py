"""Finds what changed between two worlds that were built apart. Costs a look at every fact, and no lock."""

from collections.abc import Iterator, Mapping
from typing import TypeVar

from pdp.cedar.entities import Entities, Entity
from pdp.cedar.values import EntityUID, Record
from pdp.context.facts import Posture
from pdp.engine.changes import EVERYTHING, Change
from pdp.engine.snapshot import World

Fact = TypeVar("Fact")


def between(old: World | None, new: World) -> Change:
    """The change from one world to another; EVERYTHING from none, and when policies or schema are others."""
    if old is None or not _same_policies(old, new):
        return EVERYTHING
    return Change(
        entities=frozenset(_entities(old.facts.entities, new.facts.entities)),
        posture=frozenset(_different(old.facts.posture, new.facts.posture)),
        grants=frozenset(uid for uid in _keys(old.grants, new.grants) if old.grants.get(uid) != new.grants.get(uid)),
    )


def _same_policies(old: World, new: World) -> bool:
    """By content, too: a revision names what was read, and a world may have been built from something else."""
    return (
        old.policy_revision == new.policy_revision
        and old.schema == new.schema
        and old.policies.static == new.policies.static
        and old.policies.templates == new.policies.templates
    )


def _entities(old: Entities, new: Entities) -> Iterator[EntityUID]:
    for entity in old:
        other = new.get(entity.uid)
        if other is None or not _same_entity(entity, other):
            yield entity.uid
    for entity in new:
        if entity.uid not in old:
            yield entity.uid


def _same_entity(left: Entity, right: Entity) -> bool:
    return left is right or (left.ancestors == right.ancestors and left.same_as(right))


def _different(old: Mapping[EntityUID, Posture], new: Mapping[EntityUID, Posture]) -> Iterator[EntityUID]:
    for uid in _keys(old, new):
        left, right = old.get(uid), new.get(uid)
        if left is None or right is None or not _same_posture(left, right):
            yield uid


def _same_posture(left: Posture, right: Posture) -> bool:
    """Of the source nobody decides."""
    return left is right or (left.observed_at == right.observed_at and Record(left.facts) == Record(right.facts))


def _keys(old: Mapping[EntityUID, Fact], new: Mapping[EntityUID, Fact]) -> set[EntityUID]:
    return {*old, *new}

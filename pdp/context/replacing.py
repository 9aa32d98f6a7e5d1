"""What it takes for a source's facts to be exactly these: the difference between what it said and what it says now."""

from collections.abc import Iterator
from dataclasses import replace
from typing import assert_never

from pdp.cedar.entities import Entity
from pdp.cedar.values import Record
from pdp.context.changes import (
    Change,
    DropEntity,
    DropGrant,
    DropPosture,
    EntityKey,
    GrantKey,
    Key,
    PostureKey,
    PutEntity,
    PutGrant,
    PutPosture,
)
from pdp.context.facts import Facts, Posture
from pdp.context.state import State


def replacing(state: State, facts: Facts, source: str) -> Iterator[Change]:
    """The changes after which these facts, and no others, are what `source` says.

    What another source has said since stays: a grant that was revoked does not come back because a file still has it.
    """
    for key in state.said_by(source):
        if not _holds(facts, key):
            yield _drop(key)
    for entity in facts.entities:
        origin = state.entity_origins.get(entity.uid)
        if origin is None or (origin.source == source and not _says_the_same(state, entity)):
            yield PutEntity(entity)
    for subject, posture in facts.posture.items():
        origin = state.posture_origins.get(subject)
        if origin is None or (origin.source == source and not _is_same(state.posture[subject], posture)):
            yield PutPosture(posture)
    for id, grant in facts.grants.items():
        origin = state.grant_origins.get(id)
        if origin is None or (origin.source == source and state.grants[id] != grant):
            yield PutGrant(grant)


def _says_the_same(state: State, entity: Entity) -> bool:
    """Whether the stored entity is as this one, but for what others set alone."""
    stored = state.hierarchy.get(entity.uid)
    if stored is None:
        return False
    alone = frozenset(state.attribute_origins.get(entity.uid, ()))
    own = {name: value for name, value in stored.attrs.items() if name not in alone}
    said = {name: value for name, value in entity.attrs.items() if name not in alone}
    return Entity(entity.uid, own, stored.parents, stored.tags).same_as(
        Entity(entity.uid, said, entity.parents, entity.tags)
    )


def _is_same(posture: Posture, other: Posture) -> bool:
    # As Cedar compares: for Python, `True` and `1` are one.
    return replace(posture, facts={}) == replace(other, facts={}) and Record(posture.facts) == Record(other.facts)


def _holds(facts: Facts, key: Key) -> bool:
    match key:
        case EntityKey(uid):
            return uid in facts.entities
        case PostureKey(subject):
            return subject in facts.posture
        case GrantKey(id):
            return id in facts.grants
        case _:
            assert_never(key)


def _drop(key: Key) -> Change:
    match key:
        case EntityKey(uid):
            return DropEntity(uid)
        case PostureKey(subject):
            return DropPosture(subject)
        case GrantKey(id):
            return DropGrant(id)
        case _:
            assert_never(key)

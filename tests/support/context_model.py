"""A naive model of the context log: plain dictionaries, everything recomputed from the first entry on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st

from pdp.cedar.entities import Entities, Entity
from pdp.cedar.values import EntityUID, Record
from pdp.context.changes import (
    Change,
    DropEntity,
    DropGrant,
    DropPosture,
    EndGrant,
    PutEntity,
    PutGrant,
    PutPosture,
    SetAttribute,
    SetMembership,
)
from pdp.context.facts import Facts, Grant, Posture

SOURCES = ("scim", "mdm", "ssf")
UIDS = tuple(EntityUID(type, id) for type in ("User", "Group") for id in "abc")
NAMES = ("risk", "level", "home")
GRANTS = ("grant/1", "grant/2")


class Contradiction(Exception):
    """The model's word for a change that cannot be made."""


@dataclass
class Model:
    """What is believed, as the rules of `changes` say it in words."""

    entities: dict[EntityUID, Entity] = field(default_factory=dict)
    alone: dict[tuple[EntityUID, str], tuple[str, int]] = field(default_factory=dict)
    posture: dict[EntityUID, Posture] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)

    def facts(self) -> Facts:
        return Facts(Entities(self.entities.values()), dict(self.posture), dict(self.grants))

    def apply(self, change: Change, source: str, observed_at: int) -> None:
        match change:
            case PutEntity(entity):
                attrs = dict(entity.attrs)
                before = self.entities.get(entity.uid)
                for (uid, name), (other, seen) in list(self.alone.items()):
                    if uid != entity.uid:
                        continue
                    if other == source or (name in attrs and seen < observed_at):
                        del self.alone[uid, name]
                    else:
                        attrs.pop(name, None)
                        if before is not None and name in before.attrs:
                            attrs[name] = before.attrs[name]
                self.entities[entity.uid] = Entity(entity.uid, attrs, entity.parents, entity.tags)
            case DropEntity(uid):
                self.entities.pop(uid, None)
                self.alone = {key: value for key, value in self.alone.items() if key[0] != uid}
            case SetAttribute(uid, name, value):
                entity = self._stored(uid)
                if (uid, name) in self.alone and self.alone[uid, name][1] > observed_at:
                    return
                self.alone[uid, name] = source, observed_at
                attrs = {key: old for key, old in entity.attrs.items() if key != name}
                if value is not None:
                    attrs[name] = value
                self.entities[uid] = Entity(uid, attrs, entity.parents, entity.tags)
            case SetMembership(uid, group, member):
                entity = self._stored(uid)
                parents = (entity.parents - {group}) | ({group} if member else set())
                self.entities[uid] = Entity(uid, entity.attrs, parents, entity.tags)
            case PutPosture(posture):
                present = self.posture.get(posture.subject)
                if present is None or present.observed_at <= posture.observed_at:
                    self.posture[posture.subject] = posture
            case DropPosture(subject):
                self.posture.pop(subject, None)
            case PutGrant(grant):
                self.grants[grant.id] = grant
            case EndGrant(id, at):
                if id not in self.grants:
                    raise Contradiction(id)
                old = self.grants[id]
                self.grants[id] = replace(
                    old, not_before=min(old.not_before, at - 1), expires_at=min(old.expires_at, at)
                )
            case DropGrant(id):
                self.grants.pop(id, None)

    def _stored(self, uid: EntityUID) -> Entity:
        if uid not in self.entities:
            raise Contradiction(str(uid))
        return self.entities[uid]


def replay(entries: Iterable[tuple[tuple[Change, ...], str, int]]) -> Model:
    """The model after all entries, from nothing."""
    model = Model()
    for changes, source, observed_at in entries:
        for change in changes:
            model.apply(change, source, observed_at)
    return model


def same(left: Facts, right: Facts) -> bool:
    """Equal in content and in ancestors."""
    mine, yours = ({entity.uid: entity for entity in facts.entities} for facts in (left, right))
    return (
        mine.keys() == yours.keys()
        and len(left.entities) == len(right.entities)
        and all(mine[uid].same_as(yours[uid]) and mine[uid].ancestors == yours[uid].ancestors for uid in mine)
        and _exact(left.posture) == _exact(right.posture)
        and dict(left.grants) == dict(right.grants)
    )


def _exact(posture: Mapping[EntityUID, Posture]) -> dict[EntityUID, tuple[Any, ...]]:
    return {uid: (one.subject, one.source, one.observed_at, Record(one.facts)) for uid, one in posture.items()}


values = st.sampled_from((True, 1, 0, "x", Record({"a": 1})))
attributes = st.dictionaries(st.sampled_from(NAMES), values, max_size=3)
uids = st.sampled_from(UIDS)
entities = st.builds(
    Entity,
    uids,
    attributes,
    st.frozensets(uids, max_size=2),
    st.dictionaries(st.sampled_from(NAMES), values, max_size=1),
)
postures = st.builds(Posture, uids, st.sampled_from(SOURCES), st.integers(0, 9), attributes)
grants = st.builds(
    Grant,
    st.sampled_from(GRANTS),
    st.just("entitlement/x"),
    uids,
    uids,
    st.just("o"),
    st.just("r"),
    st.just(0),
    st.integers(1, 9),
)
changes: st.SearchStrategy[Change] = st.one_of(
    st.builds(PutEntity, entities),
    st.builds(DropEntity, uids),
    st.builds(SetAttribute, uids, st.sampled_from(NAMES), st.none() | values),
    st.builds(SetMembership, uids, uids, st.booleans()),
    st.builds(PutPosture, postures),
    st.builds(DropPosture, uids),
    st.builds(PutGrant, grants),
    st.builds(EndGrant, st.sampled_from(GRANTS), st.integers(-1, 9)),
    st.builds(DropGrant, st.sampled_from(GRANTS)),
)
entries = st.tuples(st.lists(changes, min_size=1, max_size=5).map(tuple), st.sampled_from(SOURCES), st.integers(0, 9))

"""What is believed, and who says so: the state that the log's entries lead to, one after the other.

Pure and persistent, as `hierarchy`: a state never changes, `after` gives the next one, and they share what is alike.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias, assert_never, final

from immutables import Map

from pdp.cedar.entities import Entity
from pdp.cedar.values import EntityUID, Value
from pdp.context.changes import (
    Change,
    ChangeError,
    DropEntity,
    DropGrant,
    DropPosture,
    EndGrant,
    EntityKey,
    Entry,
    GrantKey,
    Key,
    Origin,
    PostureKey,
    PutEntity,
    PutGrant,
    PutPosture,
    SetAttribute,
    SetMembership,
)
from pdp.context.facts import Facts, Grant, Posture
from pdp.context.hierarchy import Hierarchy

_Drafts: TypeAlias = dict[EntityUID, Entity | None]

_NO_ORIGINS: Final[Map[str, Origin]] = Map()


@final
@dataclass(frozen=True, slots=True)
class BelievedEntity:
    """An entity and who says so. Attributes that were set alone have origins of their own."""

    entity: Entity
    origin: Origin
    attribute_origins: Map[str, Origin] = _NO_ORIGINS


@final
@dataclass(frozen=True, slots=True)
class BelievedPosture:
    """Posture and who says so."""

    posture: Posture
    origin: Origin


@final
@dataclass(frozen=True, slots=True)
class BelievedGrant:
    """A grant and who says so."""

    grant: Grant
    origin: Origin


Believed: TypeAlias = BelievedEntity | BelievedPosture | BelievedGrant


@final
@dataclass(frozen=True, slots=True)
class State:
    """Facts with their origins."""

    hierarchy: Hierarchy = field(default_factory=Hierarchy)
    posture: Map[EntityUID, Posture] = field(default_factory=Map)
    grants: Map[str, Grant] = field(default_factory=Map)
    entity_origins: Map[EntityUID, Origin] = field(default_factory=Map)
    attribute_origins: Map[EntityUID, Map[str, Origin]] = field(default_factory=Map)
    posture_origins: Map[EntityUID, Origin] = field(default_factory=Map)
    grant_origins: Map[str, Origin] = field(default_factory=Map)

    @property
    def facts(self) -> Facts:
        """What decisions are made from."""
        return Facts(self.hierarchy.entities, self.posture, self.grants)

    def after(self, entry: Entry) -> "State":
        """The state with an entry's changes. Raises ChangeError or EntityError; then there is no such state."""
        draft = _Draft(self, entry.origin)
        for change in entry.changes:
            draft.apply(change)
        return draft.finish()

    def believed(self, key: Key) -> Believed | None:
        """What is believed of one thing; None: nothing is."""
        match key:
            case EntityKey(uid):
                entity = self.hierarchy.get(uid)
                if entity is None:
                    return None
                return BelievedEntity(entity, self.entity_origins[uid], self.attribute_origins.get(uid, _NO_ORIGINS))
            case PostureKey(subject):
                posture = self.posture.get(subject)
                return None if posture is None else BelievedPosture(posture, self.posture_origins[subject])
            case GrantKey(id):
                grant = self.grants.get(id)
                return None if grant is None else BelievedGrant(grant, self.grant_origins[id])
            case _:
                assert_never(key)

    def origins(self) -> Iterator[tuple[Key, Origin]]:
        """All that is believed, and who says so."""
        yield from ((EntityKey(uid), origin) for uid, origin in self.entity_origins.items())
        yield from ((PostureKey(uid), origin) for uid, origin in self.posture_origins.items())
        yield from ((GrantKey(id), origin) for id, origin in self.grant_origins.items())

    def said_by(self, source: str) -> Iterator[Key]:
        """The keys of all that this source said last."""
        return (key for key, origin in self.origins() if origin.source == source)

    @staticmethod
    def of(believed: Iterable[Believed]) -> "State":
        """The state in which exactly this is believed, each thing once. Raises EntityError."""
        entities: list[Entity] = []
        state = State()
        posture, grants = state.posture.mutate(), state.grants.mutate()
        origins = state.entity_origins.mutate()
        attribute_origins = state.attribute_origins.mutate()
        posture_origins, grant_origins = state.posture_origins.mutate(), state.grant_origins.mutate()
        for belief in believed:
            match belief:
                case BelievedEntity(entity, origin, alone):
                    entities.append(entity)
                    origins[entity.uid] = origin
                    if alone:
                        attribute_origins[entity.uid] = alone
                case BelievedPosture(report, origin):
                    posture[report.subject] = report
                    posture_origins[report.subject] = origin
                case BelievedGrant(grant, origin):
                    grants[grant.id] = grant
                    grant_origins[grant.id] = origin
                case _:
                    assert_never(belief)
        return State(
            Hierarchy.of(entities),
            posture.finish(),
            grants.finish(),
            origins.finish(),
            attribute_origins.finish(),
            posture_origins.finish(),
            grant_origins.finish(),
        )


@final
class _Draft:
    """A state while an entry changes it; each map is opened once, however many changes there are."""

    def __init__(self, state: State, origin: Origin) -> None:
        self._origin: Final = origin
        self._hierarchy: Final = state.hierarchy
        self._entities: Final[_Drafts] = {}
        self._posture: Final = state.posture.mutate()
        self._grants: Final = state.grants.mutate()
        self._entity_origins: Final = state.entity_origins.mutate()
        self._attribute_origins: Final = state.attribute_origins.mutate()
        self._posture_origins: Final = state.posture_origins.mutate()
        self._grant_origins: Final = state.grant_origins.mutate()

    def finish(self) -> State:
        return State(
            self._hierarchy.changed(self._entities) if self._entities else self._hierarchy,
            self._posture.finish(),
            self._grants.finish(),
            self._entity_origins.finish(),
            self._attribute_origins.finish(),
            self._posture_origins.finish(),
            self._grant_origins.finish(),
        )

    def apply(self, change: Change) -> None:
        match change:
            case PutEntity(entity):
                self._put_entity(entity)
            case DropEntity(uid):
                self._entities[uid] = None
                self._entity_origins.pop(uid, None)
                self._attribute_origins.pop(uid, None)
            case SetAttribute(uid, name, value):
                self._set_attribute(uid, name, value)
            case SetMembership(uid, group, member):
                entity = self._stored(uid)
                parents = entity.parents | {group} if member else entity.parents - {group}
                self._entities[uid] = Entity(uid, entity.attrs, parents, entity.tags)
                self._entity_origins[uid] = self._origin
            case PutPosture(posture):
                present = self._posture.get(posture.subject)
                if present is None or present.observed_at <= posture.observed_at:
                    self._posture[posture.subject] = posture
                    self._posture_origins[posture.subject] = self._origin
            case DropPosture(subject):
                self._posture.pop(subject, None)
                self._posture_origins.pop(subject, None)
            case PutGrant(grant):
                self._grants[grant.id] = grant
                self._grant_origins[grant.id] = self._origin
            case EndGrant(id, at):
                self._end_grant(id, at)
            case DropGrant(id):
                self._grants.pop(id, None)
                self._grant_origins.pop(id, None)
            case _:
                assert_never(change)

    def _present(self, uid: EntityUID) -> Entity | None:
        return self._entities[uid] if uid in self._entities else self._hierarchy.get(uid)

    def _stored(self, uid: EntityUID) -> Entity:
        entity = self._present(uid)
        if entity is None:
            raise ChangeError(f"there is no entity `{uid}` to change", help="put the entity first")
        return entity

    def _end_grant(self, id: str, at: int) -> None:
        grant = self._grants.get(id)
        if grant is None:
            raise ChangeError(f"there is no grant `{id}` to end")
        self._grants[id] = replace(
            grant, not_before=min(grant.not_before, at - 1), expires_at=min(grant.expires_at, at)
        )
        self._grant_origins[id] = self._origin

    def _put_entity(self, entity: Entity) -> None:
        uid, present = entity.uid, self._present(entity.uid)
        attrs, kept = dict(entity.attrs), _NO_ORIGINS.mutate()
        for name, origin in self._attribute_origins.get(uid, _NO_ORIGINS).items():
            is_older = name in attrs and origin.observed_at < self._origin.observed_at
            if origin.source == self._origin.source or is_older:
                continue
            kept[name] = origin
            attrs.pop(name, None)
            if present is not None and name in present.attrs:
                attrs[name] = present.attrs[name]
        self._entities[uid] = Entity(uid, attrs, entity.parents, entity.tags)
        self._entity_origins[uid] = self._origin
        self._keep_attribute_origins(uid, kept.finish())

    def _set_attribute(self, uid: EntityUID, name: str, value: Value | None) -> None:
        entity, origins = self._stored(uid), self._attribute_origins.get(uid, _NO_ORIGINS)
        if name in origins and origins[name].observed_at > self._origin.observed_at:
            return
        attrs = {key: kept for key, kept in entity.attrs.items() if key != name}
        if value is not None:
            attrs[name] = value
        self._entities[uid] = Entity(uid, attrs, entity.parents, entity.tags)
        self._keep_attribute_origins(uid, origins.set(name, self._origin))

    def _keep_attribute_origins(self, uid: EntityUID, origins: Map[str, Origin]) -> None:
        if origins:
            self._attribute_origins[uid] = origins
        else:
            self._attribute_origins.pop(uid, None)

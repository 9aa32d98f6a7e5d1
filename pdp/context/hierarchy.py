"""Entities that change one by one, with their ancestors kept closed.

Persistent: a change gives a new hierarchy that shares all the rest with the old one, so a snapshot costs nothing and
stays as it was. The cost of a change is that of the entity and of what is below it, however many others there are.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Final, TypeAlias, final

from immutables import Map

from pdp.cedar.entities import Entities, Entity, close_hierarchy, one_of_equal
from pdp.cedar.errors import EntityError
from pdp.cedar.limits import MAX_ANCESTORS
from pdp.cedar.values import EntityUID

_Members: TypeAlias = Map[EntityUID, None]

_NOBODY: Final[_Members] = Map()
_NO_ENTITIES: Final[Map[EntityUID, Entity]] = Map()
_NO_MEMBERS: Final[Map[EntityUID, _Members]] = Map()


@final
class Hierarchy:
    """Entities by uid. Immutable; `changed` gives the next one."""

    __slots__ = ("_ancestors", "_by_uid", "_members", "entities")

    def __init__(
        self,
        by_uid: Map[EntityUID, Entity] = _NO_ENTITIES,
        members: Map[EntityUID, _Members] = _NO_MEMBERS,
        ancestors: int = 0,
    ) -> None:
        self._by_uid: Final = by_uid
        self._members: Final = members
        self._ancestors: Final = ancestors
        self.entities: Final = Entities.of_closed(by_uid)

    @classmethod
    def of(cls, entities: Iterable[Entity]) -> "Hierarchy":
        """These entities, each uid once, put together at once. Raises EntityError as `changed` does."""
        given = {entity.uid: entity for entity in entities}
        closed = close_hierarchy({uid: entity.parents for uid, entity in given.items()}, {})
        inside: defaultdict[EntityUID, dict[EntityUID, None]] = defaultdict(dict)
        total = 0
        for uid, entity in given.items():
            for parent in entity.parents:
                inside[parent][uid] = None
            total += len(closed[uid])
            parents, ancestors = one_of_equal(entity.parents), one_of_equal(closed[uid])
            given[uid] = Entity(uid, entity.attrs, parents, entity.tags, ancestors)
        members = {group: _NOBODY.update(uids) for group, uids in inside.items()}
        return cls(_NO_ENTITIES.update(given), _NO_MEMBERS.update(members), total)

    def __len__(self) -> int:
        return len(self._by_uid)

    def get(self, uid: EntityUID) -> Entity | None:
        """The entity as it is now."""
        return self._by_uid.get(uid)

    def below(self, uids: Iterable[EntityUID]) -> Iterator[EntityUID]:
        """Every entity that has one of these above it, and those of them that are stored. No order."""
        seen = set(uids)
        pending = list(seen)
        while pending:
            uid = pending.pop()
            if uid in self._by_uid:
                yield uid
            for member in self._members.get(uid, _NOBODY):
                if member not in seen:
                    seen.add(member)
                    pending.append(member)

    def changed(self, changes: Mapping[EntityUID, Entity | None]) -> "Hierarchy":
        """With these entities put in place of what was there, None: taken out. Their own `ancestors` do not matter.

        Raises EntityError, with nothing changed, for a cycle or more than MAX_ANCESTORS in all.
        """
        by_uid, moved = self._by_uid.mutate(), set()
        members = _MemberChanges(self._members)
        for uid, entity in changes.items():
            old = self._by_uid.get(uid)
            before, after = _parents(old), _parents(entity)
            if before != after or (old is None) != (entity is None):
                moved.add(uid)
                members.move(uid, before - after, after - before)
            if entity is None:
                by_uid.pop(uid, None)
            else:
                ancestors = old.ancestors if old is not None else frozenset()
                by_uid[uid] = Entity(uid, entity.attrs, one_of_equal(entity.parents), entity.tags, ancestors)
        unclosed = Hierarchy(by_uid.finish(), members.finish(), self._ancestors)
        return unclosed._closed_below(moved, self) if moved else unclosed

    def _closed_below(self, moved: set[EntityUID], before: "Hierarchy") -> "Hierarchy":
        """With the ancestors of all below `moved` computed anew."""
        parents = {uid: self._by_uid[uid].parents for uid in self.below(moved)}
        above = {
            uid: entity.ancestors
            for uid in set(chain.from_iterable(parents.values())) - parents.keys()
            if (entity := self._by_uid.get(uid)) is not None
        }
        closed = close_hierarchy(parents, above)
        by_uid, total = self._by_uid.mutate(), before._ancestors
        for uid in moved | parents.keys():
            total -= len(_ancestors(before.get(uid)))
        for uid in parents:
            total += len(closed[uid])
            entity, ancestors = self._by_uid[uid], one_of_equal(closed[uid])
            by_uid[uid] = Entity(uid, entity.attrs, entity.parents, entity.tags, ancestors)
        if total > MAX_ANCESTORS:
            raise EntityError(
                f"the hierarchy is too large: its entities would have {total} ancestors",
                help=f"a store may hold {MAX_ANCESTORS} in all; make the chains of parents shorter",
            )
        return Hierarchy(by_uid.finish(), self._members, total)


@final
class _MemberChanges:
    """Who is directly in whom, while it changes. Each group's map is opened once, however many join it."""

    def __init__(self, members: Map[EntityUID, _Members]) -> None:
        self._members: Final = members
        self._open: Final[dict[EntityUID, dict[EntityUID, bool]]] = {}

    def move(self, uid: EntityUID, left: frozenset[EntityUID], joined: frozenset[EntityUID]) -> None:
        for group in left:
            self._open.setdefault(group, {})[uid] = False
        for group in joined:
            self._open.setdefault(group, {})[uid] = True

    def finish(self) -> Map[EntityUID, _Members]:
        members = self._members.mutate()
        for group, moves in self._open.items():
            inside = self._members.get(group, _NOBODY).mutate()
            for uid, joins in moves.items():
                if joins:
                    inside[uid] = None
                else:
                    inside.pop(uid, None)
            after = inside.finish()
            if after:
                members[group] = after
            else:
                members.pop(group, None)
        return members.finish()


def _parents(entity: Entity | None) -> frozenset[EntityUID]:
    return frozenset() if entity is None else entity.parents


def _ancestors(entity: Entity | None) -> frozenset[EntityUID]:
    return frozenset() if entity is None else entity.ancestors

"""Entities and their hierarchy (`Cedar/Spec/Entities.lean`).

An entity's `ancestors` are the transitive closure of its parents, computed once when the store is built. A parent
that is not in the store is allowed, counts as an ancestor, and has no ancestors of its own.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, final

from pdp.cedar.errors import EntityError
from pdp.cedar.values import EntityUID, Record, Value

_NO_VALUES: Final[Mapping[str, Value]] = {}
_NO_UIDS: Final[frozenset[EntityUID]] = frozenset()


@final
@dataclass(frozen=True, slots=True)
class Entity:
    """One entity. `attrs` and `tags` are separate name spaces and must not be changed after construction."""

    uid: EntityUID
    attrs: Mapping[str, Value] = field(default_factory=lambda: _NO_VALUES)
    parents: frozenset[EntityUID] = _NO_UIDS
    tags: Mapping[str, Value] = field(default_factory=lambda: _NO_VALUES)
    ancestors: frozenset[EntityUID] = field(default=_NO_UIDS, compare=False, repr=False)

    def same_as(self, other: "Entity") -> bool:
        """Equal as Cedar values (Python's `==` would take `True` for `1` in an attribute)."""
        return (
            self.uid == other.uid
            and self.parents == other.parents
            and Record(self.attrs) == Record(other.attrs)
            and Record(self.tags) == Record(other.tags)
        )


@final
class Entities:
    """An immutable store of entities by uid, with closed ancestors."""

    __slots__ = ("_by_uid",)

    def __init__(self, entities: Iterable[Entity] = ()) -> None:
        """Raises EntityError for a cycle, or for one uid given twice with different contents."""
        given: dict[EntityUID, Entity] = {}
        for entity in entities:
            first = given.setdefault(entity.uid, entity)
            if first is not entity and not first.same_as(entity):
                raise EntityError(
                    f"entity `{entity.uid}` is given twice with different contents",
                    help="keep one entry for each entity",
                )
        closure = _close({uid: entity.parents for uid, entity in given.items()})
        self._by_uid: Final = {
            uid: Entity(uid, entity.attrs, entity.parents, entity.tags, closure[uid]) for uid, entity in given.items()
        }

    def get(self, uid: EntityUID) -> Entity | None:
        """The entity, or None when the store does not hold it."""
        return self._by_uid.get(uid)

    def as_mapping(self) -> Mapping[EntityUID, Entity]:
        """The store itself, to be read and never changed."""
        return self._by_uid

    def with_entities(self, extra: Iterable[Entity]) -> "Entities":
        """A store with these added; one that is present already is replaced."""
        merged = dict(self._by_uid)
        merged.update((entity.uid, entity) for entity in extra)
        return Entities(merged.values())

    def __iter__(self) -> Iterator[Entity]:
        return iter(self._by_uid.values())

    def __len__(self) -> int:
        return len(self._by_uid)

    def __contains__(self, uid: EntityUID) -> bool:
        return uid in self._by_uid


def _close(parents: Mapping[EntityUID, frozenset[EntityUID]]) -> dict[EntityUID, frozenset[EntityUID]]:
    """Ancestors of every uid, depth first without recursion: a chain may be as long as the store."""
    closed: dict[EntityUID, frozenset[EntityUID]] = {}
    for root in parents:
        if root in closed:
            continue
        path: dict[EntityUID, Iterator[EntityUID]] = {root: iter(parents[root])}
        while path:
            uid, pending = next(reversed(path.items()))
            parent = next((p for p in pending if p not in closed and p in parents), None)
            if parent is None:
                direct = parents[uid]
                closed[uid] = direct.union(*(closed.get(p, _NO_UIDS) for p in direct))
                del path[uid]
            elif parent in path:
                cycle = list(path)[list(path).index(parent) :]
                raise EntityError(
                    "the hierarchy has a cycle: " + " in ".join(f"`{step}`" for step in (*cycle, parent)),
                    help="remove one of these parents; an entity cannot be its own ancestor",
                )
            else:
                path[parent] = iter(parents[parent])
    return closed

"""Entities and their hierarchy (`Cedar/Spec/Entities.lean`).

An entity's `ancestors` are the transitive closure of its parents, computed once when the store is built. A parent
that is not in the store is allowed, counts as an ancestor, and has no ancestors of its own.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, final

from pdp.cedar.errors import EntityError
from pdp.cedar.limits import MAX_ANCESTORS
from pdp.cedar.values import EntityUID, Record, Value

_NO_VALUES: Final[Mapping[str, Value]] = {}
_NO_UIDS: Final[frozenset[EntityUID]] = frozenset()
_SHOWN_CYCLE: Final = 8


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
    """An immutable store of entities by uid, with closed ancestors.

    `lookup(uid)` gives the entity, or None when the store does not hold it. It is an attribute and not a method because
    it is the hottest call there is: compiled policies bind it once per decision.
    """

    __slots__ = ("_by_uid", "_overlay", "lookup")

    lookup: Callable[[EntityUID], Entity | None]

    def __init__(self, entities: Iterable[Entity] = ()) -> None:
        """Raises EntityError for a cycle, one uid given twice with different contents, or more than MAX_ANCESTORS."""
        given: dict[EntityUID, Entity] = {}
        for entity in entities:
            first = given.setdefault(entity.uid, entity)
            if first is not entity and not first.same_as(entity):
                raise EntityError(
                    f"entity `{entity.uid}` is given twice with different contents",
                    uid=entity.uid,
                    help="keep one entry for each entity",
                )
        closure = close_hierarchy({uid: entity.parents for uid, entity in given.items()}, {})
        # Many entities are in the same groups: equal sets are kept once.
        kept: dict[frozenset[EntityUID], frozenset[EntityUID]] = {}
        self._by_uid: Mapping[EntityUID, Entity] = {
            uid: Entity(
                uid,
                entity.attrs,
                kept.setdefault(entity.parents, entity.parents),
                entity.tags,
                kept.setdefault(closure[uid], closure[uid]),
            )
            for uid, entity in given.items()
        }
        self._overlay: Mapping[EntityUID, Entity] = {}
        self.lookup = self._by_uid.get

    @classmethod
    def of_closed(cls, by_uid: Mapping[EntityUID, Entity]) -> "Entities":
        """A store over entities whose ancestors are closed already. The mapping is kept and must not change."""
        store = cls()
        store._by_uid = by_uid
        store.lookup = by_uid.get
        return store

    def get(self, uid: EntityUID) -> Entity | None:
        """The entity, or None when the store does not hold it."""
        return self.lookup(uid)

    def overlaid(self, entity: Entity) -> "Entities":
        """The store with one entity put in place of what it says of that uid; costs nothing per stored entity.

        The entity's ancestors are closed over the store. Entities below it keep the ancestors they have: an overlay is
        for what a credential says of its own subject, and must not lend the subject's groups to anything else.
        """
        direct = entity.parents
        above = (self.lookup(parent) for parent in direct)
        ancestors = direct.union(*(parent.ancestors for parent in above if parent is not None))
        if entity.uid in ancestors:
            raise EntityError(
                f"`{entity.uid}` cannot be its own ancestor", uid=entity.uid, help="remove it from its own groups"
            )
        closed = Entity(entity.uid, entity.attrs, direct, entity.tags, ancestors)
        layered = Entities()
        layered._by_uid = self._by_uid
        layered._overlay = overlay = {**self._overlay, entity.uid: closed}
        base = self._by_uid.get
        layered.lookup = lambda uid: overlay.get(uid) or base(uid)
        return layered

    def __iter__(self) -> Iterator[Entity]:
        return iter({**self._by_uid, **self._overlay}.values() if self._overlay else self._by_uid.values())

    def __len__(self) -> int:
        return len(self._by_uid) + sum(uid not in self._by_uid for uid in self._overlay)

    def __contains__(self, uid: EntityUID) -> bool:
        return self.lookup(uid) is not None


@lru_cache(maxsize=4096)
def one_of_equal(uids: frozenset[EntityUID]) -> frozenset[EntityUID]:
    """The set, or an equal one that was kept lately: many entities are in the same groups, and sets are large."""
    return uids


def close_hierarchy(
    parents: Mapping[EntityUID, frozenset[EntityUID]], known: Mapping[EntityUID, frozenset[EntityUID]]
) -> dict[EntityUID, frozenset[EntityUID]]:
    """Ancestors of every uid of `parents`, and those that are `known`. Raises EntityError as `Entities` does.

    Depth first without recursion: a chain may be as long as the store.
    """
    closed = dict(known)
    total = 0
    for root in parents:
        if root in closed:
            continue
        path: dict[EntityUID, Iterator[EntityUID]] = {root: iter(parents[root])}
        while path:
            uid, pending = next(reversed(path.items()))
            parent = next((p for p in pending if p not in closed and p in parents), None)
            if parent is None:
                closed[uid] = ancestors = _with_ancestors(parents[uid], closed)
                total += len(ancestors)
                if total > MAX_ANCESTORS:
                    raise EntityError(
                        f"the hierarchy is too large: `{uid}` and the entities before it have {total} ancestors",
                        uid=uid,
                        help=f"a store may hold {MAX_ANCESTORS} in all; make the chains of parents shorter",
                    )
                del path[uid]
            elif parent in path:
                raise _cycle(list(path), parent)
            else:
                path[parent] = iter(parents[parent])
    return closed


def _with_ancestors(
    direct: frozenset[EntityUID], closed: Mapping[EntityUID, frozenset[EntityUID]]
) -> frozenset[EntityUID]:
    """Parents and their ancestors; the same object as `direct` where there are no more, to save memory."""
    above = [ancestors for ancestors in map(closed.get, direct) if ancestors]
    return direct.union(*above) if above else direct


def _cycle(path: list[EntityUID], parent: EntityUID) -> EntityError:
    """The error for a path whose last entity has a parent on the path."""
    cycle = path[path.index(parent) :]
    steps = [f"`{step}`" for step in (*cycle, parent)]
    if len(cycle) > _SHOWN_CYCLE:
        steps[_SHOWN_CYCLE:-1] = [f"({len(cycle) - _SHOWN_CYCLE} more)"]
    return EntityError(
        "the hierarchy has a cycle: " + " in ".join(steps),
        uid=parent,
        help="remove one of these parents; an entity cannot be its own ancestor",
    )

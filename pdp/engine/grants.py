"""Who was granted what, found by whom a request is for and what it is about. Persistent, as the facts are: a change
gives a new index and leaves the old one as it was.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final, TypeAlias, final

from immutables import Map

from pdp.cedar.policy import Link, Slot
from pdp.cedar.values import EntityUID
from pdp.context.facts import Grant

Held: TypeAlias = Map[EntityUID, tuple[Grant, ...]]
"""The grants of one holder by the resource that they name."""

GrantIndex: TypeAlias = Map[EntityUID, Held]
"""All grants by the holder that they name, and by resource."""

_NOTHING: Final[Held] = Map()
_NO_GRANTS: Final[GrantIndex] = Map()


def index_grants(grants: Iterable[Grant]) -> GrantIndex:
    """The index of all grants, in their order."""
    found: defaultdict[EntityUID, defaultdict[EntityUID, list[Grant]]] = defaultdict(lambda: defaultdict(list))
    for grant in grants:
        found[grant.principal][grant.resource].append(grant)
    return _NO_GRANTS.update({holder: _held(by_resource) for holder, by_resource in found.items()})


def _held(by_resource: Mapping[EntityUID, list[Grant]]) -> Held:
    return _NOTHING.update({resource: tuple(grants) for resource, grants in by_resource.items()})


def reindexed(index: GrantIndex, gone: Iterable[Grant], come: Iterable[Grant]) -> GrantIndex:
    """The index without some grants, and with others."""
    for grant in gone:
        held = index.get(grant.principal, _NOTHING)
        left = tuple([other for other in held.get(grant.resource, ()) if other.id != grant.id])
        held = held.set(grant.resource, left) if left else held.delete(grant.resource)
        index = index.set(grant.principal, held) if held else index.delete(grant.principal)
    for grant in come:
        held = index.get(grant.principal, _NOTHING)
        held = held.set(grant.resource, (*held.get(grant.resource, ()), grant))
        index = index.set(grant.principal, held)
    return index


def grants_near(index: GrantIndex, holders: Iterable[EntityUID], resources: Collection[EntityUID]) -> Iterator[Grant]:
    """The grants that name one of these holders and one of these resources."""
    for holder in holders:
        held = index.get(holder)
        if held is None:
            continue
        if len(held) < len(resources):
            for resource, grants in held.items():
                if resource in resources:
                    yield from grants
        else:
            for resource in resources:
                yield from held.get(resource, ())


def link_of(grant: Grant) -> Link:
    """The link that a grant is. It fills both slots, always."""
    return Link(grant.id, grant.template_id, {Slot.PRINCIPAL: grant.principal, Slot.RESOURCE: grant.resource})


@final
class GrantLinks(Mapping[str, Link]):
    """The links that grants are, made when they are asked for: a million of them take no memory."""

    __slots__ = ("_grants",)

    def __init__(self, grants: Mapping[str, Grant]) -> None:
        self._grants: Final = grants

    def __getitem__(self, id: str) -> Link:
        return link_of(self._grants[id])

    def __contains__(self, id: object) -> bool:
        return id in self._grants

    def __iter__(self) -> Iterator[str]:
        return iter(self._grants)

    def __len__(self) -> int:
        return len(self._grants)

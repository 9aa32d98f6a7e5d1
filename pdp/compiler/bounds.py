"""Bounds: the two sides of a policy's scope, taken apart."""

from dataclasses import dataclass
from typing import assert_never, final

from pdp.cedar.policy import EntityOrSlot, Scope, ScopeAny, ScopeEq, ScopeIn, ScopeIs, ScopeIsIn


@final
@dataclass(frozen=True, slots=True)
class Bounds:
    """One side of a scope: the entity to be or to be under, and the type to be of; None where it does not say.

    `exact`: to be that entity (`==`), not also to be under it (`in`).
    """

    entity: EntityOrSlot | None = None
    entity_type: str | None = None
    exact: bool = False


def bounds(scope: Scope) -> Bounds:
    """The scope of a principal or of a resource, taken apart."""
    match scope:
        case ScopeAny():
            return Bounds()
        case ScopeEq(entity):
            return Bounds(entity, exact=True)
        case ScopeIn(entity):
            return Bounds(entity)
        case ScopeIs(entity_type):
            return Bounds(entity_type=entity_type)
        case ScopeIsIn(entity_type, entity):
            return Bounds(entity, entity_type)
        case _:
            assert_never(scope)

"""Scopes as tuples of plain values, and back. A slot is its text, an entity a pair of texts."""

from functools import cache
from typing import Final, assert_never

from pdp.cedar.policy import (
    ActionIn,
    ActionScope,
    EntityOrSlot,
    Scope,
    ScopeAny,
    ScopeEq,
    ScopeIn,
    ScopeIs,
    ScopeIsIn,
    Slot,
)
from pdp.cedar.source import Span
from pdp.cedar.values import EntityUID
from pdp.compiler.bounds import Bounds
from pdp.policies.built.expressions import Packed

_SLOTS: Final = {slot.value: slot for slot in Slot}


def pack_scope(scope: Scope) -> Packed:
    """The scope of a principal or a resource, places included."""
    match scope:
        case ScopeAny():
            return ("any",)
        case ScopeEq(entity):
            return ("eq", _spans(scope.spans), _entity(entity))
        case ScopeIn(entity):
            return ("in", _spans(scope.spans), _entity(entity))
        case ScopeIs(entity_type):
            return ("is", _spans(scope.spans), entity_type)
        case ScopeIsIn(entity_type, entity):
            return ("is in", _spans(scope.spans), entity_type, _entity(entity))
        case _:
            assert_never(scope)


def unpack_scope(packed: Packed) -> Scope:
    """What `pack_scope` was given. Raises ValueError, TypeError or KeyError for what it did not give."""
    match packed:
        case ("any",):
            return ScopeAny()
        case ("eq", spans, entity):
            return ScopeEq(_unpack_entity(entity), spans=_unpack_spans(spans))
        case ("in", spans, entity):
            return ScopeIn(_unpack_entity(entity), spans=_unpack_spans(spans))
        case ("is", spans, entity_type):
            return ScopeIs(entity_type, spans=_unpack_spans(spans))
        case ("is in", spans, entity_type, entity):
            return ScopeIsIn(entity_type, _unpack_entity(entity), spans=_unpack_spans(spans))
        case _:
            raise ValueError(packed)


def pack_action_scope(scope: ActionScope, *, places: bool) -> Packed:
    """The scope of an action; without `places`, scopes that are equal are packed alike."""
    match scope:
        case ScopeAny():
            return ("any",)
        case ScopeEq(entity):
            return ("eq", _spans(scope.spans if places else ()), _entity(entity))
        case ActionIn(entities):
            return ("in", _spans(scope.spans if places else ()), tuple(map(_entity, entities)))
        case _:
            assert_never(scope)


def unpack_action_scope(packed: Packed) -> ActionScope:
    """What `pack_action_scope` was given. Raises ValueError, TypeError or KeyError for what it did not give."""
    match packed:
        case ("any",):
            return ScopeAny()
        case ("eq", spans, entity):
            return ScopeEq(_unpack_entity(entity), spans=_unpack_spans(spans))
        case ("in", spans, entities):
            return ActionIn(tuple([EntityUID(*entity) for entity in entities]), spans=_unpack_spans(spans))
        case _:
            raise ValueError(packed)


def pack_bounds(bounds: Bounds) -> Packed:
    """One side of a scope, taken apart."""
    return (None if bounds.entity is None else _entity(bounds.entity), bounds.entity_type, bounds.exact)


@cache
def _nothing_named(entity_type: str | None, exact: bool) -> Bounds:
    return Bounds(entity_type=entity_type, exact=exact)


def unpack_bounds(packed: Packed) -> Bounds:
    """What `pack_bounds` was given. Raises ValueError, TypeError or KeyError for what it did not give."""
    entity, entity_type, exact = packed
    if entity is None:
        return _nothing_named(entity_type, exact)
    return Bounds(_unpack_entity(entity), entity_type, exact)


def _entity(entity: EntityOrSlot) -> str | tuple[str, ...]:
    return entity.value if isinstance(entity, Slot) else tuple(entity)


def _unpack_entity(packed: str | tuple[str, str]) -> EntityOrSlot:
    return _SLOTS[packed] if isinstance(packed, str) else EntityUID(*packed)


def _spans(spans: tuple[Span, ...]) -> Packed:
    return tuple([offset for span in spans for offset in span])


def _unpack_spans(packed: tuple[int, ...]) -> tuple[Span, ...]:
    return tuple([Span(*packed[at : at + 2]) for at in range(0, len(packed), 2)])

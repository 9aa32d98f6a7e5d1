"""Resolved schemas as tuples of plain values, and back.

Types are numbered, each once: a common type that is used twice stays one object, as `schema.types` promises.
"""

from collections.abc import Mapping
from typing import Final, TypeAlias, assert_never, final

from pdp.cedar.schema.model import Action, EntityType, EnumEntityType, Schema, StandardEntityType
from pdp.cedar.schema.types import (
    BUILT_IN,
    NO_ANNOTATIONS,
    Annotations,
    Attribute,
    ExtensionType,
    PrimitiveType,
    RecordType,
    ReferenceType,
    SetType,
    Type,
)
from pdp.cedar.values import EntityUID
from pdp.policies.built.expressions import Packed

_Attributes: TypeAlias = Mapping[str, Attribute]


def pack_schema(schema: Schema) -> Packed:
    """A schema: its types, entity types and actions."""
    types = _Types()
    entity_types = tuple([_pack_entity_type(declared, types) for declared in schema.entity_types.values()])
    actions = tuple([_pack_action(action, types) for action in schema.actions.values()])
    return tuple(types.packed), entity_types, actions


def unpack_schema(packed: Packed) -> Schema:
    """What `pack_schema` was given. Raises ValueError, TypeError, KeyError or IndexError for what it did not give."""
    packed_types, entity_types, actions = packed
    types: list[Type] = []
    for each in packed_types:
        types.append(_unpack_type(each, types))
    declared = [_unpack_entity_type(each, types) for each in entity_types]
    acts = [_unpack_action(each, types) for each in actions]
    return Schema({each.name: each for each in declared}, {each.uid: each for each in acts})


@final
class _Types:
    """Types by number, whatever a type is made of before itself."""

    def __init__(self) -> None:
        self.packed: Final[list[Packed]] = []
        self._numbers: Final[dict[int, int]] = {}
        self._held: Final[list[Type]] = []  # or an `id` could be another's

    def number(self, type: Type) -> int:
        """The number of a type. Recurses: types are bounded in depth where they are read."""
        known = self._numbers.get(id(type))
        if known is None:
            self.packed.append(self._pack(type))
            self._held.append(type)
            known = self._numbers[id(type)] = len(self.packed) - 1
        return known

    def _pack(self, type: Type) -> Packed:
        match type:
            case PrimitiveType() | ExtensionType():
                return ("built in", type.value)
            case ReferenceType(entity_type):
                return ("reference", entity_type)
            case SetType(element):
                return ("set", self.number(element))
            case RecordType(attributes):
                return ("record", self.attributes(attributes))
            case _:
                assert_never(type)

    def attributes(self, attributes: _Attributes) -> Packed:
        """The attributes of a record."""
        return tuple(
            [
                (name, self.number(each.type), each.required, _pack_annotations(each.annotations))
                for name, each in attributes.items()
            ]
        )


def _unpack_type(packed: Packed, types: list[Type]) -> Type:
    match packed:
        case ("built in", name):
            return BUILT_IN[name]
        case ("reference", entity_type):
            return ReferenceType(entity_type)
        case ("set", element):
            return SetType(types[element])
        case ("record", attributes):
            return RecordType(_unpack_attributes(attributes, types))
        case _:
            raise ValueError(packed)


def _unpack_attributes(packed: Packed, types: list[Type]) -> _Attributes:
    return {
        name: Attribute(types[number], required, _unpack_annotations(annotations))
        for name, number, required, annotations in packed
    }


def _pack_entity_type(declared: EntityType, types: _Types) -> Packed:
    annotations = _pack_annotations(declared.annotations)
    match declared:
        case StandardEntityType():
            tags = None if declared.tags is None else types.number(declared.tags)
            record = types.number(declared.attributes)
            return ("standard", declared.name, record, tags, tuple(sorted(declared.ancestors)), annotations)
        case EnumEntityType():
            return ("enum", declared.name, tuple(sorted(declared.ids)), annotations)
        case _:
            assert_never(declared)


def _unpack_entity_type(packed: Packed, types: list[Type]) -> EntityType:
    match packed:
        case ("standard", name, record, tags, ancestors, annotations):
            return StandardEntityType(
                name,
                _record(types[record]),
                None if tags is None else types[tags],
                frozenset(ancestors),
                _unpack_annotations(annotations),
            )
        case ("enum", name, ids, annotations):
            return EnumEntityType(name, frozenset(ids), _unpack_annotations(annotations))
        case _:
            raise ValueError(packed)


def _pack_action(action: Action, types: _Types) -> Packed:
    return (
        tuple(action.uid),
        tuple(sorted(map(tuple, action.ancestors))),
        tuple(sorted(action.principal_types)),
        tuple(sorted(action.resource_types)),
        types.number(action.context),
        _pack_annotations(action.annotations),
    )


def _unpack_action(packed: Packed, types: list[Type]) -> Action:
    uid, ancestors, principal_types, resource_types, context, annotations = packed
    return Action(
        EntityUID(*uid),
        frozenset([EntityUID(*each) for each in ancestors]),
        frozenset(principal_types),
        frozenset(resource_types),
        _record(types[context]),
        _unpack_annotations(annotations),
    )


def _record(type: Type) -> RecordType:
    if not isinstance(type, RecordType):
        raise TypeError(type)
    return type


def _pack_annotations(annotations: Annotations) -> Packed:
    return tuple(annotations.items())


def _unpack_annotations(packed: Packed) -> Annotations:
    return dict(packed) if packed else NO_ANNOTATIONS

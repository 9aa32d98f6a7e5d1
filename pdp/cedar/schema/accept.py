"""Types to predicates: whether a value, an entity, a request has its declared type. The fast half of `conform`.

A predicate answers yes or no, in the order that is cheapest, and says nothing about why; `faults` does, slowly, once
something is wrong. Both are derived from the same types, and the tests hold them together.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias, assert_never, final

from pdp.cedar.entities import Entity
from pdp.cedar.request import Request
from pdp.cedar.schema.types import (
    CLASSES,
    ExtensionType,
    PrimitiveType,
    RecordType,
    ReferenceType,
    SetType,
    Type,
)
from pdp.cedar.values import EntityUID, Record, Set, Value

Ids: TypeAlias = Mapping[str, frozenset[str]]
"""The entity types, actions included, whose ids are declared one by one, with these ids."""

AcceptsEntity: TypeAlias = Callable[[Entity], bool]
AcceptsRequest: TypeAlias = Callable[[Request], bool]
_AcceptsValue: TypeAlias = Callable[[Any], bool]


@final
class Compiler:
    """Builds the predicates of one schema; what is used in many places is built once."""

    __slots__ = ("_built", "_ids")

    def __init__(self, ids: Ids) -> None:
        self._ids: Final = ids
        # By identity: comparing types by structure would walk a shared part as often as it is used. A type is kept
        # beside its predicate, so that its identity is not given to another one meanwhile.
        self._built: Final[dict[int, tuple[Type, _AcceptsValue]]] = {}

    def entity(
        self, entity_type: str, attributes: RecordType, tags: Type | None, ancestors: frozenset[str]
    ) -> AcceptsEntity:
        """Accepts the entities of a type: its own attributes, tags of one type (None: no tag), ancestors of these."""
        accepts_id = _reference(entity_type, self._ids.get(entity_type))
        accepts_attributes = self._attributes(attributes)
        accepts_tags = None if tags is None else self._values(tags)
        ids = self._ids

        def accepts_ancestor(ancestor: EntityUID) -> bool:
            allowed = ids.get(ancestor.type)
            return ancestor.type in ancestors and (allowed is None or ancestor.id in allowed)

        def accepts(entity: Entity) -> bool:
            return (
                accepts_id(entity.uid)
                and accepts_attributes(entity.attrs)
                and (not entity.tags or (accepts_tags is not None and accepts_tags(entity.tags.values())))
                and all(map(accepts_ancestor, entity.parents | entity.ancestors))
            )

        return accepts

    def request(
        self, principal_types: frozenset[str], resource_types: frozenset[str], context: RecordType
    ) -> AcceptsRequest:
        """Accepts the requests for an action that applies to these types, with a context of this type."""
        principals = {name: self._ids.get(name) for name in principal_types}
        resources = {name: self._ids.get(name) for name in resource_types}
        accepts_context = self._attributes(context)

        def accepts(request: Request) -> bool:
            principal, resource = request.principal, request.resource
            if principal.type not in principals or resource.type not in resources:
                return False
            ids = principals[principal.type]
            if ids is not None and principal.id not in ids:
                return False
            ids = resources[resource.type]
            if ids is not None and resource.id not in ids:
                return False
            return accepts_context(request.context.fields)

        return accepts

    def _attributes(self, record: RecordType) -> Callable[[Mapping[str, Value]], bool]:
        plain: dict[str, type] = {}
        others: dict[str, _AcceptsValue] = {}
        for name, attribute in record.attributes.items():
            if isinstance(attribute.type, PrimitiveType | ExtensionType):
                plain[name] = CLASSES[attribute.type]
            else:
                others[name] = self._value(attribute.type)
        required = frozenset(name for name, attribute in record.attributes.items() if attribute.required)
        count = len(record.attributes)

        def accepts(fields: Mapping[str, Value]) -> bool:
            for name, value in fields.items():
                if plain.get(name) is not type(value):
                    accepts_value = others.get(name)
                    if accepts_value is None or not accepts_value(value):
                        return False
            # Every name is a declared one: as many of them as there are declared leaves none to be missing.
            return len(fields) == count or fields.keys() >= required

        return accepts

    def _values(self, expected: Type) -> Callable[[Iterable[Value]], bool]:
        accepts_value = self._value(expected)
        return lambda values: all(map(accepts_value, values))

    def _value(self, expected: Type) -> _AcceptsValue:
        known = self._built.get(id(expected))
        if known is None:
            self._built[id(expected)] = known = expected, self._build(expected)
        return known[1]

    def _build(self, expected: Type) -> _AcceptsValue:
        match expected:
            case PrimitiveType() | ExtensionType():
                value_class = CLASSES[expected]
                return lambda value: type(value) is value_class
            case ReferenceType(entity_type):
                return _reference(entity_type, self._ids.get(entity_type))
            case SetType(element):
                accepts_elements = self._values(element)
                return lambda value: type(value) is Set and accepts_elements(value.elements)
            case RecordType():
                accepts_fields = self._attributes(expected)
                return lambda value: type(value) is Record and accepts_fields(value.fields)
            case _:
                assert_never(expected)


def _reference(entity_type: str, ids: frozenset[str] | None) -> _AcceptsValue:
    if ids is None:
        return lambda value: type(value) is EntityUID and value.type == entity_type
    return lambda value: type(value) is EntityUID and value.type == entity_type and value.id in ids

"""What the store and the schema say about values of which only the shape is known.

Without a schema only the store speaks, and only about entities that are known. With one, every request, every entity of
the store and its hierarchy is taken to be as declared: whoever gives a schema has checked that.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final, NamedTuple, TypeAlias, final

from pdp.cedar.entities import Entities
from pdp.cedar.nodes import Var
from pdp.cedar.schema.model import EntityType, Schema
from pdp.cedar.schema.types import RecordType
from pdp.cedar.values import EntityUID, Record, Set, equal
from pdp.evaluate import operators
from pdp.evaluate.partial.shapes import (
    ANYTHING,
    NEVER,
    Either,
    Exactly,
    Records,
    References,
    Shape,
    class_of,
    element,
    join,
    join_all,
    references,
)

Certainty: TypeAlias = bool | None
"""True and False are certain, None is not known."""


class Part(NamedTuple):
    """Whether an attribute or a tag is there, and its shape where it is."""

    there: Certainty
    shape: Shape


_ABSENT: Final = Part(False, NEVER)
_ANY_PART: Final = Part(None, ANYTHING)


@final
class World:
    """The store, the schema if there is one, and the shapes of the four variables."""

    def __init__(self, variables: Mapping[Var, Shape], entities: Entities, schema: Schema | None) -> None:
        self.variables: Final = variables
        self.entities: Final = entities
        self._schema: Final = schema

    def attribute(self, shape: Shape, name: str) -> Part:
        """An attribute of a record or an entity; of anything else nothing is known."""
        match shape:
            case Exactly(Record(fields=fields)):
                return Part(True, Exactly(fields[name])) if name in fields else _ABSENT
            case Exactly(EntityUID() as uid):
                stored = self.entities.get(uid)
                if stored is None or name not in stored.attrs:
                    return _ABSENT
                return Part(True, Exactly(stored.attrs[name]))
            case Records(known, others):
                field = known.get(name)
                if field is None:
                    return _ANY_PART if others else _ABSENT
                return Part(field.required or None, field.shape)
            case Either(left, right):
                first, second = self.attribute(left, name), self.attribute(right, name)
                return Part(first.there if first.there is second.there else None, join(first.shape, second.shape))
            case RecordType(attributes):
                declared = attributes.get(name)
                return _ABSENT if declared is None else Part(declared.required or None, declared.type)
            case _:
                return self._entity_attribute(references(shape), name)

    def _entity_attribute(self, entity: References, name: str) -> Part:
        declared = self._declared(entity)
        if declared is None:
            return _ANY_PART
        attributes = [each.attributes.attributes.get(name) for each in declared if each is not None]
        found = [attribute for attribute in attributes if attribute is not None]
        if not found:
            return _ABSENT
        always = entity.stored and len(found) == len(declared) and all(attribute.required for attribute in found)
        return Part(always or None, join_all(attribute.type for attribute in found))

    def tag(self, entity: References) -> Part:
        """Any tag of an entity: never certain to be there, and certain not to be where no type has tags."""
        declared = self._declared(entity)
        if declared is None:
            return _ANY_PART
        found = [each.tags for each in declared if each is not None and each.tags is not None]
        return Part(None, join_all(found)) if found else _ABSENT

    def _declared(self, entity: References) -> list[EntityType | None] | None:
        """What the schema says of each type that an entity can have; None if nobody says anything.

        Of an action, and of a type that is not declared, there is nothing to read: the store holds no such attributes.
        """
        if self._schema is None or entity.types is None:
            return None
        return [self._schema.entity_types.get(name) for name in entity.types]

    def join(self, left: Shape, right: Shape) -> Shape:
        """A shape for what has one of two; two entities that are in the store are one that is."""
        joined = join(left, right)
        if isinstance(joined, References) and self._is_stored(left) and self._is_stored(right):
            return replace(joined, stored=True)
        return joined

    def _is_stored(self, shape: Shape) -> bool:
        if isinstance(shape, Exactly):
            return isinstance(shape.value, EntityUID) and shape.value in self.entities
        return references(shape).stored

    def disjoint(self, left: Shape, right: Shape) -> bool:
        """Whether values of these shapes are never equal."""
        if left is NEVER or right is NEVER:
            return True
        common, other = class_of(left), class_of(right)
        if common is None or other is None:
            return False
        if common is not other:
            return True
        if isinstance(left, Exactly) and isinstance(right, Exactly):
            return not equal(left.value, right.value)
        return common is EntityUID and _are_apart(references(left), references(right))

    def membership(self, left: Shape, right: Shape) -> Certainty:
        """What `left in right` is where it has a value; `right` is an entity or a set of them."""
        is_set = class_of(right) is Set
        targets = element(right) if is_set else right
        if targets is NEVER:
            return False
        wanted, entity = references(targets), references(left)
        if isinstance(left, Exactly) and isinstance(left.value, EntityUID):
            return False if _are_apart(_all_of(self._above(left.value)), wanted) else None
        if isinstance(right, Exactly) and entity.uids:
            answers = {operators.is_in(uid, right.value, self.entities.get) for uid in entity.uids}
            return answers.pop() if len(answers) == 1 else None
        return None if self._may_be_related(entity, wanted) else False

    def _above(self, uid: EntityUID) -> frozenset[EntityUID]:
        """An entity and its ancestors."""
        stored = self.entities.get(uid)
        return frozenset((uid,)) if stored is None else stored.ancestors | {uid}

    def _may_be_related(self, entity: References, ancestor: References) -> bool:
        schema, below, above = self._schema, entity.types, ancestor.types
        if schema is None or below is None or above is None:
            return True
        return not below.isdisjoint(above) or any(_may_be_below(schema, name, above) for name in below)


def _may_be_below(schema: Schema, entity_type: str, ancestors: frozenset[str]) -> bool:
    """Whether an entity of a type, or an action, can be below one of these types."""
    declared = schema.entity_types.get(entity_type)
    if declared is not None:
        return not ancestors.isdisjoint(declared.ancestors)
    groups = (action.ancestors for uid, action in schema.actions.items() if uid.type == entity_type)
    return any(group.type in ancestors for each in groups for group in each)


def _all_of(uids: Iterable[EntityUID]) -> References:
    known = frozenset(uids)
    return References(frozenset(uid.type for uid in known), known)


def _are_apart(left: References, right: References) -> bool:
    """Whether no reference is one of both."""
    if left.uids is not None and right.uids is not None:
        return left.uids.isdisjoint(right.uids)
    return left.types is not None and right.types is not None and left.types.isdisjoint(right.types)

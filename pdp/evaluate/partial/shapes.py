"""What is known of a value before there is one: its shape. A shape stands for the set of values that are possible.

    ANYTHING    every value            Exactly(v)      this value
    NEVER       no value at all        References      references to entities, of some types or among some uids
    a schema's types, as they are      Sets, Records   sets and records whose parts have shapes in turn
                                       Either          records of one shape or another

Shapes say nothing about whether there will be a value: an expression of shape `Exactly(False)` is false or fails.
They may stand for too much, never for too little.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, unique
from typing import Final, TypeAlias, assert_never, final

from pdp.cedar.schema.types import (
    ExtensionType,
    PrimitiveType,
    RecordType,
    ReferenceType,
    SetType,
    Type,
    value_class,
)
from pdp.cedar.values import EntityUID, Record, Set, Value, equal, type_name


@unique
class Extreme(Enum):
    """The largest shape and the smallest."""

    ANYTHING = "anything"
    NEVER = "never"


ANYTHING: Final = Extreme.ANYTHING
NEVER: Final = Extreme.NEVER


@final
@dataclass(frozen=True, slots=True, eq=False)
class Exactly:
    """One value. Not compared: Python would take `Exactly(True)` for `Exactly(1)`."""

    value: Value


@final
@dataclass(frozen=True, slots=True)
class References:
    """References to entities: of these types, among these uids, and that the store has. None means no such limit."""

    types: frozenset[str] | None = None
    uids: frozenset[EntityUID] | None = None
    stored: bool = False


@final
@dataclass(frozen=True, slots=True, eq=False)
class Sets:
    """Sets of elements of one shape; NEVER: the empty set alone."""

    element: "Shape"


@final
@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """The shape of a record's field where it is there, and whether it always is."""

    shape: "Shape"
    required: bool = True


@final
@dataclass(frozen=True, slots=True, eq=False)
class Records:
    """Records with these fields; with `others`, perhaps with more of which nothing is known."""

    fields: Mapping[str, Field]
    others: bool = False


@final
@dataclass(frozen=True, slots=True, eq=False)
class Either:
    """Records of one shape or another. Kept apart, since joining them would walk types that may be large."""

    left: "Shape"
    right: "Shape"


Shape: TypeAlias = Extreme | Exactly | References | Sets | Records | Either | Type

BOOL: Final = PrimitiveType.BOOL
_ANY_RECORD: Final = Records({}, others=True)


def class_of(shape: Shape) -> type | None:
    """The Python class that all values of a shape have; None if they may have several, or there is no value."""
    match shape:
        case Extreme():
            return None
        case Exactly(value):
            return type(value)
        case References():
            return EntityUID
        case Sets():
            return Set
        case Records() | Either():
            return Record
        case PrimitiveType() | ExtensionType() | ReferenceType() | SetType() | RecordType():
            return value_class(shape)
        case _:
            assert_never(shape)


def is_exactly(shape: Shape, truth: bool) -> bool:
    """Whether a shape is this one Bool."""
    return isinstance(shape, Exactly) and shape.value is truth


def references(shape: Shape) -> References:
    """The shape of an entity reference, in the one form that can be asked."""
    match shape:
        case References():
            return shape
        case ReferenceType(entity_type):
            return References(frozenset((entity_type,)))
        case Exactly(EntityUID() as uid):
            return References(frozenset((uid.type,)), frozenset((uid,)))
        case _:
            return References()


def element(shape: Shape) -> Shape:
    """The shape of a set's elements; NEVER where only the empty set is possible."""
    match shape:
        case Sets(inner) | SetType(inner):
            return inner
        case Exactly(Set() as value):
            if not value.elements:
                return NEVER
            if value.only_entities:
                uids = frozenset(uid for uid in value.elements if isinstance(uid, EntityUID))
                return References(frozenset(uid.type for uid in uids), uids)
            return join_all(_widened(Exactly(member)) for member in value.elements)
        case _:
            return ANYTHING


def join_all(shapes: Iterable[Shape]) -> Shape:
    """A shape for what has one of these; NEVER of none."""
    joined: Shape = NEVER
    for shape in shapes:
        joined = join(joined, shape)
    return joined


def join(left: Shape, right: Shape) -> Shape:
    """A shape for what has one of two."""
    if left is right or right is NEVER:
        return left
    if left is NEVER:
        return right
    if isinstance(left, Exactly) and isinstance(right, Exactly) and equal(left.value, right.value):
        return left
    common = class_of(left)
    if common is None or common is not class_of(right):
        return ANYTHING
    if common is EntityUID:
        return _join_references(references(left), references(right))
    if common is Set:
        return Sets(join(element(left), element(right)))
    return Either(left, right) if common is Record else _BY_CLASS[common]


def _join_references(left: References, right: References) -> References:
    types = None if left.types is None or right.types is None else left.types | right.types
    uids = None if left.uids is None or right.uids is None else left.uids | right.uids
    return References(types, uids, left.stored and right.stored)


def _widened(shape: Shape) -> Shape:
    """A shape that depends only on the class of the values, but for entities and sets."""
    common = class_of(shape)
    if common is None or common is EntityUID or common is Set:
        return shape
    return _ANY_RECORD if common is Record else _BY_CLASS[common]


_BY_CLASS: Final[Mapping[type, Shape]] = {value_class(each): each for each in (*PrimitiveType, *ExtensionType)}


def describe(shape: Shape) -> str:
    """What messages call the values of a shape, as `values.type_name` does where they are all of one type."""
    common = class_of(shape)
    match shape:
        case Exactly(value):
            return type_name(value)
        case _ if common is None:
            return "something else"
        case _ if common is EntityUID:
            types = references(shape).types or frozenset()
            return f"(entity of type `{min(types)}`)" if len(types) == 1 else "entity"
        case _:
            return _CLASS_NAMES.get(common, common.__name__.lower())


_CLASS_NAMES: Final[Mapping[type, str]] = {bool: "bool", int: "long", str: "string"}

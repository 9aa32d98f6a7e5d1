"""The types of a schema, every name resolved and every common type put in its place (`Cedar/Validation/Types.lean`).

    Bool Long String        PrimitiveType       Set<T>             SetType
    decimal ipaddr ...      ExtensionType       {a: T, b?: T}      RecordType
    an entity type          ReferenceType

Types compare by structure. A common type that is used twice is one object twice, so a small schema can stand for a
large type: whoever walks one is safe within MAX_TYPE_DEPTH levels and MAX_TYPE_SIZE parts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, unique
from typing import Final, TypeAlias, assert_never, final

from pdp.cedar.names import is_bare_name
from pdp.cedar.values import Datetime, Decimal, Duration, EntityUID, IPAddr, Record, Set, quote

Annotations: TypeAlias = Mapping[str, str]
"""Annotations by name; one without a value reads as the empty string."""

NO_ANNOTATIONS: Final[Annotations] = {}


@unique
class PrimitiveType(Enum):
    """A type of plain values, by its Cedar name."""

    BOOL = "Bool"
    LONG = "Long"
    STRING = "String"


@unique
class ExtensionType(Enum):
    """An extension type, by its Cedar name."""

    DECIMAL = "decimal"
    IPADDR = "ipaddr"
    DATETIME = "datetime"
    DURATION = "duration"


@final
@dataclass(frozen=True, slots=True)
class ReferenceType:
    """A reference to an entity of one type, given by its full name; actions have types, too."""

    entity_type: str


@final
@dataclass(frozen=True, slots=True)
class SetType:
    """`Set<element>`."""

    element: "Type"


@final
@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of a record or an entity. Annotations say nothing about the type and do not count in comparisons."""

    type: "Type"
    required: bool = True
    annotations: Annotations = field(default_factory=lambda: NO_ANNOTATIONS, compare=False)


@final
@dataclass(frozen=True, slots=True)
class RecordType:
    """A record of exactly these attributes; of the optional ones, any may be missing."""

    attributes: Mapping[str, Attribute]


Type: TypeAlias = PrimitiveType | ExtensionType | ReferenceType | SetType | RecordType

EMPTY_RECORD_TYPE: Final = RecordType({})

BUILT_IN: Final[Mapping[str, PrimitiveType | ExtensionType]] = {
    type.value: type for type in (*PrimitiveType, *ExtensionType)
}
"""The types that need no declaration, by name. They live in `__cedar`; a declaration may take the short name."""

CLASSES: Final[Mapping[PrimitiveType | ExtensionType, type]] = {
    PrimitiveType.BOOL: bool,
    PrimitiveType.LONG: int,
    PrimitiveType.STRING: str,
    ExtensionType.DECIMAL: Decimal,
    ExtensionType.IPADDR: IPAddr,
    ExtensionType.DATETIME: Datetime,
    ExtensionType.DURATION: Duration,
}


def value_class(type: Type) -> type:
    """The Python class of a type's values."""
    match type:
        case PrimitiveType() | ExtensionType():
            return CLASSES[type]
        case ReferenceType():
            return EntityUID
        case SetType():
            return Set
        case RecordType():
            return Record
        case _:
            assert_never(type)


def show(type: Type) -> str:
    """A type as messages show it: as Cedar writes it, the inside of a record left out."""
    match type:
        case PrimitiveType() | ExtensionType():
            return str(type.value)
        case ReferenceType(entity_type):
            return entity_type
        case SetType(element):
            return f"Set<{show(element)}>"
        case RecordType(attributes):
            return "a record" if attributes else "the empty record"
        case _:
            assert_never(type)


def show_name(name: str) -> str:
    """The name of an attribute as text writes it, in quotes where it needs them."""
    return name if is_bare_name(name) else quote(name)

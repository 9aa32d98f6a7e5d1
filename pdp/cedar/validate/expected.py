"""Operands that must be of one sort, as a Long or a set: what is something else is a fault, with advice."""

from typing import Final

from pdp.cedar.schema.types import ExtensionType, PrimitiveType, RecordType, ReferenceType, SetType
from pdp.cedar.validate.findings import Code, Fault
from pdp.cedar.validate.types import LiteralRecord, StaticType, describe, is_bool

_BOOL: Final = "a Bool"
_LONG: Final = "a Long"
_STRING: Final = "a String"
_SET: Final = "a set"
_ENTITY: Final = "an entity"
ATTRIBUTED: Final = "a record or an entity"
ENTITIES: Final = "an entity or a set of them"

_ADVICE: Final = {
    (_BOOL, SetType): "ask `.isEmpty()` or `.contains(...)` of a set",
    (_BOOL, ReferenceType): "compare an entity by `==`, `in` or `is`",
    (_LONG, "String"): "numbers only: strings cannot be joined, and are not converted",
    (_LONG, "datetime"): "add a duration by `.offset(...)`, subtract a datetime by `.durationSince(...)`",
    (_LONG, "duration"): "durations are not added; take their `.toMilliseconds()` and its kin",
    (_LONG, SetType): "sets cannot be joined; ask `.containsAll(...)` or `.containsAny(...)`",
    (_STRING, ReferenceType): "an entity's id cannot be read; put what is needed into an attribute",
    (_SET, "String"): 'ask a string by `like`, as in `x like "*part*"`',
    (_SET, ReferenceType): "ask an entity by `in`: `x in group`",
    (_SET, RecordType): "ask a record by `has`",
    (_ENTITY, SetType): "ask a set by `.contains(...)`",
    (_ENTITY, "String"): 'an entity is written `Type::"id"`; a string is compared by `==` or `like`',
}
"""What is meant perhaps where one sort is wanted and another is found, and, in the rest of the cases:"""
_GENERAL: Final = {
    _BOOL: "compare it with something, as in `x == 1`",
    _LONG: "only Longs are added, subtracted and multiplied",
    _STRING: "nothing is converted to a String",
    _SET: "a set is written `[a, b]`",
    _ENTITY: 'an entity is written `Type::"id"`',
    ATTRIBUTED: "only records and entities have attributes",
    ENTITIES: "nothing else has members that an entity can be in",
}


def bool_or_fault(type: StaticType, operand: int | None = None) -> StaticType | Fault:
    """The type itself if it is Bool or a part of it."""
    return type if is_bool(type) else unexpected(_BOOL, type, operand)


def long_or_fault(type: StaticType, operand: int | None = None) -> StaticType | Fault:
    """The type itself if it is Long."""
    return type if type is PrimitiveType.LONG else unexpected(_LONG, type, operand)


def string_or_fault(type: StaticType, operand: int | None = None) -> StaticType | Fault:
    """The type itself if it is String."""
    return type if type is PrimitiveType.STRING else unexpected(_STRING, type, operand)


def set_or_fault(type: StaticType, operand: int | None = None) -> SetType | Fault:
    """The type itself if it is a set's."""
    return type if isinstance(type, SetType) else unexpected(_SET, type, operand)


def entity_or_fault(type: StaticType, operand: int | None = None) -> ReferenceType | Fault:
    """The type itself if it is an entity's."""
    return type if isinstance(type, ReferenceType) else unexpected(_ENTITY, type, operand)


def unexpected(wanted: str, found: StaticType, operand: int | None = None) -> Fault:
    """Says that an operand is of another sort than is wanted there, with advice."""
    help = _ADVICE.get((wanted, _sort(found)), _GENERAL[wanted])
    return Fault(Code.TYPE, f"expected {wanted}, found {describe(found)}", help, operand)


def _sort(found: StaticType) -> object:
    match found:
        case PrimitiveType() | ExtensionType():
            return found.value
        case LiteralRecord():
            return RecordType
        case _:
            return found.__class__

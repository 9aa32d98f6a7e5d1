"""The types of expressions: those of a schema, and the singletons True and False (`Cedar/Validation/Subtyping.lean`).

The singletons are what makes dead code visible: `resource is Photo && resource.width > 1` is False for a document, and
what stands behind a False is not looked at.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, unique
from typing import TypeAlias, assert_never, final

from pdp.cedar.schema.types import (
    Attribute,
    ExtensionType,
    PrimitiveType,
    RecordType,
    ReferenceType,
    SetType,
    Type,
    show,
    show_name,
)


@unique
class Truth(Enum):
    """The type of one Bool alone."""

    TRUE = "True"
    FALSE = "False"


@final
@dataclass(frozen=True, slots=True)
class LiteralRecord:
    """The type of a record literal: exactly these fields, all of them there."""

    fields: "Mapping[str, StaticType]"


StaticType: TypeAlias = Type | Truth | LiteralRecord
"""The type of an expression. A set's elements are never singletons: nothing can be taken out of a set."""


def truth(value: bool) -> Truth:
    """The singleton of a Bool."""
    return Truth.TRUE if value else Truth.FALSE


def negated(type: StaticType) -> StaticType:
    """The type of `!x`, given that of `x`, a Bool."""
    return truth(type is Truth.FALSE) if isinstance(type, Truth) else type


def is_bool(type: StaticType) -> bool:
    """Whether it is Bool or a part of it."""
    return type is PrimitiveType.BOOL or isinstance(type, Truth)


def names_of(record: RecordType | LiteralRecord) -> Mapping[str, object]:
    """The attributes of a record, by name."""
    return record.fields if isinstance(record, LiteralRecord) else record.attributes


def field(record: RecordType | LiteralRecord, name: str) -> tuple[StaticType, bool] | None:
    """The type of a record's attribute and whether it is required; None for one that is not declared."""
    if isinstance(record, LiteralRecord):
        found = record.fields.get(name)
        return None if found is None else (found, True)
    declared = record.attributes.get(name)
    return None if declared is None else (declared.type, declared.required)


def join(left: StaticType, right: StaticType) -> StaticType | None:
    """The least upper bound; None when there is none. Strict: equality, but for the singletons of Bool.

    Records join attribute by attribute if they have the same ones, equally optional; two types of entities never do.
    """
    if left is right or left == right:
        return left
    if is_bool(left) and is_bool(right):
        return PrimitiveType.BOOL
    if isinstance(left, LiteralRecord) and isinstance(right, LiteralRecord | RecordType):
        return _join_records(left, right)
    if isinstance(left, RecordType) and isinstance(right, LiteralRecord):
        return _join_records(right, left)
    return None


def _join_records(left: LiteralRecord, right: LiteralRecord | RecordType) -> LiteralRecord | None:
    if left.fields.keys() != names_of(right).keys():
        return None
    joined: dict[str, StaticType] = {}
    for name, type in left.fields.items():
        other = field(right, name)
        if other is None or not other[1] or (both := join(type, other[0])) is None:
            return None
        joined[name] = both
    return LiteralRecord(joined)


def lift(type: StaticType) -> Type:
    """The type as a schema would declare it: singletons become Bool, record literals record types."""
    match type:
        case Truth():
            return PrimitiveType.BOOL
        case LiteralRecord(fields):
            return RecordType({name: Attribute(lift(inner)) for name, inner in fields.items()})
        case PrimitiveType() | ExtensionType() | ReferenceType() | SetType() | RecordType():
            return type
        case _:
            assert_never(type)


def describe(type: StaticType) -> str:
    """What messages call a type."""
    match type:
        case Truth():
            return "`Bool`"
        case LiteralRecord(fields):
            return "a record" if fields else "the empty record"
        case RecordType():
            return show(type)
        case _:
            return f"`{show(type)}`"


def difference(left: StaticType, right: StaticType) -> str:
    """What messages say of two types that do not join: the two, and where they differ, if that is inside of them."""
    return next(_differences(left, right, ""), f"{describe(left)} and {describe(right)}")


def _differences(left: StaticType, right: StaticType, path: str) -> Iterator[str]:
    if join(left, right) is not None:
        return
    if isinstance(left, SetType) and isinstance(right, SetType):
        yield from _differences(left.element, right.element, f"{path}[]")
    elif isinstance(left, RecordType | LiteralRecord) and isinstance(right, RecordType | LiteralRecord):
        for name in (*names_of(left), *(name for name in names_of(right) if name not in names_of(left))):
            ours, theirs = field(left, name), field(right, name)
            inner = f"{path}.{show_name(name)}"
            if ours is None or theirs is None:
                yield f"only one of two records has `{inner}`"
            elif ours[1] != theirs[1]:
                yield f"`{inner}` is optional in only one of two records"
            else:
                yield from _differences(ours[0], theirs[0], inner)
    else:
        yield f"{describe(left)} and {describe(right)}" + (f" at `{path}`" if path else "")

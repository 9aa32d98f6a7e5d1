"""The types of attributes and tags, read and asked for (`Cedar/Validation/Typechecker.lean`).

A rule takes the type of what is read from, and whether the attribute or tag is known to be there. It gives the type of
the whole, or what is wrong with it.
"""

from typing import Final

from pdp.cedar.schema.hints import guess, listed
from pdp.cedar.schema.model import Schema
from pdp.cedar.schema.types import EMPTY_RECORD_TYPE, PrimitiveType, RecordType, ReferenceType, show_name
from pdp.cedar.validate.expected import ATTRIBUTED, entity_or_fault, string_or_fault, unexpected
from pdp.cedar.validate.findings import Code, Fault
from pdp.cedar.validate.types import LiteralRecord, StaticType, Truth, describe, field, names_of

_ASK_ATTRIBUTE: Final = "ask for it first, of the same expression: `x has a && x.a ...`"
_ASK_TAG: Final = "ask for it first, of the same expression and by the same key: `x.hasTag(k) && x.getTag(k) ...`"
_NO_TAGS: Final = "declare them in the schema: `entity ... tags Type;`"


def attributes_of(schema: Schema, type: StaticType) -> RecordType | LiteralRecord | Fault:
    """What attributes values of a type have: a record its own, an entity those of its declaration."""
    match type:
        case RecordType() | LiteralRecord():
            return type
        case ReferenceType(entity_type):
            declared = schema.entity_types.get(entity_type)
            # Actions have no declaration here, and no attributes.
            return EMPTY_RECORD_TYPE if declared is None else declared.attributes
        case _:
            return unexpected(ATTRIBUTED, type, 0)


def read_attribute(schema: Schema, type: StaticType, name: str, *, known: bool) -> StaticType | Fault:
    """`x.name`, given the type of x: the attribute is declared, and required or known to be there."""
    attributes = attributes_of(schema, type)
    if isinstance(attributes, Fault):
        return attributes
    found = field(attributes, name)
    if found is None:
        names = names_of(attributes)
        help = guess(name, names) or (listed("its attributes are", names) if names else "it has no attributes at all")
        return Fault(Code.UNKNOWN_ATTRIBUTE, f"{describe(type)} has no attribute `{show_name(name)}`", help)
    inner, required = found
    if not required and not known:
        return Fault(Code.UNGUARDED_ATTRIBUTE, f"the attribute `{show_name(name)}` may be missing", _ASK_ATTRIBUTE)
    return inner


def has_tag(schema: Schema, entity: StaticType, key: StaticType, *, known: bool) -> StaticType | Fault:
    """`entity.hasTag(key)`."""
    tags = _tags(schema, entity, key)
    if isinstance(tags, Fault):
        return tags
    if tags is None:
        return Truth.FALSE
    return Truth.TRUE if known else PrimitiveType.BOOL


def get_tag(schema: Schema, entity: StaticType, key: StaticType, *, known: bool) -> StaticType | Fault:
    """`entity.getTag(key)`: its type has tags, and this one is known to be there."""
    tags = _tags(schema, entity, key)
    if tags is None:
        return Fault(Code.UNKNOWN_TAG, f"{describe(entity)} has no tags", _NO_TAGS)
    if isinstance(tags, Fault):
        return tags
    return tags if known else Fault(Code.UNGUARDED_TAG, "the tag may be missing", _ASK_TAG)


def _tags(schema: Schema, entity: StaticType, key: StaticType) -> StaticType | Fault | None:
    """The type of an entity's tags; None if it has none."""
    reference, name = entity_or_fault(entity, 0), string_or_fault(key, 1)
    if isinstance(reference, Fault):
        return reference
    if isinstance(name, Fault):
        return name
    declared = schema.entity_types.get(reference.entity_type)
    return None if declared is None else declared.tags

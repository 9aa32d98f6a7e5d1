"""The operators of Cedar as functions on values (`Cedar/Spec/Evaluator.lean`; language reference, "Operators").

Every function raises EvaluationError for what it does not accept; none knows of nodes or policies.
"""

from collections.abc import Callable
from typing import TypeAlias

from pdp.cedar.entities import Entity
from pdp.cedar.errors import ErrorKind, EvaluationError
from pdp.cedar.limits import LONG_MAX, LONG_MIN
from pdp.cedar.nodes import Pattern
from pdp.cedar.values import Datetime, Duration, EntityUID, Record, Set, Value, quote, type_name
from pdp.cedar.wildcard import matches

Lookup: TypeAlias = Callable[[EntityUID], Entity | None]
"""Finds an entity in the store; None when it is not there."""


def type_error(expected: str, got: Value) -> EvaluationError:
    """The error for a value of the wrong type."""
    return EvaluationError(ErrorKind.TYPE, f"expected {expected}, got {type_name(got)}")


def as_bool(value: Value) -> bool:
    """The value itself, if it is a Bool."""
    if value is True or value is False:
        return value
    raise type_error("bool", value)


def as_long(value: Value) -> int:
    """The value itself, if it is a Long."""
    if type(value) is int:
        return value
    raise type_error("long", value)


def as_string(value: Value) -> str:
    """The value itself, if it is a String."""
    if type(value) is str:
        return value
    raise type_error("string", value)


def as_entity(value: Value) -> EntityUID:
    """The value itself, if it is an entity reference."""
    if type(value) is EntityUID:
        return value
    raise type_error("entity", value)


def as_set(value: Value) -> Set:
    """The value itself, if it is a Set."""
    if type(value) is Set:
        return value
    raise type_error("set", value)


def logical_not(value: Value) -> bool:
    """`!a`."""
    return not as_bool(value)


def negate(value: Value) -> int:
    """`-a`."""
    return _in_range(-as_long(value))


def add(left: Value, right: Value) -> int:
    """`a + b`, Long only."""
    return _in_range(as_long(left) + as_long(right))


def subtract(left: Value, right: Value) -> int:
    """`a - b`, Long only."""
    return _in_range(as_long(left) - as_long(right))


def multiply(left: Value, right: Value) -> int:
    """`a * b`, Long only."""
    return _in_range(as_long(left) * as_long(right))


def _in_range(result: int) -> int:
    if LONG_MIN <= result <= LONG_MAX:
        return result
    raise EvaluationError(ErrorKind.OVERFLOW, "integer overflow: the result does not fit 64 bits")


def less(left: Value, right: Value) -> bool:
    """`a < b` for two Longs, two datetimes or two durations."""
    first, second = _ordered(left, right)
    return first < second


def less_or_equal(left: Value, right: Value) -> bool:
    """`a <= b`, as `less`."""
    first, second = _ordered(left, right)
    return first <= second


def _ordered(left: Value, right: Value) -> tuple[int, int]:
    if type(left) is int and type(right) is int:
        return left, right
    if isinstance(left, Datetime) and isinstance(right, Datetime):
        return left.milliseconds, right.milliseconds
    if isinstance(left, Duration) and isinstance(right, Duration):
        return left.milliseconds, right.milliseconds
    if type(left) is int or isinstance(left, Datetime | Duration):
        raise type_error(type_name(left), right)
    raise type_error("long, datetime or duration", left)


def is_in(left: Value, right: Value, lookup: Lookup) -> bool:
    """`a in b`: equal to b or a descendant of it; of a set, of any member. Every member must be an entity."""
    entity = as_entity(left)
    if type(right) is EntityUID:
        targets = frozenset((right,))
    elif type(right) is Set:
        targets = frozenset(as_entity(member) for member in right.elements)
    else:
        raise type_error("entity or set of entities", right)
    if entity in targets:
        return True
    stored = lookup(entity)
    return stored is not None and not stored.ancestors.isdisjoint(targets)


def is_type(value: Value, entity_type: str) -> bool:
    """`a is T`: the exact type."""
    return as_entity(value).type == entity_type


def has_attribute(value: Value, name: str, lookup: Lookup) -> bool:
    """`a has name`; false for an entity that is not in the store."""
    if type(value) is Record:
        return name in value.fields
    if type(value) is EntityUID:
        stored = lookup(value)
        return stored is not None and name in stored.attrs
    raise type_error("record or entity", value)


def get_attribute(value: Value, name: str, lookup: Lookup) -> Value:
    """`a.name`."""
    if type(value) is Record:
        fields = value.fields
        if name in fields:
            return fields[name]
        raise EvaluationError(ErrorKind.ATTRIBUTE_MISSING, f"the record has no attribute {quote(name)}")
    if type(value) is EntityUID:
        attrs = _existing(value, lookup).attrs
        if name in attrs:
            return attrs[name]
        raise EvaluationError(ErrorKind.ATTRIBUTE_MISSING, f"`{value}` has no attribute {quote(name)}")
    raise type_error("record or entity", value)


def has_path(value: Value, path: tuple[str, ...], lookup: Lookup) -> bool:
    """`a has x.y.z`, which is `a has x && a.x has y && a.x.y has z`."""
    *intermediate, last = path
    for name in intermediate:
        if not has_attribute(value, name, lookup):
            return False
        value = get_attribute(value, name, lookup)
    return has_attribute(value, last, lookup)


def has_tag(value: Value, tag: Value, lookup: Lookup) -> bool:
    """`a.hasTag(e)`; false for an entity that is not in the store."""
    entity, name = as_entity(value), as_string(tag)
    stored = lookup(entity)
    return stored is not None and name in stored.tags


def get_tag(value: Value, tag: Value, lookup: Lookup) -> Value:
    """`a.getTag(e)`."""
    entity, name = as_entity(value), as_string(tag)
    tags = _existing(entity, lookup).tags
    if name in tags:
        return tags[name]
    raise EvaluationError(ErrorKind.TAG_MISSING, f"`{entity}` has no tag {quote(name)}")


def _existing(uid: EntityUID, lookup: Lookup) -> Entity:
    stored = lookup(uid)
    if stored is None:
        raise EvaluationError(ErrorKind.ENTITY_MISSING, f"entity `{uid}` does not exist")
    return stored


def like(value: Value, pattern: Pattern) -> bool:
    """`a like "p*"`."""
    return matches(pattern, as_string(value))


def contains(value: Value, member: Value) -> bool:
    """`a.contains(e)`."""
    return member in as_set(value)


def contains_all(value: Value, members: Value) -> bool:
    """`a.containsAll(b)`; true for an empty b."""
    return as_set(value).keys >= as_set(members).keys


def contains_any(value: Value, members: Value) -> bool:
    """`a.containsAny(b)`; false for an empty b."""
    return not as_set(value).keys.isdisjoint(as_set(members).keys)


def is_empty(value: Value) -> bool:
    """`a.isEmpty()`."""
    return not as_set(value).elements

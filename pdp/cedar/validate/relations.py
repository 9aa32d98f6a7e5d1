"""The types of operators between two values: `==`, `<`, `in`, `contains` (`Cedar/Validation/Typechecker.lean`).

A rule takes the types of the operands and gives the type of the whole, or what is wrong with it.
"""

from collections.abc import Sequence
from typing import Final

from pdp.cedar.schema.types import ExtensionType, PrimitiveType, ReferenceType, SetType
from pdp.cedar.validate.expected import ENTITIES, entity_or_fault, long_or_fault, set_or_fault, unexpected
from pdp.cedar.validate.findings import Code, Fault
from pdp.cedar.validate.hierarchy import Hierarchy
from pdp.cedar.validate.types import StaticType, Truth, describe, difference, join, truth
from pdp.cedar.values import EntityUID

_BOOL: Final = PrimitiveType.BOOL
_SAME_TYPE: Final = "they must be of one type; nothing is converted"
_ORDERED: Final = (PrimitiveType.LONG, ExtensionType.DATETIME, ExtensionType.DURATION)


def equal(left: StaticType, right: StaticType, same: bool | None) -> StaticType | Fault:
    """`left == right`. Of two literals it is known whether they are the `same`; None if they are not both literals.

    Literals may be of different types, and so may entities: then the answer is False. All else must have a join.
    """
    if same is not None:
        return truth(same)
    if isinstance(left, ReferenceType) and isinstance(right, ReferenceType) and left != right:
        return Truth.FALSE
    return _comparable(left, right, "the two sides")


def arithmetic(left: StaticType, right: StaticType) -> StaticType | Fault:
    """`left + right`, `left - right`, `left * right`: of Longs only."""
    first = long_or_fault(left, 0)
    return first if isinstance(first, Fault) else long_or_fault(right, 1)


def ordered(left: StaticType, right: StaticType) -> StaticType | Fault:
    """`left < right` and its kin: two of one of the types that have an order."""
    if left not in _ORDERED:
        decimal = left is ExtensionType.DECIMAL
        help = "compare decimals by `.lessThan(...)` and its kin" if decimal else "no other types have an order"
        return Fault(Code.TYPE, f"expected a Long, datetime or duration, found {describe(left)}", help, 0)
    if left is not right:
        return Fault(Code.TYPE, f"expected {describe(left)}, found {describe(right)}", _SAME_TYPE, 1)
    return _BOOL


def contains(container: StaticType, member: StaticType) -> StaticType | Fault:
    """`container.contains(member)`."""
    elements = set_or_fault(container, 0)
    if isinstance(elements, Fault):
        return elements
    return _comparable(elements.element, member, "the elements of the set and the value")


def contains_those_of(container: StaticType, others: StaticType) -> StaticType | Fault:
    """`container.containsAll(others)` and `container.containsAny(others)`."""
    left, right = set_or_fault(container, 0), set_or_fault(others, 1)
    if isinstance(left, Fault):
        return left
    if isinstance(right, Fault):
        return right
    return _comparable(left, right, "the two sets")


def _comparable(left: StaticType, right: StaticType, called: str) -> StaticType | Fault:
    if join(left, right) is not None:
        return _BOOL
    message = f"{called} have different types: {difference(left, right)}"
    is_id = {left.__class__, right.__class__} == {ReferenceType, PrimitiveType}
    return Fault(Code.INCOMPATIBLE, message, 'an entity is written `Type::"id"`' if is_id else _SAME_TYPE)


def member_of(
    hierarchy: Hierarchy,
    left: StaticType,
    right: StaticType,
    action: EntityUID | None = None,
    groups: Sequence[EntityUID] = (),
) -> StaticType | Fault:
    """`left in right`: an entity, and an entity or a set of them.

    If the left is a declared `action` and the right is written out as `groups`, the schema knows the answer.
    """
    below = entity_or_fault(left, 0)
    if isinstance(below, Fault):
        return below
    above = right.element if isinstance(right, SetType) else right
    if not isinstance(above, ReferenceType):
        return unexpected(ENTITIES, right, 1)
    if action is not None:
        return truth(hierarchy.is_in(action, groups))
    return _BOOL if hierarchy.may_be_in(below.entity_type, above.entity_type) else Truth.FALSE

"""Joins of types: held against a model written from the specification, over every pair and triple of a small domain."""

import itertools
from typing import Any, Final

import pytest

from pdp.cedar.schema.types import Attribute, ExtensionType, PrimitiveType, RecordType, ReferenceType, SetType
from pdp.cedar.validate.types import LiteralRecord, StaticType, Truth, describe, difference, field, join, lift, negated

BOOL, LONG = PrimitiveType.BOOL, PrimitiveType.LONG
PLAIN: Final[tuple[StaticType, ...]] = (
    *PrimitiveType,
    *ExtensionType,
    *Truth,
    ReferenceType("A"),
    ReferenceType("B"),
)
RECORDS: Final[tuple[StaticType, ...]] = (
    RecordType({}),
    LiteralRecord({}),
    RecordType({"a": Attribute(BOOL)}),
    RecordType({"a": Attribute(BOOL, required=False)}),
    RecordType({"a": Attribute(LONG)}),
    RecordType({"b": Attribute(BOOL)}),
    RecordType({"a": Attribute(LONG), "b": Attribute(BOOL)}),
    LiteralRecord({"a": Truth.TRUE}),
    LiteralRecord({"a": Truth.FALSE}),
    LiteralRecord({"a": BOOL}),
    LiteralRecord({"a": LONG}),
    LiteralRecord({"b": Truth.TRUE, "a": LONG}),
)
NESTED: Final[tuple[StaticType, ...]] = (
    *(SetType(lift(type)) for type in (*PLAIN, *RECORDS)),
    *(LiteralRecord({"r": type}) for type in RECORDS),
    *(RecordType({"r": Attribute(lift(type))}) for type in RECORDS),
    SetType(SetType(LONG)),
    SetType(SetType(BOOL)),
)
DOMAIN: Final = (*PLAIN, *RECORDS, *NESTED)


def model(type: StaticType) -> Any:
    """A type as the specification has it: singletons are Bools, all records are of one sort."""
    match type:
        case Truth():
            return ("bool", type.value)
        case PrimitiveType.BOOL:
            return ("bool", "any")
        case SetType(element):
            return ("set", model(element))
        case LiteralRecord(fields):
            return {name: (model(inner), True) for name, inner in fields.items()}
        case RecordType(attributes):
            return {name: (model(attribute.type), attribute.required) for name, attribute in attributes.items()}
        case _:
            return type


def lub(left: Any, right: Any) -> Any:
    """`Cedar/Validation/Subtyping.lean`: lub?"""
    match left, right:
        case ("bool", one), ("bool", other):
            return ("bool", one if one == other else "any")
        case ("set", one), ("set", other):
            both = lub(one, other)
            return None if both is None else ("set", both)
        case dict(), dict():
            if left.keys() != right.keys():
                return None
            fields = {name: (lub(left[name][0], right[name][0]), left[name][1]) for name in left}
            alike = all(left[name][1] == right[name][1] and fields[name][0] is not None for name in left)
            return fields if alike else None
        case _:
            return left if left == right else None


def test_joins_are_those_of_the_specification() -> None:
    assert len({repr(model(type)) for type in DOMAIN}) > 40
    for left, right in itertools.product(DOMAIN, repeat=2):
        joined = join(left, right)
        assert (None if joined is None else model(joined)) == lub(model(left), model(right)), (left, right)


def test_joins_do_not_depend_on_the_order() -> None:
    for left, right in itertools.combinations(DOMAIN, 2):
        one, other = join(left, right), join(right, left)
        assert (one is None) == (other is None)
        assert one is None or other is None or lift(one) == lift(other)
    for first, second, third in itertools.product((*PLAIN[:3], *Truth, *RECORDS), repeat=3):
        one, other = then(join(first, second), third), then(join(second, third), first)
        assert (one is None) == (other is None)
        assert one is None or other is None or lift(one) == lift(other)


def then(joined: StaticType | None, next: StaticType) -> StaticType | None:
    return None if joined is None else join(joined, next)


def test_two_types_without_a_join_have_a_difference() -> None:
    for left, right in itertools.product(DOMAIN, repeat=2):
        if join(left, right) is None:
            assert difference(left, right)
            assert difference(left, right).count("`") % 2 == 0


@pytest.mark.parametrize(
    "left, right, said",
    [
        (LONG, BOOL, "`Long` and `Bool`"),
        (ReferenceType("N::A"), ReferenceType("A"), "`N::A` and `A`"),
        (SetType(LONG), LONG, "`Set<Long>` and `Long`"),
        (SetType(LONG), SetType(BOOL), "`Long` and `Bool` at `[]`"),
        (LiteralRecord({}), LONG, "the empty record and `Long`"),
        (LiteralRecord({"a": LONG}), Truth.TRUE, "a record and `Bool`"),
        (LiteralRecord({"a": LONG}), LiteralRecord({}), "only one of two records has `.a`"),
        (LiteralRecord({}), RecordType({"if": Attribute(LONG)}), 'only one of two records has `."if"`'),
        (
            RecordType({"a": Attribute(LONG, required=False)}),
            LiteralRecord({"a": LONG}),
            "`.a` is optional in only one of two records",
        ),
        (
            LiteralRecord({"x": LONG, "a": SetType(RecordType({"b": Attribute(LONG)}))}),
            LiteralRecord({"x": LONG, "a": SetType(RecordType({"b": Attribute(BOOL)}))}),
            "`Long` and `Bool` at `.a[].b`",
        ),
    ],
)
def test_what_is_said_of_a_difference(left: StaticType, right: StaticType, said: str) -> None:
    assert difference(left, right) == said


def test_lifted_types_are_those_of_a_schema() -> None:
    for type in DOMAIN:
        lifted = lift(type)
        assert lift(lifted) == lifted
        assert join(type, lifted) is not None
        assert not isinstance(lifted, Truth | LiteralRecord)
        assert describe(type) == describe(lifted)


def test_attributes_of_both_sorts_of_records() -> None:
    declared = RecordType({"a": Attribute(LONG), "b": Attribute(BOOL, required=False)})
    assert field(declared, "a") == (LONG, True)
    assert field(declared, "b") == (BOOL, False)
    assert field(declared, "c") is None
    assert field(LiteralRecord({"a": Truth.TRUE}), "a") == (Truth.TRUE, True)
    assert field(LiteralRecord({}), "a") is None


def test_negation() -> None:
    assert [negated(type) for type in (Truth.TRUE, Truth.FALSE, BOOL)] == [Truth.FALSE, Truth.TRUE, BOOL]

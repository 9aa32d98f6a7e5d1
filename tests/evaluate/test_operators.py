"""Operators on values: what each accepts, and the error it gives for everything else."""

import pytest

from pdp.cedar.entities import Entities, Entity
from pdp.cedar.errors import ErrorKind, EvaluationError
from pdp.cedar.limits import LONG_MAX, LONG_MIN
from pdp.cedar.values import Datetime, Decimal, Duration, EntityUID, Record, Set, Value
from pdp.evaluate import operators

ALICE, STAFF, ROOT, NOBODY = (EntityUID("User", name) for name in ("alice", "staff", "root", "nobody"))
STORE = Entities(
    [
        Entity(ALICE, {"age": 7, "ok": True}, frozenset((STAFF,)), {"team": "red"}),
        Entity(STAFF, parents=frozenset((ROOT,))),
    ]
)


def kind_of(call: object, *arguments: object) -> ErrorKind:
    with pytest.raises(EvaluationError) as caught:
        call(*arguments)  # type: ignore[operator]  # the table holds functions of several signatures
    return caught.value.kind


@pytest.mark.parametrize("value", [0, 1, "true", Set(), Record(), ALICE])
def test_only_a_bool_is_a_bool(value: Value) -> None:
    assert kind_of(operators.as_bool, value) is ErrorKind.TYPE


@pytest.mark.parametrize("value", [True, False, "1", Decimal(10_000), Duration(1)])
def test_only_a_long_is_a_long(value: Value) -> None:
    assert kind_of(operators.as_long, value) is ErrorKind.TYPE


@pytest.mark.parametrize(
    ("call", "arguments"),
    [
        (operators.add, (LONG_MAX, 1)),
        (operators.subtract, (LONG_MIN, 1)),
        (operators.multiply, (LONG_MIN, -1)),
        (operators.negate, (LONG_MIN,)),
    ],
)
def test_arithmetic_overflows_at_64_bits(call: object, arguments: tuple[int, ...]) -> None:
    assert kind_of(call, *arguments) is ErrorKind.OVERFLOW


def test_arithmetic_reaches_the_bounds() -> None:
    assert operators.add(LONG_MAX - 1, 1) == LONG_MAX
    assert operators.subtract(LONG_MIN + 1, 1) == LONG_MIN
    assert operators.multiply(-(2**62), 2) == LONG_MIN
    assert operators.negate(LONG_MAX) == LONG_MIN + 1


def test_order_is_defined_within_three_types_only() -> None:
    assert operators.less(1, 2)
    assert operators.less(Datetime(1), Datetime(2))
    assert not operators.less_or_equal(Duration(2), Duration(1))
    for left, right in [(1, True), (True, 1), ("a", "b"), (Decimal(1), Decimal(2)), (Datetime(1), Duration(2))]:
        assert kind_of(operators.less, left, right) is ErrorKind.TYPE


def test_in_follows_ancestors_and_needs_no_store_for_itself() -> None:
    assert operators.is_in(ALICE, ROOT, STORE.get)
    assert operators.is_in(NOBODY, NOBODY, STORE.get)
    assert not operators.is_in(NOBODY, ROOT, STORE.get)
    assert not operators.is_in(ALICE, Set(), STORE.get)
    assert operators.is_in(ALICE, Set([NOBODY, ROOT]), STORE.get)


def test_in_checks_every_member_even_behind_a_match() -> None:
    assert kind_of(operators.is_in, ALICE, Set([ALICE, 1]), STORE.get) is ErrorKind.TYPE
    assert kind_of(operators.is_in, "alice", Set(), STORE.get) is ErrorKind.TYPE


def test_has_is_false_and_get_fails_for_a_missing_entity() -> None:
    assert not operators.has_attribute(NOBODY, "age", STORE.get)
    assert not operators.has_tag(NOBODY, "team", STORE.get)
    assert kind_of(operators.get_attribute, NOBODY, "age", STORE.get) is ErrorKind.ENTITY_MISSING
    assert kind_of(operators.get_tag, NOBODY, "team", STORE.get) is ErrorKind.ENTITY_MISSING


def test_attributes_and_tags_are_separate_name_spaces() -> None:
    assert operators.get_attribute(ALICE, "age", STORE.get) == 7
    assert kind_of(operators.get_attribute, ALICE, "team", STORE.get) is ErrorKind.ATTRIBUTE_MISSING
    assert kind_of(operators.get_tag, ALICE, "age", STORE.get) is ErrorKind.TAG_MISSING


def test_has_path_stops_at_the_first_absence_and_refuses_a_scalar_on_the_way() -> None:
    nested = Record({"a": Record({"b": 1})})
    assert operators.has_path(nested, ("a", "b"), STORE.get)
    assert not operators.has_path(nested, ("x", "b"), STORE.get)
    assert kind_of(operators.has_path, nested, ("a", "b", "c"), STORE.get) is ErrorKind.TYPE


def test_sets_compare_by_typed_members() -> None:
    assert operators.contains(Set([1, "a"]), 1)
    assert not operators.contains(Set([1]), True)
    assert operators.contains_all(Set(), Set())
    assert not operators.contains_any(Set([1]), Set())
    assert operators.is_empty(Set())
    assert kind_of(operators.contains_all, Set(), ALICE) is ErrorKind.TYPE

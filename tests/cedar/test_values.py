"""Values: Cedar's equality and not Python's, sets without order or repetitions, names of types, quoting."""

import itertools
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdp.cedar.source import Source
from pdp.cedar.text.entity_uids import parse_entity_uid
from pdp.cedar.text.expressions import parse_expression
from pdp.cedar.values import (
    EMPTY_RECORD,
    Datetime,
    Decimal,
    Duration,
    EntityUID,
    IPAddr,
    Record,
    Set,
    Value,
    brief,
    equal,
    key,
    quote,
    type_name,
)

DISTINCT: Final[list[Value]] = [
    True, False, 0, 1, -1, "", "1", "True", 'User::"a"',
    EntityUID("User", "a"), EntityUID("User", ""), EntityUID("", "User"), EntityUID("a", "User"),
    Set(), Set([0]), Set([False]), Set([1]), Set([True]), Set([1, True]), Set(["1"]), Set([Set()]), Set([Set([1])]),
    Set([Set([True])]),
    Set([EntityUID("User", "a")]), Set([Record()]), Set([Record({"a": 1})]), Set([Record({"a": True})]),
    Record(), Record({"a": 1}), Record({"a": True}), Record({"a": 0}), Record({"b": 1}), Record({"": 1}),
    Record({"a": 1, "b": 1}),
    Record({"a": Record({"a": 1})}), Record({"a": Record({"a": True})}), Record({"a": Set([1])}),
    Record({"a": Set([True])}),
    Decimal(0), Decimal(1), Datetime(0), Datetime(1), Duration(0), Duration(1), IPAddr(4, 0, 32), IPAddr(6, 0, 128),
    IPAddr(4, 0, 24),
    IPAddr(4, 1, 24),
]  # fmt: skip
"""No two of these are equal in Cedar; many are in Python, or would be if their parts were compared as Python's."""


def test_values_are_equal_to_themselves_only() -> None:
    for (i, left), (j, right) in itertools.product(enumerate(DISTINCT), repeat=2):
        assert equal(left, right) is (i == j), (left, right)
        assert (key(left) == key(right)) is (i == j), (left, right)
        assert (right in Set([left])) is (i == j), (left, right)
        assert equal(Record({"x": left}), Record({"x": right})) is (i == j)
        assert equal(Set([left]), Set([right])) is (i == j)


def test_equal_values_have_equal_hashes() -> None:
    pairs: list[tuple[Value, Value]] = [
        (Set([1, 2, True]), Set([True, 2, 1, 2])),
        (Set([Set([1, 2]), Set()]), Set([Set(), Set([2, 1, 1])])),
        (Record({"a": 1, "b": Set([1, 2])}), Record({"b": Set([2, 1]), "a": 1})),
        (EntityUID("A", "b"), EntityUID("A", "b")),
        (Decimal(5), Decimal(5)),
        (Set([Record({"a": True, "b": 1})]), Set([Record({"b": 1, "a": True})])),
    ]
    for left, right in pairs:
        assert equal(left, right)
        assert hash(key(left)) == hash(key(right))
        assert len(Set([left, right])) == 1


def test_the_key_of_a_value_is_the_value_but_for_bools() -> None:
    for value in DISTINCT:
        if not isinstance(value, bool):
            assert key(value) is value
    assert {key(True), key(1), key(False), key(0)} == {key(True), 1, key(False), 0}
    assert len({key(True), key(1), key(False), key(0)}) == 4


def test_a_set_keeps_first_seen_order_for_printing_only() -> None:
    made = Set([2, 1, True, 2, "1"])
    assert made.elements == (2, 1, True, "1")
    assert list(map(type, made.elements)) == [int, int, bool, str]
    assert len(made) == 4
    assert repr(made) == "Set([2, 1, True, '1'])"
    assert made == Set([True, "1", 1, 2])


def test_a_set_knows_whether_it_holds_entities_only() -> None:
    alice = EntityUID("User", "alice")
    assert Set().only_entities
    assert Set([alice, alice]).only_entities
    assert Set([alice]).keys == {alice}
    for other in ("User", True, Set([alice]), Record()):
        assert not Set([alice, other]).only_entities


def test_a_record_is_what_its_fields_were() -> None:
    fields: dict[str, Value] = {"a": 1}
    record = Record(fields)
    fields["a"] = 2
    assert record.fields == {"a": 1}
    assert Record(None) == Record({}) == EMPTY_RECORD
    assert repr(record) == "Record({'a': 1})"
    assert record != {"a": 1}
    assert Set() != frozenset()


def test_deep_values_compare_and_hash() -> None:
    for wrap in (lambda inner: Set([inner]), lambda inner: Record({"a": inner})):
        left: Value = 1
        right: Value = 1
        other: Value = True
        for _ in range(128):
            left, right, other = wrap(left), wrap(right), wrap(other)
        assert equal(left, right)
        assert hash(key(left)) == hash(key(right))
        assert not equal(left, other)


def test_the_names_of_types() -> None:
    assert [type_name(value) for value in (True, 1, "", Set(), Record())] == ["bool", "long", "string", "set", "record"]
    extensions: list[Value] = [Decimal(0), IPAddr(4, 0, 32), Datetime(0), Duration(0)]
    assert [type_name(value) for value in extensions] == ["decimal", "ipaddr", "datetime", "duration"]
    assert type_name(EntityUID("A::B", "c")) == "(entity of type `A::B`)"


@pytest.mark.parametrize(
    ("units", "text"),
    [
        (0, "0.0"),
        (1, "0.0001"),
        (-1, "-0.0001"),
        (10_000, "1.0"),
        (12_300, "1.23"),
        (-(2**63), "-922337203685477.5808"),
    ],
)
def test_a_decimal_as_text(units: int, text: str) -> None:
    assert str(Decimal(units)) == text


QUOTED: Final = {
    "": '""',
    "plain 'text'": "\"plain 'text'\"",
    'q"\\': r'"q\"\\"',
    "\n\r\t\0": r'"\n\r\t\0"',
    "\x1b[0m\x7f": r'"\u{1b}[0m\u{7f}"',
    "a\u202eb\u2028\u200b\ufeff\xa0": r'"a\u{202e}b\u{2028}\u{200b}\u{feff}\u{a0}"',
    "é\U0001f600": '"é\U0001f600"',
    "\ue000\U0010ffff": r'"\u{e000}\u{10ffff}"',
}


@pytest.mark.parametrize("text", QUOTED, ids=repr)
def test_quoting(text: str) -> None:
    assert quote(text) == QUOTED[text]


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_is_quoted_is_one_printable_line_and_reads_back(text: str) -> None:
    assert quote(text).isprintable()
    literal = parse_expression(Source("quoted", quote(text)))
    assert getattr(literal, "value", None) == text
    uid = EntityUID("NS::User", text)
    assert parse_entity_uid(str(uid)) == uid


def test_a_long_text_is_cut_in_messages() -> None:
    assert brief("x" * 60) == '"' + "x" * 60 + '"'
    assert brief("x" * 61) == '"' + "x" * 60 + '"...'
    assert brief("\n" * 10**6) == '"' + "\\n" * 60 + '"...'

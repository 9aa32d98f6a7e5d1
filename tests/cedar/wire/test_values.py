"""Cedar values in JSON: what each form reads as, what is refused and where, and that writing undoes reading."""

import json
from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdp.cedar.errors import JsonError
from pdp.cedar.limits import LONG_MAX, LONG_MIN, MAX_JSON_DEPTH
from pdp.cedar.source import Source
from pdp.cedar.values import Datetime, Decimal, Duration, EntityUID, IPAddr, Record, Set, Value, equal
from pdp.cedar.wire.strict_json import FormError, Json
from pdp.cedar.wire.values import (
    describe,
    is_call,
    is_escape,
    parse_record,
    read_entity_uid,
    read_record,
    read_value,
    write_entity_uid,
    write_value,
)

A: Final[Json] = {"type": "A", "id": "b"}
IP: Final[Json] = {"__extn": {"fn": "ip", "arg": "10.0.0.1"}}
DAY: Final[Json] = {"__extn": {"fn": "datetime", "arg": "1970-01-02"}}
HOUR: Final[Json] = {"__extn": {"fn": "duration", "arg": "1h"}}

READ: Final[dict[str, Value]] = {
    "true": True,
    "1": 1,
    '"s"': "s",
    "[]": Set(),
    '[1, true, "1", [1], 1]': Set([1, True, "1", Set([1])]),
    "{}": Record(),
    '{"a": {"b": [1]}, "": false}': Record({"a": Record({"b": Set([1])}), "": False}),
    # entities
    '{"__entity": {"type": "A::B", "id": ""}}': EntityUID("A::B", ""),
    '{"__entity": {"type": "A", "id": "b", "more": null}}': EntityUID("A", "b"),
    '{"type": "A", "id": "b"}': Record({"type": "A", "id": "b"}),
    # extension values
    '{"__extn": {"fn": "decimal", "arg": "-0.5"}}': Decimal(-5_000),
    '{"__extn": {"fn": "ip", "arg": "::1"}}': IPAddr(6, 1, 128),
    '{"__extn": {"fn": "ip", "args": ["::1"]}}': IPAddr(6, 1, 128),
    '{"__extn": {"fn": "ip", "arg": "::1", "args": [], "more": null}}': IPAddr(6, 1, 128),
    '{"__extn": {"fn": "duration", "arg": "1s"}}': Duration(1_000),
    '{"__extn": {"fn": "datetime", "arg": "1970-01-02"}}': Datetime(86_400_000),
    f'{{"__extn": {{"fn": "offset", "args": [{json.dumps(DAY)}, {json.dumps(HOUR)}]}}}}': Datetime(90_000_000),
    f'{{"__extn": {{"fn": "isIpv4", "arg": {json.dumps(IP)}}}}}': True,
    # records that look like escapes: another key beside it, or a payload of another shape
    '{"__entity": {"type": "A", "id": "b"}, "x": 1}': Record({"__entity": Record({"type": "A", "id": "b"}), "x": 1}),
    '{"__entity": {"type": "A"}}': Record({"__entity": Record({"type": "A"})}),
    '{"__entity": {"type": "A", "id": 1}}': Record({"__entity": Record({"type": "A", "id": 1})}),
    '{"__entity": "A"}': Record({"__entity": "A"}),
    '{"__extn": {"fn": "ip"}}': Record({"__extn": Record({"fn": "ip"})}),
    '{"__extn": {"fn": 1, "arg": "::1"}}': Record({"__extn": Record({"fn": 1, "arg": "::1"})}),
    '{"__extn": {"fn": "ip", "args": "::1"}}': Record({"__extn": Record({"fn": "ip", "args": "::1"})}),
    '{"__extn": "ip"}': Record({"__extn": "ip"}),
    '{"__expr": 1}': Record({"__expr": 1}),
    '{"__expr": "1", "x": 2}': Record({"__expr": "1", "x": 2}),
    '{"__Entity": {"type": "A", "id": "b"}}': Record({"__Entity": Record({"type": "A", "id": "b"})}),
}
REFUSED: Final = {
    "null": ("`null` is not a Cedar value", "null"),
    "[1, null]": ("`null` is not a Cedar value", "null"),
    '{"a": {"b": [null]}}': ("`null` is not a Cedar value", "null"),
    '{"__expr": "1 + 1"}': ("`__expr` is not read", '{"__expr": "1 + 1"}'),
    '{"__entity": {"type": "in", "id": "b"}}': ('"in" is not an entity type', '"in"'),
    '{"__entity": {"type": " A", "id": "b"}}': ('" A" is not an entity type', '" A"'),
    '{"__entity": {"type": "A ::B", "id": "b"}}': ('"A ::B" is not an entity type', '"A ::B"'),
    '{"__entity": {"type": "A::", "id": "b"}}': ('"A::" is not an entity type', '"A::"'),
    '{"__entity": {"type": "__cedar::A", "id": "b"}}': ('"__cedar::A" is not an entity type', '"__cedar::A"'),
    '{"__entity": {"type": "\u00c9", "id": "b"}}': ('"\u00c9" is not an entity type', '"\u00c9"'),
    '{"__entity": {"type": "A\\n", "id": "b"}}': ('"A\\n" is not an entity type', '"A\\n"'),
    '{"a": {"__extn": {"fn": "Ip", "arg": "::1"}}}': ('there is no extension function "Ip"', '"Ip"'),
    '{"__extn": {"fn": "contains", "args": [[1], 1]}}': ('there is no extension function "contains"', '"contains"'),
    '{"__extn": {"fn": "ip", "arg": "x"}}': ('"x" is not a valid IP address', '{"fn": "ip", "arg": "x"}'),
    '{"__extn": {"fn": "ip", "arg": 1}}': ("expected string, got long", '{"fn": "ip", "arg": 1}'),
    '{"__extn": {"fn": "ip", "arg": null}}': ("`null` is not a Cedar value", "null"),
    '{"__extn": {"fn": "ip", "args": []}}': ("wrong number of arguments for `ip`", '{"fn": "ip", "args": []}'),
    '{"__extn": {"fn": "ip", "args": ["::1", null]}}': ("`null` is not a Cedar value", "null"),
    '[{"__extn": {"fn": "toDays", "arg": 1}}]': ("expected duration, got long", '{"fn": "toDays", "arg": 1}'),
}


def read(text: str) -> Value:
    source = Source("test.json", f'{{"value": {text}}}')
    return parse_record(source).fields["value"]


@pytest.mark.parametrize("text", READ)
def test_reads(text: str) -> None:
    assert equal(read(text), READ[text])


@pytest.mark.parametrize("text", REFUSED)
def test_refuses_with_a_place(text: str) -> None:
    message, place = REFUSED[text]
    with pytest.raises(JsonError) as caught:
        read(text)
    assert caught.value.message.startswith(message)
    assert caught.value.source is not None
    assert caught.value.span is not None
    assert caught.value.source.excerpt(caught.value.span) == place
    assert caught.value.help or "extension" not in message


@pytest.mark.parametrize("value", [None, 1.5, LONG_MAX + 1, LONG_MIN - 1, [2**70], {"a": float("nan")}, (), b"x"])
def test_what_is_no_value_is_refused_however_it_was_read(value: Json) -> None:
    with pytest.raises(FormError):
        read_value(value)


def test_what_is_nested_too_deeply_is_refused_however_it_was_read() -> None:
    wraps: list[Callable[[Json], Json]] = [lambda inner: [inner], lambda inner: {"a": inner}]
    value: Json
    for wrap in wraps:
        value = 1
        for _ in range(MAX_JSON_DEPTH - 1):
            value = wrap(value)
        read_value(value)
        for _ in range(100_000):
            value = wrap(value)
        with pytest.raises(FormError, match="nested too deeply"):
            read_value(value)
        while isinstance(value, list | dict):  # or freeing it would use up C's stack
            value = value[0] if isinstance(value, list) else value["a"]


UIDS: Final[dict[str, Json]] = {
    "implicit": {"type": "A", "id": "b"},
    "explicit": {"__entity": {"type": "A", "id": "b"}},
    "further keys": {"type": "A", "id": "b", "x": None},
    "further keys in the escape": {"__entity": {"type": "A", "id": "b", "x": None}, "y": 1},
    "both, the escape counts": {"__entity": {"type": "A", "id": "b"}, "type": "C", "id": "d"},
    "an escape of no shape does not count": {"__entity": 1, "type": "A", "id": "b"},
}
NO_UIDS: Final[dict[str, Json]] = {
    "a text": 'A::"b"',
    "an array": ["A", "b"],
    "nothing": None,
    "an empty object": {},
    "no id": {"type": "A"},
    "no type": {"id": "b"},
    "a number for an id": {"type": "A", "id": 1},
    "an escape in an escape": {"__entity": {"__entity": {"type": "A", "id": "b"}}},
    "an expression": {"__expr": 'A::"b"'},
    "a call": {"__extn": {"fn": "ip", "arg": "::1"}},
    "an empty type": {"type": "", "id": "b"},
    "white space in the type": {"type": "A ", "id": "b"},
    "an empty type in an escape": {"__entity": {"type": "", "id": "b"}},
}


@pytest.mark.parametrize("name", UIDS)
def test_an_entity_uid(name: str) -> None:
    assert read_entity_uid(UIDS[name]) == EntityUID("A", "b")


@pytest.mark.parametrize("name", NO_UIDS)
def test_what_is_no_entity_uid(name: str) -> None:
    with pytest.raises(FormError) as caught:
        read_entity_uid(NO_UIDS[name], ("x",))
    assert caught.value.path[0] == "x"
    assert caught.value.help


def test_a_record_is_an_object_and_no_escape() -> None:
    assert read_record({"a": A}) == Record({"a": Record({"type": "A", "id": "b"})})
    escapes: list[Json] = [{"__entity": A}, IP, {"__expr": "1"}]
    others: list[Json] = [[], None, "x", 1, True]
    for json_value, found in [*((escape, "an escape") for escape in escapes), *((o, describe(o)) for o in others)]:
        with pytest.raises(FormError, match=f"expected a record, found {found}"):
            read_record(json_value)
    with pytest.raises(JsonError) as caught:
        parse_record(Source("context", '{"a": [1, null]}'))
    assert caught.value.position == (1, 11)


def test_the_shapes_that_tell_escapes_from_records() -> None:
    assert is_escape({"__entity": A})
    assert is_escape({"__expr": ""})
    assert not is_escape({})
    assert not is_escape([{"__entity": A}])
    assert not is_escape({"__entity": A, "__extn": 1})
    assert is_call({"fn": "x", "arg": None})
    assert is_call({"fn": "x", "args": []})
    assert not is_call({"fn": "x", "args": {}})
    assert not is_call({"arg": 1})
    assert not is_call([])


def test_what_messages_call_json() -> None:
    kinds: list[object] = [None, True, 1, 1.0, "", [], {}]
    names = ["`null`", "a Boolean", "an integer", "a fraction", "a string", "an array", "an object"]
    assert list(map(describe, kinds)) == names
    assert describe(b"") == "something that is not JSON"


longs = st.integers(LONG_MIN, LONG_MAX) | st.sampled_from([0, 1, LONG_MIN, LONG_MAX])
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
names = texts | st.sampled_from(["__entity", "__extn", "__expr", "type", "id", "fn", "arg", "args"])
values = st.recursive(
    st.booleans()
    | longs
    | texts
    | st.builds(EntityUID, st.sampled_from(["A", "A::B"]), texts)
    | st.builds(Decimal, longs)
    | st.builds(Datetime, longs)
    | st.builds(Duration, longs)
    | st.builds(IPAddr, st.just(4), st.integers(0, 2**32 - 1), st.integers(0, 32))
    | st.builds(IPAddr, st.just(6), st.integers(0, 2**128 - 1), st.integers(0, 128)),
    lambda inner: st.lists(inner, max_size=4).map(Set) | st.dictionaries(names, inner, max_size=4).map(Record),
    max_leaves=12,
)


@given(values)
def test_writing_is_the_inverse_of_reading(value: Value) -> None:
    try:
        written = write_value(value)
    except JsonError:
        assert _holds_an_escape(value)
        return
    assert equal(read_value(json.loads(json.dumps(written))), value)


def _holds_an_escape(value: Value) -> bool:
    """Whether some record in a value is one that JSON would take for an escape."""
    match value:
        case Set():
            return any(map(_holds_an_escape, value.elements))
        case Record():
            inner = any(map(_holds_an_escape, value.fields.values()))
            return inner or (len(value.fields) == 1 and next(iter(value.fields)) in ("__entity", "__extn", "__expr"))
        case _:
            return False


@pytest.mark.parametrize(
    "record",
    [
        Record({"__entity": Record({"type": "A", "id": "b"})}),
        Record({"__entity": Record({"type": "A", "id": "b", "x": 1})}),
        Record({"__extn": Record({"fn": "f", "arg": 1})}),
        Record({"__extn": Record({"fn": "f", "args": Set()})}),
        Record({"__expr": "1"}),
    ],
)
def test_a_record_that_would_be_read_as_an_escape_is_not_written(record: Record) -> None:
    for value in (record, Set([record]), Record({"a": record})):
        with pytest.raises(JsonError, match="has no form in JSON"):
            write_value(value)


def test_written_forms() -> None:
    assert write_value(Set([1, True, "a"])) == [1, True, "a"]
    assert write_value(EntityUID("A", "b")) == {"__entity": A}
    assert write_entity_uid(EntityUID("A", "b")) == A
    assert write_value(IPAddr(4, 10 << 24, 8)) == {"__extn": {"fn": "ip", "arg": "10.0.0.0/8"}}
    assert write_value(Decimal(15_000)) == {"__extn": {"fn": "decimal", "arg": "1.5"}}
    assert write_value(Duration(-1_500)) == {"__extn": {"fn": "duration", "arg": "-1s500ms"}}
    assert write_value(Datetime(0)) == {"__extn": {"fn": "datetime", "arg": "1970-01-01T00:00:00.000Z"}}
    assert write_value(Datetime(LONG_MIN)) == {
        "__extn": {
            "fn": "offset",
            "args": [
                {"__extn": {"fn": "datetime", "arg": "1970-01-01"}},
                {"__extn": {"fn": "duration", "arg": "-106751991167d7h12m55s808ms"}},
            ],
        }
    }

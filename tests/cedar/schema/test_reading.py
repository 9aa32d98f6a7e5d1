"""Entities and contexts read with a schema: implicit forms, places of refusals, and the schema's actions.

Each case is put to the Rust engine, too.
"""

import json
from typing import Any, Final

import pytest
from rust_schemas import RustSchema

from pdp.cedar.entities import Entity
from pdp.cedar.errors import CedarError, ConformanceError, EntityError, JsonError
from pdp.cedar.schema.json_writer import write_json_schema
from pdp.cedar.schema.reading import parse_context, read_entities_with_schema
from pdp.cedar.schema.text import parse_fragment, parse_schema
from pdp.cedar.source import Source
from pdp.cedar.values import Datetime, Decimal, Duration, EntityUID, IPAddr, Record, Set, Value

TEXT: Final = Source(
    "<schema>",
    """
    entity Color enum ["red", "blue"];
    entity Team;
    type Values = {
        bool?: Bool, long?: Long, string?: String, decimal?: decimal, ip?: ipaddr, datetime?: datetime,
        duration?: duration, user?: User, color?: Color, action?: Action, ips?: Set<ipaddr>, users?: Set<User>,
        sets?: Set<Set<Long>>, record?: { a: Long, ip?: ipaddr, deep?: { user?: User } }, records?: Set<{ d: decimal }>,
        "__entity"?: String, named?: { "__entity"?: { type?: String, id?: String }, "__extn"?: { fn?: String } },
    };
    entity User in [Team, Color] { values: Values } tags Set<ipaddr>;
    action view in readers appliesTo { principal: User, resource: User, context: Values };
    action readers in all;
    action all;
    """,
)
SCHEMA: Final = parse_schema(TEXT)
RUST: Final = RustSchema(json.dumps(write_json_schema(parse_fragment(TEXT))))
VIEW, READERS, ALL = EntityUID("Action", "view"), EntityUID("Action", "readers"), EntityUID("Action", "all")
ACTIONS: Final = SCHEMA.action_entities()


def uid(type: str, id: str) -> dict[str, str]:
    return {"type": type, "id": id}


ALICE, RED, GREEN = uid("User", "alice"), uid("Color", "red"), uid("Color", "green")
TEN: Final = IPAddr(4, 10 << 24 | 1, 32)
DAY: Final = 86_400_000


def call(function: str, *arguments: Any) -> dict[str, Any]:
    return {"fn": function, "arg": arguments[0]} if len(arguments) == 1 else {"fn": function, "args": list(arguments)}


def document(values: dict[str, Any]) -> str:
    return json.dumps([{"uid": ALICE, "attrs": {"values": values}, "parents": []}])


def request(context: Any) -> dict[str, Any]:
    return {"principal": ALICE, "action": uid("Action", "view"), "resource": ALICE, "context": context}


READ: Final[dict[str, tuple[str, Any, Value]]] = {
    "a Bool": ("bool", True, True),
    "a Bool that a function gives": ("bool", {"__extn": call("isIpv4", {"__extn": call("ip", "10.0.0.1")})}, True),
    "a number": ("long", -(2**63), -(2**63)),
    "a string that looks like an address": ("string", "10.0.0.1", "10.0.0.1"),
    "an entity": ("user", ALICE, EntityUID("User", "alice")),
    "an entity with its escape": ("user", {"__entity": ALICE}, EntityUID("User", "alice")),
    "an entity with more keys": ("user", {**ALICE, "x": 1}, EntityUID("User", "alice")),
    "an entity with more keys beside its escape": (
        "user",
        {"__entity": {**ALICE, "x": 1}, "y": 1},
        EntityUID("User", "alice"),
    ),
    "an entity with an expression that is none": ("user", {**ALICE, "__expr": 1}, EntityUID("User", "alice")),
    "an id of an enumeration": ("color", RED, EntityUID("Color", "red")),
    "an action": ("action", uid("Action", "view"), VIEW),
    "a decimal": ("decimal", "1.5", Decimal(15_000)),
    "an address": ("ip", "10.0.0.1", TEN),
    "an address by its function": ("ip", call("ip", "10.0.0.1"), TEN),
    "an address by its function with a list": ("ip", {"fn": "ip", "args": ["10.0.0.1"]}, TEN),
    "an address with its escape": ("ip", {"__extn": call("ip", "10.0.0.1")}, TEN),
    "an address with more keys": ("ip", {"__extn": {**call("ip", "10.0.0.1"), "x": 1}, "y": 1}, TEN),
    "an address with both forms of arguments": ("ip", {"fn": "ip", "arg": "10.0.0.1", "args": []}, TEN),
    "an address whose escape is none": ("ip", {"__extn": {"fn": "ip"}, **call("ip", "10.0.0.1")}, TEN),
    "an instant": ("datetime", "1970-01-02", Datetime(DAY)),
    "an instant with an offset": ("datetime", call("offset", "1970-01-01", "1d"), Datetime(DAY)),
    "an instant with an offset by its function": (
        "datetime",
        {"__extn": call("offset", call("datetime", "1970-01-01"), {"__extn": call("duration", "1d")})},
        Datetime(DAY),
    ),
    "a day": ("datetime", call("toDate", call("toDate", "1970-01-02T03:00:00Z")), Datetime(DAY)),
    "a duration": ("duration", "-1d", Duration(-DAY)),
    "a duration between instants": ("duration", call("durationSince", "1970-01-02", "1970-01-01"), Duration(DAY)),
    "a number of days": ("long", {"__extn": call("toDays", {"__extn": call("duration", "2d")})}, 2),
    "no addresses": ("ips", [], Set()),
    "addresses in two forms": ("ips", ["10.0.0.1", call("ip", "10.0.0.1")], Set([TEN])),
    "entities": ("users", [ALICE, {"__entity": ALICE}], Set([EntityUID("User", "alice")])),
    "sets": ("sets", [[1], [1, 1], []], Set([Set([1]), Set()])),
    "a record": (
        "record",
        {"a": 1, "ip": "10.0.0.1", "deep": {"user": ALICE}},
        Record({"a": 1, "ip": TEN, "deep": Record({"user": EntityUID("User", "alice")})}),
    ),
    "records": ("records", [{"d": "1.0"}, {"d": call("decimal", "1.00")}], Set([Record({"d": Decimal(10_000)})])),
    "an attribute named as an escape": ("__entity", "x", "x"),
    "a record that looks like an escape": (
        "named",
        {"__entity": ALICE},
        Record({"__entity": Record({"type": "User", "id": "alice"})}),
    ),
}


@pytest.mark.parametrize("name", READ)
def test_what_a_value_is_read_as(name: str) -> None:
    attribute, given, expected = READ[name]
    values = {attribute: given}
    stored = read_entities_with_schema(Source("<test>", document(values)), SCHEMA).get(EntityUID("User", "alice"))
    assert stored is not None
    assert stored.attrs["values"] == Record({attribute: expected})
    assert RUST.accepts_entities(document(values))
    assert parse_context(Source("<test>", json.dumps(values)), SCHEMA, VIEW) == Record({attribute: expected})
    assert RUST.accepts_request(request(values))


REFUSED: Final[dict[str, tuple[str, Any, str, str]]] = {
    "a number for a Bool": ("bool", 1, "1", "must be Bool, found Long"),
    "a string for a number": ("long", "1", '"1"', "must be Long, found String"),
    "a fraction": ("long", 1.0, "1.0", "`1.0` is not a Long"),
    "null": ("string", None, "null", "`null` is not a Cedar value"),
    "a number that an implicit function would give": (
        "long",
        call("toDays", "1d"),
        '{"fn"',
        "must be Long, found a record",
    ),
    "an entity of another type": ("user", RED, '{"type"', "must be User, found Color"),
    "an entity as text": ("user", 'User::"alice"', '"User', "expected an entity uid, found a string"),
    "an entity as an expression": ("user", {"__expr": 'User::"a"', **ALICE}, '{"__expr"', "expected an entity uid"),
    "an id that an enumeration has not": (
        "color",
        GREEN,
        '{"type"',
        '`Color::"green"` is not among the ids of `Color`',
    ),
    "an action that is not declared": (
        "action",
        uid("Action", "x"),
        '{"type"',
        'the action `Action::"x"` is not declared',
    ),
    "an address that is none": ("ip", "10.0.0.256", '"10.0.0.256"', '"10.0.0.256" is not a valid IP address'),
    "a number for an address": ("ip", 1, "1", "expected ipaddr, found an integer"),
    "a list for an address": ("ip", ["10.0.0.1"], '["10', "expected ipaddr, found an array"),
    "an address as an expression": ("ip", {"__expr": 'ip("::1")'}, '{"__expr"', "expected ipaddr, found an object"),
    "an address without an argument": ("ip", {"fn": "ip"}, '{"fn"', "expected ipaddr, found an object"),
    "an address with too few arguments": (
        "ip",
        {"fn": "ip", "args": []},
        '{"fn"',
        "wrong number of arguments for `ip`",
    ),
    "an address with too many arguments": (
        "ip",
        call("ip", "::1", "::1"),
        '{"fn"',
        "wrong number of arguments for `ip`",
    ),
    "an address of an address": ("ip", call("ip", call("ip", "::1")), '{"fn"', "expected string, got record"),
    "an address by another function": ("ip", call("decimal", "1.0"), '{"fn"', "must be ipaddr, found decimal"),
    "a function that does not exist": ("ip", call("ipv4", "::1"), '"ipv4"', 'there is no extension function "ipv4"'),
    "an offset that is none": ("datetime", call("offset", "1970-01-01", "1"), '"1"', '"1" is not a valid duration'),
    "an offset of an address": (
        "datetime",
        call("offset", call("ip", "::1"), "1d"),
        '{"fn"',
        "expected datetime, got ipaddr",
    ),
    "a set that is none": ("ips", "10.0.0.1", '"10', "must be Set<ipaddr>, found String"),
    "a set in an object": ("ips", {"x": 1}, '{"x"', "must be Set<ipaddr>, found a record"),
    "an address in a set that is none": ("ips", ["10.0.0.1", "x"], '"x"', '"x" is not a valid IP address'),
    "an element of another type": ("sets", [[1], ["1"]], "[[1]", "`values.sets[][]` of"),
    "a record without an attribute": ("record", {}, "{}", "has no attribute `values.record.a`, which is required"),
    "a record with another attribute": ("record", {"a": 1, "b": 2}, "2", "`values.record.b`, which is not declared"),
    "a record in a list": ("record", [], "[]", "must be a record, found a set"),
    "a record by an escape": ("record", {"__entity": ALICE}, '{"__entity"', "has no attribute `values.record.a`"),
    "an attribute that is not declared": ("other", 1, "1", "`values.other`, which is not declared"),
    "a value of another type far inside": (
        "record",
        {"a": 1, "deep": {"user": RED}},
        '{"type"',
        "`values.record.deep.user` of",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_where_and_why(name: str) -> None:
    attribute, given, place, message = REFUSED[name]
    values = {attribute: given}
    source = Source("<test>", document(values))
    with pytest.raises((ConformanceError, JsonError)) as caught:
        read_entities_with_schema(source, SCHEMA)
    assert message in caught.value.message
    assert caught.value.span is not None
    assert source.excerpt(caught.value.span).startswith(place)
    assert not RUST.accepts_entities(document(values))
    source = Source("<test>", json.dumps(values))
    with pytest.raises(CedarError) as caught_too:
        parse_context(source, SCHEMA, VIEW)
    assert type(caught_too.value) is type(caught.value)
    assert message.replace("`values.", "`") in caught_too.value.message
    assert caught_too.value.span is not None
    assert source.excerpt(caught_too.value.span).startswith(place)
    assert not RUST.accepts_request(request(values))


ON_PURPOSE: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "an entity as a list of its type and id": ({"user": ["User", "alice"]}, "expected an entity uid, found an array"),
    "an escaped entity as a list": ({"user": {"__entity": ["User", "a"]}}, "expected an entity uid, found an object"),
    "a value that is not known yet": ({"long": {"__extn": call("unknown", "x")}}, "no extension function"),
    "an address that is not known yet": ({"ip": call("unknown", "x")}, "no extension function"),
}


@pytest.mark.parametrize("name", ON_PURPOSE)
def test_what_the_rust_engine_takes_and_ours_does_not(name: str) -> None:
    """Arrays for objects are an accident of its decoder; unknowns belong to partial evaluation, which ours has not."""
    values, message = ON_PURPOSE[name]
    assert RUST.accepts_entities(document(values))
    with pytest.raises(JsonError, match=message):
        read_entities_with_schema(Source("<test>", document(values)), SCHEMA)


def entry(uid: dict[str, str], *parents: dict[str, str], **more: Any) -> dict[str, Any]:
    return {"uid": uid, "attrs": {}, "parents": list(parents), **more}


def user(*parents: dict[str, str], **more: Any) -> dict[str, Any]:
    return {**entry(ALICE, *parents, **more), "attrs": {"values": {}}}


def action(id: str, *groups: str, **more: Any) -> dict[str, Any]:
    return entry(uid("Action", id), *(uid("Action", group) for group in groups), **more)


STORES: Final[dict[str, list[Any]]] = {
    "nothing": [],
    "an entity with tags and parents": [user(uid("Team", "t"), RED, tags={"a": ["10.0.0.1", call("ip", "::1")]})],
    "an entity twice": [user(), user()],
    "an enumeration": [entry(RED), entry(uid("Color", "blue"))],
    "an action": [action("all")],
    "an action with all its groups": [action("view", "readers", "all")],
    "an action whose groups say the rest": [action("view", "readers"), action("readers", "all")],
    "an action twice": [action("readers", "all"), action("readers", "all")],
}


@pytest.mark.parametrize("name", STORES)
def test_a_store_has_the_actions_of_its_schema(name: str) -> None:
    text = json.dumps(STORES[name])
    assert RUST.accepts_entities(text)
    entities = read_entities_with_schema(Source("<test>", text), SCHEMA)
    given = {EntityUID(**entry["uid"]) for entry in STORES[name]}
    assert {entity.uid for entity in entities} == given | {VIEW, READERS, ALL}
    for declared in ACTIONS:
        stored = entities.get(declared.uid)
        assert stored is not None
        assert stored == declared
        assert stored.ancestors == declared.parents


def test_tags_are_read_by_their_type() -> None:
    text = json.dumps([user(tags={"a": ["10.0.0.1"], "b": []})])
    assert read_entities_with_schema(Source("<test>", text), SCHEMA).get(EntityUID("User", "alice")) == Entity(
        EntityUID("User", "alice"), {"values": Record()}, tags={"a": Set([TEN]), "b": Set()}
    )


REFUSED_STORES: Final[dict[str, tuple[list[Any], type[CedarError], str, str]]] = {
    "a type that is not declared": (
        [user(), entry(uid("Usr", "u"))],
        ConformanceError,
        '{"type": "Usr", "id": "u"}',
        'the type of `Usr::"u"` is not declared in the schema',
    ),
    "no required attribute": (
        [user(), entry(uid("User", "bob"))],
        ConformanceError,
        "{}",
        '`User::"bob"` has no attribute `values`, which is required',
    ),
    "a tag of another type": (
        [user(tags={"a": ["10.0.0.1"], "b": "10.0.0.1"})],
        ConformanceError,
        '"10.0.0.1"',
        '`b` of `User::"alice"` must be Set<ipaddr>, found String',
    ),
    "a tag where there are none": (
        [entry(uid("Team", "t"), tags={"a": {"b": 1}})],
        ConformanceError,
        '{"b": 1}',
        '`Team::"t"` has the tag `a`, and `Team` has no tags',
    ),
    "a parent of another type": (
        [user(uid("Team", "t"), ALICE)],
        ConformanceError,
        '[{"type": "Team", "id": "t"}, {"type": "User", "id": "alice"}]',
        '`User::"alice"` is in `User::"alice"`, and a `User` cannot be in a `User`',
    ),
    "an id that an enumeration has not": (
        [entry(GREEN)],
        ConformanceError,
        '{"type": "Color", "id": "green"}',
        '`Color::"green"` is not among the ids of `Color`',
    ),
    "an entity twice with different contents": (
        [user(), user(RED)],
        EntityError,
        '{"type": "User", "id": "alice"}',
        'entity `User::"alice"` is given twice with different contents',
    ),
    "an action that is not declared": (
        [action("write")],
        ConformanceError,
        '{"type": "Action", "id": "write"}',
        'the action `Action::"write"` is not declared in the schema',
    ),
    "an action with an attribute": (
        [{**action("all"), "attrs": {"a": 1}}],
        ConformanceError,
        '{"type": "Action", "id": "all"}',
        'the action `Action::"all"` has `a`, and actions have no attributes and no tags',
    ),
    "an action without its groups": (
        [action("readers")],
        ConformanceError,
        "[]",
        'the action `Action::"readers"` is in other groups than the schema says',
    ),
    "an action with one of its groups": (
        [action("view", "readers")],
        ConformanceError,
        '[{"type": "Action", "id": "readers"}]',
        'the action `Action::"view"` is in other groups than the schema says',
    ),
    "actions in a cycle": (
        [action("readers", "all"), action("all", "readers")],
        EntityError,
        '{"type": "Action", "id": "readers"}',
        'the hierarchy has a cycle: `Action::"readers"` in `Action::"all"` in `Action::"readers"`',
    ),
    "no list of entities": (
        {},  # type: ignore[dict-item]  # what is refused here
        JsonError,
        "{}",
        "the document must be an array, found an object",
    ),
}


@pytest.mark.parametrize("name", REFUSED_STORES)
def test_what_stores_are_refused_where_and_why(name: str) -> None:
    store, error, place, message = REFUSED_STORES[name]
    source = Source("<test>", json.dumps(store))
    assert not RUST.accepts_entities(source.text)
    with pytest.raises(error) as caught:
        read_entities_with_schema(source, SCHEMA)
    assert caught.value.message == message
    assert caught.value.span is not None
    assert source.excerpt(caught.value.span) == place


def test_a_context_belongs_to_an_action_that_is_declared() -> None:
    with pytest.raises(ConformanceError, match='the action `Action::"x"` is not declared in the schema'):
        parse_context(Source("<test>", "{}"), SCHEMA, EntityUID("Action", "x"))


@pytest.mark.parametrize("text", ["[]", "null", "1", '"x"'])
def test_a_context_is_an_object(text: str) -> None:
    with pytest.raises(JsonError, match="expected a record, found"):
        parse_context(Source("<test>", text), SCHEMA, VIEW)

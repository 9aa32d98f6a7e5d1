"""Conformance of entities and of requests: what is accepted, what is refused and how that is said."""

from collections.abc import Mapping
from typing import Final

import pytest

from pdp.cedar.entities import Entity
from pdp.cedar.errors import ConformanceError
from pdp.cedar.request import Request
from pdp.cedar.schema.conform import check_entity, check_request
from pdp.cedar.schema.faults import entity_faults, request_faults
from pdp.cedar.schema.text import parse_schema
from pdp.cedar.source import Source
from pdp.cedar.values import Datetime, Decimal, Duration, EntityUID, IPAddr, Record, Set, Value

SCHEMA: Final = parse_schema(
    Source(
        "<schema>",
        """
        entity Color enum ["red", "blue"];
        entity Org;
        entity Team in Org { name?: String };
        entity User in [Team, Color] {
            bool: Bool, long?: Long, string?: String, decimal?: decimal, ipaddr?: ipaddr, datetime?: datetime,
            duration?: duration, user?: User, color?: Color, action?: Action, set?: Set<Long>, colors?: Set<Color>,
            "a b"?: { long: Long, inner?: { color?: Color } }, records?: Set<{ long: Long }>, empty?: {},
        } tags Set<String>;
        action view in readers appliesTo {
            principal: [User, Color], resource: Team, context: { ok: Bool, from?: { ip: ipaddr }, who?: User },
        };
        action readers in all;
        action all;
        """,
    )
)

USER, TEAM, ORG, RED = EntityUID("User", "u"), EntityUID("Team", "t"), EntityUID("Org", "o"), EntityUID("Color", "red")
GREEN = EntityUID("Color", "green")
VIEW, READERS, ALL = EntityUID("Action", "view"), EntityUID("Action", "readers"), EntityUID("Action", "all")

FITTING: Final[dict[str, Value]] = {
    "bool": True,
    "long": -1,
    "string": "",
    "decimal": Decimal(1),
    "ipaddr": IPAddr(4, 1, 32),
    "datetime": Datetime(0),
    "duration": Duration(0),
    "user": EntityUID("User", "who need not exist"),
    "color": RED,
    "action": VIEW,
    "set": Set([1, 2]),
    "colors": Set([RED]),
    "a b": Record({"long": 1, "inner": Record({"color": RED})}),
    "records": Set([Record({"long": 1}), Record({"long": 2})]),
    "empty": Record(),
}


def user(**attrs: Value) -> Entity:
    return Entity(USER, {"bool": True, **attrs})


ACCEPTED: Final[dict[str, Entity]] = {
    "all attributes": Entity(USER, FITTING),
    "only the required attributes": user(),
    "no attributes where none is required": Entity(TEAM),
    "tags": Entity(USER, {"bool": True}, tags={"": Set(), "a b": Set(["x"])}),
    "parents": Entity(USER, {"bool": True}, frozenset({TEAM, RED})),
    "an indirect parent": Entity(USER, {"bool": True}, frozenset({ORG})),
    "ancestors": Entity(USER, {"bool": True}, frozenset({TEAM}), ancestors=frozenset({TEAM, ORG})),
    "empty sets": user(set=Set(), colors=Set(), records=Set()),
    "an id of an enumeration": Entity(RED),
    "an action with all its groups as parents": Entity(VIEW, parents=frozenset({READERS, ALL})),
    "an action with all its groups as ancestors": Entity(
        VIEW, parents=frozenset({READERS}), ancestors=frozenset({READERS, ALL})
    ),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepts_an_entity(name: str) -> None:
    check_entity(SCHEMA, ACCEPTED[name])


def test_every_attribute_takes_values_of_its_own_type_only() -> None:
    for name in FITTING:
        for other, value in FITTING.items():
            entity = user(**{name: value})
            if name == other:
                check_entity(SCHEMA, entity)
                continue
            with pytest.raises(ConformanceError):
                check_entity(SCHEMA, entity)


REFUSED: Final[dict[str, tuple[Entity, str, str | None]]] = {
    "a type that is not declared": (
        Entity(EntityUID("Usr", "u")),
        'the type of `Usr::"u"` is not declared in the schema',
        "did you mean `User`?",
    ),
    "no required attribute": (Entity(USER), '`User::"u"` has no attribute `bool`, which is required', None),
    "an attribute that is not declared": (
        user(lonk=1),
        '`User::"u"` has the attribute `lonk`, which is not declared',
        "did you mean `long`?",
    ),
    "an attribute where there are none": (
        Entity(ORG, {"x": 1}),
        '`Org::"o"` has the attribute `x`, which is not declared',
        "there are no attributes",
    ),
    "a number for a Bool": (Entity(USER, {"bool": 1}), '`bool` of `User::"u"` must be Bool, found Long', None),
    "a Bool for a number": (user(long=True), '`long` of `User::"u"` must be Long, found Bool', None),
    "a string for an address": (user(ipaddr="::1"), '`ipaddr` of `User::"u"` must be ipaddr, found String', None),
    "an entity of another type": (user(user=TEAM), '`user` of `User::"u"` must be User, found Team', None),
    "a string for an entity": (user(user="u"), '`user` of `User::"u"` must be User, found String', None),
    "an id that an enumeration has not": (
        user(color=GREEN),
        '`Color::"green"` is not among the ids of `Color`',
        'the ids are "blue", "red"',
    ),
    "an action that is not declared": (
        user(action=EntityUID("Action", "veiw")),
        'the action `Action::"veiw"` is not declared in the schema',
        'did you mean `Action::"view"`?',
    ),
    "an element of another type": (user(set=Set([1, "2"])), '`set[]` of `User::"u"` must be Long, found String', None),
    "an id that an enumeration has not, in a set": (
        user(colors=Set([RED, GREEN])),
        '`Color::"green"` is not among the ids of `Color`',
        'the ids are "blue", "red"',
    ),
    "an element for a set": (user(set=1), '`set` of `User::"u"` must be Set<Long>, found Long', None),
    "a set for a record": (user(empty=Set()), '`empty` of `User::"u"` must be the empty record, found a set', None),
    "a record for a set": (user(set=Record()), '`set` of `User::"u"` must be Set<Long>, found a record', None),
    "no required attribute in a record": (
        user(**{"a b": Record()}),
        '`User::"u"` has no attribute `["a b"].long`, which is required',
        None,
    ),
    "an attribute that is not declared, in a record": (
        user(**{"a b": Record({"long": 1, "lung": 1})}),
        '`User::"u"` has the attribute `["a b"].lung`, which is not declared',
        "did you mean `long`?",
    ),
    "a value of another type in records": (
        user(**{"a b": Record({"long": 1, "inner": Record({"color": USER})})}),
        '`["a b"].inner.color` of `User::"u"` must be Color, found User',
        None,
    ),
    "a value of another type in a set of records": (
        user(records=Set([Record({"long": ""})])),
        '`records[].long` of `User::"u"` must be Long, found String',
        None,
    ),
    "a tag where there are none": (
        Entity(TEAM, tags={"a": 1}),
        '`Team::"t"` has the tag `a`, and `Team` has no tags',
        None,
    ),
    "a tag of another type": (
        Entity(USER, {"bool": True}, tags={"a b": Set([1])}),
        '`["a b"][]` of `User::"u"` must be String, found Long',
        None,
    ),
    "a parent of another type": (
        Entity(TEAM, parents=frozenset({TEAM})),
        '`Team::"t"` is in `Team::"t"`, and a `Team` cannot be in a `Team`',
        "it can be in `Org`",
    ),
    "a parent where there can be none": (
        Entity(ORG, parents=frozenset({TEAM})),
        '`Org::"o"` is in `Team::"t"`, and a `Org` cannot be in a `Team`',
        "it cannot be in anything",
    ),
    "a parent that an enumeration has not": (
        Entity(USER, {"bool": True}, frozenset({GREEN})),
        '`Color::"green"` is not among the ids of `Color`',
        'the ids are "blue", "red"',
    ),
    "an ancestor of another type": (
        Entity(TEAM, ancestors=frozenset({USER})),
        '`Team::"t"` is in `User::"u"`, and a `Team` cannot be in a `User`',
        "it can be in `Org`",
    ),
    "an id of its own that an enumeration has not": (
        Entity(GREEN),
        '`Color::"green"` is not among the ids of `Color`',
        'the ids are "blue", "red"',
    ),
    "an attribute of an enumeration": (
        Entity(RED, {"x": 1}),
        '`Color::"red"` has the attribute `x`, which is not declared',
        "there are no attributes",
    ),
    "an undeclared action": (
        Entity(EntityUID("Action", "edit")),
        'the action `Action::"edit"` is not declared in the schema',
        None,
    ),
    "an action of another namespace": (
        Entity(EntityUID("N::Action", "view")),
        'the action `N::Action::"view"` is not declared in the schema',
        'did you mean `Action::"view"`?',
    ),
    "an action with an attribute": (
        Entity(ALL, {"a b": 1}),
        'the action `Action::"all"` has `"a b"`, and actions have no attributes and no tags',
        None,
    ),
    "an action with a tag": (
        Entity(ALL, tags={"x": 1}),
        'the action `Action::"all"` has `x`, and actions have no attributes and no tags',
        None,
    ),
    "an action without its groups": (
        Entity(VIEW),
        'the action `Action::"view"` is in other groups than the schema says',
        "leave actions out of the data: the schema's own are part of every store",
    ),
    "an action with some of its groups": (
        Entity(VIEW, parents=frozenset({READERS})),
        'the action `Action::"view"` is in other groups than the schema says',
        "leave actions out of the data: the schema's own are part of every store",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_an_entity_and_says_why(name: str) -> None:
    entity, message, help = REFUSED[name]
    with pytest.raises(ConformanceError) as caught:
        check_entity(SCHEMA, entity)
    assert (caught.value.message, caught.value.help) == (message, help)


def request(
    principal: EntityUID = USER,
    action: EntityUID = VIEW,
    resource: EntityUID = TEAM,
    context: Mapping[str, Value] | None = None,
) -> Request:
    return Request(principal, action, resource, Record({"ok": True, **(context or {})}))


REQUESTS: Final[dict[str, Request]] = {
    "the required context": request(),
    "the whole context": request(context={"from": Record({"ip": IPAddr(4, 1, 32)}), "who": USER}),
    "another principal": request(RED),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_accepts_a_request(name: str) -> None:
    check_request(SCHEMA, REQUESTS[name])


REFUSED_REQUESTS: Final[dict[str, tuple[Request, str, str | None]]] = {
    "an action that is not declared": (
        request(action=EntityUID("Action", "views")),
        'the action `Action::"views"` is not declared in the schema',
        'did you mean `Action::"view"`?',
    ),
    "an action that is none": (request(action=USER), 'the action `User::"u"` is not declared in the schema', None),
    "a group": (
        request(action=ALL),
        '`Action::"all"` does not apply to a principal of type `User`',
        "it is a group and applies to nothing",
    ),
    "a principal of another type": (
        request(TEAM),
        '`Action::"view"` does not apply to a principal of type `Team`',
        "its principal types are `Color`, `User`",
    ),
    "a resource of another type": (
        request(resource=USER),
        '`Action::"view"` does not apply to a resource of type `User`',
        "its resource types are `Team`",
    ),
    "a principal that an enumeration has not": (
        request(GREEN),
        '`Color::"green"` is not among the ids of `Color`',
        'the ids are "blue", "red"',
    ),
    "no required context": (
        Request(USER, VIEW, TEAM),
        'the context of `Action::"view"` has no attribute `ok`, which is required',
        None,
    ),
    "context that is not declared": (
        request(context={"o": 1}),
        'the context of `Action::"view"` has the attribute `o`, which is not declared',
        "the attributes are `from`, `ok`, `who`",
    ),
    "context of another type": (
        request(context={"from": Record({"ip": "::1"})}),
        '`from.ip` of the context of `Action::"view"` must be ipaddr, found String',
        None,
    ),
    "an entity of another type in the context": (
        request(context={"who": TEAM}),
        '`who` of the context of `Action::"view"` must be User, found Team',
        None,
    ),
}


@pytest.mark.parametrize("name", REFUSED_REQUESTS)
def test_refuses_a_request_and_says_why(name: str) -> None:
    asked, message, help = REFUSED_REQUESTS[name]
    with pytest.raises(ConformanceError) as caught:
        check_request(SCHEMA, asked)
    assert (caught.value.message, caught.value.help) == (message, help)


def test_a_resource_that_an_enumeration_has_not() -> None:
    schema = parse_schema(Source("<schema>", 'entity E enum ["a"]; action x appliesTo { principal: E, resource: E };'))
    declared, other = EntityUID("E", "a"), EntityUID("E", "b")
    check_request(schema, Request(declared, EntityUID("Action", "x"), declared))
    with pytest.raises(ConformanceError, match='`E::"b"` is not among the ids of `E`'):
        check_request(schema, Request(declared, EntityUID("Action", "x"), other))


def test_help_is_cut_where_there_is_much_to_say() -> None:
    names = ", ".join(f"a{n:02}: Long" for n in range(50))
    ids = ", ".join(f'"{n:02}"' for n in range(50))
    schema = parse_schema(Source("<schema>", f"entity A {{ {names} }}; entity E enum [{ids}];"))
    attributes = {f"a{n:02}": n for n in range(50)}
    for entity, help in (
        (
            Entity(EntityUID("A", "x"), {**attributes, "a000": 1}),
            "the attributes are `a00`, `a01`, `a02`, `a03`, `a04`, `a05`, `a06`, `a07` and 42 more",
        ),
        (Entity(EntityUID("E", "x")), 'the ids are "00", "01", "02", "03", "04", "05", "06", "07" and 42 more'),
    ):
        with pytest.raises(ConformanceError) as caught:
            check_entity(schema, entity)
        assert caught.value.help == help


def test_all_faults_are_found() -> None:
    entity = Entity(
        EntityUID("User", "u"),
        {"long": "1", "color": GREEN, "x": 1, "records": Set([1, Record()])},
        frozenset({ORG, USER}),
        {"a": 1, "b": Set([1])},
    )
    found = [(fault.steps, fault.message.replace(' of `User::"u"`', "")) for fault in entity_faults(SCHEMA, entity)]
    assert found == [
        (("attrs",), '`User::"u"` has no attribute `bool`, which is required'),
        (("attrs", "long"), "`long` must be Long, found String"),
        (("attrs", "color"), '`Color::"green"` is not among the ids of `Color`'),
        (("attrs", "x"), '`User::"u"` has the attribute `x`, which is not declared'),
        (("attrs", "records"), "`records[]` must be a record, found Long"),
        (("attrs", "records"), '`User::"u"` has no attribute `records[].long`, which is required'),
        (("tags", "a"), "`a` must be Set<String>, found Long"),
        (("tags", "b"), "`b[]` must be String, found Long"),
        (("parents",), '`User::"u"` is in `User::"u"`, and a `User` cannot be in a `User`'),
    ]
    asked = request(TEAM, resource=ORG, context={"ok": 1})
    assert [fault.steps for fault in request_faults(SCHEMA, asked)] == [
        ("principal",),
        ("resource",),
        ("context", "ok"),
    ]


@pytest.mark.parametrize("text", ["x" * 1_000_000, "a\nb\u202ec\x1b[2J" + "y" * 1_000_000])
def test_messages_stay_short_and_on_one_line(text: str) -> None:
    hostile = EntityUID(text, text)
    entities = [
        Entity(hostile),
        Entity(EntityUID("Color", text)),
        Entity(EntityUID("Action", text)),
        user(**{text: 1}),
        user(user=hostile),
        user(**{"a b": Record({"long": 1, text: Record()})}),
        Entity(TEAM, parents=frozenset({hostile})),
        Entity(TEAM, tags={text: text}),
    ]
    requests = [request(hostile), request(action=hostile), request(resource=hostile), request(context={text: 1})]
    faults = [next(entity_faults(SCHEMA, entity)) for entity in entities]
    faults += [next(request_faults(SCHEMA, asked)) for asked in requests]
    for message, _, help in faults:
        assert len(message) < 600
        assert message.isprintable()
        assert help is None or (len(help) < 600 and help.isprintable())

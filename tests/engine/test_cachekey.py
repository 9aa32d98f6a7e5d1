"""Keys: every single input that a policy can read changes the key, and one that none can read does not.

The world is that of `caching_worlds`: what its policies read, for which action, is listed here by hand.
"""

import dataclasses
from dataclasses import replace
from typing import Any, Final

import pytest
from caching_worlds import ACTIONS, DEVICES, DOCS, GROUPS, NOW, USERS, a_model, questions, varied
from hypothesis import given
from hypothesis import strategies as st

from pdp.cedar.entities import Entity
from pdp.cedar.ext import datetime, decimal, duration, ipaddr
from pdp.cedar.values import EMPTY_RECORD, EntityUID, Record, Set, Value, equal
from pdp.engine.cachekey import Keys, canonical, type_of
from pdp.engine.decider import CheckRequest
from pdp.identity.subject import Method, Subject

ANA, BOB, _ = USERS
READ, WRITE, LIST, PLAIN = ACTIONS
PLAN = DOCS[1]
KEYS: Final = Keys(a_model().world())
WHO: Final = Subject(
    Entity(ANA, {"level": 3, "nick": "a"}, frozenset([GROUPS[0]])),
    Method.JWT,
    acr="strong",
    amr=frozenset(["hwk"]),
    authenticated_at=NOW,
    expires_at=NOW + 1,
)
CONTEXT: Final[dict[str, tuple[Any, Any]]] = {
    "request_id": ("1", "2"),
    "at": (datetime.parse("2026-03-02"), datetime.parse("2026-03-03")),
    "unread": (Set([1]), Set([1, 2])),
    "whom": (ANA, BOB),
    "region": ("eu", "us"),
    "level": (1, 2),
    "flag": (True, False),
    "amount": (decimal.parse("1.0"), decimal.parse("1.5")),
    "ip": (ipaddr.parse("10.0.0.1"), ipaddr.parse("10.0.0.2")),
    "codes": (Set([1]), Set([1, 2])),
    "place": (Record({"city": "x"}), Record({"city": "y"})),
}
READ_BY: Final = {
    READ: {"region"},
    WRITE: {"region", "level", "amount", "place"},
    LIST: {"flag", "ip", "codes"},
    PLAIN: set[str](),
}
"""What of the context the policies of an action read."""


def key(request: CheckRequest) -> Any:
    made = KEYS.of(request)
    assert made is not None
    hash(made)
    return made


def whole(action: EntityUID = READ, **changes: Any) -> CheckRequest:
    """A question that says everything there is to say."""
    context = {name: first for name, (first, _) in CONTEXT.items()}
    request = CheckRequest(WHO, action, PLAN, Record(context), None, 0, "r", Record({"secret": True, "label": "x"}))
    return replace(request, **changes)


def who(**changes: Any) -> Subject:
    return replace(WHO, **changes)


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("name", CONTEXT)
def test_an_attribute_of_the_context_counts_exactly_if_it_is_read(action: EntityUID, name: str) -> None:
    asked = whole(action)
    other = replace(asked, context=Record({**asked.context.fields, name: CONTEXT[name][1]}))
    assert (key(asked) != key(other)) is (name in READ_BY[action])
    # That it is there, and its type, count always: the schema is asked about them.
    without = Record({held: value for held, value in asked.context.fields.items() if held != name})
    assert key(asked) != key(replace(asked, context=without))
    of_another_type = 1 if isinstance(CONTEXT[name][0], str) else "text"
    assert key(asked) != key(replace(asked, context=Record({**asked.context.fields, name: of_another_type})))


READABLE: Final[dict[str, CheckRequest]] = {
    "action": whole(WRITE),
    "principal": whole(subject=who(entity=replace(WHO.entity, uid=BOB))),
    "resource": whole(resource=DOCS[2]),
    "device": whole(device=DEVICES[0]),
    "bound device": whole(subject=who(device=DEVICES[1])),
    "a claim": whole(subject=who(entity=replace(WHO.entity, attrs={"level": 4, "nick": "a"}))),
    "a claim of another type": whole(subject=who(entity=replace(WHO.entity, attrs={"level": True, "nick": "a"}))),
    "an unread claim of another type": whole(subject=who(entity=replace(WHO.entity, attrs={"level": 3, "nick": 1}))),
    "no claims": whole(subject=who(entity=replace(WHO.entity, attrs={}))),
    "claimed groups": whole(subject=who(entity=replace(WHO.entity, parents=frozenset([GROUPS[1]])))),
    "authentication": whole(subject=who(authenticated_at=NOW - 1)),
    "not authenticated": whole(subject=who(authenticated_at=None)),
    "expiry": whole(subject=who(expires_at=NOW + 2)),
    "a fact of the resource": whole(resource_facts=Record({"secret": False, "label": "x"})),
    "no facts of the resource": whole(resource_facts=EMPTY_RECORD),
}
UNREADABLE: Final[dict[str, CheckRequest]] = {
    "request id": whole(request_id="other"),
    "revision demanded": whole(min_revision=7),
    "an unread claim": whole(subject=who(entity=replace(WHO.entity, attrs={"level": 3, "nick": "b"}))),
    "claims in another order": whole(subject=who(entity=replace(WHO.entity, attrs={"nick": "a", "level": 3}))),
    "an unread fact of the resource": whole(resource_facts=Record({"label": "y", "secret": True})),
    "the context in another order": whole(context=Record(dict(reversed(list(whole().context.fields.items()))))),
}


@pytest.mark.parametrize("name", READABLE)
def test_what_can_be_read_changes_the_key(name: str) -> None:
    assert key(READABLE[name]) != key(whole())


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_does_not(name: str) -> None:
    assert key(UNREADABLE[name]) == key(whole())


def test_each_of_these_differs_from_each_other() -> None:
    requests = [whole(), *READABLE.values()]
    assert len({key(request) for request in requests}) == len(requests)


@pytest.mark.parametrize(
    "changes",
    [
        {"acr": "weak"},
        {"acr": None},
        {"amr": frozenset[str]()},
        {"amr": frozenset(["x"])},
        {"method": Method.ASSERTED},
    ],
)
def test_how_the_subject_authenticated_counts_where_it_is_read(changes: dict[str, Any]) -> None:
    for action in (WRITE, LIST):  # their policies read `context.auth`
        assert key(whole(action)) != key(whole(action, subject=who(**changes)))


def test_how_the_subject_authenticated_does_not_count_elsewhere() -> None:
    bare = Subject(Entity(ANA), Method.ASSERTED)
    for said in (EMPTY_RECORD, Record({"label": "x"})):
        asked = CheckRequest(bare, PLAIN, PLAN, resource_facts=said)
        assert key(asked) == key(replace(asked, subject=replace(bare, method=Method.JWT)))
    plain = key(whole(PLAIN))
    assert plain == key(whole(PLAIN, subject=who(acr="weak", amr=frozenset(["x"]), method=Method.ASSERTED)))
    # Whether there is any: the schema may not allow for it.
    assert plain != key(whole(PLAIN, subject=who(acr=None)))
    assert plain != key(whole(PLAIN, subject=who(amr=frozenset())))


def test_every_input_there_is_was_thought_of() -> None:
    """A new field of a question or a subject is one more input: give it a place in the key, and a case above."""
    assert [field.name for field in dataclasses.fields(CheckRequest)] == [
        *("subject", "action", "resource", "context", "device", "min_revision", "request_id", "resource_facts"),
    ]
    assert [field.name for field in dataclasses.fields(Subject)] == [
        *("entity", "method", "acr", "amr", "authenticated_at", "expires_at", "device"),
    ]
    assert {field.name for field in dataclasses.fields(Entity)} == {"uid", "attrs", "parents", "tags", "ancestors"}


def test_the_device_of_a_credential_and_the_same_one_named_are_one() -> None:
    bound, named = whole(subject=who(device=DEVICES[0])), whole(device=DEVICES[0])
    assert key(bound) == key(named) == key(replace(bound, device=DEVICES[0]))


@pytest.mark.parametrize(
    "request_",
    [
        whole(EntityUID("Action", "none")),
        whole(EntityUID("Action", "classified"), subject=who(device=DEVICES[0]), device=DEVICES[1]),
        whole(subject=who(device=DEVICES[0]), device=DEVICES[1]),
    ],
)
def test_what_is_refused_whatever_the_policies_say_has_no_key(request_: CheckRequest) -> None:
    assert KEYS.of(request_) is None


def test_values_nested_deeper_than_can_be_walked_have_no_key() -> None:
    for wrap in (lambda value: Record({"a": value}), lambda value: Set([value])):
        deep: Value = 1
        for _ in range(5_000):
            deep = wrap(deep) if not isinstance(deep, Set) else Record({"a": deep})
        assert KEYS.of(whole(context=Record({"region": deep}))) is None
        assert KEYS.of(whole(context=Record({"request_id": deep}))) is None


ALIKE_BUT_NOT_EQUAL: Final[list[Value]] = [
    *(True, False, 1, 0, -1, "", "1", "true", 2**63 - 1, -(2**63)),
    *(EntityUID("A", "b"), EntityUID("A", "b "), EntityUID("a", "b"), EntityUID("A::b", ""), EntityUID("A", "")),
    *(decimal.parse("1.0"), decimal.parse("0.0001"), datetime.parse("1970-01-01"), duration.parse("0ms")),
    *(duration.parse("1ms"), ipaddr.parse("0.0.0.1"), ipaddr.parse("::1"), ipaddr.parse("::ffff:0:1")),
    *(ipaddr.parse("10.0.0.1/8"), ipaddr.parse("10.0.0.2/8"), ipaddr.parse("10.0.0.1/32"), ipaddr.parse("10.0.0.1/31")),
    *(Set(), Set([Set()]), Set([1]), Set([True]), Set([1, True]), Set(["1"]), Set([Set([1])]), Set([1, Set([1])])),
    *(Set([EntityUID("A", "b")]), Set(["A", "b"]), Set([Record()]), Set([decimal.parse("1.0")])),
    *(Record(), Record({"a": 1}), Record({"a": True}), Record({"a": "1"}), Record({"b": 1}), Record({"a": Record()})),
    *(Record({"a": 1, "b": 2}), Record({"a": 2, "b": 1}), Record({"a": Set([1])}), Record({"a": Set([True])})),
    *(Record({"": ""}), Record({"a": Record({"b": 1})}), Record({"a": "b"}), Set(["a", "b"]), Set([Set(["a"]), "b"])),
    *("e\u0301", "\u00e9", "a\0", "a\0b", "A"),
]
EQUAL: Final[list[tuple[Value, Value]]] = [
    (decimal.parse("1.0"), decimal.parse("1.00")),
    (ipaddr.parse("::1"), ipaddr.parse("0:0:0:0:0:0:0:1")),
    (ipaddr.parse("10.0.0.1"), ipaddr.parse("10.0.0.1/32")),
    (Set([1, 2, 2]), Set([2, 1])),
    (Record({"a": 1, "b": Set([1, True])}), Record({"b": Set([True, 1]), "a": 1})),
    (datetime.parse("2026-03-02"), datetime.parse("2026-03-02T01:00:00+0100")),
    (duration.parse("1h"), duration.parse("60m")),
]


def test_stand_ins_are_equal_exactly_where_cedar_says_so() -> None:
    for one in ALIKE_BUT_NOT_EQUAL:
        for other in ALIKE_BUT_NOT_EQUAL:
            assert (canonical(one) == canonical(other)) is equal(one, other), (one, other)
    for one, other in EQUAL:
        assert canonical(one) == canonical(other)
        assert hash(canonical(one)) == hash(canonical(other))


IDS: Final = {"Colour": frozenset(["red", "blue"])}


def test_types_are_equal_where_a_schema_cannot_tell_the_values_apart() -> None:
    alike: list[tuple[Value, Value]] = [
        *((1, 2), ("a", "b"), (True, False), (EntityUID("User", "a"), EntityUID("User", "b"))),
        *((Set([1, 2]), Set([3])), (Record({"a": 1}), Record({"a": 2}))),
        (decimal.parse("1.0"), decimal.parse("2.0")),
    ]
    for one, other in alike:
        assert type_of(one, IDS) == type_of(other, IDS)
    different: list[Value] = [
        *(1, "a", True, decimal.parse("1.0"), duration.parse("1h"), Set(), Set([1]), Set(["a"]), Set([1, "a"])),
        *(
            Record(),
            Record({"a": 1}),
            Record({"a": "1"}),
            Record({"b": 1}),
            EntityUID("User", "a"),
            EntityUID("A", "a"),
        ),
        *(EntityUID("Colour", "red"), EntityUID("Colour", "blue"), EntityUID("Colour", "green"), Set([Set([1])])),
    ]
    assert len({type_of(value, IDS) for value in different}) == len(different)


@given(st.data())
def test_a_question_that_differs_in_one_place_has_the_key_of_what_is_read_of_it(data: st.DataObject) -> None:
    asked = data.draw(questions())
    other = data.draw(varied(asked))
    mine, theirs = KEYS.of(asked), KEYS.of(other)
    if mine is not None and theirs is not None:
        assert (mine == theirs) is (_readable(asked) == _readable(other))


def _readable(asked: CheckRequest) -> Any:
    """What of a question counts, said again and otherwise: as texts, with `repr` for values."""

    def shown(fields: Any, names: set[str]) -> Any:
        return sorted(
            (name, repr(_plain(value)) if name in names else repr(type_of(value, KEYS._ids)))
            for name, value in fields.items()
        )

    subject = asked.subject
    auth = READ_BY.get(asked.action, set())
    reads_auth = asked.action in (WRITE, LIST)
    attributes = {
        READ: {"owner", "secret", "level", "org", "active", "encrypted"},
        WRITE: {"owner", "level", "id", "org", "active", "floor"},
        LIST: {"owner", "chief", "open"},
        PLAIN: {"owner"},
    }[asked.action]
    return (
        asked.action,
        asked.resource,
        subject.uid,
        asked.device or subject.device,
        shown(asked.context.fields, auth),
        (subject.method, subject.acr, subject.amr) if reads_auth else (subject.acr is None, bool(subject.amr)),
        subject.authenticated_at,
        subject.expires_at,
        shown(subject.entity.attrs, attributes),
        subject.entity.parents,
        shown(asked.resource_facts.fields, attributes),
    )


def _plain(value: Value) -> Any:
    """A value whose `repr` is the same exactly for equal values."""
    match value:
        case Set():
            return "set", sorted(repr(_plain(element)) for element in value.elements)
        case Record():
            return "record", sorted((name, repr(_plain(held))) for name, held in value.fields.items())
        case _:
            return type(value).__name__, value

"""Entities in JSON: forms, contradictions and cycles with their places, and documents that are nearly right."""

import json
import random
import tarfile
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from operands import literal
from rust_engine import accepts_entities, judge
from shared_data import shared_data
from strategies import universe
from strategies.choices import Choices

from pdp.cedar.entities import Entities, Entity
from pdp.cedar.errors import CedarError, ConformanceError, EntityError, JsonError
from pdp.cedar.nodes import Binary, BinaryOp, GetAttr, Literal
from pdp.cedar.source import Source
from pdp.cedar.text.printer import print_expression
from pdp.cedar.values import EntityUID, Record, Set, Value
from pdp.cedar.wire.entities import parse_entities, read_entities, write_entities
from pdp.cedar.wire.strict_json import FormError, Json, Path, parse_json
from pdp.cedar.wire.values import read_value

ALICE, BOB, STAFF = EntityUID("User", "alice"), EntityUID("User", "bob"), EntityUID("Group", "staff")


def parse(text: str) -> Entities:
    return parse_entities(Source("entities.json", text))


def one(uid: object, attrs: object = None, parents: object = (), **others: object) -> dict[str, object]:
    return {
        "uid": uid,
        "attrs": {} if attrs is None else attrs,
        "parents": list(parents) if isinstance(parents, tuple) else parents,
        **others,
    }


U: Final = {"type": "User", "id": "alice"}
G: Final = {"type": "Group", "id": "staff"}


def document(*entities: object) -> str:
    return json.dumps(list(entities))


def test_a_document() -> None:
    store = parse(
        document(
            one(U, {"age": 7, "tags": ["a", "a"]}, (G, {"__entity": G}), tags={"t": {"__entity": U}}),
            one({"__entity": G}, parents=({"type": "Group", "id": "absent"},)),
        )
    )
    alice, staff = store.get(ALICE), store.get(STAFF)
    assert alice is not None
    assert staff is not None
    assert alice.attrs == {"age": 7, "tags": Set(["a"])}
    assert alice.tags == {"t": ALICE}
    assert alice.parents == {STAFF}
    assert alice.ancestors == {STAFF, EntityUID("Group", "absent")}
    assert staff.tags == {}
    assert len(store) == 2


def test_an_empty_document() -> None:
    assert len(parse("[]")) == 0


def test_the_same_entity_twice_is_one_if_it_is_equal_as_a_value() -> None:
    first, again = one(U, {"a": [1, 2], "b": {"x": 1}}, (G,)), one(U, {"b": {"x": 1}, "a": [2, 1, 2]}, (G, G))
    assert accepts_entities(document(first, again))
    assert len(parse(document(first, again))) == 1


CONTRADICTIONS: Final = {
    "another value": one(U, {"a": 2}),
    "a value of another type": one(U, {"a": True}),
    "an attribute more": one(U, {"a": 1, "b": 1}),
    "an attribute less": one(U),
    "a parent": one(U, {"a": 1}, (G,)),
    "a tag": one(U, {"a": 1}, tags={"t": 1}),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_the_same_entity_twice_with_different_contents(name: str) -> None:
    text = document(one(G), one(U, {"a": 1}), CONTRADICTIONS[name])
    assert not accepts_entities(text)
    with pytest.raises(EntityError) as caught:
        parse(text)
    assert caught.value.message == 'entity `User::"alice"` is given twice with different contents'
    assert _shown(caught.value) == json.dumps(U)
    assert caught.value.span is not None
    assert caught.value.span.start > text.index("alice") + 20, "the second one is shown"


def test_cycles() -> None:
    for entities in (
        [one(U, parents=(U,))],
        [one(U, parents=(G,)), one(G, parents=(U,))],
        [one(G), one({"type": "B", "id": ""}, parents=(U,)), one(U, parents=({"type": "B", "id": ""}, G))],
    ):
        text = document(*entities)
        assert not accepts_entities(text)
        with pytest.raises(EntityError, match="the hierarchy has a cycle: ") as caught:
            parse(text)
        assert json.loads(_shown(caught.value)) in (U, G, {"type": "B", "id": ""})


def test_the_parents_of_an_action_are_actions_with_a_schema_or_without() -> None:
    action, group = {"type": "Action", "id": "read"}, {"type": "NS::Action", "id": "all"}
    good, bad = document(one(action, parents=(group,))), document(one(group, parents=(action, U)))
    assert parse(good).get(EntityUID("Action", "read")) is not None
    assert accepts_entities(good)
    assert not accepts_entities(bad)
    with pytest.raises(FormError, match="which is not an action") as caught:
        parse(bad)
    assert _shown(caught.value) == json.dumps(U)
    assert len(parse(document(one(U, parents=(action,))))) == 1


REFUSED: Final[dict[str, tuple[str, str, str]]] = {
    "an object for the document": ("{}", "the document must be an array, found an object", "{}"),
    "an entity that is a list": ("[[]]", "an entity must be an object, found an array", "[]"),
    "an entity that is nothing": ("[null]", "an entity must be an object, found `null`", "null"),
    "no uid": ('[{"attrs": {}, "parents": []}]', "the entity has no `uid`", '{"attrs": {}, "parents": []}'),
    "no attrs": (
        f'[{{"uid": {json.dumps(U)}, "parents": []}}]',
        "the entity has no `attrs`",
        f'{{"uid": {json.dumps(U)}, "parents": []}}',
    ),
    "no parents": (
        f'[{{"uid": {json.dumps(U)}, "attrs": {{}}}}]',
        "the entity has no `parents`",
        f'{{"uid": {json.dumps(U)}, "attrs": {{}}}}',
    ),
    "a uid as text": (
        document(one('User::"alice"')),
        "expected an entity uid, found a string",
        json.dumps('User::"alice"'),
    ),
    "a type that is none": (document(one({"type": "if", "id": "x"})), '"if" is not an entity type', '"if"'),
    "attrs that are a list": (document(one(U, [])), "`attrs` must be an object, found an array", "[]"),
    "attrs that are nothing": (
        document(one(U)).replace("{}", "null"),
        "`attrs` must be an object, found `null`",
        "null",
    ),
    "parents that are an object": (document(one(U, {"a": 1}, {})), "`parents` must be an array, found an object", "{}"),
    "a parent that is text": (document(one(U, None, (G, "x"))), "expected an entity uid, found a string", '"x"'),
    "tags that are nothing": (document(one(U, tags=None)), "`tags` must be an object, found `null`", "null"),
    "an attribute that is nothing": (
        document(one(G), one(U, {"a": 1, "b": [[None]]})),
        "`null` is not a Cedar value",
        "null",
    ),
    "a tag that is nothing": (document(one(U, tags={"a": None})), "`null` is not a Cedar value", "null"),
    "an address that is none": (
        document(one(U, {"a": {"b": {"__extn": {"fn": "ip", "arg": "1.2.3"}}}})),
        '"1.2.3" is not a valid IP address: expected `a.b.c.d` or an IPv6 address, with an optional `/prefix`',
        '{"fn": "ip", "arg": "1.2.3"}',
    ),
    "a fraction": (document(one(U, {"a": [1.5]})), "`1.5` is not a Long", "1.5"),
    "an attribute twice": (document(one(U, {"a": 1})).replace('"a": 1', '"a": 1, "a": 1'), 'duplicate key "a"', '"a"'),
    "an uid twice": (document(one(U)).replace('"attrs"', '"uid": 1, "attrs"'), 'duplicate key "uid"', '"uid"'),
}


def _shown(error: CedarError) -> str:
    assert error.source is not None
    assert error.span is not None
    return error.source.excerpt(error.span)


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_with_a_place(name: str) -> None:
    text, message, shown = REFUSED[name]
    assert not accepts_entities(text)
    with pytest.raises(JsonError) as caught:
        parse(text)
    assert caught.value.message == message
    assert _shown(caught.value) == shown


def test_a_message_in_full() -> None:
    text = '[\n  {"uid": {"type": "User", "id": "alice"}, "attrs": {"age": 7}},\n  7\n]'
    with pytest.raises(JsonError) as caught:
        parse(text)
    assert caught.value.render() == (
        "entities.json:2:3: the entity has no `parents`\n"
        "  |\n"
        '2 |   {"uid": {"type": "User", "id": "alice"}, "attrs": {"age": 7}},\n'
        "  |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"
        '  help: an entity is `{"uid": {"type": .., "id": ..}, "attrs": {..}, "parents": [..]}`'
    )


def test_reading_keeps_the_order_and_the_repetitions_of_a_document() -> None:
    text = document(one(U), one(G), one(U, {"a": 1}))
    entities = read_entities(parse_json(Source("x", text)), Source("x", text))
    assert [entity.uid for entity in entities] == [ALICE, STAFF, ALICE]


class Doubling:
    """A typing that doubles numbers, remembers where it was, and refuses what is called `bad`."""

    def __init__(self, refuse: Callable[[Path], CedarError]) -> None:
        self.seen: list[tuple[str, EntityUID, str, Path]] = []
        self._refuse = refuse

    def attribute(self, uid: EntityUID, name: str, json: Json, path: Path) -> Value:
        return self._read("attribute", uid, name, json, path)

    def tag(self, uid: EntityUID, name: str, json: Json, path: Path) -> Value:
        return self._read("tag", uid, name, json, path)

    def _read(self, what: str, uid: EntityUID, name: str, json: Json, path: Path) -> Value:
        self.seen.append((what, uid, name, path))
        if name == "bad":
            raise self._refuse(path)
        value = read_value(json, path)
        return value * 2 if type(value) is int else value


def test_a_schema_reads_attributes_and_tags() -> None:
    typing = Doubling(lambda path: FormError("refused", path))
    text = document(one(U, {"n": 1}, tags={"m": 2}))
    alice = parse_entities(Source("x", text), typing).get(ALICE)
    assert alice is not None
    assert (alice.attrs, alice.tags) == ({"n": 2}, {"m": 4})
    assert typing.seen == [("attribute", ALICE, "n", (0, "attrs", "n")), ("tag", ALICE, "m", (0, "tags", "m"))]


@pytest.mark.parametrize("place", ["attrs", "tags"])
def test_an_error_of_the_schema_is_placed_at_the_value(place: str) -> None:
    text = document(one(G), {**one(U), place: {"a": 1, "bad": [0, 77]}})
    errors: dict[Callable[[Path], CedarError], str] = {
        lambda path: ConformanceError("refused"): "[0, 77]",
        lambda path: FormError("refused", path): "[0, 77]",
        lambda path: FormError("refused", (*path, 1)): "77",
    }
    for refuse, shown in errors.items():
        with pytest.raises(CedarError, match="refused") as caught:
            parse_entities(Source("x", text), Doubling(refuse))
        assert _shown(caught.value) == shown


@given(st.binary(min_size=400, max_size=400))
def test_writing_is_the_inverse_of_reading(entropy: bytes) -> None:
    store = universe.store(Choices(entropy))
    text = json.dumps(write_entities(store), ensure_ascii=False)
    again = parse(text)
    assert {entity.uid for entity in again} == {entity.uid for entity in store}
    for entity in store:
        read = again.get(entity.uid)
        assert read is not None
        assert read.same_as(entity)
        assert read.ancestors == entity.ancestors
    assert write_entities(again) == json.loads(text)
    assert accepts_entities(text)


def test_parents_are_written_in_order() -> None:
    parents = frozenset(EntityUID("Group", str(number)) for number in range(20))
    (written,) = write_entities([Entity(ALICE, parents=parents)])
    assert isinstance(written, dict)
    assert written["parents"] == [{"type": "Group", "id": id} for id in sorted(map(str, range(20)))]
    assert "tags" not in written
    with pytest.raises(JsonError):
        write_entities([Entity(ALICE, {"a": Record({"__expr": "x"})})])


@cache
def real_entities() -> list[dict[str, Any]]:
    """Entities of some of the official cases."""
    rng = random.Random(7)
    with tarfile.open(shared_data("cedar") / "corpus-tests-4.10.tar.gz") as archive:
        members = (member for member in archive if member.name.endswith(".entities.json") and rng.random() < 0.03)
        files = map(archive.extractfile, members)
        documents = [json.loads(file.read()) for file in files if file is not None]
    return [entity for entities in documents for entity in entities if len(json.dumps(entity)) < 900]


VALUES: Final = [
    1, -1, 2**63 - 1, 2**63, -(2**63) - 1, 1.5, 1e2, -0.0, None, True, "a", [], {}, [1, [1]], [None], {"a": None},
    {"a": [1.5]},
    {"__entity": {"type": "A", "id": "b"}}, {"__entity": {"type": "A", "id": "b", "x": 1}},
    {"__entity": {"type": "A"}}, {"__entity": "A"},
    {"__entity": {"type": "in", "id": "b"}}, {"__entity": {"type": "A", "id": "b"}, "x": 1},
    {"__entity": {"type": " A", "id": "b"}},
    {"__entity": {"type": "__cedar::A", "id": "b"}}, {"__entity": None}, {"type": "A", "id": "b"},
    {"__extn": {"fn": "ip", "arg": "::1"}},
    {"__extn": {"fn": "ip", "arg": "x"}}, {"__extn": {"fn": "ip", "args": ["::1"]}},
    {"__extn": {"fn": "ip", "args": []}},
    {"__extn": {"fn": "ip", "arg": 1}}, {"__extn": {"fn": "nope", "arg": 1}}, {"__extn": {"fn": "ip"}},
    {"__extn": {"fn": 1, "arg": "x"}},
    {"__extn": {"arg": "x"}}, {"__extn": {"fn": "decimal", "arg": "1.0", "args": []}},
    {"__extn": {"fn": "decimal", "arg": "1.0"}, "y": 2},
    {"__extn": {"fn": "isIpv4", "arg": {"__extn": {"fn": "ip", "arg": "::1"}}}},
    {"__extn": {"fn": "ip", "arg": None}}, {"__extn": None},
    {"__extn": {"fn": "ip", "args": "x"}}, {"__expr": "1"}, {"__expr": 1}, {"__expr": "1", "a": 1},
]  # fmt: skip
UID_FORMS: Final = [
    {"type": "A", "id": "b"}, {"__entity": {"type": "A", "id": "b"}}, {"type": "Action", "id": "b"},
    {"type": "N::Action", "id": "c"},
    {"__entity": {"type": "A", "id": "b"}, "type": "C", "id": "d"}, {"type": "A", "id": 1}, {"type": "A"}, 'A::"b"',
    None,
    {"__expr": 'A::"b"'}, {"type": "A", "id": "b", "__expr": "x"},
    {"__entity": {"type": "A", "id": "b"}, "__expr": "x"},
    {"type": "A", "id": "b", "__expr": 1}, {"__entity": {"__entity": {"type": "A", "id": "b"}}},
    {"__extn": {"fn": "ip", "arg": "::1"}},
    {"type": "", "id": ""}, {"type": "A::", "id": ""}, {"type": "\u00e9", "id": "\u00e9"},
    {"type": "A", "id": "b", "x": [None, 1]},
]  # fmt: skip
CHARACTERS: Final = "\"\\[]{},:0123456789.-+eEtfnulla \t\n\r\v\f\0\x1c\xa0\ufeff\u00e9\U0001f600/'_"
PIECES: Final = (
    *(r"\ud800", r"\u0000", r"\ud83d\ude00", r"\u00", "NaN", "Infinity", "-0", "1e2", "1.0", "null", '"a":1,'),
    *("9223372036854775808", "//x\n", "/**/", r"\x41", "\ufeff"),
)
MUTANTS: Final = 12_000


def test_documents_that_are_nearly_right_get_the_rust_engines_verdict() -> None:
    rng = random.Random(11)
    entities, read = real_entities(), 0
    for _ in range(MUTANTS):
        text = _mutant(rng, entities)
        ours, theirs = _fault(text) is None, accepts_entities(text)
        read += theirs
        assert ours == theirs or (theirs and _is_stricter(text)), text
    assert MUTANTS // 5 < read < MUTANTS * 4 // 5


def _fault(text: str) -> CedarError | None:
    try:
        parse(text)
    except CedarError as error:
        if error.position is None:
            raise
        return error
    return None


def _is_stricter(text: str) -> bool:
    """Whether a refusal is ours alone: numbers, strings and keys are checked where they are otherwise ignored, too."""
    read = ("uid", "attrs", "parents", "tags")
    entities = [{key: entity[key] for key in read if key in entity} for entity in json.loads(text)]
    return _fault(json.dumps(entities)) is None


def _mutant(rng: random.Random, entities: list[dict[str, Any]]) -> str:
    changed: list[Any] = [json.loads(json.dumps(rng.choice(entities)))]
    if rng.random() < 0.7:
        for _ in range(rng.choice((1, 1, 2, 3))):
            _change(rng, changed)
    text = json.dumps(changed, ensure_ascii=rng.random() < 0.5)
    for _ in range(rng.choice((0, 0, 0, 1, 1, 2))):
        at, to = rng.randint(0, len(text)), rng.randint(0, len(text))
        new = (rng.choice(CHARACTERS), "", rng.choice(PIECES), text[to : to + 6])[rng.randrange(4)]
        text = text[:at] + new + text[at + rng.randrange(2) :]
    return text


def _change(rng: random.Random, document: list[Any]) -> None:
    entity = rng.choice(document)
    value, uid = (json.loads(json.dumps(rng.choice(choices))) for choices in (VALUES, UID_FORMS))
    if not isinstance(entity, dict) or not isinstance(attrs := entity.get("attrs", {}), dict):
        return
    match rng.randrange(9):
        case 0:
            entity["uid"] = uid
        case 1:
            entity["parents"] = [uid] * rng.randint(0, 2)
        case 2:
            entity["parents"] = value
        case 3 | 4:
            attrs[rng.choice(("a", "", "__entity", "__extn", "\u00e9"))] = value
        case 5:
            entity["tags"] = rng.choice(({}, None, [], {"a": value}, {"": value}))
        case 6:
            entity.pop(rng.choice(list(entity)), None)
        case 7:
            entity[rng.choice(("x", "Uid", "tags"))] = value
        case _:
            document.append(rng.choice((json.loads(json.dumps(entity)), value, {**entity, "parents": [uid]})))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"uid": ["A", "b"], "attrs": {}, "parents": []}]', "expected an entity uid, found an array"),
        ('[{"uid": {"type": "A", "id": "b"}, "attrs": {}, "parents": [], "note": 1.5}]', "`1.5` is not a Long"),
        (
            document(one(U, {"a": {"__extn": {"fn": "unknown", "arg": "x"}}})),
            'there is no extension function "unknown"',
        ),
    ],
)
def test_what_the_rust_engine_reads_by_accident_is_refused(text: str, message: str) -> None:
    """Arrays for objects, fractions where nobody looks, and the `unknown` of an older partial evaluation."""
    assert accepts_entities(text)
    with pytest.raises(JsonError, match=message):
        parse(text)


def test_attributes_have_the_rust_engines_values() -> None:
    rng = random.Random(13)
    texts = [json.dumps(write_entities(universe.store(Choices(rng.randbytes(400))))) for _ in range(20)]
    texts += [json.dumps([entity]) for entity in real_entities() if entity["attrs"]]
    compared = 0
    for text in texts:
        conditions = [
            print_expression(Binary(BinaryOp.EQ, GetAttr(Literal(entity.uid), name), literal(value)))
            for entity in parse(text)
            for name, value in entity.attrs.items()
        ]
        assert judge(conditions, text) == ["true"] * len(conditions)
        compared += len(conditions)
    assert compared > 2_000

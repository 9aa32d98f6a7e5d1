"""Names to meanings: what a schema text or document says once every name is looked up and every hierarchy closed."""

import json
from typing import Any, Final

import pytest

from pdp.cedar.entities import Entity
from pdp.cedar.errors import SchemaError
from pdp.cedar.limits import MAX_TYPE_DEPTH
from pdp.cedar.schema.json_form import parse_json_schema
from pdp.cedar.schema.model import Action, EnumEntityType, Schema, StandardEntityType
from pdp.cedar.schema.text import parse_schema
from pdp.cedar.schema.types import (
    Attribute,
    ExtensionType,
    PrimitiveType,
    RecordType,
    ReferenceType,
    SetType,
    Type,
)
from pdp.cedar.source import Source
from pdp.cedar.values import EntityUID

LONG, STRING, BOOL = PrimitiveType.LONG, PrimitiveType.STRING, PrimitiveType.BOOL


def read(text: str) -> Schema:
    return parse_schema(Source("<test>", text))


def read_json(document: Any) -> Schema:
    return parse_json_schema(Source("<test>", json.dumps(document)))


def action(id: str, type: str = "Action") -> EntityUID:
    return EntityUID(type, id)


MEANINGS: Final[dict[str, tuple[str, Type]]] = {
    "a built-in": ("entity X { x: Long };", LONG),
    "a built-in by its full name": ("entity X { x: __cedar::datetime };", ExtensionType.DATETIME),
    "a set of records": (
        "entity X { x: Set<{ a?: X }> };",
        SetType(RecordType({"a": Attribute(ReferenceType("X"), False)})),
    ),
    "a common type": ("type T = String; entity X { x: T };", STRING),
    "a chain of common types": ("type T = U; type U = Set<V>; type V = Bool; entity X { x: T };", SetType(BOOL)),
    "a common type before an entity type": ("entity T; type T = String; entity X { x: T };", STRING),
    "an entity type before a built-in": ("entity Long; entity X { x: Long };", ReferenceType("Long")),
    "a built-in in spite of an entity type": ("entity Long; entity X { x: __cedar::Long };", LONG),
    "a common type before an extension type": ("type ipaddr = String; entity X { x: ipaddr };", STRING),
    "an inner entity type before a built-in": (
        "namespace N { entity Long; entity X { x: Long }; }",
        ReferenceType("N::Long"),
    ),
    "an inner name": ("namespace N { type T = String; entity X { x: T }; }", STRING),
    "an inner name by its full one": ("namespace N { entity X { x: N::X }; }", ReferenceType("N::X")),
    "an outer name": ("entity T; namespace N { entity X { x: T }; }", ReferenceType("T")),
    "an outer common type": ("type T = U; entity U; namespace N { entity X { x: T }; }", ReferenceType("U")),
    "a name of another namespace": ("namespace M { type T = Long; } namespace N { entity X { x: M::T }; }", LONG),
    "what a common type means where it is declared": (
        "namespace M { type T = U; entity U; } namespace N { entity U; entity X { x: M::T }; }",
        ReferenceType("M::U"),
    ),
    "the type of actions": ("action a; entity X { x: Action };", ReferenceType("Action")),
    "the type of the own actions": (
        "action a; namespace N { action b; entity X { x: Action }; }",
        ReferenceType("N::Action"),
    ),
    "the type of the outer actions": ("action a; namespace N { entity X { x: Action }; }", ReferenceType("Action")),
    "a common type before the type of actions": ("type Action = Long; action a; entity X { x: Action };", LONG),
    "an entity type of the name Set": ("entity Set; entity X { x: Set<Set> };", SetType(ReferenceType("Set"))),
}


@pytest.mark.parametrize("name", MEANINGS)
def test_what_a_name_means(name: str) -> None:
    text, expected = MEANINGS[name]
    schema = read(text)
    declared = schema.entity_types["X" if "X" in schema.entity_types else "N::X"]
    assert declared.attributes == RecordType({"x": Attribute(expected)})


JSON_MEANINGS: Final[dict[str, tuple[dict[str, str], Type]]] = {
    "a common type by its name": ({"type": "T"}, LONG),
    "a built-in by its name": ({"type": "Bool"}, BOOL),
    "a built-in by its word": ({"type": "String"}, STRING),
    "an entity type where a common type has its name": ({"type": "Entity", "name": "T"}, ReferenceType("N::T")),
    "either of two": ({"type": "EntityOrCommon", "name": "T"}, LONG),
    "an extension type where a common type has its name": (
        {"type": "Extension", "name": "ipaddr"},
        ExtensionType.IPADDR,
    ),
}


@pytest.mark.parametrize("name", JSON_MEANINGS)
def test_what_a_type_of_a_document_means(name: str) -> None:
    type, expected = JSON_MEANINGS[name]
    shape = {"type": "Record", "attributes": {"x": type}}
    common = {"T": {"type": "Long"}, "ipaddr": {"type": "String"}}
    schema = read_json({"N": {"commonTypes": common, "entityTypes": {"T": {}, "X": {"shape": shape}}, "actions": {}}})
    assert schema.entity_types["N::X"].attributes == RecordType({"x": Attribute(expected)})


def test_a_shape_may_be_a_common_type_in_a_document() -> None:
    record = {"type": "Record", "attributes": {"a": {"type": "Long"}}}
    entity_types = {"A": {"shape": {"type": "T"}}}
    schema = read_json({"": {"commonTypes": {"T": record}, "entityTypes": entity_types, "actions": {}}})
    assert schema == read("entity A { a: Long };")


def test_everything_about_entity_types() -> None:
    schema = read(
        '@a entity A in B { x?: Long } tags Set<String>; @b entity E enum ["two", "one", "two"]; entity B in E;'
    )
    assert schema.entity_types == {
        "A": StandardEntityType(
            "A",
            RecordType({"x": Attribute(LONG, required=False)}),
            SetType(STRING),
            frozenset({"B", "E"}),
            {"a": ""},
        ),
        "B": StandardEntityType("B", ancestors=frozenset({"E"})),
        "E": EnumEntityType("E", frozenset({"one", "two"}), {"b": ""}),
    }
    enumeration = schema.entity_types["E"]
    assert (enumeration.attributes, enumeration.tags, enumeration.ancestors) == (RecordType({}), None, frozenset())
    assert schema.ids == {"E": frozenset({"one", "two"})}


def test_entity_types_may_be_in_cycles() -> None:
    schema = read("entity A in B; entity B in [C, B]; entity C in A; entity D in D; entity E in A;")
    ring = frozenset("ABC")
    assert {name: declared.ancestors for name, declared in schema.entity_types.items()} == {
        "A": ring,
        "B": ring,
        "C": ring,
        "D": frozenset("D"),
        "E": ring,
    }


def test_everything_about_actions() -> None:
    schema = read("""
        namespace N {
            entity User, File;
            type Ctx = { c: Long };
            @a action read in "all files" appliesTo { principal: User, resource: [File, User], context: Ctx };
            action "all files" in everything;
        }
        action everything;
    """)
    files, everything = action("all files", "N::Action"), action("everything")
    assert schema.actions == {
        action("read", "N::Action"): Action(
            action("read", "N::Action"),
            frozenset({files, everything}),
            frozenset({"N::User"}),
            frozenset({"N::File", "N::User"}),
            RecordType({"c": Attribute(LONG)}),
            {"a": ""},
        ),
        files: Action(files, frozenset({everything})),
        everything: Action(everything),
    }
    assert schema.action_entities() == (
        Entity(everything),
        Entity(action("read", "N::Action"), parents=frozenset({files, everything})),
        Entity(files, parents=frozenset({everything})),
    )
    assert schema.ids == {"Action": {"everything"}, "N::Action": {"read", "all files"}}


def test_an_inner_group_comes_before_an_outer_one() -> None:
    schema = read('action outer; namespace N { action a in [b, Action::"outer"]; action b; }')
    assert schema.actions[action("a", "N::Action")].ancestors == {action("b", "N::Action"), action("outer")}


def test_an_action_with_types_on_one_side_only_applies_to_nothing() -> None:
    applies_to = {
        "principalTypes": ["A"],
        "resourceTypes": [],
        "context": {"type": "Record", "attributes": {"c": {"type": "Long"}}},
    }
    schema = read_json({"": {"entityTypes": {"A": {}}, "actions": {"a": {"appliesTo": applies_to}}}})
    assert schema == read("entity A; action a;")


EQUAL: Final = {
    "order and names": ("type T = Long; entity A, B { x: T }; action a, b;", "action b, a; entity B, A { x: Long };"),
    "namespaces": ("namespace N { entity A { a: A }; }", "namespace N { entity A { a: N::A }; }"),
    "a parent that is reached anyway": (
        "entity A in B; entity C in [A, B]; entity B;",
        "entity A in B; entity C in A; entity B;",
    ),
    "annotations of attributes": ("entity A { @doc a: Long };", "entity A { a: Long };"),
    "annotations without a value": ("@doc entity A;", '@doc("") entity A;'),
    "no appliesTo": ("action a attributes {};", "action a;"),
}


@pytest.mark.parametrize("name", EQUAL)
def test_texts_that_mean_the_same_give_equal_schemas(name: str) -> None:
    one, other = EQUAL[name]
    assert read(one) == read(other)


DIFFERENT: Final = [
    "entity A;",
    "@doc entity A;",
    "entity B;",
    "entity A { a: Long };",
    "entity A { a?: Long };",
    "entity A { a: String };",
    "entity A tags Long;",
    "entity A in A;",
    'entity A enum ["x"];',
    'entity A enum ["x", "y"];',
    "namespace N { entity A; }",
    "entity A; action a;",
    "entity A; @doc action a;",
    "entity A; action a in b; action b;",
    "entity A; action a; action b;",
    "entity A; action a appliesTo { principal: A, resource: A };",
    "entity A; action a appliesTo { principal: A, resource: A, context: { c: Long } };",
    "entity A; action a appliesTo { principal: A, resource: A, context: { c?: Long } };",
]


def test_texts_that_mean_something_else_do_not() -> None:
    schemas = [read(text) for text in DIFFERENT]
    assert [schemas.index(schema) for schema in schemas] == list(range(len(DIFFERENT)))


def test_a_type_may_not_become_too_deep_through_its_common_types() -> None:
    chain = "".join(f"type T{n} = {{ a: T{n - 1} }};" for n in range(1, MAX_TYPE_DEPTH + 1))
    text = f"type T0 = Long; {chain}"
    read(text)
    with pytest.raises(SchemaError, match="more than 60 levels of sets and records"):
        read(f"{text} entity A {{ a: T60 }};")


def test_a_type_may_not_become_too_large_through_its_common_types() -> None:
    doubling = "".join(f"type T{n} = {{ a: T{n - 1}, b: T{n - 1} }};" for n in range(1, 19))
    text = f"type T0 = Long; {doubling}"
    assert read(f"{text} entity A {{ a: T18 }};") == read(f"{text} entity A {{ a: T18 }};")
    with pytest.raises(SchemaError, match="more than 1000000 parts") as caught:
        read(f"{text} entity A {{ a: T18, b: T18 }};")
    assert caught.value.position is not None


def test_a_long_chain_of_common_types_takes_no_stack() -> None:
    links = "".join(f"type T{n} = T{n + 1};" for n in range(20_000))
    assert read(f"{links} type T20000 = Long; entity X {{ x: T0 }};") == read("entity X { x: Long };")
    with pytest.raises(SchemaError, match=r"the common types have a cycle: .* and 19993 more"):
        read(f"{links} type T20000 = T0;")


@pytest.mark.parametrize("word, what", [("entity", "entity types"), ("action", "actions")])
def test_hierarchies_are_bounded(word: str, what: str) -> None:
    chain = "".join(f"{word} x{n} in x{n + 1};" for n in range(1_500))
    with pytest.raises(SchemaError, match=f"the {what} of the schema have more than 1000000 ancestors"):
        read(f"{chain} {word} x1500;")

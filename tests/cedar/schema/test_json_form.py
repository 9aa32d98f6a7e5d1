"""JSON schemas: named cases with the Rust engine as judge, and where the two differ on purpose."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from rust_schemas import accepts_json

from pdp.cedar.errors import CedarError, JsonError, SchemaError
from pdp.cedar.limits import MAX_SCHEMA_TEXT, MAX_TYPE_DEPTH
from pdp.cedar.schema.json_form import parse_json_fragment, parse_json_schema
from pdp.cedar.schema.syntax import (
    ActionDecl,
    ActionRef,
    AttributeDecl,
    CommonTypeDecl,
    EntityTypeDecl,
    EnumDecl,
    Fragment,
    Namespace,
    RecordOf,
    SetOf,
    Sort,
    TypeName,
)
from pdp.cedar.schema.types import ExtensionType, PrimitiveType
from pdp.cedar.source import Source

CASES: Final = Path(__file__).parent / "cases"
ACCEPTED: Final[dict[str, str]] = yaml.safe_load((CASES / "json_accepted.yaml").read_text(encoding="utf-8"))
REFUSED: Final[dict[str, dict[str, str]]] = yaml.safe_load((CASES / "json_refused.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ACCEPTED)
def test_reads_what_the_rust_engine_reads(name: str) -> None:
    parse_json_schema(Source("<test>", ACCEPTED[name]))
    assert accepts_json(ACCEPTED[name])


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_what_the_rust_engine_refuses_and_says_why(name: str) -> None:
    case = REFUSED[name]
    source = Source("<test>", case["text"])
    with pytest.raises(CedarError) as caught:
        parse_json_schema(source)
    error = caught.value
    assert isinstance(error, SchemaError | JsonError)
    assert error.source is source
    assert error.span is not None
    assert (source.excerpt(error.span), error.message, error.help) == (case["at"], case["message"], case.get("help"))
    assert not accepts_json(case["text"])


ARRAYS_FOR_OBJECTS: Final[dict[str, Any]] = {
    "a namespace": {"": [{}, {}, {}]},
    "an entity type": {"": {"entityTypes": {"A": []}, "actions": {}}},
    "an action": {"": {"entityTypes": {}, "actions": {"a": []}}},
    "what an action applies to": {"": {"entityTypes": {}, "actions": {"a": {"appliesTo": [[], []]}}}},
    "a group": {"": {"entityTypes": {}, "actions": {"a": {"memberOf": [["b"]]}, "b": {}}}},
}


@pytest.mark.parametrize("name", ARRAYS_FOR_OBJECTS)
def test_refuses_an_array_for_an_object_which_the_rust_engine_takes_by_accident(name: str) -> None:
    text = json.dumps(ARRAYS_FOR_OBJECTS[name])
    assert accepts_json(text)
    with pytest.raises(JsonError, match="expected an object, found an array"):
        parse_json_schema(Source("<test>", text))


def test_what_a_document_is_read_as() -> None:
    shape = {
        "type": "Record",
        "attributes": {
            "a": {"type": "Long"},
            "b c": {"type": "Set", "element": {"type": "Entity", "name": "A"}, "required": False},
            "d": {"type": "Extension", "name": "decimal", "annotations": {"x": None, "y": "z"}},
        },
    }
    document = {
        "N": {
            "commonTypes": {
                "T": {"type": "EntityOrCommon", "name": "U", "annotations": {"k": "v"}},
                "U": {"type": "V"},
            },
            "entityTypes": {
                "A": {"memberOfTypes": ["B", "M::B"], "shape": shape, "tags": {"type": "String"}},
                "E": {"enum": ["x", ""], "annotations": {"k": "v"}},
                "S": {"shape": {"type": "T"}},
            },
            "actions": {
                "a": {
                    "memberOf": [{"id": "g"}, {"id": "h", "type": "M::Action"}],
                    "appliesTo": {"principalTypes": ["A"], "resourceTypes": [], "context": {"type": "C"}},
                    "annotations": {"k": "v"},
                },
                "g": {},
            },
            "annotations": {"k": ""},
        },
        "": {"entityTypes": {}, "actions": {}},
    }
    attributes = (
        AttributeDecl("a", PrimitiveType.LONG),
        AttributeDecl("b c", SetOf(TypeName("A", Sort.ENTITY)), required=False),
        AttributeDecl("d", ExtensionType.DECIMAL, annotations={"x": "", "y": "z"}),
    )
    parents = (TypeName("B", Sort.ENTITY), TypeName("M::B", Sort.ENTITY))
    expected = Namespace(
        "N",
        (CommonTypeDecl("T", TypeName("U"), {"k": "v"}), CommonTypeDecl("U", TypeName("V", Sort.COMMON))),
        (
            EntityTypeDecl("A", parents, RecordOf(attributes), PrimitiveType.STRING),
            EnumDecl("E", ("x", ""), {"k": "v"}),
            EntityTypeDecl("S", shape=TypeName("T", Sort.COMMON)),
        ),
        (
            ActionDecl(
                "a",
                (ActionRef("g"), ActionRef("h", "M::Action")),
                (TypeName("A", Sort.ENTITY),),
                (),
                TypeName("C", Sort.COMMON),
                {"k": "v"},
            ),
            ActionDecl("g"),
        ),
        {"k": ""},
    )
    assert parse_json_fragment(Source("<test>", json.dumps(document))) == Fragment((expected,))


def nested(depth: int) -> str:
    inner: Any = {"type": "Long"}
    for _ in range(depth):
        inner = {"type": "Record", "attributes": {"a": inner}}
    return json.dumps({"": {"entityTypes": {"A": {"shape": inner}}, "actions": {}}})


def test_a_type_may_be_nested_so_deeply_and_no_deeper() -> None:
    parse_json_schema(Source("<test>", nested(MAX_TYPE_DEPTH)))
    for depth, message in ((MAX_TYPE_DEPTH + 1, "nested more than 60 levels"), (100, "nested too deeply")):
        with pytest.raises(JsonError, match=message):
            parse_json_schema(Source("<test>", nested(depth)))


def test_a_document_may_be_so_long_and_no_longer() -> None:
    parse_json_schema(Source("<test>", "{}".ljust(MAX_SCHEMA_TEXT)))
    with pytest.raises(JsonError, match="more than 4194304 characters"):
        parse_json_schema(Source("<test>", "{}".ljust(MAX_SCHEMA_TEXT + 1)))

"""Declarations back to text and to JSON: what is written, and what text cannot say."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from rust_schemas import accepts_json, accepts_text

from pdp.cedar.errors import SchemaError
from pdp.cedar.schema.json_form import parse_json_fragment, parse_json_schema
from pdp.cedar.schema.json_writer import write_json_schema
from pdp.cedar.schema.printer import print_schema
from pdp.cedar.schema.resolve import resolve
from pdp.cedar.schema.text import parse_fragment, parse_schema
from pdp.cedar.source import Source

CASES: Final = Path(__file__).parent / "cases"
TEXTS: Final[dict[str, str]] = yaml.safe_load((CASES / "accepted.yaml").read_text(encoding="utf-8"))
DOCUMENTS: Final[dict[str, str]] = yaml.safe_load((CASES / "json_accepted.yaml").read_text(encoding="utf-8"))

TEXT: Final = """\
@doc("names")
type Name = String;

@a
@b("say \\"x\\"")
entity User in [Group, N::Group] = {
  name: Name,
  @c
  "a b"?: Set<{
    "if": {},
  }>,
} tags Long;

entity Color enum ["red", "\\u{200b}"];

action "" in [all, "all of it", N::Action::"any"] appliesTo {
  principal: [User],
  resource: [User, N::Group],
  context: {
    ip?: ipaddr,
  },
};

action all;

@x
namespace N {
  @y
  entity Group;

  @z
  action any appliesTo {
    principal: [Group],
    resource: [Group],
    context: Name,
  };
}

namespace N::M {
}
"""


def test_a_printed_schema() -> None:
    assert print_schema(parse_fragment(Source("<test>", TEXT))) == TEXT


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_printed_back(name: str) -> None:
    fragment = parse_fragment(Source("<test>", TEXTS[name]))
    printed = print_schema(fragment)
    assert parse_fragment(Source("<printed>", printed)) == fragment
    assert accepts_text(printed)


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_translated_and_back(name: str) -> None:
    fragment = parse_fragment(Source("<test>", TEXTS[name]))
    document = json.dumps(write_json_schema(fragment))
    assert parse_json_fragment(Source("<written>", document)) == fragment
    assert accepts_json(document)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_is_translated_and_back(name: str) -> None:
    source = Source("<test>", DOCUMENTS[name])
    fragment = parse_json_fragment(source)
    assert parse_json_fragment(Source("<written>", json.dumps(write_json_schema(fragment)))) == fragment
    printed = print_schema(fragment)
    assert parse_schema(Source("<printed>", printed)) == parse_json_schema(source)
    assert accepts_text(printed)


def document(namespace: str, **parts: Any) -> Source:
    written = {namespace: {"entityTypes": {}, "actions": {}, **parts}}
    return Source("<test>", json.dumps(written))


def shape(type: dict[str, str]) -> dict[str, Any]:
    return {"shape": {"type": "Record", "attributes": {"x": type}}}


WORDS: Final[dict[str, tuple[str, dict[str, Any], str]]] = {
    "the short name where it is free": ("N", {"entityTypes": {"A": shape({"type": "Long"})}}, "Long"),
    "the full name where an entity type of the namespace has the short one": (
        "N",
        {"entityTypes": {"A": shape({"type": "Long"}), "Long": {}}},
        "__cedar::Long",
    ),
    "the full name where an entity type outside has the short one": (
        "",
        {"entityTypes": {"A": shape({"type": "Boolean"}), "Bool": {}}},
        "__cedar::Bool",
    ),
    "the full name where a common type has the short one": (
        "N",
        {
            "entityTypes": {"A": shape({"type": "Extension", "name": "ipaddr"})},
            "commonTypes": {"ipaddr": {"type": "Long"}},
        },
        "__cedar::ipaddr",
    ),
    "the full name where an entity type hides what is called a common type": (
        "N",
        {"entityTypes": {"A": shape({"type": "decimal"}), "decimal": {}}},
        "__cedar::decimal",
    ),
    "the name of an entity type": ("N", {"entityTypes": {"A": shape({"type": "Entity", "name": "A"})}}, "A"),
    "the name of a common type": (
        "N",
        {"entityTypes": {"A": shape({"type": "T"})}, "commonTypes": {"T": {"type": "Long"}}},
        "T",
    ),
}


@pytest.mark.parametrize("name", WORDS)
def test_what_a_type_of_a_document_is_called_in_text(name: str) -> None:
    namespace, parts, expected = WORDS[name]
    source = document(namespace, **parts)
    printed = print_schema(parse_json_fragment(source))
    assert f"x: {expected},\n" in printed
    assert parse_schema(Source("<printed>", printed)) == parse_json_schema(source)


RECORD: Final = {"type": "Record", "attributes": {}}
UNSAYABLE: Final[dict[str, tuple[Source, str, str]]] = {
    "a shape that is a common type": (
        document("", entityTypes={"A": {"shape": {"type": "T"}}}, commonTypes={"T": RECORD}),
        "the shape of `A` is not written out, which text cannot say",
        "write its attributes",
    ),
    "an entity type that a common type hides": (
        document(
            "N",
            entityTypes={"A": {}, "B": shape({"type": "Entity", "name": "A"})},
            commonTypes={"A": {"type": "Long"}},
        ),
        "a common type hides the entity type `N::A`, which text cannot say",
        "rename one of them",
    ),
}


@pytest.mark.parametrize("name", UNSAYABLE)
def test_what_text_cannot_say_is_refused(name: str) -> None:
    source, message, help = UNSAYABLE[name]
    fragment = parse_json_fragment(source)
    resolve(fragment)
    with pytest.raises(SchemaError) as caught:
        print_schema(fragment)
    assert (caught.value.message, caught.value.help) == (message, help)
    assert caught.value.position is not None


def test_a_context_that_is_no_record_is_refused() -> None:
    applies_to = {"principalTypes": ["A"], "resourceTypes": ["A"], "context": {"type": "Long"}}
    fragment = parse_json_fragment(document("", actions={"a": {"appliesTo": applies_to}}))
    with pytest.raises(SchemaError, match="the context of `a` is not a record, which text cannot say"):
        print_schema(fragment)


def test_a_context_named_as_a_word_of_the_format_is_written_in_the_long_form() -> None:
    text = (
        "type EntityOrCommon = {}; entity A; action a appliesTo { principal: A, resource: A, context: EntityOrCommon };"
    )
    source = Source("<test>", text)
    written = json.dumps(write_json_schema(parse_fragment(source)))
    assert parse_json_schema(Source("<written>", written)) == parse_schema(source)
    assert accepts_json(written)

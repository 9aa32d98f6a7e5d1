"""Schema texts: named cases with the Rust engine as judge, the trees they give, places and help of every refusal."""

from pathlib import Path
from typing import Final

import pytest
import yaml
from rust_schemas import accepts_text

from pdp.cedar.errors import SchemaError
from pdp.cedar.limits import MAX_SCHEMA_TEXT, MAX_TYPE_DEPTH
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
from pdp.cedar.schema.text import parse_fragment, parse_schema
from pdp.cedar.source import Source, Span

CASES: Final = Path(__file__).parent / "cases"
ACCEPTED: Final[dict[str, str]] = yaml.safe_load((CASES / "accepted.yaml").read_text(encoding="utf-8"))
REFUSED: Final[dict[str, dict[str, str]]] = yaml.safe_load((CASES / "refused.yaml").read_text(encoding="utf-8"))


def read(text: str) -> Fragment:
    return parse_fragment(Source("<test>", text))


def entity_type(name: str) -> TypeName:
    return TypeName(name, Sort.ENTITY)


@pytest.mark.parametrize("name", ACCEPTED)
def test_reads_what_the_rust_engine_reads(name: str) -> None:
    parse_schema(Source("<test>", ACCEPTED[name]))
    assert accepts_text(ACCEPTED[name])


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_what_the_rust_engine_refuses_and_says_why(name: str) -> None:
    case = REFUSED[name]
    source = Source("<test>", case["text"])
    with pytest.raises(SchemaError) as caught:
        parse_schema(source)
    error = caught.value
    assert error.source is source
    assert error.span is not None
    assert (source.excerpt(error.span), error.message, error.help) == (case["at"], case["message"], case.get("help"))
    assert not accepts_text(case["text"])


def test_the_places_of_two_faults_on_two_lines() -> None:
    with pytest.raises(SchemaError) as caught:
        parse_schema(Source("users.cedarschema", "entity User {\n  age: Lnog,\n};"))
    assert caught.value.render() == (
        "users.cedarschema:2:8: there is no common or entity type `Lnog`\n"
        "  |\n"
        "2 |   age: Lnog,\n"
        "  |        ^^^^\n"
        "  help: did you mean `Long`?"
    )


def test_what_a_schema_is_read_as() -> None:
    text = """
    @doc("names") type Name = String;
    @a @b("x") entity User, Robot in [Group, N::Group] = { name: Name, @c "a b"?: Set<{}> } tags Long;
    entity Color enum ["red", "blue"];
    action read, "write it" in [all, N::Action::"any"] appliesTo { principal: User, resource: [A, B], context: Ctx };
    action all;
    """
    attributes = (
        AttributeDecl("name", TypeName("Name")),
        AttributeDecl("a b", SetOf(RecordOf()), required=False, annotations={"c": ""}),
    )
    annotations = {"a": "", "b": "x"}
    parents = (entity_type("Group"), entity_type("N::Group"))
    groups = (ActionRef("all"), ActionRef("any", "N::Action"))
    applies_to = ((entity_type("User"),), (entity_type("A"), entity_type("B")), TypeName("Ctx", Sort.COMMON))
    outside = Namespace(
        "",
        (CommonTypeDecl("Name", TypeName("String"), {"doc": "names"}),),
        (
            EntityTypeDecl("User", parents, RecordOf(attributes), TypeName("Long"), annotations),
            EntityTypeDecl("Robot", parents, RecordOf(attributes), TypeName("Long"), annotations),
            EnumDecl("Color", ("red", "blue")),
        ),
        (
            ActionDecl("read", groups, *applies_to),
            ActionDecl("write it", groups, *applies_to),
            ActionDecl("all"),
        ),
    )
    assert read(text) == Fragment((outside,))


def test_declarations_outside_namespaces_belong_together() -> None:
    first, second = read("entity A; @doc namespace N { entity C; } entity B;").namespaces
    assert first == Namespace("", entity_types=(EntityTypeDecl("A"), EntityTypeDecl("B")))
    assert second == Namespace("N", entity_types=(EntityTypeDecl("C"),), annotations={"doc": ""})
    assert read("namespace N {}").namespaces == (Namespace("N"),)


def test_of_an_attribute_that_is_declared_twice_the_last_declaration_counts() -> None:
    (namespace,) = read("type T = { a: Long, b: Bool, a?: String };").namespaces
    expected = RecordOf((AttributeDecl("a", TypeName("String"), required=False), AttributeDecl("b", TypeName("Bool"))))
    assert namespace.common_types[0].type == expected


def test_places_are_those_of_the_names() -> None:
    source = Source("<test>", 'namespace N::M { entity A in [B :: C]; action a, "b c" in X::"y"; }')
    (namespace,) = parse_fragment(source).namespaces
    (declared,) = namespace.entity_types
    assert isinstance(declared, EntityTypeDecl)
    places = [namespace.place, declared.place, declared.parents[0].place]
    places += [action.place for action in namespace.actions]
    places += [namespace.actions[0].groups[0].place]
    shown = [source.excerpt(place) for place in places if isinstance(place, Span)]
    assert shown == ["N::M", "A", "B :: C", "a", '"b c"', 'X::"y"']


@pytest.mark.parametrize("opening, closing", [("Set<", ">"), ("{a: ", "}")])
def test_a_type_may_be_nested_so_deeply_and_no_deeper(opening: str, closing: str) -> None:
    def nested(depth: int) -> str:
        return f"type T = {opening * depth}Long{closing * depth};"

    parse_schema(Source("<test>", nested(MAX_TYPE_DEPTH)))
    for depth in (MAX_TYPE_DEPTH + 1, 5_000):
        with pytest.raises(SchemaError, match="nested more than 60 levels deep"):
            parse_schema(Source("<test>", nested(depth)))


def test_a_text_may_be_so_long_and_no_longer() -> None:
    parse_schema(Source("<test>", "entity A;".ljust(MAX_SCHEMA_TEXT)))
    with pytest.raises(SchemaError, match="the limit is"):
        parse_schema(Source("<test>", "entity A;".ljust(MAX_SCHEMA_TEXT + 1)))

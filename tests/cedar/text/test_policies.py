"""Tokens to policies: ids, annotations, clauses, ends, places; what one text may hold and what it may not."""

from typing import Final

import pytest
from rust_policies import accepts_policies, policy_json, read_policies

from pdp.cedar.errors import ParseError
from pdp.cedar.limits import MAX_POLICY_TEXT
from pdp.cedar.nodes import GetAttr, Literal, Var, Variable
from pdp.cedar.policy import Condition, ConditionKind, Effect, Policy, PolicySet, ScopeAny
from pdp.cedar.source import Position, Source
from pdp.cedar.text.policies import parse_policies, parse_policy_set

ANY: Final = "(principal, action, resource)"


def parse(text: str) -> tuple[Policy, ...]:
    return parse_policies(Source("test.cedar", text))


def the_same_as_rust(text: str) -> tuple[Policy, ...]:
    policies = parse(text)
    assert {policy.id: policy_json(policy) for policy in policies} == read_policies(text)
    return policies


def test_ids_are_positions_over_policies_and_templates() -> None:
    text = f'permit{ANY}; permit(principal == ?principal, action, resource); @id("mine") forbid{ANY};'
    policies = the_same_as_rust(text)
    assert [policy.id for policy in policies] == ["policy0", "policy1", "policy2"]
    assert [policy.is_template for policy in policies] == [False, True, False]
    assert policies[2].annotations == {"id": "mine"}


def test_a_text_without_policies() -> None:
    for text in ("", " \n", "// nothing here", "// nothing\n\n"):
        assert the_same_as_rust(text) == ()


def test_a_policy_set_of_a_text() -> None:
    text = f"permit{ANY}; permit(principal == ?principal, action, resource);"
    assert parse_policy_set(Source("test", text)) == PolicySet(parse(text))
    assert parse_policy_set(Source("test", text)).templates.keys() == {"policy1"}


def test_effects_and_clauses() -> None:
    text = f"forbid{ANY} when {{ true }} unless {{ context.a }} when {{ 1 }} when {{ false }};permit{ANY};"
    forbid, permit = the_same_as_rust(text)
    assert (forbid.effect, permit.effect) == (Effect.FORBID, Effect.PERMIT)
    assert forbid.conditions == (
        Condition(ConditionKind.WHEN, Literal(True)),
        Condition(ConditionKind.UNLESS, GetAttr(Variable(Var.CONTEXT), "a")),
        Condition(ConditionKind.WHEN, Literal(1)),
        Condition(ConditionKind.WHEN, Literal(False)),
    )
    assert permit.conditions == ()
    assert permit.principal == permit.action == permit.resource == ScopeAny()


ANNOTATIONS: Final[dict[str, dict[str, str | None]]] = {
    '@id("a")': {"id": "a"},
    "@id": {"id": None},
    '@id("")': {"id": ""},
    '@a("1")@b @c("3")': {"a": "1", "b": None, "c": "3"},
    '@ id\n( "a" )': {"id": "a"},
    '@a("\\n\\u{41}\\"")': {"a": '\nA"'},
    '@if("1") @in @true("x") @__cedar @permit @principal': {
        "if": "1", "in": None, "true": "x", "__cedar": None, "permit": None, "principal": None,
    },
    '@Id("1") @id("2")': {"Id": "1", "id": "2"},
}  # fmt: skip


@pytest.mark.parametrize("text", ANNOTATIONS)
def test_annotations(text: str) -> None:
    (policy,) = the_same_as_rust(f"{text} permit{ANY};")
    assert policy.annotations == ANNOTATIONS[text]
    assert list(policy.annotations) == list(ANNOTATIONS[text])


REFUSED: Final = [
    # effects and ends
    f"allow{ANY};", f"deny{ANY};", f"Permit{ANY};", f"PERMIT{ANY};", f"permit{ANY}", f"permit{ANY};;", ";",
    f";permit{ANY};",
    f"permit{ANY} permit{ANY};", f"permit{ANY},", f"{ANY};", "permit;", "true", f"permit{ANY}.",
    f"permit permit{ANY};",
    f"permit forbid{ANY};", f'permit "x" {ANY};', f"(permit{ANY});", f"\ufeffpermit{ANY};", f"permit{ANY}; x",
    # clauses
    f"permit{ANY} when;", f"permit{ANY} when {{}};", f"permit{ANY} when {{ }} ;", f"permit{ANY} when true;",
    f"permit{ANY} when (true);",
    f"permit{ANY} when {{ true;", f"permit{ANY} when {{ true }}", f"permit{ANY} {{ true }};",
    f"permit{ANY} if {{ true }};",
    f"permit{ANY} When {{ true }};", f"permit{ANY} when {{ true }} else {{ false }};",
    f"permit{ANY}; when {{ true }};",
    f"permit{ANY} when {{ true; }};", f"permit{ANY} when {{ true, false }};", f"permit{ANY} advice {{ \"x\" }};",
    f"permit{ANY} when {{ true }}, when {{ true }};", f"permit{ANY} when unless {{ true }};",
    f"permit{ANY} when {{ ?principal }};",
    f"permit{ANY} when {{ permit{ANY} }};", f"permit{ANY} when {{ true }} @id(\"a\");",
    # annotations
    f"@ permit{ANY};", f"@id() permit{ANY};", f"@id(x) permit{ANY};", f"@id(1) permit{ANY};",
    f"@id('a') permit{ANY};",
    f'@id("a" permit{ANY};', f'@id "a" permit{ANY};', f'@id("a", "b") permit{ANY};', f'@id("a")("b") permit{ANY};',
    f'@"id"("a") permit{ANY};', f'@id("a") @id("b") permit{ANY};', f'@id @id permit{ANY};',
    f'@a::b("x") permit{ANY};', f'@1("a") permit{ANY};',
    f'@id["a"] permit{ANY};', f'@id("a"),@b("c") permit{ANY};', f'@id("a");permit{ANY};', '@id("a")',
    f'permit @id("a") {ANY};', f'@?principal permit{ANY};',
    f'@id("\\q") permit{ANY};', f'@id("\\*") permit{ANY};',
]  # fmt: skip


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_policy(text: str) -> None:
    assert not accepts_policies(text)
    with pytest.raises(ParseError) as caught:
        parse(text)
    assert caught.value.position is not None


def test_a_text_is_read_whole_or_not_at_all() -> None:
    good = f"permit{ANY};"
    for place in range(4):
        texts = [good] * 4
        texts[place] = f"permit{ANY} when {{ 1 == }};"
        with pytest.raises(ParseError) as caught:
            parse("\n".join(texts))
        assert caught.value.position == Position(place + 1, 49)


def test_every_policy_knows_its_place() -> None:
    text = f'// first\n@id("a")\npermit{ANY};\n\n  forbid{ANY} when {{ true }} unless {{ 1 }}  ; // end'
    source = Source("test.cedar", text)
    first, second = parse_policies(source)
    assert first.source is second.source is source
    assert first.span is not None
    assert second.span is not None
    assert source.excerpt(first.span) == f'@id("a")\npermit{ANY};'
    assert source.position(second.span.start) == Position(5, 3)
    assert source.excerpt(second.span) == f"forbid{ANY} when {{ true }} unless {{ 1 }}  ;"
    spans = [condition.span for condition in second.conditions]
    assert [source.excerpt(span) for span in spans if span] == ["when { true }", "unless { 1 }"]


def test_line_ends_are_white_space_and_comments_end_with_them() -> None:
    for end in ("\n", "\r\n", "\r"):
        text = f"permit // x{end}{ANY}{end}when {{ true // y{end} && context.a }};"
        (policy,) = the_same_as_rust(text)
        assert len(policy.conditions) == 1
    with pytest.raises(ParseError, match="expected `\\(`, found the end of the text"):
        parse(f"permit // x\u2028{ANY};")


def test_a_text_may_not_be_endless() -> None:
    with pytest.raises(ParseError, match=f"the limit is {MAX_POLICY_TEXT}"):
        parse(" " * (MAX_POLICY_TEXT + 1))
    assert parse(" " * MAX_POLICY_TEXT) == ()


def test_many_policies() -> None:
    policies = parse(f"permit{ANY};\n" * 20_000)
    assert len({policy.id for policy in policies}) == 20_000
    assert policies[-1].id == "policy19999"

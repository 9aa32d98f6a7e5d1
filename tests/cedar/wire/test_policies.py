"""JSON policies and policy sets: forms, links, places of refusals, hostile names, what cannot be written."""

import json
from dataclasses import replace
from typing import Any, Final

import pytest
from json_policies import LINK, PERMIT, TEMPLATE, UID, parse, policy_set, read
from rust_json import accepts_policy_set

from pdp.cedar.errors import CedarError, JsonError, PolicySetError
from pdp.cedar.nodes import And, Literal
from pdp.cedar.policy import Condition, ConditionKind, Effect, Link, Policy, PolicySet, ScopeAny, ScopeEq, ScopeIs, Slot
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies
from pdp.cedar.values import EntityUID
from pdp.cedar.wire.policies import parse_policy, parse_policy_set, read_policy, write_policy, write_policy_set

WHOLE_TEXT: Final = r"""
@id("a") @note @empty("")
forbid(principal is A::B in ?principal, action in [Action::"r", N::Action::"w"], resource == ?resource)
when { principal has a.b && principal.a["b c"] like "a*\*" } unless { context.n + 1 > -1 } when { true };
permit(principal, action, resource in F::"\"\n");
"""


def test_a_policy_set_has_its_three_parts() -> None:
    policies = parse(WHOLE_TEXT)
    link = Link("l", "policy0", {Slot.RESOURCE: EntityUID("F", "1"), Slot.PRINCIPAL: EntityUID("B", "2")})
    policies = PolicySet([*policies.static.values(), *policies.templates.values()], [link])
    written = write_policy_set(policies)
    assert list(written) == ["staticPolicies", "templates", "templateLinks"]
    assert written["templateLinks"] == [
        {
            "templateId": "policy0",
            "newId": "l",
            "values": {"?principal": {"type": "B", "id": "2"}, "?resource": {"type": "F", "id": "1"}},
        }
    ]
    assert accepts_policy_set(json.dumps(written))
    assert read(written) == policies
    assert read(json.loads(json.dumps(written, sort_keys=True))) == policies


def test_a_policy_alone_does_not_say_its_id() -> None:
    (template, static) = parse_policies(Source("policies.cedar", WHOLE_TEXT))
    for policy in (template, static):
        source = Source("policy.json", json.dumps(write_policy(policy)))
        assert parse_policy(source, policy.id) == policy
        assert parse_policy(source, "other") == replace(policy, id="other")
        assert parse_policy(source, "other").source is source
    assert write_policy(template)["annotations"] == {"id": "a", "note": None, "empty": ""}
    assert "annotations" not in write_policy(static)


def test_what_is_written_out_of_order_is_the_same() -> None:
    backwards = {key: PERMIT[key] for key in reversed(PERMIT)}
    assert read_policy({**backwards, "annotations": {}}, "p") == read_policy(PERMIT, "p")


def test_policies_know_their_document() -> None:
    policies = read(policy_set({"p": PERMIT}, {"t": TEMPLATE}))
    for policy in (policies.static["p"], policies.templates["t"]):
        assert policy.source is not None
        assert policy.source.name == "policies.json"


NAMES = ["", " ", 'q"\\\n\r\0', "\u00fc\U0001f600\u2028", "?principal", "__entity", "x" * 10_000]


@pytest.mark.parametrize("name", NAMES)
def test_ids_and_texts_are_arbitrary(name: str) -> None:
    policies = PolicySet(
        [
            Policy(name, Effect.FORBID, ScopeAny(), ScopeAny(), ScopeAny(), annotations={"a": name}),
            Policy(f"{name}t", Effect.PERMIT, ScopeEq(Slot.PRINCIPAL), ScopeAny(), ScopeEq(EntityUID("T", name))),
        ],
        [Link(f"{name}l", f"{name}t", {Slot.PRINCIPAL: EntityUID("T", name)})],
    )
    for ascii in (True, False):
        text = json.dumps(write_policy_set(policies), ensure_ascii=ascii)
        assert accepts_policy_set(text)
        assert parse_policy_set(Source("policies.json", text)) == policies


def static(**changes: Any) -> Any:
    return policy_set({"p": {**PERMIT, **changes}})


def linked(**changes: Any) -> Any:
    return policy_set({}, {"t": TEMPLATE}, [{**LINK, **changes}])


def without(key: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name != key}


REFUSED: dict[str, tuple[Any, str, str, str]] = {
    # name: document, message, the place's text, help
    "no object": ([], "a policy set must be an object, found an array", "[]", "write `{..}`"),
    "a policy": (PERMIT, 'unknown key "effect" in a policy set', '"permit"', "`staticPolicies`"),
    "another name": ({**policy_set(), "links": 7}, 'unknown key "links"', "7", "the keys are"),
    "no links": (
        without("templateLinks", policy_set()),
        "a policy set lacks the key `templateLinks`",
        '{"staticPolicies": {}, "templates": {}}',
        "the keys it needs are",
    ),
    "policies in a row": (policy_set([PERMIT]), "`staticPolicies` must be an object", json.dumps([PERMIT]), "{..}"),
    "links by id": (policy_set({}, {}, {"l": 7}), "`templateLinks` must be an array", '{"l": 7}', "write `[..]`"),
    "null": (policy_set({"p": None}), "a policy must be an object, found `null`", "null", "write `{..}`"),
    "effect": (static(effect="Permit"), '"Permit" is not an effect', '"Permit"', "did you mean `permit`?"),
    "another effect": (static(effect="allow"), '"allow" is not an effect', '"allow"', "`permit`, `forbid`"),
    "no effect": (static(effect=7), "an effect must be a string, found an integer", "7", "double quotes"),
    "an id inside": (static(id=7), 'unknown key "id" in a policy', "7", "`annotations`"),
    "misspelt": (static(annotation=7), 'unknown key "annotation"', "7", "did you mean `annotations`?"),
    "no conditions": (
        policy_set({"p": without("conditions", PERMIT)}),
        "a policy lacks the key `conditions`",
        json.dumps(without("conditions", PERMIT)),
        "`effect`, `principal`, `action`, `resource`, `conditions`",
    ),
    "conditions": (static(conditions={}), "`conditions` must be an array, found an object", "{}", "write `[..]`"),
    "condition": (static(conditions=[7]), "a condition must be an object, found an integer", "7", "write `{..}`"),
    "kind": (static(conditions=[{"kind": "if", "body": {}}]), '"if" is not a kind of', '"if"', "`when`, `unless`"),
    "body": (static(conditions=[{"kind": "when", "body": {"Varr": 7}}]), '"Varr"', "7", "did you mean `Var`?"),
    "annotations": (static(annotations=None), "`annotations` must be an object, found `null`", "null", "{..}"),
    "annotation": (static(annotations={"a": 7}), "a string or `null`, found an integer", "7", "double quotes"),
    "its name": (static(annotations={"a b": ""}), '"a b" is not the name of an annotation', '""', "identifiers"),
    "template": (
        policy_set({"p": TEMPLATE}),
        "the policy has a slot and stands under `staticPolicies`",
        json.dumps(TEMPLATE),
        "move it to `templates`",
    ),
    "link": (policy_set({}, {"t": TEMPLATE}, [LINK, 7]), "a template link must be an object", "7", "{..}"),
    "id of a link": (linked(newId=7), "`newId` must be a string, found an integer", "7", "double quotes"),
    "its template": (linked(templateId=[]), "`templateId` must be a string, found an array", "[]", "double quotes"),
    "its values": (linked(values=[]), "`values` must be an object, found an array", "[]", "{..}"),
    "its slot": (linked(values={"?user": 7}), '"?user" is not a slot', "7", "`?principal`, `?resource`"),
    "its entity": (linked(values={"?principal": 7}), "expected an entity uid, found an integer", "7", "write `{"),
    "more": (linked(x=7), 'unknown key "x" in a template link', "7", "the keys are"),
}
OTHER_VALUES = {"?principal": {"type": "B", "id": ""}}
CONTRADICTORY: dict[str, tuple[Any, str, Any]] = {
    # name: document, message, the part that is refused
    "one id twice": (policy_set({"p": PERMIT}, {"p": TEMPLATE}), "duplicate policy id `p`", TEMPLATE),
    "a link with a policy's id": (policy_set({"l": PERMIT}, {"t": TEMPLATE}, [LINK]), "duplicate policy id `l`", LINK),
    "a link with its template's id": (linked(newId="t"), "duplicate policy id `t`", {**LINK, "newId": "t"}),
    "a link twice": (
        policy_set({}, {"t": TEMPLATE}, [LINK, {**LINK, "values": OTHER_VALUES}]),
        "duplicate policy id `l`",
        {**LINK, "values": OTHER_VALUES},
    ),
    "no template": (
        linked(templateId="u"),
        "template `u`, which is not in the policy set",
        {**LINK, "templateId": "u"},
    ),
    "a link of a static policy": (policy_set({"t": PERMIT}, {}, [LINK]), "which is a policy without slots", LINK),
    "a slot left open": (linked(values={}), "it gives none", {**LINK, "values": {}}),
    "another slot": (linked(values={"?resource": UID}), "gives ?resource", {**LINK, "values": {"?resource": UID}}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_with_place_and_help(name: str) -> None:
    document, message, excerpt, help = REFUSED[name]
    with pytest.raises(JsonError) as caught:
        read(document)
    assert message in caught.value.message
    assert excerpt_of(caught.value) == excerpt
    assert help in (caught.value.help or "")
    assert not accepts_policy_set(json.dumps(document))


@pytest.mark.parametrize("name", CONTRADICTORY)
def test_refuses_contradictions_with_place(name: str) -> None:
    document, message, part = CONTRADICTORY[name]
    with pytest.raises(PolicySetError) as caught:
        read(document)
    assert message in caught.value.message
    assert excerpt_of(caught.value) == json.dumps(part)
    assert caught.value.help
    assert not accepts_policy_set(json.dumps(document))


def excerpt_of(error: CedarError) -> str:
    assert error.source is not None
    assert error.span is not None
    return error.source.excerpt(error.span)


@pytest.mark.parametrize("links", [[], [{"templateId": "t", "newId": "l", "values": {}}]])
def test_a_policy_without_slots_is_no_template_although_the_rust_engine_loads_it(links: list[Any]) -> None:
    document = policy_set({}, {"t": {**PERMIT, "effect": "forbid"}}, links)
    with pytest.raises(JsonError, match="has no slot and stands under `templates`") as caught:
        read(document)
    assert caught.value.help == "move it to `staticPolicies`"
    assert accepts_policy_set(json.dumps(document))


def test_one_policy_has_a_place_as_well() -> None:
    with pytest.raises(JsonError) as caught:
        parse_policy(Source("policy.json", json.dumps({**PERMIT, "effect": "deny"})), "p")
    assert caught.value.render().startswith('policy.json:1:12: "deny" is not an effect')
    with pytest.raises(JsonError) as caught:
        parse_policy(Source("policy.json", "{"), "p")
    assert caught.value.span is not None


def test_what_cannot_be_written_has_its_place_in_the_text() -> None:
    text = "permit(principal, action, resource)\nwhen { " + " && ".join(["principal.a"] * 99) + " };"
    with pytest.raises(JsonError, match="nested too deeply for JSON") as caught:
        write_policy_set(parse(text))
    assert caught.value.render().startswith("policies.cedar:2:8: nested")


def test_a_policy_alone_holds_two_levels_more() -> None:
    condition = Condition(ConditionKind.WHEN, And((Literal(1), *[Literal(True)] * 61)))
    policy = Policy("p", Effect.PERMIT, ScopeAny(), ScopeAny(), ScopeAny(), (condition,))
    assert parse_policy(Source("policy.json", json.dumps(write_policy(policy))), "p") == policy
    with pytest.raises(JsonError, match="nested too deeply for JSON"):
        write_policy_set(PolicySet([policy]))


UNWRITABLE: dict[str, Policy] = {
    "annotation": Policy("p", Effect.PERMIT, ScopeAny(), ScopeAny(), ScopeAny(), (), {"a b": None}),
    "its value": Policy("p", Effect.PERMIT, ScopeAny(), ScopeAny(), ScopeAny(), (), {"a": "\ud800"}),
    "id": Policy("\ud800", Effect.PERMIT, ScopeAny(), ScopeAny(), ScopeAny()),
    "scope": Policy("p", Effect.PERMIT, ScopeIs("in"), ScopeAny(), ScopeAny()),
}


@pytest.mark.parametrize("name", UNWRITABLE)
def test_what_would_not_be_read_is_not_written(name: str) -> None:
    with pytest.raises(JsonError):
        write_policy_set(PolicySet([UNWRITABLE[name]]))

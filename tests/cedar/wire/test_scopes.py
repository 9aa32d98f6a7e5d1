"""Scopes in JSON: every form by its text, refusals with places, and the Rust engine's word on each."""

import json
from typing import Any

import pytest
from json_policies import ALL, PERMIT, policy_set
from rust_json import accepts_policy_set

from pdp.cedar.errors import JsonError
from pdp.cedar.policy import ActionIn, ActionScope, Policy, Scope, ScopeEq, ScopeIn, ScopeIs, ScopeIsIn, Slot
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policies
from pdp.cedar.values import EntityUID
from pdp.cedar.wire.policies import parse_policy, write_policy
from pdp.cedar.wire.scopes import write_action_scope, write_scope

UID = {"type": "Ns::User", "id": 'q"\n'}
READ = {"type": "Ns::Action", "id": "read"}
USER = EntityUID("Ns::User", 'q"\n')
TEXT = 'Ns::User::"q\\"\\n"'


def read(where: str, scope: Any) -> Policy:
    return parse_policy(Source("policy.json", json.dumps({**PERMIT, where: scope})), "p")


def scope_of(read: Policy, where: str) -> Scope | ActionScope:
    return {"principal": read.principal, "action": read.action, "resource": read.resource}[where]


def accepts(where: str, scope: Any) -> bool:
    policies = {"p": {**PERMIT, where: scope}}
    return any(
        accepts_policy_set(json.dumps(document)) for document in (policy_set(policies), policy_set({}, policies))
    )


def by_text(where: str, text: str) -> Scope | ActionScope:
    scopes = ", ".join(text if name == where else name for name in ("principal", "action", "resource"))
    (parsed,) = parse_policies(Source("policy.cedar", f"permit({scopes});"))
    return scope_of(parsed, where)


FORMS: dict[str, tuple[dict[str, Any], str]] = {
    # What is written, and its text with `x` for the variable.
    "any": (ALL, "x"),
    "equals": ({"op": "==", "entity": UID}, f"x == {TEXT}"),
    "equals the slot": ({"op": "==", "slot": "?x"}, "x == ?x"),
    "in": ({"op": "in", "entity": UID}, f"x in {TEXT}"),
    "in the slot": ({"op": "in", "slot": "?x"}, "x in ?x"),
    "is": ({"op": "is", "entity_type": "Ns::User"}, "x is Ns::User"),
    "is in": ({"op": "is", "entity_type": "User", "in": {"entity": UID}}, f"x is User in {TEXT}"),
    "is in the slot": ({"op": "is", "entity_type": "User", "in": {"slot": "?x"}}, "x is User in ?x"),
}
ACTION_FORMS: dict[str, tuple[dict[str, Any], str]] = {
    "any": (ALL, "action"),
    "equals": ({"op": "==", "entity": READ}, 'action == Ns::Action::"read"'),
    "in": ({"op": "in", "entity": READ}, 'action in Ns::Action::"read"'),
    "in none": ({"op": "in", "entities": []}, "action in []"),
    "in two": ({"op": "in", "entities": [READ, READ]}, 'action in [Ns::Action::"read", Ns::Action::"read"]'),
}


@pytest.mark.parametrize("where", ["principal", "resource"])
@pytest.mark.parametrize("name", FORMS)
def test_reads_and_writes_every_form(name: str, where: str) -> None:
    written, text = (json.loads(json.dumps(form).replace("?x", f"?{where}")) for form in FORMS[name])
    text = text.replace("x ", f"{where} ") if name != "any" else where
    expected = by_text(where, text)
    assert scope_of(read(where, written), where) == expected
    assert write_policy(read(where, written))[where] == written
    assert accepts(where, written)


@pytest.mark.parametrize("name", ACTION_FORMS)
def test_reads_and_writes_every_form_of_the_action(name: str) -> None:
    written, text = ACTION_FORMS[name]
    assert read("action", written).action == by_text("action", text)
    assert write_policy(read("action", written))["action"] == written
    assert accepts("action", written)


OTHER_SPELLINGS: dict[str, tuple[str, Any, Scope | ActionScope]] = {
    "all": ("resource", {"op": "all"}, by_text("resource", "resource")),
    "all actions": ("action", {"op": "all"}, by_text("action", "action")),
    "an escaped entity": ("principal", {"op": "==", "entity": {"__entity": UID}}, ScopeEq(USER)),
    "further keys of the entity": ("principal", {"op": "==", "entity": {**UID, "x": None}}, ScopeEq(USER)),
    "further keys beside the entity": ("principal", {"op": "in", "entity": UID, "x": {}}, ScopeIn(USER)),
    "further keys beside the slot": ("principal", {"x": 1, "op": "==", "slot": "?principal"}, ScopeEq(Slot.PRINCIPAL)),
    "further keys in `in`": (
        "principal",
        {"op": "is", "entity_type": "A", "in": {"op": "==", "entity": UID}},
        ScopeIsIn("A", USER),
    ),
    "in nothing": ("principal", {"op": "is", "entity_type": "A", "in": None}, ScopeIs("A")),
    "a list of one action": (
        "action",
        {"op": "in", "entities": [READ], "x": 1},
        ActionIn((EntityUID("Ns::Action", "read"),)),
    ),
}


@pytest.mark.parametrize("name", OTHER_SPELLINGS)
def test_reads_other_spellings(name: str) -> None:
    where, written, expected = OTHER_SPELLINGS[name]
    assert scope_of(read(where, written), where) == expected
    assert accepts(where, written)


REFUSED: dict[str, tuple[str, Any, str, str, str]] = {
    # name: where, scope, message, the place's text, help
    "no object": ("action", [], "the action's scope must be an object, found an array", "[]", "write `{..}`"),
    "no operator": ("resource", {}, "the resource's scope lacks the key `op`", "{}", '`{"op": "All"}`'),
    "null": ("resource", {"op": None}, "an operator must be a string, found `null`", "null", "double quotes"),
    "operator": ("principal", {"op": "eq"}, 'cannot have the operator "eq"', '"eq"', "operators are `All`, `==`"),
    "upper case": ("principal", {"op": "IN"}, 'cannot have the operator "IN"', '"IN"', "the operators are"),
    "is of an action": ("action", {"op": "is", "entity_type": "Action"}, 'the operator "is"', '"is"', "`in`"),
    "no target": ("principal", {"op": "=="}, "lacks what it compares", '{"op": "=="}', "it takes `entity` or `slot`"),
    "no entity": ("principal", {"op": "==", "entity": 7}, "expected an entity uid, found an integer", "7", "`{"),
    "no type": ("principal", {"op": "is"}, "with `is` lacks the key `entity_type`", '{"op": "is"}', "`entity_type`"),
    "bad type": ("principal", {"op": "is", "entity_type": "A::in"}, '"A::in" is not', '"A::in"', "reserved words"),
    "type of a number": ("resource", {"op": "is", "entity_type": 7}, "must be a string, found an integer", "7", "q"),
    "more than is": ("resource", {"op": "is", "entity_type": "A", "x": 7}, 'unknown key "x"', "7", "`in`"),
    "no object after in": ("resource", {"op": "is", "entity_type": "A", "in": []}, "must be an object", "[]", "{..}"),
    "nothing after in": ("resource", {"op": "is", "entity_type": "A", "in": {}}, "lacks what it", "{}", "`slot`"),
    "bad uid": ("resource", {"op": "in", "entity": {"type": "A B", "id": ""}}, '"A B" is not', '"A B"', "identifiers"),
    "other slot": ("resource", {"op": "==", "slot": "?principal"}, "cannot stand for the resource", '"?principal"',
                   "the slot here is `?resource`"),
    "no slot": ("principal", {"op": "==", "slot": "principal"}, "cannot stand for the princ", '"principal"', "`?pri"),
    "a slot of an action": ("action", {"op": "==", "slot": "?principal"}, "the action's scope with `==` cannot have "
                            "`slot`", '"?principal"', "it takes `entity`"),
    "not an action": ("action", {"op": "==", "entity": {"type": "User", "id": ""}}, "is not an action",
                      '{"type": "User", "id": ""}', "`Action`"),
    "none in the list": ("action", {"op": "in", "entities": [READ, {"type": "Actions", "id": ""}]}, "is not an action",
                         '{"type": "Actions", "id": ""}', "`Action`"),
    "equal to a list": ("action", {"op": "==", "entities": [READ]}, "cannot have `entities`", f"[{json.dumps(READ)}]",
                        "it takes `entity`"),
    "a list in entity": ("action", {"op": "in", "entity": [7]}, "expected an entity uid, found an array", "[7]", "`{"),
    "no list": ("action", {"op": "in", "entities": {}}, "a list of actions must be an array", "{}", "write `[..]`"),
    "a list of principals": ("principal", {"op": "in", "entities": [7]}, "cannot have `entities`", "[7]", "`entity`"),
}  # fmt: skip

STRICTER = {
    "all and an entity": ("principal", {"op": "All", "entity": UID}, 'unknown key "entity" in the principal\'s scope'),
    "all and anything": ("action", {"op": "all", "x": 1}, 'unknown key "x" in the action\'s scope with `all`'),
    "entity and slot": ("resource", {"op": "==", "entity": UID, "slot": "?resource"}, "has both `entity` and `slot`"),
    "entity and entities": ("action", {"op": "in", "entity": READ, "entities": []}, "both `entity` and `entities`"),
    "both after in": (
        "resource",
        {"op": "is", "entity_type": "A", "in": {"entity": UID, "slot": "?resource"}},
        "the `in` of the resource's scope with `is` has both",
    ),
    "an array": ("principal", ["All"], "must be an object"),
    "a uid in a row": ("principal", {"op": "==", "entity": ["User", "a"]}, "expected an entity uid, found an array"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_with_place_and_help(name: str) -> None:
    where, scope, message, excerpt, help = REFUSED[name]
    with pytest.raises(JsonError) as caught:
        read(where, scope)
    error = caught.value
    assert message in error.message
    assert error.source is not None
    assert error.span is not None
    assert error.source.excerpt(error.span) == excerpt
    assert help in (error.help or "")
    assert not accepts(where, scope)


@pytest.mark.parametrize("name", STRICTER)
def test_refuses_what_would_be_dropped_although_the_rust_engine_reads_it(name: str) -> None:
    where, scope, message = STRICTER[name]
    with pytest.raises(JsonError) as caught:
        read(where, scope)
    assert message in caught.value.message
    assert accepts(where, scope)


UNWRITABLE: dict[str, tuple[Scope, str]] = {
    "type": (ScopeIs("A B"), '"A B" is not an entity type'),
    "type of an entity": (ScopeIn(EntityUID("", "")), '"" is not an entity type'),
    "other slot": (ScopeIsIn("A", Slot.RESOURCE), "the slot `?resource` cannot stand for the principal"),
    "surrogate": (ScopeEq(EntityUID("A", "\udc00")), "U+DC00 is half"),
}


@pytest.mark.parametrize("name", UNWRITABLE)
def test_what_would_not_be_read_is_not_written(name: str) -> None:
    scope, message = UNWRITABLE[name]
    with pytest.raises(JsonError) as caught:
        write_scope(scope, Slot.PRINCIPAL)
    assert message in caught.value.message


def test_what_is_no_action_is_not_written_as_one() -> None:
    with pytest.raises(JsonError, match="cannot stand for the action"):
        write_action_scope(ScopeEq(Slot.PRINCIPAL))
    with pytest.raises(JsonError, match="is not an action"):
        write_action_scope(ActionIn((USER,)))

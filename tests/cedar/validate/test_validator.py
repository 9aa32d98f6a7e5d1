"""The validator as a whole: links, policies without text, what is said how often; and nothing makes it run away."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import pytest

from pdp.cedar.nodes import (
    And,
    Binary,
    BinaryOp,
    Call,
    Expr,
    GetAttr,
    HasAttr,
    If,
    Is,
    Literal,
    Or,
    RecordLiteral,
    SetLiteral,
    Unary,
    UnaryOp,
    Var,
    Variable,
)
from pdp.cedar.policy import Condition, ConditionKind, Effect, Link, Policy, PolicySet, ScopeAny, Slot
from pdp.cedar.schema.model import Schema
from pdp.cedar.schema.text import parse_schema
from pdp.cedar.source import Source
from pdp.cedar.text.depth import too_deep
from pdp.cedar.text.policies import parse_policies, parse_policy_set
from pdp.cedar.validate import validator
from pdp.cedar.validate.findings import Code, Finding, Severity
from pdp.cedar.validate.levels import Levels
from pdp.cedar.validate.names import walk
from pdp.cedar.validate.typecheck import Typechecker
from pdp.cedar.validate.validator import Validator, validate_policies
from pdp.cedar.values import EntityUID
from pdp.cedar.wire.policies import parse_policy_set as parse_json_policy_set

CHAIN: Final = parse_schema(
    Source(
        "<chain>",
        """
        entity U in [U] = { u: U, a?: U, n: Long, r: { x?: { y?: Long } } } tags U;
        action v appliesTo { principal: U, resource: U };
        """,
    )
)
P: Final[Expr] = Variable(Var.PRINCIPAL)
SOME_BOOL: Final[Expr] = Binary(BinaryOp.EQ, P, Variable(Var.RESOURCE))


def policy(*bodies: Expr) -> Policy:
    conditions = tuple(Condition(ConditionKind.WHEN, body) for body in bodies)
    return Policy("policy0", Effect.PERMIT, ScopeAny(), ScopeAny(), ScopeAny(), conditions)


def brief(findings: tuple[Finding, ...]) -> list[tuple[str, Severity, Code]]:
    return [(each.policy_id, each.severity, each.code) for each in findings]


# Links.


def linked(schema: Schema, scope: str, **values: EntityUID) -> tuple[Finding, ...]:
    [template] = parse_policies(Source("test.cedar", f"permit({scope});"))
    link = Link("link", template.id, {Slot(f"?{name}"): uid for name, uid in values.items()})
    return validate_policies(PolicySet([template], [link]), schema)


def test_links_that_fit(schema: Schema) -> None:
    assert linked(schema, "principal == ?principal, action, resource", principal=EntityUID("User", "a")) == ()
    assert linked(schema, "principal in ?principal, action, resource", principal=EntityUID("Team", "a")) == ()
    scope = "principal is User in ?principal, action, resource in ?resource"
    team, folder = EntityUID("Team", "a"), EntityUID("Folder", "f")
    assert linked(schema, scope, principal=team, resource=folder) == ()


def test_a_link_with_a_type_that_is_not_declared(schema: Schema) -> None:
    [found] = linked(schema, "principal == ?principal, action, resource", principal=EntityUID("Usr", "a"))
    assert found.render() == (
        "test.cedar:1:21: error[unknown_entity_type] in policy `link`: the entity type `Usr` is not declared\n"
        "  |\n"
        "1 | permit(principal == ?principal, action, resource);\n"
        "  |                     ^^^^^^^^^^\n"
        "  help: did you mean `User`?"
    )


def test_a_link_that_matches_nothing(schema: Schema) -> None:
    [found] = linked(schema, "principal, action, resource == ?resource", resource=EntityUID("Team", "a"))
    assert brief((found,)) == [("link", Severity.ERROR, Code.NEVER_APPLIES)]
    [found] = linked(schema, "principal == ?principal, action, resource", principal=EntityUID("Team", "a"))
    assert found.render() == (
        "test.cedar:1:21: error[never_applicable] in policy `link`: the scope matches no kind of request\n"
        "  |\n"
        "1 | permit(principal == ?principal, action, resource);\n"
        "  |                     ^^^^^^^^^^\n"
        "  help: did you mean `principal in ...`? what is named is a group, and `==` is not true of its members"
    )


def test_a_link_with_an_id_that_is_not_declared(schema: Schema) -> None:
    """The Rust engine says nothing then; a warning does not change the verdict."""
    text = 'entity Color enum ["red"]; entity Doc; action v appliesTo { principal: Color, resource: Doc };'
    colors = parse_schema(Source("<colors>", text))
    scope = "principal == ?principal, action, resource"
    assert linked(colors, scope, principal=EntityUID("Color", "red")) == ()
    [found] = linked(colors, scope, principal=EntityUID("Color", "blue"))
    assert brief((found,)) == [("link", Severity.WARNING, Code.UNKNOWN_ID)]
    # Where it would fail anyway, it still does.
    assert brief(linked(schema, scope, principal=EntityUID("Color", "blue"))) == [
        ("link", Severity.WARNING, Code.UNKNOWN_ID),
        ("link", Severity.ERROR, Code.NEVER_APPLIES),
    ]
    assert brief(linked(schema, scope, principal=EntityUID("Action", "nope"))) == [
        ("link", Severity.WARNING, Code.UNKNOWN_ACTION),
        ("link", Severity.ERROR, Code.NEVER_APPLIES),
    ]


# What is said, and how often.


def test_findings_come_in_the_order_of_the_policies(schema: Schema) -> None:
    text = """
    permit(principal, action, resource) when { 1 };
    permit(principal, action, resource);
    permit(principal == ?principal, action, resource) when { 2 };
    permit(principal == Usr::"a", action == Action::"raed", resource) when { resource == Dok::"d" };
    """
    link = Link("link", "policy2", {Slot.PRINCIPAL: EntityUID("Usr", "a")})
    read = parse_policy_set(Source("test.cedar", text))
    policies = PolicySet([*read.static.values(), *read.templates.values()], [link])
    assert [(each.policy_id, each.code) for each in validate_policies(policies, schema)] == [
        ("policy0", Code.TYPE),
        ("policy3", Code.UNKNOWN_TYPE),
        ("policy3", Code.UNKNOWN_ACTION),
        ("policy3", Code.UNKNOWN_TYPE),
        ("policy2", Code.TYPE),
        ("link", Code.UNKNOWN_TYPE),
    ]


def test_a_thing_is_said_once_and_for_the_first_kind_of_request(schema: Schema) -> None:
    text = "permit(principal is User, action, resource) when { principal.name == 1 || principal.name == 1 };"
    found = validate_policies(parse_policy_set(Source("test.cedar", text)), schema)
    assert [each.code for each in found] == [Code.INCOMPATIBLE] * 2
    assert len({each.span for each in found}) == 2
    assert {str(each.environment) for each in found} == {'principal `User`, action `Action::"open"`, resource `Doc`'}


def test_a_policy_may_be_wrong_in_more_ways_than_anybody_reads() -> None:
    types = ", ".join(f"U{number}" for number in range(300))
    text = f"entity {types}; entity D; action v appliesTo {{ principal: [{types}], resource: D }};"
    many = parse_schema(Source("<many>", text))
    found = list(Validator(many).policy_findings(policy(Binary(BinaryOp.EQ, GetAttr(P, "x"), Literal(1)))))
    assert [each.code for each in found] == [Code.UNKNOWN_ATTRIBUTE] * 50
    assert len({each.message for each in found}) == 50


def test_policies_that_were_never_text(schema: Schema) -> None:
    body = {"==": {"left": {".": {"left": {"Var": "principal"}, "attr": "nmae"}}, "right": {"Value": 1}}}
    static = {
        "effect": "permit",
        "principal": {"op": "==", "entity": {"type": "Usr", "id": "a"}},
        "action": {"op": "All"},
        "resource": {"op": "All"},
        "conditions": [{"kind": "when", "body": body}],
    }
    wide = {**static, "principal": {"op": "is", "entity_type": "User"}}
    document = {"staticPolicies": {"a": static, "b": wide}, "templates": {}, "templateLinks": []}
    policies = parse_json_policy_set(Source("test.json", json.dumps(document)))
    first, second = validate_policies(policies, schema)
    assert first.render() == (
        "test.json: error[unknown_entity_type] in policy `a`: the entity type `Usr` is not declared\n"
        "  help: did you mean `User`?"
    )
    assert second.render() == (
        "test.json: error[unknown_attribute] in policy `b`: `User` has no attribute `nmae`\n"
        '  help: did you mean `name`?; found for principal `User`, action `Action::"open"`, resource `Doc`'
    )


def test_a_function_that_does_not_exist() -> None:
    """No text and no JSON has one: the parsers refuse it."""
    [found] = Validator(CHAIN).policy_findings(policy(Call("isLoopbak", (P,))))
    assert found.render() == (
        'error[unknown_function] in policy `policy0`: there is no function "isLoopbak"\n'
        '  help: did you mean `isLoopback`?; found for principal `U`, action `Action::"v"`, resource `U`'
    )


def test_a_schema_without_requests() -> None:
    for text in ("", "entity A; action a;"):
        empty = parse_schema(Source("<empty>", text))
        [found] = Validator(empty).policy_findings(policy())
        assert found.code is Code.NEVER_APPLIES


# Nothing runs away.

FORMS: Final[dict[str, Callable[[Expr], Expr]]] = {
    "and": lambda x: And((SOME_BOOL, x)),
    "or": lambda x: Or((SOME_BOOL, x)),
    "not": lambda x: Unary(UnaryOp.NOT, x),
    "condition": lambda x: If(x, SOME_BOOL, SOME_BOOL),
    "consequent": lambda x: If(SOME_BOOL, x, SOME_BOOL),
    "alternative": lambda x: If(SOME_BOOL, SOME_BOOL, x),
    "equal": lambda x: Binary(BinaryOp.EQ, x, SOME_BOOL),
    "contains": lambda x: Binary(BinaryOp.CONTAINS, SetLiteral((SOME_BOOL,)), x),
    "isEmpty": lambda x: Unary(UnaryOp.IS_EMPTY, SetLiteral((x,))),
    "is": lambda x: Is(If(x, P, P), "U"),
    "is in": lambda x: Is(If(x, P, P), "U", P),
    "in": lambda x: Binary(BinaryOp.IN, If(x, P, P), P),
    "has": lambda x: HasAttr(If(x, P, P), ("a", "a", "r", "x", "y")),
    "has in a record": lambda x: HasAttr(RecordLiteral((("f", If(x, P, P)), ("g", P))), ("f", "u", "n")),
    "hasTag": lambda x: Binary(BinaryOp.HAS_TAG, If(x, P, P), Literal("k")),
    "key": lambda x: Binary(BinaryOp.HAS_TAG, P, If(x, Literal("k"), Literal("l"))),
    "attribute": lambda x: Binary(BinaryOp.EQ, GetAttr(If(x, P, P), "n"), Literal(1)),
    "record": lambda x: GetAttr(RecordLiteral((("x", x), ("y", P))), "x"),
    "less": lambda x: Binary(BinaryOp.LT, If(x, Literal(1), Literal(2)), Literal(3)),
    "call": lambda x: Call("isIpv4", (If(x, Call("ip", (Literal("::"),)), Call("ip", (Literal("::1"),))),)),
}


def nested(form: Callable[[Expr], Expr]) -> Expr:
    """As deep as an expression may be."""
    body = SOME_BOOL
    while too_deep(form(body)) is None:
        body = form(body)
    return body


@pytest.mark.parametrize("level", [None, 1])
@pytest.mark.parametrize("form", FORMS)
def test_the_deepest_expressions(form: str, level: int | None) -> None:
    """Under a stack that is already deep, as a server's is."""
    body = nested(FORMS[form])

    def under(frames: int) -> list[Finding]:
        return under(frames - 1) if frames else list(Validator(CHAIN, level).policy_findings(policy(body)))

    assert {each.code for each in under(150)} <= {Code.LEVEL}


@pytest.mark.parametrize("form", FORMS)
def test_every_node_is_looked_at_once(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`x is T in y` and `x has a.b` mean x twice and more; nested in each other, that would be twice to the depth."""
    looked: Counter[tuple[str, int]] = Counter()

    def count(of: type, name: str) -> None:
        original = getattr(of, name)

        def counting(self: Any, expr: Expr, *others: Any) -> Any:
            looked[of.__name__, id(expr)] += 1
            return original(self, expr, *others)

        monkeypatch.setattr(of, name, counting)

    count(Typechecker, "check")
    count(Levels, "check")
    count(Levels, "_depth")
    body = nested(FORMS[form])
    assert {each.code for each in Validator(CHAIN, 2).policy_findings(policy(body))} <= {Code.LEVEL}
    shared = {id(node) for node in walk([SOME_BOOL, P])}
    assert max(count for (_, node), count in looked.items() if node not in shared) == 1
    assert {of for of, _ in looked} == {"Typechecker", "Levels"}


def test_a_thousand_actions_that_are_alike_are_checked_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    built: Counter[str] = Counter()

    class Counting(Typechecker):  # type: ignore[misc]  # final for everybody but this test
        def __init__(self, *of: Any) -> None:
            built["checks"] += 1
            super().__init__(*of)

    monkeypatch.setattr(validator, "Typechecker", Counting)
    actions = ", ".join(f"a{number}" for number in range(1_000))
    types = ", ".join(f"U{number}" for number in range(5))
    text = f"entity {types}; entity D = {{ x: Long }};"
    text += f"action {actions} appliesTo {{ principal: [{types}], resource: D, context: {{ n: Long }} }};"
    of = Validator(parse_schema(Source("<many>", text)))
    for body, expected in (
        ("true", 1),
        ("resource.x == 1", 1),
        ("resource.x == context.n", 1),
        ("principal == resource || context.n == resource.x", 5),
        ('action == Action::"a7"', 1_000),
        ('Action::"a7" == Action::"a8"', 1_000),
    ):
        built.clear()
        [read] = parse_policies(Source("test.cedar", f"permit(principal, action, resource) when {{ {body} }};"))
        assert not any(each.severity is Severity.ERROR for each in of.policy_findings(read))
        assert built["checks"] == expected, body


def test_a_long_chain_of_questions() -> None:
    """Were what is known copied at each of them, this would take minutes."""
    asked: list[Expr] = []
    for number in range(20_000):
        key = Literal(str(number))
        asked += (Binary(BinaryOp.HAS_TAG, P, key), Binary(BinaryOp.EQ, Binary(BinaryOp.GET_TAG, P, key), P))
    assert list(Validator(CHAIN, 1).policy_findings(policy(And(tuple(asked))))) == []


def test_nodes_that_stand_in_several_places() -> None:
    """Text gives every place a node of its own; code may not, and a level must hold for each of the places."""
    guard = HasAttr(P, ("a",))
    far = Binary(BinaryOp.EQ, GetAttr(GetAttr(P, "u"), "n"), Literal(1))
    chosen = If(guard, SOME_BOOL, far)
    # Where the guard is known, the other branch is dead; where it is not, it is evaluated, and reads too far.
    body = And((Or((chosen, SOME_BOOL)), guard, chosen))
    [found] = Validator(CHAIN, 1).policy_findings(policy(body))
    assert found.code is Code.LEVEL
    assert list(Validator(CHAIN, 2).policy_findings(policy(body))) == []

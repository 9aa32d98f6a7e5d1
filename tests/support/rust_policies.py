"""The Rust engine (`cedarpy`) as a judge of policy texts: whether it reads one, and what it reads."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, assert_never

import cedarpy

from pdp.cedar.nodes import (
    And,
    Binary,
    Call,
    Expr,
    GetAttr,
    HasAttr,
    If,
    Is,
    Like,
    Literal,
    Or,
    Pattern,
    RecordLiteral,
    SetLiteral,
    Unary,
    Variable,
    Wildcard,
)
from pdp.cedar.policy import (
    ActionIn,
    ActionScope,
    Policy,
    Scope,
    ScopeAny,
    ScopeEq,
    ScopeIn,
    ScopeIs,
    ScopeIsIn,
    Slot,
)
from pdp.cedar.values import EntityUID

DEEPEST: Final = 400
"""Brackets that the engine is trusted with: from about 500 nested ones on, it ends the process."""


def accepts_policies(text: str) -> bool:
    """Whether the engine reads a policy text. Call it with texts of at most DEEPEST brackets only."""
    try:
        cedarpy.PolicySet.from_str(text)
    except ValueError:
        return False
    return True


def read_policies(text: str) -> dict[str, Any]:
    """What the engine reads in a text: the JSON form of each static policy and template, by id.

    Two things are written as its evaluator has them: `&&` and `||` of two Bool literals, which are one, and wildcards
    side by side, which are one.
    """
    document = json.loads(cedarpy.policies_to_json_str(text), object_hook=_normal)
    return {**document["staticPolicies"], **document["templates"]}


def _normal(json: dict[str, Any]) -> dict[str, Any]:
    match json:
        case {"&&": {"left": {"Value": bool(left)}, "right": {"Value": bool(right)}}, **others} if not others:
            return {"Value": left and right}
        case {"||": {"left": {"Value": bool(left)}, "right": {"Value": bool(right)}}, **others} if not others:
            return {"Value": left or right}
        case {"left": _, "pattern": list(pattern), **others} if not others:
            kept = [
                part
                for part, before in zip(pattern, [None, *pattern], strict=False)
                if part != before or part != "Wildcard"
            ]
            return {**json, "pattern": kept}
        case _:
            return json


def read_expression(text: str) -> Any:
    """What the engine reads in the text of an expression, in its JSON form. Raises ValueError."""
    return read_policies(f"permit(principal, action, resource) when {{ {text} }};")["policy0"]["conditions"][0]["body"]


def policy_json(policy: Policy) -> dict[str, Any]:
    """The JSON form that the engine gives to a policy's text (research: Cedar language, section 6)."""
    written: dict[str, Any] = {
        "effect": policy.effect.value,
        "principal": _scope(policy.principal),
        "action": _scope(policy.action),
        "resource": _scope(policy.resource),
        "conditions": [
            {"kind": condition.kind.value, "body": expression_json(condition.body)} for condition in policy.conditions
        ],
    }
    if policy.annotations:
        written["annotations"] = dict(policy.annotations)
    return written


def _scope(scope: Scope | ActionScope) -> dict[str, Any]:
    match scope:
        case ScopeAny():
            return {"op": "All"}
        case ScopeEq(entity):
            return {"op": "==", **_target(entity)}
        case ScopeIn(entity):
            return {"op": "in", **_target(entity)}
        case ScopeIs(entity_type):
            return {"op": "is", "entity_type": entity_type}
        case ScopeIsIn(entity_type, entity):
            return {"op": "is", "entity_type": entity_type, "in": _target(entity)}
        case ActionIn((entity,)):
            return {"op": "in", "entity": _uid(entity)}
        case ActionIn(entities):
            return {"op": "in", "entities": [_uid(entity) for entity in entities]}
        case _:
            assert_never(scope)


def _target(target: EntityUID | Slot) -> dict[str, Any]:
    return {"slot": target.value} if isinstance(target, Slot) else {"entity": _uid(target)}


def _uid(uid: EntityUID) -> dict[str, str]:
    return {"type": uid.type, "id": uid.id}


def expression_json(expr: Expr) -> dict[str, Any]:
    """The JSON form that the engine gives to an expression's text: chains to the left, `has a.b` spelled out."""
    match expr:
        case Literal(value):
            return {"Value": {"__entity": _uid(value)} if isinstance(value, EntityUID) else value}
        case Variable(name):
            return {"Var": name.value}
        case And(operands):
            return _chain("&&", [expression_json(operand) for operand in operands])
        case Or(operands):
            return _chain("||", [expression_json(operand) for operand in operands])
        case If(condition, consequent, alternative):
            parts = {"if": condition, "then": consequent, "else": alternative}
            return {"if-then-else": {name: expression_json(part) for name, part in parts.items()}}
        case Unary(op, operand):
            return {op.value: {"arg": expression_json(operand)}}
        case Binary(op, left, right):
            return _pair(op.value, expression_json(left), expression_json(right))
        case GetAttr(operand, name):
            return {".": {"left": expression_json(operand), "attr": name}}
        case HasAttr(operand, path):
            return _chain("&&", list(_has(expression_json(operand), path)))
        case Like(operand, pattern):
            return {"like": {"left": expression_json(operand), "pattern": _pattern(pattern)}}
        case Is(operand, entity_type, ancestor):
            within = {} if ancestor is None else {"in": expression_json(ancestor)}
            return {"is": {"left": expression_json(operand), "entity_type": entity_type, **within}}
        case SetLiteral(elements):
            return {"Set": [expression_json(element) for element in elements]}
        case RecordLiteral(fields):
            return {"Record": {name: expression_json(value) for name, value in fields}}
        case Call(function, arguments):
            return {function: [expression_json(argument) for argument in arguments]}
        case _:
            assert_never(expr)


def _pattern(pattern: Pattern) -> list[Any]:
    written: list[Any] = []
    for part in pattern:
        written += ["Wildcard"] if isinstance(part, Wildcard) else [{"Literal": char} for char in part]
    return written


def _pair(operator: str, left: Mapping[str, Any], right: Mapping[str, Any]) -> dict[str, Any]:
    return {operator: {"left": left, "right": right}}


def _chain(operator: str, operands: list[dict[str, Any]]) -> dict[str, Any]:
    first, *others = operands
    for other in others:
        first = _pair(operator, first, other)
    return first


def _has(left: dict[str, Any], path: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    for name in path:
        yield {"has": {"left": left, "attr": name}}
        left = {".": {"left": left, "attr": name}}

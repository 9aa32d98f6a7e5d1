"""The Rust engine (`cedarpy`) as an outside judge of single expressions and of entity documents."""

import re
from collections.abc import Sequence
from typing import Any, Final

import cedarpy

REQUEST: Final = {
    "principal": {"type": "User", "id": "u"},
    "action": {"type": "Action", "id": "a"},
    "resource": {"type": "File", "id": "f"},
    "context": {},
}
_BATCH: Final = 400
_POLICY_ID: Final = re.compile(r"error while evaluating policy `policy([0-9]+)`: (.*)", re.DOTALL)


def judge(conditions: Sequence[str], entities: Any = "[]") -> list[str]:
    """What each condition gives: `true`, `false`, `type_error`, `extension_error` or another error's message.

    The conditions travel as the policies of one set, many at a time: the engine's time is mostly the call.
    """
    outcomes: list[str] = []
    for start in range(0, len(conditions), _BATCH):
        outcomes += _judge(conditions[start : start + _BATCH], entities)
    return outcomes


def _judge(conditions: Sequence[str], entities: Any) -> list[str]:
    policies = "\n".join(f"permit(principal, action, resource) when {{ {condition} }};" for condition in conditions)
    result = cedarpy.is_authorized(REQUEST, policies, entities)
    assert result.decision is not cedarpy.Decision.NoDecision, result.diagnostics.errors[:3]
    outcomes = ["false"] * len(conditions)
    for reason in result.diagnostics.reasons:
        outcomes[int(reason.removeprefix("policy"))] = "true"
    for error in result.diagnostics.errors:
        match = _POLICY_ID.fullmatch(error)
        assert match is not None, error
        outcomes[int(match[1])] = _kind(match[2])
    return outcomes


def _kind(message: str) -> str:
    if message.startswith("type error"):
        return "type_error"
    return "extension_error" if "extension function" in message else message


def accepts_entities(text: str) -> bool:
    """Whether the engine reads an entity document."""
    try:
        cedarpy.Entities.from_json_str(text)
    except ValueError:
        return False
    return True


def disagreements(cases: Sequence[tuple[str, str]]) -> list[tuple[str, str, str]]:
    """Of pairs (condition, expected outcome), those that the engine decides otherwise, with its outcome last."""
    outcomes = judge([condition for condition, _ in cases])
    return [
        (condition, expected, outcome)
        for (condition, expected), outcome in zip(cases, outcomes, strict=True)
        if outcome != expected
    ]

"""Small JSON policies and sets of them to change and to read."""

import json
from typing import Any, Final

from pdp.cedar.policy import PolicySet
from pdp.cedar.source import Source
from pdp.cedar.text.policies import parse_policy_set as parse_text
from pdp.cedar.wire.policies import parse_policy_set

ALL: Final = {"op": "All"}
UID: Final = {"type": "User", "id": "a"}
PERMIT: Final[dict[str, Any]] = {
    "effect": "permit",
    "principal": ALL,
    "action": ALL,
    "resource": ALL,
    "conditions": [],
}
TEMPLATE: Final[dict[str, Any]] = {**PERMIT, "principal": {"op": "==", "slot": "?principal"}}
LINK: Final[dict[str, Any]] = {"templateId": "t", "newId": "l", "values": {"?principal": UID}}


def policy_set(static: Any = None, templates: Any = None, links: Any = None) -> dict[str, Any]:
    """A policy set with these parts, empty where nothing is given."""
    return {"staticPolicies": static or {}, "templates": templates or {}, "templateLinks": links or []}


def when(body: Any) -> dict[str, Any]:
    """A permit with one condition."""
    return {**PERMIT, "conditions": [{"kind": "when", "body": body}]}


def read(document: Any) -> PolicySet:
    """The policies of a document, by way of its text."""
    return parse_policy_set(Source("policies.json", json.dumps(document)))


def parse(text: str) -> PolicySet:
    """The policies of a policy text."""
    return parse_text(Source("policies.cedar", text))

"""Asks the Rust engine (`cedarpy`) about whole worlds: many policies, entities, links and requests."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import cedarpy

from pdp.cedar.entities import Entities
from pdp.cedar.errors import ErrorKind
from pdp.cedar.policy import PolicySet
from pdp.cedar.request import Request
from pdp.cedar.response import Decision, Response
from pdp.cedar.text.printer import print_policies
from pdp.cedar.values import EntityUID
from pdp.cedar.wire.entities import write_entities
from pdp.cedar.wire.values import write_value

_ERROR: Final = re.compile(r"error while evaluating policy `([a-z]+[0-9]+)`: (.*)", re.DOTALL)
_KINDS: Final = (
    (re.compile(r"type error: "), ErrorKind.TYPE),
    (re.compile(r"integer overflow while "), ErrorKind.OVERFLOW),
    (re.compile(r"(record|`.*`) does not have the attribute ", re.DOTALL), ErrorKind.ATTRIBUTE_MISSING),
    (re.compile(r"`.*` does not have the tag ", re.DOTALL), ErrorKind.TAG_MISSING),
    (re.compile(r"entity `.*` does not exist", re.DOTALL), ErrorKind.ENTITY_MISSING),
    (re.compile(r"error while evaluating `[a-zA-Z]+` extension function: "), ErrorKind.EXTENSION),
    (re.compile(r"wrong number of arguments provided to extension function "), ErrorKind.EXTENSION),
)


@dataclass(frozen=True)
class Answer:
    """A response without its messages, which are each engine's own."""

    decision: Decision
    reasons: frozenset[str]
    errors: frozenset[tuple[str, ErrorKind]]


def answer(response: Response) -> Answer:
    """The comparable part of one of our responses."""
    errors = frozenset((error.policy_id, error.kind) for error in response.errors)
    assert len(errors) == len(response.errors), "a policy is reported twice"
    return Answer(response.decision, response.reasons, errors)


def judge(policies: PolicySet, entities: Entities, requests: tuple[Request, ...]) -> Iterator[Answer]:
    """What the Rust engine answers to each request. Policy ids must be the positional ones (`policy0`, ...)."""
    texts = sorted((*policies.static.values(), *policies.templates.values()), key=lambda policy: int(policy.id[6:]))
    assert [policy.id for policy in texts] == [f"policy{index}" for index in range(len(texts))]
    theirs = cedarpy.PolicySet.from_str(print_policies(texts))
    if policies.links:
        theirs = theirs.with_linked_batch(
            [
                {
                    "template_id": link.template_id,
                    "new_id": link.id,
                    "values": {slot.value: _uid(uid) for slot, uid in link.values.items()},
                }
                for link in policies.links.values()
            ]
        )
    stored = cedarpy.Entities.from_json_str(json.dumps(write_entities(entities)))
    for request in requests:
        yield _answer(cedarpy.is_authorized(_request(request), theirs, stored))


def _answer(result: Any) -> Answer:
    assert result.decision is not cedarpy.Decision.NoDecision, result.diagnostics.errors
    decision = Decision.ALLOW if result.decision is cedarpy.Decision.Allow else Decision.DENY
    return Answer(decision, frozenset(result.diagnostics.reasons), frozenset(map(_error, result.diagnostics.errors)))


def _error(text: str) -> tuple[str, ErrorKind]:
    match = _ERROR.fullmatch(text)
    assert match is not None, text
    kinds = [kind for pattern, kind in _KINDS if pattern.match(match[2])]
    assert kinds, text
    return match[1], kinds[0]


def _request(request: Request) -> dict[str, Any]:
    return {
        "principal": _uid(request.principal),
        "action": _uid(request.action),
        "resource": _uid(request.resource),
        "context": write_value(request.context),
    }


def _uid(uid: EntityUID) -> dict[str, str]:
    return {"type": uid.type, "id": uid.id}

"""The Rust engine (`cedarpy`) as a judge of JSON policy sets: whether it reads one, what it reads, what it decides."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, TypeVar

import cedarpy

from pdp.cedar.entities import Entities
from pdp.cedar.request import Request
from pdp.cedar.response import Decision
from pdp.cedar.values import EntityUID
from pdp.cedar.wire.entities import write_entities
from pdp.cedar.wire.values import write_value

_T = TypeVar("_T")

_ERRING: Final = re.compile(r"error while evaluating policy `([a-z]+[0-9]+)`: .*", re.DOTALL)


def accepts_policy_set(text: str) -> bool:
    """Whether the engine reads a JSON policy set."""
    return _unless_refused(cedarpy.PolicySet.from_json_str, text) is not None


def policy_set_json(text: str) -> str:
    """The JSON policy set that the engine makes of a policy text."""
    written: str = cedarpy.policies_to_json_str(text)
    return written


def policy_set_text(text: str) -> str | None:
    """What the engine reads in a JSON policy set, as policy text; None if it refuses it."""
    return _unless_refused(cedarpy.policies_from_json_str, text)


def _unless_refused(read: Callable[[str], _T], text: str) -> _T | None:
    try:
        return read(text)
    except ValueError:
        return None
    except BaseException as error:  # the binding's panics are no Exception
        if type(error).__name__ != "PanicException":
            raise
        return None


def decide(
    policies: str, entities: Entities, requests: Iterable[Request]
) -> Iterator[tuple[Decision, frozenset[str], frozenset[str]]]:
    """The decision, the determining policies and the erring ones, for each request, under a JSON policy set."""
    theirs = cedarpy.PolicySet.from_json_str(policies)
    stored = cedarpy.Entities.from_json_str(json.dumps(write_entities(entities)))
    for request in requests:
        result = cedarpy.is_authorized(_request(request), theirs, stored)
        assert result.decision is not cedarpy.Decision.NoDecision, result.diagnostics.errors
        decision = Decision.ALLOW if result.decision is cedarpy.Decision.Allow else Decision.DENY
        yield decision, frozenset(result.diagnostics.reasons), frozenset(map(_erring, result.diagnostics.errors))


def _erring(message: str) -> str:
    match = _ERRING.fullmatch(message)
    assert match is not None, message
    return match[1]


def _request(request: Request) -> dict[str, Any]:
    return {
        "principal": _uid(request.principal),
        "action": _uid(request.action),
        "resource": _uid(request.resource),
        "context": write_value(request.context),
    }


def _uid(uid: EntityUID) -> dict[str, str]:
    return {"type": uid.type, "id": uid.id}
